/** What PostHog's script is asked with, and what it sends. */

import { gunzipSync } from "node:zlib";

export default {
  name: "PostHog",
  package: "posthog-js",
  file: "dist/array.js",
  path: "/static/array.js",
  options: "capture_pageview 'history_change', capture_pageleave, autocapture, respect_dnt; for consent opt_out_capturing_by_default, for no cookie persistence 'localStorage'",
  head: (collector, feature) =>
    `<script>
      window.posthog = [];
      posthog.__SV = 1;
      posthog._i = [["k", {
        api_host: "${collector}", capture_pageview: "history_change", capture_pageleave: true, autocapture: true,
        respect_dnt: true, advanced_disable_flags: true, disable_session_recording: true, disable_surveys: true, ${feature == "cookies" ? "persistence: 'localStorage'," : ""}
        opt_out_capturing_by_default: ${feature == "consent"}, opt_out_persistence_by_default: ${feature == "consent"} }, "posthog"]];
    </script>
    <script async src="${collector}/static/array.js"></script>`,
  track: "(name, props) => posthog.capture(name, props)",
  grant: "posthog.opt_in_capturing()",

  /** Its settings, which it asks its server for. */
  answer: ({ url }) => (/^\/(array|flags|decide)\//.test(url.pathname) ? {} : undefined),
  read({ url, body }) {
    if (!/^\/(e|i\/v0\/e|batch)\//.test(url.pathname)) return [];
    const sent = JSON.parse(plain(body));
    return (Array.isArray(sent) ? sent : (sent.batch ?? [sent])).map(({ event, uuid, properties }) => ({
      kind: kind(event, properties),
      name: event,
      id: uuid,
      engaged: properties.$prev_pageview_duration > 0,
      depth: properties.$prev_pageview_max_scroll_percentage > 0,
    }));
  },
};

/** It compresses what is long. */
function plain(body) {
  if (body[0] == 0x1f) return gunzipSync(body).toString();
  const text = body.toString();
  return text.startsWith("data=") ? Buffer.from(new URLSearchParams(text).get("data"), "base64").toString() : text;
}

function kind(event, properties) {
  if (event == "$pageview") return "view";
  if (event != "$autocapture") return undefined;
  if (properties.$event_type == "submit") return "form";
  return properties.$external_click_url ? "outbound" : JSON.stringify(properties).includes("file.pdf") ? "download" : undefined;
}
