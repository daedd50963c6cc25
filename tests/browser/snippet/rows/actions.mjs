// What a person does on a page: clicks, downloads, forms, reading, leaving.

import assert from "node:assert/strict";

import { begun } from "../calls.mjs";
import { untilStored } from "../stored.mjs";

const ALL = { auto: "outbound downloads forms" };
const only = (name, { collector: { kept } }) => kept.find((event) => event.name === name);

/** A page whose body this is; `away` is put in for another site's origin. */
const body = (html) => ({ site }) => ({ "/": { body: html.replaceAll("away:", site.at("else.localhost")) } });

/** Clicks without waiting for where it leads. */
const clicks = (selector, options = {}) => ({ page }) => page.click(selector, { noWaitAfter: true, ...options });

export const ACTIONS = [
  {
    claim: "a link to another site is a click",
    tag: ALL,
    pages: body(`<a id="out" href="away:/there?x=1#y"><b>Go <i>there</i></b></a>`),
    sends: ["page_view /", "click /"],
    async does({ page, site }) {
      await begun(page);
      await page.click("i");
      await page.waitForURL(`${site.at("else.localhost")}/there?x=1#y`);
    },
    check(visit) {
      const href = `${visit.site.at("else.localhost")}/there?x=1#y`;
      assert.deepEqual(only("click", visit).props, { target: "out", href, outbound: true, text: "Go there" });
    },
  },
  {
    claim: "a link that opens a tab is a click, by the middle button too",
    tag: ALL,
    pages: body(`<a id="one" href="away:/one">one</a> <a id="two" href="away:/two" target="_blank">two</a>`),
    sends: ["page_view /", "click /", "click /"],
    async does({ page }) {
      await begun(page);
      await clicks("#one", { button: "middle" })({ page });
      await clicks("#two")({ page });
    },
    check({ collector: { kept } }) {
      assert.deepEqual(
        kept.slice(1).map(({ props }) => props.target),
        ["one", "two"],
      );
    },
  },
  {
    claim: "the right button follows no link",
    tag: ALL,
    pages: body(`<a id="one" href="away:/one">one</a> <button data-hw-event="pressed">press</button>`),
    sends: ["page_view /"],
    async does({ page }) {
      await begun(page);
      await clicks("#one", { button: "right" })({ page });
      await page.keyboard.press("Escape");
      await clicks("button", { button: "right" })({ page });
    },
  },
  {
    claim: "links that lead to no other site are no clicks, and odd ones do no harm",
    tag: ALL,
    pages: body(`
      <a id="a" href="#part">part</a> <a id="b" href="mailto:a@shop.test">mail</a> <a id="c" href="javascript:void 0">script</a>
      <a id="d">bare</a> <a id="e" href="/within">within</a> <p id="g">text</p>
      <svg width="40" height="40"><a href="away:/svg"><rect id="f" width="40" height="40" /></a></svg>`),
    sends: ["page_view /", "page_view /within"],
    async does({ page, site }) {
      await begun(page);
      await page.evaluate(() => document.addEventListener("click", (event) => event.target.id !== "e" && event.preventDefault()));
      for (const id of "abcdgfe") await clicks(`#${id}`)({ page });
      await page.waitForURL(`${site.origin}/within`);
    },
  },
  {
    claim: "a link in a shadow tree is a click",
    tag: ALL,
    pages: body(`<div id="host"></div><script>
      host.attachShadow({ mode: "open" }).innerHTML = '<a id="deep" href="away:/deep"><span>deep</span></a>';
    </script>`),
    sends: ["page_view /", "click /"],
    async does({ page }) {
      await begun(page);
      await clicks("span")({ page });
    },
    check(visit) {
      assert.equal(only("click", visit).props.target, "deep");
    },
  },
  {
    claim: "downloads are told, by what they end in or by their attribute",
    tag: ALL,
    pages: body(`<a id="one" href="/Prices.PDF">one</a> <a id="two" href="/export" download>two</a>
      <a id="three" href="away:/a.zip">three</a>`),
    sends: ["page_view /", "download /", "download /", "download /"],
    async does({ page }) {
      await begun(page);
      for (const id of ["one", "two", "three"]) await clicks(`#${id}`)({ page });
    },
    check({ collector: { kept }, site }) {
      assert.deepEqual(
        kept.slice(1).map(({ props }) => props),
        [
          { href: `${site.origin}/Prices.PDF`, file_type: "pdf" },
          { href: `${site.origin}/export` },
          { href: `${site.at("else.localhost")}/a.zip`, file_type: "zip" },
        ],
      );
    },
  },
  {
    claim: "a form tells which fields were filled, and never with what",
    tag: ALL,
    pages: body(`<form id="order" action="/thanks">
      <input name="email" value="zoe@shop.example"><input name="empty"><input name="size" value="4711" type="hidden">
      <input name="pass" type="password" value="hunter2"><input value="nameless"><input name="size" value="4712"><button>send</button>
    </form>`),
    sends: ["page_view /", "form_submit /", "page_view /thanks"],
    async does({ page, collector }) {
      await begun(page);
      await page.click("button");
      await collector.untilKept(["page_view /thanks"]);
    },
    check(visit) {
      assert.deepEqual(only("form_submit", visit).props, { form_id: "order", fields: ["email", "pass", "size"] });
      // The page that follows has them in its address, as the site wants it.
      const { props, url } = only("form_submit", visit);
      assert.doesNotMatch(JSON.stringify([props, url]), /zoe|4711|4712|hunter2|nameless/);
    },
  },
  {
    claim: "without being asked for, links and forms are no events",
    pages: body(`<a id="one" href="away:/one" target="_blank">one</a> <a id="two" href="/a.pdf">two</a>
      <form><button>send</button></form>`),
    sends: ["page_view /"],
    async does({ page }) {
      await begun(page);
      await clicks("#one")({ page });
      await clicks("#two")({ page });
      await page.evaluate(() => document.forms[0].addEventListener("submit", (event) => event.preventDefault()));
      await page.click("button");
    },
  },
  {
    claim: "a marked element names its own event",
    tag: { auto: true },
    pages: body(`<button data-hw-event="added" data-hw-mark="1" data-hw-order-id="7" data-other="no"><b>Add</b></button>
      <form data-hw-event="searched" data-hw-mark="2"><input name="q" value="tea"><input type="submit"></form>`),
    sends: ["page_view /", "added / 1", "searched / 2"],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => document.forms[0].addEventListener("submit", (event) => event.preventDefault()));
      await page.click("b");
      await page.click("input[name=q]");
      await page.click("input[type=submit]");
    },
    check(visit) {
      assert.deepEqual(only("added", visit).props, { mark: "1", order_id: "7" });
      assert.deepEqual(only("searched", visit).props, { mark: "2" });
    },
  },
  {
    claim: "leaving tells how far and for how long a page was read",
    tag: { auto: "engagement" },
    pages: () => ({ "/": { body: `<div style="height: 4000px"></div>` } }),
    options: { viewport: { width: 800, height: 1000 } },
    sends: ["page_view /", "page_leave /", "page_view /next", "page_leave /next"],
    async does(visit) {
      const { page, collector, site } = visit;
      await begun(page);
      const began = await page.evaluate(() => performance.timeOrigin);
      await page.evaluate(() => scrollTo(0, 1500));
      await page.waitForFunction(() => scrollY === 1500);
      await collector.untilKept(["page_view /"]);
      await page.waitForTimeout(1_000);
      await page.goto(`${site.origin}/next`);
      visit.most = Date.now() - began;
      await collector.untilKept(["page_view /next"]);
      await page.close();
    },
    check(visit) {
      const { depth, engaged_ms, ...rest } = only("page_leave", visit).props;
      assert.deepEqual(rest, {});
      // Seen are 2,500 of the 4,000 pixels, and the body's margins.
      assert.ok(depth >= 61 && depth <= 63, `${depth} per cent`);
      assert.ok(Number.isInteger(engaged_ms) && engaged_ms >= 1_000 && engaged_ms <= visit.most, `${engaged_ms} of ${visit.most}`);
    },
  },
  {
    claim: "how far a long page was read is not told by the height of the next one",
    tag: { auto: "engagement" },
    pages: () => ({ "/": { body: `<div id="all" style="height: 10000px"></div>` } }),
    options: { viewport: { width: 800, height: 1000 } },
    sends: ["page_view /", "page_leave /", "page_view /next", "page_leave /next"],
    async does({ page, collector }) {
      await begun(page);
      await page.waitForTimeout(1_200);
      await page.evaluate(() => {
        all.style.height = "100px";
        history.pushState({}, "", "/next");
      });
      await collector.untilKept(["page_view /next"]);
      await page.close();
    },
    check({ collector: { kept } }) {
      const [first, second] = kept.filter(({ name }) => name === "page_leave").map(({ props }) => props.depth);
      assert.ok(first >= 9 && first <= 11, `${first} per cent`);
      assert.equal(second, 100);
    },
  },
  {
    claim: "a page that fits into its window is read to its end",
    tag: { auto: "engagement" },
    sends: ["page_view /", "page_leave /"],
    async does({ page }) {
      await begun(page);
      await page.waitForFunction(() => performance.now() > 1_500);
      await page.close();
    },
    check: (visit) => assert.equal(only("page_leave", visit).props.depth, 100),
  },
  {
    claim: "each view of a page that makes its own has its own reading",
    tag: { auto: "engagement" },
    pages: () => ({ "/": { body: `<div style="height: 8000px"></div>` } }),
    options: { viewport: { width: 800, height: 1000 } },
    sends: ["page_view /", "page_leave /", "page_view /next", "page_leave /next"],
    async does({ page, collector }) {
      await begun(page);
      await page.evaluate(() => scrollTo(0, 3000));
      await page.waitForFunction(() => performance.now() > 1_200);
      await page.evaluate(() => {
        history.pushState({}, "", "/next");
        scrollTo(0, 1000);
      });
      await collector.untilKept(["page_view /next"]);
      await page.close();
    },
    check({ collector: { kept } }) {
      const [first, second] = kept.filter(({ name }) => name === "page_leave");
      assert.ok(first.props.depth >= 49 && first.props.depth <= 51, `${first.props.depth} per cent`);
      // It begins where the page is when the view does.
      assert.ok(second.props.depth >= 24 && second.props.depth <= 51, `${second.props.depth} per cent`);
    },
  },
  {
    claim: "a tab that is closed right after a click has told of it",
    tag: { auto: true },
    pages: body(`<button data-hw-event="bought" data-hw-mark="1">buy</button>`),
    sends: ["page_view /", "bought / 1"],
    async does({ page }) {
      await begun(page);
      await page.click("button");
      await page.close();
    },
    check({ collector: { requests } }) {
      assert.deepEqual(new Set(requests.map(({ by }) => by)), new Set(["beacon"]));
    },
  },
  {
    claim: "a page that is left right after a click has told of it, and the next one does not repeat it",
    tag: { auto: true },
    pages: body(`<a href="/next" data-hw-event="followed" data-hw-mark="1">next</a>`),
    sends: ["page_view /", "followed / 1", "page_view /next"],
    async does({ page, collector }) {
      await begun(page);
      await page.click("a");
      await collector.untilKept(["page_view /next"]);
      await untilStored(page, 0);
    },
  },
];
