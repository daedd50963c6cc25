// The live log: each request of the snippet, what the worker answered, and the record of each event.

import { at, element } from "../dom.js";
import { checkReady } from "../readiness.js";
import { fields, plural, read, shown, summary } from "../reading.js";
import { gist, table } from "./comparison.js";
import { look } from "./records.js";
import { onRequest } from "./requests.js";

/** @typedef {import("../reading.js").Reading} Reading */
/** @typedef {import("../reading.js").Verdict} Verdict */
/** @typedef {import("./requests.js").Request} Request */

const REQUESTS_SHOWN = 60;
/** With more requests the visitor needs no hint. */
const TRIED = 3;
/** A record is late after this time, in milliseconds. */
const LATE_MS = 5_000;
/** The least time between two announcements of a screen reader, in milliseconds. */
const TELL_MS = 3_000;
/** Events that the page sends automatically, and that are not announced. */
const QUIET = new Set(["pointer", "page_leave", "web_vitals", "scroll"]);

const SIGNS = /** @type {Record<string, string>} */ ({ accepted: "✓", duplicate: "✓", failed: "✕", dropped: "✕", over_quota: "✕" });
/** How the tally names what events are, in its order. @type {Record<string, (count: number) => string>} */
const TALLY = {
  accepted: (count) => `${count} accepted`,
  duplicate: (count) => plural(count, "duplicate"),
  failed: (count) => `${count} failed`,
  dropped: (count) => `${count} dropped`,
  over_quota: (count) => `${count} over quota`,
  refused: (count) => `${count} refused`,
  held: (count) => `${count} not durable`,
  waiting: (count) => `${count} on the way`,
  "": (count) => `${count} without an answer`,
};
/** What each event is, by its id. @type {Map<unknown, string>} */
const outcomes = new Map();

/** An event in a few words: what it is about. @param {Record<string, unknown>} event */
function digest({ name, url, props }) {
  const said = Object.entries(fields(props))
    .filter(([, value]) => typeof value !== "object")
    .map(([key, value]) => `${key} ${shown(value)}`);
  const page = URL.canParse(shown(url)) ? new URL(shown(url)) : null;
  if (name === "page_view" && page) said.unshift(page.pathname + page.search);
  return said.join(", ").slice(0, 80);
}

/** One event's row. @param {Record<string, unknown>} event */
function row(event) {
  const result = element("span", { class: "result" }, "…");
  const more = element("span", { class: "gist" });
  const body = element("div", { class: "record" }, element("pre", { tabindex: "0" }, JSON.stringify(event, null, 2)));
  const head = element("summary", {}, element("b", {}, shown(event.name)), result, element("span", { class: "digest" }, digest(event)), more);
  return {
    line: element("li", {}, element("details", { class: "event" }, head, body)),
    /** @param {Verdict | undefined} verdict @param {Reading} reading */
    judge(verdict, { result: whole }) {
      const outcome = verdict?.outcome ?? (whole === "held" ? "kept for later" : whole);
      result.textContent = [SIGNS[outcome], outcome].filter(Boolean).join(" ");
      result.dataset.result = outcome === "duplicate" ? "accepted" : verdict ? outcome : whole;
      if (!verdict?.message) return;
      const place = [verdict.code, verdict.pointer].filter(Boolean).map((part) => element("code", { class: "tag" }, part));
      body.prepend(element("p", { class: "why" }, ...place, " ", verdict.message));
    },
    /** @param {Record<string, unknown>} record */
    record(record) {
      more.textContent = gist(event, record);
      body.querySelector("pre")?.replaceWith(table(event, record));
    },
    /** Says why there is no record. @param {string} why */
    lacksRecord(why) {
      more.textContent = why;
    },
  };
}

/** @param {Request} request */
function show({ via, body, events, began, reply }) {
  const rows = events.map(row);
  const again = events.some(({ id }) => outcomes.has(id));
  for (const { id } of events) if (!outcomes.has(id)) outcomes.set(id, "waiting");
  const bytes = new TextEncoder().encode(body).length;
  const what = `${events.length} ${events.length === 1 ? "event" : "events"}${again ? ", again" : ""} · ${bytes} bytes · ${via}`;
  const answer = element("span", { class: "answer" }, "waiting");
  const saying = element("p", { class: "saying", hidden: "" });
  const top = element("div", { class: "top" }, element("span", { class: "what" }, what), answer);
  const entry = element("li", { class: "request" }, top, saying, element("ol", { class: "events" }, ...rows.map(({ line }) => line).reverse()));
  at("empty").hidden = true;
  at("requests").prepend(entry);
  at("try").hidden = at("requests").children.length > TRIED;
  while (at("requests").children.length > REQUESTS_SHOWN) at("requests").lastElementChild?.remove();
  bar(events, "", "…");

  reply.then((came) => {
    /** @type {Reading | null} */
    const reading = came && read(came, { beacons: events.length, pixel: "" });
    if (reading) {
      entry.dataset.result = reading.result;
      answer.textContent = `${reading.answer} · ${Math.round(performance.now() - began)} ms`;
      saying.textContent = reading.says;
      saying.hidden = !reading.says || reading.answer === "204";
      rows.forEach((one, index) => one.judge(reading.verdicts[index], reading));
      events.forEach(({ id }, index) => {
        const outcome = reading.verdicts[index]?.outcome ?? reading.result;
        // What this page saw accepted stays so.
        if (outcomes.get(id) !== "accepted") outcomes.set(id, outcome in TALLY ? outcome : "");
      });
      bar(events, reading.result, summary(reading));
      if (reading.result === "held") checkReady();
    } else {
      entry.dataset.result = "";
      for (const { id } of events) if (outcomes.get(id) === "waiting") outcomes.set(id, "");
      answer.textContent = "no page can read it";
      bar(events, "", "sent");
    }
    if (!reading || reading.result === "accepted" || reading.result === "failed") records(events, rows);
  });
}

/** @param {Record<string, unknown>[]} events @param {ReturnType<typeof row>[]} rows */
async function records(events, rows) {
  const ids = events.map(({ id }) => shown(id));
  const missing = new Set(ids);
  /** @param {string} why */
  const lack = (why) => {
    for (const id of missing) rows[ids.indexOf(id)].lacksRecord(why);
  };
  const late = setTimeout(lack, LATE_MS, "its record is not there yet");
  const can = await look(ids, (id, record) => {
    missing.delete(id);
    rows[ids.indexOf(id)].record(record);
  });
  clearTimeout(late);
  lack(can ? "its record has not come" : "");
  at("elsewhere").hidden = can;
}

/** The last thing in one line, for the phone's bar and for screen readers. @param {Record<string, unknown>[]} events @param {string} result @param {string} said */
function bar(events, result, said) {
  const all = [...outcomes.values()];
  const counts = Object.entries(TALLY).map(([outcome, say]) => [all.filter((each) => each === outcome).length, say]);
  at("tally").textContent = counts.map(([count, say]) => count && say(count)).filter(Boolean).join(" · ");
  const loud = events.filter(({ name }) => !QUIET.has(shown(name)));
  if (!loud.length) return;
  const name = shown(loud[loud.length - 1].name);
  at("last-name").textContent = loud.length > 1 ? `${name} and ${loud.length - 1} more` : name;
  at("last-result").textContent = said;
  at("last-result").dataset.result = result;
  if (result) tell(`${name}: ${said}`);
}

let telling = 0;
let news = "";
/** @param {string} text */
function tell(text) {
  news = text;
  telling ||= setTimeout(() => {
    telling = 0;
    at("news").textContent = news;
  }, TELL_MS);
}

const toggle = at("log-bar");
/** On a phone the log is a sheet. @param {boolean} open */
function sheet(open) {
  toggle.setAttribute("aria-expanded", String(open));
  at("log").dataset.open = String(open);
}
toggle.addEventListener("click", () => sheet(toggle.getAttribute("aria-expanded") !== "true"));
at("log").addEventListener("keydown", ({ key }) => {
  if (key !== "Escape") return;
  sheet(false);
  toggle.focus();
});

onRequest(show);
