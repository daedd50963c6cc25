/**
 * Prints how large each tracker's script is and what it was seen to do.
 *
 *   node table.mjs [NAME=FILE …]   with another file for a tracker's script: `GoatCounter=count.js`
 */

import { FEATURES } from "./features.mjs";
import { scripts, sizes, version } from "./scripts.mjs";
import { TRACKERS } from "./trackers.mjs";
import { Visit, browser } from "./visit.mjs";

const MARKS = new Map([[true, "✓"], [false, "✗"], [undefined, "–"]]);
const given = Object.fromEntries(process.argv.slice(2).map((pair) => pair.split("=")));

const row = (title, cells) => console.log(`| ${title} | ${cells.join(" | ")} |`);
const bytes = (number) => number.toLocaleString("en");

/** What a tracker did, by the features' names. */
async function shown(chrome, tracker, loaded) {
  const seen = {};
  for (const [feature, { ask }] of Object.entries(FEATURES)) seen[feature] = await Visit.with(chrome, tracker, loaded, feature, ask);
  return seen;
}

const chrome = await browser();
try {
  const measured = await Promise.all(
    TRACKERS.map(async (tracker) => {
      const loaded = await scripts(tracker, given[tracker.name]);
      if (!loaded) return { tracker, seen: {} };
      const codes = Object.values(loaded);
      return { tracker, size: sizes(codes.slice(0, 1)), all: sizes(codes), seen: await shown(chrome, tracker, loaded) };
    }),
  );
  row("", measured.map(({ tracker }) => tracker.name));
  row(":--", measured.map(() => ":-:"));
  for (const what of ["minified", "gzip", "brotli"]) row(`bytes, ${what}`, measured.map(({ size }) => (size ? bytes(size[what]) : "–")));
  row("bytes, brotli, with what it loads for the rows below", measured.map(({ all }) => (all ? bytes(all.brotli) : "–")));
  for (const [feature, { claim }] of Object.entries(FEATURES)) row(claim, measured.map(({ seen }) => MARKS.get(seen[feature])));
  console.log("");
  for (const { tracker, size } of measured) {
    const source = given[tracker.name] ? "a given file" : tracker.package ? `${tracker.package} ${version(tracker)}` : (tracker.file ?? "in no npm package");
    console.log(`- ${tracker.name}: ${source}${size ? `; options: ${tracker.options}` : ""}.`);
  }
} finally {
  await chrome.close();
}
