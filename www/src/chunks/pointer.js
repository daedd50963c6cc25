/**
 * Tracks how the pointer and the page moved: batches of deltas, from which the paths can be drawn, as in
 * www/schemas/pointer.json. Does nothing before the first movement.
 *
 * @typedef {object} Path
 * @property {number[]} deltas three for each point of the batch: of its time, its x and its y
 * @property {number[]} last time, x and y of the last point of all
 */

import { unhidden } from "../unhidden.js";

/** The shortest time between two points, in milliseconds. */
const GAP_MS = 50;
/** The most points of a batch. */
const MAX_POINTS = 100;
/** How long a batch waits for more, in milliseconds. */
const LINGER_MS = 1e4;

/** @param {(name: string, props: object, view: object) => void} track */
export default function (track) {
  /** @type {Path} */
  const moves = { deltas: [], last: [] };
  /** @type {Path} */
  const scrolls = { deltas: [], last: [] };
  /** @type {number[]} */
  let presses = [];
  let kind = "";
  /** The page of the current batch. */
  let view = { url: "", title: "" };
  let timer = 0;
  let frame = 0;
  /** When points were last added. */
  let addedAt = 0;
  /** @type {PointerEvent | undefined} the last movement since then */
  let moved;
  /** @type {Event | undefined} */
  let scrolled;

  const flush = () => {
    clearTimeout(timer);
    timer = 0;
    const orUndefined = (/** @type {number[]} */ list) => (list[0] == null ? undefined : list);
    const props = { deltas: orUndefined(moves.deltas), presses: orUndefined(presses), scrolls: orUndefined(scrolls.deltas) };
    if (props.deltas || props.scrolls)
      track("pointer", { kind: (props.deltas && kind) || undefined, ...props }, view);
    moves.deltas = [];
    scrolls.deltas = [];
    presses = [];
  };

  /**
   * @param {Path} path
   * @param {number[]} point
   * @param {boolean} [pressed] whether it counts though nothing moved
   */
  const add = (path, point, pressed) => {
    const now = point.map(Math.round);
    if (!pressed && now[1] == path.last[1] && now[2] == path.last[2]) return;
    if (location.href != view.url) flush();
    view = { url: location.href, title: unhidden("title") };
    timer ||= setTimeout(flush, LINGER_MS);
    if (pressed) presses.push(path.deltas.length / 3);
    const from = path.deltas[0] == null ? [0, 0, 0] : path.last;
    path.deltas.push(...now.map((value, index) => value - from[index]));
    path.last = now;
    if (moves.deltas.length + scrolls.deltas.length >= 3 * MAX_POINTS) flush();
  };

  /** @param {PointerEvent} event */
  const point = (event) => {
    const { type, pointerType, timeStamp, pageX, pageY } = event;
    const now = /^(mouse|touch|pen)$/.test(pointerType) ? pointerType : "";
    if (moves.deltas[0] != null && kind != now) flush();
    kind = now;
    add(moves, [timeStamp, pageX, pageY], type == "pointerdown");
  };

  const addMoved = () => {
    if (moved) point(moved);
    if (scrolled) add(scrolls, [scrolled.timeStamp, scrollX, scrollY]);
    moved = scrolled = undefined;
  };

  /** @param {number} now */
  const draw = (now) => {
    frame = 0;
    if (now - addedAt < GAP_MS) frame = requestAnimationFrame(draw);
    else {
      addedAt = now;
      addMoved();
    }
  };

  /** @param {Event} event */
  const onMove = (event) => {
    if (event.type == "scroll") scrolled = event;
    // Of several fingers the first.
    else if (!(/** @type {PointerEvent} */ (event).isPrimary)) return;
    else moved = /** @type {PointerEvent} */ (event);
    if (event.type == "pointerdown") addMoved();
    else frame ||= requestAnimationFrame(draw);
  };

  for (const type of ["pointermove", "pointerdown", "scroll"]) addEventListener(type, onMove, { passive: true, capture: true });
  addEventListener(
    "visibilitychange",
    () => {
      if (unhidden("hidden")) {
        addMoved();
        flush();
      }
    },
    true,
  );
}
