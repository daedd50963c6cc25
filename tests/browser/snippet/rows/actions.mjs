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
      <svg width="40" height="40"><a href="#drawn"><rect id="f" width="40" height="40" /></a></svg> <a id="h" href="http://[">unread</a>`),
    sends: ["page_view /", "page_view /within"],
    async does({ page, site }) {
      await begun(page);
      await page.evaluate(() => document.addEventListener("click", (event) => event.target.id !== "e" && event.preventDefault()));
      for (const id of "abcdgfhe") await clicks(`#${id}`)({ page });
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
    claim: "links of drawings and image maps are clicks and downloads",
    tag: ALL,
    pages: body(`<svg width="200" height="40">
        <a id="drawn" href="away:/drawn"><g><rect id="a" width="40" height="40" /></g></a>
        <a xlink:href="away:/linked?x=1"><text x="50" y="20" id="b">Linked</text></a>
        <a id="file" href="/Plan.PDF"><circle id="c" cx="140" cy="20" r="15" /></a>
        <a id="within" href="/within"><rect id="d" x="160" width="40" height="40" /></a>
      </svg>
      <img id="map" usemap="#places" width="80" height="40" src="data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7">
      <map name="places"><area id="left" shape="rect" coords="0,0,40,40" href="away:/left" alt="Left">
        <area shape="rect" coords="40,0,80,40" href="/list.csv"></map>
      <div id="host"></div><script>
        host.attachShadow({ mode: "open" }).innerHTML = '<svg width="40" height="40"><a id="deep" href="away:/deep"><rect id="e" width="40" height="40" /></a></svg>';
      </script>`),
    sends: ["page_view /", ...Array(6).fill("click /"), ...Array(2).fill("download /")],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => document.addEventListener("click", (event) => event.preventDefault()));
      for (const id of "abcde") await clicks(`#${id}`)({ page });
      await clicks("#a", { button: "middle" })({ page });
      await page.evaluate(() => document.getElementById("drawn").focus());
      await page.keyboard.press("Enter");
      for (const x of [20, 60]) await clicks("#map", { position: { x, y: 20 } })({ page });
    },
    check({ collector: { kept }, site }) {
      const away = site.at("else.localhost");
      const reported = kept.slice(1).map(({ name, props }) => [name, props.target ?? props.file_type, props.href, props.text]);
      assert.deepEqual(reported, [
        ["click", "drawn", `${away}/drawn`, ""],
        ["click", new URL(away).host, `${away}/linked?x=1`, "Linked"],
        ["download", "pdf", `${site.origin}/Plan.PDF`, undefined],
        ["click", "deep", `${away}/deep`, ""],
        ["click", "drawn", `${away}/drawn`, ""],
        ["click", "drawn", `${away}/drawn`, ""],
        ["click", "left", `${away}/left`, "Left"],
        ["download", "csv", `${site.origin}/list.csv`, undefined],
      ]);
    },
  },
  ...["shop.localhost", "www.shop.localhost"].map((host) => ({
    claim: `www. and a port make no link outbound on ${host}`,
    tag: ALL,
    pages: body(`<a id="a" href="http://shop.localhost:1/">port</a> <a id="b" href="http://www.shop.localhost:1/">www</a>
      <a id="c" href="https://SHOP.localhost./">secure</a> <a id="d" href="http://my.shop.localhost/">mine</a>
      <a id="e" href="http://notshop.localhost/">not</a>`),
    path: null,
    sends: ["page_view /", "click /", "click /"],
    async does(visit) {
      const page = await visit.open("/", visit.site.at(host));
      await begun(page);
      await page.evaluate(() => document.addEventListener("click", (event) => event.preventDefault()));
      for (const id of "abcde") await clicks(`#${id}`)({ page });
    },
    check({ collector: { kept } }) {
      assert.deepEqual(kept.slice(1).map(({ props }) => props.target), ["d", "e"]);
    },
  })),
  {
    claim: "a data: link names its file and never its content",
    tag: ALL,
    pages: body(`<a id="a" download="list.csv" href="data:text/csv,name%2Cmail%0AJane%2Cjane%40example.com">named</a>
      <a id="b" download href="DATA:text/csv;charset=utf-8;base64,SmFuZQ==">unnamed</a>
      <a id="c" download="big.csv" href="data:text/csv,${"Jane".repeat(75_000)}">big</a>
      <a id="d" download=" " href="data:,Jane">bare</a>
      <a id="e" download href="data:Jane">broken</a>
      <a id="f" download href="javascript:save('Jane')">script</a>
      <a id="g" href="mailto:Jane@files.zip">mail</a>
      <a id="h" href="javascript:open('/Jane.pdf">script</a>
      <a id="i" href="data:application/pdf,Jane">no attribute</a>
      <a id="j" href="data:text/html,Jane.csv">no download</a>
      <svg width="40" height="40"><a href="data:text/csv,Jane" download="drawn.csv"><rect id="k" width="40" height="40" /></a></svg>`),
    sends: ["page_view /", ...Array(8).fill("download /")],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => document.addEventListener("click", (event) => event.preventDefault()));
      for (const id of "abcdefghijk") await clicks(`#${id}`)({ page });
    },
    check({ collector: { kept, requests } }) {
      const reported = kept.slice(1).map(({ props: { href, file_type, ...rest } }) => [href, file_type, rest]);
      assert.deepEqual(reported, [
        ["list.csv", "csv", {}],
        ["data:text/csv", "csv", {}],
        ["big.csv", "csv", {}],
        ["data:", undefined, {}],
        ["data:", undefined, {}],
        ["javascript:", undefined, {}],
        ["data:application/pdf", "pdf", {}],
        ["drawn.csv", "csv", {}],
      ]);
      assert.doesNotMatch(requests.map(({ body }) => body).join(), /jane|SmFuZ/i);
    },
  },
  {
    claim: "a blob: link is sent by its address",
    tag: ALL,
    pages: body(`<a id="one" download="list.csv">one</a><script>one.href = URL.createObjectURL(new Blob(["Jane"]))</script>`),
    sends: ["page_view /", "download /"],
    async does({ page }) {
      await begun(page);
      await clicks("#one")({ page });
    },
    check: (visit) => assert.match(only("download", visit).props.href, /^blob:http:/),
  },
  {
    claim: "downloads are reported, by what they end in or by their attribute",
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
    claim: "leaving reports how far and for how long a page was read",
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
    claim: "how far a long page was read is not reported by the height of the next one",
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
    claim: "a tab that is closed right after a click has reported for it",
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
    claim: "a page that is left right after a click has reported for it, and the next one does not repeat it",
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
