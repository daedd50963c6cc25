/** JSON as the language defines it: ignores a page's own `toJSON` of arrays, objects, strings, numbers and dates. */

/** @type {any[]} a value of each type whose prototype a page may have changed */
const BUILT_IN = [[], {}, "", 0, true];

/**
 * A replacer doubles the time, so there is none if the page has changed nothing.
 *
 * @param {unknown} value
 * @param {Date} [epoch]
 */
export const stringify = (value, epoch = new Date(0)) =>
  JSON.stringify(
    value,
    (BUILT_IN.some(({ toJSON }) => toJSON) || epoch.toJSON() != epoch.toISOString()) &&
      /** @type {any} */ (
        /** @this {any} */ function (/** @type {string} */ key, /** @type {unknown} */ given) {
          const own = this[key];
          if (own instanceof Date) return isNaN(+own) ? null : own.toISOString();
          return BUILT_IN.some(({ toJSON }) => toJSON == own?.toJSON) ? own : given;
        }
      ),
  );
