/**
 * How the pointer and the page moved, in batches of deltas out of which the paths can be drawn again, as
 * www/schemas/pointer.json says. Before the first movement nothing is done.
 *
 * @typedef {object} Path
 * @property {number[]} deltas three for each point of the batch: of its time, its x and its y
 * @property {number[]} last time, x and y of the last point of all
 */

/** How far apart two points are at least, in milliseconds. */
const GAP_MS = 50;
/** How many points a batch has at most. */
const MOST_POINTS = 100;
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
  /** The page on which all that was. */
  let view = { url: "", title: "" };
  let timer = 0;
  let frame = 0;
  /** When points were last taken. */
  let taken = 0;
  /** @type {PointerEvent | undefined} what moved since */
  let moved;
  /** @type {Event | undefined} */
  let scrolled;

  const flush = () => {
    clearTimeout(timer);
    timer = 0;
    const given = (/** @type {number[]} */ list) => (list[0] == null ? undefined : list);
    const props = { deltas: given(moves.deltas), presses: given(presses), scrolls: given(scrolls.deltas) };
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
    view = { url: location.href, title: document.title };
    timer ||= setTimeout(flush, LINGER_MS);
    if (pressed) presses.push(path.deltas.length / 3);
    const from = path.deltas[0] == null ? [0, 0, 0] : path.last;
    path.deltas.push(...now.map((value, index) => value - from[index]));
    path.last = now;
    if (moves.deltas.length + scrolls.deltas.length >= 3 * MOST_POINTS) flush();
  };

  /** @param {PointerEvent} event */
  const point = (event) => {
    const { type, pointerType, timeStamp, pageX, pageY } = event;
    const now = /^(mouse|touch|pen)$/.test(pointerType) ? pointerType : "";
    if (moves.deltas[0] != null && kind != now) flush();
    kind = now;
    add(moves, [timeStamp, pageX, pageY], type == "pointerdown");
  };

  const take = () => {
    if (moved) point(moved);
    if (scrolled) add(scrolls, [scrolled.timeStamp, scrollX, scrollY]);
    moved = scrolled = undefined;
  };

  /** @param {number} now */
  const draw = (now) => {
    frame = 0;
    if (now - taken < GAP_MS) frame = requestAnimationFrame(draw);
    else {
      taken = now;
      take();
    }
  };

  /** @param {Event} event */
  const look = (event) => {
    if (event.type == "scroll") scrolled = event;
    // Of several fingers the first.
    else if (!(/** @type {PointerEvent} */ (event).isPrimary)) return;
    else moved = /** @type {PointerEvent} */ (event);
    if (event.type == "pointerdown") take();
    else frame ||= requestAnimationFrame(draw);
  };

  for (const type of ["pointermove", "pointerdown", "scroll"]) addEventListener(type, look, { passive: true, capture: true });
  addEventListener(
    "visibilitychange",
    () => {
      if (document.hidden) {
        take();
        flush();
      }
    },
    true,
  );
}
