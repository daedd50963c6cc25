/** What GoatCounter's count.js is asked with, and what it sends. It is in no npm package: measured where its file is given. */

export default {
  name: "GoatCounter",
  source: true,
  path: "/count.js",
  options: "allow_local",
  head: (collector) =>
    `<script>window.goatcounter = { allow_local: true }</script>
    <script async src="${collector}/count.js" data-goatcounter="${collector}/count"></script>`,
  track: "(name) => goatcounter.count({ path: name, event: true })",
  read({ url }) {
    const event = url.searchParams.get("e") == "true";
    return [{ kind: event ? undefined : "view", name: event ? url.searchParams.get("p") : undefined }];
  },
};
