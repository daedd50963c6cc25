/** Cuts texts to the worker's limits, which are in src/model/beacon.rs and www/schemas. */

/**
 * Returns the first characters of a text; a surrogate pair counts as one.
 *
 * @param {string} text
 * @param {number} max
 */
export const cut = (text, max) => /** @type {string[]} */ (RegExp(`.{0,${max}}`, "su").exec(text))[0];

/**
 * Cuts an address to 8,192 characters; one that is too long before its fragment first loses its query.
 *
 * @param {string} url
 */
export const address = (url) =>
  /** @type {string[]} */ (/(?![^#]{8193}).{0,8192}|[^?]{0,8192}/s.exec(url))[0];
