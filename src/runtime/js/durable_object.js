// A question to an object and its answer, in one crossing each way.

/** @typedef {{ idFromName(name: string): unknown, get(id: unknown, options?: { locationHint: string }): { fetch(url: string, init: object): Promise<Response> } }} Namespace */

/**
 * @param {Namespace} namespace
 * @param {string} name the object's
 * @param {string | undefined} locationHint where to create it, if it is not there yet
 * @param {string} path
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @returns {Promise<[status: number, body: Uint8Array]>}
 * @throws what the runtime says of an object that can't be reached, or TimeoutError
 */
export async function ask(namespace, name, locationHint, path, body, milliseconds) {
  const stub = namespace.get(namespace.idFromName(name), locationHint ? { locationHint } : undefined);
  const signal = AbortSignal.timeout(milliseconds);
  // An object's question waits for its writes, and Wasm's memory may grow and move meanwhile.
  const init = { method: "POST", body: body.slice(), signal };
  const response = await stub.fetch("https://object" + path, init);
  return [response.status, new Uint8Array(await response.arrayBuffer())];
}
