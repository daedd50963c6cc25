import { Identify, createInstance } from "@amplitude/analytics-node";

import { DEVICE, ENDPOINT, KEY, Report, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("@amplitude/analytics-node", "init(KEY, { serverUrl: ENDPOINT + '/2/httpapi' })");
const amplitude = createInstance();
report.flush = () => amplitude.flush().promise;
await amplitude.init(KEY, { serverUrl: `${ENDPOINT}/2/httpapi` }).promise;

const results = [];
const note = (result) => {
  if (result.code < 200 || result.code >= 300) report.error(result.code, result.message);
};
const who = { device_id: DEVICE, user_id: USER };

const order = { ...TOTAL, marker: marker("order") };
results.push(amplitude.track("Order Completed", order, who).promise.then(note));
await report.sent("order", { name: "Order Completed", ...who, props: order });

const identify = new Identify().set("plan", "team").set("marker", marker("identify"));
results.push(amplitude.identify(identify, who).promise.then(note));
await report.sent("identify", who);

const second = { coupon: "ZH-10", marker: marker("second") };
results.push(amplitude.track("Größe gewählt", second, who).promise.then(note));
await report.sent("second", { name: "Größe gewählt", ...who, props: second });

// By itself it sends within ten seconds. What a call of `flush` sends it sends only once.
await Promise.all(results);
report.print();
