/**
 * What the tag says, by the names of its attributes, and its address.
 *
 * @typedef {object} Settings
 * @property {string} src the snippet's address, beside which its chunks lie
 * @property {string} [key] the write key
 * @property {string} [endpoint] where beacons go, relative to `src`; then the key is yours to put in
 * @property {string} [auto] what is captured by itself: a list of `outbound`, `downloads`, `forms`, `engagement`
 * @property {string} [chunks] what else is loaded: a list of `vitals`, `pointer`, `video`
 * @property {string} [pages] `hash`: what follows # is part of a page; `manual`: views are told by the site only
 * @property {string} [consent] if there, nothing is stored or sent before it is granted
 * @property {string} [cookieless] if there, nothing is stored, and nothing tells one device from another
 * @property {string} [sessionStart] names of events that start a session
 * @property {string} [build] the site's build
 */

/** @type {Settings} */
export let settings;
/** Where beacons go, and the name of all that is stored for it. */
export let url = "";
/** @type {Window | false} where something may be stored, once the person lets us */
export let home;

/** @param {Settings} given */
export const settle = (given) => {
  settings = given;
  home = given.cookieless == null && window;
  url = new URL(given.endpoint || "/v1/events?key=" + (given.key || ""), given.src).href;
};
