// Runs one row: its page in a browser context of its own, between a site and a collector of its own; then asks
// whether what was sent is what the row expects, and nothing of what no row allows.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { chromium } from "playwright-core";

import { Collector, HOST, named } from "./collector.mjs";
import { Site, tag } from "./site.mjs";

export const CHROMIUM = "/usr/bin/chromium";
/** By name, hosts under .test are no loopback, and so no secure contexts. */
const HOSTS = `--host-resolver-rules=MAP *.test ${HOST}`;
const ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", HOSTS];
/** What a body has beyond its 60,000 bytes of events. */
const ENVELOPE_BYTES = 64;
/** How long something that must not come is waited for, in milliseconds: longer than an event waits for others. */
const SILENCE_MS = 1_600;
/** How long a page's last words may take, in milliseconds. */
const LAST_MS = 200;

/** Starts the browser that all rows share; each has a context of its own in it. */
export const launch = () =>
  // Playwright turns the back/forward cache off.
  chromium.launch({ executablePath: CHROMIUM, ignoreDefaultArgs: ["--disable-back-forward-cache"], args: ARGUMENTS });

/** A name for a row that is short enough to be a build. */
export const slug = (claim) => claim.toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 64);

/**
 * A row while it runs.
 *
 * claim: what is true.  sends: all events that must become durable, and none other may.
 * stores: what is in the streams of them, if the worker changes their addresses.  tag: the tag's attributes, or
 * html: what stands in its place.  pages: those that have more than the tag.  init: runs in each page before all else.
 * path: the first page, or null for none.  does: what happens then.  check: what the requests must be besides.
 * throws: what the pages' own scripts throw.  grumbles: whether something may be written to the console.
 * bytes: the most that a body may have.  unwatched: whether the row starts a browser of its own.
 */
export class Visit {
  /** What the pages threw, and promises that nobody saw rejected. */
  thrown = [];
  /** What was written to the console as an error or a warning, what a policy refused among it. */
  grumbles = [];
  #profile;
  #process;

  constructor(row, browser) {
    this.row = row;
    this.browser = browser;
  }

  async run() {
    const { row } = this;
    this.collector = new Collector(process.env.HEADWATER_URL);
    this.site = new Site(this.collector);
    await this.collector.come();
    await this.site.open();
    try {
      this.site.tag = row.html?.(this) ?? this.tag(row.tag);
      this.site.pages = row.pages?.(this) ?? {};
      if (row.unwatched) await row.does(this);
      else await this.#watched();
      assert.deepEqual(this.thrown, row.throws ?? []);
      if (!row.grumbles) assert.deepEqual(this.grumbles, []);
    } catch (error) {
      error.message += `\nthrown: ${this.thrown}\nto the console: ${this.grumbles}`;
      throw error;
    } finally {
      await this.kill();
      if (this.#profile) rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
      await this.context?.close();
      await this.site.close();
      await this.collector.leave().catch(() => {});
    }
  }

  /** The tag of this row, with these attributes too; and what `tag` takes besides. */
  tag(attributes = {}, { source = `${this.collector.origin}/t.js`, ...more } = {}) {
    return tag(source, { key: "pk_1", build: slug(this.row.claim), ...attributes }, more);
  }

  /** Opens a page in a tab of its own. */
  async open(path = "/", origin = this.site.origin) {
    const page = await this.context.newPage();
    page.setDefaultTimeout(120_000);
    page.on("pageerror", (error) => this.thrown.push(String(error)));
    page.on("console", (message) => {
      // Chromium itself logs every answer from 400 on, and every connection that is refused.
      const itsOwn = message.text().startsWith("Failed to load resource");
      if (["error", "warning"].includes(message.type()) && !itsOwn) this.grumbles.push(message.text());
    });
    await page.goto(origin + path);
    return page;
  }

  /** Refutes any request for a while. */
  async silence() {
    const before = this.collector.requests.length;
    await pause(SILENCE_MS);
    assert.deepEqual(this.collector.requests.slice(before), []);
  }

  /** Starts a browser that no tool watches, which changes what it does; it keeps its profile from one time to the next. */
  start(path) {
    this.#profile ??= mkdtempSync(join(tmpdir(), "headwater-profile-"));
    const profile = [`--user-data-dir=${this.#profile}`, "--disable-background-networking", "--disable-component-update"];
    const options = ["--headless", ...ARGUMENTS, ...profile];
    this.#process = spawn(CHROMIUM, [...options, this.site.origin + path], { detached: true, stdio: "ignore" });
  }

  /** Ends it as a crash would, with all of its processes. */
  async kill() {
    const ended = this.#process;
    this.#process = undefined;
    if (!ended || ended.exitCode !== null) return;
    process.kill(-ended.pid, "SIGKILL");
    await once(ended, "exit");
  }

  /** Asks whether exactly the events that the row names are durable, and all was sent as it must be. */
  async judge() {
    await this.collector.untilKept(this.row.sends);
    await this.row.check?.(this);
    for (const page of this.context?.pages() ?? []) await page.close();
    await pause(LAST_MS);
    await this.collector.until("all answers", () => this.collector.requests.every(({ status, trouble }) => status || trouble));
    assert.deepEqual(this.collector.kept.map(named).sort(), [...this.row.sends].sort());
    for (const { method, target, headers, body } of this.collector.requests) {
      // A beacon is a simple request: no preflight.
      assert.equal(`${method} ${target}`, "POST /v1/events?key=pk_1");
      assert.match(headers["content-type"], /^text\/plain/);
      const bytes = Buffer.byteLength(body);
      assert.ok(bytes <= (this.row.bytes ?? 60_000) + ENVELOPE_BYTES, `${bytes} bytes`);
    }
  }

  async #watched() {
    const { options, init, path = "/", does } = this.row;
    this.context = await this.browser.newContext(options);
    if (init) await this.context.addInitScript(init);
    if (path) this.page = await this.open(path);
    await does?.(this);
    await this.judge();
  }
}
