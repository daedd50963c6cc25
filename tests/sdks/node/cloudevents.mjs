import { CloudEvent, Mode, emitterFor, httpTransport } from "cloudevents";

import { DEVICE, ENDPOINT, KEY, Report, TOTAL, USER, marker } from "./story.mjs";

const report = new Report("cloudevents", "emitterFor(httpTransport(ENDPOINT + '/v1/cloudevents'))");
const emit = emitterFor(httpTransport(`${ENDPOINT}/v1/cloudevents`), { mode: process.env.SDK_MODE ?? Mode.BINARY });

async function send(step, type, data) {
  const event = new CloudEvent({ type, source: "/shop", subject: "o-1", data, deviceid: DEVICE, userid: USER });
  try {
    // The transport gives the answer's body and headers, and never its status. Success has no body.
    const { body } = await emit(event, { headers: { authorization: `Bearer ${KEY}` } });
    if (body) report.error(body);
  } catch (error) {
    report.error(error);
  }
  report.sent(step, { name: type.split(".").pop(), device_id: DEVICE, user_id: USER, props: data });
}

await send("order", "com.shop.order_completed", { ...TOTAL, marker: marker("order") });
await send("second", "com.shop.coupon_used", { coupon: "ZH-10", marker: marker("second") });
report.print();
