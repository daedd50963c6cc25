// The inspector: asks the worker each second what came, and shows it.

import "../../demo/copy.js";
import { at } from "../../demo/dom.js";
import "../../demo/site.js";
import { Unauthorized, live, reset } from "./api.js";
import { showMinute } from "./chart.js";
import { moment } from "./clock.js";
import { fill, filters, onFilters, suggest } from "./filters.js";
import { add, empty, isEmpty } from "./list.js";
import { keep, take, token } from "./token.js";

const ASK_MS = 1_000;
const MOST_BACKOFF_MS = 30_000;

const input = /** @type {HTMLInputElement} */ (at("token"));
/** The last entry that the page has seen; 0 begins anew, and what is shown stays until the answer. */
let seen = 0;
/** Names what the worker remembers, since it began to. */
let epoch = "";
let paused = false;
/** Questions that were not answered, in a row. */
let failures = 0;
let timer = 0;
/** Counts the questions, so that the answer to one that was overtaken is not shown. */
let question = 0;

/** @param {string} state @param {string} word @param {string} detail */
function say(state, word, detail = "") {
  at("status").dataset.state = state;
  at("detail").textContent = detail;
  // A screen reader announces changes only.
  if (at("state").textContent !== word) at("state").textContent = word;
}

/** @param {boolean} open whether there is a token to ask with */
function unlocked(open) {
  at("unlock").hidden = open;
  at("main").hidden = at("buttons").hidden = !open;
}

/** @param {string} state @param {string} word */
function askForToken(state, word) {
  unlocked(false);
  seen = 0;
  say(state, word);
  input.setAttribute("aria-invalid", String(state === "refused"));
  // What was typed stays, so that a letter of it can be corrected.
  input.select();
  input.focus();
}

/** @param {import("./api.js").Live} answer */
function show({ now, since, last, counts, seconds, entries }) {
  for (const [outcome, count] of Object.entries(counts)) {
    const shown = document.getElementById(`count-${outcome}`);
    if (shown) shown.textContent = String(count);
  }
  showMinute(now, seconds);
  if (!seen) empty();
  seen = last;
  add(entries);
  suggest(entries);
  for (const id of ["since", "began"]) at(id).textContent = moment(since, now);
  const cameNone = counts.total === 0;
  at("none").hidden = !isEmpty() || cameNone;
  at("empty").hidden = !isEmpty() || !cameNone;
}

/** Asks, and asks again after a second, for as long as the page is live and in sight. */
async function ask() {
  clearTimeout(timer);
  if (!token()) return askForToken("locked", "A token is needed");
  const own = ++question;
  let wait = ASK_MS;
  try {
    let answer = await live(token(), seen, filters());
    if (own !== question) return;
    // The worker was cleared, or lost what it had: what it has now is all there is.
    const isAnew = answer.epoch !== epoch;
    epoch = answer.epoch;
    if (isAnew && seen) {
      seen = 0;
      answer = await live(token(), 0, filters());
      if (own !== question) return;
    }
    failures = 0;
    unlocked(true);
    show(answer);
    const { not_kept } = answer;
    const missing = not_kept ? `${not_kept} ${not_kept === 1 ? "request is" : "requests are"} missing here: the inspector did not answer when told of them` : "";
    say(paused ? "paused" : "live", paused ? "Paused" : "Live", missing);
  } catch (error) {
    if (own !== question) return;
    if (error instanceof Unauthorized) {
      keep("");
      return askForToken("refused", "The worker refuses this token");
    }
    failures += 1;
    wait = Math.min(ASK_MS * 2 ** failures, MOST_BACKOFF_MS);
    const reason = error instanceof Error && error.name !== "AbortError" ? error.message : "no answer in time";
    say("unreachable", "Cannot reach the worker", paused ? reason : `${reason}; asks again in ${wait / 1000} s`);
  }
  if (!document.hidden && !paused) timer = setTimeout(ask, wait);
}

/** Begins anew, with what the worker has now. */
function anew() {
  seen = 0;
  ask();
}

at("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(input.value.trim());
  anew();
});

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  if (!paused) return void ask();
  clearTimeout(timer);
  // What is under way comes too late.
  question += 1;
  say("paused", "Paused");
});

const confirm = /** @type {HTMLDialogElement} */ (at("confirm"));
at("clear").addEventListener("click", () => {
  confirm.returnValue = "";
  confirm.showModal();
});

confirm.addEventListener("close", async () => {
  if (confirm.returnValue !== "delete") return;
  try {
    await reset(token());
    anew();
  } catch {
    // The next question fails likewise, and tells why.
    ask();
  }
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else if (!paused && token()) ask();
});

addEventListener("hashchange", () => {
  take();
  fill();
  anew();
});

at("curl").textContent = `curl '${location.origin}/v1/events?verdicts=1' -H 'content-type: text/plain' -d '{"name":"hello"}'`;
take();
fill();
onFilters(anew);
ask();
