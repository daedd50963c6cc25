/** What Headwater's core is asked with, and what it sends. */

import { readFileSync } from "node:fs";

const AUTO = "outbound downloads forms engagement";
const KINDS = { page_view: "view", click: "outbound", download: "download", form_submit: "form" };

/** The core names the hash of its chunks. */
const [, hash] = readFileSync("www/t.js", "utf8").match(/\.([0-9a-f]{8})\.js/);

export default {
  name: "Headwater",
  file: "www/t.js",
  path: "/t.js",
  plugins: [{ path: `/t.auto.${hash}.js`, file: "www/t.auto.js" }],
  options: `data-auto="${AUTO}"; for consent, data-consent`,
  head: (collector, feature) =>
    `<script>window.headwater=window.headwater||function(){(headwater.q=headwater.q||[]).push(arguments)}</script>
    <script async src="${collector}/t.js" data-key="k" data-auto="${AUTO}" ${feature == "consent" ? "data-consent" : ""}></script>`,
  track: "(name, props) => headwater('track', name, props)",
  grant: "headwater('consent', 'granted')",
  read: ({ body }) =>
    JSON.parse(body).events.map(({ name, id, props }) => ({
      kind: KINDS[name],
      name,
      id,
      engaged: name == "page_leave" && props.engaged_ms > 0,
      depth: name == "page_leave" && props.depth > 0,
    })),
};
