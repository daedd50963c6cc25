import { PostHog } from "posthog-node";

import { DEVICE, ENDPOINT, KEY, PAGE, Report, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("posthog-node", "new PostHog(KEY, { host })");
const posthog = new PostHog(KEY, { host: ENDPOINT });
report.flush = () => posthog.flush();
posthog.on("error", (error) => report.error(error));

// A server's distinct id is its user.
const page = { $current_url: PAGE, marker: marker("page") };
posthog.capture({ distinctId: USER, event: "$pageview", properties: page });
await report.sent("page", { user_id: USER, url: PAGE });

const order = { ...TOTAL, marker: marker("order") };
posthog.capture({ distinctId: USER, event: "Order Completed", properties: { ...order, $device_id: DEVICE } });
await report.sent("order", { name: "Order Completed", user_id: USER, device_id: DEVICE, props: order });

posthog.identify({ distinctId: USER, properties: { plan: "team", marker: marker("identify") } });
await report.sent("identify", { user_id: USER });

const second = { coupon: "ZH-10", marker: marker("second") };
posthog.capture({ distinctId: USER, event: "Größe gewählt", properties: second });
await report.sent("second", { name: "Größe gewählt", user_id: USER, props: second });

// After a request that is too large it sends the rest with the next flush.
await posthog.flush().catch((error) => report.error(error));
await posthog.shutdown();
report.print();
