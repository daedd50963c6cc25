// The page that sends beacons: its buttons, the form for a body of one's own, and the commands to copy.

import "../copy.js";
import { at, element } from "../dom.js";
import "../readiness.js";
import { fields, parsed } from "../reading.js";
import { ACTIONS, EVENTS, device, post } from "./beacons.js";
import { dispatch } from "./log.js";
import "./schemas.js";
import "../site.js";

for (const { title, name, what, make } of ACTIONS) {
  const resultHere = element("span", { class: "result", "aria-hidden": "true" });
  const foot = element("span", { class: "foot" }, element("span", {}, name), resultHere);
  const button = element(
    "button",
    { class: "action", type: "button" },
    element("b", {}, title),
    element("span", { class: "what" }, what),
    foot,
  );
  button.addEventListener("click", () => dispatch(make(), resultHere));
  at("actions").append(element("li", {}, button));
}

const ownForm = /** @type {HTMLFormElement} */ (at("own"));
const ownBody = /** @type {HTMLTextAreaElement} */ (at("own-body"));
const ownType = /** @type {HTMLSelectElement} */ (at("own-type"));

/** Estimates how many beacons a body holds. @param {string} body @param {string} type */
function beaconsIn(body, type) {
  const value = parsed(body);
  if (Array.isArray(value)) return value.length;
  const { events } = fields(value);
  if (Array.isArray(events)) return events.length;
  if (value !== undefined || type !== "application/x-ndjson") return 1;
  return body.split("\n").filter((line) => line.trim()).length;
}

ownForm.addEventListener("submit", (event) => {
  event.preventDefault();
  const { value: body } = ownBody;
  dispatch(post("Your body", body, ownType.value, beaconsIn(body, ownType.value)), at("own-result"));
});
ownBody.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) ownForm.requestSubmit();
});

at("device").textContent = device;
at("curl").textContent = `curl -i '${location.origin}${EVENTS}' -H 'content-type: text/plain' -d '{"name":"hello"}'`;
