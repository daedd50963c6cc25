// Asks the worker.

import { within } from "../../demo/deadline.js";
import { fields, parsed } from "../../demo/reading.js";
import { exact } from "./json.js";

/**
 * @typedef {{ at: string, stream?: string, outcome: string, count: number }} Second
 * @typedef {{ code: string, pointer: string, message: string, rule?: string }} Violation
 * @typedef {{ rule: string, pointer: string, original?: string }} Repair
 */
/**
 * What is known of one beacon, or of a request that was refused.
 * @typedef {{
 *   seq: number, at: string, outcome: string, code?: string, pointer?: string, message?: string,
 *   tenant?: string, name?: string, schema?: null, event_id?: string,
 *   request?: { kind?: string, status?: number, index?: number, beacons?: number, bytes?: number, content_type?: string, content_encoding?: string },
 *   received?: { form?: string, bytes?: number, text?: string, base64?: string, cut?: boolean },
 *   stream?: string, record?: Record<string, unknown>, timing?: Record<string, number>,
 * }} Entry
 */
/** @typedef {{ now: string, epoch: string, since: string, last: number, not_kept: number, counts: Record<string, number>, seconds: Second[], entries: Entry[] }} Live */

const ANSWER_MS = 10_000;

/** The token is not the worker's. */
export class Unauthorized extends Error {}

/**
 * What came after the entry `after`, as far as it matches the filters.
 * @param {string} token
 * @param {number} after
 * @param {URLSearchParams} filters
 * @returns {Promise<Live>}
 */
export async function live(token, after, filters) {
  const query = new URLSearchParams(filters);
  query.set("after", String(after));
  return /** @type {Live} */ (await ask(token, "GET", `live?${query}`));
}

/** Makes the worker forget what it keeps for this page. @param {string} token */
export const reset = (token) => ask(token, "POST", "reset");

/** @param {string} token @param {string} method @param {string} path */
async function ask(token, method, path) {
  // No header holds it, so it is nobody's token.
  if (/[^!-~]/.test(token)) throw new Unauthorized();
  const [status, text] = await within(ANSWER_MS, async (signal) => {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`/_/inspect/${path}`, { method, headers, cache: "no-store", credentials: "omit", signal });
    return [response.status, await response.text()];
  });
  if (status === 401) throw new Unauthorized();
  const body = exact(text);
  if (status === 200 && body) return body;
  throw new Error(String(fields(parsed(text)).message ?? `it answered ${status}`));
}
