// What the buttons send: each is made when it is pressed.

/**
 * One thing sent: bytes for a POST, or the address of a pixel. It is made once, and sent again as it is.
 * @typedef {{ title: string, beacons: number, type: string, body: string, bytes: Uint8Array<ArrayBuffer> | null, pixel: string }} Sending
 */

/** Empty if the worker has no tenants. */
const KEY = window.writeKey;
export const EVENTS = `/v1/events?verdicts=1${KEY && `&key=${encodeURIComponent(KEY)}`}`;
export const PIXEL = "/v1/pixel.gif";

/** `crypto.randomUUID` is absent where the page came over plain HTTP from another machine. */
function uuid() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

export const device = uuid();
let seq = 0;
/** @type {{ points: number[][], kind?: string }} as the event `pointer` has it; nothing has moved yet */
let pointer = { points: [[0, 0, 0]] };
addEventListener("pointermove", remember, { passive: true });
addEventListener("pointerdown", remember, { passive: true });
/** @param {PointerEvent} event */
function remember(event) {
  const at = [event.pageX, event.pageY].map((pixels) => Math.max(0, Math.round(pixels)));
  pointer = { points: [[0, ...at]], kind: event.pointerType || undefined };
}

/**
 * A beacon. Its level is the catalogue's to say.
 * @param {string} name
 * @param {object} more
 */
function beacon(name, more = {}) {
  return {
    name,
    id: uuid(),
    device_id: device,
    time: Date.now(),
    seq: seq++,
    url: location.href,
    title: document.title,
    screen: `${screen.width}x${screen.height}`,
    viewport: `${innerWidth}x${innerHeight}`,
    language: navigator.language,
    ...more,
  };
}

const ORDER = {
  props: {
    order: "A-1042",
    total: 48.7,
    currency: "EUR",
    lines: [
      { sku: "tea-sencha-100", quantity: 2, price: 12.9 },
      { sku: "cup-celadon", quantity: 1, price: 22.9 },
    ],
  },
  metadata: { tag: "demo", experiment: "checkout-b" },
};

/** Two rules of the schema broken, in places that the answer points to. */
const OFF_SCHEMA = { props: { ...ORDER.props, currency: "euro", lines: [{ sku: "tea-sencha-100", quantity: 0, price: 12.9 }] } };

/** What clients are known to get wrong, and the worker puts right. */
const UNTIDY = { level: "LOW", seq: "1", title: "  Tea\u0000 ", props: '{"load_ms": "412.5"}' };

/** Inside an envelope a beacon leaves out its device, which the envelope names. */
function visit() {
  const events = [
    beacon("page_view"),
    beacon("pointer", { props: { points: [[0, 210, 480], [40, 236, 431], [75, 301, 388]], kind: "mouse" } }),
    beacon("scroll", { props: { depth: 50 } }),
    beacon("product_viewed", { props: { sku: "cup-celadon", price: 22.9, currency: "EUR" } }),
    beacon("click", { props: { target: "product.add", text: "Add to cart" } }),
    beacon("cart_changed", { props: { action: "add", sku: "cup-celadon", quantity: 1 } }),
    beacon("scroll", { props: { depth: 100, depth_px: 2400 } }),
    beacon("form_submit", { props: { form_id: "checkout", fields: ["name", "street"], result: "sent" } }),
    beacon("tea_ceremony_booked", { level: "mid", props: { guests: 2 } }),
    beacon("order_placed", ORDER),
  ];
  const bare = events.map((event) => ({ ...event, device_id: undefined }));
  return { sent_at: Date.now(), device_id: device, events: bare };
}

function pixelAddress() {
  const query = new URLSearchParams();
  for (const [field, value] of Object.entries(beacon("mail_open", { level: "low" }))) query.set(field, String(value));
  query.set("props.list", "autumn letter");
  if (KEY) query.set("key", KEY);
  return `${PIXEL}?${query}`;
}

/** @type {{ title: string, name: string, what: string, make: () => Sending }[]} */
export const ACTIONS = [
  {
    title: "Page view",
    name: "page_view",
    what: "With this page’s address, title and size.",
    make: () => json("Page view", beacon("page_view", { referrer: document.referrer || undefined })),
  },
  {
    title: "Pointer move",
    name: "pointer",
    what: "Where your pointer was last on this page.",
    make: () => json("Pointer move", beacon("pointer", { props: pointer })),
  },
  {
    title: "Order placed",
    name: "order_placed",
    what: "With props (two lines) and metadata.",
    make: () => json("Order placed", beacon("order_placed", ORDER)),
  },
  {
    title: "Batch of ten",
    name: "envelope",
    what: "A visit’s ten events, three levels, one request.",
    make: () => json("Batch of ten", visit(), 10),
  },
  {
    title: "Off its schema",
    name: "order_placed",
    what: "Failed, with the rule that it broke, and where.",
    make: () => json("Off its schema", beacon("order_placed", OFF_SCHEMA)),
  },
  {
    title: "Untidy beacon",
    name: "repaired",
    what: "Accepted; its record names each repair.",
    make: () => json("Untidy beacon", { ...beacon("page_view"), ...UNTIDY }),
  },
  {
    title: "Mixed array",
    name: "2 good, 1 bad",
    what: "A wrong name fails, and its neighbours pass.",
    make: () =>
      json("Mixed array", [beacon("page_view"), beacon("Page View!"), beacon("scroll", { props: { depth: 20 } })], 3),
  },
  {
    title: "Invalid beacon",
    name: "wrong types",
    what: "Failed, and kept with the field and the reason.",
    make: () =>
      json("Invalid beacon", { ...beacon("order_placed"), seq: "three", screen: 1920, props: "tea" }),
  },
  {
    title: "Broken body",
    name: "cut-off JSON",
    what: "Answered with 400, and still kept as a failed event.",
    make: () => post("Broken body", JSON.stringify(beacon("page_view")).slice(0, -40), "text/plain", 1),
  },
  {
    title: "Pixel",
    name: "pixel.gif",
    what: "One event in an image’s address, as mails send it.",
    make: () => ({ title: "Pixel", beacons: 1, type: "", body: "", bytes: null, pixel: pixelAddress() }),
  },
];

/**
 * @param {string} title
 * @param {string} body
 * @param {string} type
 * @param {number} beacons
 * @returns {Sending}
 */
export function post(title, body, type, beacons) {
  return { title, beacons, type, body, bytes: new TextEncoder().encode(body), pixel: "" };
}

/**
 * @param {string} title
 * @param {object} value
 * @param {number} beacons
 */
const json = (title, value, beacons = 1) => post(title, JSON.stringify(value), "text/plain", beacons);
