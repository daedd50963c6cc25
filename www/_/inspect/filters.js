// Which events are shown: the form, the tiles, and the address's fragment, which keeps the filters over a reload.

import { at, element } from "../../demo/dom.js";

/** @typedef {import("./api.js").Entry} Entry */

const form = /** @type {HTMLFormElement} */ (at("filters"));
const all = /** @type {HTMLButtonElement} */ (at("unfilter"));
const controls = /** @type {NodeListOf<HTMLInputElement | HTMLSelectElement>} */ (form.querySelectorAll("[name]"));
const tiles = /** @type {NodeListOf<HTMLElement>} */ (at("tiles").querySelectorAll("[data-outcome]"));
const outcome = /** @type {HTMLSelectElement} */ (at("outcome"));
/** How long to wait for the next letter, in milliseconds. */
const TYPING_MS = 250;
/** How many values a field suggests. */
const SUGGESTED = 100;

/** The lists of suggestions, each with what an entry adds to it. @type {Record<string, (entry: Entry) => string | undefined>} */
const LISTS = {
  names: ({ name }) => name,
  codes: ({ code }) => code,
  "streams-seen": ({ stream }) => stream,
  tenants: ({ tenant }) => tenant,
};
/** @type {Map<string, Set<string>>} by the id of their list */
const suggested = new Map(Object.keys(LISTS).map((id) => [id, new Set()]));

/** What the form asks for, as the worker takes it in its query. */
export function filters() {
  const set = Array.from(controls, ({ name, value }) => [name, value.trim()]);
  return new URLSearchParams(set.filter(([, value]) => value));
}

/** Shows what the form asks for beside it. */
function mark() {
  all.disabled = !filters().size;
  for (const tile of tiles) tile.setAttribute("aria-pressed", String(tile.dataset.outcome === outcome.value));
}

/** Fills the form from the fragment. */
export function fill() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  for (const control of controls) control.value = fragment.get(control.name) ?? "";
  mark();
}

/** Sets one filter, as if it was typed. @param {string} name @param {string} value */
export function filterBy(name, value) {
  for (const control of controls) if (control.name === name) control.value = value;
  form.requestSubmit();
}

/** Adds the values of entries to the suggestions. @param {Entry[]} entries */
export function suggest(entries) {
  for (const [id, of] of Object.entries(LISTS)) {
    const known = /** @type {Set<string>} */ (suggested.get(id));
    for (const entry of entries) {
      const value = of(entry);
      if (!value || known.has(value) || known.size >= SUGGESTED) continue;
      known.add(value);
      at(id).append(element("option", { value }));
    }
  }
}

/** @param {() => void} changed called when the form asks for something else */
export function onFilters(changed) {
  let asked = filters().toString();
  let timer = 0;
  const look = () => {
    clearTimeout(timer);
    const now = filters().toString();
    mark();
    if (now === asked) return;
    asked = now;
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
  for (const tile of tiles) {
    // A second press on a tile shows all again.
    tile.addEventListener("click", () => filterBy("outcome", tile.getAttribute("aria-pressed") === "true" ? "" : (tile.dataset.outcome ?? "")));
  }
}
