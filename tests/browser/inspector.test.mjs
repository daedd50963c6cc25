// The inspector's page in a real Chromium, against the worker at HEADWATER_URL whose token is HEADWATER_INSPECT_TOKEN,
// as inspector.actions.mjs says. One test at a time: they share what the worker keeps for the page.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, test } from "node:test";

import { ACTIONS, EVENTS, PAGE, TOKEN, UNLOCKED, ask } from "./inspector.actions.mjs";
import { DESKTOP, PHONE, SMALL, faint, launch, missing, visit as open } from "./pages.mjs";

describe("the inspector", { skip: missing }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());
  beforeEach(() => ask("reset", "POST"));

  /** Opens the page, hands it to `use`, and then asks that the token was in no address, and nothing complained of. */
  const visit = ({ address = UNLOCKED, ...how }, use) => {
    const addresses = [];
    const prepare = async (page) => {
      page.on("request", (request) => addresses.push(request.url()));
      await how.prepare?.(page);
    };
    return open(browser, address, { ...how, prepare }, async (page) => {
      await use(page);
      // The fragment of what the test itself opened never leaves the browser.
      for (const asked of addresses) assert.ok(!asked.split("#")[0].includes(TOKEN), asked);
      assert.ok(!page.url().includes(TOKEN), page.url());
      assert.ok(!(await page.content()).includes(TOKEN));
    });
  };

  const squeezed = (text) => text.replace(/\s+/g, " ");
  const newest = (page) => page.locator(".entry").first();

  for (const { claim, send, line, parts, marks = [], shows = [], hides = [] } of EVENTS) {
    test(`it shows ${claim}`, async () => {
      // The worker reports to the inspector before it answers.
      await send();
      await visit({}, async (page) => {
        await newest(page).waitFor();
        const reported = await newest(page).locator("summary").innerText();
        for (const text of line) assert.ok(reported.includes(text), `${text} is not in: ${reported}`);
        await newest(page).locator("summary").click();
        for (const [title, texts] of Object.entries(parts)) {
          const heading = page.getByRole("heading", { name: title, exact: true });
          const content = squeezed(await newest(page).locator("section", { has: heading }).innerText());
          for (const text of texts) assert.ok(content.includes(squeezed(text)), `${text} is not in: ${content}`);
        }
        assert.deepEqual(await newest(page).locator("mark").allInnerTexts(), marks);
        const all = squeezed(await newest(page).innerText());
        for (const text of shows) assert.ok(all.includes(text), `${text} is not in: ${all}`);
        for (const text of hides) assert.ok(!all.includes(text), `${text} is in: ${all}`);
        // Nothing that came was taken for a part of the page.
        assert.equal(await page.locator("img, script:not([src^='/_/inspect/'])").count(), 0);
      });
    });
  }

  for (const { claim, does } of ACTIONS) {
    test(claim, () => visit({ options: { permissions: ["clipboard-read", "clipboard-write"] } }, async (page) => {
      await page.locator("#empty:visible").waitFor();
      await does(page);
    }));
  }

  test("the token is taken out of the address at once, and kept for the tab", async () => {
    await visit({ address: `${UNLOCKED}&name=hello` }, async (page) => {
      await page.locator("#status[data-state=live]").waitFor();
      assert.equal(page.url(), `${PAGE}#name=hello`);
      await page.goBack().catch(() => {});
      await page.goto(PAGE);
      await page.locator("#status[data-state=live]").waitFor();
      assert.deepEqual(await page.evaluate(() => [localStorage.length, document.cookie]), [0, ""]);
    });
  });

  test("without a token it asks for one, and nothing of the worker", async () => {
    const asked = [];
    const prepare = (page) => page.on("request", (request) => /live/.test(request.url()) && asked.push(request.url()));
    await visit({ address: PAGE, prepare }, async (page) => {
      await page.locator("#status[data-state=locked]").waitFor();
      await page.waitForTimeout(1_500);
      assert.deepEqual(asked, []);
      assert.equal(await page.locator("#main").isVisible(), false);
      assert.equal(await page.evaluate(() => document.activeElement.id), "token");
      assert.deepEqual(await page.evaluate(faint), []);
      await page.getByLabel("Token").fill(TOKEN);
      await page.keyboard.press("Enter");
      await page.locator("#status[data-state=live]").waitFor();
      assert.equal(await page.locator("#unlock").isVisible(), false);
    });
  });

  for (const wrong of [`${TOKEN}x`, "ключ", "a b"]) {
    test(`of the token “${wrong === `${TOKEN}x` ? "one too long" : wrong}” it says that it is wrong, forgets it and asks for another`, async () => {
      const asked = [];
      const prepare = (page) => page.on("request", (request) => /live/.test(request.url()) && asked.push(request.url()));
      await visit({ address: `${PAGE}#token=${encodeURIComponent(wrong)}`, prepare }, async (page) => {
        await page.getByText("The worker refuses this token").waitFor();
        await page.waitForTimeout(2_200);
        assert.ok(asked.length <= 1, asked.join());
        assert.equal(await page.evaluate(() => sessionStorage.length), 0);
        assert.equal(await page.getByLabel("Token").getAttribute("aria-invalid"), "true");
        await page.getByLabel("Token").fill(TOKEN);
        await page.getByRole("button", { name: "Inspect" }).click();
        await page.locator("#status[data-state=live]").waitFor();
      });
    });
  }

  test("its policy allows its own files, and nothing that is unsafe", async () => {
    const response = await fetch(PAGE);
    const policy = response.headers.get("content-security-policy");
    for (const part of ["default-src 'none'", "script-src 'self'", "form-action 'none'", "frame-ancestors 'none'"]) {
      assert.ok(policy.includes(part), policy);
    }
    assert.doesNotMatch(policy, /unsafe|\*/);
    await visit({}, async (page) => {
      assert.equal(await page.locator("[style], [onclick], [onload], style").count(), 0);
    });
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const viewport of [PHONE, DESKTOP, SMALL]) {
      test(`at ${viewport.width} pixels, ${colorScheme}, all texts stand out and nothing is cut off`, async () => {
        const fits = async (page) => {
          assert.deepEqual(await page.evaluate(faint), []);
          assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), viewport.width);
        };
        await visit({ options: { viewport, colorScheme } }, async (page) => {
          await page.locator("#empty:visible").waitFor();
          await fits(page);
          for (const { send } of EVENTS) await send();
          await page.waitForFunction((least) => document.querySelectorAll(".entry").length >= least, EVENTS.length);
          await fits(page);
          await page.getByRole("button", { name: "Pause" }).click();
          await page.evaluate(() => {
            for (const details of document.querySelectorAll(".entry > details")) details.open = true;
          });
          await page.locator(".body").nth(EVENTS.length - 1).waitFor();
          await page.evaluate(() => {
            for (const details of document.querySelectorAll("details")) details.open = true;
          });
          await fits(page);
        });
      });
    }
  }
});
