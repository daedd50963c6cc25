import { init, track } from "@plausible-analytics/tracker";

import { HERE, endpoint, failed, key, marker, play, sent } from "./page.mjs";

play("@plausible-analytics/tracker", "init({ domain, endpoint: ENDPOINT + '/api/event' })", async () => {
  init({ domain: key, endpoint: `${endpoint}/api/event`, captureOnLocalhost: true, autoCapturePageviews: false });
  const where = { url: HERE.url, referrer: HERE.referrer };
  // It has no device and no user, and its props are texts.
  const send = (name, options) =>
    new Promise((resolve) => {
      const callback = (result) => {
        if (!result || result.error || result.status >= 400) failed(name, JSON.stringify(result) ?? "ignored");
        resolve();
      };
      track(name, { ...options, callback });
    });

  await send("pageview", { props: { marker: marker("page") } });
  await sent("page", where);

  const revenue = { amount: 19.9, currency: "CHF" };
  await send("Order Completed", { props: { marker: marker("order") }, revenue });
  await sent("order", { name: "Order Completed", ...where, props: { total: revenue.amount, currency: revenue.currency, marker: marker("order") } });

  const second = { coupon: "ZH-10", marker: marker("second") };
  await send("Größe gewählt", { props: second });
  await sent("second", { name: "Größe gewählt", ...where, props: second });
});
