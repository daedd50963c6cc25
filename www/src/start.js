/** Starts the snippet: its settings, its listeners, its chunks and its commands. */

import { flushOnHide } from "./delivery.js";
import { consent, track } from "./events.js";
import { page, watchPages, onPageLeave } from "./pages.js";
import { on, guard } from "./guard.js";
import { settings, configure } from "./settings.js";

/** Matches texts that stand for no id, and those that are too long for one. */
const NO_ID = /^\W*(undefined|null|nan|none|true|false|object .*|[0-]{32,})\W*$|.{129}/is;

/** @type {Record<string, (...values: any[]) => unknown>} the commands of a page */
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
    .then((chunk) => chunk.default(track, settings, onPageLeave))
    .catch(console.error);

/**
 * @param {import("./settings.js").Settings} given
 * @returns {(command: string, ...values: any[]) => void} the function `headwater`
 */
export const start = (given) => {
  configure(given);
  on("visibilitychange", flushOnHide);
  watchPages();
  load(given.auto != null && "auto");
  given.chunks?.split(" ").map(load);
  return guard((command, ...values) => commands[command](...values));
};
