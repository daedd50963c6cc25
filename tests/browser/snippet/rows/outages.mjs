// What happens to events while the worker can't be reached, or will not take them.

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";

import { begun, marked, tracks } from "../calls.mjs";
import { untilStored } from "../stored.mjs";

/** A worker that wants to be left alone for three seconds, once. */
const busy = (status) => ({
  claim: `a ${status} that says when is obeyed, by other tabs and after a reload too`,
  sends: ["page_view /", "page_view /second", "page_view /", "late / 1"],
  path: null,
  async does(visit) {
    visit.collector.troubles = [{ status, headers: { "retry-after": 3 } }];
    const page = await visit.open("/");
    await visit.collector.until("the refusal", () => visit.collector.requests[0]?.until);
    await untilStored(page, 1);
    await visit.open("/second");
    await page.reload();
    await begun(page);
    await tracks(page, "late", 1);
    await visit.silence();
  },
  check({ collector: { requests } }) {
    const since = requests[1].at - requests[0].until;
    assert.ok(since >= 3_000, `asked again after ${since} ms`);
  },
});

export const OUTAGES = [
  busy(503),
  busy(429),
  {
    claim: "other failures are tried again",
    path: null,
    sends: ["page_view /"],
    async does(visit) {
      visit.collector.troubles = [{ status: 500 }, { status: 404 }];
      await visit.open("/");
    },
    check({ collector: { requests } }) {
      assert.equal(requests.length, 3);
      assert.equal(new Set(requests.map(({ events: [{ id }] }) => id)).size, 1);
    },
  },
  ...[400, 413].map((status) => ({
    claim: `what is answered ${status} is not sent again`,
    path: null,
    sends: ["after / 1"],
    async does(visit) {
      visit.collector.troubles = [{ status }];
      const page = await visit.open("/");
      await visit.collector.until("the refusal", () => visit.collector.requests[0]?.until);
      await untilStored(page, 0);
      await tracks(page, "after", 1);
    },
    check({ collector: { requests } }) {
      assert.equal(requests.length, 2);
    },
  })),
  ...["before", "after"].map((cut) => ({
    claim: `a connection that breaks ${cut} the worker has it all costs nothing`,
    path: null,
    sends: ["page_view /", "next / 1"],
    async does(visit) {
      visit.collector.troubles = [{ cut }];
      const page = await visit.open("/");
      await visit.collector.until("the break", () => visit.collector.requests[0]?.until);
      await tracks(page, "next", 1);
    },
    check({ collector: { requests } }) {
      assert.ok(requests.length >= 2);
      assert.equal(requests[0].trouble.cut, cut);
    },
  })),
  {
    claim: "what happens offline is sent when the browser is online again",
    sends: ["page_view /", ...marked("late", 3)],
    async does(visit) {
      const { page, context, collector } = visit;
      await collector.untilKept(["page_view /"]);
      await context.setOffline(true);
      await tracks(page, "late", 3);
      await untilStored(page, 3);
      await visit.silence();
      await context.setOffline(false);
    },
  },
  {
    claim: "a browser that is killed while the worker is away loses nothing",
    unwatched: true,
    pages: () => ({
      "/": {
        body: `<script>addEventListener("load", () => fetch("/wait/away").then(() => {
          for (let mark = 1; mark <= 5; mark++) headwater("track", "late", { mark });
          fetch("/wait/tracked");
        }))</script>`,
      },
    }),
    sends: ["page_view /", ...marked("late", 5), "page_view /again"],
    async does(visit) {
      const { collector, site } = visit;
      visit.start("/");
      const goOn = await site.asked("away");
      await collector.untilKept(["page_view /"]);
      await collector.leave();
      goOn();
      await site.asked("tracked");
      await pause(200);
      await visit.kill();
      await collector.come();
      visit.start("/again");
      await visit.judge();
    },
  },
  {
    claim: "ten thousand events that wait all arrive once",
    sends: ["page_view /", ...marked("queued", 10_000)],
    async does({ page, collector }) {
      await collector.untilKept(["page_view /"]);
      await collector.leave();
      await tracks(page, "queued", 10_000);
      await untilStored(page, 10_000);
      await collector.come();
    },
    check({ collector: { requests } }) {
      // They come in large bodies.
      assert.ok(requests.length < 200, `${requests.length} requests`);
    },
  },
  {
    claim: "more than a beacon may have, when a page is left, comes with the next page",
    sends: ["page_view /", ...marked("large", 18), "page_view /next"],
    async does(visit) {
      await begun(visit.page);
      await tracks(visit.page, "large", 18, { text: "ü".repeat(4_000) });
      await visit.page.close();
      await visit.open("/next");
    },
  },
  {
    claim: "three tabs at once send each event once, a tab at a time",
    path: "/1",
    sends: ["page_view /1", "page_view /2", "page_view /3", ...[1, 2, 3].flatMap((tab) => marked("tabbed", 50, `/${tab}`))],
    async does(visit) {
      await begun(visit.page);
      const pages = [visit.page, await visit.open("/2"), await visit.open("/3")];
      await Promise.all(pages.map(begun));
      await Promise.all(pages.map((page) => tracks(page, "tabbed", 50)));
    },
    check({ collector: { requests, kept, sent } }) {
      assert.equal(sent.length, kept.length);
      for (const [index, { at }] of requests.entries()) {
        assert.ok(requests.slice(0, index).every(({ until }) => until <= at), "two requests at a time");
      }
      assert.equal(new Set(kept.map(({ device_id, session_id }) => device_id + session_id)).size, 1);
    },
  },
  {
    claim: "while one tab's request has no answer, no other tab sends",
    path: null,
    sends: ["page_view /", "page_view /second"],
    async does(visit) {
      const { promise, resolve } = Promise.withResolvers();
      visit.collector.troubles = [{ holds: promise }];
      await visit.open("/");
      await visit.collector.until("the first request", () => visit.collector.requests.length);
      await visit.open("/second");
      await visit.silence();
      resolve();
    },
    check({ collector: { sent } }) {
      assert.equal(sent.length, 2);
    },
  },
];
