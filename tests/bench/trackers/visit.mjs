/** Someone's visit to a recorder's site, in a browser of their own. */

import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

import { Recorder } from "./recorder.mjs";

/** Longer than any of the trackers waits before it sends, in milliseconds. */
export const PATIENCE_MS = 5_000;

/** A browser that reaches this machine only, keeps pages in its back/forward cache, and passes for a person's. */
export const browser = () =>
  chromium.launch({
    executablePath: "/usr/bin/chromium",
    ignoreDefaultArgs: ["--disable-back-forward-cache"],
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-blink-features=AutomationControlled",
      "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
    ],
  });

/** Several of the trackers count no headless browser. */
const USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

export const context = (chrome) => chrome.newContext({ userAgent: USER_AGENT });

export class Visit {
  constructor(tracker, recorder, context) {
    Object.assign(this, { tracker, recorder, context });
  }

  /** Lets `use` have a visit to a site with the tracker. */
  static async with(chrome, tracker, scripts, feature, use) {
    const recorder = await Recorder.open(tracker, scripts, feature);
    const visitor = await context(chrome);
    try {
      return await use(new Visit(tracker, recorder, visitor));
    } finally {
      await visitor.close();
      recorder.close();
    }
  }

  async open() {
    this.page = await this.context.newPage();
    await this.page.goto(`${this.recorder.origin}/`);
  }

  /** Opens the page and sees to it that its view is counted: without that, a feature's absence would say nothing. */
  async view() {
    await this.open();
    if (!(await this.until(() => this.views() > 0))) throw new Error(`${this.tracker.name} sent no view`);
  }

  views() {
    return this.recorder.accepted().filter(({ kind }) => kind == "view").length;
  }

  /** Calls the tracker once for each name, and runs `then` in the same task. */
  track(names, then = "") {
    return this.page.evaluate(`{ const track = ${this.tracker.track}; for (const name of ${JSON.stringify(names)}) track(name, { n: 1 }); ${then} }`);
  }

  /** Whether something comes true in time. */
  async until(holds, milliseconds = PATIENCE_MS) {
    for (const end = Date.now() + milliseconds; Date.now() < end; await sleep(50)) if (holds()) return true;
    return Boolean(holds());
  }
}
