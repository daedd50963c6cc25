// Pages with longer texts than the worker takes: the snippet sends what fits. The limits are read from the worker's files.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";

import { begun } from "../calls.mjs";
import { untilIdle } from "../stored.mjs";

/** The most characters of the protocol's texts, as src/model/beacon.rs names them. */
const PROTOCOL = Object.fromEntries(
  [...readFileSync("src/model/beacon.rs", "utf8").matchAll(/pub const (\w+): usize = ([\d_]+);/g)].map(([, name, most]) => [name, +most.replaceAll("_", "")]),
);
/** The snippet sends twice that of a page's address, so that the worker can keep the campaign of a long one. */
const SENT_URL = 2 * PROTOCOL.URL;
const FIELDS = { title: "TITLE", build: "BUILD", user_id: "ID", device_id: "ID", session_id: "ID" };
const PROPS = Object.fromEntries(
  readdirSync("www/schemas").map((file) => {
    const { properties } = JSON.parse(readFileSync(`www/schemas/${file}`, "utf8"));
    return [file.replace(".json", ""), properties?.props?.properties ?? {}];
  }),
);
const most = (event, prop) => PROPS[event][prop].maxLength;
const count = (text) => [...text].length;

/** Two units each, so that a cut between them shows. */
const faces = (length) => "\u{1f600}".repeat(length);
/** One unit before them, so that each limit is in the middle of a face. */
const odd = (length) => `x${faces(length)}`;

/** Holds every text of the events to its limit, and to whole characters. */
function fits({ collector: { kept } }) {
  assert.equal(PROTOCOL.URL, 8_192);
  for (const event of kept) {
    for (const field of ["url", "referrer"]) assert.ok(count(event[field] ?? "") <= SENT_URL, `${event.name} ${field}`);
    for (const [field, limit] of Object.entries(FIELDS)) assert.ok(count(event[field] ?? "") <= PROTOCOL[limit], `${event.name} ${field}`);
    for (const [prop, value] of Object.entries(event.props ?? {})) {
      const { maxLength, items, maxItems, minLength = 0 } = PROPS[event.name]?.[prop] ?? {};
      if (typeof value === "string" && maxLength) assert.ok(count(value) >= minLength && count(value) <= maxLength, `${event.name} ${prop}`);
      if (!Array.isArray(value) || !items) continue;
      assert.ok(value.length <= maxItems && new Set(value).size === value.length);
      for (const item of value) assert.ok(item.trim() && count(item) <= items.maxLength, `${event.name} ${prop}`);
    }
  }
  assert.doesNotMatch(JSON.stringify(kept), /\\ud[89a-f]/);
}

const named = (name, { collector: { kept } }) => kept.filter((event) => event.name === name);
const goes = (page, url, title) =>
  page.evaluate(
    ([url, title]) => {
      history.pushState({}, "", url);
      if (title) document.title = title;
      return new Promise((resolve) => setTimeout(resolve, 20));
    },
    [url, title],
  );

/** What fits behind the pages' origin, whose port has five digits. */
const REST = SENT_URL - "http://shop.localhost:12345".length;
const PATH = `/${"p".repeat(REST - 1)}`;
const ROUTE = `/?utm_source=x#/${"r".repeat(REST - "/?utm_source=x#/".length)}`;
const CAMPAIGN = `/sale?state=${"a".repeat(9_000)}&utm_source=news`;
const LONG = "a page with more than the worker takes sends what fits of its texts";

export const LIMITS = [
  {
    claim: LONG,
    // Those before are not looked at.
    init: () => (Document.prototype.hasFocus = () => location.pathname === "/last"),
    html: (visit) => visit.tag({ build: `${LONG.replaceAll(" ", "-")}-and-more`, pages: "hash", auto: "engagement" }),
    sends: [
      "page_view /",
      "page_view /map",
      "page_view /sale",
      `page_view ${PATH}`,
      `page_view ${ROUTE.replace("?utm_source=x", "")}`,
      "page_view /last",
      "page_leave /last",
    ],
    // The worker cuts the addresses that are over its limit.
    stores: ["page_view /", "page_view /map", ...Array(3).fill("page_view (cut)"), "page_view /last", "page_leave /last"],
    async does({ page, collector }) {
      await begun(page);
      await goes(page, `/map?state=${"a".repeat(17_000)}`, odd(2_000));
      await goes(page, CAMPAIGN, "sale");
      await goes(page, PATH + PATH, faces(1_024));
      await goes(page, ROUTE + ROUTE, "short");
      await goes(page, "/last", odd(1_024));
      await page.evaluate(() => {
        dispatchEvent(new Event("focus"));
        return new Promise((resolve) => setTimeout(resolve, 50));
      });
      await collector.untilKept(["page_view /last"]);
      // Beacons in flight share 64 KiB, and a closing page can't wait for room.
      await untilIdle(page);
      await page.close();
    },
    check(visit) {
      fits(visit);
      const views = named("page_view", visit);
      const { origin } = visit.site;
      const urls = [`${origin}/`, `${origin}/map`, origin + CAMPAIGN, origin + PATH, origin + ROUTE, `${origin}/last`];
      assert.deepEqual(views.map(({ url }) => url), urls);
      assert.deepEqual(views.map(({ referrer }) => referrer), ["", ...urls.slice(0, -1)]);
      assert.deepEqual(views.slice(1).map(({ title }) => title), [odd(1_023), "sale", faces(1_024), "short", odd(1_023)]);
      assert.equal(count(views[0].build), PROTOCOL.BUILD);
      const [left] = named("page_leave", visit);
      assert.deepEqual([left.url, left.title], [`${origin}/last`, odd(1_023)]);
    },
  },
  {
    claim: "links and forms send what fits into the worker's limits",
    tag: { auto: "outbound downloads forms" },
    pages: ({ site }) => {
      const away = site.at("else.localhost");
      const fields = Array.from({ length: 150 }, (_, index) => `<input name="${index}${odd(70)}" value="x">`);
      return {
        "/": {
          body: `<a id="${odd(140)}" class="a" href="${away}/a?q=${"x".repeat(9_000)}">${odd(300)}</a>
            <a id=" " class="b" href="${away}/${"y".repeat(9_000)}"> ${" ".repeat(500)} b</a>
            <a class="c" href="http://${`${"h".repeat(60)}.`.repeat(4)}localhost/">c</a>
            <a class="d" href="/list.csv?q=${"z".repeat(9_000)}">d</a>
            <a class="e" href="data:text/csv,x" download="${odd(9_000)}.csv">e</a>
            <form id="${odd(140)}"><input name="twice" value="1"><input name=" twice " value="1"><input name=" " value="1">${fields.join("")}
              <button class="f">f</button></form>
            <form id=" " name=" ${odd(140)}"><input name=${JSON.stringify(odd(64))} value="1"><button class="g">g</button></form>
            <form id="" name=" "><button class="h">h</button></form>`,
        },
      };
    },
    sends: ["page_view /", ...Array(3).fill("click /"), ...Array(2).fill("download /"), ...Array(3).fill("form_submit /")],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        for (const type of ["click", "submit"]) document.addEventListener(type, (event) => event.target.matches("a, form") && event.preventDefault());
      });
      for (const name of "abcdefgh") await page.evaluate((name) => document.querySelector(`.${name}`).click(), name);
    },
    check(visit) {
      fits(visit);
      const away = visit.site.at("else.localhost");
      const clicks = named("click", visit).map(({ props }) => props);
      const target = most("click", "target");
      assert.deepEqual(
        clicks.map(({ target, href, text }) => [target, href, text]),
        [
          [odd(target - 1), `${away}/a`, odd(most("click", "text") - 1)],
          [new URL(away).host, `${away}/${"y".repeat(most("click", "href") - away.length - 1)}`, "b"],
          [`${`${"h".repeat(60)}.`.repeat(4)}localhost`.slice(0, target), `http://${`${"h".repeat(60)}.`.repeat(4)}localhost/`, "c"],
        ],
      );
      const downloads = named("download", visit).map(({ props }) => props);
      assert.equal(downloads[0].href, `${visit.site.origin}/list.csv`);
      assert.ok(downloads[1].href.startsWith(odd(100)));
      const forms = named("form_submit", visit).map(({ props }) => props);
      const form = most("form_submit", "form_id");
      assert.deepEqual(forms.map(({ form_id }) => form_id), [odd(form - 1), odd(form - 1), "form"]);
      assert.deepEqual([forms[0].fields[0], forms[0].fields[1], forms[0].fields.length], ["twice", `0${odd(62)}`, 100]);
      assert.deepEqual(forms[1].fields, [odd(63)]);
    },
  },
];
