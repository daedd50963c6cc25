import { jitsuAnalytics } from "@jitsu/js";

import { ENDPOINT, KEY, Report, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("@jitsu/js", "jitsuAnalytics({ host, writeKey: KEY + \":secret\" })");
// Its keys are an id and a secret.
const analytics = jitsuAnalytics({ host: ENDPOINT, writeKey: `${KEY}:secret`, errorPolicy: (error) => report.error(error) });

const call = (sent) => Promise.resolve(sent).catch((error) => report.error(error));

await call(analytics.page("Thanks", { marker: marker("page") }));
report.sent("page", {});

const order = { ...TOTAL, marker: marker("order") };
await call(analytics.track("Order Completed", order));
report.sent("order", { name: "Order Completed", props: order });

await call(analytics.identify(USER, { plan: "team", marker: marker("identify") }));
report.sent("identify", { user_id: USER });

const second = { coupon: "ZH-10", marker: marker("second") };
await call(analytics.track("Größe gewählt", second));
report.sent("second", { name: "Größe gewählt", user_id: USER, props: second });
report.print();
