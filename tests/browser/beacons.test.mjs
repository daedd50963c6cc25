// The page that sends beacons in a real Chromium, against the worker at HEADWATER_URL, as beacons.actions.mjs says.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ACTIONS, EVENTS, NOT_DURABLE, PAGE, READINESS, STREAMS, UUID, own, press } from "./beacons.actions.mjs";
import { BASE, DESKTOP, PHONE, SCHEMAS, SMALL, answer, faint, launch, missing, stand, visit as open } from "./pages.mjs";

describe("the page that sends beacons", { skip: missing, concurrency: 2 }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Opens the page, hands it to `use`, and then asks that nothing was thrown or complained of. */
  const visit = (how, use) => open(browser, PAGE, how, use);

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
        for (const result of ["accepted", "failed", "refused", "held"]) {
          assert.equal(await page.locator(`#tally-${result}`).textContent(), String(tally[result] ?? 0), result);
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
      await page.locator("#schemas a").first().waitFor();
      const links = await page.locator("#schemas a").evaluateAll((all) => all.map((link) => [link.textContent, link.href]));
      assert.deepEqual(
        links.map(([name]) => name),
        [...SCHEMAS.keys()].sort(),
      );
      for (const [name, href] of links) assert.deepEqual(await (await fetch(href)).json(), SCHEMAS.get(name));
    });
  });

  test("the catalogue shows a schema that was added", async () => {
    const listed = '{"schemas":[{"name":"quiz_answered","version":"1.0.0","schema":"/schemas/quiz_answered.json"},{"name":"<b>"}]}';
    const prepare = (page) => page.route("**/schemas.json", (route) => stand(route, answer(200, listed)));
    await visit({ prepare }, async (page) => {
      await page.locator("#schemas a", { hasText: "quiz_answered" }).waitFor();
      assert.deepEqual(await page.locator("#schemas a").allInnerTexts(), ["quiz_answered", "<b>"]);
    });
  });

  test("the catalogue says if its list does not come", async () => {
    const prepare = (page) => page.route("**/schemas.json", (route) => stand(route, answer(502, "<p>no")));
    await visit({ prepare }, (page) => page.getByText("The list did not come").waitFor());
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

  test("its policy, which names nothing but the page's own files, stops nothing", async () => {
    await visit({}, async (page) => {
      const policy = await page.locator("meta[http-equiv=Content-Security-Policy]").getAttribute("content");
      assert.doesNotMatch(policy, /unsafe|\*|https?:|'sha/);
      for (const name of ["Mixed array", "Pixel", "Broken body"]) await press(name)(page);
      await own('{"name":"a"}', "text/plain")(page);
      await page.waitForFunction(() => document.querySelectorAll(".entry[data-result]:not([data-result=''])").length === 4);
      assert.equal(await page.locator("#tally-accepted").textContent(), "3");
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [PHONE, DESKTOP, SMALL]) {
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
          await page.waitForFunction(() => document.querySelectorAll(".entry[data-result]").length === 5);
          for (const summary of await page.locator("summary").all()) await summary.click();
          assert.deepEqual(await page.evaluate(faint), []);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
        });
      });
    }
  }
});
