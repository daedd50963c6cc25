/** Sends queued events in batches, from one tab at a time, until a 2xx confirms that they are durable. */

import { read, write } from "./device.js";
import { endpointUrl } from "./settings.js";
import { enqueue, memory, readOldest, pruneMemory } from "./store.js";
import { unhidden } from "./unhidden.js";

/** @typedef {import("./store.js").Row} Row */

/** How long an event waits for others, in milliseconds. */
const LINGER_MS = 1e3;
/** How many events are sent without waiting for more. */
const BATCH_ROWS = 20;
/** All beacons in flight share 64 KiB. */
const BATCH_BYTES = 6e4;
/** The longest delay between two attempts, unless the worker asks for more. */
const MAX_BACKOFF_MS = 6e4;
/** If the clock was set back, a stored delay can be too long: whole days of it are ignored. */
const DAY_MS = 864e5;

let timer = 0;
let tries = 0;
let isFlushing = false;

/** Returns the time until the next attempt, in milliseconds. */
const backoffMs = () => Math.max(0, /** @type {number} */ (read().resume) - Date.now()) % DAY_MS;

/** @param {number} ms */
const scheduleFlush = (ms) => (timer ||= /** @type {any} */ (setTimeout(flush, ms)));

/**
 * Returns the body of a request, and the rows that fit into it.
 *
 * @param {Row[]} rows
 * @returns {[string, Row[]]}
 */
const batch = (rows) => {
  const body = `{"sent_at":${Date.now()},"events":[${rows.map((row) => row.json)}]}`;
  return rows[1] && new Blob([body]).size > BATCH_BYTES ? batch(rows.slice(0, rows.length / 2)) : [body, rows];
};

/** @param {string} body */
const post = async (body) => {
  try {
    // A body that is too large for keepalive is sent without it at the second attempt.
    return await fetch(endpointUrl, { method: "POST", body, keepalive: !tries });
  } catch {}
};

/** @param {string} body */
const beacon = (body) => {
  try {
    return navigator.sendBeacon(endpointUrl, body);
  } catch {}
};

const send = async () => {
  /** @type {Row[]} */
  let acknowledged = [];
  while (!backoffMs()) {
    const [body, rows] = batch(await readOldest(acknowledged));
    if (!rows[0]) return;
    acknowledged = [];
    const response = /** @type {any} */ ((await post(body)) || beacon(body) || 0);
    // The worker stores a body that it can't read; a body that is too large would fail again.
    if (response.ok || /4(00|13)/.test(response.status)) {
      tries = 0;
      acknowledged = rows;
    } else {
      const retryAfterMs = response.headers?.get("retry-after") * 1e3 || 0;
      write({ resume: Date.now() + retryAfterMs + Math.random() * Math.min(MAX_BACKOFF_MS, 1e3 * 2 ** tries++) });
    }
  }
  scheduleFlush(backoffMs());
};

export const flush = async () => {
  timer = 0;
  if (!isFlushing) {
    isFlushing = true;
    try {
      await navigator.locks.request(endpointUrl, send);
    } catch {
      await send().catch(console.error);
    }
    isFlushing = false;
  }
};

/**
 * Sends the events that were not tried yet, since a hidden page may never run again. A beacon has no response, so its
 * events stay stored.
 */
export const flushOnHide = () => {
  if (unhidden("hidden") && memory[0] && !backoffMs()) {
    const [body] = batch(memory);
    pruneMemory([]);
    beacon(body) || post(body);
  }
};

/** @param {Row} row */
export const push = (row) => {
  enqueue(row);
  queueMicrotask(flushOnHide);
  memory.length == BATCH_ROWS ? flush() : scheduleFlush(LINGER_MS);
};
