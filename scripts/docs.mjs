// Renders www/docs/*.md to HTML beside them. www/docs/README.md lists the pages: its headings and links are the sidebar.
//
//   node scripts/docs.mjs           writes what has changed
//   node scripts/docs.mjs --check   writes nothing
//
// Both fail if a link leads nowhere, or a page is not listed. marked reads the Markdown: it is small, has no dependencies
// of its own, follows CommonMark and GitHub's tables, and lets us write links and headings ourselves.

import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { Marked } from "marked";
import { configSchema } from "./config_schema.mjs";

const FOLDER = "www/docs";
const HOME = "README.md";
/** Other Markdown whose links `--check` reads, but which is not rendered. */
const OTHERS = process.argv.includes("--check") ? ["README.md", "src/docs", ".github"] : [];
const MARK = "M5 4c0 9 11 8 11 16v9M16 3v26M27 4c0 9-11 8-11 16";

const escape = (text) => text.replace(/[&<>"]/g, (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[character]);
const plain = (html) =>
  html
    .replace(/<[^>]*>/g, " ")
    .replace(/&(amp|lt|gt|quot|#39);/g, (_, name) => ({ amp: "&", lt: "<", gt: ">", quot: '"', "#39": "'" })[name])
    .replace(/\s+/g, " ")
    .trim();

/** A page's name in its address: nothing for the first page. */
const slug = (file) => (file === HOME ? "" : file.replace(/\.md$/, "").toLowerCase());
const address = (file) => `/docs/${slug(file)}`;
const output = (file) => `${slug(file) || "index"}.html`;

/** The anchor of a heading, as GitHub makes it. */
function anchors() {
  const seen = new Map();
  return (text) => {
    const id = text
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replace(/ /g, "-");
    const count = seen.get(id) ?? 0;
    seen.set(id, count + 1);
    return count ? `${id}-${count}` : id;
  };
}

const problems = [];

/** Renders one page: its HTML, its headings with the text below each, and its links. */
function render(file, text, hrefOf) {
  const anchor = anchors();
  const headings = [];
  const links = [];
  const marked = new Marked({ gfm: true });
  marked.use({
    renderer: {
      heading({ tokens, depth }) {
        const html = this.parser.parseInline(tokens);
        const title = plain(html);
        const id = anchor(title);
        headings.push({ id, title, depth });
        return depth === 1 ? `<h1 id="${id}">${html}</h1>\n` : `<h${depth} id="${id}">${html} <a class="anchor" href="#${id}" aria-label="Link to ${escape(title)}">#</a></h${depth}>\n`;
      },
      link({ href, tokens }) {
        links.push(href);
        const to = hrefOf(file, href);
        const rel = /^https?:/.test(to) ? ' rel="noopener"' : "";
        return `<a href="${escape(to)}"${rel}>${this.parser.parseInline(tokens)}</a>`;
      },
      code({ text: code, lang }) {
        return `<pre tabindex="0" aria-label="${lang === "console" || lang === "sh" ? "Commands" : "Example"}"><code>${escape(code)}\n</code></pre>\n`;
      },
      html({ text: html }) {
        problems.push(`${file}: raw HTML is not allowed: ${html.trim()}`);
        return "";
      },
    },
  });
  const html = marked
    .parse(text)
    .replaceAll("<table>", '<div class="table" tabindex="0" role="region" aria-label="Table"><table>')
    .replaceAll("</table>", "</table></div>")
    .replaceAll("<th></th>", "<td></td>");
  return { html, headings, links };
}

/** Where a link of a page leads on the site. */
function onSite(file, href) {
  if (/^(https?:|\/|#)/.test(href)) return href;
  const [path, anchor] = href.split("#");
  return address(normalize(path)) + (anchor ? `#${anchor}` : "");
}

/** The sidebar's groups, from the headings and lists of the first page. */
function groups(text) {
  const found = [];
  for (const line of text.split("\n")) {
    const [, heading] = /^## (.+)$/.exec(line) ?? [];
    if (heading) found.push({ heading, pages: [] });
    const [, title, file] = /^- \[(.+?)\]\(([\w-]+\.md)\)/.exec(line) ?? [];
    if (file) found.at(-1).pages.push({ title, file });
  }
  return found;
}

/** A whole page. Its own ids begin with _, which no heading's does. */
function document({ file, title, html, headings, nav }) {
  const pages = nav.flatMap((group) => group.pages);
  const at = pages.findIndex((page) => page.file === file);
  const [before, after] = [pages[at - 1], pages[at + 1]];
  const link = ({ file: other, title: name }) =>
    `<li><a href="${address(other)}"${other === file ? ' aria-current="page"' : ""}>${escape(name)}</a></li>`;
  const second = headings.filter(({ depth }) => depth === 2);
  const toc = second.length < 3 ? "" : `<nav class="toc" aria-labelledby="_toc"><h2 id="_toc">On this page</h2><ul>${second.map(({ id, title: name }) => `<li><a href="#${id}">${escape(name)}</a></li>`).join("")}</ul></nav>`;
  const near = [before && `<a class="before" href="${address(before.file)}"><span>Previous</span> ${escape(before.title)}</a>`, at >= 0 && after && `<a class="after" href="${address(after.file)}"><span>Next</span> ${escape(after.title)}</a>`];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'">
<title>${escape(title)}${file === HOME ? " of Headwater" : " – Headwater"}</title>
<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' stroke='%230b8479' stroke-width='3' stroke-linecap='round'%3E%3Cpath d='${MARK}'/%3E%3C/svg%3E">
<link rel="stylesheet" href="/docs/docs.css">
<script src="/docs/search.js" defer></script>
</head>
<body>
<a class="skip" href="#_content">Skip to the content</a>
<header>
  <a class="brand" href="/docs/"><svg viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round" aria-hidden="true"><path d="${MARK}"/></svg> Headwater</a>
  <search id="_search" hidden></search>
  <nav class="places" aria-label="Site"><a class="menu" href="#_pages">All pages</a> <a href="/">Demo</a> <a href="/_/inspect">Inspector</a></nav>
</header>
<div class="columns">
<main id="_content">
${html}${near.some(Boolean) ? `<nav class="near" aria-label="Nearby pages">${near.filter(Boolean).join(" ")}</nav>\n` : ""}</main>
${toc}
<nav class="pages" id="_pages" aria-label="All pages">
${nav.map(({ heading, pages: its }) => `<h2>${escape(heading)}</h2>\n<ul>${its.map(link).join("")}</ul>`).join("\n")}
</nav>
</div>
</body>
</html>
`;
}

/** What the search looks through: of each section its title, its address and its text. */
function sections({ file, title, html }) {
  const parts = html.split(/(?=<h[1-4] id=")/).filter((part) => part.startsWith("<h"));
  return parts.map((part) => {
    const [, id, heading, body] = /^<h[1-4] id="([^"]*)">([\s\S]*?)<\/h[1-4]>([\s\S]*)$/.exec(part);
    const name = plain(heading.replace(/<a class="anchor".*/, ""));
    return { page: title, heading: name === title ? "" : name, href: address(file) + (name === title ? "" : `#${id}`), text: plain(body.replace(/<\/t[dh]>\s*(?=<t[dh])/g, " – ")) };
  });
}

const files = readdirSync(FOLDER).filter((name) => name.endsWith(".md"));
const texts = new Map(files.map((file) => [file, readFileSync(join(FOLDER, file), "utf8")]));
const nav = groups(texts.get(HOME));
const listed = nav.flatMap(({ pages }) => pages.map(({ file }) => file));
const pages = files.map((file) => {
  const page = { file, nav, ...render(file, texts.get(file), onSite) };
  const first = page.headings.filter(({ depth }) => depth === 1);
  if (first.length !== 1) problems.push(`${file}: has ${first.length} first-level headings instead of one`);
  page.title = first[0]?.title ?? file;
  const times = listed.filter((name) => name === file).length;
  if (file !== HOME && times !== 1) problems.push(`${file}: ${HOME} lists it ${times} times instead of once`);
  return page;
});

/** The anchors of a file, rendered or not. */
const known = new Map(pages.map(({ file, headings }) => [join(FOLDER, file), new Set(headings.map(({ id }) => id))]));
function anchorsOf(path) {
  if (!known.has(path)) {
    const { headings } = render(path, readFileSync(path, "utf8"), (_, href) => href);
    known.set(path, new Set(headings.map(({ id }) => id)));
  }
  return known.get(path);
}

function checkLinks(path, links, isServed) {
  for (const href of links) {
    if (/^(https?:|mailto:|\/)/.test(href)) continue;
    const [relative, anchor] = href.split("#");
    const target = relative ? normalize(join(dirname(path), relative)) : path;
    if (!existsSync(target)) problems.push(`${path}: ${href} leads nowhere`);
    else if (isServed && !known.has(target)) problems.push(`${path}: ${href} is not served; name the file in code instead`);
    else if (anchor && !anchorsOf(target).has(anchor)) problems.push(`${path}: ${href} has no such anchor`);
  }
}

for (const { file, links } of pages) checkLinks(join(FOLDER, file), links, true);
for (const place of OTHERS) {
  const its = place.endsWith(".md") ? [place] : readdirSync(place, { recursive: true }).filter((name) => name.endsWith(".md")).map((name) => join(place, name));
  for (const path of its) {
    const before = problems.length;
    const { links } = render(path, readFileSync(path, "utf8"), (_, href) => href);
    // Comments in templates are HTML, and not ours to render.
    problems.length = before;
    checkLinks(path, links, false);
  }
}
if (problems.length) {
  for (const problem of problems) console.error(`docs: ${problem}`);
  process.exit(1);
}
if (process.argv.includes("--check")) {
  console.log(`docs: ${pages.length} pages have no wrong link`);
  process.exit();
}

const written = new Map(pages.map((page) => [output(page.file), document(page)]));
const order = [HOME, ...listed];
const index = pages.toSorted((a, b) => order.indexOf(a.file) - order.indexOf(b.file)).flatMap(sections);
written.set("search.json", `${JSON.stringify(index)}\n`);
written.set("configuration.schema.json", configSchema());
for (const name of readdirSync(FOLDER)) if (name.endsWith(".html") && !written.has(name)) rmSync(join(FOLDER, name));
for (const [name, content] of written) {
  const path = join(FOLDER, name);
  // An unchanged file stays as old as it is, so that wrangler does not load it again.
  if (!existsSync(path) || readFileSync(path, "utf8") !== content) writeFileSync(path, content);
}
console.log(`docs: ${pages.length} pages in ${FOLDER}`);
