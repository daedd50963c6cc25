// Shows what was sent and what became of it, newest first.

import { at, element } from "../dom.js";
import { checkReady } from "../readiness.js";
import { parsed, read, signs, summary } from "../reading.js";
import { PIXEL } from "./beacons.js";
import { send } from "./send.js";

/** @typedef {import("./beacons.js").Sending} Sending */
/** @typedef {import("../reading.js").Result} Result */
/** @typedef {import("../reading.js").Reading} Reading */
/** @typedef {import("../reading.js").Verdict} Verdict */

const ENTRIES_SHOWN = 100;
/** Up to this many accepted beacons are listed one by one; more are folded. */
const ACCEPTED_LISTED = 3;

/** @type {{ sending: Sending, reading: Reading | null, row: HTMLElement }[]} */
const entries = [];
/** What entries that are no longer shown came to. */
const past = { accepted: 0, failed: 0, refused: 0, held: 0 };

function tally() {
  for (const result of /** @type {Result[]} */ (Object.keys(past))) {
    const sum = entries.reduce((total, { reading }) => total + (reading?.count[result] ?? 0), past[result]);
    at(`tally-${result}`).textContent = String(sum);
  }
}

/** The oldest entries go; never one whose data is held here. */
function forgetOldest() {
  for (let index = entries.length - 1; index > 0 && entries.length > ENTRIES_SHOWN; index--) {
    const { reading, row } = entries[index];
    if (!reading || reading.result === "held") continue;
    for (const result of /** @type {Result[]} */ (Object.keys(past))) past[result] += reading.count[result];
    entries.splice(index, 1);
    row.remove();
  }
}

/** @param {string} text */
function pretty(text) {
  const value = parsed(text);
  return value === undefined ? text : JSON.stringify(value, null, 2);
}

/** @param {string} title @param {string} text */
const fold = (title, text) =>
  element("details", {}, element("summary", {}, title), element("pre", { tabindex: "0" }, text));

/** @param {Sending} sending */
function sentFold({ bytes, body, type, pixel }) {
  if (pixel) return fold(`Sent: GET ${PIXEL}`, pixel);
  return fold(`Sent: ${bytes?.length ?? 0} bytes, ${type || "no content type"}`, pretty(body) || "(empty)");
}

/** @param {Verdict} verdict */
function verdictRow({ outcome, event_id, code, pointer, message }) {
  const isDurable = outcome === "accepted" || outcome === "duplicate";
  const sign = isDurable ? "✓ " : ["failed", "dropped", "over_quota"].includes(outcome) ? "✕ " : "";
  const row = element(
    "li",
    { class: "verdict" },
    element("span", { class: "result", "data-result": isDurable ? "accepted" : outcome }, `${sign}${outcome}`),
    element("span", { class: "mono" }, event_id),
  );
  if (code || pointer || message) {
    const why = element("span", { class: "why" });
    if (code) why.append(element("code", { class: "tag" }, code), " ");
    if (pointer) why.append(element("code", { class: "tag" }, pointer), " ");
    why.append(message);
    row.append(why);
  }
  return row;
}

/** @param {Verdict[]} verdicts */
function verdictList(verdicts) {
  const accepted = verdicts.filter(({ outcome }) => outcome === "accepted");
  const others = verdicts.filter(({ outcome }) => outcome !== "accepted");
  if (accepted.length <= ACCEPTED_LISTED) return [element("ul", { class: "verdicts" }, ...verdicts.map(verdictRow))];
  const folded = element("details", {});
  folded.append(
    element("summary", {}, element("span", { class: "result", "data-result": "accepted" }, `✓ ${accepted.length} accepted`)),
    element("ul", { class: "verdicts" }, ...accepted.map(verdictRow)),
  );
  return [element("ul", { class: "verdicts" }, ...others.map(verdictRow)), folded];
}

/**
 * Sends, and shows what comes of it.
 * @param {Sending} sending
 * @param {HTMLElement} resultHere the short result, beside the button that was pressed
 */
export function dispatch(sending, resultHere) {
  const answer = element("span", { class: "mono answer" });
  const took = element("span", { class: "mono" });
  const outcome = element("div");
  const came = element("div");
  const again = element("button", { class: "quiet again", type: "button", hidden: "" }, "Send again");
  const sent = sentFold(sending);
  const clock = element("time", { class: "mono" }, new Date().toTimeString().slice(0, 8));
  const top = element("div", { class: "top" }, element("b", {}, sending.title), answer, took, clock);
  const row = element("li", { class: "entry" }, top, outcome, again, sent, came);
  const entry = { sending, reading: /** @type {Reading | null} */ (null), row };
  let attempts = 0;

  async function attempt() {
    attempts += 1;
    again.setAttribute("disabled", "");
    answer.textContent = "waiting";
    took.textContent = attempts > 1 ? `attempt ${attempts}` : "";
    resultHere.textContent = "…";
    resultHere.dataset.result = "";
    const started = performance.now();
    const reply = await send(sending, attempts);
    const milliseconds = Math.round(performance.now() - started);
    show(read(reply, sending), milliseconds);
  }

  /** @param {Reading} reading @param {number} milliseconds */
  function show(reading, milliseconds) {
    entry.reading = reading;
    row.dataset.result = reading.result;
    answer.textContent = reading.answer;
    took.textContent = `${milliseconds} ms${attempts > 1 ? `, attempt ${attempts}` : ""}`;
    const saying = reading.says ? [element("p", { class: "saying" }, reading.says)] : [];
    outcome.replaceChildren(...saying, ...(reading.verdicts.length ? verdictList(reading.verdicts) : []));
    came.replaceChildren(...(reading.text ? [fold(`Answered: ${reading.answer}`, pretty(reading.text))] : []));
    resultHere.textContent = signs(reading);
    resultHere.dataset.result = reading.result;
    at("last").replaceChildren(`${sending.title}: ${summary(reading)}, in ${milliseconds} ms. `, element("a", { href: "#log-title" }, "Show"));
    const pressed = document.activeElement === again;
    again.removeAttribute("disabled");
    again.hidden = reading.result !== "held";
    if (pressed) (again.hidden ? /** @type {HTMLElement} */ (sent.firstElementChild) : again).focus();
    tally();
    forgetOldest();
    if (reading.result === "held") checkReady();
  }

  again.addEventListener("click", attempt);
  at("empty").hidden = true;
  entries.unshift(entry);
  at("entries").prepend(row);
  at("log").scrollTop = 0;
  attempt();
}
