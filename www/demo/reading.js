// Reads answers: any bytes at all may come.

/** @typedef {import("./beacons/beacons.js").Sending} Sending */
/** @typedef {import("./beacons/send.js").Reply} Reply */
/** @typedef {"accepted" | "failed" | "refused" | "held"} Result  How beacons stand; `held` is not durable. */
/** @typedef {{ outcome: string, event_id: string, code: string, pointer: string, message: string }} Verdict */
/**
 * What a reply means. Duplicates are counted apart: their events were accepted before.
 * @typedef {{
 *   result: Result | "", says: string, verdicts: Verdict[], count: Record<Result, number>, duplicates: number, answer: string, text: string
 * }} Reading
 */

/** @param {string} text @returns {unknown} */
export function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {unknown} value @returns {Record<string, unknown>} */
export const fields = (value) => (typeof value === "object" && value !== null ? /** @type {any} */ (value) : {});

/** @param {unknown} value */
export const shown = (value) => (value === undefined || value === null ? "" : typeof value === "string" ? value : JSON.stringify(value));

/** @param {unknown} value @returns {Verdict} */
function verdict(value) {
  const { outcome, event_id, code, pointer, message } = fields(value);
  return {
    outcome: shown(outcome) || "unknown",
    event_id: shown(event_id),
    code: shown(code),
    pointer: shown(pointer),
    message: shown(message),
  };
}

/**
 * @param {Reply} reply
 * @param {Pick<Sending, "beacons" | "pixel">} sending
 * @returns {Reading}
 */
export function read(reply, sending) {
  const count = { accepted: 0, failed: 0, refused: 0, held: 0 };
  const keep = "Not durable, as far as is known: the client must keep this data and send it again.";
  if ("broken" in reply) {
    count.held = sending.beacons;
    return { result: "held", says: `${keep} (${reply.broken})`, verdicts: [], count, duplicates: 0, answer: "no answer", text: "" };
  }
  const { status, retryAfter, text } = reply;
  const body = fields(parsed(text));
  const message = [shown(body.code), shown(body.message)].filter(Boolean).join(": ") || text.trim().slice(0, 200);
  /** @type {(result: Result | "", says: string, verdicts?: Verdict[]) => Reading} */
  const reading = (result, says, verdicts = []) => {
    const duplicates = verdicts.filter(({ outcome }) => outcome === "duplicate").length;
    return { result, says, verdicts, count, duplicates, answer: String(status), text };
  };

  if (status === 429 || status >= 500) {
    count.held = sending.beacons;
    const wait = retryAfter && /^\d+$/.test(retryAfter) ? ` Retry-After: ${retryAfter} s.` : "";
    return reading("held", `${keep}${wait}${message ? ` The worker says: ${message}` : ""}`);
  }
  if (status >= 400) {
    const kept = status === 400 && shown(body.event_id) !== "";
    count[kept ? "failed" : "refused"] = sending.beacons;
    const hint = status === 401 ? ` Open this page with ?key= and a write key, such as ${location.pathname}?key=pk_1.` : "";
    if (!kept) return reading("refused", (message || "The worker refused it and gave no reason.") + hint);
    const whole = { ...body, outcome: "failed", code: body.rule ?? body.code };
    return reading("failed", "The body as a whole is kept as one failed event.", [verdict(whole)]);
  }
  if (status === 204) {
    count.accepted = sending.beacons;
    return reading("accepted", "All accepted.");
  }
  if (status === 200 && sending.pixel) {
    return reading("accepted", "Durable. An image can’t carry a verdict: read the records back to see it.");
  }
  if (!Array.isArray(body.verdicts)) {
    return reading("", `This is not an answer of the worker’s.${message ? ` It begins: ${message}` : " It is empty."}`);
  }
  const verdicts = body.verdicts.map(verdict);
  for (const { outcome } of verdicts) {
    if (outcome === "accepted" || outcome === "failed") count[outcome] += 1;
    if (outcome === "dropped" || outcome === "over_quota") count.refused += 1;
  }
  const results = /** @type {Result[]} */ (["failed", "accepted", "refused"]);
  const isKnown = verdicts.some(({ outcome }) => outcome === "duplicate");
  const result = results.find((one) => count[one] > 0) ?? (isKnown ? "accepted" : "");
  return reading(result, verdicts.length ? "" : "No beacons in it, so no verdicts.", verdicts);
}

/** @param {Reading} reading @returns {string} what became of it, in a few words */
export function summary({ result, count, duplicates, answer }) {
  if (result === "held") return `not durable (${answer})`;
  if (result === "refused") return `refused (${answer})`;
  const parts = [];
  if (count.accepted) parts.push(`${count.accepted} accepted`);
  if (duplicates) parts.push(plural(duplicates, "duplicate"));
  if (count.failed) parts.push(`${count.failed} failed`);
  if (count.refused) parts.push(`${count.refused} dropped`);
  return parts.join(" · ") || (result === "accepted" ? "durable" : answer);
}

/** @param {number} count @param {string} what */
export const plural = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;

/** @param {Reading} reading @returns {string} the same in signs, for a small place */
export function signs({ result, count, duplicates, answer }) {
  if (result === "held") return `! ${answer}`;
  const parts = [];
  if (count.accepted + duplicates) parts.push(`✓ ${count.accepted + duplicates}`);
  if (count.failed + count.refused) parts.push(`✕ ${count.failed + count.refused}`);
  return parts.join(" ") || (result === "accepted" ? "✓" : answer);
}
