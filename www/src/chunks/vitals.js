/*! web-vitals: Google LLC, Apache-2.0 */
/**
 * Measures how fast and how stable a page view was: one event when the page is hidden, and another each time that it is
 * hidden again and a value has changed.
 */

import { onCLS } from "web-vitals/onCLS.js";
import { onFCP } from "web-vitals/onFCP.js";
import { onINP } from "web-vitals/onINP.js";
import { onLCP } from "web-vitals/onLCP.js";
import { unhidden } from "../unhidden.js";

/** @param {(name: string, props: object, view: object) => void} track */
export default function (track) {
  const currentView = () => ({ url: location.href, title: unhidden("title") });
  /** The page that is measured; the address may have changed when the event is sent. */
  let view = currentView();
  /** @type {Record<string, unknown>} */
  let props = {};
  /** @type {boolean | undefined} */
  let changed;

  /** @param {import("web-vitals").MetricType} metric */
  const record = ({ name, value, navigationType }) => {
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
      view = currentView();
      props = {};
    }
  });
  onCLS(record);
  onFCP(record);
  // Without `reportAllChanges`, an interaction just before the page is hidden would be lost.
  onINP(record, { reportAllChanges: true });
  onLCP(record);
  // On the document, so that it runs after web-vitals' own listeners, which are on the window.
  EventTarget.prototype.addEventListener.call(document, "visibilitychange", () => {
    if (unhidden("hidden") && changed) {
      changed = false;
      track("web_vitals", props, view);
    }
  });
}
