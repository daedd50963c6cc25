// Builds the snippet out of www/src into www: the script for a tag, its chunks, and a module for those who bundle.
// Lists the schemas in www/schemas.json, outside of their folder, where it would be the schema of an event.
//
//   node scripts/snippet.mjs           writes the files, and says how large they are and what the tag needs
//   node scripts/snippet.mjs --check   writes nothing, and fails if a file is not up to date

import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

if (process.argv.includes("--help")) {
  console.log("usage: node scripts/snippet.mjs [--check]");
  process.exit();
}

/** The most bytes that each script may have, as brotli makes them at its best. */
const BUDGETS = { "t.js": 2_220, "t.auto.js": 1_280, "t.vitals.js": 3_100, "t.pointer.js": 900, "t.video.js": 1_000 };
const CHUNKS = ["auto", "vitals", "pointer", "video"];

/** What browsers of the last five years support. */
const TARGET = "es2021";
/** They know these, too. Rewritten, web-vitals' own would keep names that are changed everywhere else. */
const SUPPORTED = { "class-field": true };

/** web-vitals marks the names that are its own. */
const MANGLE = { properties: { regex: /^_/ } };

async function bundle(entry, define = {}, mangle = true) {
  const { outputFiles } = await build({
    entryPoints: [`www/src/${entry}`],
    bundle: true,
    format: "esm",
    target: TARGET,
    supported: SUPPORTED,
    define,
    // Its tsconfig.json is for tsc, and would make it strict with a line of its own.
    tsconfigRaw: "{}",
    write: false,
  });
  const { code } = await minify(outputFiles[0].text, {
    ecma: 2020,
    module: true,
    toplevel: true,
    mangle,
    // What makes the fewest bytes once they are compressed.
    compress: { passes: 4, pure_getters: true, hoist_vars: true, hoist_props: false, comparisons: false, properties: false, unsafe: true, unsafe_arrows: true, unsafe_methods: true, loops: false },
    format: { comments: /^!/ },
  });
  return `${code}\n`;
}

const short = (text) => createHash("sha256").update(text).digest("hex").slice(0, 8);
const brotli = (text) =>
  brotliCompressSync(text, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: 11,
      [constants.BROTLI_PARAM_MODE]: constants.BROTLI_MODE_TEXT,
      [constants.BROTLI_PARAM_SIZE_HINT]: Buffer.byteLength(text),
    },
  }).length;

const files = new Map();
for (const chunk of CHUNKS) files.set(`t.${chunk}.js`, await bundle(`chunks/${chunk}.js`, {}, MANGLE));
// One hash for all chunks: a core asks for those that were built with it.
const define = { CHUNKS: JSON.stringify(short([...files.values()].join(""))) };
// A block holds its names as a function does, in fewer bytes.
files.set("t.js", (await bundle("t.js", define)).replace(/^var (.*)\n$/s, "{let $1}"));
files.set("t.mjs", await bundle("module.js", define));

/** What can be read of each schema; the schemas' own check reports those that can't be. */
function catalogue() {
  const names = readdirSync("www/schemas").filter((file) => file.endsWith(".json")).map((file) => file.slice(0, -".json".length));
  const schemas = names.sort().flatMap((name) => {
    const schema = `/schemas/${name}.json`;
    try {
      const { "x-version": version, "x-level": level } = JSON.parse(readFileSync(`www${schema}`, "utf8"));
      return [{ name, version, level, schema }];
    } catch {
      return [];
    }
  });
  return `${JSON.stringify({ schemas }, null, 1)}\n`;
}

function write(name, text) {
  // An unchanged file is not written: `wrangler dev` would load it again.
  if (!existsSync(`www/${name}`) || readFileSync(`www/${name}`, "utf8") != text) {
    if (process.argv.includes("--check")) throw new Error(`www/${name} is not up to date with its sources: run scripts/build`);
    writeFileSync(`www/${name}`, text);
  }
}

write("schemas.json", catalogue());
for (const [name, code] of files) {
  write(name, code);
  console.log(`snippet: www/${name} ${Buffer.byteLength(code)} bytes, ${gzipSync(code, { level: 9 }).length} gzip, ${brotli(code)} brotli`);
}
const core = files.get("t.js");
const integrity = `sha384-${createHash("sha384").update(core).digest("base64")}`;
console.log(`snippet: pinned, <script async src="/t.${short(core)}.js" integrity="${integrity}" crossorigin="anonymous"></script>`);
for (const [name, budget] of Object.entries(BUDGETS)) {
  const size = brotli(files.get(name));
  if (size > budget) throw new Error(`www/${name} has ${size} bytes of brotli, more than its budget of ${budget}`);
}
