// "Is it working?": sends one event through the snippet, waits for its 2xx, and says what is wrong where none comes.

import { at } from "../dom.js";
import { readiness } from "../readiness.js";
import { fields, parsed, read } from "../reading.js";
import { state } from "./consent.js";
import { onRequest } from "./requests.js";

/** @typedef {import("./requests.js").Request} Request */

const EVENT = "installation_checked";
/** The snippet lets an event wait a second for others; past this it was not sent. */
const SENT_MS = 4_000;

const script = /** @type {HTMLScriptElement} */ (document.querySelector("script[data-auto]"));

/** The request that carries the event, if one does in time. @param {string} mark @returns {Promise<Request | null>} */
function sent(mark) {
  return new Promise((done) => {
    const stop = onRequest((request) => request.events.some((event) => fields(event.props).mark === mark) && end(request));
    const timer = setTimeout(() => end(null), SENT_MS);
    /** @param {Request | null} request */
    function end(request) {
      clearTimeout(timer);
      stop();
      done(request);
    }
  });
}

/** What keeps the worker from delivering, in its own sentences; nothing when it is ready. */
async function unready() {
  const { state, word, sentences, streams } = await readiness();
  if (state === "ready" || state === "troubled") return "";
  const troubles = streams.filter(({ problem }) => problem).map(({ stream, problem }) => `${stream}: ${problem}`);
  return [word, ...sentences, ...troubles].join(". ");
}

/** Why the snippet sent nothing. */
async function silence() {
  const loaded = window.watched.scripts.get(script.src);
  if (loaded === "error") return `The script is blocked: ${script.src} did not load. Look for a content blocker, or a policy without this address.`;
  if (!loaded) return `The script is not there yet: ${script.src} is still loading.`;
  if (state() === "denied") return "Consent is denied on this page: nothing is stored or sent.";
  const asksNot = navigator.globalPrivacyControl ? "Global Privacy Control" : navigator.doNotTrack === "1" && "Do Not Track";
  if (asksNot) return `${asksNot} is on in this browser, and the snippet obeys: nothing is stored or sent until consent is granted.`;
  if (script.dataset.consent !== undefined && state() !== "granted") return "Consent is missing: the tag asks for it, and what happens is held until it is granted.";
  return (await unready()) || "Nothing was sent. The worker may have asked the snippet to wait, or another tab is sending just now.";
}

/** @param {Request} request @param {string} mark @returns {Promise<[boolean, string]>} */
async function verdict({ events, reply, began }, mark) {
  const came = await reply;
  if (!came) return [true, "It was sent as the page went out of sight, so no page can read the answer."];
  if ("broken" in came) return [false, (await unready()) || `The worker is ready, but its answer did not come (${came.broken}). Look for a content blocker, or a policy without it in connect-src.`];
  const { result, says, answer, verdicts } = read(came, { beacons: 1, pixel: "" });
  if (result === "held") return [false, (await unready()) || says];
  if (came.status >= 400) return [false, `${answer} ${[fields(parsed(came.text)).code, says].filter(Boolean).join(": ")}`];
  const own = verdicts[events.findIndex((event) => fields(event.props).mark === mark)];
  if (own && own.outcome !== "accepted" && own.outcome !== "duplicate") return [false, `${own.outcome}: ${own.code}: ${own.message}`];
  if (result === "") return [false, says];
  return [true, `It works: ${answer} after ${Math.round(performance.now() - began)} ms, and the event is durable.`];
}

const button = /** @type {HTMLButtonElement} */ (at("check"));
button.addEventListener("click", async () => {
  button.setAttribute("aria-disabled", "true");
  at("checked").dataset.state = "asking";
  at("checked").textContent = "Sending one event…";
  const mark = Math.random().toString(36).slice(2);
  const waiting = sent(mark);
  headwater("track", EVENT, { mark });
  const request = await waiting;
  const [works, says] = request ? await verdict(request, mark) : [false, await silence()];
  at("checked").dataset.state = works ? "works" : "fails";
  at("checked").textContent = says;
  button.removeAttribute("aria-disabled");
});
