/**
 * Who it is: the device and its session, in first-party storage, and in memory where there is none.
 *
 * @typedef {object} State
 * @property {string} d the device id
 * @property {string} s the session's id
 * @property {number} t when its last event was
 * @property {number} n how many events the device has sent
 * @property {string} [u] the user's id
 * @property {number} r when the worker may be asked again
 *
 * @typedef {ReturnType<typeof device>} Device
 */

import { uuid } from "./uuid.js";

/** How long a session outlives its last event, in milliseconds. */
const SESSION_MS = 18e5;

/**
 * @param {string} name where it is stored
 * @param {boolean} inMemory
 * @param {string} opening names of events that open a session, with spaces between them
 */
export function device(name, inMemory, opening) {
  /** @type {Partial<State>} */
  let state = {};
  const read = () => {
    try {
      state = JSON.parse(localStorage[name]);
    } catch {}
    return /** @type {State} */ (state);
  };
  /** @param {Partial<State>} changes */
  const write = (changes) => {
    state = { ...read(), ...changes };
    try {
      if (!inMemory) localStorage[name] = JSON.stringify(state);
    } catch {}
  };
  return {
    read,
    write,
    /**
     * What an event is told of its device.
     *
     * @param {string} event
     * @param {number} time
     */
    tags(event, time) {
      const { d = uuid(time), s, t, n = 0, u } = read();
      const goes_on = s && time - t < SESSION_MS && !opening.split(" ").includes(event);
      const session = goes_on ? s : uuid(time);
      write({ d, s: session, t: time, n: n + 1 });
      return inMemory ? { user_id: u } : { device_id: d, session_id: session, seq: n, user_id: u };
    },
    clear() {
      state = {};
      try {
        localStorage.removeItem(name);
      } catch {}
    },
  };
}
