// Pages that make it hard: strict policies, broken scripts, odd prototypes, odd calls. Nothing is thrown into them.

import assert from "node:assert/strict";

import { begun, marked, tracks } from "../calls.mjs";

const SOME = ["page_view /", ...marked("reported", 3)];
const some = ({ page }) => begun(page).then(() => tracks(page, "reported", 3));

/** Fields by these names hide what a form has by them. */
const TAKEN = ["id", "name", "action", "target", "method", "elements", "attributes", "closest"];

/** A policy that names the scripts it allows, and allows nothing else but the collector. */
const policed = (claim, scripts, tagged) => ({
  claim,
  html: (visit) => visit.tag({ auto: "outbound downloads forms" }, tagged),
  pages: ({ collector: { origin } }) => ({
    "/": {
      headers: {
        "content-security-policy": [
          "default-src 'none'",
          `script-src ${scripts(origin)}`,
          `connect-src ${origin}`,
          "base-uri 'none'",
          "form-action 'none'",
          "require-trusted-types-for 'script'",
          "trusted-types 'none'",
        ].join("; "),
      },
    },
  }),
  sends: SOME,
  async does({ page }) {
    await some({ page });
    await page.close();
  },
});

/** What a site may let visitors write. By its name, each hides a property of the document. */
const NAMED = {
  image: (name) => `<img name="${name}">`,
  form: (name) => `<form name="${name}"><input name="q"></form>`,
  frame: (name) => `<iframe name="${name}" src="about:blank#frame"></iframe>`,
  object: (name) => `<object id="${name}" name="${name}"></object>`,
};

/** What the snippet and its chunks read of the document. */
const READ = ["currentScript", "prerendering", "addEventListener", "removeEventListener", "hidden", "title", "referrer", "createElement", "hasFocus", "documentElement"];

/** A page on which elements hide `names`; all is as if there were none. */
const hidden = (claim, element, names) => ({
  claim,
  tag: { auto: "outbound engagement" },
  pages: ({ site }) => ({
    "/": {
      head: names.map(element).join(""),
      body: `<title>no title</title><a id="out" href="${site.at("else.localhost")}/there">there</a><button data-hw-event="reported" data-hw-mark="1">press</button>`,
    },
  }),
  sends: ["page_view /", "reported / 1", "click /", "page_leave /"],
  async does({ page, collector }) {
    await begun(page);
    await page.evaluate(() => {
      addEventListener("click", (event) => event.preventDefault());
      for (const element of [window.out, ...Document.prototype.getElementsByTagName.call(document, "button")]) element.click();
    });
    // Leaving is the only reason for a beacon.
    await collector.untilKept(["page_view /", "reported / 1", "click /"]);
    assert.deepEqual(new Set(collector.requests.map(({ by }) => by)), new Set(["fetch"]));
    await page.close();
  },
  check({ collector: { kept } }) {
    for (const { title, referrer } of kept) assert.deepEqual([title, referrer || ""], ["/", ""]);
  },
});

export const HOSTILE = [
  ...Object.entries(NAMED).map(([what, element]) => hidden(`a page on which each ${what} is named like a property of the document is heard`, element, READ)),
  ...READ.map((name) => hidden(`a page with an image that is named ${name} is heard`, NAMED.image, [name])),
  ...["img", "iframe", "object", "embed", "form"].map((element) => ({
    claim: `an element ${element} named currentScript is not taken for the snippet`,
    pages: ({ site, collector }) => ({
      "/": {
        head: `<${element} name="currentScript" src="${site.at("else.localhost")}/evil.js" data-auto data-chunks="vitals" data-key="pk_2" data-endpoint="${collector.origin}/stolen"></${element}>`,
      },
    }),
    sends: SOME,
    async does({ page }) {
      await some({ page });
      const asked = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
      assert.deepEqual(asked.filter((name) => /evil\.\w+\.|stolen|\/t\.\w+\.\w+\.js/.test(name)), []);
    },
  })),
  ...[
    ["a form with a field q", `<form id="headwater"><input name="q"></form>`],
    ["a form with two fields q", `<form id="headwater"><input name="q"><input name="q"></form>`],
    ["a frame of another site", `<iframe name="headwater" src="http://else.localhost/"></iframe>`],
    ["two elements", `<a id="headwater"></a><a id="headwater" name="q"></a>`],
  ].map(([what, head]) => ({
    claim: `a page that has ${what} by the snippet's name is heard`,
    pages: () => ({ "/": { head } }),
    html: (visit) => visit.tag({}, { stub: "" }),
    sends: SOME,
    async does({ page }) {
      await page.waitForFunction(() => typeof window.headwater == "function");
      await tracks(page, "reported", 3);
    },
  })),
  policed("a policy with a nonce stops nothing", () => "'nonce-n0nce'", { nonce: "n0nce" }),
  policed("a policy with a nonce and strict-dynamic stops nothing", () => "'nonce-n0nce' 'strict-dynamic'", { nonce: "n0nce" }),
  policed("a policy with a host, and so without the stub, stops nothing", (origin) => origin, { stub: "" }),
  {
    claim: "a page whose own scripts throw is heard",
    tag: { auto: true },
    pages: () => ({
      "/": {
        head: `<script>addEventListener("click", () => { throw new Error("theirs too") }, true); throw new Error("theirs")</script>`,
        body: `<button data-hw-event="reported" data-hw-mark="1">press</button>`,
      },
    }),
    throws: ["Error: theirs", "Error: theirs too"],
    sends: ["page_view /", "reported / 1"],
    async does({ page }) {
      await begun(page);
      await page.click("button");
    },
  },
  {
    claim: "prototypes with more than they should have do no harm",
    init: () => {
      Array.prototype.toJSON = function () {
        return `[${this.join(", ")}]`;
      };
      Array.prototype.each = Array.prototype.forEach;
      // As Prototype.js has them in version 1.6, and older scripts.
      for (const { prototype } of [String, Number, Boolean, Date])
        prototype.toJSON = function () {
          return `"${this}"`;
        };
      Object.prototype.toJSON = function () {
        return `{${Object.keys(this)}}`;
      };
      Object.prototype.extend = function () {};
      delete Crypto.prototype.randomUUID;
    },
    tag: { auto: "forms" },
    pages: () => ({ "/": { body: `<form id="f"><input name="a" value="1"><input name="b" value="2"><button>send</button></form>` } }),
    sends: [...SOME, "form_submit /", "listed / 4"],
    async does({ page }) {
      await some({ page });
      await page.evaluate(() => {
        document.forms[0].addEventListener("submit", (event) => event.preventDefault());
        document.forms[0].requestSubmit();
        const own = { toJSON: () => ({ kept: [1] }) };
        const [when, never, boxed, url] = [new Date(0), new Date(NaN), new String("x"), new URL("https://a.example/")];
        headwater("track", "listed", { mark: 4, list: ["a", [1, { b: [true] }]], when, never, boxed, url, own });
      });
    },
    check({ collector: { kept } }) {
      assert.deepEqual(kept.find(({ name }) => name === "form_submit").props, { form_id: "f", fields: ["a", "b"] });
      assert.deepEqual(kept.find(({ name }) => name === "listed").props, {
        mark: 4,
        list: ["a", [1, { b: [true] }]],
        when: "1970-01-01T00:00:00.000Z",
        never: null,
        boxed: "x",
        url: "https://a.example/",
        own: { kept: [1] },
      });
      assert.equal(new Set(kept.map(({ device_id, session_id }) => device_id + session_id)).size, 1);
    },
  },
  {
    claim: "a fetch and a history that the page wraps do no harm",
    init: () => {
      const { fetch } = window;
      window.fetch = (...values) => fetch(...values).then((answer) => answer.clone());
      const { pushState } = history;
      history.pushState = (...values) => pushState.apply(history, values);
    },
    sends: [...SOME, "page_view /next"],
    async does({ page }) {
      await some({ page });
      await page.evaluate(() => history.pushState({}, "", "/next"));
    },
  },
  ...[
    ["an object", `<script>window.headwater = {}</script>`],
    ["an element", `<a id="headwater"></a>`],
  ].map(([what, head]) => ({
    claim: `a page that has ${what} by the snippet's name is heard`,
    pages: () => ({ "/": { head } }),
    sends: SOME,
    does: some,
  })),
  {
    claim: "a page that has the tag twice counts once",
    html: (visit) => visit.tag() + visit.tag(),
    sends: SOME,
    async does({ page }) {
      await page.waitForLoadState();
      await some({ page });
    },
  },
  {
    claim: "where fetch is blocked, beacons are used",
    init: () => (window.fetch = () => Promise.reject(new TypeError("blocked"))),
    sends: SOME,
    does: some,
    check({ collector: { requests } }) {
      assert.deepEqual(new Set(requests.map(({ by }) => by)), new Set(["beacon"]));
    },
  },
  {
    claim: "where beacons are refused on leaving, fetch is used",
    init: () => (Navigator.prototype.sendBeacon = () => false),
    sends: SOME,
    async does({ page }) {
      await some({ page });
      await page.close();
    },
    check({ collector: { requests } }) {
      assert.deepEqual(new Set(requests.map(({ by }) => by)), new Set(["fetch"]));
    },
  },
  {
    claim: "where there are neither beacons nor fetch, nothing is thrown",
    init: () => {
      delete Navigator.prototype.sendBeacon;
      delete window.fetch;
    },
    sends: [],
    async does(visit) {
      await some(visit);
      await visit.silence();
      await visit.page.close();
    },
  },
  {
    claim: "calls that make no sense throw nothing, and keep nothing back",
    grumbles: true,
    sends: ["page_view /", "reported / 1", "reported / 2"],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        const circular = { mark: "no" };
        circular.self = circular;
        headwater("track", "reported", { mark: 1 });
        headwater();
        headwater("nothing");
        headwater("__proto__");
        headwater(circular);
        headwater("track", "circular", circular);
        headwater("track", "big", { mark: 10n });
        headwater("track", "getter", {
          get mark() {
            throw new Error("from within");
          },
        });
        headwater("track", "reported", { mark: 2 });
      });
    },
  },
  {
    claim: "what JSON has no word for is left out, and odd text stays",
    sends: SOME,
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => {
        const [nothing, none, call] = [undefined, Number.NaN, () => {}];
        headwater("track", "reported", { mark: 1, nothing, none, call, when: new Date(0), map: new Map([[1, 2]]) });
        headwater("track", "reported", { mark: 2, text: "</script>\u2028\u0000\u{1f600}", "": 1, "a.b": 2 });
        headwater("track", "reported", { mark: 3, half: "\ud800" });
      });
    },
    check({ collector: { kept } }) {
      const props = new Map(kept.map(({ props }) => [props?.mark, props]));
      assert.deepEqual(props.get(1), { mark: 1, none: null, when: "1970-01-01T00:00:00.000Z", map: {} });
      assert.deepEqual(props.get(2), { mark: 2, text: "</script>\u2028\u0000\u{1f600}", "": 1, "a.b": 2 });
    },
  },
  {
    claim: "an event that is larger than a body holds up nobody",
    bytes: 210_000,
    sends: ["page_view /", "huge / 0", ...marked("reported", 3)],
    async does({ page }) {
      await begun(page);
      await page.evaluate(() => headwater("track", "huge", { mark: 0, text: "x".repeat(200_000) }));
      await tracks(page, "reported", 3);
    },
  },
  {
    claim: "a form whose fields are named like what a form has is heard",
    tag: { auto: "forms" },
    pages: () => ({
      "/": {
        body: `<form id="odd" data-hw-event="reported" data-hw-mark="1">
          ${TAKEN.map((name) => `<input name="${name}" value="x">`).join("")}
          <button>send</button></form>
          <script>document.forms[0].addEventListener("submit", (event) => event.preventDefault())</script>`,
      },
    }),
    sends: ["page_view /", "reported / 1", "form_submit /"],
    async does({ page }) {
      await begun(page);
      await page.click("button");
    },
    check({ collector: { kept } }) {
      assert.equal(kept.at(-1).props.form_id, "odd");
    },
  },
];
