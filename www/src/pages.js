/** Tracks each page view once: the first, those of the history API, those from the back/forward cache. */

import { track } from "./events.js";
import { on, guard } from "./guard.js";
import { settings } from "./settings.js";
import { pageAddress } from "./text.js";
import { unhidden } from "./unhidden.js";

/** The parameters of campaigns and click ids, as in src/model/campaign.rs, and those that Google adds. */
const CAMPAIGN =
  /^(utm_|gad_|(\w+cl(i?c?k)?id|[gw]braid|gclsrc|li_fat_id|sccid|epik|rdt_cid|awc|cjevent|tblci|dicbo)=)/i;

/** The page that was viewed last. */
let lastUrl = "";
/** @type {() => void} */
let pageLeft;

/** @param {() => void} callback called when one page replaces another */
export const onPageLeave = (callback) => (pageLeft = callback);

/** @param {object} [props] */
export const page = (props) => {
  pageLeft?.();
  track("page_view", props, { referrer: pageAddress(lastUrl || unhidden("referrer")) });
  lastUrl = location.href;
};

/**
 * Returns the path and the parameters of a page, normalized.
 *
 * @param {string} url
 */
const parts = (url) =>
  `${new URLSearchParams(url.replace(settings.pages == "hash" ? /[?#]/g : /#.*|[?]/g, "&"))}`.split("&");

/** Tracks a page view, unless only parameters of a campaign were removed. */
const checkForNavigation = guard(() => {
  const now = parts(location.href);
  const rest = /** @type {any} */ (parts(lastUrl).filter((part) => now.includes(part) || !CAMPAIGN.test(part)));
  rest != `${now}` && page();
});

export const watchPages = () => {
  if (settings.pages == "manual") return;
  for (const method of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[method];
    history[method] = function () {
      original.apply(this, /** @type {any} */ (arguments));
      // Sites set the title after the URL.
      setTimeout(checkForNavigation);
    };
  }
  on("popstate", () => setTimeout(checkForNavigation));
  on("pageshow", ({ persisted }) => persisted && page());
  checkForNavigation();
};
