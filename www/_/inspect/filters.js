// Which events are shown: the form, and the address's fragment, which keeps it over a reload.

import { at } from "../../demo/dom.js";

const form = /** @type {HTMLFormElement} */ (at("filters"));
const all = /** @type {HTMLButtonElement} */ (at("unfilter"));
const controls = /** @type {NodeListOf<HTMLInputElement>} */ (form.querySelectorAll("[name]"));
/** How long to wait for the next letter, in milliseconds. */
const TYPING_MS = 250;

/** What the form asks for, as the worker takes it in its query. */
export function filters() {
  const set = Array.from(controls, ({ name, value }) => [name, value.trim()]);
  return new URLSearchParams(set.filter(([, value]) => value));
}

/** Fills the form from the fragment. */
export function fill() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  for (const control of controls) control.value = fragment.get(control.name) ?? "";
  all.disabled = !filters().size;
}

/** @param {() => void} changed called when the form asks for something else */
export function onFilters(changed) {
  let asked = filters().toString();
  let timer = 0;
  const look = () => {
    const now = filters().toString();
    if (now === asked) return;
    asked = now;
    all.disabled = !now;
    history.replaceState(null, "", location.pathname + (now && `#${now}`));
    changed();
  };
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(look, TYPING_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    look();
  });
  // The fields are empty only after the event.
  form.addEventListener("reset", () => setTimeout(look));
}
