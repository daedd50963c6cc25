/** What Snowplow's tracker is asked with, and what it sends. */

const plugin = (name) => ({ path: `/${name}.js`, package: `@snowplow/browser-plugin-${name}-tracking`, file: "dist/index.umd.min.js" });

/** Its options that a feature asks for, and that would be in another's way. */
const ASKED = { batches: "bufferSize: 3,", cookies: 'stateStorageStrategy: "localStorage",', simple: 'eventMethod: "get",' };

export default {
  name: "Snowplow",
  package: "@snowplow/browser-tracker",
  file: "dist/index.umd.min.js",
  path: "/sp.js",
  plugins: [plugin("link-click"), plugin("form")],
  options: "respectDoNotTrack, enableActivityTracking and the plugins for link clicks and forms; for batches bufferSize, for no cookie stateStorageStrategy 'localStorage', for no preflight eventMethod 'get'",
  head: (collector, feature) =>
    `<script src="${collector}/sp.js"></script><script src="${collector}/link-click.js"></script><script src="${collector}/form.js"></script>
    <script>
      snowplowBrowserTracking.newTracker("sp", "${collector}", {
        appId: "k", encodeBase64: false, respectDoNotTrack: true, ${ASKED[feature] ?? ""}
        plugins: [snowplowLinkClickTracking.LinkClickTrackingPlugin(), snowplowFormTracking.FormTrackingPlugin()] });
      snowplowBrowserTracking.enableActivityTracking({ minimumVisitLength: 1, heartbeatDelay: 1 });
      snowplowBrowserTracking.trackPageView();
      addEventListener("DOMContentLoaded", () => {
        snowplowLinkClickTracking.enableLinkClickTracking();
        snowplowFormTracking.enableFormTracking();
      });
    </script>`,
  track: "(name) => snowplowBrowserTracking.trackStructEvent({ category: 'shop', action: name })",
  read: ({ url, body }) =>
    (body.length ? JSON.parse(body).data : [Object.fromEntries(url.searchParams)]).map(({ e, eid, se_ac, ue_pr = "", pp_may }) => ({
      kind: e == "pv" ? "view" : kind(ue_pr),
      name: se_ac,
      id: eid,
      engaged: e == "pp",
      depth: e == "pp" && pp_may > 0,
    })),
};

function kind(event) {
  if (event.includes("/submit_form/")) return "form";
  if (!event.includes("/link_click/")) return undefined;
  return event.includes("file.pdf") ? "download" : "outbound";
}
