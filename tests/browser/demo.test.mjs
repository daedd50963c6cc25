// The demo page in a real Chromium, against the worker at HEADWATER_URL: a table of what a person does, with
// the requests that must and must not follow and what the page then shows. Answers that the worker gives
// only in trouble, or never, are put in by the row.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

const BASE = process.env.HEADWATER_URL;
const CHROMIUM = "/usr/bin/chromium";
const EVENTS = "/v1/events?verdicts=1";
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };

const missing = !BASE
  ? "HEADWATER_URL is not set: give it the address of a running worker"
  : !existsSync(CHROMIUM) && `${CHROMIUM} is missing: install Debian's package chromium`;

const NOT_DURABLE = {
  status: 503,
  headers: { "retry-after": "5" },
  contentType: "application/json",
  body: '{"code":"not_durable","message":"firehose:events-mid did not take every record (timed_out); send again"}',
};
const GIF = Buffer.from("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7", "base64");
const answer = (status, body, headers = {}) => ({ status, body, headers });

const DROPPED = JSON.stringify({
  verdicts: [{ index: 0, event_id: "x", outcome: "dropped", code: "gpc", message: "dropped, as Sec-GPC asks" }],
});

/** The schemas that the repository publishes, by name. */
const SCHEMAS = new Map(
  readdirSync("www/schemas").map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(`www/schemas/${file}`, "utf8"))]),
);

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
  assert.equal(beacon.url, new URL(BASE).href);
  assert.equal(beacon.title, "Headwater: send a beacon");
  assert.match(`${beacon.screen} ${beacon.viewport}`, /^\d+x\d+ \d+x\d+$/);
  assert.ok(beacon.language);
  return beacon;
};

const press = (name) => (page) => page.getByRole("button", { name: new RegExp(`^${name}`) }).click();
const own = (body, type) => async (page) => {
  await page.getByLabel("Body").fill(body);
  await page.getByLabel("Content type").selectOption(type);
  await page.getByRole("button", { name: "Send", exact: true }).click();
};

// does: what a person does.  answers: what stands in for the worker, call by call; then the worker answers.
// sends: a check for each request to /v1, in order; none other may follow.  tally: the counters that are not 0.
// shows, hides: texts that the newest entry has and has not.
const ACTIONS = [
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
    claim: "a beacon off its schema is told with the rule that it broke, and where",
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
    claim: "an invalid beacon is told with its code, its place and its reason",
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
    claim: "a 503 is told as not durable",
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
    claim: "a pixel that came with a 503 is told as not durable",
    does: press("Pixel"),
    answers: [answer(503, GIF, { "content-type": "image/gif", "cache-control": "no-store" })],
    sends: [() => {}],
    tally: { held: 1 },
    shows: ["503", "Not durable", "Send again"],
  },
  {
    claim: "a pixel that did not come is told as not durable",
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
    ["an outcome of a later version", answer(200, '{"verdicts":[{"outcome":"duplicate","event_id":"x"}]}'), "", ["duplicate"]],
    ["no verdicts at all", answer(200, '{"verdicts":[]}'), "", ["No beacons in it"]],
  ].map(([what, stub, fate, shows]) => ({
    claim: `${what} is told, and counted as ${fate || "nothing"}`,
    does: press("Page view"),
    answers: [stub],
    sends: [() => {}],
    tally: fate ? { [fate]: 1 } : {},
    shows,
  })),
];

const STREAMS = '{"ready":true,"streams":[{"stream":"firehose:events","problem":"timed_out","left_alone":true}]}';
const READINESS = [
  ["the worker's own answer", null, "ready", ["Ready", "firehose:"]],
  ["a stream in trouble", answer(200, STREAMS), "troubled", ["Ready, with trouble", "firehose:events: timed_out, left alone"]],
  [
    "what is missing",
    answer(503, '{"ready":false,"problems":["AWS_REGION is not set","HEADWATER.failed is missing"]}'),
    "not-ready",
    ["Not ready", "AWS_REGION is not set", "HEADWATER.failed is missing"],
  ],
  ["a dead network", "abort", "unreachable", ["The worker does not answer"]],
  ["another server", answer(404, "<p>no"), "not-ready", ["Not ready", "/readyz answered 404"]],
  ["an odd answer", answer(200, '{"ready":true,"streams":[null,{"stream":3}],"problems":{}}'), "ready", ["unnamed"]],
];

/** Lets `stub` stand in for the worker's answer. */
const stand = (route, stub) => (stub === "abort" ? route.abort() : route.fulfill(stub));

describe("the demo page", { skip: missing, concurrency: 2 }, () => {
  let browser;
  before(async () => {
    const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
    const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet];
    browser = await chromium.launch({ executablePath: CHROMIUM, args });
  });
  after(() => browser?.close());

  /** Opens the page, hands it to `use`, and then asks that nothing was thrown or complained of. */
  async function visit({ options = {}, prepare = async () => {} }, use) {
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        // Chromium itself logs every answer from 400 on.
        const itsOwn = message.text().startsWith("Failed to load resource");
        if (["error", "warning"].includes(message.type()) && !itsOwn) complaints.push(message.text());
      });
      page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
      await prepare(page);
      await page.goto(BASE);
      await page.locator(".status:not([data-state=asking])").waitFor();
      await use(page);
      assert.deepEqual(complaints, []);
    } finally {
      await context.close();
    }
  }

  for (const { claim, does, answers = [], sends, tally, shows = [], hides = [] } of ACTIONS) {
    test(claim, async () => {
      const requests = [];
      const stubs = [...answers];
      const prepare = async (page) => {
        page.on("request", (request) => {
          const url = new URL(request.url());
          if (!url.pathname.startsWith("/v1/")) return;
          const contentType = request.headers()["content-type"];
          requests.push({ url, method: request.method(), contentType, body: request.postDataBuffer()?.toString() ?? "" });
        });
        await page.route("**/v1/**", (route) => (stubs.length ? stand(route, stubs.shift()) : route.continue()));
      };
      await visit({ prepare }, async (page) => {
        await does(page);
        await page.waitForFunction(() => [...document.querySelectorAll(".answer")].every((one) => one.textContent !== "waiting"));
        assert.equal(requests.length, sends.length);
        for (const [index, check] of sends.entries()) {
          const sent = requests[index];
          assert.equal(sent.url.origin, new URL(BASE).origin);
          if (sent.method === "POST") assert.equal(sent.url.pathname + sent.url.search, EVENTS);
          check(sent, requests);
        }
        for (const fate of ["accepted", "failed", "refused", "held"]) {
          assert.equal(await page.locator(`#tally-${fate}`).textContent(), String(tally[fate] ?? 0), fate);
        }
        if (sends.length) {
          const entry = await page.locator(".entry").first().innerText();
          for (const text of shows) assert.ok(entry.includes(text), `${text} is not in: ${entry}`);
          for (const text of hides) assert.ok(!entry.includes(text), `${text} is in: ${entry}`);
          assert.notEqual(await page.locator("#last").textContent(), "");
        }
        const kept = await page.evaluate(async () => [
          localStorage.length,
          sessionStorage.length,
          document.cookie,
          (await indexedDB.databases()).length,
        ]);
        assert.deepEqual(kept, [0, 0, "", 0]);
      });
    });
  }

  for (const [what, stub, state, shows] of READINESS) {
    test(`the status tells ${what}`, async () => {
      const prepare = (page) => stub && page.route("**/readyz", (route) => stand(route, stub));
      await visit({ prepare }, async (page) => {
        assert.equal(await page.locator("#status").getAttribute("data-state"), state);
        const status = await page.locator("#status").innerText();
        for (const text of shows) assert.ok(status.includes(text), `${text} is not in: ${status}`);
      });
    });
  }

  test("the status mends itself when the worker does", async () => {
    let broken = true;
    const prepare = (page) => page.route("**/readyz", (route) => (broken ? stand(route, "abort") : route.continue()));
    await visit({ prepare }, async (page) => {
      assert.equal(await page.locator("#status").getAttribute("data-state"), "unreachable");
      broken = false;
      await page.locator("#status[data-state=ready], #status[data-state=troubled]").waitFor();
    });
  });

  test("what was sent and what was answered can be unfolded", async () => {
    await visit({}, async (page) => {
      await press("Page view")(page);
      await page.getByText("Sent: ").click();
      await page.getByText("Answered: 200").click();
      const [sent, answered] = await page.locator(".entry pre").allInnerTexts();
      assert.equal(JSON.parse(sent).id, JSON.parse(answered).verdicts[0].event_id);
      assert.ok(sent.includes('\n  "name": "page_view"'));
    });
  });

  test("the catalogue links to each schema that there is", async () => {
    await visit({}, async (page) => {
      const links = await page.locator("#schemas a").evaluateAll((all) => all.map((link) => [link.textContent, link.href]));
      assert.deepEqual(
        links.map(([name]) => name),
        [...SCHEMAS.keys()].sort(),
      );
      for (const [name, href] of links) assert.deepEqual(await (await fetch(href)).json(), SCHEMAS.get(name));
    });
  });

  test("the newest comes first", async () => {
    await visit({}, async (page) => {
      for (const name of ["Page view", "Order placed", "Pixel"]) await press(name)(page);
      const titles = await page.locator(".entry .top b").allInnerTexts();
      assert.deepEqual(titles, ["Pixel", "Order placed", "Page view"]);
    });
  });

  test("the commands can be copied", async () => {
    await visit({ options: { permissions: ["clipboard-read", "clipboard-write"] } }, async (page) => {
      const copies = [];
      for (const button of await page.locator("[data-copies]").all()) {
        await button.click();
        copies.push(await page.evaluate(() => navigator.clipboard.readText()));
      }
      assert.deepEqual(copies.slice(0, 2), ["scripts/dev records", "scripts/dev records --failed"]);
      assert.ok(copies[2].startsWith(`curl -i '${new URL(BASE).origin}${EVENTS}'`), copies[2]);
    });
  });

  test("where the page has no secure context it makes ids all the same", async () => {
    const prepare = (page) => page.addInitScript(() => delete Crypto.prototype.randomUUID);
    await visit({ prepare }, async (page) => {
      assert.match(await page.locator("#device").textContent(), UUID);
      await press("Page view")(page);
      await page.getByText("✓ accepted").waitFor();
    });
  });

  test("the strictest policy that names the page's own style stops nothing", async () => {
    const html = await (await fetch(BASE)).text();
    const hash = (pattern) => `'sha256-${createHash("sha256").update(html.match(pattern)[1]).digest("base64")}'`;
    const policy = [
      "default-src 'none'",
      "script-src 'self'",
      `style-src ${hash(/<style>([^]*?)<\/style>/)}`,
      "connect-src 'self'",
      "img-src 'self' data:",
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
    ].join("; ");
    const prepare = (page) =>
      page.route(new URL(BASE).href, (route) =>
        route.fulfill({ contentType: "text/html", headers: { "content-security-policy": policy }, body: html }),
      );
    await visit({ prepare }, async (page) => {
      for (const name of ["Mixed array", "Pixel", "Broken body"]) await press(name)(page);
      await own('{"name":"a"}', "text/plain")(page);
      await page.waitForFunction(() => document.querySelectorAll(".entry[data-fate]:not([data-fate=''])").length === 4);
      assert.equal(await page.locator("#tally-accepted").textContent(), "3");
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [PHONE, DESKTOP, { width: 320, height: 640 }]) {
      test(`at ${viewport.width} pixels, ${colorScheme}, all texts stand out and nothing is cut off`, async () => {
        const prepare = async (page) => {
          let calls = 0;
          const troubled = (route) => (calls++ === 0 ? route.fulfill(NOT_DURABLE) : route.continue());
          await page.route("**/v1/events*", troubled);
          await page.route("**/readyz", (route) => route.fulfill(answer(200, STREAMS)));
        };
        await visit({ options: { viewport, colorScheme, reducedMotion: "reduce" }, prepare }, async (page) => {
          assert.deepEqual(await page.evaluate(faint), []);
          for (const name of ["Page view", "Batch of ten", "Mixed array", "Pixel"]) await press(name)(page);
          await own('{"name":"a"}', "text/csv")(page);
          await page.waitForFunction(() => document.querySelectorAll(".entry[data-fate]").length === 5);
          for (const summary of await page.locator("summary").all()) await summary.click();
          assert.deepEqual(await page.evaluate(faint), []);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
        });
      });
    }
  }
});

/** Runs in the page: the texts with less contrast than WCAG 2.2 asks for at level AA (1.4.3). */
function faint() {
  const channels = (colour) => colour.match(/[\d.]+/g).map(Number);
  const luminance = (colour) => {
    const [red, green, blue] = channels(colour).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return channels(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest("script, option")) continue;
    const [low, high] = [getComputedStyle(element).color, ground(element)].map(luminance).sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) < 4.5) found.push(`${element.className}: ${texts.currentNode.data.trim()}`);
  }
  return found;
}
