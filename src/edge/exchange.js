// One call to a stream's service and back, in one crossing each way: every header and
// every timer that Rust would set by itself is a crossing of its own.

/**
 * Sends a signed call and reads the whole answer within the time given.
 *
 * @param {string} url
 * @param {string} headers a JSON object
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @returns {Promise<[status: number, retryAfterMs: string | null, retryAfterS: string | null, body: string]>}
 * @throws {DOMException} of name AbortError when the time is over
 */
export async function exchange(url, headers, body, milliseconds) {
  const controller = new AbortController();
  // With a reason of ours the runtime would log that nobody caught it, where the body was still under way.
  const over = () => controller.abort();
  // AbortSignal.timeout runs on after the answer, and an object with a timer is not evicted.
  const timer = setTimeout(over, milliseconds);
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
  } finally {
    clearTimeout(timer);
  }
}
