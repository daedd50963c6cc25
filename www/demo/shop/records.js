// The records that became of events, which scripts/dev shows to a page on the same machine.

import { within } from "../deadline.js";
import { fields } from "../reading.js";

const LOCAL = ["127.0.0.1", "localhost"];
/** scripts/dev shows the records on the port after the page's. */
const ADDRESS = `http://127.0.0.1:${Number(location.port) + 1}/records`;
const ANSWER_MS = 5_000;
/** How long to wait before the first question, in milliseconds; a record lies in S3 some 200 ms after its answer. */
const FIRST_WAIT_MS = 300;
/** Each wait is twice the one before, up to this one. */
const LONGEST_WAIT_MS = 4_800;
/** How long to ask for an event's record, in milliseconds; a stream that is away, or a busy machine, delivers it late. */
const PATIENCE_MS = 180_000;

/** Whether there is anybody to ask; unknown until the first question. @type {boolean | undefined} */
let there = LOCAL.includes(location.hostname) && location.port !== "" ? undefined : false;

/**
 * Asks until each event's record is there, or patience ends; `found` is called with each once.
 * @param {string[]} ids
 * @param {(id: string, record: Record<string, unknown>) => void} found
 * @returns {Promise<boolean>} whether records can be seen here at all
 */
export async function look(ids, found) {
  let missing = ids;
  const end = Date.now() + PATIENCE_MS;
  for (let wait = FIRST_WAIT_MS; there !== false && missing.length && Date.now() < end; wait = Math.min(2 * wait, LONGEST_WAIT_MS)) {
    await new Promise((done) => setTimeout(done, wait));
    const records = await ask(missing);
    for (const id of missing) if (records[id]) found(id, fields(records[id]));
    missing = missing.filter((id) => !records[id]);
  }
  return there !== false;
}

/** @param {string[]} ids */
async function ask(ids) {
  const query = new URLSearchParams(ids.map((id) => ["id", id]));
  try {
    const records = await within(ANSWER_MS, async (signal) => (await fetch(`${ADDRESS}?${query}`, { signal })).json());
    there = true;
    return fields(records);
  } catch (error) {
    // What answers too late is there, and busy. Nobody was ever there if the worker runs without scripts/dev.
    if (!(error instanceof DOMException && error.name === "AbortError")) there ??= false;
    return {};
  }
}
