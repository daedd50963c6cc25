// The records that became of events, which scripts/dev shows to a page on the same machine.

import { within } from "../deadline.js";
import { fields } from "../reading.js";

const LOCAL = ["127.0.0.1", "localhost"];
/** scripts/dev shows the records on the port after the page's. */
const ADDRESS = `http://127.0.0.1:${Number(location.port) + 1}/records`;
const ANSWER_MS = 5_000;
/** How long to wait before each question, in milliseconds; a record lies in S3 some 200 ms after its answer. */
const WAITS_MS = [300, 600, 1_200, 2_400, 4_800];

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
  for (const wait of WAITS_MS) {
    if (there === false || !missing.length) break;
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
  } catch {
    // Once it was there it may be busy; nobody was ever there where the worker runs without scripts/dev.
    there ??= false;
    return {};
  }
}
