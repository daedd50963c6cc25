// What the tests of both demo pages share: a Chromium, a visit to a page of the worker at HEADWATER_URL, and what every
// page is held to.

import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { chromium } from "playwright-core";

export const BASE = process.env.HEADWATER_URL;
export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 800 };
export const SMALL = { width: 320, height: 640 };
const CHROMIUM = "/usr/bin/chromium";

export const missing = !BASE
  ? "HEADWATER_URL is not set: give it the address of a running worker"
  : !existsSync(CHROMIUM) && `${CHROMIUM} is missing: install Debian's package chromium`;

export const answer = (status, body, headers = {}) => ({ status, body, headers });

/** Lets `stub` stand in for the worker's answer. */
export const stand = (route, stub) => (stub === "abort" ? route.abort() : route.fulfill(stub));

/** The schemas that the repository publishes, by name. */
export const SCHEMAS = new Map(
  readdirSync("www/schemas").map((file) => [file.replace(".json", ""), JSON.parse(readFileSync(`www/schemas/${file}`, "utf8"))]),
);

export function launch() {
  const quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"];
  const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet];
  return chromium.launch({ executablePath: CHROMIUM, args });
}

/** Opens the page, hands it to `use`, and then asks that nothing was thrown or complained of. */
export async function visit(browser, address, { options = {}, prepare = async () => {} }, use) {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  try {
    const page = await context.newPage();
    page.setDefaultTimeout(120_000);
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      // Chromium itself logs every answer from 400 on.
      const itsOwn = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !itsOwn) complaints.push(message.text());
    });
    page.on("dialog", (dialog) => complaints.push(`a dialog: ${dialog.message()}`));
    await prepare(page);
    await page.goto(address);
    await page.locator(".status:not([data-state=asking])").waitFor();
    await use(page);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

/** Runs in the page: the texts with less contrast than WCAG 2.2 asks for at level AA (1.4.3). */
export function faint() {
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
