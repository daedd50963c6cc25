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
 * @returns {Promise<[status: number, retryAfterMs: number, body: Uint8Array]>} with -1 if the answer does not say when to send again
 * @throws {DOMException} named AbortError if the time is over
 * @throws {Error} named Starved if the time is over and the isolate was too busy to use it
 */
export async function exchange(url, headers, body, milliseconds) {
  const controller = new AbortController();
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
      controller.abort();
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
    const response = await fetch(url, {
      method: "POST",
      headers,
      body,
      // A followed redirect would send signed records to another address.
      redirect: "manual",
      signal: controller.signal,
    });
    return [response.status, retryAfter(response.headers), await response.bytes()];
  } catch (error) {
    if (controller.signal.aborted && late > LATE_MS) {
      throw Object.assign(new Error("not waited for in time"), { name: "Starved" });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
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
