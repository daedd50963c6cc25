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
 * @throws {DOMException} of name TimeoutError when the time is over
 */
export async function exchange(url, headers, body, milliseconds) {
  const response = await fetch(url, {
    method: "POST",
    headers: JSON.parse(headers),
    // A copy: the runtime reads it when what the object has written is durable, and a memory
    // that has grown by then leaves nothing in what looked into it.
    body: body.slice(),
    // Followed, a redirect would take signed records to another address.
    redirect: "manual",
    signal: AbortSignal.timeout(milliseconds),
  });
  const answered = response.headers;
  return [response.status, answered.get("x-amz-retry-after"), answered.get("retry-after"), await response.text()];
}
