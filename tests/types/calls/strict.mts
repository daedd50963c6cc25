// The same for a worker that rejects events without a schema: `unknown_events = "fail"`. `events.d.ts` is made by the test.

import type { HeadwaterEvent } from "./events.js";
import { start } from "./t.mjs";

headwater("track", "order_placed", { total: 19.9, currency: "CHF" });
// @ts-expect-error: no such event
headwater("track", "order_plced", { total: 19.9, currency: "CHF" });
// @ts-expect-error: a member is missing
headwater("track", "order_placed", { total: 19.9 });

const bundled = start({ src: "https://c.example/t.js" });
bundled("track", "order_placed", { total: 19.9, currency: "CHF" });
// @ts-expect-error: no such event
bundled("track", "order_plced", { total: 19.9, currency: "CHF" });

export const known: HeadwaterEvent = { name: "page_view" };
// @ts-expect-error: no such event
export const unknown: HeadwaterEvent = { name: "page_veiw" };
export const total = (event: HeadwaterEvent): number => (event.name === "order_placed" ? event.props.total : 0);
