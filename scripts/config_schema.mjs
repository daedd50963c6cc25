// Makes a JSON Schema of the table HEADWATER out of the tables of keys in www/docs, which tests hold to the code. Editors complete
// and check wrangler.toml by it. scripts/check knows more: what keys mean together.

import { readFileSync } from "node:fs";

/** The cells of the rows below a heading whose first column is called `first`. */
function rows(file, heading, first = "key") {
  const text = readFileSync(`www/docs/${file}`, "utf8");
  const section = text.split(`\n${heading}\n`)[1].split(/\n## /)[0];
  const lines = section.split("\n");
  const found = [];
  let inTable = false;
  for (const line of lines) {
    if (line.startsWith(`| ${first} |`)) inTable = true;
    else if (!line.startsWith("|")) inTable = false;
    else if (inTable && !line.startsWith("|-")) found.push(line.slice(2, -2).split(" | "));
  }
  return found;
}

const withoutLinks = (text) => text.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/`/g, "");

/** What the column `range` says of a value. */
function valueOf(range) {
  const texts = [...range.matchAll(/`"([^"`]+)"`/g)].map(([, text]) => text);
  if (texts.length) return /^list|^some of/.test(range) ? { type: "array", items: { enum: texts } } : { enum: texts };
  const bounds = range.match(/^(\d+) to (\d+)$/);
  if (bounds) return { type: bounds[1] === "0" && bounds[2] === "1" ? "number" : "integer", minimum: Number(bounds[1]), maximum: Number(bounds[2]) };
  const steps = range.match(/^a multiple of (\d+) up to (\d+), or `false`$/);
  if (steps) return { oneOf: [{ type: "integer", multipleOf: Number(steps[1]), minimum: Number(steps[1]), maximum: Number(steps[2]) }, { const: false }] };
  if (/^boolean$|^`true` or `false`$/.test(range)) return { type: "boolean" };
  if (/^list/.test(range)) return { type: "array" };
  if (/table/.test(range)) return { type: "object" };
  if (/^(path|stream|domain)\b/.test(range)) return { type: "string" };
  const words = [...range.matchAll(/`([\w-]+)`/g)].map(([, word]) => word);
  if (words.length) return { type: "array", items: { enum: words } };
  throw new Error(`www/docs/configuration.md: no schema says "${range}"`);
}

/** A list of tables with these keys. */
function tables(file, heading) {
  const keys = rows(file, heading).flatMap(([names, meaning]) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => [name, meaning]));
  return {
    type: "array",
    items: {
      type: "object",
      properties: Object.fromEntries(keys.map(([name, meaning]) => [name, { description: withoutLinks(meaning) }])),
      required: keys.filter(([, meaning]) => meaning.startsWith("required")).map(([name]) => name),
      additionalProperties: false,
    },
  };
}

/** The table of a write key: a tenant's own keys, and those that it inherits otherwise. */
function tenantKeys(inherited) {
  const own = {
    tenant: { type: "string" },
    quota: { type: "object", properties: { events_per_day: { type: "integer", minimum: 1, maximum: 1e12 } }, required: ["events_per_day"], additionalProperties: false },
  };
  const names = rows("configuration.md", "## The table", "key of a tenant").flatMap(([cell]) => [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const properties = Object.fromEntries(names.map((name) => [name, own[name] ?? inherited[name]]));
  return { type: "object", properties, required: ["tenant"], additionalProperties: false };
}

/** The JSON Schema, as text. */
export function configSchema() {
  const schema = {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "HEADWATER",
    description: "The configuration of Headwater: [vars.HEADWATER] in wrangler.toml",
    type: "object",
    properties: {},
    required: [],
    additionalProperties: false,
  };
  for (const [names, standard, range, meaning] of rows("configuration.md", "## The table")) {
    const [path] = names.match(/(?<=`)[\w.]+(?=`)/);
    const [outer, inner] = path.split(".");
    const value = { ...valueOf(range), description: withoutLinks(meaning) };
    try {
      value.default = JSON.parse(standard.replace(/`/g, ""));
    } catch {
      // Words such as `none` are no default.
    }
    if (standard === "required") schema.required.push(outer);
    if (inner) {
      schema.properties[outer] ??= { type: "object", properties: {}, additionalProperties: false };
      schema.properties[outer].properties[inner] = value;
    } else {
      schema.properties[outer] = value;
    }
  }
  const { properties } = schema;
  properties.origins.items = { type: "string" };
  properties.routes = { ...tables("routes-and-tenants.md", "## Routes"), description: properties.routes.description, minItems: 1 };
  properties.clean = { ...tables("cleaning.md", "## Your own rules"), description: properties.clean.description };
  properties.keys.additionalProperties = tenantKeys(properties);
  return `${JSON.stringify(schema, null, 1)}\n`;
}
