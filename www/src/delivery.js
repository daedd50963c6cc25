/**
 * Batches of what waits: sent until a 2xx says that they are durable, by one tab at a time.
 *
 * @typedef {import("./store.js").Row} Row
 */

import { store } from "./store.js";

/** How long an event waits for others, in milliseconds. */
const LINGER_MS = 1e3;
/** How many events wait for others at most. */
const BATCH_ROWS = 20;
/** Below the 64 KiB that all beacons under way share, with room for the envelope. */
const BATCH_BYTES = 6e4;
/** How long an answer may take, in milliseconds. */
const PATIENCE_MS = 3e4;
/** How far apart two tries are at most, unless the worker asks for more, in milliseconds. */
const MOST_WAIT_MS = 6e4;

/**
 * @param {string} url
 * @param {string} name
 * @param {import("./device.js").Device} device
 * @param {boolean} inMemory
 */
export function delivery(url, name, device, inMemory) {
  const rows = store(name, inMemory);
  /** @type {Row[]} what was not tried yet */
  let fresh = [];
  let timer = 0;
  let tries = 0;
  let busy = false;

  /** How long the worker is to be left alone, in milliseconds. */
  const wait = () => device.read().r - Date.now();

  const later = (/** @type {number} */ ms) => (timer ||= setTimeout(flush, ms));

  /** @param {Row[]} waiting */
  const batch = (waiting) => {
    let bytes = 0;
    const encoder = new TextEncoder();
    const taken = waiting.filter((row, index) => (bytes += encoder.encode(row.json).length + 1) < BATCH_BYTES || !index);
    return { taken, body: `{"sent_at":${Date.now()},"events":[${taken.map((row) => row.json)}]}` };
  };

  const send = async () => {
    while (!(wait() > 0)) {
      fresh = [];
      const { taken, body } = batch(await rows.list());
      if (!taken[0]) return;
      let status = 0;
      let retryAfter = 0;
      try {
        const answer = await fetch(url, {
          method: "POST",
          body,
          keepalive: body.length < BATCH_BYTES,
          signal: AbortSignal.timeout(PATIENCE_MS),
        });
        status = answer.status;
        retryAfter = +(/** @type {string} */ (answer.headers.get("retry-after")));
      } catch {
        navigator.sendBeacon(url, body);
      }
      if ((status > 199 && status < 300) || status == 400 || status == 413) {
        tries = 0;
        await rows.remove(taken);
      } else {
        device.write({ r: Date.now() + retryAfter * 1e3 + Math.random() * Math.min(MOST_WAIT_MS, 1e3 * 2 ** tries++) });
      }
    }
    later(wait());
  };

  const flush = async () => {
    timer = 0;
    if (busy) return;
    busy = true;
    await (navigator.locks ? navigator.locks.request(name, send) : send());
    busy = false;
    if (fresh[0]) later(LINGER_MS);
  };

  const leave = () => {
    if (!fresh[0] || wait() > 0) return;
    const { taken, body } = batch(fresh);
    fresh = [];
    navigator.sendBeacon(url, body) || fetch(url, { method: "POST", body, keepalive: true }).catch(() => {});
    later(LINGER_MS)
  };

  return {
    /** @param {Row} row */
    push(row) {
      rows.put(row);
      if (document.visibilityState == "hidden") Promise.resolve().then(leave);
      if (fresh.push(row) < BATCH_ROWS) later(LINGER_MS);
      else flush();
    },
    flush,
    leave,
    clear: rows.clear,
  };
}
