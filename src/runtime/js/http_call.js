// Calls a stream's service.

/** A timer that is later than this, in milliseconds, shows that the isolate was busy: the delay is then ours. */
const LATE_MS = 250;
/** The least extra time that an answer then gets, once, in milliseconds. */
const GRANTED_MS = 1_000;
/** How often, and for how many milliseconds, a due call waits for an answer that may have arrived. */
const TURNS = 3;
const TURN_MS = 5;

/**
 * Sends a signed call and reads the whole answer within the time given.
 *
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @param {boolean} aborts whether a call that is too late is aborted, and not only ignored. Its connection would count as
 *   long as its object lives. A call of a request ends with the request, and an AbortController costs a tenth of the call.
 * @returns {Promise<[status: number, retryAfterMs: number, body: Uint8Array]>} with -1 if the answer does not say when to send again
 * @throws {Error} named TimedOut if the time is over
 * @throws {Error} named Starved if the time is over and the isolate was too busy to use it
 */
export async function exchange(url, headers, body, milliseconds, aborts) {
  const controller = aborts ? new AbortController() : undefined;
  /** @type {(error: Error) => void} */
  let giveUp;
  const isOver = new Promise((_, reject) => {
    giveUp = reject;
  });
  let due = Date.now() + milliseconds;
  let late = 0;
  let turns = 0;
  let isGranted = false;
  // Never abort with a reason: during the body, the runtime would log it as an uncaught error.
  const over = () => {
    late = Math.max(late, Date.now() - due);
    if (turns < TURNS) {
      // The answer may have arrived, and be delivered after this timer.
      turns += 1;
      wait(TURN_MS);
    } else if (late > LATE_MS && !isGranted) {
      isGranted = true;
      wait(Math.min(Math.max(late, GRANTED_MS), milliseconds));
      late = 0;
    } else {
      giveUp(named(late > LATE_MS ? "Starved" : "TimedOut"));
      controller?.abort();
    }
  };
  /** @param {number} more milliseconds */
  const wait = (more) => {
    due = Date.now() + more;
    timer = setTimeout(over, more);
  };
  // Not AbortSignal.timeout: it runs on after the answer, and an object with a timer is not evicted.
  let timer = setTimeout(over, milliseconds);
  try {
    return await Promise.race([isOver, answer(url, headers, body, controller?.signal)]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @param {string} url
 * @param {Record<string, string>} headers
 * @param {Uint8Array} body
 * @param {AbortSignal | undefined} signal
 * @returns {Promise<[status: number, retryAfterMs: number, body: Uint8Array]>}
 */
async function answer(url, headers, body, signal) {
  // A followed redirect would send signed records to another address.
  const response = await fetch(url, { method: "POST", headers, body, redirect: "manual", signal });
  // Reading headers costs as much as reading the body.
  return [response.status, response.ok ? -1 : retryAfter(response.headers), await response.bytes()];
}

/** @param {string} name */
function named(name) {
  return Object.assign(new Error("no answer in time"), { name });
}

/**
 * Returns when to send again, in milliseconds, or -1. `x-amz-retry-after` is in milliseconds, `retry-after` in seconds.
 *
 * @param {Headers} headers
 */
function retryAfter(headers) {
  const milliseconds = headers.get("x-amz-retry-after");
  if (isNumber(milliseconds)) return Number(milliseconds);
  const seconds = headers.get("retry-after");
  return isNumber(seconds) ? Number(seconds) * 1_000 : -1;
}

/** @param {string | null} text @returns {boolean} */
function isNumber(text) {
  return text !== null && /^\d+$/.test(text);
}
