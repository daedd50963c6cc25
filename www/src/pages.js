/** Page views, each once: the first, those of the history API, those out of the back/forward cache. */

import { track } from "./events.js";
import { on, safely } from "./safely.js";
import { settings } from "./settings.js";

/** The page that was viewed last. */
let last = "";
/** @type {() => void} */
let leaving;

/** @param {() => void} act is called when a page makes room for the next one */
export const whenLeft = (act) => (leaving = act);

/** @param {object} [props] */
export const page = (props) => {
  leaving?.();
  track("page_view", props, { referrer: last || document.referrer });
  last = location.href;
};

/** @param {string} url */
const address = (url) => url.split(settings.pages == "hash" ? "\n" : "#")[0];

const look = safely(() => address(location.href) != address(last) && page());

export const pages = () => {
  if (settings.pages == "manual") return;
  for (const method of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[method];
    history[method] = function () {
      original.apply(this, /** @type {any} */ (arguments));
      // The title comes a little later.
      setTimeout(look);
    };
  }
  on("popstate", () => setTimeout(look));
  on("pageshow", ({ persisted }) => persisted && page());
  look();
};
