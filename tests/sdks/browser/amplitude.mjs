import * as amplitude from "@amplitude/analytics-browser";

import { TOTAL, USER, endpoint, failed, flushesBy, key, marker, play, sent } from "./page.mjs";

play("@amplitude/analytics-browser", "init(KEY, { serverUrl: ENDPOINT + '/2/httpapi' })", async () => {
  // Its settings come from its vendor, if they are not switched off.
  const remoteConfig = { fetchRemoteConfig: false };
  await amplitude.init(key, { serverUrl: `${endpoint}/2/httpapi`, remoteConfig, autocapture: true }).promise;
  flushesBy(() => amplitude.flush().promise);
  const device_id = amplitude.getDeviceId();
  const note = (result) => {
    if (result.code < 200 || result.code >= 300) failed(result.code, result.message);
  };

  const order = { ...TOTAL, marker: marker("order") };
  amplitude.track("Order Completed", order).promise.then(note);
  await sent("order", { name: "Order Completed", device_id, props: order });

  amplitude.setUserId(USER);
  const identify = new amplitude.Identify().set("plan", "team").set("marker", marker("identify"));
  amplitude.identify(identify).promise.then(note);
  await sent("identify", { device_id, user_id: USER });

  const second = { coupon: "ZH-10", marker: marker("second") };
  amplitude.track("Größe gewählt", second).promise.then(note);
  await sent("second", { name: "Größe gewählt", device_id, user_id: USER, props: second });
});
