/** Prints, as JSON, which of the features the snippet's core was seen to have; several visits at a time. */

import { FEATURES } from "./features.mjs";
import headwater from "./headwater.mjs";
import { scripts } from "./scripts.mjs";
import { Visit, browser } from "./visit.mjs";

const VISITORS = 4;

const chrome = await browser();
try {
  const own = await scripts(headwater);
  const waiting = Object.entries(FEATURES);
  const seen = {};
  const visitor = async () => {
    for (let next; (next = waiting.shift()); ) {
      const [feature, { claim, ask }] = next;
      seen[claim] = await Visit.with(chrome, headwater, own, feature, ask);
    }
  };
  await Promise.all(Array.from({ length: VISITORS }, visitor));
  console.log(JSON.stringify(seen));
} finally {
  await chrome.close();
}
