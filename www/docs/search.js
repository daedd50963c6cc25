// The search box of the documentation. It loads its index when the box is used for the first time.

const LIMIT = 12;
const AROUND = 60;

const element = (name, properties, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};

let index;
/** Returns every section of the pages; an index that could not be loaded is asked for again. */
const sections = () =>
  (index ??= fetch("/docs/search.json")
    .then((answer) => (answer.ok ? answer.json() : Promise.reject(new Error(`status ${answer.status}`))))
    .catch((error) => {
      index = undefined;
      throw error;
    }));

/** Returns how well a section answers; 0 if it lacks a word. */
function score({ page, heading, text }, words) {
  const [title, sub, body] = [page, heading, text].map((each) => each.toLowerCase());
  let sum = 0;
  for (const word of words) {
    const worth = (sub.includes(word) ? 8 : 0) + (title.includes(word) ? (heading ? 2 : 10) : 0) + (body.includes(word) ? 1 : 0);
    if (!worth) return 0;
    sum += worth;
  }
  return sum;
}

/** Returns the part of a text around the first of the words. */
function excerpt(text, words) {
  const lower = text.toLowerCase();
  const at = Math.max(0, Math.min(...words.map((word) => lower.indexOf(word)).filter((place) => place >= 0), text.length) - AROUND);
  const start = at ? lower.indexOf(" ", at) + 1 : 0;
  return (start ? "…" : "") + text.slice(start, start + 3 * AROUND) + (text.length > start + 3 * AROUND ? "…" : "");
}

function start(place) {
  const input = element("input", { type: "search", id: "_query", placeholder: "Search", autocomplete: "off", spellcheck: false });
  const list = element("ol");
  const said = element("p", { hidden: true });
  said.setAttribute("role", "status");
  const results = element("div", { className: "results", hidden: true }, said, list);
  place.append(element("label", { htmlFor: "_query", textContent: "Search the documentation" }), input, results);
  place.hidden = false;

  const say = (text) => {
    said.textContent = text;
    said.hidden = !text;
    results.hidden = false;
  };
  const show = async () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!words.length) {
      results.hidden = true;
      return;
    }
    let all;
    try {
      all = await sections();
    } catch {
      list.replaceChildren();
      say("The search index could not be loaded.");
      return;
    }
    const found = all
      .map((section) => ({ section, points: score(section, words) }))
      .filter(({ points }) => points)
      .sort((a, b) => b.points - a.points)
      .slice(0, LIMIT);
    list.replaceChildren(
      ...found.map(({ section: { page, heading, href, text } }) =>
        element("li", {}, element("a", { href }, element("b", { textContent: heading ? `${page}: ${heading}` : page }), element("span", { textContent: excerpt(text, words) }))),
      ),
    );
    say(found.length ? "" : "No page has these words.");
  };
  input.addEventListener("input", show);
  input.addEventListener("focus", show);
  place.addEventListener("keydown", (event) => {
    const links = [...list.querySelectorAll("a")];
    const at = links.indexOf(document.activeElement);
    if (event.key === "Escape") {
      input.value = "";
      results.hidden = true;
      input.focus();
    } else if (event.key === "ArrowDown" && links.length) {
      event.preventDefault();
      links[Math.min(at + 1, links.length - 1)].focus();
    } else if (event.key === "ArrowUp" && at >= 0) {
      event.preventDefault();
      (links[at - 1] ?? input).focus();
    } else if (event.key === "Enter" && document.activeElement === input && links.length) {
      links[0].click();
    }
  });
  // A click elsewhere, or on a result of this same page, closes the list.
  document.addEventListener("click", (event) => {
    if (!place.contains(event.target) || event.target.closest(".results a")) results.hidden = true;
  });
}

start(document.getElementById("_search"));
