// The snippet's chunks as they are built, in a real Chromium, as chunks.actions.mjs says. What they send is then held
// to the catalogue by the worker at HEADWATER_URL, which must be one that takes no other events.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

import { ACTIONS } from "./chunks.actions.mjs";

const CHROMIUM = "/usr/bin/chromium";
const WORKER = process.env.HEADWATER_URL;
/** How long an event may take to come, and how long one that must not come is waited for, in milliseconds. */
const PATIENCE = 3_000;
const QUIET = 300;
/** How long a row may take, so that one that waits for ever is named. */
const ROW = 90_000;

const missing = !WORKER
  ? "HEADWATER_URL is not set: give it the address of a running worker"
  : !existsSync(CHROMIUM) && `${CHROMIUM} is missing: install Debian's package chromium`;

/** Two seconds of silence: 8,000 samples of a byte each second. */
const WAV = Buffer.concat([Buffer.alloc(44), Buffer.alloc(16_000, 128)]);
WAV.write("RIFF", 0);
WAV.writeUInt32LE(36 + 16_000, 4);
WAV.write("WAVEfmt ", 8);
for (const [at, value] of [[16, 16], [24, 8_000], [28, 8_000], [40, 16_000]]) WAV.writeUInt32LE(value, at);
for (const [at, value] of [[20, 1], [22, 1], [32, 1], [34, 8]]) WAV.writeUInt16LE(value, at);
WAV.write("data", 36);

const html = ({ path, chunk, body, late }) => `<!doctype html><title>Test</title><body>${body}<script type="module">
  let made = 0;
  const track = (name, props, fields) =>
    navigator.sendBeacon("/track${path}", JSON.stringify({ seq: made++, name, time: Date.now(), url: location.href, props, ...fields }));
  const begin = async () => {
    const { default: chunk } = await import("/t.${chunk}.js");
    chunk(track);
    window.begun = true;
  };
  ${late ? "setTimeout(begin, 500)" : "begin()"};
</script>`;

describe("the chunks", { skip: missing, concurrency: 2 }, () => {
  /** What came, by the path of its page. */
  const tracked = new Map(ACTIONS.map(({ path }) => [path, []]));
  const pages = new Map(ACTIONS.map((action) => [action.path, html(action)]));
  let browser, origin;

  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://test");
    if (pathname.startsWith("/track/")) {
      const parts = await Array.fromAsync(request);
      tracked.get(pathname.slice("/track".length)).push(JSON.parse(Buffer.concat(parts)));
      response.end();
    } else if (pathname.endsWith(".wav")) {
      const [from, to = WAV.length - 1] = (request.headers.range ?? "bytes=0-").slice(6).split("-").map((at) => (at ? +at : undefined));
      const head = { "content-type": "audio/wav", "accept-ranges": "bytes", "content-range": `bytes ${from}-${to}/${WAV.length}` };
      response.writeHead(206, head).end(WAV.subarray(from, to + 1));
    } else if (/^\/t\.\w+\.js$/.test(pathname)) {
      response.setHeader("content-type", "text/javascript").end(readFileSync(`www${pathname}`));
    } else {
      response.setHeader("content-type", "text/html").end(pages.get(pathname) ?? "<!doctype html><title>Away</title>");
    }
  });

  before(async () => {
    await new Promise((done) => server.listen(0, "127.0.0.1", done));
    origin = `http://127.0.0.1:${server.address().port}`;
    const args = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--autoplay-policy=no-user-gesture-required"];
    // Playwright turns the back/forward cache off.
    const ignoreDefaultArgs = ["--disable-back-forward-cache"];
    browser = await chromium.launch({ executablePath: CHROMIUM, args, ignoreDefaultArgs });
  });
  after(async () => {
    await browser?.close();
    server.closeAllConnections();
    server.close();
  });

  for (const { claim, path, touch, does, sees, but } of ACTIONS) {
    test(claim, { timeout: ROW }, async () => {
      const context = await browser.newContext({ hasTouch: touch, viewport: { width: 800, height: 600 } });
      try {
        const page = await context.newPage();
        const complaints = [];
        page.on("pageerror", (error) => complaints.push(String(error)));
        await page.goto(origin + path);
        await page.waitForFunction(() => window.begun);
        await does(page);
        const seen = () => tracked.get(path).filter(({ name }) => !but.includes(name));
        for (const end = Date.now() + PATIENCE; seen().length < sees.length && Date.now() < end; ) await sleep(20);
        await sleep(QUIET);
        // Requests may pass each other.
        hold(seen().sort((one, other) => one.seq - other.seq), sees);
        assert.deepEqual(complaints, []);
        await accept(tracked.get(path));
      } finally {
        await context.close();
      }
    });
  }
});

/** Asks that the events are those that are expected, and no others. */
function hold(events, expected) {
  const reported = JSON.stringify(events, null, 1);
  assert.deepEqual(events.map(({ name }) => name), expected.map(([name]) => name), reported);
  for (const [index, [, props, page = /./]] of expected.entries()) {
    assert.match(events[index].url, page, reported);
    for (const [key, value] of Object.entries(props)) {
      const found = events[index].props[key];
      if (typeof value === "function") assert.ok(value(found), `${key} of event ${index} is ${found}: ${reported}`);
      else assert.deepEqual(found, value, `${key} of event ${index}: ${reported}`);
    }
  }
}

/** Asks that the worker takes the events. */
async function accept(events) {
  if (!events.length) return;
  const answer = await fetch(new URL("/v1/events?verdicts=1", WORKER), { method: "POST", body: JSON.stringify(events) });
  const { verdicts } = await answer.json();
  assert.deepEqual(verdicts.map(({ outcome }) => outcome), events.map(() => "accepted"), JSON.stringify(verdicts));
}
