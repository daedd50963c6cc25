import { RudderAnalytics } from "@rudderstack/analytics-js/bundled";

import { HERE, TOTAL, USER, endpoint, key, marker, play, sent } from "./page.mjs";

play("@rudderstack/analytics-js", "load(KEY, dataPlaneUrl, { configUrl })", async () => {
  const analytics = new RudderAnalytics();
  analytics.load(key, endpoint, { configUrl: endpoint });
  await new Promise((resolve) => analytics.ready(resolve));
  const device_id = analytics.getAnonymousId();

  analytics.page("Thanks", { marker: marker("page") });
  await sent("page", { device_id, ...HERE });

  const order = { ...TOTAL, marker: marker("order") };
  analytics.track("Order Completed", order);
  await sent("order", { name: "Order Completed", device_id, ...HERE, props: order });

  analytics.identify(USER, { plan: "team", marker: marker("identify") });
  await sent("identify", { device_id, user_id: USER, ...HERE });

  const second = { coupon: "ZH-10", marker: marker("second") };
  analytics.track("Größe gewählt", second);
  await sent("second", { name: "Größe gewählt", device_id, user_id: USER, ...HERE, props: second });
});
