/**
 * The device and its session, in first-party storage, or in memory if there is none.
 *
 * @typedef {object} State each field is in every event, except the last two
 * @property {string} [device_id]
 * @property {string} [session_id]
 * @property {number} [seq] the number of events so far
 * @property {string} [user_id]
 * @property {string} [consent]
 * @property {number} [time] the time of the last event
 * @property {number} [resume] the time of the next attempt
 */

import { stringify } from "./json.js";
import { storageWindow, settings, endpointUrl } from "./settings.js";
import { uuid } from "./uuid.js";

/** How long a session outlives its last event, in milliseconds. */
const SESSION_MS = 18e5;

/** @type {State} the changes that could not be stored */
let state = {};

/** Reads the state each time, since another tab may have changed it. */
export const read = () => {
  try {
    return { ...JSON.parse(/** @type {Window} */ (storageWindow).localStorage[endpointUrl]), ...state };
  } catch {
    return state;
  }
};

/**
 * @param {State} changes
 * @param {State} [before] the state to change
 */
export const write = (changes, before = read()) => {
  state = { ...before, ...changes };
  try {
    /** @type {Window} */ (storageWindow).localStorage[endpointUrl] = stringify(state);
    state = {};
  } catch {}
};

/**
 * Continues the session with an event, or starts a new one.
 *
 * @param {{ name: string, time: number, user_id?: string }} event
 */
export const updateSession = ({ name, time: now, user_id }) => {
  const { device_id = uuid(now), session_id, seq = 0, time } = read();
  const continues = now - /** @type {number} */ (time) < SESSION_MS && !settings.sessionStart?.split(" ").includes(name);
  if (user_id !== undefined) write({ user_id });
  if (storageWindow) write({ device_id, session_id: continues ? session_id : uuid(now), seq: seq + 1, time: now });
};
