import { track } from "@minimal-analytics/ga4";

import { HERE, TOTAL, endpoint, key, marker, play, sent } from "./page.mjs";

play("@minimal-analytics/ga4", "window.minimalAnalytics = { trackingId, analyticsEndpoint: ENDPOINT + '/g/collect' }", async () => {
  window.minimalAnalytics = { analyticsEndpoint: `${endpoint}/g/collect`, trackingId: key };
  track({ type: "page_view", event: { "ep.marker": marker("page") } });
  const device_id = localStorage.getItem("clientId");
  await sent("page", { device_id, ...HERE });

  const order = { ...TOTAL, marker: marker("order") };
  track({ type: "order_completed", event: { "epn.total": order.total, "ep.currency": order.currency, "ep.marker": order.marker } });
  await sent("order", { name: "order_completed", device_id, ...HERE, props: order });

  const second = { coupon: "ZH-10", marker: marker("second") };
  track({ type: "coupon_used", event: { "ep.coupon": second.coupon, "ep.marker": second.marker } });
  await sent("second", { name: "coupon_used", device_id, ...HERE, props: second });
});
