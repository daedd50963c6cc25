/** What Plausible's tracker is asked with, and what it sends. */

const KINDS = { pageview: "view", "Outbound Link: Click": "outbound", "File Download": "download", "Form: Submission": "form" };

export default {
  name: "Plausible",
  package: "@plausible-analytics/tracker",
  file: "plausible.js",
  path: "/script.js",
  options: "outboundLinks, fileDownloads, formSubmissions, captureOnLocalhost",
  head: (collector) =>
    `<script type="module">
      import { init } from "${collector}/script.js";
      init({ domain: "shop.example", endpoint: "${collector}/api/event",
        outboundLinks: true, fileDownloads: true, formSubmissions: true, captureOnLocalhost: true });
    </script>`,
  track: "(name, props) => plausible(name, { props })",
  read({ body }) {
    const { n, e, sd } = JSON.parse(body);
    const engagement = n == "engagement";
    return [{ kind: KINDS[n], name: n, engaged: engagement && e > 0, depth: engagement && sd > 0 }];
  },
};
