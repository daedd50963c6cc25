// What a person does on the demo page: a table of actions, with the events that the snippet must and must not send,
// and what the page shows of them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { BASE, answer } from "./pages.mjs";

const ORIGIN = BASE && new URL(BASE).origin;
const ADDRESS = "ada@example.com";

const link = (name) => (page) => page.getByRole("link", { name }).first().click();
/** The snippet counts a view in a task after its own. */
const counted = (page) => page.evaluate(() => new Promise((done) => setTimeout(done, 50)));
export const press = (name) => (page) => page.getByRole("button", { name }).click();
export const chain = (...steps) => async (page) => {
  for (const step of steps) await step(page);
};
/** Follows a link to a view of the shop. */
const goTo = (name) => chain(link(name), counted);

/** An event of this name with at least these props. */
const event = (name, props = {}) => (sent) => {
  assert.equal(sent.name, name);
  for (const [key, value] of Object.entries(props)) assert.deepEqual(sent.props[key], value, key);
};
/** A view of the page with this query. */
const view = (query = "") => (sent) => {
  assert.deepEqual([sent.name, sent.url], ["page_view", `${ORIGIN}/${query}`]);
};
const CUP = { sku: "cup", price: 22.9, currency: "CHF" };
const opened = [view("?product=cup"), event("product_viewed", { ...CUP, name: "Celadon cup", in_stock: true })];
const openCup = goTo(/Celadon cup/);
const buy = chain(openCup, press("Add to cart"));

export const NOT_DURABLE = answer(503, '{"code":"not_durable","message":"firehose:events-low did not take every record; send again"}', {
  "retry-after": "1",
});

// does: what a person does, once the first page view is answered.  answers: what stands in for the worker, call by
// call; then the worker answers.  sends: a check for each event after that view, in order; none other may follow.
// never: texts that no body has.  shows: texts of the log, its newest rows unfolded.
export const ACTIONS = [
  {
    claim: "the page view is shown with its answer and its record",
    does: async () => {},
    sends: [],
    shows: ["page_view", "✓ accepted", "200", "Added by the worker", "session_trigger", "first", "As it was sent", "screen_width"],
  },
  {
    claim: "a product's page is a page view, and a product viewed",
    does: openCup,
    sends: opened,
    shows: ["product_viewed", "sku cup", "✓ accepted"],
  },
  {
    claim: "the cart tells each change, and what is in it then",
    does: chain(buy, goTo(/^Cart/), press("One Celadon cup more"), press("One Celadon cup less"), press("One Celadon cup less")),
    sends: [
      ...opened,
      event("cart_changed", { action: "add", quantity: 1, total: 22.9, ...CUP }),
      view("?view=cart"),
      event("cart_changed", { action: "add", quantity: 2, total: 45.8 }),
      event("cart_changed", { action: "remove", quantity: 1, total: 22.9 }),
      event("cart_changed", { action: "remove", quantity: 0, total: 0 }),
    ],
    shows: ["cart_changed", "✓ accepted"],
  },
  {
    claim: "an order's total, sent as a text, is shown as repaired",
    does: chain(buy, goTo(/^Cart/), press("Place the order")),
    sends: [
      ...opened,
      event("cart_changed"),
      view("?view=cart"),
      event("order_placed", { total: "22.90", currency: "CHF", lines: [{ sku: "cup", quantity: 1, price: 22.9 }] }),
      view("?view=thanks"),
    ],
    shows: ["order_placed", "1 repaired", "Repaired 1", "props.total", "22.90 22.9 coerce"],
  },
  {
    claim: "the newsletter's form names its fields, not what was typed",
    does: async (page) => {
      await page.getByLabel("Email").fill(ADDRESS);
      await press("Subscribe")(page);
    },
    sends: [event("form_submit", { form_id: "newsletter", fields: ["email"] })],
    never: [ADDRESS],
    shows: ["form_submit", "✓ accepted"],
  },
  {
    claim: "a form that the browser holds back sends nothing",
    does: press("Subscribe"),
    sends: [],
  },
  {
    claim: "a download is reported with its file's type",
    does: async (page) => {
      const [download] = await Promise.all([page.waitForEvent("download"), link("Brewing times")(page)]);
      assert.equal(download.suggestedFilename(), "brewing.txt");
    },
    sends: [event("download", { href: `${ORIGIN}/demo/shop/brewing.txt`, file_type: "txt" })],
    shows: ["download", "✓ accepted"],
  },
  {
    claim: "a link to another site is reported as outbound",
    does: async (page) => {
      await page.context().route("https://example.com/", (route) => route.fulfill({ body: "" }));
      await Promise.all([page.context().waitForEvent("page"), link("A friend’s shop")(page)]);
      await page.bringToFront();
    },
    sends: [event("click", { href: "https://example.com/", outbound: true })],
    shows: ["click"],
  },
  {
    claim: "an address in a link is sent, and shown as taken out",
    does: link("Open an email link"),
    sends: [view("?utm_source=letter&utm_campaign=autumn&email=ada%40example.com")],
    shows: ["utm_source", "letter", "email=[removed]", "sensitive_parameter"],
  },
  {
    claim: "what is marked in HTML is sent with its attributes",
    does: press("Ask for a sample"),
    sends: [event("sample_asked", { kind: "sencha" })],
    shows: ["sample_asked", "✓ accepted"],
  },
  {
    claim: "an event off its schema is shown with its reason, and as it is kept",
    does: press("Order in “francs”"),
    sends: [event("order_placed", { currency: "francs" })],
    shows: ["✕ failed", "bad_format", "/props/currency", "kept with its reason", "The failed event", "original"],
  },
  {
    claim: "going back is a page view of the page before",
    does: async (page) => {
      await openCup(page);
      await goTo("All products")(page);
      await page.goBack();
      await page.getByRole("heading", { name: "Celadon cup" }).waitFor();
    },
    sends: [...opened, view(), ...opened],
  },
  {
    claim: "keys do what a click does",
    does: async (page) => {
      await page.getByRole("link", { name: /Celadon cup/ }).focus();
      await page.keyboard.press("Enter");
      const focused = () => page.evaluate(() => document.activeElement.textContent);
      assert.equal(await focused(), "Celadon cup");
      await counted(page);
      await page.keyboard.press("Tab");
      assert.equal(await focused(), "Add to cart");
      await page.keyboard.press("Enter");
    },
    sends: [...opened, event("cart_changed", CUP)],
  },
  {
    claim: "once consent is denied nothing is sent, and nothing but that stays stored",
    does: async (page) => {
      await press("Deny")(page);
      await buy(page);
      // Longer than the snippet lets an event wait.
      await page.waitForTimeout(1_500);
      assert.deepEqual(await page.evaluate(() => Object.values(localStorage)), ['{"consent":"denied"}']);
    },
    sends: [],
  },
  {
    claim: "once consent is granted events say so",
    does: chain(press("Grant"), press("Ask for a sample")),
    sends: [(sent) => assert.equal(sent.consent, "granted")],
    shows: ["sample_asked"],
  },
  {
    claim: "what is not durable is shown as kept, and then as sent again",
    does: async (page) => {
      await press("Ask for a sample")(page);
      await page.getByText("again").waitFor();
    },
    answers: [NOT_DURABLE],
    // The same event, twice.
    sends: [event("sample_asked"), event("sample_asked")],
    shows: ["1 event, again", "✓ accepted", "503", "Not durable", "kept for later"],
  },
];

const READY = '{"ready":true,"streams":[{"stream":"firehose:events"}]}';
const verdict = (outcome, code) => (route) => {
  const { events } = JSON.parse(route.request().postData());
  return route.fulfill({ body: JSON.stringify({ verdicts: events.map(({ id }) => ({ event_id: id, outcome, code, message: "why" })) }) });
};
const tagged = (attribute) => async (page) => {
  const html = await (await fetch(BASE)).text();
  await page.route(BASE, (route) => route.fulfill({ contentType: "text/html", body: html.replace("data-auto", `${attribute} data-auto`) }));
};
const asks = (property, value) => (page) =>
  page.addInitScript(([name, on]) => Object.defineProperty(Navigator.prototype, name, { get: () => on }), [property, value]);
const readyz = (stub) => (page) => page.route("**/readyz", (route) => (stub === "abort" ? route.abort() : route.fulfill(stub)));
const events = (stub) => (page) =>
  page.route("**/v1/events*", (route) => (stub === "abort" ? route.abort() : typeof stub === "function" ? stub(route) : route.fulfill(stub)));

// What "Is it working?" says: where, whether it works, and its words.
export const CHECKS = [
  ["as it is", async () => {}, "works", ["It works: 200", "durable"]],
  ["with a 204", events(answer(204, "")), "works", ["It works: 204"]],
  ["where the script is blocked", (page) => page.route("**/t.js", (route) => route.abort()), "fails", ["blocked", "/t.js"]],
  ["where consent is missing", tagged('data-consent="required"'), "fails", ["Consent is missing"]],
  ["with Global Privacy Control", asks("globalPrivacyControl", true), "fails", ["Global Privacy Control is on"]],
  ["with Do Not Track", asks("doNotTrack", "1"), "fails", ["Do Not Track is on"]],
  [
    "where the worker is not ready",
    chain(events(answer(503, "{}")), readyz(answer(503, '{"ready":false,"problems":["AWS_REGION is not set"]}'))),
    "fails",
    ["Not ready", "AWS_REGION is not set"],
  ],
  ["where a stream is in trouble", chain(events(NOT_DURABLE), readyz(answer(200, READY))), "fails", ["Not durable", "did not take every record"]],
  ["where the worker is away", chain(events("abort"), readyz("abort")), "fails", ["The worker does not answer"]],
  ["where beacons are blocked", events("abort"), "fails", ["The worker is ready", "content blocker"]],
  ["with a wrong key", events(answer(401, '{"code":"unknown_key","message":"no such key"}')), "fails", ["401 unknown_key: ", "no such key"]],
  ["where the event is refused", events(verdict("failed", "unknown_event")), "fails", ["failed: unknown_event: why"]],
  ["where another server answers", events(answer(200, "<p>hello")), "fails", ["not an answer of the worker"]],
];

const core = () => readFileSync("www/t.js");
const digest = (algorithm, encoding) => createHash(algorithm).update(core()).digest(encoding);

// The guide's boxes, and what the tag then has and has not.
export const TAGS = [
  [[], [`src="${ORIGIN}/t.js"`, 'data-auto="outbound downloads forms engagement"', "window.headwater=window.headwater||"], ["data-chunks", "consent", "cookieless", "integrity"]],
  [["Auto-capture"], [], ["data-auto"]],
  [["Chunks"], ['data-chunks="vitals pointer video"'], []],
  [["Ask for consent first"], ['data-consent="required"'], []],
  [["Cookieless"], ["data-cookieless"], []],
  [
    ["Pinned"],
    [`src="${ORIGIN}/t.${digest("sha256", "hex").slice(0, 8)}.js"`, `integrity="sha384-${digest("sha384", "base64")}"`, "crossorigin"],
    ["/t.js"],
  ],
];
