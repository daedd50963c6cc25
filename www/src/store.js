/**
 * The queue of events that no 2xx has confirmed: in IndexedDB, which survives a crash of the browser, or in memory if
 * there is none or it is full.
 *
 * @typedef {{ id: string, json: string, stored?: unknown }} Row an event, and its id
 */

import { storageWindow, endpointUrl } from "./settings.js";
import { uuid } from "./uuid.js";

/** The most rows in the queue; further events are dropped. */
const MAX_ROWS = 2e4;
/** The longest time that a row is queued, in milliseconds: 30 days. */
const MAX_AGE_MS = 2592e6;
/** How many rows are read at once. */
const READ_ROWS = 200;

/** @type {Row[]} the rows of this page that are not stored, or not tried yet */
export let memory = [];
/** The number of queued rows, at least. */
let queued = 0;
/** @type {Promise<any>} */
let database;

/**
 * @param {any} request a request, or a transaction
 * @returns {Promise<any>} its last event
 */
const requestDone = (request) =>
  new Promise((resolve, reject) => {
    request.onupgradeneeded = () => request.result.createObjectStore(endpointUrl, { keyPath: "id" });
    request.onsuccess = request.oncomplete = resolve;
    request.onerror = request.onabort = reject;
  });

/**
 * Changes the stored rows, after all earlier changes. Returns nothing if that fails.
 *
 * @param {(rows: IDBObjectStore) => unknown} change
 */
const transact = async (change) => {
  try {
    const { target } = await (database ||= requestDone(/** @type {Window} */ (storageWindow).indexedDB.open(endpointUrl)));
    const transaction = target.result.transaction(endpointUrl, "readwrite");
    change(transaction.objectStore(endpointUrl));
    // A committed transaction ends even if the page is closed.
    transaction.commit?.();
    return await requestDone(transaction);
  } catch {}
};

/** @param {Row} row */
export const enqueue = async (row) => {
  if (queued++ < MAX_ROWS) {
    memory.push(row);
    row.stored = await transact((rows) => rows.put(row));
  }
};

/**
 * Keeps the rows in memory that are stored nowhere else.
 *
 * @param {Row[]} acknowledged
 */
export const pruneMemory = (acknowledged) => (memory = memory.filter((row) => !row.stored && !acknowledged.includes(row)));

/**
 * Returns the queued rows, the oldest first.
 *
 * @param {Row[]} acknowledged the rows to delete
 * @returns {Promise<Row[]>}
 */
export const readOldest = async (acknowledged) => {
  /** @type {any} */
  let found;
  /** @type {any} */
  let count;
  await transact((rows) => {
    acknowledged.map((row) => rows.delete(row.id));
    rows.delete(IDBKeyRange.upperBound(uuid(Date.now() - MAX_AGE_MS)));
    found = rows.getAll(null, READ_ROWS);
    count = rows.count();
  });
  pruneMemory(acknowledged);
  queued = count?.result || memory.length;
  return (found?.result || []).concat(memory);
};

export const forgetRows = () => {
  memory = [];
  transact((rows) => rows.clear());
};
