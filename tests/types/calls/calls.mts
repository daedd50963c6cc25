// What a page may write with the types of the catalogue, and what its compiler must refuse. Only checked, never run.

import type { HeadwaterEvent, OrderPlaced } from "../../../www/types/events.js";
import { start } from "../../../www/t.mjs";

headwater("track", "order_placed", { total: 19.9, currency: "CHF" });
headwater("track", "order_placed", { total: 19.9, currency: "CHF", lines: [{ sku: "a", quantity: 1, price: 19.9 }] });
headwater("track", "order_placed", { total: 1, currency: "CHF" }, { metadata: { tag: "zurich" }, user_id: "u-7" });
headwater("track", "page_view");
headwater("track", "cart_changed", { action: "clear" });
headwater("track", "cart_changed", { action: "add", sku: "a", quantity: 1 });
headwater("track", "pointer", { points: [[0, 10, 10.5]] as const });
headwater("identify", "u-7", { plan: "team" });
headwater("page", { kind: "reload" });
headwater("consent", "granted");
// The worker accepts names without a schema.
headwater("track", "quiz_answered", { points: 7 });
headwater("track", "quiz_answered");

// @ts-expect-error: a member is missing
headwater("track", "order_placed", { total: 19.9 });
// @ts-expect-error: there are no props
headwater("track", "order_placed");
// @ts-expect-error: a number is a text
headwater("track", "order_placed", { total: "19.9", currency: "CHF" });
// @ts-expect-error: a member is misspelt
headwater("track", "order_placed", { total: 19.9, currency: "CHF", coupn: "SPRING" });
// @ts-expect-error: a nested member is missing
headwater("track", "order_placed", { total: 19.9, currency: "CHF", lines: [{ sku: "a", quantity: 1 }] });
// @ts-expect-error: a value is none of the list
headwater("track", "app_share", { document_id: "d", channel: "fax" });
// @ts-expect-error: a condition of the schema requires the product
headwater("track", "cart_changed", { action: "add" });
// @ts-expect-error: a price needs its currency
headwater("track", "cart_changed", { action: "clear", price: 3 });
// @ts-expect-error: one of three paths is required
headwater("track", "pointer", { kind: "pen" });
// @ts-expect-error: a point has three numbers
headwater("track", "pointer", { points: [[0, 10]] });
// @ts-expect-error: no such command
headwater("trak", "page_view");
// @ts-expect-error: no such decision
headwater("consent", "yes");
// @ts-expect-error: no such field
headwater("track", "page_view", {}, { usr_id: "u-7" });
// @ts-expect-error: an annotation has another type
headwater("track", "order_placed", { total: 1, currency: "CHF" }, { metadata: { tag: 7 } });

// The function that a bundled site has is narrowed too.
const bundled = start({ src: "https://c.example/t.js" });
bundled("track", "order_placed", { total: 19.9, currency: "CHF" });
bundled("track", "quiz_answered", { points: 7 });
bundled("identify", "u-7", { plan: "team" });
bundled("page", { kind: "reload" });
// @ts-expect-error: a member is missing
bundled("track", "order_placed", { total: 19.9 });
// @ts-expect-error: a value is none of the list
bundled("page", { kind: "again" });

// A server sends whole events, which their name narrows.
const order: OrderPlaced = { total: 19.9, currency: "CHF" };
export const events: HeadwaterEvent[] = [
  { name: "order_placed", id: "01a1fd2a-75d3-7c3d-92a1-14daf407ff01", user_id: "u-7", props: order },
  { name: "page_view", url: "https://shop.example/" },
  { name: "quiz_answered", props: { points: 7 } },
];
export const total = (event: HeadwaterEvent & { name: "order_placed" }): unknown => event.props;
