/** The entry of the script for a tag. It runs the queued calls first, and waits if the page is prerendered. */

import { guard, on } from "./guard.js";
import { start } from "./start.js";
import { unhidden } from "./unhidden.js";

const script = /** @type {HTMLScriptElement} */ (unhidden("currentScript"));

const boot = guard(() => {
  // An element or a frame by that name is no queue.
  const { q = [] } = typeof window.headwater == "function" ? headwater : {};
  // A page may contain the tag twice.
  if (q) {
    window.headwater = start({ ...Object.fromEntries(new URL(script.src).searchParams), ...script.dataset, src: script.src });
    headwater.q = 0;
    q.map((/** @type {any} */ call) => headwater(...call));
  }
});

unhidden("prerendering") ? on("prerenderingchange", boot) : boot();
