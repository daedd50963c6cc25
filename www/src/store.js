/**
 * What waits for its 2xx: in IndexedDB, which a crash of the browser does not lose, or in memory, where there is
 * none or it takes no more.
 *
 * @typedef {{ id: string, json: string }} Row an event, and its id
 */

import { uuid } from "./uuid.js";

/** How many rows wait at most; then what comes is not kept. */
const MOST_ROWS = 2e4;
/** How long a row waits at most, in milliseconds: 30 days. */
const MOST_AGE = 2592e6;

/**
 * @param {string} name the database's
 * @param {boolean} inMemory whether nothing may be stored
 */
export function store(name, inMemory) {
  /** @type {Map<string, Row>} what is not stored, or not yet */
  const memory = new Map();
  /** @type {Row[]} */
  let unsaved = [];
  let full = inMemory;

  /** @type {Promise<IDBDatabase>} */
  const opened = new Promise((resolve, reject) => {
    if (inMemory) throw 0;
    const request = indexedDB.open(name);
    request.onupgradeneeded = () => request.result.createObjectStore(name, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = reject;
  });

  /**
   * Does something with the stored rows, after all that was asked before.
   *
   * @template T
   * @param {(rows: IDBObjectStore) => IDBRequest<T> | void} act
   * @returns {Promise<T | void>}
   */
  const run = (act) =>
    opened.then(
      (database) =>
        new Promise((resolve, reject) => {
          const transaction = database.transaction(name, "readwrite");
          const request = act(transaction.objectStore(name));
          transaction.oncomplete = () => resolve(request?.result);
          transaction.onabort = reject;
          // What is under way then outlives the page.
          transaction.commit?.();
        }),
    );

  return {
    /** @param {Row} row */
    put(row) {
      if (memory.size > MOST_ROWS) return;
      memory.set(row.id, row);
      // The rows of one task share a transaction.
      if (unsaved.push(row) > 1) return;
      /** @type {Row[]} */
      let saved;
      run((rows) => {
        saved = full ? [] : unsaved;
        unsaved = [];
        saved.map((row) => rows.put(row));
        return rows.count();
      }).then(
        (count) => {
          full = /** @type {number} */ (count) > MOST_ROWS;
          saved.map((row) => memory.delete(row.id));
        },
        () => (unsaved = []),
      );
    },

    /** The oldest rows that are stored, and all in memory. */
    async list() {
      const stored = await run((rows) => {
        rows.delete(IDBKeyRange.upperBound(uuid(Date.now() - MOST_AGE)));
        return rows.getAll(null, 200);
      }).catch(() => {});
      return [...(stored || []), ...memory.values()];
    },

    /** @param {Row[]} gone */
    remove(gone) {
      gone.map((row) => memory.delete(row.id));
      return run((rows) => gone.map((row) => rows.delete(row.id)) && undefined).catch(() => {});
    },

    clear() {
      memory.clear();
      run((rows) => rows.clear()).catch(() => {});
    },
  };
}
