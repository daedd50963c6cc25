// One entry in full: what came, what was made of it, and where it went.

import { element } from "../../demo/dom.js";
import { fields, shown } from "../../demo/reading.js";
import { compare } from "../../demo/shop/comparison.js";
import { exact, laidOut } from "./json.js";

/** @typedef {import("./api.js").Entry} Entry */
/** @typedef {import("./api.js").Violation} Violation */
/** @typedef {import("./api.js").Repair} Repair */
/** @typedef {[string, string | Node | undefined]} Line  A row's heading and what it says; without that there is no row. */

const COPIED_MS = 2_000;
const FORMS = /** @type {Record<string, string>} */ ({ beacon: "one beacon", query: "a pixel’s query", body: "a whole body", gzip_body: "a whole body, gzipped", record: "a record" });
/** The columns of a failed event that are shown elsewhere, and those that say why it failed. */
const SHOWN = ["violations", "repairs", "original"];
const FAILURE = ["stage", "code", "pointer", "message", "schema_id", "schema_version", "original_format", "original_bytes"];
/** The columns that say where a record goes. */
const ROUTE = ["level", "sample_rate", "delivered_via"];

/** @param {unknown} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/** @param {string} title @param {Line[]} lines @param {(Node | string)[]} more */
function part(title, lines, ...more) {
  const rows = lines
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value ?? "")));
  const table = rows.length ? [element("table", { "aria-label": title }, ...rows)] : [];
  const said = [...table, ...more];
  return element("section", {}, element("h3", {}, title), ...(said.length ? said : [element("p", { class: "small muted" }, "None.")]));
}

/** A box that a keyboard can scroll. @param {string} name @param {(Node | string)[]} content */
const box = (name, content) => element("pre", { tabindex: "0", role: "group", "aria-label": name }, ...content);

/** @param {number | undefined} count */
const bytes = (count) => (count === undefined ? undefined : `${count} bytes`);

/** The pairs of a query, a line each. @param {string} query @param {string[]} pointers */
function pairs(query, pointers) {
  const marked = pointers.map((pointer) => pointer.slice(1).replaceAll("/", "."));
  return [...new URLSearchParams(query)].flatMap(([key, value]) => {
    const said = `${key} = ${value}`;
    return [marked.includes(key) ? element("mark", {}, said) : said, "\n"];
  });
}

/** The beacon's fields, as far as they can be read. @param {Entry} entry @returns {Record<string, unknown>} */
function sent({ received }) {
  const { form, text = "" } = received ?? {};
  if (form === "beacon") {
    const beacon = fields(exact(text));
    return typeof beacon.time === "string" ? { ...beacon, time: Date.parse(beacon.time) } : beacon;
  }
  if (form !== "query") return {};
  /** @type {Record<string, unknown>} */
  const beacon = {};
  for (const [key, value] of new URLSearchParams(text)) {
    const [, object, inner] = /^(props|metadata)\.(.*)$/s.exec(key) ?? [];
    if (object) beacon[object] = { ...fields(beacon[object]), [inner]: value };
    // These alone are numbers in a query.
    else if (key !== "key" && key !== "_") beacon[key] = ["seq", "time"].includes(key) ? Number(value) : value;
  }
  return beacon;
}

/** @param {Entry} entry @param {string[]} pointers */
function receivedPart({ at: instant, request = {}, received = {} }, pointers) {
  const { kind, status, index, beacons = 1, content_type: type, content_encoding: encoding } = request;
  const { form, text, base64, cut } = received;
  const withheld = form && text === undefined && !base64;
  const notes = [base64 && "shown as base64", cut && "cut short", withheld && "withheld for privacy’s sake"].filter(Boolean).join(", ");
  const content = base64 ? [base64] : !text ? [] : form === "query" ? pairs(text, pointers) : laidOut(text, pointers);
  return part(
    "Received",
    [
      ["request", [kind, type, encoding].filter(Boolean).join(", ")],
      ["answered", shown(status)],
      ["received at", instant],
      ["body", bytes(request.bytes)],
      ["event", index === undefined ? undefined : `${index + 1} of ${beacons}`],
      ["parsed as", [FORMS[form ?? ""] ?? form, bytes(received.bytes), notes].filter(Boolean).join(", ")],
    ],
    ...(content.length ? [box("What came", content)] : []),
  );
}

/** @param {Entry} entry */
function recordParts(entry) {
  const { record, stream: place = "no stream" } = entry;
  if (!record) return [part("Route", [["stream", place]])];
  // Of a failed event's columns none is one of the beacon's fields.
  if (record.stage) {
    const columns = Object.entries(record).filter(([name]) => !SHOWN.includes(name));
    const lines = (/** @type {boolean} */ isWhy) => columns.filter(([name]) => FAILURE.includes(name) === isWhy).map(([name, value]) => /** @type {Line} */ ([name, shown(value)]));
    return [part("Route", [["stream", place]]), part("The failed event", lines(true)), part("Added by the worker", lines(false))];
  }
  const rows = compare(sent(entry), record).map(({ field, sent: came, kept, mark }) => {
    // A text that became a number looks the same but for its quotes.
    const said = shown(came) === shown(kept) ? JSON.stringify : shown;
    const changed = [element("del", {}, said(came)), " ", element("ins", {}, said(kept) || "left out")];
    const value = mark === "repaired" ? element("span", {}, ...changed) : shown(kept);
    return { field, added: mark === "added", line: /** @type {Line} */ ([field, value]) };
  });
  const session = rows.filter(({ field }) => field.startsWith("session_"));
  const route = rows.filter(({ field }) => ROUTE.includes(field));
  const others = rows.filter((row) => !session.includes(row) && !route.includes(row));
  const lines = (/** @type {typeof rows} */ some) => some.map(({ line }) => line);
  return [
    part("As it was sent", lines(others.filter(({ added }) => !added))),
    part("Session", lines(session)),
    part("Route", [["stream", place], ...lines(route)]),
    part("Added by the worker", lines(others.filter(({ added }) => added))),
  ];
}

/** @param {string} label @param {string} text what it copies */
function copyButton(label, text) {
  const button = element("button", { class: "quiet", type: "button" }, label);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser does not allow it";
    }
    setTimeout(() => (button.textContent = label), COPIED_MS);
  });
  return button;
}

/** Where to read more: the schema of the event, and what the code means. @param {Entry} entry */
function links({ name, code, outcome, record }) {
  const made = [];
  if (name && record?.schema_version) made.push(element("a", { href: `/schemas/${encodeURIComponent(name)}.json` }, `Schema of ${name}`));
  if (code && outcome !== "over_quota") made.push(element("a", { href: "/docs/error-codes" }, `What ${code} means`));
  return made;
}

/** @param {Entry} entry */
export function entryBody(entry) {
  const { name, schema, code, pointer, message, record, timing = {} } = entry;
  /** @type {Violation[]} */
  const violations = list(record?.violations);
  /** @type {Repair[]} */
  const repairs = list(record?.repairs);
  const pointers = [pointer, ...violations.map((violation) => violation.pointer)].filter((one) => one !== undefined);
  const why = element("p", { class: "why" });
  for (const tag of [code, pointer]) if (tag) why.append(element("code", { class: "tag" }, tag), " ");
  why.append(schema === null ? `The catalogue has no event ${name}, so that no schema was applied. Is the name right?` : (message ?? ""));

  const came = [receivedPart(entry, pointers)];
  if (violations.length > 1) came.push(part("Violations", violations.map((one) => [one.pointer || one.code, `${one.code}: ${one.message}`])));
  if (record) {
    const lines = repairs.map(({ rule, pointer: place, original }) => /** @type {Line} */ ([place || "more", original ? `${rule}, was ${original}` : rule]));
    came.push(part("Repairs", lines));
  }
  const [first, ...others] = recordParts(entry);
  const times = Object.entries(timing).map(([what, count]) => {
    const stage = what.replace(/_ms$/, "");
    return /** @type {Line} */ ([stage, stage === what ? shown(count) : `${count} ms`]);
  });
  if (times.length) others.push(part("Time", times));

  const body = element("div", { class: "body" });
  if (why.textContent) body.append(why);
  body.append(element("div", { class: "columns" }, element("div", {}, ...came, first), element("div", {}, ...others)));
  if (record) {
    // A duplicate's is what it would have been.
    const title = entry.stream ? "The record" : "The record, which is in no stream";
    body.append(element("details", {}, element("summary", {}, title), box(title, [JSON.stringify(record, null, 2)])));
  }
  const actions = [copyButton("Copy entry", JSON.stringify(entry, null, 2))];
  if (record) actions.push(copyButton("Copy record", JSON.stringify(record)));
  if (entry.event_id) actions.push(copyButton("Copy event id", entry.event_id));
  body.append(element("div", { class: "buttons" }, ...actions, ...links(entry)));
  return body;
}
