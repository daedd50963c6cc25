/** Batches of what waits, sent until a 2xx says that they are durable, by one tab at a time. */

import { read, write } from "./device.js";
import { url } from "./settings.js";
import { keep, memory, oldest, tidy } from "./store.js";

/** @typedef {import("./store.js").Row} Row */

/** How long an event waits for others, in milliseconds. */
const LINGER_MS = 1e3;
/** How many events do not wait for more. */
const BATCH_ROWS = 20;
/** All beacons under way share 64 KiB. */
const BATCH_BYTES = 6e4;
/** How far apart two tries are at most, unless the worker asks for more. */
const MOST_WAIT_MS = 6e4;
/** A wait from before the clock was set back is worth no more than what is over a whole day. */
const DAY_MS = 864e5;

let timer = 0;
let tries = 0;
let busy = false;

/** How long the worker is to be left alone, in milliseconds. */
const wait = () => Math.max(0, /** @type {number} */ (read().resume) - Date.now()) % DAY_MS;

/** @param {number} ms */
const later = (ms) => (timer ||= /** @type {any} */ (setTimeout(flush, ms)));

/**
 * As many of the rows as one body takes, and the body.
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
    // What is too large for keepalive goes without, the second time.
    return await fetch(url, { method: "POST", body, keepalive: !tries });
  } catch {}
};

/** @param {string} body */
const beacon = (body) => {
  try {
    return navigator.sendBeacon(url, body);
  } catch {}
};

const send = async () => {
  /** @type {Row[]} */
  let gone = [];
  while (!wait()) {
    const [body, rows] = batch(await oldest(gone));
    if (!rows[0]) return;
    gone = [];
    const answer = /** @type {any} */ ((await post(body)) || beacon(body) || 0);
    // The worker keeps what it can't read, and what is too large for it once is so again.
    if (answer.ok || /4(00|13)/.test(answer.status)) {
      tries = 0;
      gone = rows;
    } else {
      const asked = answer.headers?.get("retry-after") * 1e3 || 0;
      write({ resume: Date.now() + asked + Math.random() * Math.min(MOST_WAIT_MS, 1e3 * 2 ** tries++) });
    }
  }
  later(wait());
};

export const flush = async () => {
  timer = 0;
  if (!busy) {
    busy = true;
    try {
      await navigator.locks.request(url, send);
    } catch {
      await send().catch(console.error);
    }
    busy = false;
  }
};

/**
 * Sends what was not tried yet, since a page out of sight may have no later. A beacon has no answer, so what it carries
 * is kept all the same.
 */
export const leave = () => {
  if (document.hidden && memory[0] && !wait()) {
    const [body] = batch(memory);
    tidy([]);
    beacon(body) || post(body);
  }
};

/** @param {Row} row */
export const push = (row) => {
  keep(row);
  queueMicrotask(leave);
  memory.length == BATCH_ROWS ? flush() : later(LINGER_MS);
};
