// Detects changed bindings: an isolate outlives a deployment that changes only bindings, such as a
// secret. https://developers.cloudflare.com/workers/runtime-apis/bindings/

/** @type {Record<string, unknown>} */
let last = {};

/**
 * @param {Record<string, unknown>} env
 * @returns {boolean} whether its values differ from those of the last call
 */
export function envChanged(env) {
  if (env === last) return false;
  const [names, before] = [Object.keys(env), last];
  last = env;
  return names.length !== Object.keys(before).length || names.some((name) => env[name] !== before[name]);
}
