// What the shop sells; each has a drawing of the same name in the page.

/** @typedef {{ sku: string, name: string, category: string, price: number, says: string }} Product */

export const CURRENCY = "CHF";

/** @type {Product[]} */
export const PRODUCTS = [
  { sku: "sencha", name: "Sencha", category: "tea/green", price: 12.9, says: "Spring leaves, steamed and rolled. Clear, a little grassy." },
  { sku: "hojicha", name: "Hojicha", category: "tea/roasted", price: 9.8, says: "Roasted over charcoal until it smells of hazelnut." },
  { sku: "cup", name: "Celadon cup", category: "ware/cups", price: 22.9, says: "Thrown by hand, glazed in the green of shallow water." },
  { sku: "pot", name: "Side-handle pot", category: "ware/pots", price: 64, says: "Red clay, holds 300 ml, pours without a drop beside." },
  { sku: "whisk", name: "Bamboo whisk", category: "ware/tools", price: 18.5, says: "A hundred tines, split from one piece of bamboo." },
  { sku: "tin", name: "Tea tin", category: "ware/tins", price: 15, says: "Two lids, so that the leaves stay what they are." },
];

/** @param {string | null} sku */
export const product = (sku) => PRODUCTS.find((one) => one.sku === sku);

/** To the hundredth, which sums of prices as numbers are not. @param {number} amount */
export const exact = (amount) => Math.round(amount * 100) / 100;

/** @param {number} amount */
export const price = (amount) => `${CURRENCY} ${amount.toFixed(2)}`;
