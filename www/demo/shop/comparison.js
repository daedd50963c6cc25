// What the worker made of an event: its record, field by field, beside what was sent.

import { element } from "../dom.js";
import { fields, shown } from "../reading.js";

/** @typedef {{ field: string, sent: unknown, kept: unknown, mark: "repaired" | "added" | "same" }} Row */

/** The fields that a record names otherwise. @type {Record<string, string>} */
const RENAMED = { id: "event_id", session_id: "client_session_id" };
/** The columns with the client's time: the first that a record has. A time that was not corrected is not written twice. */
const TIMES = ["client_time", "occurred_at"];
/** The fields, `1280x800`, of which a record makes two. */
const SIZES = ["screen", "viewport"];

const HEADINGS = { repaired: "Repaired", added: "Added by the worker", same: "As it was sent" };

/** A value whose objects have their keys in order. @param {unknown} value @returns {unknown} */
function ordered(value) {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(ordered);
  return Object.fromEntries(Object.entries(value).sort().map(([key, part]) => [key, ordered(part)]));
}

/** @param {string} field @param {unknown} sent @param {unknown} kept */
function same(field, sent, kept) {
  if (TIMES.includes(field)) return Date.parse(String(kept)) === sent;
  return JSON.stringify(ordered(sent)) === JSON.stringify(ordered(kept));
}

/** `props` one by one. @param {Record<string, unknown>} event */
function flat({ props, ...others }) {
  const own = Object.entries(fields(props)).map(([name, value]) => [`props.${name}`, value]);
  return { ...others, ...Object.fromEntries(own) };
}

/**
 * An event's fields by the names that its record gives them.
 * @param {Record<string, unknown>} event
 * @param {Record<string, unknown>} record
 */
function asKept(event, record) {
  return Object.entries(flat(event)).flatMap(([field, value]) => {
    if (value === null || value === "") return [];
    if (field === "time") return [[TIMES.find((time) => time in record) ?? field, value]];
    if (!SIZES.includes(field)) return [[RENAMED[field] ?? field, value]];
    const [width, height] = String(value).split("x").map(Number);
    return [[`${field}_width`, width], [`${field}_height`, height]];
  });
}

/**
 * An event's rows; a failed event has none of its fields but the bytes that came.
 * @param {Record<string, unknown>} sent
 * @param {Record<string, unknown>} record
 * @returns {Row[]}
 */
export function compare(sent, record) {
  const { repairs, ...kept } = flat(record);
  const rows = new Map(Object.entries(kept).map(([field, value]) => [field, /** @type {Row} */ ({ field, sent: undefined, kept: value, mark: "added" })]));
  for (const [field, value] of record.stage ? [] : asKept(sent, record)) {
    const there = rows.get(field)?.kept;
    rows.set(field, { field, sent: value, kept: there, mark: same(field, value, there) ? "same" : "repaired" });
  }
  return [...rows.values()];
}

/** @param {Row} row @param {string} rule */
function line({ field, sent, kept, mark }, rule) {
  const value = element("td", {});
  if (mark === "repaired") value.append(element("del", {}, shown(sent)), " ");
  value.append(mark === "repaired" ? element("ins", {}, shown(kept) || "left out") : shown(kept));
  if (rule) value.append(" ", element("span", { class: "tag" }, rule));
  return element("tr", {}, element("th", { scope: "row" }, field), value);
}

/**
 * @param {Record<string, unknown>} sent
 * @param {Record<string, unknown>} record
 */
export function table(sent, record) {
  const rows = compare(sent, record);
  const repairs = Array.isArray(record.repairs) ? record.repairs.map(fields) : [];
  const rule = (/** @type {string} */ field) =>
    repairs.filter(({ pointer }) => shown(pointer).slice(1).replaceAll("/", ".") === field).map((repair) => shown(repair.rule)).join(", ");
  const bodies = /** @type {Row["mark"][]} */ (["repaired", "added", "same"]).flatMap((mark) => {
    const marked = rows.filter((row) => row.mark === mark);
    if (!marked.length) return [];
    const heading = record.stage ? "The failed event" : HEADINGS[mark];
    const head = element("th", { colspan: "2", scope: "rowgroup" }, `${heading} `, element("span", {}, String(marked.length)));
    return [element("tbody", { class: mark }, element("tr", {}, head), ...marked.map((row) => line(row, mark === "repaired" ? rule(row.field) : "")))];
  });
  return element("table", {}, ...bodies);
}

/** What became of it in a few words. @param {Record<string, unknown>} sent @param {Record<string, unknown>} record */
export function gist(sent, record) {
  if (record.stage) return "kept with its reason";
  const rows = compare(sent, record);
  const count = (/** @type {Row["mark"]} */ mark) => rows.filter((row) => row.mark === mark).length;
  const repaired = count("repaired");
  return `+${count("added")} fields${repaired ? `, ${repaired} repaired` : ""}`;
}
