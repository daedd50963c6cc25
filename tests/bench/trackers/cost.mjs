/**
 * Prints what a tracker costs a page's main thread: to load and to send the first view, and for each event.
 *
 * `TaskDuration` of the DevTools protocol counts all that the main thread does, and so too what a tracker has it do outside
 * of its script; in the thread's own time (`threadTicks`), which a busy machine does not change. What a page without a
 * tracker takes in the same round is taken off. Rounds go through all of them in turn, so that a drift meets each.
 */

import { setTimeout as sleep } from "node:timers/promises";

import headwater from "./headwater.mjs";
import plausible from "./plausible.mjs";
import { scripts } from "./scripts.mjs";
import umami from "./umami.mjs";
import { Visit, browser } from "./visit.mjs";

const ROUNDS = 15;
const TRACKERS = [headwater, plausible, umami];
const SLOWDOWNS = [1, 4];
/** Longer than it takes until the first request has gone out, in milliseconds. */
const LOAD_MS = 2_000;
const EVENTS = 1_000;
const EVENTS_A_TASK = 50;

/** A site with the same page and the same calls, but nothing behind them. */
const FLOOR = { name: "no tracker", head: () => "", track: "() => {}", read: () => [] };

const median = (values) => quantile(values, 0.5);
const quantile = (values, part) => values.toSorted((a, b) => a - b)[Math.round((values.length - 1) * part)];

/** Runs in the page: as many calls as there are, some in each task. */
const CALLS = (track) => `(async () => {
  const track = ${track};
  for (let n = 0; n < ${EVENTS}; n++) {
    track("order_placed", { n });
    if (n % ${EVENTS_A_TASK} == ${EVENTS_A_TASK - 1}) await new Promise((resolve) => setTimeout(resolve, 20));
  }
})()`;

/** The main thread's milliseconds for the load, and its microseconds for an event. */
async function cost(chrome, tracker, scripts, slowdown) {
  return Visit.with(chrome, tracker, scripts, "cost", async (visit) => {
    const page = await visit.context.newPage();
    await page.goto(`${visit.recorder.origin}/away`);
    const devtools = await visit.context.newCDPSession(page);
    await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
    await devtools.send("Emulation.setCPUThrottlingRate", { rate: slowdown });
    const taken = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name == "TaskDuration").value;
    const before = await taken();
    await page.goto(`${visit.recorder.origin}/`);
    await sleep(LOAD_MS);
    const loaded = await taken();
    if (tracker != FLOOR && !visit.views()) throw new Error(`${tracker.name} sent no view`);
    await page.evaluate(CALLS(tracker.track));
    await visit.until(() => tracker == FLOOR || visit.recorder.events().length > EVENTS);
    const events = new Set(visit.recorder.events().map(({ id }, index) => id ?? index));
    return { load: (loaded - before) * 1e3, event: ((await taken()) - loaded) * (1e6 / EVENTS), sent: events.size - 1 };
  });
}

const chrome = await browser();
try {
  const loaded = new Map();
  for (const tracker of TRACKERS) loaded.set(tracker, await scripts(tracker));
  for (const slowdown of SLOWDOWNS) {
    const rounds = [];
    for (let round = 0; round < ROUNDS; round++) {
      const floor = await cost(chrome, FLOOR, {}, slowdown);
      const of = new Map();
      for (const tracker of TRACKERS) {
        const { load, event, sent } = await cost(chrome, tracker, loaded.get(tracker), slowdown);
        of.set(tracker, { load: load - floor.load, event: event - floor.event, sent });
      }
      rounds.push(of);
    }
    console.log(`\n| ${slowdown == 1 ? "this machine" : `slowed down ${slowdown} times`} | load and first view | of Plausible's | an event | of Plausible's | sent of ${EVENTS} |`);
    console.log("|---|---:|---:|---:|---:|---:|");
    for (const tracker of TRACKERS) {
      const cells = ["load", "event"].flatMap((what) => {
        const values = rounds.map((of) => of.get(tracker)[what]);
        const ratio = median(values) / median(rounds.map((of) => of.get(plausible)[what]));
        const [digits, unit] = what == "load" ? [1, "ms"] : [0, "µs"];
        const spread = `${quantile(values, 0.25).toFixed(digits)} to ${quantile(values, 0.75).toFixed(digits)}`;
        return [`${median(values).toFixed(digits)} ${unit} (${spread})`, ratio.toFixed(2)];
      });
      console.log(`| ${tracker.name} | ${cells.join(" | ")} | ${median(rounds.map((of) => of.get(tracker).sent))} |`);
    }
  }
  console.log(`\nMedians of ${ROUNDS} rounds, with the middle half, over a page without a tracker; Chromium ${chrome.version()}.`);
} finally {
  await chrome.close();
}
