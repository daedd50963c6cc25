import { newTracker, setUserId, trackPageView, trackSelfDescribingEvent, trackStructEvent } from "@snowplow/browser-tracker";

import { HERE, TOTAL, USER, endpoint, failed, flushesBy, key, marker, play, sent } from "./page.mjs";

play("@snowplow/browser-tracker", "newTracker('sp', ENDPOINT, { appId })", async () => {
  let ended = 0;
  const tracker = newTracker("sp", endpoint, {
    appId: key,
    onRequestSuccess: (batch) => (ended += batch.length),
    onRequestFailure: (failure) => {
      failed(failure.status, failure.message, failure.willRetry ? "will retry" : "given up");
      if (!failure.willRetry) ended += failure.events.length;
    },
  });
  let tracked = 0;
  flushesBy(async () => {
    tracked += 1;
    while (ended < tracked) await new Promise((resolve) => setTimeout(resolve, 50));
  });
  // It tries again with the next event, or when it is asked to.
  setInterval(() => tracker.flushBuffer(), 1_000);
  const device_id = tracker.getDomainUserId();
  // Only its page views have a title.
  const { title, ...here } = HERE;
  const where = { device_id, ...here };

  trackPageView({ context: [{ schema: "iglu:com.shop/step/jsonschema/1-0-0", data: { marker: marker("page") } }] });
  await sent("page", { title, ...where });

  const order = { ...TOTAL, marker: marker("order") };
  trackSelfDescribingEvent({ event: { schema: "iglu:com.shop/order_completed/jsonschema/1-0-0", data: order } });
  await sent("order", { name: "order_completed", ...where, props: order });

  // The tracker has no identify event: from here on each event names the user.
  setUserId(USER);
  trackStructEvent({ category: "coupon", action: "redeem", label: marker("second"), value: 10 });
  await sent("second", { name: "struct_event", ...where, user_id: USER });
});
