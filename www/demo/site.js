// Links to pages that a worker may not serve: what `data-if-served` is on is shown once its path answers.

/** @type {Map<string, Promise<boolean>>} */
const asked = new Map();

/** @param {string} path */
function isServed(path) {
  const answer = asked.get(path) ?? fetch(path, { method: "HEAD", credentials: "omit" }).then(({ ok }) => ok, () => false);
  asked.set(path, answer);
  return answer;
}

for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-if-served]"))) {
  isServed(link.dataset.ifServed ?? "").then((served) => (link.hidden = !served));
}
