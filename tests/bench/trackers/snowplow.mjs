/** What Snowplow's tracker is asked with, and what it sends. */

const LINK_CLICK = "/link_click/";

export default {
  name: "Snowplow",
  package: "@snowplow/browser-tracker",
  file: "dist/index.umd.min.js",
  path: "/sp.js",
  plugin: { path: "/links.js", package: "@snowplow/browser-plugin-link-click-tracking", file: "dist/index.umd.min.js" },
  options: "respectDoNotTrack, enableActivityTracking, the link click plugin (not in the size)",
  head: (collector, feature) =>
    `<script src="${collector}/sp.js"></script><script src="${collector}/links.js"></script>
    <script>
      snowplowBrowserTracking.newTracker("sp", "${collector}", {
        appId: "k", encodeBase64: false, respectDoNotTrack: true, ${feature == "batches" ? "bufferSize: 3," : ""}
        plugins: [snowplowLinkClickTracking.LinkClickTrackingPlugin()] });
      snowplowBrowserTracking.enableActivityTracking({ minimumVisitLength: 1, heartbeatDelay: 1 });
      snowplowBrowserTracking.trackPageView();
      addEventListener("DOMContentLoaded", () => snowplowLinkClickTracking.enableLinkClickTracking());
    </script>`,
  track: "(name) => snowplowBrowserTracking.trackStructEvent({ category: 'shop', action: name })",
  read: ({ body }) =>
    JSON.parse(body).data.map(({ e, eid, se_ac, ue_pr = "", pp_may }) => ({
      kind: e == "pv" ? "view" : ue_pr.includes(LINK_CLICK) ? linkKind(ue_pr) : undefined,
      name: se_ac,
      id: eid,
      engaged: e == "pp",
      depth: e == "pp" && pp_may > 0,
    })),
};

const linkKind = (event) => (event.includes("file.pdf") ? "download" : "outbound");
