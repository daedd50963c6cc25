/** What Segment's Analytics.js is asked with, and what it sends. */

export default {
  name: "Segment",
  package: "@segment/analytics-next",
  file: "dist/umd/standalone.js",
  path: "/analytics.js/v1/k/analytics.min.js",
  options: "for batches the batching deliveryStrategy, for no cookie storage in localStorage",
  head: (collector, feature) =>
    `<script>
      window.analytics = [["page"]];
      analytics._writeKey = "k";
      analytics._cdn = "${collector}";
      analytics._loadOptions = ${JSON.stringify(feature == "cookies" ? { storage: { stores: ["localStorage", "memory"] } } : {})};
    </script>
    <script async src="${collector}/analytics.js/v1/k/analytics.min.js"></script>`,
  track: "(name, props) => analytics.track(name, props)",

  /** Its settings, which it asks its server for. */
  answer({ url }, feature) {
    if (!url.pathname.startsWith("/v1/projects/")) return undefined;
    const deliveryStrategy = feature == "batches" ? { strategy: "batching", config: { size: 3, timeout: 1_000 } } : undefined;
    return { integrations: { "Segment.io": { apiKey: "k", apiHost: `${url.host}/v1`, protocol: "http", deliveryStrategy } } };
  },
  read({ url, body }) {
    if (url.pathname == "/v1/m") return [];
    const sent = JSON.parse(body);
    return (sent.batch ?? [sent]).map(({ type, event, messageId }) => ({
      kind: type == "page" ? "view" : undefined,
      name: event,
      id: messageId,
    }));
  },
};
