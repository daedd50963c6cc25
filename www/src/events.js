/** Events, from what a page tells to what waits for delivery, if the person lets us. */

import { push } from "./delivery.js";
import { observe, read, write } from "./device.js";
import { stringify } from "./json.js";
import { settings } from "./settings.js";
import { forgetRows } from "./store.js";
import { address } from "./text.js";
import { uuid } from "./uuid.js";

/** @type {any[]} what waits for an answer */
const held = [];
/** The time in the last id. */
let tick = 0;

/** @param {any} event */
const admit = (event) => {
  const wished = settings.consent != null || navigator.globalPrivacyControl || navigator.doNotTrack == "1";
  const { consent = wished || "granted" } = read();
  if (consent == "granted") {
    observe(event);
    push({ id: event.id, json: stringify({ ...read(), resume: undefined, ...event }) });
  } else if (consent == true) held.push(event);
};

/**
 * @param {string} name
 * @param {object} [props]
 * @param {{ url?: string, title?: string, [field: string]: unknown }} [fields] of the beacon, in place of what is so now
 */
export const track = (name, props, fields) => {
  const time = Date.now();
  // As it is now: what waits must not change with the page.
  const told = stringify({
    name,
    // Rows lie in the order of their ids, and a millisecond has room for several.
    id: uuid((tick = Math.max(time, tick + 1))),
    time,
    props,
    screen: screen.width + "x" + screen.height,
    viewport: innerWidth + "x" + innerHeight,
    build: settings.build && /** @type {any} */ (/.{0,64}/su.exec(settings.build))[0],
    ...fields,
    url: address(fields?.url || location.href),
    title: /** @type {any} */ (/.{0,1024}/su.exec(fields?.title ?? document.title))[0],
  });
  admit(JSON.parse(told));
};

/** @param {"granted" | "denied"} answer is remembered; a no erases all else */
export const consent = (answer) => {
  if (answer == "granted") write({ consent: answer });
  else {
    forgetRows();
    write({ consent: answer }, {});
  }
  held.splice(0).map(admit);
};
