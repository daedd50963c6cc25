/** The trackers' scripts as a browser gets them: as their packages have them, and minified where they have but the source. */

import { readFileSync } from "node:fs";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { minify } from "terser";

const PACKAGES = process.env.TRACKERS;

/** What Umami's own build puts in. */
const MARKS = { __COLLECT_API_HOST__: "", __COLLECT_API_ENDPOINT__: "/api/send" };

/**
 * @param {{ package?: string, file?: string, source?: true }} script
 * @param {string} [given] the source that is taken instead
 * @returns {Promise<string | undefined>} nothing where there is no such file
 */
async function script({ package: name, file, source }, given) {
  const path = given ?? (file && (name ? `${PACKAGES}/node_modules/${name}/${file}` : file));
  if (!path) return undefined;
  const text = readFileSync(path, "utf8");
  if (!source) return text;
  const filled = Object.entries(MARKS).reduce((filled, [mark, value]) => filled.replaceAll(mark, value), text);
  const { code } = await minify(filled, { ecma: 2020, compress: { passes: 3 }, format: { comments: false } });
  return code;
}

/** What a page loads of a tracker, by the paths; the first is its own script. Nothing where there is no such file. */
export async function scripts(tracker, given) {
  const core = await script(tracker, given);
  if (!core) return undefined;
  const all = { [tracker.path]: core };
  for (const plugin of tracker.plugins ?? []) all[plugin.path] = await script(plugin);
  return all;
}

/** The bytes of a script, or of several: as they are, and as gzip and brotli make each at their best. */
export const sizes = (codes) =>
  codes.map(size).reduce((one, other) => Object.fromEntries(Object.keys(one).map((what) => [what, one[what] + other[what]])));

function size(code) {
  const brotli = brotliCompressSync(code, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  return { minified: Buffer.byteLength(code), gzip: gzipSync(code, { level: 9 }).length, brotli: brotli.length };
}

/** The version of a tracker's package. */
export const version = ({ package: name }) =>
  name && JSON.parse(readFileSync(`${PACKAGES}/node_modules/${name}/package.json`, "utf8")).version;
