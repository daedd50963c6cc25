// Page views: each once, however the browser comes to the page.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { begun } from "../calls.mjs";
import { untilIdle } from "../stored.mjs";

const pinned = createHash("sha256").update(readFileSync("www/t.js")).digest("hex").slice(0, 8);
const UUID_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** Goes to pages by the history API, without waiting. */
const goes = (page, method, ...urls) =>
  page.evaluate(([method, urls]) => urls.forEach((url) => history[method]({}, "", url)), [method, urls]);

/** A page that has the browser make another one ahead, and then goes where it is reported. */
const madeAhead = (then) => () => ({
  "/": {
    html: `<script type="speculationrules">{ "prerender": [{ "urls": ["/ahead"], "eagerness": "immediate" }] }</script>
      <script>fetch("/wait/shown").then(() => (location.href = "${then}"))</script>`,
  },
  "/ahead": { body: `<script>addEventListener("load", () => fetch("/wait/made-" + document.prerendering))</script>` },
});

export const VIEWS = [
  {
    claim: "the first load is a view, with all that is known of it",
    options: { viewport: { width: 900, height: 700 }, screen: { width: 1600, height: 1200 } },
    sends: ["page_view /"],
    check({ collector, site }) {
      const [request] = collector.requests;
      assert.equal(collector.requests.length, 1);
      assert.deepEqual([request.by, request.headers.origin, request.status], ["fetch", site.origin, 204]);
      const { sent_at, events, ...rest } = JSON.parse(request.body);
      assert.deepEqual(rest, {});
      const [{ id, device_id, session_id, time, ...view }] = events;
      for (const each of [id, device_id, session_id]) assert.match(each, UUID_7);
      assert.equal(new Set([id, device_id, session_id]).size, 3);
      assert.equal(parseInt(id.replace("-", "").slice(0, 12), 16), time);
      assert.ok(time <= sent_at && sent_at <= Date.now() && sent_at - time < 10_000, `${time} ${sent_at}`);
      assert.deepEqual(view, {
        name: "page_view",
        seq: 1,
        url: `${site.origin}/`,
        title: "/",
        referrer: "",
        screen: "1600x1200",
        viewport: "900x700",
        build: "the-first-load-is-a-view-with-all-that-is-known-of-it",
      });
    },
  },
  {
    claim: "the address of the script has settings too, and an attribute wins",
    html: (visit) => visit.tag({}, { source: `${visit.collector.origin}/t.js?pages=manual&build=other` }),
    sends: ["wished /"],
    async does({ page }) {
      await page.evaluate(() => headwater("track", "wished"));
    },
  },
  {
    claim: "the pages' own origin takes events too",
    html: (visit) => visit.tag({}, { source: "/t.js" }),
    sends: ["page_view /"],
    check({ collector: { requests: [{ headers }] }, site }) {
      assert.equal(`http://${headers.host}`, site.origin);
    },
  },
  {
    claim: "the referrer is the page before",
    sends: ["page_view /", "page_view /next", "page_view /third"],
    async does({ page, collector }) {
      await collector.untilKept(["page_view /"]);
      await page.evaluate(() => (location.href = "/next"));
      await collector.untilKept(["page_view /next"]);
      await page.evaluate(() => history.pushState({}, "", "/third"));
    },
    check({ collector: { kept }, site }) {
      assert.deepEqual(
        kept.map(({ referrer }) => referrer),
        ["", `${site.origin}/`, `${site.origin}/next`],
      );
      assert.deepEqual(
        kept.map(({ seq }) => seq),
        [1, 2, 3],
      );
      assert.equal(new Set(kept.map(({ session_id, device_id }) => session_id + device_id)).size, 1);
    },
  },
  {
    claim: "pages that the history API makes are views, those with the same address are not",
    sends: ["page_view /", "page_view /one", "page_view /two", "page_view /one"],
    async does({ page }) {
      for (const [method, url] of [
        ["pushState", "/one"],
        ["pushState", "/one"],
        ["replaceState", "/one#part"],
        ["replaceState", "/two"],
        ["pushState", "/two#part"],
      ]) {
        await goes(page, method, url);
        await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 20)));
      }
      await page.evaluate(() => history.go(-2));
      await page.waitForFunction(() => location.pathname === "/one");
    },
  },
  {
    claim: "a page that drops its campaign from its address is one view",
    path: "/?utm_source=news&q=a%20b&flag&UTM_Campaign=x&gclid=1&gad_source=2&li_fat_id=3&sccid=4&wbraid=5&msclkid=6&irclickid=7",
    sends: ["page_view /", "page_view /", "page_view /next", "page_view /next", "page_view /next", "page_view /next"],
    async does({ page }) {
      await begun(page);
      const settled = () => page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 20)));
      // Some of them first, and what is left written in another way.
      await page.evaluate(() => {
        const url = new URL(location.href);
        for (const name of ["utm_source", "gclid", "sccid"]) url.searchParams.delete(name);
        history.replaceState({}, "", url);
      });
      await settled();
      for (const [method, url] of [
        ["replaceState", "/?q=a+b&flag=&"],
        ["pushState", "/?q=a+b&flag=#part"],
        ["pushState", "/?q=c"],
        ["pushState", "/next"],
        ["pushState", "/next?utm_source=mail&epik=1"],
        ["pushState", "/next?utm_source=other"],
        ["replaceState", "/next?"],
        ["replaceState", "/next?page=2&fbclid=8"],
        ["replaceState", "/next?page=2"],
      ]) {
        await goes(page, method, url);
        await settled();
      }
    },
    check({ collector: { kept }, site }) {
      assert.deepEqual(
        kept.slice(1).map(({ url }) => url.slice(site.origin.length)),
        ["/?q=c", "/next", "/next?utm_source=mail&epik=1", "/next?utm_source=other", "/next?page=2&fbclid=8"],
      );
    },
  },
  {
    claim: "a campaign behind the # is dropped alike",
    tag: { pages: "hash" },
    path: "/#/sale?utm_source=news&a=1",
    sends: ["page_view /#/sale?utm_source=news&a=1", "page_view /#/other?a=1"],
    async does({ page }) {
      await begun(page);
      await goes(page, "replaceState", "/#/sale?a=1");
      await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 20)));
      await goes(page, "pushState", "/#/other?a=1");
    },
  },
  {
    claim: "a placeholder names no person",
    sends: ["page_view /", ...Array.from({ length: 16 }, (_, mark) => `identify / ${mark}`), "reported / 1", "identify / 16", "identify / 17", "reported / 2"],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        const nobody = [undefined, null, NaN, {}, [], true].map(String);
        nobody.push("None", "NULL", " undefined ", '"null"', "00000000-0000-0000-0000-000000000000", "x".repeat(129), {}, true, undefined, NaN);
        for (const [mark, id] of nobody.entries()) headwater("identify", id, { mark });
        headwater("track", "reported", { mark: 1 });
        headwater("identify", 7, { mark: 16 });
        headwater("identify", String(undefined), { mark: 17 });
        headwater("track", "reported", { mark: 2 });
      });
    },
    check({ collector: { kept } }) {
      const ids = kept.map(({ user_id }) => user_id || undefined);
      assert.deepEqual(ids, [...Array(18).fill(undefined), ...ids.slice(18)]);
      assert.deepEqual(kept.at(-1).user_id, "7");
    },
  },
  {
    claim: "a view has the title that its page is given right after",
    sends: ["page_view /", "page_view /titled"],
    does: ({ page }) =>
      page.evaluate(() => {
        history.pushState({}, "", "/titled");
        document.title = "Told late";
      }),
    check({ collector: { kept } }) {
      assert.equal(kept.at(-1).title, "Told late");
    },
  },
  {
    claim: "going back is a view with the title of the page that it goes to",
    pages: () => ({
      "*": {
        body: `<script>
          const render = () => setTimeout(() => (document.title = "Page " + location.pathname));
          addEventListener("popstate", render);
          render();
        </script>`,
      },
    }),
    sends: ["page_view /", "page_view /two", "page_view /"],
    async does({ page, collector }) {
      await begun(page);
      await page.evaluate(() => {
        history.pushState({}, "", "/two");
        document.title = "Page /two";
      });
      await collector.untilKept(["page_view /two"]);
      await page.evaluate(() => history.back());
    },
    check({ collector: { kept } }) {
      assert.equal(kept.at(-1).title, "Page /");
    },
  },
  {
    claim: "a pinned tag has its chunks",
    html: (visit) => visit.tag({ auto: true }, { source: `${visit.collector.origin}/t.${pinned}.js` }),
    pages: () => ({ "/": { body: `<button data-hw-event="pressed" data-hw-mark="1">press</button>` } }),
    sends: ["page_view /", "pressed / 1"],
    async does({ page }) {
      await begun(page);
      await page.click("button");
    },
  },
  {
    claim: "what follows the # is part of the page where it is asked for",
    tag: { pages: "hash" },
    path: "/#/one",
    sends: ["page_view /#/one", "page_view /#/two", "page_view /#/one", "page_view /#/three"],
    async does({ page }) {
      await page.evaluate(() => (location.hash = "#/two"));
      await page.waitForFunction(() => location.hash === "#/two");
      await page.evaluate(() => history.back());
      await page.waitForFunction(() => location.hash === "#/one");
      await goes(page, "pushState", "#/three", "#/three");
    },
  },
  {
    claim: "without that, what follows the # is not",
    sends: ["page_view /"],
    async does({ page }) {
      await page.evaluate(() => (location.hash = "#two"));
      await page.waitForFunction(() => location.hash === "#two");
      await page.evaluate(() => history.back());
      await page.waitForFunction(() => location.hash === "");
    },
  },
  {
    claim: "manual pages are views only when they are reported",
    tag: { pages: "manual" },
    sends: ["page_view /two reported"],
    async does({ page }) {
      await goes(page, "pushState", "/one", "/two");
      await begun(page);
      await page.evaluate(() => headwater("page", { mark: "reported" }));
    },
  },
  {
    claim: "calls before the script is there wait for it",
    pages: () => ({
      "/": {
        head: `<script>
          window.headwater = window.headwater || function () { (headwater.q = headwater.q || []).push(arguments) };
          headwater("track", "early", { mark: 1 });
          headwater("identify", "u-7", { mark: 2 });
          headwater("track", "early", { mark: 3 });
        </script>`,
      },
    }),
    sends: ["page_view /", "early / 1", "identify / 2", "early / 3"],
    check({ collector: { kept } }) {
      const users = Object.fromEntries(kept.map(({ props, user_id }) => [props?.mark, user_id]));
      assert.deepEqual([users[1], users[2], users[3]], [undefined, "u-7", "u-7"]);
    },
  },
  {
    claim: "each call makes its event",
    sends: ["page_view /", "wished / 1", "identify / 2", "page_view / 3", "bare /"],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        headwater("track", "wished", { mark: 1, deep: { list: [1, null, "ü"] }, gone: undefined });
        headwater("identify", "u-8", { mark: 2, plan: "pro" });
        headwater("page", { mark: 3 });
        headwater("track", "bare");
      });
    },
    check({ collector: { kept } }) {
      const [view, wished, identified, again, bare] = kept;
      assert.deepEqual(wished.props, { mark: 1, deep: { list: [1, null, "ü"] } });
      assert.deepEqual([identified.user_id, identified.props], ["u-8", { mark: 2, plan: "pro" }]);
      assert.deepEqual([view.user_id, wished.user_id, again.user_id, bare.user_id], [undefined, undefined, "u-8", "u-8"]);
      assert.deepEqual(
        kept.map(({ seq }) => seq),
        [1, 2, 3, 4, 5],
      );
      // An event with no answer of consent says nothing of it.
      assert.deepEqual(new Set(kept.map(({ consent }) => consent)), new Set([undefined]));
    },
  },
  {
    claim: "a page out of the back/forward cache is a view of its own",
    pages: () => ({
      "/": { head: `<script>addEventListener("pageshow", ({ persisted }) => fetch("/wait/persisted-" + persisted))</script>` },
    }),
    sends: ["page_view /", "page_view /next", "page_view /"],
    async does({ page, collector, site }) {
      await collector.untilKept(["page_view /"]);
      // A page that holds a lock is not kept.
      await untilIdle(page);
      await page.goto(`${site.origin}/next`);
      await collector.untilKept(["page_view /next"]);
      await page.goBack({ waitUntil: "commit" });
      await site.asked("persisted-true");
    },
    check({ collector: { kept } }) {
      assert.equal(new Set(kept.map(({ id }) => id)).size, 3);
    },
  },
  {
    claim: "a page that is made ahead is a view when it is shown",
    unwatched: true,
    pages: madeAhead("/ahead"),
    sends: ["page_view /ahead"],
    async does(visit) {
      visit.start("/");
      const [show] = await Promise.all([visit.site.asked("shown"), visit.site.asked("made-true")]);
      await visit.silence();
      show();
      await visit.judge();
    },
  },
  {
    claim: "a page that is made ahead and never shown is none",
    unwatched: true,
    pages: madeAhead("/other"),
    sends: ["page_view /other"],
    async does(visit) {
      visit.start("/");
      const [show] = await Promise.all([visit.site.asked("shown"), visit.site.asked("made-true")]);
      show();
      await visit.judge();
    },
  },
];
