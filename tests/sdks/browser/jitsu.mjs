import { jitsuAnalytics } from "@jitsu/js";

import { HERE, TOTAL, USER, endpoint, failed, key, marker, play, sent } from "./page.mjs";

play("@jitsu/js", "jitsuAnalytics({ host, writeKey: KEY + ':secret' })", async () => {
  const analytics = jitsuAnalytics({ host: endpoint, writeKey: `${key}:secret`, errorPolicy: failed });

  await analytics.page("Thanks", { marker: marker("page") });
  await sent("page", { ...HERE });

  const order = { ...TOTAL, marker: marker("order") };
  await analytics.track("Order Completed", order);
  await sent("order", { name: "Order Completed", ...HERE, props: order });

  await analytics.identify(USER, { plan: "team", marker: marker("identify") });
  await sent("identify", { user_id: USER, ...HERE });

  const second = { coupon: "ZH-10", marker: marker("second") };
  await analytics.track("Größe gewählt", second);
  await sent("second", { name: "Größe gewählt", user_id: USER, ...HERE, props: second });
});
