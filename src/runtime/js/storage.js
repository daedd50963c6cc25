// A shard's storage, with one call from the Wasm per row. Rust catches the errors of SQLite.

/** @typedef {{ sql: { exec(query: string, ...bindings: unknown[]): { raw(): Iterable<unknown[]> } }, transactionSync(act: () => void): void, setAlarm(at: number): Promise<void>, deleteAlarm(): Promise<void> }} Storage */

/** @typedef {number | Uint8Array} Key */

/**
 * Creates a missing table. Its rows have one index, so that each is written once and billed once.
 *
 * @param {Storage} storage
 * @param {string} table
 * @param {boolean} isNumbered whether the keys are numbers, and not bytes
 */
export function open(storage, table, isNumbered) {
  const columns = isNumbered ? "(key INTEGER PRIMARY KEY, value BLOB NOT NULL)" : "(key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID";
  storage.sql.exec(`CREATE TABLE IF NOT EXISTS ${table} ${columns}`);
}

/**
 * @param {Storage} storage
 * @param {string} table
 * @param {Key} key
 * @returns {Uint8Array | undefined}
 */
export function get(storage, table, key) {
  const [row] = storage.sql.exec(`SELECT value FROM ${table} WHERE key = ?`, key).raw();
  return row && new Uint8Array(/** @type {ArrayBuffer} */ (row[0]));
}

/**
 * @param {Storage} storage
 * @param {string} table
 * @param {Key} key
 * @param {Uint8Array} value
 */
export function put(storage, table, key, value) {
  storage.sql.exec(`INSERT OR REPLACE INTO ${table} (key, value) VALUES (?, ?)`, key, value);
}

/**
 * @param {Storage} storage
 * @param {string} table
 * @param {Key} key
 */
export function deleteRow(storage, table, key) {
  storage.sql.exec(`DELETE FROM ${table} WHERE key = ?`, key);
}

/**
 * Makes all changes, or none.
 *
 * @param {Storage} storage
 * @param {string} table
 * @param {Key[]} keys
 * @param {(Uint8Array | undefined)[]} values of the keys; undefined deletes the row
 */
export function change(storage, table, keys, values) {
  storage.transactionSync(() => {
    keys.forEach((key, index) => {
      const value = values[index];
      if (value) {
        put(storage, table, key, value);
      } else {
        deleteRow(storage, table, key);
      }
    });
  });
}

/**
 * Returns the keys after `after`, in order, as hexadecimal texts separated by spaces; numbers have eight bytes.
 *
 * @param {Storage} storage
 * @param {string} table
 * @param {Key} after
 * @param {number} max
 */
export function keys(storage, table, after, max) {
  const text = typeof after === "number" ? "printf('%016X', key)" : "hex(key)";
  const rows = storage.sql.exec(`SELECT ${text} FROM ${table} WHERE key > ? ORDER BY key LIMIT ?`, after, max).raw();
  return Array.from(rows, ([key]) => key).join(" ");
}

/**
 * Sets the alarm. Like any write, it is durable before the next answer leaves.
 *
 * @param {Storage} storage
 * @param {number} at milliseconds since the epoch
 */
export function setAlarm(storage, at) {
  storage.setAlarm(at);
}

/**
 * Cancels the alarm.
 *
 * @param {Storage} storage
 */
export function clearAlarm(storage) {
  storage.deleteAlarm();
}
