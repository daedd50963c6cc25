/** Puts the parts together. */

import { leave } from "./delivery.js";
import { consent, track } from "./events.js";
import { page, pages, whenLeft } from "./pages.js";
import { on, safely } from "./safely.js";
import { settings, settle } from "./settings.js";

/** Texts that stand for no id, and those that are too long for one. */
const NO_ID = /^\W*(undefined|null|nan|none|true|false|object .*|[0-]{32,})\W*$|.{129}/is;

/** @type {Record<string, (...values: any[]) => unknown>} what a page can say */
const commands = {
  track,
  page,
  consent,
  identify(/** @type {string} */ user_id, /** @type {object} */ traits) {
    track("identify", traits, { user_id: NO_ID.test(user_id ?? "") ? undefined : user_id && `${user_id}` });
  },
};

/** @param {string | false} name */
const load = (name) =>
  name &&
  import(settings.src.replace(/\.js[^/]*$/, `.${name}.${CHUNKS}.js`))
    .then((chunk) => chunk.default(track, settings, whenLeft))
    .catch(console.error);

/**
 * @param {import("./settings.js").Settings} given
 * @returns {(command: string, ...values: any[]) => void} what is called `headwater`
 */
export const start = (given) => {
  settle(given);
  on("visibilitychange", leave);
  pages();
  load(given.auto != null && "auto");
  given.chunks?.split(" ").map(load);
  return safely((command, ...values) => commands[command](...values));
};
