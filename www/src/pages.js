/** Page views, each once: the first, those of the history API, those out of the back/forward cache. */

/**
 * @param {string | undefined} mode `hash` counts what follows the # too, `manual` nothing by itself
 * @param {(kind?: string) => void} viewed
 */
export function pages(mode, viewed) {
  let last = "";
  /** @param {string} [kind] */
  const look = (kind) => {
    const page = mode == "hash" ? location.href : location.href.split("#")[0];
    if (page != last) {
      last = page;
      viewed(kind);
    }
  };
  if (mode == "manual") return;
  for (const method of /** @type {const} */ (["pushState", "replaceState"])) {
    const original = history[method];
    history[method] = function () {
      original.apply(this, /** @type {any} */ (arguments));
      // The title comes a little later.
      setTimeout(look);
    };
  }
  addEventListener("popstate", () => look());
  addEventListener("pageshow", (event) => {
    if (event.persisted) {
      last = "";
      look("back_forward");
    }
  });
  look();
}
