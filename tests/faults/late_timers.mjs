// Calls a stream's service with a clock of its own, whose timers can be late. Prints how each case of the first
// argument ends: `answered`, or the name of the error.

import { exchange } from "../../src/runtime/js/http_call.js";

/**
 * @param {{ lateMs: number[], answerAt?: number }} of how late each timer is, the last value for all others, and when
 *   the service answers
 */
async function ending({ lateMs, answerAt }) {
  let now = 0;
  /** @type {{ at: number, run: () => void }[]} */
  const timers = [];
  Date.now = () => now;
  globalThis.setTimeout = (run, milliseconds) => {
    const timer = { at: now + milliseconds, run };
    timers.push(timer);
    return timer;
  };
  globalThis.clearTimeout = (timer) => timers.splice(timers.indexOf(timer) >>> 0, 1);
  let answer = () => {};
  globalThis.fetch = () => new Promise((resolve) => {
    answer = () => resolve(new Response("{}"));
  });

  let end;
  exchange("http://stream.example/", {}, new Uint8Array(1), 2_000, false).then(
    () => (end = "answered"),
    (error) => (end = error.name),
  );
  for (let count = 0; end === undefined && count < 50; count += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    const timer = timers.shift();
    if (end !== undefined || timer === undefined) continue;
    const late = lateMs[count] ?? lateMs.at(-1);
    now = timer.at + late;
    if (answerAt !== undefined && answerAt <= now) answer();
    // While the isolate is busy, an answer waits behind the timers.
    if (late === 0) await new Promise((resolve) => setImmediate(resolve));
    if (end === undefined) timer.run();
  }
  return end;
}

const endings = [];
for (const each of JSON.parse(process.argv[2])) endings.push(await ending(each));
console.log(JSON.stringify(endings));
