/**
 * What waits for its 2xx: in IndexedDB, which loses nothing in a crash of the browser; in memory where there is none, or
 * it takes no more.
 *
 * @typedef {{ id: string, json: string, stored?: unknown }} Row an event, and its id
 */

import { home, url } from "./settings.js";
import { uuid } from "./uuid.js";

/** How many rows wait at most; what comes then is not kept. */
const MOST_ROWS = 2e4;
/** How long a row waits at most, in milliseconds: 30 days. */
const MOST_AGE = 2592e6;
/** How many rows are read at once. */
const PAGE = 200;

/** @type {Row[]} those of this page that are not stored, or were not tried since */
export let memory = [];
/** How many wait, at least. */
let waiting = 0;
/** @type {Promise<any>} */
let opened;

/**
 * @param {any} request a request, or a transaction
 * @returns {Promise<any>} its last event
 */
const ended = (request) =>
  new Promise((resolve, reject) => {
    request.onupgradeneeded = () => request.result.createObjectStore(url, { keyPath: "id" });
    request.onsuccess = request.oncomplete = resolve;
    request.onerror = request.onabort = reject;
  });

/**
 * Does something with the stored rows, after all that was asked before; gives back nothing where that fails.
 *
 * @param {(rows: IDBObjectStore) => unknown} act
 */
const run = async (act) => {
  try {
    const { target } = await (opened ||= ended(/** @type {Window} */ (home).indexedDB.open(url)));
    const transaction = target.result.transaction(url, "readwrite");
    act(transaction.objectStore(url));
    // Then it outlives the page.
    transaction.commit?.();
    return await ended(transaction);
  } catch {}
};

/** @param {Row} row */
export const keep = async (row) => {
  if (waiting++ < MOST_ROWS) {
    memory.push(row);
    row.stored = await run((rows) => rows.put(row));
  }
};

/**
 * Leaves in memory what is nowhere else.
 *
 * @param {Row[]} gone
 */
export const tidy = (gone) => (memory = memory.filter((row) => !row.stored && !gone.includes(row)));

/**
 * The rows that wait, the oldest first.
 *
 * @param {Row[]} gone those that wait no longer
 * @returns {Promise<Row[]>}
 */
export const oldest = async (gone) => {
  /** @type {any} */
  let found;
  /** @type {any} */
  let count;
  await run((rows) => {
    gone.map((row) => rows.delete(row.id));
    rows.delete(IDBKeyRange.upperBound(uuid(Date.now() - MOST_AGE)));
    found = rows.getAll(null, PAGE);
    count = rows.count();
  });
  tidy(gone);
  waiting = count?.result || memory.length;
  return (found?.result || []).concat(memory);
};

export const forgetRows = () => {
  memory = [];
  run((rows) => rows.clear());
};
