// The documentation in Chromium, against a worker at HEADWATER_URL: each page at the size of a desk and of a phone.

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";

import { BASE, DESKTOP, PHONE, faint, launch, missing } from "./pages.mjs";

const PAGES = readdirSync("www/docs")
  .filter((file) => file.endsWith(".md"))
  .map((file) => (file === "README.md" ? "" : file.replace(".md", "").toLowerCase()));
const LOOKS = { "a desk in light colours": { viewport: DESKTOP, colorScheme: "light" }, "a phone in dark colours": { viewport: PHONE, colorScheme: "dark" } };

describe("the documentation", { skip: missing }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  const at = (path) => new URL(path, BASE).href;

  /** Opens pages in a context of their own, one after the other. On each nothing may be thrown, complained of or missing. */
  async function open(options, paths, use) {
    const context = await browser.newContext({ viewport: DESKTOP, ...options });
    try {
      const page = await context.newPage();
      page.setDefaultTimeout(120_000);
      const complaints = [];
      page.on("pageerror", (error) => complaints.push(String(error)));
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
      });
      page.on("response", (answer) => {
        if (answer.status() >= 400) complaints.push(`${answer.url()}: ${answer.status()}`);
      });
      for (const path of [paths].flat()) {
        const answer = await page.goto(at(path));
        assert.ok(answer.ok() || answer.status() === 304, `${path}: ${answer.status()}`);
        await use(page, path);
        assert.deepEqual(complaints, [], path);
      }
    } finally {
      await context.close();
    }
  }

  /** Runs in the page: what sticks out of the window, although nothing around it scrolls. */
  const outside = () => {
    const scrolls = (element) => element && (["auto", "scroll"].includes(getComputedStyle(element).overflowX) || scrolls(element.parentElement));
    const width = document.documentElement.clientWidth;
    const found = [...document.body.querySelectorAll("*")].filter((element) => {
      const { right, width: own } = element.getBoundingClientRect();
      return own && right > width + 1 && !scrolls(element.parentElement);
    });
    const scroll = document.documentElement.scrollWidth > width ? [`the page scrolls to ${document.documentElement.scrollWidth}`] : [];
    return [...scroll, ...found.map((element) => element.outerHTML.slice(0, 120))];
  };

  const facts = new Map();

  for (const [look, options] of Object.entries(LOOKS)) {
    test(`every page is readable on ${look}`, async () => {
      await open(options, PAGES.map((name) => `/docs/${name}`), async (page, path) => {
        assert.deepEqual(await page.evaluate(outside), [], path);
        assert.deepEqual(await page.evaluate(faint), [], path);
        assert.equal(await page.locator("h1").count(), 1, path);
        const [ids, links] = await page.evaluate(() => [[...document.querySelectorAll("[id]")].map(({ id }) => id), [...document.links].map(({ href }) => href)]);
        assert.equal(new Set(ids).size, ids.length, `${path} has an id twice`);
        facts.set(at(path), { ids: new Set(ids), links });
      });
    });
  }

  test("every link within the site leads to a page, and to an anchor that is there", async () => {
    assert.equal(facts.size, PAGES.length);
    const others = new Map();
    for (const [from, { links }] of facts) {
      for (const link of links) {
        const url = new URL(link);
        if (url.origin !== new URL(BASE).origin) continue;
        const anchor = decodeURIComponent(url.hash.slice(1));
        url.hash = "";
        const known = facts.get(url.href);
        if (known) {
          assert.ok(!anchor || known.ids.has(anchor), `${from}: ${link} has no such anchor`);
        } else {
          if (!others.has(url.href)) others.set(url.href, (await fetch(url)).status);
          assert.equal(others.get(url.href), 200, `${from}: ${link}`);
          assert.ok(!url.pathname.startsWith("/docs/"), `${from}: ${link} is an address of a page in another form`);
        }
      }
    }
    assert.ok(others.has(at("/")) && others.has(at("/_/inspect")), [...others.keys()].join());
  });

  test("the demo and the inspector link to the documentation", async () => {
    for (const path of ["/", "/_/inspect"]) {
      const text = await (await fetch(at(path))).text();
      assert.match(text, /<a href="\/docs\/(inspector)?">Doc(s|umentation)<\/a>/, path);
    }
  });

  test("dark colours are dark", async () => {
    await open({ colorScheme: "dark" }, "/docs/", async (page) => {
      const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
      assert.ok(ground.match(/\d+/g).every((part) => Number(part) < 64), ground);
    });
  });

  test("only the rendered pages are served", async () => {
    for (const path of ["/docs/README.md", "/docs/quickstart.md"]) assert.equal((await fetch(at(path))).status, 404, path);
    for (const path of ["/docs", "/docs/quickstart.html"]) {
      const answer = await fetch(at(path));
      assert.deepEqual([answer.status, answer.redirected], [200, true], path);
    }
  });

  test("the sidebar marks the page, and lists every other", async () => {
    await open({}, "/docs/sessions", async (page) => {
      assert.equal(await page.locator("#_pages [aria-current=page]").innerText(), "Sessions");
      assert.equal(await page.locator("#_pages a").count(), PAGES.length - 1);
      await page.locator(".near .after").click();
      await page.waitForURL(at("/docs/deduplication"));
    });
  });

  test("on a phone the list of pages is one tap away", async () => {
    await open({ viewport: PHONE }, "/docs/sessions", async (page) => {
      await page.getByRole("link", { name: "All pages" }).click();
      await page.getByRole("link", { name: "Deduplication", exact: true }).first().click();
      await page.waitForURL(at("/docs/deduplication"));
    });
  });

  const SEARCHES = [
    ["linger", /Configuration|Shards/],
    ["previous_shards", /Configuration|Shards/],
    ["history prerendered", /Snippet/],
    ["access_denied", /runbook/],
  ];
  for (const [words, expected] of SEARCHES) {
    test(`a search for ${words} finds a page`, async () => {
      await open({}, "/docs/", async (page) => {
        await page.getByRole("searchbox").fill(words);
        const first = page.locator(".results li").first();
        await first.waitFor();
        assert.match(await page.locator(".results ol").innerText(), expected);
      });
    });
  }

  test("a result leads to its section, by keys alone", async () => {
    await open({}, "/docs/", async (page) => {
      await page.getByRole("searchbox").focus();
      await page.keyboard.type("cookieless ids");
      await page.locator(".results b", { hasText: "Privacy: Cookieless ids" }).waitFor();
      await page.keyboard.press("ArrowDown");
      await page.keyboard.press("Enter");
      await page.waitForURL(at("/docs/privacy#cookieless-ids"));
    });
  });

  test("a search for nothing that is there says so", async () => {
    await open({}, "/docs/", async (page) => {
      await page.getByRole("searchbox").fill("xyzzyx");
      await page.getByText("No page has these words.").waitFor();
      await page.keyboard.press("Escape");
      await page.locator(".results").waitFor({ state: "hidden" });
    });
  });

  test("a page reads well without its script", async () => {
    await open({ javaScriptEnabled: false }, "/docs/privacy", async (page) => {
      assert.equal(await page.locator("#_query").count(), 0);
      assert.ok((await page.locator("main").innerText()).includes("Cookieless ids"));
    });
  });
});
