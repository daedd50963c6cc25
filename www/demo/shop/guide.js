// The installation guide: the tag for a site, as the boxes say.

import { at } from "../dom.js";

/** This page's own tag, whose script a site uses as well. */
const script = /** @type {HTMLScriptElement} */ (document.querySelector("script[data-auto]"));
const stub = at("stub").textContent ?? "";

/** @param {BufferSource} bytes @param {string} algorithm */
const digest = async (bytes, algorithm) => new Uint8Array(await crypto.subtle.digest(algorithm, bytes));

/** @param {string} option */
const chosen = (option) => /** @type {HTMLInputElement} */ (at(`option-${option}`)).checked;

const key = /** @type {HTMLInputElement} */ (at("option-key"));
/** @param {string} value */
const quoted = (value) => `"${value.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"`;

/** The script's address by its content, and what a browser holds it to. */
async function pinned() {
  const bytes = await (await fetch(script.src)).arrayBuffer();
  const hash = [...(await digest(bytes, "SHA-256")).slice(0, 4)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const integrity = `sha384-${btoa(String.fromCharCode(...(await digest(bytes, "SHA-384"))))}`;
  return [`src="${script.src.replace(/\.js$/, `.${hash}.js`)}"`, `integrity="${integrity}"`, 'crossorigin="anonymous"'];
}

async function show() {
  const attributes = [
    "<script async",
    ...(chosen("pinned") ? await pinned() : [`src="${script.src}"`]),
    ...(key.value.trim() ? [`data-key=${quoted(key.value.trim())}`] : []),
    ...(chosen("auto") ? [`data-auto="${script.dataset.auto}"`] : []),
    ...(chosen("chunks") ? [`data-chunks="${script.dataset.chunks}"`] : []),
    ...(chosen("consent") ? ['data-consent="required"'] : []),
    ...(chosen("cookieless") ? ["data-cookieless"] : []),
  ];
  at("tag").textContent = `<script>${stub}</script>\n${attributes.join("\n  ")}></script>`;
  at("grant").hidden = !chosen("consent");
}

key.value = window.writeKey;
at("options").addEventListener("input", show);
// Browsers hash only where the page is secure.
/** @type {HTMLInputElement} */ (at("option-pinned")).disabled = !crypto.subtle;
at("policy").textContent = `script-src ${location.origin} ${at("policy").dataset.stub}; connect-src ${location.origin}`;
show();
