// The last minute: a bar a second, stacked by outcome, and a row for each stream and outcome.

import { at, element } from "../../demo/dom.js";

/** @typedef {import("./api.js").Second} Second */
/** @typedef {{ stream: string, outcome: string, came: number, most: number }} Row */

const SECONDS = 60;
/** From the ground of a bar to its top. */
const OUTCOMES = ["accepted", "failed", "duplicate", "dropped", "over_quota", "refused"];
const SVG = "http://www.w3.org/2000/svg";

/** @param {number[]} counts */
const sum = (counts) => counts.reduce((total, count) => total + count, 0);

/** @param {string} outcome @param {number} x @param {number} y @param {number} height */
function bar(outcome, x, y, height) {
  const rect = document.createElementNS(SVG, "rect");
  const places = { "data-result": outcome, x: x + 0.1, y, width: 0.8, height };
  for (const [name, value] of Object.entries(places)) rect.setAttribute(name, String(value));
  return rect;
}

/** @param {string} now @param {Second[]} seconds */
export function showMinute(now, seconds) {
  const end = Math.floor(Date.parse(now) / 1000);
  /** @type {Map<number, Record<string, number>>} by the place from the left */
  const bars = new Map();
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
  draw(bars);
  const inOrder = [...rows.values()].sort((a, b) => b.came - a.came);
  at("stream-rows").replaceChildren(...inOrder.map(row));
  at("streams").hidden = !inOrder.length;
  at("streams-empty").hidden = inOrder.length > 0;
}

/** @param {Map<number, Record<string, number>>} bars */
function draw(bars) {
  const all = [...bars.values()];
  const most = Math.max(0, ...all.map((counts) => sum(Object.values(counts))));
  const rects = [...bars].flatMap(([place, counts]) => {
    let top = 100;
    return OUTCOMES.filter((outcome) => counts[outcome]).map((outcome) => {
      const height = (counts[outcome] / most) * 100;
      top -= height;
      return bar(outcome, place, top, height);
    });
  });
  at("chart").replaceChildren(...rects);
  at("peak").textContent = most ? String(most) : "";
  const sums = OUTCOMES.map((outcome) => `${sum(all.map((counts) => counts[outcome] ?? 0))} ${outcome}`);
  at("chart").setAttribute("aria-label", `In the last minute: ${sums.join(", ")}; at most ${most} in a second.`);
}

/** @param {Row} row */
function row({ stream, outcome, came, most }) {
  return element(
    "tr",
    {},
    element("th", { scope: "row", class: stream ? "mono" : "muted" }, stream || "no stream"),
    element("td", { class: "result", "data-result": outcome }, outcome),
    element("td", {}, String(came)),
    element("td", {}, String(most)),
  );
}
