/**
 * Bundles the workers that scripts/bench measures ours against, each in one file.
 *
 *   node bundle.mjs PACKAGES TO   PACKAGES has the node_modules of package.json, TO gets put.js, hop.js and peer.js
 */

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";

const HERE = import.meta.dirname;
const [packages, to] = process.argv.slice(2);
const require = createRequire(join(packages, "package.json"));
const { default: Ajv } = require("ajv/dist/2020.js");
const { default: standaloneCode } = require("ajv/dist/standalone/index.js");

/** Compiles the schema of a beacon ahead: Workers run no code that is made at run time. */
const validator = {
  name: "validator",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\/validate\.mjs$/ }, () => ({ path: "validate", namespace: "ajv" }));
    onLoad({ filter: /./, namespace: "ajv" }, () => {
      const ajv = new Ajv({ code: { source: true, esm: true, lines: true }, allowUnionTypes: true });
      const schema = JSON.parse(readFileSync(join(HERE, "beacon.schema.json"), "utf8"));
      return { contents: standaloneCode(ajv, ajv.compile(schema)), resolveDir: packages };
    });
  },
};

await build({
  entryPoints: ["put", "hop", "peer"].map((name) => join(HERE, `${name}.mjs`)),
  outdir: to,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2024",
  external: ["cloudflare:workers"],
  nodePaths: [join(packages, "node_modules")],
  plugins: [validator],
  logLevel: "warning",
});
