// What an entry's line says: its name, and what it is about in a few words.

import { fields, shown } from "../../demo/reading.js";
import { exact } from "./json.js";

/** @typedef {import("./api.js").Entry} Entry */

const LONGEST = 160;
/** Columns that say what an event is about, the first that it has. */
const SUBJECTS = ["url", "title"];

/** The beacon as it came, if it is one and can be read. @param {Entry} entry */
function came({ received }) {
  const { form, text = "" } = received ?? {};
  if (form === "query") return Object.fromEntries(new URLSearchParams(text));
  return form === "beacon" ? fields(exact(text)) : {};
}

/** The name; of a bad one, what came. @param {Entry} entry @returns {{ name: string, isValid: boolean }} */
export function naming(entry) {
  if (entry.name) return { name: entry.name, isValid: true };
  const name = shown(came(entry).name);
  const { kind, status } = entry.request ?? {};
  return { name: name ? `“${name}”` : [kind, status].filter((part) => part !== undefined).join(" ") || "no name", isValid: false };
}

/** The page of an address, without its origin. @param {string} url */
function place(url) {
  if (!URL.canParse(url)) return url;
  const { pathname, search } = new URL(url);
  return pathname + search;
}

/** The reason, or what the event is about. @param {Entry} entry */
export function gist(entry) {
  const { message, pointer, outcome, record } = entry;
  // The name of the event and the version of its schema begin most messages; the line has the name.
  if (message && outcome !== "duplicate") return short(message.replace(/^[a-z][a-z0-9_.]* \d+\.\d+\.\d+: /, "") || (pointer ?? ""));
  const columns = fields(record ?? came(entry));
  const subject = SUBJECTS.map((column) => shown(columns[column])).find(Boolean);
  const props = Object.entries(fields(columns.props)).filter(([, value]) => typeof value !== "object" || value === null);
  const said = props.map(([key, value]) => `${key} ${shown(value)}`);
  return short([subject && place(subject), ...said].filter(Boolean).join(", "));
}

/** @param {string} text */
const short = (text) => (text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
