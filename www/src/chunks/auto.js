/**
 * Tracks interactions automatically: outbound links, downloads, forms, elements with `data-hw-event`, and how far and how
 * long a page was read.
 *
 * @typedef {(name: string, props?: object, fields?: object) => void} Track
 */

import { on } from "../guard.js";
import { cut, linkAddress } from "../text.js";
import { unhidden } from "../unhidden.js";

const FILE =
  /\.(pdf|docx?|xlsx?|pptx?|csv|txt|rtf|epub|zip|rar|7z|t?gz|dmg|exe|msi|pkg|deb|apk|iso|mp[34]|wav|mov|avi|webm)$/i;
/** Matches the start of an address that is content, such as `data:`, without the content. */
const CONTENT = /^(data:(\w+\/[\w.+-]+(?=[,;]))?|(?!blob)[^/:]+:(?!\/\/))/;

/** Taken from the prototype, since a form's fields can hide its methods. */
const { getAttribute, getAttributeNames, matches, querySelectorAll } = Element.prototype;

/**
 * Returns the innermost element in the path of a click, shadow trees included, that matches.
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
 * @param {number} max
 */
const trimmed = (text, max) => cut((text || "").trim(), max);

/** @param {string} hostname */
const site = (hostname) => hostname.replace(/^www\.|\.$/g, "");

/**
 * Returns the names of the fields that were filled in, each once.
 *
 * @param {HTMLFormElement} form
 */
const filledFields = (form) => {
  const names = new Set();
  /** @type {Iterable<any>} */
  const fields = querySelectorAll.call(form, "input:not([type=hidden]),select,textarea");
  for (const { name, value, type, checked } of fields)
    if (value && (checked || !/radio|checkbox/.test(type))) names.add(trimmed(name, 64));
  return [...names].filter((name) => name).slice(0, 100);
};

/**
 * @param {Track} track
 * @param {{ auto?: string }} settings
 * @param {(callback: () => void) => void} onPageLeave
 */
export default function (track, { auto = "" }, onPageLeave) {
  const wanted = auto.split(" ");
  for (const type of ["click", "auxclick"])
    on(type, (event) => {
      // The right button opens a menu.
      if (event.button > 1) return;
      trackMarked(clicked(event, "[data-hw-event]:not(form)"));
      // Also SVG's links and the areas of image maps.
      trackLink(clicked(event, ":any-link"));
    });
  on("submit", ({ target }) => {
    trackMarked(target);
    const [form_id] = ["id", "name"].map((name) => trimmed(getAttribute.call(target, name), 128)).filter((id) => id);
    if (wanted.includes("forms")) track("form_submit", { form_id: form_id || "form", fields: filledFields(target) });
  });

  /** @param {any} element */
  const trackMarked = (element) => {
    /** @type {Record<string, string | null>} */
    const props = {};
    for (const name of element ? getAttributeNames.call(element) : [])
      if (name.startsWith("data-hw-")) props[name.slice(8).replace(/-/g, "_")] = getAttribute.call(element, name);
    const { event, ...rest } = props;
    if (event) track(event, rest);
  };

  /** @param {any} link */
  const trackLink = (link) => {
    if (!link) return;
    // The `href` of an SVG link is no text.
    const { href, host, hostname, pathname } = Object.assign(/** @type {HTMLAnchorElement} */ (Document.prototype.createElement.call(document, "a")), { href: link.href.baseVal ?? link.href });
    const downloadName = link.getAttribute("download");
    const [content] = CONTENT.exec(href) || [];
    const file = FILE.exec(content ? downloadName || content.replace("/", ".") : pathname);
    if (file || downloadName != null) {
      if (wanted.includes("downloads"))
        track("download", { href: content ? trimmed(downloadName, 128) || content : linkAddress(href), file_type: file?.[1].toLowerCase() });
    } else if (hostname && site(hostname) != site(location.hostname) && wanted.includes("outbound")) {
      const text = trimmed(link.alt || link.textContent, 200);
      track("click", { target: trimmed(link.id, 128) || trimmed(host, 128), href: linkAddress(href), outbound: true, text });
    }
  };

  if (!wanted.includes("engagement")) return;
  /** The time until a page has its height, in milliseconds. */
  const LAYOUT_MS = 1e3;
  /** @type {{ url: string, title: string }} */
  let view;
  let attentiveSince = 0;
  let engaged = 0;
  let deepest = 0;
  const updateEngagement = () => {
    const now = performance.now();
    if (attentiveSince) engaged += now - attentiveSince;
    attentiveSince = !unhidden("hidden") && Document.prototype.hasFocus.call(document) ? now : 0;
  };
  const measureDepth = () => {
    const { scrollHeight } = unhidden("documentElement");
    deepest = Math.max(deepest, Math.min(100, (100 * (scrollY + innerHeight)) / scrollHeight || 0));
  };
  const beginView = () => {
    view = { url: location.href, title: unhidden("title") };
    deepest = 0;
    setTimeout(measureDepth, LAYOUT_MS);
  };
  const endView = () => {
    updateEngagement();
    if (engaged >= 1) track("page_leave", { depth: Math.round(deepest), engaged_ms: Math.round(engaged) }, view);
    engaged = 0;
  };
  updateEngagement();
  beginView();
  for (const type of ["focus", "blur"]) on(type, updateEngagement);
  on("scroll", measureDepth);
  on("visibilitychange", () => {
    if (unhidden("hidden")) {
      measureDepth();
      endView();
    } else updateEngagement();
  });
  onPageLeave(() => {
    // By now the address is the next page's, and maybe the height.
    endView();
    beginView();
  });
}
