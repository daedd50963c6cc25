// One call to a stream's service and back, in one crossing each way: every header and
// every timer that Rust would set by itself is a crossing of its own.

/** How late a timer may be, in milliseconds, before the fault is ours: the isolate had no time for it. */
const LATE_MS = 250;
/** What an answer is given then at least, in milliseconds, and a second time never. */
const GRANTED_MS = 1_000;
/** How often and for how long, in milliseconds, what may have come meanwhile is let in before a call is given up. */
const TURNS = 3;
const TURN_MS = 5;

/**
 * Sends a signed call and reads the whole answer within the time given.
 *
 * @param {string} url
 * @param {string} headers a JSON object
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @returns {Promise<[status: number, retryAfterMs: string | null, retryAfterS: string | null, body: string]>}
 * @throws {DOMException} of name AbortError when the time is over
 * @throws {Error} of name Starved when it is over and nothing could be done in it
 */
export async function exchange(url, headers, body, milliseconds) {
  const controller = new AbortController();
  let due = Date.now() + milliseconds;
  let late = 0;
  let turns = 0;
  let isGranted = false;
  // With a reason of ours the runtime would log that nobody caught it, where the body was still under way.
  const over = () => {
    late = Math.max(late, Date.now() - due);
    if (turns < TURNS) {
      // The answer may be there, and be delivered after this timer.
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
  // AbortSignal.timeout runs on after the answer, and an object with a timer is not evicted.
  let timer = setTimeout(over, milliseconds);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: JSON.parse(headers),
      // An object's call waits for its writes, and Wasm's memory may grow and move meanwhile.
      body: body.slice(),
      // Followed, a redirect would take signed records to another address.
      redirect: "manual",
      signal: controller.signal,
    });
    const answered = response.headers;
    return [response.status, answered.get("x-amz-retry-after"), answered.get("retry-after"), await response.text()];
  } catch (error) {
    if (controller.signal.aborted && late > LATE_MS) {
      throw Object.assign(new Error("not waited for in time"), { name: "Starved" });
    }
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
