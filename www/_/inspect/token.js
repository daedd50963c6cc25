// The token that the worker wants: it comes in the address's fragment, once, or from the form, and stays in this tab.

const KEY = "headwater-inspect-token";
/** Where the browser stores nothing, the token lasts as long as the page. */
let held = "";

export function token() {
  try {
    return sessionStorage.getItem(KEY) ?? held;
  } catch {
    return held;
  }
}

/** @param {string} text an empty one forgets it */
export function keep(text) {
  held = text;
  try {
    if (text) sessionStorage.setItem(KEY, text);
    else sessionStorage.removeItem(KEY);
  } catch {}
}

/** Takes the token out of the fragment, so that no address shows it; the rest of the fragment stays. */
export function take() {
  const fragment = new URLSearchParams(location.hash.slice(1));
  const given = fragment.get("token");
  if (given === null) return;
  fragment.delete("token");
  const rest = fragment.toString();
  history.replaceState(null, "", location.pathname + (rest && `#${rest}`));
  keep(given.trim());
}
