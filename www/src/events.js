/** Events, from what a page tells to what waits for delivery, if the person lets us. */

import { push } from "./delivery.js";
import { forgetDevice, observe, read, write } from "./device.js";
import { settings, settleIn } from "./settings.js";
import { forgetRows } from "./store.js";
import { uuid } from "./uuid.js";

/** @type {any} */
let allowed;
/** @type {any[] | undefined} what waits for an answer; nothing does after the first */
let held = [];

/** Asks the browser what the person wishes. */
export const ask = () => {
  settleIn(1);
  allowed = read().consent || (!navigator.globalPrivacyControl && navigator.doNotTrack != "1" && settings.consent == null);
  settleIn(allowed);
};

/** The time in the last id. */
let tick = 0;

/** @param {any} event */
const admit = (event) => {
  if (allowed) {
    observe(event.name, event.time);
    push({ id: event.id, json: JSON.stringify({ ...read(), resume: undefined, ...event }) });
  } else held?.push(event);
};

/**
 * @param {string} name
 * @param {object} [props]
 * @param {object} [fields] of the beacon, in place of what is so now
 */
export const track = (name, props, fields) => {
  const time = Date.now();
  // As it is now: what waits must not change with the page.
  const told = JSON.stringify({
    name,
    // Rows lie in the order of their ids, and a millisecond has room for several.
    id: uuid((tick = Math.max(time, tick + 1))),
    time,
    props,
    url: location.href,
    title: document.title,
    screen: screen.width + "x" + screen.height,
    viewport: innerWidth + "x" + innerHeight,
    build: settings.build,
    ...fields,
  });
  admit(JSON.parse(told));
};

/** @param {"granted" | "denied"} answer */
export const consent = (answer) => {
  allowed = answer == "granted";
  settleIn(1);
  if (allowed) {
    write({ consent: answer });
    held?.map(admit);
  } else {
    forgetRows();
    forgetDevice();
    settleIn(0);
  }
  held = undefined;
};
