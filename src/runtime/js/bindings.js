// Detects changed bindings: an isolate outlives a deployment that changes only bindings, such as a
// secret. https://developers.cloudflare.com/workers/runtime-apis/bindings/

/** @type {Record<string, unknown>} */
let known = {};

/**
 * @param {Record<string, unknown>} env
 * @returns {boolean} whether its values differ from those of the last call
 */
export function isAnother(env) {
  if (env === known) return false;
  const [names, before] = [Object.keys(env), known];
  known = env;
  return names.length !== Object.keys(before).length || names.some((name) => env[name] !== before[name]);
}
