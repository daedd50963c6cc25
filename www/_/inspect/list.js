// The list of entries. What is new waits while the reader reads, so that nothing moves under their eyes.

import { at, element } from "../../demo/dom.js";
import { clock } from "./clock.js";
import { entryBody } from "./entry.js";
import { gist, naming } from "./gist.js";

/** @typedef {import("./api.js").Entry} Entry */

/** How many entries the page keeps. */
const KEPT = 500;
const SIGNS = /** @type {Record<string, string>} */ ({ accepted: "✓", duplicate: "✓", failed: "✕", dropped: "✕", over_quota: "✕", refused: "✕" });

const list = at("entries");
const more = at("more");
/** @type {Entry[]} those that wait, newest first */
let waiting = [];

/** @param {Entry} entry */
function line(entry) {
  const { at: instant, outcome, schema, code, stream, request } = entry;
  const { index, beacons = 1 } = request ?? {};
  const { name, isValid } = naming(entry);
  const what = element("span", { class: "what" }, isValid ? element("b", {}, name) : element("span", { class: "muted" }, name));
  if (index !== undefined && beacons > 1) what.append(" ", element("span", { class: "small muted", title: "Its place in the request" }, `${index + 1} of ${beacons}`));
  const tag = code ?? (schema === null ? "no schema" : "");
  const why = element("span", { class: "gist" }, ...(tag ? [element("code", { class: "tag" }, tag), " "] : []), gist(entry));
  const head = element(
    "summary",
    {},
    element("time", { class: "mono", datetime: instant, title: instant }, clock(instant)),
    element("span", { class: "result", "data-result": outcome }, `${SIGNS[outcome] ?? ""} ${outcome.replace("_", " ")}`),
    what,
    why,
    element("span", { class: "mono stream" }, stream ?? ""),
  );
  const details = element("details", {}, head);
  details.addEventListener("toggle", () => {
    if (details.childElementCount === 1) details.append(entryBody(entry));
  });
  return element("li", { class: "entry", "data-result": outcome }, details);
}

/** An entry is open, a key has led to one, or the list's head is out of sight. */
function reading() {
  return list.querySelector("details[open], :focus-visible") !== null || list.getBoundingClientRect().top < 0;
}

/** Whether two entries are of the same request. @param {Entry} entry @param {Entry} other */
const isSameRequest = (entry, other) => entry.at === other.at && (entry.request?.beacons ?? 1) > 1 && entry.request?.bytes === other.request?.bytes;

function showWaiting() {
  const lines = waiting.map(line);
  waiting.forEach((entry, index) => {
    if (index && isSameRequest(entry, waiting[index - 1])) lines[index].classList.add("same");
  });
  list.prepend(...lines);
  waiting = [];
  more.hidden = true;
  while (list.childElementCount > KEPT) list.lastElementChild?.remove();
}

/** @param {Entry[]} entries newest first, and newer than all before */
export function add(entries) {
  waiting = [...entries, ...waiting].slice(0, KEPT);
  if (!waiting.length) return;
  if (!reading()) return showWaiting();
  more.hidden = false;
  more.textContent = `Show ${waiting.length} new`;
}

export function empty() {
  waiting = [];
  more.hidden = true;
  list.replaceChildren();
}

export const isEmpty = () => !list.childElementCount && !waiting.length;

more.addEventListener("click", () => {
  showWaiting();
  // The heading sticks to the top, so that it is always in view; its section need not be.
  at("events").focus({ preventScroll: true });
  at("events").closest("section")?.scrollIntoView();
});
