// The pages of scripts/query --plot in the folder HEADWATER_CHARTS, in Chromium: they show what they were given, and do
// nothing.

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";

import { DESKTOP, PHONE, SMALL, faint, launch } from "./pages.mjs";

const FOLDER = process.env.HEADWATER_CHARTS;
const PAGES = FOLDER ? readdirSync(FOLDER).filter((file) => file.endsWith(".html")) : [];
const LOOKS = [
  { viewport: DESKTOP, colorScheme: "light" },
  { viewport: PHONE, colorScheme: "dark" },
  { viewport: SMALL, colorScheme: "light" },
];
const ALLOWED = /^(HTML|HEAD|META|TITLE|STYLE|BODY|H1|FIGURE|PICTURE|SOURCE|IMG|DIV|FOOTER|TABLE|THEAD|TBODY|TR|TH|TD)$/;

describe("a chart's page", { skip: !FOLDER && "HEADWATER_CHARTS is not set" }, () => {
  let browser;
  before(async () => {
    browser = await launch();
  });
  after(() => browser?.close());

  /** Opens pages one after the other. None may ask for anything, complain, or change its title. */
  async function open(options, files, use) {
    const context = await browser.newContext(options);
    try {
      const page = await context.newPage();
      const seen = [];
      for (const type of ["pageerror", "console", "dialog", "popup", "framenavigated"]) {
        page.on(type, (what) => seen.push(`${type}: ${what.text?.() ?? what.message ?? what.url?.()}`));
      }
      page.on("request", (request) => request.url().startsWith("data:") || seen.push(request.url()));
      for (const file of files) {
        const url = pathToFileURL(`${FOLDER}/${file}`).href;
        await page.goto(url);
        const given = readFileSync(`${FOLDER}/${file}`, "utf8").match(/<title>(.*)<\/title>/)[1];
        assert.equal(await page.evaluate(() => document.querySelector("title").innerHTML), given.replaceAll("&quot;", '"').replaceAll("&#x27;", "'"), file);
        assert.equal(await page.title(), (await page.locator("h1").textContent()).trim().replace(/ +/g, " "), file);
        await use(page, file);
        assert.deepEqual(seen.splice(0), [url, `framenavigated: ${url}`], file);
      }
    } finally {
      await context.close();
    }
  }

  test("has no element but its own, and none that a text made", async () => {
    await open({ viewport: DESKTOP }, PAGES, async (page, file) => {
      const found = await page.evaluate(() =>
        [...document.querySelectorAll("*")].map((element) => [element.nodeName, [...element.attributes].map(({ name }) => name)]),
      );
      const attributes = new Set(found.flatMap(([, names]) => names));
      assert.deepEqual(found.filter(([name]) => !ALLOWED.test(name)), [], file);
      for (const name of attributes) assert.match(name, /^(lang|charset|http-equiv|content|name|media|srcset|src|alt|class)$/, file);
    });
  });

  for (const look of LOOKS) {
    test(`is readable at ${look.viewport.width} pixels, ${look.colorScheme}`, async () => {
      await open(look, ["values.html", "colours.html", "query.html"], async (page, file) => {
        const image = await page.evaluate(async () => {
          const image = document.querySelector("img");
          await image.decode();
          const [narrowDark, narrow, dark] = [...document.querySelectorAll("source")].map(({ srcset }) => srcset);
          const source = { [narrowDark]: "narrow dark", [narrow]: "narrow light", [dark]: "wide dark" }[image.currentSrc];
          return { width: image.naturalWidth, source: source ?? "wide light" };
        });
        const isNarrow = look.viewport.width < 640;
        assert.equal(image.source, `${isNarrow ? "narrow" : "wide"} ${look.colorScheme}`, file);
        assert.ok(isNarrow ? image.width <= 360 : image.width > 700, `${file}: ${image.width}`);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), file);
        assert.deepEqual(await page.evaluate(faint), [], file);
      });
    });
  }

  test("shows each text as it is, with its control characters escaped", async () => {
    const gadgets = JSON.parse(readFileSync(`${FOLDER}/gadgets.json`, "utf8"));
    await open({ viewport: DESKTOP }, ["values.html"], async (page) => {
      const cells = await page.evaluate(() => [...document.querySelectorAll("tbody tr")].map((row) => row.cells[0].textContent));
      assert.deepEqual(cells, gadgets);
    });
  });

  test("has drawings without a script or a link", async () => {
    await open({ viewport: DESKTOP }, PAGES, async (page, file) => {
      const drawings = await page.evaluate(() => {
        const addresses = [document.querySelector("source").srcset, document.querySelector("img").src];
        return addresses.map((address) => {
          const bytes = Uint8Array.from(atob(address.split(",")[1]), (letter) => letter.charCodeAt(0));
          const drawing = new DOMParser().parseFromString(new TextDecoder().decode(bytes), "image/svg+xml");
          const elements = [...drawing.querySelectorAll("*")];
          return { names: elements.map(({ nodeName }) => nodeName), attributes: elements.flatMap((element) => element.getAttributeNames()) };
        });
      });
      for (const { names, attributes } of drawings) {
        for (const name of new Set(names)) assert.match(name, /^(svg|g|path|rect|line|text|tspan|defs|clipPath)$/, file);
        for (const name of new Set(attributes)) assert.doesNotMatch(name, /^on|href$|^style$/, file);
      }
    });
  });
});
