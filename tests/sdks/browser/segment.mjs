import { AnalyticsBrowser } from "@segment/analytics-next";

import { HERE, TOTAL, USER, endpoint, failed, key, marker, play, sent } from "./page.mjs";

play("@segment/analytics-next", "AnalyticsBrowser.load({ writeKey, cdnURL }, { integrations: { 'Segment.io': { apiHost, protocol } } })", async () => {
  const apiHost = `${endpoint.replace(/^https?:\/\//, "")}/v1`;
  const integrations = { "Segment.io": { apiHost, protocol: "http" } };
  const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: endpoint }, { integrations });
  analytics.on("error", (error) => failed(error.code, error.reason));
  analytics.on("delivery_failure", (context, error) => failed("delivery_failure", error));

  await analytics.page("Thanks", { marker: marker("page") });
  const device_id = (await analytics.user()).anonymousId();
  await sent("page", { device_id, ...HERE });

  const order = { ...TOTAL, marker: marker("order") };
  await analytics.track("Order Completed", order);
  await sent("order", { name: "Order Completed", device_id, ...HERE, props: order });

  const traits = { plan: "team", marker: marker("identify") };
  await analytics.identify(USER, traits);
  await sent("identify", { device_id, user_id: USER, ...HERE, props: traits });

  const second = { coupon: "ZH-10", marker: marker("second") };
  await analytics.track("Größe gewählt", second);
  await sent("second", { name: "Größe gewählt", device_id, user_id: USER, ...HERE, props: second });
});
