/** What Umami's tracker is asked with, and what it sends. */

export default {
  name: "Umami",
  package: "umami",
  file: "src/tracker/index.js",
  source: true,
  path: "/script.js",
  options: "data-do-not-track",
  head: (collector) => `<script async src="${collector}/script.js" data-website-id="k" data-do-not-track="true"></script>`,
  track: "(name, props) => umami.track(name, props)",
  read({ body }) {
    const { name } = JSON.parse(body).payload;
    return [{ kind: name ? undefined : "view", name }];
  },
};
