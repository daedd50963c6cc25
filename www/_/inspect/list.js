// The list of entries. What is new waits while the reader reads, so that nothing moves under their eyes.

import { at, element } from "../../demo/dom.js";
import { entryBody } from "./entry.js";

/** @typedef {import("./api.js").Entry} Entry */

/** How many entries the page keeps. */
const KEPT = 500;
const SIGNS = /** @type {Record<string, string>} */ ({ accepted: "✓", duplicate: "✓", failed: "✕", dropped: "✕", over_quota: "✕", refused: "✕" });

const list = at("entries");
const more = at("more");
/** @type {Entry[]} those that wait, newest first */
let waiting = [];

/** @param {string} instant @returns {string} the reader's clock, with milliseconds */
function clock(instant) {
  const time = new Date(instant);
  return `${time.toTimeString().slice(0, 8)}.${String(time.getMilliseconds()).padStart(3, "0")}`;
}

/** @param {Entry} entry */
function line(entry) {
  const { at: instant, outcome, name, schema, code, stream, request } = entry;
  const kind = [request?.kind, request?.status].filter((part) => part !== undefined).join(" ");
  const head = element(
    "summary",
    {},
    element("time", { class: "mono", datetime: instant, title: instant }, clock(instant)),
    element("span", { class: "result", "data-result": outcome }, `${SIGNS[outcome] ?? ""} ${outcome}`),
    name ? element("b", {}, name) : element("span", { class: "muted" }, kind || "no name"),
    element("span", {}, code ? element("code", { class: "tag" }, code) : schema === null ? element("span", { class: "tag" }, "no schema") : ""),
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

function showWaiting() {
  list.prepend(...waiting.map(line));
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
