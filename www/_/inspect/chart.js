// The last minute: a bar a second, stacked by outcome, and a row for each stream and outcome.

import { at, element } from "../../demo/dom.js";
import { clock } from "./clock.js";
import { filterBy } from "./filters.js";

/** @typedef {import("./api.js").Second} Second */
/** @typedef {{ stream: string, outcome: string, came: number, most: number }} Row */
/** @typedef {Record<string, number>} Counts  Events by outcome. */

const SECONDS = 60;
/** From the ground of a bar to its top. */
const OUTCOMES = ["accepted", "failed", "duplicate", "dropped", "over_quota", "refused"];
const SVG = "http://www.w3.org/2000/svg";

/** The counts by the place of their second from the left. @type {Map<number, Counts>} */
let bars = new Map();
/** The second at the right edge, in seconds since the epoch. */
let end = 0;
/** The place that the pointer is at. @type {number | undefined} */
let pointed;

/** @param {number[]} counts */
const sum = (counts) => counts.reduce((total, count) => total + count, 0);

/** The next number from `most` on that is 1, 2 or 5 and zeros, or 6 for 5: an even one, so that half of it is a number of events. @param {number} most */
export function top(most) {
  const power = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return ((power > 1 ? [1, 2, 5, 10] : [2, 6, 10]).find((step) => step * power >= most) ?? 10) * power;
}

/** @param {string} tag @param {Record<string, string | number>} places */
function drawn(tag, places) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(places)) made.setAttribute(name, String(value));
  return made;
}

/** @param {string} now @param {Second[]} seconds */
export function showMinute(now, seconds) {
  end = Math.floor(Date.parse(now) / 1000);
  bars = new Map();
  /** @type {Map<string, Row>} */
  const rows = new Map();
  for (const { at: second, stream = "", outcome, count } of seconds) {
    const place = SECONDS - 1 - (end - Math.floor(Date.parse(second) / 1000));
    if (place < 0 || place >= SECONDS) continue;
    const counts = bars.get(place) ?? {};
    bars.set(place, { ...counts, [outcome]: (counts[outcome] ?? 0) + count });
    const key = `${stream} ${outcome}`;
    const { came, most } = rows.get(key) ?? { came: 0, most: 0 };
    rows.set(key, { stream, outcome, came: came + count, most: Math.max(most, count) });
  }
  draw();
  const inOrder = [...rows.values()].sort((a, b) => b.came - a.came);
  // A row that has the focus stays the same element.
  if (!at("stream-rows").contains(document.activeElement)) at("stream-rows").replaceChildren(...inOrder.map(row));
  at("streams").hidden = !inOrder.length;
  at("streams-empty").hidden = inOrder.length > 0;
}

function draw() {
  const all = [...bars.values()];
  const most = Math.max(0, ...all.map((counts) => sum(Object.values(counts))));
  const scale = top(most);
  const rects = [...bars].flatMap(([place, counts]) => {
    let ground = 100;
    return OUTCOMES.filter((outcome) => counts[outcome]).map((outcome) => {
      const height = (counts[outcome] / scale) * 100;
      ground -= height;
      return drawn("rect", { "data-result": outcome, x: place + 0.1, y: ground, width: 0.8, height });
    });
  });
  const lines = [0, 50].map((y) => drawn("line", { class: "grid", x1: 0, x2: SECONDS, y1: y, y2: y }));
  const pointer = pointed === undefined ? [] : [drawn("rect", { class: "pointed", x: pointed, y: 0, width: 1, height: 100 })];
  at("chart").replaceChildren(...lines, ...pointer, ...rects);
  at("peak").textContent = String(scale);
  at("half").textContent = String(scale / 2);
  const sums = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, sum(all.map((counts) => counts[outcome] ?? 0))]));
  const said = OUTCOMES.map((outcome) => `${sums[outcome]} ${outcome}`).join(", ");
  at("chart").setAttribute("aria-label", most ? `In the last minute: ${said}; at most ${most} in a second.` : "No events in the last minute.");
  legend(sums);
}

/** Says how many events came: in the minute, or in the second that the pointer is at. @param {Counts} sums */
function legend(sums) {
  const counts = pointed === undefined ? sums : (bars.get(pointed) ?? {});
  const when = pointed === undefined ? "last 60 s" : `${clock(new Date((end - SECONDS + 1 + pointed) * 1000).toISOString())} UTC`;
  const shown = OUTCOMES.filter((outcome) => counts[outcome]);
  const parts = shown.map((outcome) => element("span", { class: "result key", "data-result": outcome }, `${counts[outcome]} ${outcome.replace("_", " ")}`));
  at("legend").replaceChildren(element("span", { class: "muted" }, `${when}:`), ...(parts.length ? parts : [element("span", { class: "muted" }, "no events")]));
}

/** @param {Row} row */
function row({ stream, outcome, came, most }) {
  const name = element("button", { class: "text mono", type: "button", title: "Show only this stream" }, stream);
  name.addEventListener("click", () => filterBy("stream", stream));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, stream ? name : element("span", { class: "muted" }, "no stream")),
    element("td", { class: "result", "data-result": outcome }, outcome.replace("_", " ")),
    element("td", {}, String(came)),
    element("td", {}, String(most)),
  );
}

/** @param {PointerEvent} event */
function point({ clientX }) {
  const { left, width } = at("chart").getBoundingClientRect();
  const place = Math.floor(((clientX - left) / width) * SECONDS);
  pointed = place >= 0 && place < SECONDS ? place : undefined;
  draw();
}
at("chart").addEventListener("pointermove", point);
at("chart").addEventListener("pointerdown", point);
at("chart").addEventListener("pointerleave", () => {
  pointed = undefined;
  draw();
});
