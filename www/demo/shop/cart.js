// The cart, in memory only: what is in it, and the events of its changes.

import { CURRENCY, PRODUCTS, exact } from "./products.js";

/** @type {Map<string, number>} pieces by product */
const pieces = new Map();

export const lines = () =>
  PRODUCTS.filter(({ sku }) => pieces.has(sku)).map((product) => ({ product, quantity: pieces.get(product.sku) ?? 0 }));
export const total = () => exact(lines().reduce((sum, { product, quantity }) => sum + product.price * quantity, 0));
export const count = () => lines().reduce((sum, { quantity }) => sum + quantity, 0);

/** @param {import("./products.js").Product} product @param {1 | -1} by */
export function change({ sku, price }, by) {
  const quantity = (pieces.get(sku) ?? 0) + by;
  if (quantity > 0) pieces.set(sku, quantity);
  else pieces.delete(sku);
  headwater("track", "cart_changed", { action: by > 0 ? "add" : "remove", sku, quantity, price, currency: CURRENCY, total: total() });
}

/** The total goes as the text that the page shows, as it does in many shops: the worker makes it a number. */
export function order() {
  headwater("track", "order_placed", {
    order: `A-${Date.now() % 100_000}`,
    total: total().toFixed(2),
    currency: CURRENCY,
    lines: lines().map(({ product: { sku, price }, quantity }) => ({ sku, quantity, price })),
  });
  pieces.clear();
}
