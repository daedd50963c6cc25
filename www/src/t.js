/** What the tag runs: it begins with the calls that came before it, once the page is more than a guess. */

import { safely } from "./safely.js";
import { start } from "./start.js";

const script = /** @type {HTMLScriptElement} */ (document.currentScript);

const begin = safely(() => {
  const { q = [] } = window.headwater || {};
  // A page may have the tag twice.
  if (q) {
    window.headwater = start({ ...script.dataset, src: script.src });
    headwater.q = 0;
    q.map((/** @type {any} */ call) => headwater(...call));
  }
});

document.prerendering ? document.addEventListener("prerenderingchange", begin) : begin();
