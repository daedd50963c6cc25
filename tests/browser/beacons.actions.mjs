// What a person does on the page that sends beacons: a table of actions, with the requests that must and must not
// follow and what the page then shows. Answers that the worker gives only in trouble, or never, are put in by the row.

import assert from "node:assert/strict";

import { BASE, SCHEMAS, answer } from "./pages.mjs";

export const PAGE = BASE && new URL("beacons", BASE).href;
export const EVENTS = "/v1/events?verdicts=1";
export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

export const NOT_DURABLE = {
  status: 503,
  headers: { "retry-after": "5" },
  contentType: "application/json",
  body: '{"code":"not_durable","message":"firehose:events-mid did not take every record (timed_out); send again"}',
};
const GIF = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");

const DROPPED = JSON.stringify({
  verdicts: [{ index: 0, event_id: "x", outcome: "dropped", code: "gpc", message: "dropped, as Sec-GPC asks" }],
});

/** The levels that events come to have. */
const levels = (events) => new Set(events.map(({ name, level }) => level ?? SCHEMAS.get(name)["x-level"]));

/** An event as every button sends it. */
const event = (name) => (sent) => {
  assert.equal(sent.contentType, "text/plain");
  const beacon = JSON.parse(sent.body);
  // The catalogue says the level.
  assert.deepEqual([beacon.name, beacon.level], [name, undefined]);
  assert.match(beacon.id, UUID);
  assert.match(beacon.device_id, UUID);
  assert.ok(Math.abs(beacon.time - Date.now()) < 60_000 && Number.isInteger(beacon.seq));
  assert.equal(beacon.url, PAGE);
  assert.equal(beacon.title, "Headwater: send a beacon");
  assert.match(`${beacon.screen} ${beacon.viewport}`, /^\d+x\d+ \d+x\d+$/);
  assert.ok(beacon.language);
  return beacon;
};

export const press = (name) => (page) => page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
export const own = (body, type) => async (page) => {
  await page.getByLabel("Body").fill(body);
  await page.getByLabel("Content type").selectOption(type);
  await page.getByRole("button", { name: "Send", exact: true }).click();
};

// does: what a person does.  answers: what stands in for the worker, call by call; then the worker answers.
// sends: a check for each request to /v1, in order; none other may follow.  tally: the counters that are not 0.
// shows, hides: texts that the newest entry has and has not.
export const ACTIONS = [
  {
    claim: "nothing is sent and nothing stored before a button is pressed",
    does: async () => {},
    sends: [],
    tally: {},
  },
  {
    claim: "a page view is accepted",
    does: press("Page view"),
    sends: [event("page_view")],
    tally: { accepted: 1 },
    shows: ["Page view", "200", "✓ accepted", "ms"],
    hides: ["Send again", "Not durable"],
  },
  {
    claim: "a pointer move carries where the pointer is",
    does: press("Pointer move"),
    sends: [
      (sent) => {
        const { props } = event("pointer")(sent);
        const [[milliseconds, x, y]] = props.points;
        assert.ok(milliseconds === 0 && x > 0 && y > 0 && props.kind === "mouse", JSON.stringify(props));
      },
    ],
    tally: { accepted: 1 },
    shows: ["✓ accepted"],
  },
  {
    claim: "an order carries props and metadata",
    does: press("Order placed"),
    sends: [
      (sent) => {
        const { props, metadata } = event("order_placed")(sent);
        assert.ok(props.lines.length === 2 && metadata.tag);
      },
    ],
    tally: { accepted: 1 },
    shows: ["✓ accepted"],
  },
  {
    claim: "ten events go in one envelope that names their device",
    does: press("Batch of ten"),
    sends: [
      (sent) => {
        const { sent_at, device_id, events } = JSON.parse(sent.body);
        assert.ok(Math.abs(sent_at - Date.now()) < 60_000 && UUID.test(device_id));
        assert.equal(new Set(events.map(({ id }) => id)).size, 10);
        assert.equal(new Set(events.map(({ seq }) => seq)).size, 10);
        assert.deepEqual(levels(events), new Set(["low", "mid", "high"]));
      },
    ],
    tally: { accepted: 10 },
    shows: ["✓ 10 accepted"],
  },
  {
    claim: "a beacon off its schema is reported with the rule that it broke, and where",
    does: press("Off its schema"),
    sends: [event("order_placed")],
    tally: { failed: 1 },
    shows: ["200", "✕ failed", "bad_format", "/props/currency", "order_placed 1.0.0: /props/currency must match ^[A-Z]{3}$"],
  },
  {
    claim: "an untidy beacon is accepted",
    does: press("Untidy beacon"),
    sends: [
      (sent) => {
        const { level, seq, props } = JSON.parse(sent.body);
        assert.deepEqual([level, seq, typeof props], ["LOW", "1", "string"]);
      },
    ],
    tally: { accepted: 1 },
    shows: ["✓ accepted"],
  },
  {
    claim: "a bad beacon does not hurt its neighbours",
    does: press("Mixed array"),
    sends: [(sent) => assert.equal(JSON.parse(sent.body).length, 3)],
    tally: { accepted: 2, failed: 1 },
    shows: ["✓ accepted", "✕ failed", "bad_format", "/name"],
  },
  {
    claim: "an invalid beacon is reported with its code, its place and its reason",
    does: press("Invalid beacon"),
    sends: [(sent) => assert.equal(JSON.parse(sent.body).seq, "three")],
    tally: { failed: 1 },
    shows: ["200", "✕ failed", "wrong_type", "/seq", "seq must be an integer, not a string"],
  },
  {
    claim: "a broken body is answered 400 and kept",
    does: press("Broken body"),
    sends: [(sent) => assert.throws(() => JSON.parse(sent.body))],
    tally: { failed: 1 },
    shows: ["400", "kept as one failed event", "✕ failed", "bad_json", "body is not JSON"],
  },
  {
    claim: "a pixel is durable, without a verdict",
    does: press("Pixel"),
    sends: [
      (sent) => {
        const query = sent.url.searchParams;
        assert.deepEqual([sent.method, sent.url.pathname], ["GET", "/v1/pixel.gif"]);
        assert.match(query.get("id"), UUID);
        assert.deepEqual([query.get("name"), query.get("props.list")], ["mail_open", "autumn letter"]);
      },
    ],
    tally: {},
    shows: ["200", "Durable. An image can’t carry a verdict"],
  },
  {
    claim: "all events of a tab have one device and their order",
    does: async (page) => {
      for (let times = 0; times < 3; times++) await press("Page view")(page);
    },
    sends: [0, 1, 2].map((seq) => (sent) => assert.equal(event("page_view")(sent).seq, seq)),
    tally: { accepted: 3 },
  },
  {
    claim: "a key press sends as a click does",
    does: async (page) => {
      const focused = () => page.evaluate(() => document.activeElement.textContent);
      for (let tabs = 0; tabs < 10 && !(await focused()).startsWith("Page view"); tabs++) await page.keyboard.press("Tab");
      await page.keyboard.press("Enter");
    },
    sends: [event("page_view")],
    tally: { accepted: 1 },
  },
  {
    claim: "one's own lines are sent as they are",
    does: own('{"name":"a"}\n{"name":"B"}\n', "application/x-ndjson"),
    sends: [
      (sent) => {
        assert.equal(sent.contentType, "application/x-ndjson");
        assert.equal(sent.body, '{"name":"a"}\n{"name":"B"}\n');
      },
    ],
    tally: { accepted: 1, failed: 1 },
    shows: ["Your body", "✓ accepted", "✕ failed", "/name"],
  },
  {
    claim: "a body can go without a content type",
    does: own('{"name":"a"}', ""),
    sends: [(sent) => assert.equal(sent.contentType, undefined)],
    tally: { accepted: 1 },
  },
  {
    claim: "an empty body is kept as a failed event",
    does: own("", "text/plain"),
    sends: [(sent) => assert.equal(sent.body, "")],
    tally: { failed: 1 },
    shows: ["400", "body is empty"],
  },
  {
    claim: "what is refused whole is counted as refused",
    does: own('{"name":"a"}', "text/csv"),
    sends: [(sent) => assert.equal(sent.contentType, "text/csv")],
    tally: { refused: 1 },
    shows: ["415", "unsupported_media_type"],
    hides: ["Send again"],
  },
  {
    claim: "a body past what keepalive carries goes all the same",
    does: own(JSON.stringify({ name: "a", props: { text: "x".repeat(200_000) } }), "application/json"),
    sends: [(sent) => assert.ok(sent.body.length > 200_000)],
    tally: { accepted: 1 },
  },
  {
    claim: "a body past the worker's limit is refused",
    does: own("x".repeat(300_000), "text/plain"),
    sends: [() => {}],
    tally: { refused: 1 },
    shows: ["413", "body_too_large"],
  },
  {
    claim: "a 503 is reported as not durable",
    does: press("Batch of ten"),
    answers: [NOT_DURABLE],
    sends: [() => {}],
    tally: { held: 10 },
    shows: ["503", "Not durable", "must keep this data", "Retry-After: 5 s", "firehose:events-mid did not take", "Send again"],
    hides: ["accepted"],
  },
  {
    claim: "sending again sends the same bytes, and the data is no longer held",
    does: async (page) => {
      await press("Page view")(page);
      await page.getByRole("button", { name: "Send again" }).click();
      await page.getByText("attempt 2").waitFor();
    },
    answers: [NOT_DURABLE],
    sends: [event("page_view"), (sent, [first]) => assert.equal(sent.body, first.body)],
    tally: { accepted: 1 },
    shows: ["200", "attempt 2", "✓ accepted"],
    hides: ["Not durable", "Send again"],
  },
  {
    claim: "a pixel that came with a 503 is reported as not durable",
    does: press("Pixel"),
    answers: [answer(503, GIF, { "content-type": "image/gif", "cache-control": "no-store" })],
    sends: [() => {}],
    tally: { held: 1 },
    shows: ["503", "Not durable", "Send again"],
  },
  {
    claim: "a pixel that did not come is reported as not durable",
    does: press("Pixel"),
    answers: ["abort"],
    sends: [() => {}],
    tally: { held: 1 },
    shows: ["no answer", "Not durable", "Send again"],
  },
  {
    claim: "sending again asks for the same pixel anew",
    does: async (page) => {
      await press("Pixel")(page);
      await page.getByRole("button", { name: "Send again" }).click();
      await page.getByText("attempt 2").waitFor();
    },
    answers: [answer(503, GIF, { "content-type": "image/gif", "cache-control": "no-store" })],
    sends: [() => {}, (sent, [first]) => assert.equal(sent.url.href, first.url.href)],
    tally: {},
    shows: ["200", "attempt 2", "Durable."],
  },
  ...[
    ["a dead network", "abort", "held", ["no answer", "Not durable", "Send again"]],
    ["a 429 without a body", answer(429, "", { "retry-after": "2" }), "held", ["429", "Retry-After: 2 s", "Send again"]],
    ["a proxy's page", answer(502, "<html><img src=x onerror=alert(1)>Bad gateway"), "held", ["502", "<html><img src=x"]],
    ["an odd Retry-After", answer(503, "null", { "retry-after": "Wed, 18 Nov 2026 11:06:40 GMT" }), "held", ["503"]],
    ["an origin that is not allowed", answer(403, '{"code":"origin_not_allowed","message":"no"}'), "refused", ["403", "no"]],
    ["an empty 404", answer(404, ""), "refused", ["404", "gave no reason"]],
    ["a 400 that kept nothing", answer(400, '{"code":"body_cut_short","message":"cut"}'), "refused", ["400", "cut"]],
    ["a 204", answer(204, ""), "accepted", ["204", "All accepted"]],
    ["an empty 200", answer(200, ""), "", ["200", "not an answer of the worker"]],
    ["a 200 that is not JSON", answer(200, "<p>hello"), "", ["200", "<p>hello"]],
    ["a 200 that is JSON null", answer(200, "null"), "", ["200", "not an answer"]],
    ["verdicts that are no list", answer(200, '{"verdicts":"all good"}'), "", ["200", "not an answer"]],
    ["verdicts that are no objects", answer(200, '{"verdicts":[null,7,{"outcome":{}}]}'), "", ["200", "unknown"]],
    ["a beacon that was dropped", answer(200, DROPPED), "refused", ["✕ dropped", "gpc", "as Sec-GPC asks"]],
    ["an outcome of a later version", answer(200, '{"verdicts":[{"outcome":"postponed","event_id":"x"}]}'), "", ["postponed"]],
    ["a duplicate", answer(200, '{"verdicts":[{"outcome":"duplicate","event_id":"x"}]}'), "", ["✓ duplicate"]],
    ["a missing key", answer(401, '{"code":"unknown_key","message":"no such key"}'), "refused", ["401", "no such key", "/beacons?key="]],
    ["no verdicts at all", answer(200, '{"verdicts":[]}'), "", ["No beacons in it"]],
  ].map(([what, stub, result, shows]) => ({
    claim: `${what} is reported, and counted as ${result || "nothing"}`,
    does: press("Page view"),
    answers: [stub],
    sends: [() => {}],
    tally: result ? { [result]: 1 } : {},
    shows,
  })),
];

export const STREAMS = '{"ready":true,"streams":[{"stream":"firehose:events","problem":"timed_out","paused":true}]}';
export const READINESS = [
  ["the worker's own answer", null, "ready", ["Ready"]],
  [
    "trouble in one sentence",
    answer(200, '{"summary":"ready, but a stream throttles since 03:12:09","ready":true,"owner":"stream","details":"ask"}'),
    "troubled",
    ["Ready, with trouble", "ready, but a stream throttles since 03:12:09"],
  ],
  [
    "in one sentence why it is not ready",
    answer(503, '{"summary":"not ready: a shard does not answer","ready":false,"details":"ask"}'),
    "not-ready",
    ["Not ready", "a shard does not answer"],
  ],
  [
    "how each stream is",
    answer(200, '{"ready":true,"streams":[{"stream":"a","state":"ok"},{"stream":"b","state":"unknown"},{"stream":"c","state":"failing"}]}'),
    "troubled",
    ["a ✓", "b not tried yet", "c failing"],
  ],
  ["a stream in trouble", answer(200, STREAMS), "troubled", ["Ready, with trouble", "firehose:events: timed_out, paused"]],
  [
    "what is missing",
    answer(503, '{"ready":false,"problems":["AWS_REGION is not set","HEADWATER.failed_stream is missing"]}'),
    "not-ready",
    ["Not ready", "AWS_REGION is not set", "HEADWATER.failed_stream is missing"],
  ],
  ["a dead network", "abort", "unreachable", ["The worker does not answer"]],
  ["another server", answer(404, "<p>no"), "not-ready", ["Not ready", "/readyz answered 404"]],
  ["an odd answer", answer(200, '{"ready":true,"streams":[null,{"stream":3}],"problems":{}}'), "ready", ["unnamed"]],
];
