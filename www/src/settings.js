/**
 * The attributes of the tag, by their names, and the address of the script.
 *
 * @typedef {object} Settings
 * @property {string} src the address of the snippet; its chunks are beside it
 * @property {string} [key] the write key
 * @property {string} [endpoint] where beacons go, relative to `src`; it has to contain the key
 * @property {string} [auto] what is captured automatically: a list of `outbound`, `downloads`, `forms`, `engagement`
 * @property {string} [chunks] the chunks to load: a list of `vitals`, `pointer`, `video`
 * @property {string} [pages] `hash`: the fragment is part of a page; `manual`: only the site tracks page views
 * @property {string} [consent] if present, nothing is stored or sent before consent is granted
 * @property {string} [cookieless] if present, nothing is stored, and devices have no id
 * @property {string} [sessionStart] names of events that start a session
 * @property {string} [build] the site's build
 */

/** @type {Settings} */
export let settings;
/** The URL that beacons are posted to. It is also the name of the storage, so that endpoints share none. */
export let endpointUrl = "";
/** @type {Window | false} the window whose storage is used once consent allows it; false if nothing may be stored */
export let storageWindow;

/** @param {Settings} given */
export const configure = (given) => {
  settings = given;
  storageWindow = given.cookieless == null && window;
  endpointUrl = new URL(given.endpoint || "/v1/events?key=" + (given.key || ""), given.src).href;
};
