/** JSON as the language defines it: a page's own `toJSON` of arrays, objects, texts, numbers and dates is ignored. */

/** @type {any[]} one of each of whose kind a page may have changed */
const BUILT_IN = [[], {}, "", 0, true];

/** @param {unknown} value */
export const stringify = (value) =>
  JSON.stringify(value, /** @this {any} */ function (/** @type {string} */ key, /** @type {unknown} */ given) {
    const own = this[key];
    if (own instanceof Date) return isNaN(+own) ? null : own.toISOString();
    return BUILT_IN.some(({ toJSON }) => toJSON == own?.toJSON) ? own : given;
  });
