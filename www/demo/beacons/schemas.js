// The catalogue, as scripts/snippet.mjs lists it.

import { within } from "../deadline.js";
import { at, element } from "../dom.js";
import { fields, shown } from "../reading.js";

const ANSWER_MS = 5_000;

async function show() {
  try {
    const answer = await within(ANSWER_MS, async (signal) => (await fetch("/schemas.json", { credentials: "omit", signal })).json());
    const { schemas } = fields(answer);
    const links = (Array.isArray(schemas) ? schemas : []).map(fields).map(({ name, version, level, schema }) => {
      const title = [version, level].map(shown).filter(Boolean).join(", level ");
      return element("li", {}, element("a", { class: "tag", href: shown(schema), title }, shown(name)));
    });
    at("schemas").replaceChildren(...links);
  } catch {
    at("schemas-note").prepend("The list did not come. ");
  }
}

show();
