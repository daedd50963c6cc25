/** Nothing of ours may throw into the page. */

/**
 * @template {unknown[]} T
 * @param {(...values: T) => unknown} act
 */
export const safely =
  (act) =>
  (/** @type {T} */ ...values) => {
    try {
      act(...values);
    } catch (error) {
      console.error(error);
    }
  };

/**
 * @param {string} type of events
 * @param {(event: any) => unknown} act hears them before anyone can stop them
 */
export const on = (type, act) => addEventListener(type, safely(act), true);
