/**
 * Opens a page with an SDK in Chromium: `drive.mjs NAME ENDPOINT KEY RUN`. NAME.mjs is the page's script.
 *
 * Prints the report anew whenever it changes, and stays open until standard input ends, since most SDKs
 * do not say when they have sent what they have.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

import { launch } from "../../browser/pages.mjs";

const [name, endpoint, key, run] = process.argv.slice(2);
const report = { sdk: "", version: "", option: "", events: [], errors: [], answers: [], ended: false };

function print() {
  process.stdout.write(`${JSON.stringify(report)}\n`);
}

function complain(problem) {
  report.errors.push(String(problem).slice(0, 500));
  print();
}

const calls = {
  sent(event) {
    report.events.push(event);
  },
  is(sdk, option) {
    const file = new URL(`../node_modules/${sdk}/package.json`, import.meta.url);
    Object.assign(report, { sdk, option, version: JSON.parse(readFileSync(file, "utf8")).version });
  },
  failed: complain,
};

const bundle = await build({
  entryPoints: [fileURLToPath(new URL(`${name}.mjs`, import.meta.url))],
  bundle: true,
  write: false,
  platform: "browser",
  define: { "process.env.NODE_ENV": '"production"' },
  logLevel: "error",
});
const script = bundle.outputFiles[0].contents;
const settings = JSON.stringify({ endpoint, key, run, apart: Boolean(process.env.SDK_APART) });
const html = `<!doctype html><html lang="de"><meta charset="utf-8"><title>Thanks</title><link rel="icon" href="data:,">
<script>window.STORY = ${settings}</script><script type="module" src="/page.js"></script></html>`;

// Another origin than the worker's.
const site = createServer((request, response) => {
  const [type, body] = request.url.startsWith("/page.js") ? ["text/javascript", script] : ["text/html", html];
  response.writeHead(200, { "content-type": type }).end(body);
});
await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));

const browser = await launch();
const page = await browser.newPage({ viewport: { width: 1280, height: 720 }, locale: "de-CH" });
await page.exposeFunction("say", (call, ...values) => calls[call](...values));
page.on("pageerror", complain);
page.on("console", (message) => {
  // Chromium says this of each answer from 400 on; those are in `answers`.
  if (message.text().startsWith("Failed to load resource")) return;
  if (["error", "warning"].includes(message.type())) complain(message.text());
});
page.on("response", (response) => {
  if (!response.url().startsWith(endpoint)) return;
  const { pathname } = new URL(response.url());
  report.answers.push({ method: response.request().method(), path: pathname, status: response.status() });
  print();
});
page.on("requestfailed", (request) => {
  // A 404 to what posthog-js loads later; it does without.
  if (request.resourceType() === "script") return;
  if (request.url().startsWith(endpoint)) complain(`${request.method()} ${request.url()}: ${request.failure()?.errorText}`);
});

await page.goto(`http://localhost:${site.address().port}/thanks?utm_source=news`, { referer: "https://www.google.com/" });
await page.waitForFunction(() => window.storyEnded);
report.ended = true;
print();
await text(process.stdin);
await browser.close();
process.exit(0);
