/** Turns the calls of a page into queued events, if consent allows it. */

import { push } from "./delivery.js";
import { updateSession, read, write } from "./device.js";
import { stringify } from "./json.js";
import { settings } from "./settings.js";
import { forgetRows } from "./store.js";
import { pageAddress } from "./text.js";
import { unhidden } from "./unhidden.js";
import { uuid } from "./uuid.js";

/** @type {any[]} events until the visitor grants or denies consent */
const awaitingConsent = [];
/** The time in the last id. */
let lastIdMs = 0;

/** @param {any} event */
const enqueueIfConsented = (event) => {
  const mustAsk = settings.consent != null || navigator.globalPrivacyControl || navigator.doNotTrack == "1";
  const { consent = mustAsk || "granted" } = read();
  if (consent == "granted") {
    updateSession(event);
    push({ id: event.id, json: stringify({ ...read(), resume: undefined, ...event }) });
  } else if (consent == true) awaitingConsent.push(event);
};

/**
 * @param {string} name
 * @param {object} [props]
 * @param {{ url?: string, title?: string, [field: string]: unknown }} [fields] replace the current values
 */
export const track = (name, props, fields) => {
  const time = Date.now();
  // Serialized now: a queued event must not change with the page.
  const payload = stringify({
    name,
    // Rows are sorted by their ids, and one millisecond may have several.
    id: uuid((lastIdMs = Math.max(time, lastIdMs + 1))),
    time,
    props,
    screen: screen.width + "x" + screen.height,
    viewport: innerWidth + "x" + innerHeight,
    build: settings.build && /** @type {any} */ (/.{0,64}/su.exec(settings.build))[0],
    ...fields,
    url: pageAddress(fields?.url || location.href),
    title: /** @type {any} */ (/.{0,1024}/su.exec(fields?.title ?? unhidden("title")))[0],
  });
  enqueueIfConsented(JSON.parse(payload));
};

/** @param {"granted" | "denied"} answer is stored; "denied" erases everything else */
export const consent = (answer) => {
  if (answer == "granted") write({ consent: answer });
  else {
    forgetRows();
    write({ consent: answer }, {});
  }
  awaitingConsent.splice(0).map(enqueueIfConsented);
};
