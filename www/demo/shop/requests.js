// The snippet's requests, as watch.js saw them, for whoever wants to hear of them.

import { fields, parsed } from "../reading.js";

/** @typedef {import("../beacons/send.js").Reply} Reply */
/**
 * One request; its reply is null if no page can read it.
 * @typedef {{ via: string, body: string, events: Record<string, unknown>[], began: number, reply: Promise<Reply | null> }} Request
 */

/** @type {Set<(request: Request) => void>} */
const listeners = new Set();

/**
 * Calls `heard` with each request from now on, until the function that it returns is called.
 * @param {(request: Request) => void} heard
 */
export function onRequest(heard) {
  listeners.add(heard);
  return () => listeners.delete(heard);
}

/** Begins to tell, with what was sent before anybody listened. */
export function listen() {
  addEventListener("watched", drain);
  drain();
}

async function drain() {
  for (const seen of window.watched.requests.splice(0)) {
    const body = await seen.body;
    const { events } = fields(parsed(body));
    const request = { ...seen, body, events: Array.isArray(events) ? events.map(fields) : [] };
    for (const heard of listeners) heard(request);
  }
}
