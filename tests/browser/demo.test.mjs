// The demo page in a real Chromium, against the worker at HEADWATER_URL, as actions.mjs says.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";

import { ACTIONS, BASE, EVENTS, NOT_DURABLE, READINESS, SCHEMAS, STREAMS, UUID, answer, own, press } from "./actions.mjs";

const CHROMIUM = "/usr/bin/chromium";
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 800 };

const missing = !BASE
  ? "HEADWATER_URL is not set: give it the address of a running worker"
  : !existsSync(CHROMIUM) && `${CHROMIUM} is missing: install Debian's package chromium`;

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
