/** Keeps errors of the snippet out of the page. */

/**
 * @template {unknown[]} T
 * @param {(...values: T) => unknown} callback
 */
export const guard =
  (callback) =>
  (/** @type {T} */ ...values) => {
    try {
      callback(...values);
    } catch (error) {
      console.error(error);
    }
  };

/**
 * @param {string} type of events
 * @param {(event: any) => unknown} callback called in the capture phase, so that the page can't stop the event
 */
export const on = (type, callback) => addEventListener(type, guard(callback), true);
