/** The entry of the script for a tag. It runs the queued calls first, and waits if the page is prerendered. */

import { guard } from "./guard.js";
import { start } from "./start.js";

const script = /** @type {HTMLScriptElement} */ (document.currentScript);

const boot = guard(() => {
  const { q = [] } = window.headwater || {};
  // A page may contain the tag twice.
  if (q) {
    window.headwater = start({ ...script.dataset, src: script.src });
    headwater.q = 0;
    q.map((/** @type {any} */ call) => headwater(...call));
  }
});

document.prerendering ? document.addEventListener("prerenderingchange", boot) : boot();
