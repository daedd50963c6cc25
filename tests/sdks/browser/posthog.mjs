import posthog from "posthog-js";

import { HERE, TOTAL, USER, endpoint, flushesBy, key, marker, play, sent } from "./page.mjs";

play("posthog-js", "posthog.init(KEY, { api_host })", async () => {
  posthog.init(key, {
    api_host: endpoint,
    // It drops all that an agent sends which looks like a bot's, and a headless Chromium's does.
    opt_out_useragent_filter: true,
    // Its first page view has no room for a marker.
    capture_pageview: false,
  });
  // It sends what it has every three seconds, and has no call for it.
  const isSent = (entries) => entries.some(({ name }) => new URL(name).pathname.endsWith("/e/"));
  flushesBy(() => new Promise((resolve) => {
    new PerformanceObserver((list) => isSent(list.getEntries()) && resolve()).observe({ type: "resource" });
  }));
  const device_id = posthog.get_property("$device_id");
  // Only its page views have a title.
  const { title, ...where } = HERE;

  posthog.capture("$pageview", { marker: marker("page") });
  await sent("page", { device_id, title, ...where });

  const order = { ...TOTAL, marker: marker("order") };
  posthog.capture("Order Completed", order);
  await sent("order", { name: "Order Completed", device_id, ...where, props: order });

  posthog.identify(USER, { plan: "team", marker: marker("identify") });
  await sent("identify", { device_id, user_id: USER, ...where });

  const second = { coupon: "ZH-10", marker: marker("second") };
  posthog.capture("Größe gewählt", second);
  await sent("second", { name: "Größe gewählt", device_id, user_id: USER, ...where, props: second });
});
