// JSON for people: laid out, with every digit that it came with.

import { element } from "../../demo/dom.js";
import { parsed } from "../../demo/reading.js";

const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}]|[^\s[\]{},:"]+|[,:]/g;
/** What is nested deeper is shown as it came. */
const DEEPEST = 40;

/**
 * Reads JSON so that a number which JavaScript would round or shorten, as 19.90, is written again as it came.
 * @param {string} text
 * @returns {any} undefined where it is no JSON
 */
export function exact(text) {
  const { rawJSON } = /** @type {{ rawJSON?: (text: string) => unknown }} */ (JSON);
  /** @type {(key: string, value: unknown, context?: { source?: string }) => unknown} */
  const whole = (_, value, context) =>
    typeof value === "number" && rawJSON && context?.source && context.source !== String(value) ? rawJSON(context.source) : value;
  try {
    return JSON.parse(text, whole);
  } catch {
    return undefined;
  }
}

/**
 * Lays a JSON text out, and marks the places that the pointers (RFC 6901) name. What is no JSON stays as it is.
 * @param {string} text
 * @param {string[]} pointers
 * @returns {(string | Node)[]}
 */
export function laidOut(text, pointers = []) {
  if (parsed(text) === undefined) return [text];
  /** @type {(string | Node)[]} */
  const parts = [];
  /** @type {{ path: string, list: boolean, items: number }[]} the objects and lists that are open */
  const open = [];
  let key = "";
  const newLine = () => `\n${"  ".repeat(open.length)}`;
  for (const [token] of text.matchAll(TOKENS)) {
    const inside = open[open.length - 1];
    if (token === "," || token === ":") continue;
    if (token === "}" || token === "]") {
      open.pop();
      parts.push(inside.items ? newLine() + token : token);
    } else if (inside && !inside.list && !key) {
      key = token;
    } else {
      const place = key ? JSON.parse(key).replaceAll("~", "~0").replaceAll("/", "~1") : inside?.items;
      const path = inside ? `${inside.path}/${place}` : "";
      if (inside) parts.push((inside.items++ ? "," : "") + newLine());
      const said = key ? `${key}: ${token}` : token;
      parts.push(path && pointers.includes(path) ? element("mark", {}, said) : said);
      key = "";
      if (token === "{" || token === "[") open.push({ path, list: token === "[", items: 0 });
      if (open.length > DEEPEST) return [text];
    }
  }
  return parts;
}
