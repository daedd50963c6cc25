"use client";

import { headwater } from "./headwater";

export function Buy({ sku, price }: { sku: string; price: number }) {
  const order = () => headwater("track", "order_placed", { total: price, currency: "CHF", lines: [{ sku, quantity: 1, price }] });
  return (
    <button type="button" onClick={order}>
      Buy
    </button>
  );
}
