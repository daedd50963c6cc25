// The demo page in a real Chromium, against the worker at HEADWATER_URL, as demo.actions.mjs says. Records come from
// HEADWATER_RECORDS, where it is set, and else from where the page looks for them.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, describe, test } from "node:test";

import { ACTIONS, CHECKS, NOT_DURABLE, TAGS, chain, press } from "./demo.actions.mjs";
import { BASE, DESKTOP, PHONE, SMALL, answer, faint, launch, missing, stand, visit as open } from "./pages.mjs";

const RECORDS = process.env.HEADWATER_RECORDS;
/** What the chunks tell by themselves, as the mouse moves and pages are left; their own tests hold them to it. */
const BY_ITSELF = new Set(["pointer", "page_leave", "web_vitals"]);

describe("the demo page", { skip: missing, concurrency: 2 }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Opens the page, hands it to `use`, and then asks that nothing was thrown or complained of. */
  const visit = ({ options, prepare = async () => {} }, use) => {
    const prepared = async (page) => {
      if (RECORDS) {
        const forward = async (route) => route.fulfill({ response: await route.fetch({ url: RECORDS + new URL(route.request().url()).search }) });
        // A page may be closed while it asks.
        await page.route(/:\d+\/records\?/, (route) => forward(route).catch(() => {}));
      }
      await prepare(page);
    };
    return open(browser, BASE, { options, prepare: prepared }, use);
  };

  for (const { claim, does, answers = [], sends, never = [], shows = [] } of ACTIONS) {
    test(claim, async () => {
      const bodies = [];
      const prepare = (page) => page.on("request", (request) => request.method() === "POST" && bodies.push(request.postData()));
      const events = () => bodies.flatMap((body) => JSON.parse(body).events).filter(({ name }) => !BY_ITSELF.has(name));
      await visit({ prepare }, async (page) => {
        await page.locator(".request[data-result=accepted]").waitFor();
        const stubs = [...answers];
        await page.route("**/v1/events*", (route) => (stubs.length ? stand(route, stubs.shift()) : route.continue()));
        assert.equal(events()[0].name, "page_view");
        await does(page);
        const deadline = Date.now() + 120_000;
        while (events().length < 1 + sends.length && Date.now() < deadline) await page.waitForTimeout(50);
        const [, ...sent] = events();
        assert.deepEqual(
          sent.map(({ name }) => name).length,
          sends.length,
          sent.map(({ name }) => name).join(),
        );
        for (const [index, check] of sends.entries()) check(sent[index]);
        for (const text of never) assert.ok(!bodies.join().includes(text), text);
        for (const text of shows) await shown(page, text);
      });
    });
  }

  /** Waits until the log, with all in it unfolded, has the text. */
  const shown = (page, text) =>
    page.waitForFunction((wanted) => {
      for (const event of document.querySelectorAll("#requests details")) event.open = true;
      return document.getElementById("requests").innerText.replace(/\s+/g, " ").includes(wanted);
    }, text);

  for (const [where, prepare, state, says] of CHECKS) {
    test(`asked whether it works, ${where}, the page says so`, async () => {
      await visit({ prepare }, async (page) => {
        await press("Check it")(page);
        await page.locator(`#checked[data-state=${state}]`).waitFor();
        const reported = await page.locator("#checked").innerText();
        for (const text of says) assert.ok(reported.includes(text), `${text} is not in: ${reported}`);
      });
    });
  }

  for (const [boxes, has, hasNot] of TAGS) {
    test(`the tag to paste is right with ${boxes.join() || "the boxes as they are"} pressed`, async () => {
      await visit({}, async (page) => {
        for (const box of boxes) await page.getByLabel(box).click();
        for (const text of has) await page.locator("#tag", { hasText: text }).waitFor();
        const tag = await page.locator("#tag").innerText();
        for (const text of hasNot) assert.ok(!tag.includes(text), tag);
      });
    });
  }

  test("the tag has the write key that is typed, quoted", async () => {
    await visit({}, async (page) => {
      await page.getByLabel("Write key").fill('a&"b ');
      await page.locator("#tag", { hasText: 'data-key="a&amp;&quot;b"' }).waitFor();
      await page.getByLabel("Write key").fill(" ");
      await page.locator("#tag", { hasNotText: "data-key" }).waitFor();
    });
  });

  test("the tally counts each event once, by what became of it", async () => {
    const outcome = ({ name }) => ({ sample_asked: "duplicate", order_placed: "failed" })[name] ?? "accepted";
    const prepare = (page) =>
      page.route("**/v1/events*", (route) => {
        const { events } = JSON.parse(route.request().postData());
        return stand(route, answer(200, JSON.stringify({ verdicts: events.map((event) => ({ event_id: event.id, outcome: outcome(event) })) })));
      });
    await visit({ prepare }, async (page) => {
      await page.locator(".request[data-result=accepted]").waitFor();
      for (let times = 0; times < 3; times++) await press("Ask for a sample")(page);
      await press("Order in “francs”")(page);
      await page.waitForFunction(() => /^\d+ accepted · 3 duplicates · 1 failed$/.test(document.getElementById("tally").textContent));
    });
  });

  test("the tally counts what is not durable until it is", async () => {
    let broken = true;
    const prepare = (page) => page.route("**/v1/events*", (route) => (broken ? stand(route, NOT_DURABLE) : route.continue()));
    await visit({ prepare }, async (page) => {
      await page.locator("#tally", { hasText: "1 not durable" }).waitFor();
      broken = false;
      await page.locator("#tally", { hasText: /^\d+ accepted$/ }).waitFor();
    });
  });

  test("the tag can be copied", async () => {
    await visit({ options: { permissions: ["clipboard-read", "clipboard-write"] } }, async (page) => {
      const tag = await page.locator("#tag", { hasText: "data-auto" }).innerText();
      await page.locator("[data-copies=tag]").click();
      await page.getByRole("button", { name: "Copied" }).waitFor();
      assert.equal(await page.evaluate(() => navigator.clipboard.readText()), tag);
    });
  });

  test("where no records are to be had the page says where they are", async () => {
    const prepare = (page) => page.route(/\/records\?/, (route) => route.abort());
    await visit({ prepare }, async (page) => {
      await page.locator("#elsewhere:visible").waitFor();
      await shown(page, "✓ accepted");
      await shown(page, '"name": "page_view"');
    });
  });

  const RECORDS_OF = (ids) => answer(200, JSON.stringify(Object.fromEntries(ids.map((id) => [id, { event_id: id, name: "page_view", tenant: "default" }]))), { "access-control-allow-origin": "*" });

  test("a record is shown even if the first question is answered too late", async () => {
    let questions = 0;
    const prepare = (page) =>
      page.route(/\/records\?/, (route) => questions++ && stand(route, RECORDS_OF(new URL(route.request().url()).searchParams.getAll("id"))));
    await visit({ prepare }, (page) => shown(page, "Added by the worker"));
  });

  test("a record that comes late is waited for, and shown", async () => {
    let questions = 0;
    let may = false;
    const prepare = (page) =>
      page.route(/\/records\?/, (route) => {
        const ids = new URL(route.request().url()).searchParams.getAll("id");
        return stand(route, RECORDS_OF(++questions > 6 && may ? ids : []));
      });
    await visit({ prepare }, async (page) => {
      await shown(page, "its record is not there yet");
      may = true;
      await shown(page, "Added by the worker");
    });
  });

  test("its policy names its own files and the stub, and nothing that is unsafe", async () => {
    await visit({}, async (page) => {
      const policy = await page.locator("meta[http-equiv=Content-Security-Policy]").getAttribute("content");
      const stub = await page.locator("#stub").textContent();
      const hash = `'sha256-${createHash("sha256").update(stub).digest("base64")}'`;
      assert.ok(policy.startsWith("default-src 'none'; ") && policy.includes(`script-src 'self' ${hash};`), policy);
      assert.doesNotMatch(policy, /unsafe/);
      assert.ok((await page.locator("#policy").textContent()).includes(hash));
      assert.equal(await page.locator("[style], [onclick], [onload], style").count(), 0);
    });
  });

  test("the film plays, and knows how long it is", async () => {
    await visit({}, async (page) => {
      await page.locator("#film").evaluate((film) => film.play());
      await page.waitForFunction(() => document.getElementById("film").currentTime > 0.2);
      const seconds = await page.locator("#film").evaluate((film) => film.duration);
      assert.ok(seconds > 11 && seconds < 13, String(seconds));
    });
  });

  test("five actions are announced once or twice, not five times", async () => {
    await visit({}, async (page) => {
      await page.evaluate(() => {
        window.announced = [];
        new MutationObserver(() => window.announced.push(document.getElementById("news").textContent)).observe(document.getElementById("news"), { childList: true });
      });
      for (let times = 0; times < 5; times++) {
        await press("Ask for a sample")(page);
        await page.waitForTimeout(700);
      }
      await page.waitForFunction(() => window.announced.some((text) => text.startsWith("sample_asked")));
      const announced = await page.evaluate(() => window.announced);
      assert.ok(announced.length <= 2, announced.join("; "));
    });
  });

  test("each thing that the Tab key comes to shows that it has the focus", async () => {
    await visit({}, async (page) => {
      const stops = new Set();
      for (;;) {
        await page.keyboard.press("Tab");
        const [what, outline] = await page.evaluate(() => {
          const { activeElement } = document;
          if (activeElement === document.body) return [];
          return [activeElement.id || activeElement.textContent.trim().slice(0, 30), getComputedStyle(activeElement).outlineStyle];
        });
        // Past the last one comes the browser's own frame.
        if (!what) break;
        stops.add(what);
        // Chromium draws the ring inside a player by itself.
        if (what !== "film") assert.notEqual(outline, "none", what);
      }
      for (const stop of ["Brewing times", "email", "option-pinned", "check", "consent-denied"]) assert.ok(stops.has(stop), [...stops].join());
    });
  });

  test("on a phone the log is a sheet that shows the last event, opens, and closes with Escape", async () => {
    await visit({ options: { viewport: PHONE } }, async (page) => {
      const bar = page.locator("#log-bar");
      await bar.filter({ hasText: "page_view 1 accepted" }).waitFor();
      await press("Ask for a sample")(page);
      await bar.filter({ hasText: "sample_asked" }).filter({ hasText: "1 accepted" }).waitFor();
      const { y, height } = await bar.boundingBox();
      assert.ok(y + height <= PHONE.height && y > PHONE.height - 100);
      assert.equal(await page.locator("#requests").isVisible(), false);
      await bar.click();
      assert.equal(await bar.getAttribute("aria-expanded"), "true");
      await page.locator("#requests summary").first().click();
      await page.keyboard.press("Escape");
      assert.equal(await page.locator("#requests").isVisible(), false);
      assert.equal(await page.evaluate(() => document.activeElement.id), "log-bar");
    });
  });

  test("nothing moves where the person asks for that", async () => {
    await visit({ options: { reducedMotion: "reduce" } }, async (page) => {
      await page.locator(".request").first().waitFor();
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".request")).animationName), "none");
    });
    await visit({}, async (page) => {
      await page.locator(".request").first().waitFor();
      assert.equal(await page.evaluate(() => getComputedStyle(document.querySelector(".request")).animationName), "arrive");
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [PHONE, DESKTOP, SMALL]) {
      test(`at ${viewport.width} pixels, ${colorScheme}, all texts stand out and nothing is cut off`, async () => {
        const fits = async (page) => {
          assert.deepEqual(await page.evaluate(faint), []);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
        };
        const prepare = async (page) => {
          let calls = 0;
          await page.route("**/v1/events*", (route) => (calls++ === 0 ? stand(route, NOT_DURABLE) : route.continue()));
        };
        await visit({ options: { viewport, colorScheme, reducedMotion: "reduce" }, prepare }, async (page) => {
          await fits(page);
          await page.locator(".request[data-result=held]").waitFor({ state: "attached" });
          await page.locator(".request[data-result=accepted]").waitFor({ state: "attached" });
          await page.getByText("With a Content-Security-Policy").click();
          await page.getByRole("link", { name: /Celadon cup/ }).click();
          await chain(press("Add to cart"), press("Order in “francs”"), press("Check it"))(page);
          await fits(page);
          await page.getByRole("link", { name: /^Cart/ }).click();
          await page.locator("#checked[data-state=works]").waitFor();
          if (viewport !== DESKTOP) await page.locator("#log-bar").click();
          await shown(page, "The failed event");
          await fits(page);
          await press("Place the order")(page);
          await shown(page, "coerce");
          await fits(page);
        });
      });
    }
  }
});
