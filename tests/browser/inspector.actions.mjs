// What is sent to the worker, and what the inspector then reports of it: a table of events, with the entry of each, and
// a table of what a person does on the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { gzipSync } from "node:zlib";

import { BASE, stand } from "./pages.mjs";

export const TOKEN = process.env.HEADWATER_INSPECT_TOKEN;
export const PAGE = BASE && new URL("_/inspect", BASE).href;
export const UNLOCKED = `${PAGE}#token=${encodeURIComponent(TOKEN)}`;
const HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script>';
const REPEATED = "5c3e6a1e-8f0d-4c4e-9a35-0d2b7c1f9e10";

/** Sends beacons; a text or bytes as they are, all else as JSON. */
export function post(body, headers = {}) {
  const sent = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
  return fetch(new URL("v1/events", BASE), { method: "POST", body: sent, headers: { "content-type": "text/plain", ...headers } });
}
const pixel = (query) => fetch(new URL(`v1/pixel.gif?${query}`, BASE));

/** Asks the inspector's API, as a test in CI does. */
export async function ask(path, method = "GET") {
  const response = await fetch(new URL(`_/inspect/${path}`, BASE), { method, headers: { authorization: `Bearer ${TOKEN}` } });
  assert.equal(response.status, 200);
  return response.json();
}

// send: what is sent.  line: texts of the newest entry's line.  parts: texts of its parts, by their headings.
// marks: the places that are marked in what came.  hides: texts that the entry has not.
export const EVENTS = [
  {
    claim: "an event that was repaired, with its session and its route",
    send: () =>
      post({
        name: "order_placed",
        device_id: crypto.randomUUID(),
        url: "https://shop.example/thanks?utm_source=news&token=swordfish",
        props: { order: "A-1", total: "19.90", currency: "CHF" },
      }),
    line: ["✓ accepted", "order_placed", "firehose:events-high"],
    parts: {
      Received: ["post, text/plain", "204", "1 of 1", '"total": "19.90"'],
      Repairs: ["/props/total coerce", "/url sensitive_parameter"],
      "As it was sent": ["name order_placed", "props.order A-1", 'props.total "19.90" 19.90'],
      Session: ["session_index 1", "session_trigger first"],
      Route: ["stream firehose:events-high", "level high"],
      "Added by the worker": ["country CH", "utm_source news", "tenant default", "utc_offset_minutes 60"],
      Time: ["ms"],
    },
    hides: ["swordfish"],
  },
  {
    claim: "an event of a batch, compressed",
    send: () => post(gzipSync(JSON.stringify([{ name: "scroll", props: { depth: 50 } }, { name: "quiz_answered", props: { points: 3 } }])), { "content-encoding": "gzip" }),
    line: ["✓ accepted", "quiz_answered", "no schema", "firehose:events-mid"],
    shows: ["The catalogue has no event quiz_answered, so that no schema was applied."],
    parts: { Received: ["post, text/plain, gzip", "2 of 2"], Repairs: ["None."], "As it was sent": ["props.points 3"] },
  },
  {
    claim: "numbers with each of their digits",
    send: () => post('{"name":"counted","props":{"big":9007199254740993,"price":12.50}}'),
    line: ["✓ accepted", "counted"],
    parts: { "As it was sent": ["props.big 9007199254740993", "props.price 12.50"] },
    hides: ["9007199254740992"],
  },
  {
    claim: "a pixel, pair by pair",
    send: () => pixel("name=mail_open&seq=7&props.list=autumn+letter&metadata.tag=a%26b"),
    line: ["✓ accepted", "mail_open"],
    parts: {
      Received: ["pixel", "a pixel’s query", "props.list = autumn letter", "metadata.tag = a&b"],
      "As it was sent": ["seq 7", "props.list autumn letter", 'metadata {"tag":"a&b"}'],
    },
  },
  {
    claim: "a failed event with all its violations, each marked where it is",
    send: () => post('{"name":"Order Placed","price":19.90}'),
    line: ["✕ failed", "bad_format", "firehose:events-failed"],
    parts: {
      Violations: ["/name bad_format: name must match [a-z][a-z0-9_.]{0,63}", "/price unknown_field: price is not a field"],
      "The failed event": ["stage validate", "original_format beacon"],
      Route: ["stream firehose:events-failed"],
    },
    marks: ['"name": "Order Placed"', '"price": 19.90'],
  },
  {
    claim: "a failed event whose mistake lies deep in it",
    send: () => post({ name: "order_placed", props: { order: "A-2", total: 1, currency: "CHF", lines: [{ sku: "a", quantity: 1, price: 1 }, { sku: "b", quantity: 0, price: 1 }] } }),
    line: ["✕ failed", "order_placed"],
    parts: { "The failed event": ["pointer /props/lines/1/quantity", "schema_version"] },
    marks: ['"quantity": 0'],
  },
  {
    claim: "a failed pixel, marked where its mistake is",
    send: () => pixel("name=mail_open&seq=soon"),
    line: ["✕ failed", "mail_open", "wrong_type"],
    parts: { Received: ["name = mail_open"] },
    marks: ["seq = soon"],
  },
  {
    claim: "a body that is no JSON, as it came",
    send: () => post('{"name":"page_view",'),
    line: ["✕ failed", "bad_json", "firehose:events-failed"],
    parts: { Received: ["400", "a whole body, 20 bytes", '{"name":"page_view",'] },
  },
  {
    claim: "a body that is no text, as base64",
    send: () => post(Uint8Array.of(0x7b, 0xff, 0x7d)),
    line: ["✕ failed", "bad_utf8"],
    parts: { Received: ["shown as base64", "e/99"] },
  },
  {
    claim: "that a body which nobody can read is withheld where identifiers may be in it",
    send: () => post('{"name":"page_view","device_id":"her-device",', { dnt: "1" }),
    line: ["✕ failed", "bad_json"],
    parts: { Received: ["a whole body, 45 bytes, withheld for privacy’s sake"] },
    hides: ["her-device", "What came"],
  },
  {
    claim: "a duplicate, which is in no stream",
    send: async () => {
      const repeat = { name: "page_view", id: REPEATED, device_id: "twice" };
      await post(repeat);
      await post(repeat);
    },
    line: ["✓ duplicate", "page_view"],
    parts: { Received: [REPEATED], Route: ["stream no stream"] },
    shows: ["The record, which is in no stream"],
    hides: ["firehose"],
  },
  {
    claim: "a beacon that was dropped, with the reason",
    send: () => post({ name: "page_view" }, { "sec-gpc": "1" }),
    line: ["✕ dropped", "gpc"],
    parts: { Route: ["stream no stream"] },
    shows: ["dropped, as Sec-GPC asks"],
    hides: ["Session", "The record"],
  },
  {
    claim: "a request that was refused, of which there is no beacon",
    send: () => post("a,b", { "content-type": "text/csv" }),
    line: ["✕ refused", "post 415", "unsupported_media_type"],
    parts: { Received: ["post, text/csv", "415"], Route: ["stream no stream"] },
    hides: ["Session", "The record"],
  },
  {
    claim: "hostile texts as texts",
    send: () => post({ name: HOSTILE, title: HOSTILE, [HOSTILE]: 1, props: { [HOSTILE]: HOSTILE } }),
    line: ["✕ failed"],
    parts: { Violations: ["/name bad_format", "unknown_field"] },
    marks: [`"name": ${JSON.stringify(HOSTILE)}`, `${JSON.stringify(HOSTILE)}: 1`],
  },
  {
    claim: "an accepted event with hostile texts as texts",
    send: () => post({ name: "said", title: HOSTILE, user_id: HOSTILE, props: { [HOSTILE]: HOSTILE } }),
    line: ["✓ accepted", "said"],
    parts: { "As it was sent": [`title ${HOSTILE}`, `props.${HOSTILE} ${HOSTILE}`] },
  },
];

const hello = (more = {}) => post({ name: "hello", ...more });
/** Waits until the list has so many entries. */
const has = (count) => (page) => page.waitForFunction((wanted) => document.querySelectorAll(".entry").length === wanted, count);
const press = (name) => (page) => page.getByRole("button", { name, exact: true }).click();
const state = (name) => (page) => page.locator(`#status[data-state=${name}]`).waitFor();
/** Longer than it takes the page to ask again. */
const aWhile = (page) => page.waitForTimeout(2_200);
const fillIn = (label, text) => (page) => page.getByLabel(label, { exact: true }).fill(text);
const names = (page) => page.locator(".entry b").allInnerTexts();

/** An event, one that fails and one of another name. */
async function threeEntries(page) {
  await hello({ props: { said: "Grüezi" } });
  await hello({ seq: "soon" });
  await post({ name: "goodbye" });
  await has(3)(page);
}

// does: what a person does, and what the page must then be; the page is unlocked and empty before.
export const ACTIONS = [
  {
    claim: "the page says how to send an event, and that works",
    async does(page) {
      await page.locator("#empty:visible").waitFor();
      const since = new Date((await ask("all")).since).toISOString().slice(11, 19);
      assert.ok((await page.locator("#empty").innerText()).startsWith(`No events since ${since} UTC, when the entries were deleted or the worker first ran.`));
      const command = await page.locator("#curl").innerText();
      execFileSync("sh", ["-c", `${command} --silent --fail`]);
      await has(1)(page);
      assert.deepEqual(await names(page), ["hello"]);
      assert.equal(await page.locator("#empty").isVisible(), false);
    },
  },
  {
    claim: "events are counted, drawn and reported by stream",
    async does(page) {
      await threeEntries(page);
      for (const [outcome, count] of Object.entries({ total: 3, accepted: 2, failed: 1, duplicate: 0, dropped: 0, refused: 0 })) {
        assert.equal(await page.locator(`#count-${outcome}`).innerText(), String(count), outcome);
      }
      const rows = await page.locator("#stream-rows tr").allInnerTexts();
      const reported = rows.map((row) => row.split(/\s+/).slice(0, 3).join(" "));
      assert.deepEqual(reported.sort(), ["firehose:events-failed failed 1", "firehose:events-mid accepted 2"]);
      assert.match(await page.locator("#chart").getAttribute("aria-label"), /^In the last minute: 2 accepted, 1 failed, 0 duplicate/);
      const height = (result) => page.locator(`rect[data-result=${result}]`).first().evaluate((bar) => bar.getBoundingClientRect().height);
      assert.ok((await height("failed")) > 0 && (await height("accepted")) > 0);
    },
  },
  {
    claim: "filters by outcome, code, name, tenant and text, each in the worker",
    async does(page) {
      await threeEntries(page);
      for (const [label, text, count] of [
        ["Code", "wrong_type", 1],
        ["Name", "hello", 2],
        ["Tenant", "default", 3],
        ["Tenant", "acme", 0],
        ["Text", "grüezi", 1],
      ]) {
        await fillIn(label, text)(page);
        await has(count)(page);
        assert.equal(await page.locator("#none").isVisible(), count === 0);
        await press("Clear filters")(page);
        await has(3)(page);
      }
      await page.getByLabel("Outcome", { exact: true }).selectOption("failed");
      await has(1)(page);
      await hello();
      await hello({ seq: "later" });
      await has(2)(page);
    },
  },
  {
    claim: "a tile shows its outcome alone, and all again at the second press",
    async does(page) {
      await threeEntries(page);
      const tile = (name) => page.locator("#tiles").getByRole("button", { name });
      await tile("failed").click();
      await has(1)(page);
      assert.equal(await page.getByLabel("Outcome", { exact: true }).inputValue(), "failed");
      assert.deepEqual([await tile("failed").getAttribute("aria-pressed"), await tile("all").getAttribute("aria-pressed")], ["true", "false"]);
      assert.ok(page.url().endsWith("#outcome=failed"), page.url());
      await tile("failed").click();
      await has(3)(page);
      assert.equal(page.url(), PAGE);
    },
  },
  {
    claim: "a stream of the table is a filter, and fields suggest what was seen",
    async does(page) {
      await threeEntries(page);
      await page.getByRole("button", { name: "firehose:events-failed" }).click();
      await has(1)(page);
      assert.equal(await page.getByLabel("Stream", { exact: true }).inputValue(), "firehose:events-failed");
      const suggested = (id) => page.locator(`#${id} option`).evaluateAll((options) => options.map(({ value }) => value).sort());
      assert.deepEqual(await suggested("names"), ["goodbye", "hello"]);
      assert.deepEqual(await suggested("codes"), ["wrong_type"]);
      assert.deepEqual(await suggested("streams-seen"), ["firehose:events-failed", "firehose:events-mid"]);
      assert.deepEqual(await suggested("tenants"), ["default"]);
      await fillIn("Name", "absent")(page);
      await press("Show all events")(page);
      await has(3)(page);
    },
  },
  {
    claim: "a line has the reason, or what the event is about, and its place in its request",
    async does(page) {
      await post([{ name: "page_view", url: "https://shop.example/tea?utm_source=news" }, { name: "said", props: { what: "Grüezi" } }]);
      await post({ name: "Order Placed" });
      await has(3)(page);
      const lines = (await page.locator(".entry summary").allInnerTexts()).map((line) => line.replace(/\s+/g, " "));
      for (const [index, text] of ["“Order Placed” bad_format name must match [a-z][a-z0-9_.]{0,63}", "said 2 of 2 no schema what Grüezi", "page_view 1 of 2 /tea?utm_source=news"].entries()) {
        assert.ok(lines[index].includes(text), lines[index]);
      }
      assert.deepEqual(await page.locator(".entry").evaluateAll((all) => all.map((entry) => entry.classList.contains("same"))), [false, false, true]);
    },
  },
  {
    claim: "the chart has ticks, and says what came in the second under the pointer",
    async does(page) {
      for (let sent = 0; sent < 3; sent++) await hello();
      await has(3)(page);
      const peak = Number(await page.locator("#peak").innerText());
      assert.ok(peak >= 2 && Number(await page.locator("#half").innerText()) === peak / 2);
      // Half an event is none.
      const wrong = await page.evaluate(async () => {
        const { top } = await import("/_/inspect/chart.js");
        return [...Array(1_001).keys()].filter((most) => top(most) < most || top(most) % 2);
      });
      assert.deepEqual(wrong, []);
      assert.match(await page.locator("#legend").innerText(), /last 60 s:\s+3 accepted/);
      await press("Pause")(page);
      await page.locator("rect[data-result]").first().hover({ force: true });
      assert.match(await page.locator("#legend").innerText(), /^\d\d:\d\d:\d\d UTC:\s+[123] accepted/);
      await page.getByRole("heading", { name: "Inspector" }).hover();
      assert.match(await page.locator("#legend").innerText(), /^last 60 s:/);
    },
  },
  {
    claim: "it links to the demo, which links back, and to its documentation",
    async does(page) {
      for (const [name, href] of [["Shop", "/"], ["Beacons", "/beacons"], ["Docs", "/docs/inspector"]]) {
        const link = page.getByRole("navigation").getByRole("link", { name, exact: true });
        await link.waitFor();
        assert.equal(await link.getAttribute("href"), href);
      }
      await page.getByRole("link", { name: "Beacons", exact: true }).click();
      await page.getByRole("link", { name: "Inspector", exact: true }).click();
      await state("live")(page);
    },
  },
  {
    claim: "filters outlast a reload, in the address, which has no token",
    async does(page) {
      await threeEntries(page);
      await fillIn("Name", "hello")(page);
      await page.getByLabel("Outcome", { exact: true }).selectOption("accepted");
      await has(1)(page);
      assert.equal(page.url(), `${PAGE}#name=hello&outcome=accepted`);
      await page.reload();
      await has(1)(page);
      assert.equal(await page.getByLabel("Name").inputValue(), "hello");
    },
  },
  {
    claim: "while it is paused nothing comes, and then all of it",
    async does(page) {
      await press("Pause")(page);
      await state("paused")(page);
      await hello();
      await aWhile(page);
      await has(0)(page);
      await press("Pause")(page);
      await state("live")(page);
      await has(1)(page);
    },
  },
  {
    claim: "entries are deleted on the page and in the worker, once that is confirmed",
    async does(page) {
      await threeEntries(page);
      await press("Delete entries…")(page);
      await press("Cancel")(page);
      assert.equal((await ask("all")).total, 3);
      await press("Delete entries…")(page);
      await page.keyboard.press("Escape");
      assert.equal((await ask("all")).total, 3);
      await press("Delete entries…")(page);
      await press("Delete")(page);
      await has(0)(page);
      await page.locator("#empty:visible").waitFor();
      assert.equal(await page.locator("#count-total").innerText(), "0");
      assert.deepEqual([(await ask("all")).total, await ask("ok"), await ask("failed")], [0, [], []]);
      await hello();
      await has(1)(page);
    },
  },
  {
    claim: "what was cleared elsewhere is gone here, too",
    async does(page) {
      await threeEntries(page);
      await ask("reset", "POST");
      await post({ name: "anew" });
      await has(1)(page);
      assert.deepEqual(await names(page), ["anew"]);
    },
  },
  {
    claim: "nothing moves while an entry is open, and a button has what is new",
    async does(page) {
      await threeEntries(page);
      const summary = page.locator(".entry summary").first();
      await summary.click();
      const before = await summary.boundingBox();
      await hello();
      await hello();
      await press("Show 2 new")(page);
      await has(5)(page);
      assert.equal(await page.locator("#more").isVisible(), false);
      assert.equal(await page.locator(".entry > details[open]").count(), 1);
      await hello();
      await page.getByRole("button", { name: "Show 1 new" }).waitFor();
      await page.locator(".entry > details[open] > summary").click();
      await has(6)(page);
      assert.ok(before.y < (await page.locator(".entry summary").nth(3).boundingBox()).y);
    },
  },
  {
    claim: "nothing moves while the list is scrolled",
    async does(page) {
      await page.setViewportSize({ width: 1280, height: 300 });
      for (let sent = 0; sent < 8; sent++) await hello();
      await has(8)(page);
      await page.locator(".entry").nth(7).scrollIntoViewIfNeeded();
      const before = await page.locator(".entry").nth(7).boundingBox();
      await post({ name: "goodbye" });
      await page.getByRole("button", { name: "Show 1 new" }).waitFor();
      assert.deepEqual(await page.locator(".entry").nth(7).boundingBox(), before);
      await press("Show 1 new")(page);
      assert.equal((await names(page))[0], "goodbye");
      assert.ok((await page.locator(".entry").first().boundingBox()).y >= 0);
    },
  },
  {
    claim: "where the worker is away the page says so, asks less often, and mends itself",
    async does(page) {
      const asked = [];
      await page.route("**/_/inspect/live*", (route) => asked.push(Date.now()) && stand(route, "abort"));
      await state("unreachable")(page);
      assert.match(await page.locator("#detail").innerText(), /asks again in 2 s/);
      await page.waitForFunction(() => document.getElementById("detail").textContent.includes("in 4 s"));
      assert.ok(asked[1] - asked[0] >= 1_900, asked.join());
      await page.unroute("**/_/inspect/live*");
      await state("live")(page);
    },
  },
  {
    claim: "it asks once a second, and not at all where nobody looks",
    async does(page) {
      const asked = [];
      page.on("request", (request) => request.url().includes("/live") && asked.push(Date.now()));
      await page.waitForTimeout(3_500);
      assert.ok(asked.length >= 2 && asked.length <= 4, String(asked.length));
      const look = (hidden) =>
        page.evaluate((now) => {
          Object.defineProperty(document, "hidden", { configurable: true, get: () => now });
          document.dispatchEvent(new Event("visibilitychange"));
        }, hidden);
      await look(true);
      await page.waitForTimeout(500);
      const before = asked.length;
      await aWhile(page);
      assert.equal(asked.length, before);
      await look(false);
      await page.waitForRequest(/live/);
    },
  },
  {
    claim: "an entry can be copied",
    async does(page) {
      await hello();
      await has(1)(page);
      await page.locator(".entry summary").click();
      await page.locator(".body").getByRole("button", { name: "Copy entry" }).click();
      await page.getByRole("button", { name: "Copied" }).waitFor();
      const [entry] = await ask("ok");
      assert.deepEqual(JSON.parse(await page.evaluate(() => navigator.clipboard.readText())), entry);
    },
  },
  {
    claim: "it holds 500 entries, the newest",
    async does(page) {
      const names = [];
      for (let round = 0; round < 6; round++) {
        const beacons = Array.from({ length: 100 }, (_, index) => ({ name: `n${round * 100 + index}` }));
        await post(beacons);
        await page.getByText(`n${round * 100 + 99}`, { exact: true }).first().waitFor();
        names.unshift(...beacons.map(({ name }) => name).reverse());
      }
      const shown = await page.locator(".entry b").allInnerTexts();
      assert.equal(shown.length, 500);
      assert.deepEqual(new Set(shown), new Set(names.slice(0, 500)));
    },
  },
  {
    claim: "the keyboard alone opens an entry, and nothing moves then",
    async does(page) {
      await threeEntries(page);
      await page.getByLabel("Text").focus();
      const stops = [];
      while (!stops.includes("SUMMARY")) {
        await page.keyboard.press("Tab");
        const [tag, outline] = await page.evaluate(() => [document.activeElement.tagName, getComputedStyle(document.activeElement).outlineStyle]);
        assert.notEqual(outline, "none", tag);
        stops.push(tag);
        assert.ok(stops.length < 5, stops.join());
      }
      await hello();
      await page.getByRole("button", { name: "Show 1 new" }).waitFor();
      await page.keyboard.press("Enter");
      await page.locator(".entry").first().getByRole("heading", { name: "Received" }).waitFor();
    },
  },
];
