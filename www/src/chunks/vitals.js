/*! web-vitals: Google LLC, Apache-2.0 */
/**
 * How fast and how steady a page view was: one event when it goes out of sight, with all that is known of it by then,
 * and another when it goes out of sight again and something has changed.
 */

import { onCLS } from "web-vitals/onCLS.js";
import { onFCP } from "web-vitals/onFCP.js";
import { onINP } from "web-vitals/onINP.js";
import { onLCP } from "web-vitals/onLCP.js";

/** @param {(name: string, props: object, view: object) => void} track */
export default function (track) {
  const look = () => ({ url: location.href, title: document.title });
  /** The page that is measured, whatever the address says by the time that it is told. */
  let view = look();
  /** @type {Record<string, unknown>} */
  let props = {};
  /** @type {boolean | undefined} */
  let changed;

  /** @param {import("web-vitals").MetricType} metric */
  const note = ({ name, value, navigationType }) => {
    if (name == "CLS") props.cls = +value.toFixed(4);
    else props[name.toLowerCase() + "_ms"] = +value.toFixed();
    props.kind = navigationType.replace(/-/g, "_");
    changed = true;
  };

  // In place of web-vitals' onTTFB, which is much larger than these lines.
  const [load] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
  if (load) props.ttfb_ms = +Math.max(load.responseStart - (load.activationStart || 0), 0).toFixed();
  addEventListener("pageshow", (event) => {
    // Out of the back/forward cache: another view, which web-vitals measures anew.
    if (event.persisted) {
      view = look();
      props = {};
    }
  });
  onCLS(note);
  onFCP(note);
  // What it had no idle moment to look at before the page is hidden, it would keep to itself.
  onINP(note, { reportAllChanges: true });
  onLCP(note);
  // On the document, where it comes after the window's listeners: those by which web-vitals tells its last.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && changed) {
      changed = false;
      track("web_vitals", props, view);
    }
  });
}
