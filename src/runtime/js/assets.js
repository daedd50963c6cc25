// Reads a file of www with one call from the Wasm.

/**
 * @param {{ ASSETS: { fetch(url: string): Promise<Response> } }} env
 * @param {string} path
 * @returns {Promise<Uint8Array>}
 * @throws if nothing is bound to ASSETS, or it has no such file
 */
export async function read(env, path) {
  // The host is ignored.
  const response = await env.ASSETS.fetch("https://assets" + path);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
