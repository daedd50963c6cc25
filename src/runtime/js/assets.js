// A file of www, in one crossing each way.

/**
 * @param {{ ASSETS: { fetch(url: string): Promise<Response> } }} env
 * @param {string} path
 * @returns {Promise<Uint8Array>}
 * @throws where nothing is bound to ASSETS, or it has no such file
 */
export async function read(env, path) {
  // Only the path counts.
  const response = await env.ASSETS.fetch("https://assets" + path);
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
