// What is stored and sent of those who have not agreed to it, or have said that they won't.

import assert from "node:assert/strict";

import { begun, marked, tracks } from "../calls.mjs";
import { everything, stored, untilStored } from "../stored.mjs";

const AUTO = { auto: "outbound downloads forms engagement" };
const BUTTON = () => ({ "*": { body: `<button data-hw-event="pressed">press</button><a href="http://else.localhost/a.pdf">a</a>` } });

/** All that a page does to make itself heard. */
async function acts(page, mark = "acts") {
  await begun(page);
  await page.evaluate((mark) => {
    headwater("track", "acted", { mark });
    headwater("identify", "u-1", { mark });
    headwater("page", { mark });
    history.pushState({}, "", "/pushed");
  }, mark);
  await page.click("button");
}
const acted = (mark) => [`acted / ${mark}`, `identify / ${mark}`, `page_view / ${mark}`];

/** Refutes anything stored by the page. */
const nothingStored = async (page) => assert.deepEqual(await everything(page), []);

/** Refutes that more than the no itself is remembered. */
const onlyTheNo = async (page) =>
  assert.deepEqual(await page.evaluate(() => Object.values(localStorage)), ['{"consent":"denied"}']);

/** A browser that says no by itself. */
const wish = (claim, init, header) => ({
  claim,
  tag: AUTO,
  pages: BUTTON,
  init,
  options: { extraHTTPHeaders: { [header]: "1" } },
  sends: [],
  async does(visit) {
    await acts(visit.page);
    await visit.silence();
    await nothingStored(visit.page);
    await visit.page.reload();
    await begun(visit.page);
    await nothingStored(visit.page);
  },
  check: ({ collector: { requests } }) => assert.deepEqual(requests, []),
});
const gpc = () => Object.defineProperty(Navigator.prototype, "globalPrivacyControl", { get: () => true });
const dnt = () => Object.defineProperty(Navigator.prototype, "doNotTrack", { get: () => "1" });

const consents = (page, answer) => page.evaluate((answer) => headwater("consent", answer), answer);

export const PRIVACY = [
  wish("with Global Privacy Control nothing is sent and nothing stored", gpc, "sec-gpc"),
  wish("with Do Not Track nothing is sent and nothing stored", dnt, "dnt"),
  {
    claim: "who grants it in spite of Global Privacy Control is heard",
    init: gpc,
    options: { extraHTTPHeaders: { "sec-gpc": "1" } },
    sends: ["page_view /", ...marked("before", 3), "granted / 1"],
    async does(visit) {
      await begun(visit.page);
      await tracks(visit.page, "before", 3);
      await consents(visit.page, "granted");
      await tracks(visit.page, "granted", 1);
    },
    check: ({ collector: { kept } }) => assert.equal(kept[0].consent, "granted"),
  },
  {
    claim: "what happens before consent is sent with it, once",
    tag: { auto: true, consent: "required" },
    pages: BUTTON,
    sends: ["page_view /", ...acted("early"), "page_view /pushed", "pressed /pushed", "late /pushed 1"],
    async does(visit) {
      const { page, collector } = visit;
      await acts(page, "early");
      await visit.silence();
      await nothingStored(page);
      await consents(page, "granted");
      await consents(page, "granted");
      await tracks(page, "late", 1);
      await collector.untilKept(["page_view /", "late /pushed 1"]);
      visit.granted = collector.requests[0].at;
      await page.close();
    },
    check({ collector: { kept }, granted }) {
      assert.deepEqual(new Set(kept.map(({ consent }) => consent)), new Set(["granted"]));
      assert.equal(new Set(kept.map(({ device_id, session_id }) => device_id + session_id)).size, 1);
      // They tell when they happened, not when they could be reported.
      const view = kept.find(({ name }) => name === "page_view");
      assert.ok(granted - view.time > 1_500, `${granted - view.time} ms`);
    },
  },
  {
    claim: "what waits for consent is what was reported then, and what can't be reported keeps nothing back",
    tag: { consent: "required" },
    grumbles: true,
    sends: ["page_view /", ...marked("reported", 3)],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        const props = { mark: 1 };
        headwater("track", "reported", props);
        props.mark = 2;
        headwater("track", "reported", props);
        props.mark = 9;
        props.self = props;
        headwater("track", "circular", props);
        headwater("track", "reported", { mark: 3 });
      });
      await consents(page, "granted");
    },
  },
  {
    claim: "without an answer nothing is sent when the page is left",
    tag: { ...AUTO, consent: "required" },
    pages: BUTTON,
    sends: [],
    async does(visit) {
      await acts(visit.page);
      await visit.page.reload();
      await begun(visit.page);
      await nothingStored(visit.page);
    },
    check: ({ collector: { requests } }) => assert.deepEqual(requests, []),
  },
  {
    claim: "what happened before a no is never sent, not after a later yes",
    tag: { consent: "required" },
    pages: BUTTON,
    sends: ["late / 1"],
    async does(visit) {
      const { page } = visit;
      await begun(page);
      await tracks(page, "early", 2);
      await consents(page, "denied");
      await tracks(page, "denied", 2);
      await visit.silence();
      await onlyTheNo(page);
      assert.equal(await stored(page), 0);
      await consents(page, "granted");
      await tracks(page, "late", 1);
    },
  },
  {
    claim: "a no in one tab is heard by the others, and by pages yet to come",
    sends: ["page_view /", "page_view /second", "late /third 1"],
    async does(visit) {
      const { page, collector } = visit;
      const second = await visit.open("/second");
      await collector.untilKept(["page_view /", "page_view /second"]);
      await untilStored(page, 0);
      await consents(page, "denied");
      await tracks(second, "unheard", 2);
      const third = await visit.open("/third");
      await begun(third);
      await visit.silence();
      await onlyTheNo(third);
      await consents(second, "denied");
      await consents(third, "granted");
      await tracks(third, "late", 1);
    },
  },
  ...[{ cookieless: true }, {}].map((tag) => ({
    claim: `a no is a no ${tag.cookieless ? "to what is cookieless" : "where storage throws"}, too`,
    tag: { ...tag, consent: "required" },
    init: tag.cookieless ? undefined : () => Object.defineProperty(window, "localStorage", { get: () => { throw new Error("no") } }),
    sends: ["late / 1"],
    async does(visit) {
      const { page } = visit;
      await begun(page);
      await tracks(page, "early", 2);
      await consents(page, "denied");
      await tracks(page, "denied", 2);
      await visit.silence();
      await consents(page, "granted");
      await tracks(page, "late", 1);
    },
  })),
  {
    claim: "a no erases what is stored and what waits",
    sends: ["page_view /"],
    async does(visit) {
      const { page, collector } = visit;
      await collector.untilKept(["page_view /"]);
      await untilStored(page, 0);
      await collector.leave();
      await tracks(page, "waiting", 30);
      await untilStored(page, 30);
      assert.notDeepEqual(await page.evaluate(() => Object.keys(localStorage)), []);
      await consents(page, "denied");
      await untilStored(page, 0);
      await tracks(page, "after", 2);
      await collector.come();
      await visit.silence();
      await page.evaluate(() => dispatchEvent(new Event("online")));
      await visit.silence();
      await onlyTheNo(page);
      assert.equal(await stored(page), 0);
    },
  },
  {
    claim: "cookieless, nothing is stored and nothing says who it is",
    tag: { cookieless: true },
    sends: ["page_view /", ...marked("reported", 3), "identify / later", "reported / later", "page_view /next", "last /next 1"],
    async does({ page, collector, site }) {
      await begun(page);
      await tracks(page, "reported", 3);
      await collector.untilKept(["page_view /", "reported / 3"]);
      await page.evaluate(() => {
        headwater("identify", "u-1", { mark: "later" });
        headwater("track", "reported", { mark: "later" });
      });
      await collector.untilKept(["reported / later"]);
      await nothingStored(page);
      await page.goto(`${site.origin}/next`);
      await begun(page);
      await nothingStored(page);
      await tracks(page, "last", 1);
      await page.close();
    },
    check({ collector: { kept } }) {
      for (const event of kept) for (const field of ["device_id", "session_id", "seq"]) assert.ok(!(field in event), field);
      assert.deepEqual(kept.filter(({ props }) => props?.mark === "later").map(({ user_id }) => user_id), ["u-1", "u-1"]);
    },
  },
];
