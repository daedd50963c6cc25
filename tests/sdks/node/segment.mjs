import { Analytics } from "@segment/analytics-node";

import { DEVICE, ENDPOINT, KEY, PAGE, Report, TITLE, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("@segment/analytics-node", "new Analytics({ writeKey, host })");
const analytics = new Analytics({ writeKey: KEY, host: ENDPOINT });
report.flush = () => analytics.flush();
analytics.on("error", (error) => report.error(error.code, error.reason));

const context = { page: { url: PAGE, title: TITLE } };
const both = { device_id: DEVICE, user_id: USER, url: PAGE };

const page = { url: PAGE, title: TITLE, marker: marker("page") };
analytics.page({ anonymousId: DEVICE, name: "Thanks", properties: page });
await report.sent("page", { device_id: DEVICE, url: PAGE, title: TITLE });

const order = { ...TOTAL, marker: marker("order") };
analytics.track({ anonymousId: DEVICE, event: "Order Completed", properties: order, context });
await report.sent("order", { name: "Order Completed", device_id: DEVICE, url: PAGE, props: order });

const traits = { plan: "team", marker: marker("identify") };
analytics.identify({ anonymousId: DEVICE, userId: USER, traits, context });
await report.sent("identify", { ...both, props: traits });

const second = { coupon: "ZH-10", marker: marker("second") };
analytics.track({ anonymousId: DEVICE, userId: USER, event: "Größe gewählt", properties: second, context });
await report.sent("second", { name: "Größe gewählt", ...both, props: second });

await analytics.closeAndFlush();
report.print();
