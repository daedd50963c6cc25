import { Umami } from "@umami/node";

import { ENDPOINT, KEY, Report, TOTAL, marker } from "./story.mjs";

const report = new Report("@umami/node", "new Umami({ websiteId, hostUrl })");
const umami = new Umami({ websiteId: KEY, hostUrl: ENDPOINT });

// The SDK hands the answer to its caller, whatever it is.
async function send(call) {
  try {
    const answer = await call;
    const body = await answer.text();
    if (!answer.ok) report.error(answer.status, body);
    else JSON.parse(body);
  } catch (error) {
    report.error(error);
  }
}

const url = `/thanks?marker=${marker("page")}`;
await send(umami.track({ url, title: "Thanks", hostname: "shop.example", language: "de-CH", screen: "1920x1080", referrer: "" }));
report.sent("page", { title: "Thanks" });

const order = { ...TOTAL, marker: marker("order") };
await send(umami.track("Order Completed", order));
report.sent("order", { name: "Order Completed", props: order });

await send(umami.identify({ plan: "team", marker: marker("identify") }));
report.sent("identify", {});

const second = { coupon: "ZH-10", marker: marker("second") };
await send(umami.track("Größe gewählt", second));
report.sent("second", { name: "Größe gewählt", props: second });
report.print();
