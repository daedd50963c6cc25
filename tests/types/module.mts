// What a site that bundles t.mjs may write, and what its compiler must refuse. Only checked, never run.

import { start, type Headwater } from "../../www/t.mjs";
import * as source from "../../www/src/module.js";

/** What is declared is what there is. */
export const same: typeof start = source.start;

const headwater: Headwater = start({ src: "https://c.example/t.js" });
start({
  src: "https://c.example/t.js",
  key: "pk_1",
  endpoint: "/collect",
  auto: "outbound downloads forms engagement",
  pages: "hash",
  chunks: "vitals pointer video",
  consent: "required",
  cookieless: "",
  sessionStart: "app_open",
  build: "1.4.0",
});
// @ts-expect-error: nobody knows where the chunks are
start({ key: "pk_1" });
// @ts-expect-error: no such option
start({ src: "https://c.example/t.js", keys: "pk_1" });

headwater("track", "order_placed", { total: 19.9 });
headwater("identify", "u-7", { plan: "free" });
headwater("consent", "granted");
headwater("page");
// @ts-expect-error: no such command
headwater("trak", "order_placed");
// @ts-expect-error: an event has a name
headwater("track");
// @ts-expect-error: no such decision
headwater("consent", true);
