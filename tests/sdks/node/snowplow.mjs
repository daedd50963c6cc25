import { buildPageView, buildSelfDescribingEvent, buildStructEvent, newTracker } from "@snowplow/node-tracker";

import { ENDPOINT, KEY, PAGE, Report, TITLE, TOTAL, USER, marker } from "./story.mjs";

// Without a network user id a Node tracker knows no device, only a domain user id that a page handed over.
const DEVICE = crypto.randomUUID();

const report = new Report("@snowplow/node-tracker", "newTracker({ appId }, { endpoint })");
// `flush` does not say when it is done.
const EVENTS = 3;
let ended = 0;
let finish;
const finished = new Promise((resolve) => (finish = resolve));
let tracked = 0;
report.flush = async () => {
  tracked += 1;
  while (ended < tracked) {
    tracker.flush();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const end = (batch) => {
  ended += batch.length;
  if (ended >= EVENTS) finish();
};
const tracker = newTracker(
  { namespace: "sdks", appId: KEY, encodeBase64: process.env.SDK_BASE64 !== "no" },
  {
    endpoint: ENDPOINT,
    eventMethod: process.env.SDK_METHOD ?? "post",
    onRequestSuccess: end,
    onRequestFailure: (failure) => {
      report.error(failure.status, failure.message, failure.willRetry ? "will retry" : "given up");
      if (!failure.willRetry) end(failure.events);
    },
  },
);
tracker.setDomainUserId(DEVICE);

const entity = (step) => [{ schema: "iglu:com.shop/step/jsonschema/1-0-0", data: { marker: marker(step) } }];

tracker.track(buildPageView({ pageUrl: PAGE, pageTitle: TITLE, referrer: "https://www.google.com/" }), entity("page"));
await report.sent("page", { device_id: DEVICE, url: PAGE, title: TITLE });

const order = { ...TOTAL, marker: marker("order") };
const schema = "iglu:com.shop/order_completed/jsonschema/1-0-0";
tracker.track(buildSelfDescribingEvent({ event: { schema, data: order } }));
await report.sent("order", { name: "order_completed", device_id: DEVICE, props: order });

// The tracker has no identify event: from here on each event names the user.
tracker.setUserId(USER);
tracker.track(buildStructEvent({ category: "coupon", action: "redeem", label: marker("second"), value: 10 }));
await report.sent("second", { name: "struct_event", device_id: DEVICE, user_id: USER });

tracker.flush();
// The emitter tries again with the next event or flush.
const again = setInterval(() => tracker.flush(), 1_000);
await finished;
clearInterval(again);
report.print();
