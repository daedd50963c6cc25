// The shop's pages. They change by the history API, so that the snippet sees a page view of each.

import { at, element } from "../dom.js";
import { change, count, lines, order, total } from "./cart.js";
import { CURRENCY, PRODUCTS, price, product } from "./products.js";

/** @typedef {import("./products.js").Product} Product */

const SVG = "http://www.w3.org/2000/svg";

/** @param {string} sku */
function drawing(sku) {
  const picture = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  picture.setAttribute("viewBox", "0 0 96 96");
  picture.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#draw-${sku}`);
  picture.append(use);
  return picture;
}

/** @param {string} text @param {() => void} press @param {string} kind */
function button(text, press, kind = "primary") {
  const made = element("button", { class: kind, type: "button" }, text);
  made.addEventListener("click", press);
  return made;
}

/** @param {string} text */
const heading = (text) => element("h2", { tabindex: "-1" }, text);

function home() {
  const tiles = PRODUCTS.map((one) =>
    element("li", {}, element("a", { class: "tile", href: `/?product=${one.sku}` }, drawing(one.sku), element("b", {}, one.name), element("span", {}, price(one.price)))),
  );
  return { title: "Leaf and bowl", content: [heading("Tea and teaware"), element("ul", { class: "tiles" }, ...tiles)] };
}

/** @param {Product} one */
function single(one) {
  const add = button("Add to cart", () => {
    change(one, 1);
    counted();
  });
  const texts = element("div", {}, heading(one.name), element("p", { class: "muted" }, one.says), element("p", { class: "price" }, price(one.price)), add);
  const content = [element("a", { class: "back", href: "/" }, "All products"), element("div", { class: "single" }, drawing(one.sku), texts)];
  return { title: `${one.name}, Leaf and bowl`, content };
}

function cart() {
  const rows = lines().map(({ product: one, quantity }) => {
    const less = button("−", () => changed(one, -1), "quiet");
    const more = button("+", () => changed(one, 1), "quiet");
    less.setAttribute("aria-label", `One ${one.name} less`);
    more.setAttribute("aria-label", `One ${one.name} more`);
    return element("li", {}, drawing(one.sku), element("b", {}, one.name), element("span", { class: "pieces" }, less, String(quantity), more), element("span", { class: "sum" }, price(one.price * quantity)));
  });
  const place = button("Place the order", () => {
    order();
    go("/?view=thanks");
  });
  const filled = [element("ul", { class: "lines" }, ...rows), element("div", { class: "foot" }, element("b", {}, `Total ${price(total())}`), place)];
  const nothing = [element("p", { class: "muted" }, "Nothing is in it yet.")];
  return { title: "Your cart, Leaf and bowl", content: [element("a", { class: "back", href: "/" }, "All products"), heading("Your cart"), ...(rows.length ? filled : nothing)] };
}

/** @param {Product} one @param {1 | -1} by */
function changed(one, by) {
  const pressed = document.activeElement?.getAttribute("aria-label");
  change(one, by);
  draw();
  const same = [...at("view").querySelectorAll("button")].find((each) => each.getAttribute("aria-label") === pressed);
  (same ?? at("view").querySelector("h2"))?.focus();
}

const thanks = () => ({
  title: "Thank you, Leaf and bowl",
  content: [heading("Thank you"), element("p", { class: "muted" }, "The order’s event is on its way. Its total was sent as a text; look at what its record says."), element("a", { class: "back", href: "/" }, "Back to the shop")],
});

function counted() {
  at("cart-count").textContent = String(count());
}

function draw() {
  const query = new URLSearchParams(location.search);
  const one = product(query.get("product"));
  const page = one ? single(one) : query.get("view") === "cart" ? cart() : query.get("view") === "thanks" ? thanks() : home();
  document.title = `${page.title} – a Headwater demo`;
  at("address").textContent = `shop.example${location.pathname}${location.search}`;
  at("view").replaceChildren(...page.content);
  counted();
  return one;
}

/** After the page view, which the snippet counts in a task of its own. @param {Product | undefined} one */
function viewed(one) {
  if (!one) return;
  const { sku, name, category, price: amount } = one;
  setTimeout(() => headwater("track", "product_viewed", { sku, name, category, price: amount, currency: CURRENCY, in_stock: true }));
}

/** @param {string} address */
function go(address) {
  history.pushState(null, "", address);
  viewed(draw());
  at("view").querySelector("h2")?.focus({ preventScroll: true });
  at("shop").scrollIntoView({ block: "nearest" });
}

document.addEventListener("click", (event) => {
  const link = /** @type {Element} */ (event.target).closest("a");
  const plain = !event.button && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;
  if (!link || !plain || link.origin !== location.origin || link.pathname !== "/" || link.hash || link.target) return;
  event.preventDefault();
  go(link.href);
});
addEventListener("popstate", () => viewed(draw()));
viewed(draw());

at("newsletter").addEventListener("submit", (event) => {
  event.preventDefault();
  at("newsletter-said").textContent = "Thank you. The event names the field that you filled in, not what you typed.";
});
at("mistake").addEventListener("click", () => headwater("track", "order_placed", { total: 12.9, currency: "francs" }));
