/**
 * Who it is: the device and its session, in first-party storage; in memory where there is none.
 *
 * @typedef {object} State each but the last two a field of every event
 * @property {string} [device_id]
 * @property {string} [session_id]
 * @property {number} [seq] how many events there have been
 * @property {string} [user_id]
 * @property {string} [consent]
 * @property {number} [time] when the last event was
 * @property {number} [resume] when the worker may be asked again
 */

import { stringify } from "./json.js";
import { home, settings, url } from "./settings.js";
import { uuid } from "./uuid.js";

/** How long a session outlives its last event, in milliseconds. */
const SESSION_MS = 18e5;

/** @type {State} what could not be stored */
let state = {};

/** What is known now: another tab may have changed it. */
export const read = () => {
  try {
    return { ...JSON.parse(/** @type {Window} */ (home).localStorage[url]), ...state };
  } catch {
    return state;
  }
};

/**
 * @param {State} changes
 * @param {State} [before] what else is to be known
 */
export const write = (changes, before = read()) => {
  state = { ...before, ...changes };
  try {
    /** @type {Window} */ (home).localStorage[url] = stringify(state);
    state = {};
  } catch {}
};

/**
 * Takes an event in: it begins a session or goes on with one.
 *
 * @param {{ name: string, time: number, user_id?: string }} event
 */
export const observe = ({ name, time: now, user_id }) => {
  const { device_id = uuid(now), session_id, seq = 0, time } = read();
  const goesOn = now - /** @type {number} */ (time) < SESSION_MS && !settings.sessionStart?.split(" ").includes(name);
  if (user_id !== undefined) write({ user_id });
  if (home) write({ device_id, session_id: goesOn ? session_id : uuid(now), seq: seq + 1, time: now });
};
