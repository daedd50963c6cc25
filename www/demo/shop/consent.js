// The visitor's answer, as a site's consent banner would give it to the snippet.

import { at } from "../dom.js";

/** The snippet remembers an answer. */
let answered = /"consent":"(\w+)"/.exec(Object.values(localStorage).join())?.[1] ?? "";

/** What was answered: `granted`, `denied`, or nothing yet. */
export const state = () => answered;

for (const answer of /** @type {const} */ (["granted", "denied"])) {
  at(`consent-${answer}`).addEventListener("click", () => {
    answered = answer;
    headwater("consent", answer);
    at("consent-said").textContent = answer === "granted" ? "Granted: events say so." : "Denied: all but this answer is gone, and nothing is sent.";
  });
}
