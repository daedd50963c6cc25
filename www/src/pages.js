/** Page views, each once: the first, those of the history API, those out of the back/forward cache. */

import { track } from "./events.js";
import { on, safely } from "./safely.js";
import { settings } from "./settings.js";
import { address } from "./text.js";

/** The parameters of a campaign and of a click's id, as src/enrich/campaign.rs has them, and what Google adds. */
const CAMPAIGN =
  /^(utm_|gad_|(\w+cl(i?c?k)?id|[gw]braid|gclsrc|li_fat_id|sccid|epik|rdt_cid|awc|cjevent|tblci|dicbo)=)/i;

/** The page that was viewed last. */
let last = "";
/** @type {() => void} */
let leaving;

/** @param {() => void} act is called when a page makes room for the next one */
export const whenLeft = (act) => (leaving = act);

/** @param {object} [props] */
export const page = (props) => {
  leaving?.();
  track("page_view", props, { referrer: address(last || document.referrer) });
  last = location.href;
};

/**
 * The path and the parameters of a page, in one spelling.
 *
 * @param {string} url
 */
const parts = (url) =>
  `${new URLSearchParams(url.replace(settings.pages == "hash" ? /[?#]/g : /#.*|[?]/g, "&"))}`.split("&");

/** Counts a page, unless it is the last one or that without some of its campaign. */
const look = safely(() => {
  const now = parts(location.href);
  const rest = /** @type {any} */ (parts(last).filter((part) => now.includes(part) || !CAMPAIGN.test(part)));
  rest != `${now}` && page();
});

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
