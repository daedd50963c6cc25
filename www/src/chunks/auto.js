/**
 * What a person does on a page, by itself: outbound links, downloads, forms, marked elements, and how far and how long a
 * page was read.
 *
 * @typedef {(name: string, props?: object, fields?: object) => void} Track
 */

import { on } from "../safely.js";
import { address, cut } from "../text.js";

const FILE =
  /\.(pdf|docx?|xlsx?|pptx?|csv|txt|rtf|epub|zip|rar|7z|t?gz|dmg|exe|msi|pkg|deb|apk|iso|mp[34]|wav|mov|avi|webm)$/i;
/** Addresses that hold content instead of a place, such as `data:`; the match holds none of it. */
const CONTENT = /^(data:(\w+\/[\w.+-]+(?=[,;]))?|(?!blob)[^/:]+:(?!\/\/))/;

/** A form's fields hide what has their names, so that it is not asked itself. */
const { getAttribute, getAttributeNames, matches, querySelectorAll } = Element.prototype;

/**
 * The innermost of the elements that a click went through, shadow trees too, of those that match.
 *
 * @param {Event} event
 * @param {string} selector
 */
const clicked = (event, selector) =>
  event.composedPath().find((node) => node instanceof Element && matches.call(node, selector));

/**
 * Trims a text and cuts it to a limit.
 *
 * @param {string | null} text
 * @param {number} most
 */
const short = (text, most) => cut((text || "").trim(), most);

/** @param {string} hostname */
const site = (hostname) => hostname.replace(/^www\.|\.$/g, "");

/**
 * The names of the fields that were filled in, each once.
 *
 * @param {HTMLFormElement} form
 */
const filledIn = (form) => {
  const names = new Set();
  /** @type {Iterable<any>} */
  const fields = querySelectorAll.call(form, "input:not([type=hidden]),select,textarea");
  for (const { name, value, type, checked } of fields)
    if (value && (checked || !/radio|checkbox/.test(type))) names.add(short(name, 64));
  return [...names].filter((name) => name).slice(0, 100);
};

/**
 * @param {Track} track
 * @param {{ auto?: string }} settings
 * @param {(act: () => void) => void} whenLeft
 */
export default function (track, { auto = "" }, whenLeft) {
  const wanted = auto.split(" ");
  for (const type of ["click", "auxclick"])
    on(type, (event) => {
      // The right button opens a menu.
      if (event.button > 1) return;
      marked(clicked(event, "[data-hw-event]:not(form)"));
      // Also SVG's links and the areas of image maps.
      follow(clicked(event, ":any-link"));
    });
  on("submit", ({ target }) => {
    marked(target);
    const [form_id] = ["id", "name"].map((name) => short(getAttribute.call(target, name), 128)).filter((id) => id);
    if (wanted.includes("forms")) track("form_submit", { form_id: form_id || "form", fields: filledIn(target) });
  });

  /** @param {any} element */
  const marked = (element) => {
    /** @type {Record<string, string | null>} */
    const props = {};
    for (const name of element ? getAttributeNames.call(element) : [])
      if (name.startsWith("data-hw-")) props[name.slice(8).replace(/-/g, "_")] = getAttribute.call(element, name);
    const { event, ...rest } = props;
    if (event) track(event, rest);
  };

  /** @param {any} link */
  const follow = (link) => {
    if (!link) return;
    // The `href` of an SVG link is no text.
    const { href, host, hostname, pathname } = Object.assign(document.createElement("a"), { href: link.href.baseVal ?? link.href });
    const saved = link.getAttribute("download");
    const [content] = CONTENT.exec(href) || [];
    const file = FILE.exec(content ? saved || content.replace("/", ".") : pathname);
    if (file || saved != null) {
      if (wanted.includes("downloads"))
        track("download", { href: content ? short(saved, 128) || content : address(href), file_type: file?.[1].toLowerCase() });
    } else if (hostname && site(hostname) != site(location.hostname) && wanted.includes("outbound")) {
      const text = short(link.alt || link.textContent, 200);
      track("click", { target: short(link.id, 128) || short(host, 128), href: address(href), outbound: true, text });
    }
  };

  if (!wanted.includes("engagement")) return;
  /** How long a page takes to get its height, in milliseconds. */
  const SETTLE_MS = 1e3;
  /** @type {{ url: string, title: string }} */
  let view;
  let since = 0;
  let engaged = 0;
  let deepest = 0;
  const attend = () => {
    const now = performance.now();
    if (since) engaged += now - since;
    since = !document.hidden && document.hasFocus() ? now : 0;
  };
  const look = () => {
    const { scrollHeight } = document.documentElement;
    deepest = Math.max(deepest, Math.min(100, (100 * (scrollY + innerHeight)) / scrollHeight || 0));
  };
  const begin = () => {
    view = { url: location.href, title: document.title };
    deepest = 0;
    setTimeout(look, SETTLE_MS);
  };
  const leave = () => {
    attend();
    if (engaged >= 1) track("page_leave", { depth: Math.round(deepest), engaged_ms: Math.round(engaged) }, view);
    engaged = 0;
  };
  attend();
  begin();
  for (const type of ["focus", "blur"]) on(type, attend);
  on("scroll", look);
  on("visibilitychange", () => {
    if (document.hidden) {
      look();
      leave();
    } else attend();
  });
  whenLeft(() => {
    // By now the address is the next page's, and maybe the height.
    leave();
    begin();
  });
}
