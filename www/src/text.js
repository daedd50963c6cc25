/** Cuts texts to the worker's limits, which are in src/model/beacon.rs and www/schemas. */

/**
 * Returns the first characters of a text; a surrogate pair counts as one.
 *
 * @param {string} text
 * @param {number} max
 */
export const cut = (text, max) => /** @type {string[]} */ (RegExp(`.{0,${max}}`, "su").exec(text))[0];

/**
 * Cuts the address of a page to 16,384 characters; one that is too long before its fragment first loses its query.
 *
 * The worker keeps half of that: it leaves out the query but the campaign, which needs the whole address.
 *
 * @param {string} url
 */
export const pageAddress = (url) =>
  /** @type {string[]} */ (/(?![^#]{16385}).{0,16384}|[^?]{0,16384}/s.exec(url))[0];

/**
 * Cuts the address of a link to the 8,192 characters of its schema, in the same way.
 *
 * @param {string} url
 */
export const linkAddress = (url) =>
  /** @type {string[]} */ (/(?![^#]{8193}).{0,8192}|[^?]{0,8192}/s.exec(url))[0];
