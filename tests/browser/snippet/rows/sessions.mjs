// Who it is: a device over its visits, its sessions, and the numbers of its events.

import assert from "node:assert/strict";

import { begun, marked, tracks } from "../calls.mjs";
import { untilIdle } from "../stored.mjs";

/** Clocks that the row can put forward, those of pages yet to come too. */
const movable = () => {
  const now = Date.now.bind(Date);
  Date.now = () => now() + Number(sessionStorage.ahead ?? 0);
};
const ahead = (page, minutes) =>
  page.evaluate((ms) => (sessionStorage.ahead = Number(sessionStorage.ahead ?? 0) + ms), minutes * 60_000);

/** The sessions, numbered in the order in which they come. */
function numbered(kept) {
  const ids = [...new Set(kept.map(({ session_id }) => session_id))];
  return kept.map(({ session_id }) => ids.indexOf(session_id));
}

const one = (page, mark) => page.evaluate((mark) => headwater("track", "reported", { mark }), mark);

export const SESSIONS = [
  {
    claim: "a session ends with half an hour of silence, and not before",
    init: movable,
    sends: ["page_view /", ...marked("reported", 3)],
    async does({ page }) {
      await begun(page);
      for (const [mark, minutes] of [29, 29, 31].entries()) {
        await ahead(page, minutes);
        await one(page, mark + 1);
      }
    },
    check({ collector: { kept } }) {
      assert.deepEqual(numbered(kept), [0, 0, 0, 1]);
      assert.equal(new Set(kept.map(({ device_id }) => device_id)).size, 1);
    },
  },
  {
    claim: "a session-start event begins a session",
    tag: { "session-start": "app_open signed_in" },
    sends: ["page_view /", "reported / 1", "signed_in / 1", "reported / 2", "signed_in / 2", "sign / 1"],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        const events = [["reported", 1], ["signed_in", 1], ["reported", 2], ["signed_in", 2], ["sign", 1]];
        for (const [name, mark] of events) headwater("track", name, { mark });
      });
    },
    check: ({ collector: { kept } }) => assert.deepEqual(numbered(kept), [0, 0, 1, 1, 2, 2]),
  },
  {
    claim: "a device, its session, its user and its count go on from page to page and tab to tab",
    sends: ["page_view /", "identify / 1", "page_view /next", "page_view /tab", "reported /tab 1"],
    async does(visit) {
      const { page, collector, site } = visit;
      await begun(page);
      await page.evaluate(() => headwater("identify", "u-9", { mark: 1 }));
      await collector.untilKept(["identify / 1"]);
      await untilIdle(page);
      await page.goto(`${site.origin}/next`);
      await collector.untilKept(["page_view /next"]);
      const tab = await visit.open("/tab");
      await begun(tab);
      await tracks(tab, "reported", 1);
    },
    check({ collector: { kept } }) {
      assert.deepEqual(
        kept.map(({ seq }) => seq),
        [1, 2, 3, 4, 5],
      );
      assert.deepEqual(
        kept.map(({ user_id }) => user_id),
        [undefined, "u-9", "u-9", "u-9", "u-9"],
      );
      assert.equal(new Set(kept.map(({ device_id, session_id }) => device_id + session_id)).size, 1);
    },
  },
  {
    claim: "events of one millisecond have their order",
    sends: ["page_view /", ...marked("reported", 100)],
    async does({ page }) {
      await begun(page);
      await tracks(page, "reported", 100);
    },
    check({ collector: { kept } }) {
      const reported = kept.filter(({ name }) => name === "reported").sort((one, other) => one.props.mark - other.props.mark);
      assert.deepEqual(
        reported.map(({ seq }) => seq),
        Array.from({ length: 100 }, (_, index) => index + 2),
      );
    },
  },
];
