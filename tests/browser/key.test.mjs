// Both pages against a worker at HEADWATER_URL that has the tenant KEY and no other.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { BASE, launch, missing, visit } from "./pages.mjs";

const KEY = process.env.HEADWATER_KEY;

describe("the pages of a worker with tenants", { skip: missing }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Collects what a page sends. */
  const watch = (sent) => (page) =>
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.pathname.startsWith("/v1/")) sent.push({ key: url.searchParams.get("key"), body: request.postData() });
    });

  test("the demo sends with the key of its address, also when it is loaded again", async () => {
    const sent = [];
    await visit(browser, `${BASE}?key=${encodeURIComponent(KEY)}&utm_source=mail`, { prepare: watch(sent) }, async (page) => {
      const accepted = () => page.locator(".request[data-result=accepted]").first().waitFor();
      await accepted();
      assert.equal(new URL(page.url()).search, "?utm_source=mail");
      await page.locator("#tag", { hasText: `data-key="${KEY.replaceAll("&", "&amp;")}"` }).waitFor();
      await page.getByRole("link", { name: /Celadon cup/ }).click();
      await page.reload();
      await accepted();
      assert.ok(sent.length >= 2 && sent.every(({ key }) => key === KEY), JSON.stringify(sent));
      const [view] = JSON.parse(sent[0].body).events;
      assert.equal(view.url, `${BASE}?utm_source=mail`);
    });
  });

  test("the page of beacons sends with the key of its address, pixels too", async () => {
    const sent = [];
    const address = `${new URL("beacons", BASE)}?key=${encodeURIComponent(KEY)}`;
    await visit(browser, address, { prepare: watch(sent) }, async (page) => {
      await page.getByRole("button", { name: /^Page view/ }).click();
      await page.locator("#tally-accepted", { hasText: "1" }).waitFor();
      await page.getByRole("button", { name: /^Pixel/ }).click();
      await page.getByText("Durable. An image").waitFor();
      assert.deepEqual(sent.map(({ key }) => key), [KEY, KEY]);
      assert.ok((await page.locator("#curl").textContent()).includes(`&key=${encodeURIComponent(KEY)}'`));
    });
  });

  test("without a key the pages say how to give one", async () => {
    await visit(browser, BASE, {}, (page) => page.getByText("?key= and a write key").first().waitFor());
    await visit(browser, new URL("beacons", BASE).href, {}, async (page) => {
      await page.getByRole("button", { name: /^Page view/ }).click();
      await page.getByText("/beacons?key=pk_1").waitFor();
    });
  });
});
