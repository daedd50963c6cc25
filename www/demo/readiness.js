// Says whether the worker can deliver, and asks again from time to time.

import { within } from "./deadline.js";
import { at, element } from "./dom.js";
import { fields, parsed, shown } from "./reading.js";

const READY_ANSWER_MS = 5_000;
const RECHECK_READY_MS = 10_000;
const RECHECK_TROUBLED_MS = 3_000;

/** How a stream is: `unknown` before its first call. @typedef {{ stream: string, state: "ok" | "unknown" | "failing", problem: string }} StreamState */
/** @typedef {{ state: string, word: string, streams: StreamState[], sentences: string[] }} Readiness */

const STATES = /** @type {const} */ (["ok", "unknown", "failing"]);
/** What a stream's tag says besides its name. */
const SAYS = { ok: "✓", unknown: "not tried yet", failing: "failing" };

/** @returns {Promise<Readiness>} */
export async function readiness() {
  let status = 0;
  let text = "";
  try {
    [status, text] = await within(READY_ANSWER_MS, async (signal) => {
      const response = await fetch("/readyz", { cache: "no-store", credentials: "omit", signal });
      return [response.status, await response.text()];
    });
  } catch {
    return { state: "unreachable", word: "The worker does not answer", streams: [], sentences: [] };
  }
  const body = fields(parsed(text));
  const streams = (Array.isArray(body.streams) ? body.streams : []).map((stream) => {
    const { stream: name, state, problem, paused: isPaused } = fields(stream);
    const parts = [shown(problem), isPaused === true ? "paused" : ""].filter(Boolean);
    const known = STATES.find((one) => one === state) ?? "unknown";
    return { stream: shown(name) || "unnamed", state: parts.length ? "failing" : known, problem: parts.join(", ") };
  });
  const actions = Array.isArray(body.problems) ? body.problems : body.actions;
  const isTroubled = body.ready !== true || Boolean(body.owner);
  // Without the operator's key, the answer has one sentence.
  const sentence = isTroubled && !Array.isArray(actions) ? [shown(body.summary)] : [];
  const sentences = (Array.isArray(actions) ? actions.map(shown) : sentence).filter(Boolean);
  if (body.ready === true) {
    const troubled = isTroubled || streams.some(({ state }) => state === "failing");
    return { state: troubled ? "troubled" : "ready", word: troubled ? "Ready, with trouble" : "Ready", streams, sentences };
  }
  const isTold = sentences.length > 0 || streams.some(({ problem }) => problem);
  const unread = `/readyz answered ${status}, and not what the worker answers`;
  return { state: "not-ready", word: "Not ready", streams, sentences: isTold ? sentences : [shown(body.message) || unread] };
}

let readyShown = "";
let readyTimer = 0;
let readyAsking = false;

export async function checkReady() {
  if (readyAsking) return;
  readyAsking = true;
  clearTimeout(readyTimer);
  const now = await readiness();
  readyAsking = false;
  // A screen reader announces changes only.
  if (JSON.stringify(now) !== readyShown) {
    readyShown = JSON.stringify(now);
    at("status").dataset.state = now.state;
    at("status-word").textContent = now.word;
    at("status-streams").replaceChildren(
      ...now.streams.map(({ stream, state, problem }) => {
        const says = problem ? `${stream}: ${problem}` : `${stream} ${SAYS[state]}`;
        return element("li", { class: state === "failing" ? "tag problem" : "tag", "data-state": state }, says);
      }),
    );
    at("status-sentences").hidden = now.sentences.length === 0;
    at("status-sentences").replaceChildren(...now.sentences.map((sentence) => element("li", {}, sentence)));
  }
  if (document.hidden) return;
  readyTimer = setTimeout(checkReady, now.state === "ready" ? RECHECK_READY_MS : RECHECK_TROUBLED_MS);
}

at("status-again").addEventListener("click", checkReady);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) checkReady();
});
checkReady();
