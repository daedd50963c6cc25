// Sends a request to a Durable Object with one call from the Wasm.

/** @typedef {{ idFromName(name: string): unknown, get(id: unknown, options?: { locationHint: string }): { fetch(url: string, init: object): Promise<Response> } }} Namespace */

/**
 * @param {Namespace} namespace
 * @param {string} name of the object
 * @param {string | undefined} locationHint where to create the object if it does not exist
 * @param {string} path
 * @param {Uint8Array} body
 * @param {number} milliseconds
 * @returns {Promise<[status: number, body: Uint8Array]>}
 * @throws the runtime's error if the object is unreachable, or TimeoutError
 */
export async function ask(namespace, name, locationHint, path, body, milliseconds) {
  const stub = namespace.get(namespace.idFromName(name), locationHint ? { locationHint } : undefined);
  const signal = AbortSignal.timeout(milliseconds);
  // An object's request waits for its writes; until then, Wasm's memory may grow and move.
  const init = { method: "POST", body: body.slice(), signal };
  const response = await stub.fetch("https://object" + path, init);
  return [response.status, new Uint8Array(await response.arrayBuffer())];
}
