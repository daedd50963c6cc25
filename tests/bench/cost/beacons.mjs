/**
 * The beacons of scripts/bench: what a shop's pages send, all of events that have a schema, no two alike.
 *
 * A seed decides all but the ids and times, so that two runs send the same beacons.
 */

const DEVICES = 5_000;
const BASE = "https://shop.example";

/** One user agent with its client hints, and the visitor's language. */
const chrome = (version, platform, mobile) => ({
  "sec-ch-ua": `"Chromium";v="${version}", "Google Chrome";v="${version}", "Not_A Brand";v="99"`,
  "sec-ch-ua-mobile": mobile ? "?1" : "?0",
  "sec-ch-ua-platform": `"${platform}"`,
});
const AGENTS = [
  { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", ...chrome(142, "Windows") },
  { "user-agent": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36", ...chrome(142, "Android", true) },
  { "user-agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1" },
  { "user-agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15" },
  { "user-agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36", ...chrome(141, "macOS") },
  { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0" },
  { "user-agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0", ...chrome(142, "Windows") },
  { "user-agent": "Mozilla/5.0 (Linux; Android 15; SM-S928B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36", ...chrome(130, "Android", true) },
];
const LANGUAGES = ["de-CH,de;q=0.9,en;q=0.8", "en-US,en;q=0.9", "fr-FR,fr;q=0.9,en;q=0.7", "it-IT,it;q=0.9"];
/** What Cloudflare knows of an address; workerd takes it as the request's `cf`. */
const PLACES = [
  { country: "CH", region: "Zurich", city: "Zürich", continent: "EU", timezone: "Europe/Zurich", colo: "ZRH", asn: 3303, asOrganization: "Swisscom" },
  { country: "DE", region: "Berlin", city: "Berlin", continent: "EU", timezone: "Europe/Berlin", colo: "TXL", asn: 3320, asOrganization: "Deutsche Telekom AG" },
  { country: "US", region: "Texas", city: "Austin", continent: "NA", timezone: "America/Chicago", colo: "DFW", asn: 7018, asOrganization: "AT&T Services" },
  { country: "FR", region: "Île-de-France", city: "Paris", continent: "EU", timezone: "Europe/Paris", colo: "CDG", asn: 3215, asOrganization: "Orange" },
];
const REFERRERS = ["https://www.google.com/search?q=green+tea", "https://duckduckgo.com/", "https://www.instagram.com/", "https://news.example/a/17"];
const CAMPAIGNS = ["utm_source=news&utm_medium=email&utm_campaign=autumn", "utm_source=google&utm_medium=cpc&utm_campaign=tea&gclid=EAIaIQobChMI", "color=green&size=100", "q=gr%C3%BCner+tee"];
const CATEGORIES = ["tea/green", "tea/black", "tea/herbal", "cups", "pots"];
const TITLES = ["Sencha", "Grüner Tee aus Kagoshima", "Earl Grey", "A pot of clay", "Rooibos & Honeybush", "Thé à la menthe"];
const SIZES = ["1280x720", "390x844", "1920x955", "412x915", "1440x789"];

/** Numbers from 0 to 1 that depend on the seed only (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const hex = (number, digits) => number.toString(16).padStart(digits, "0");

/** A device's id: a UUID of version 7, as the snippet makes it. */
const deviceId = (number) => `01a1e${hex((number * 7) % 4096, 3)}-${hex((number * 31) % 65_536, 4)}-7c3e-8f00-${hex(number * 2_654_435, 12)}`;

/** How often each event comes, and what it has of its own. */
const EVENTS = [
  [28, "page_view", (any) => ({ kind: any.of(["navigate", "reload", "back_forward"]), load_ms: any.upTo(4_000) })],
  [18, "page_leave", (any) => ({ depth: any.upTo(100), engaged_ms: any.upTo(120_000) })],
  [14, "scroll", (any) => ({ depth: any.upTo(100), depth_px: any.upTo(9_000) })],
  [12, "click", (any) => ({ target: any.of(["nav.cart", "hero.link", "buy", "menu"]), text: any.of(TITLES), href: `${BASE}/p/${any.upTo(900)}`, outbound: false })],
  [8, "web_vitals", (any) => ({ lcp_ms: any.upTo(5_000), cls: any.upTo(300) / 1000, inp_ms: any.upTo(600), ttfb_ms: any.upTo(900), kind: "navigate" })],
  [8, "product_viewed", (any) => ({ sku: `T-${any.upTo(900)}`, name: any.of(TITLES), category: any.of(CATEGORIES), price: any.upTo(9_000) / 100, currency: "CHF", in_stock: true })],
  [5, "cart_changed", (any) => ({ action: "add", sku: `T-${any.upTo(900)}`, quantity: 1 + any.upTo(5), price: any.upTo(9_000) / 100, currency: "CHF" })],
  [3, "video_progress", (any) => ({ video_id: `v-${any.upTo(40)}`, position_s: any.upTo(1_800) / 10, duration_s: 180, percent: any.of([25, 50, 75, 95]) })],
  [2, "form_submit", (any) => ({ form_id: any.of(["checkout", "newsletter"]), fields: ["street", "city", "email"].slice(any.upTo(2)), result: "sent" })],
  [2, "order_placed", (any) => ({ order: `O-${any.upTo(1_000_000)}`, total: any.upTo(20_000) / 100, currency: "CHF", lines: Array.from({ length: 1 + any.upTo(3) }, () => ({ sku: `T-${any.upTo(900)}`, quantity: 1 + any.upTo(3), price: any.upTo(9_000) / 100 })) })],
];
const WHEEL = EVENTS.flatMap(([weight, name, props]) => Array(weight).fill([name, props]));
const PAGES = new Set(["page_view", "page_leave", "product_viewed"]);

/** What is wrong with a bad beacon, in turn: a rule of the protocol each, which both the peer and ours have. */
const SPOIL = [
  (beacon) => ({ ...beacon, name: "Page View" }),
  ({ name, ...beacon }) => ({ ...beacon, event: name }),
  (beacon) => ({ ...beacon, price: 19.9 }),
  (beacon) => ({ ...beacon, props: [beacon.props] }),
];

/** Makes the beacons and the requests that have them. */
export class Beacons {
  #random;
  #made = 0;
  #spoiled = 0;
  /** @type {string[]} the ids of the beacons, until it is emptied */
  ids = [];

  /**
   * @param {number} seed of everything but ids and times
   * @param {() => number} now milliseconds since the epoch
   */
  constructor(seed, now = Date.now) {
    this.#random = randomOf(seed);
    this.now = now;
    /** Two processes must not make the same ids. */
    this.run = Math.floor(Math.random() * 2 ** 24);
  }

  upTo(number) {
    return Math.floor(this.#random() * number);
  }

  of(list) {
    return list[this.upTo(list.length)];
  }

  /** An id that no other beacon has: a UUID of version 7. */
  id() {
    const number = this.#made++;
    const time = hex(this.now(), 12);
    const id = `${time.slice(0, 8)}-${time.slice(8)}-7${hex(number % 4096, 3)}-8${hex(Math.floor(number / 4096) % 4096, 3)}-${hex(this.run, 6)}${hex(this.upTo(2 ** 24), 6)}`;
    this.ids.push(id);
    return id;
  }

  /** A valid beacon. */
  beacon() {
    const [name, props] = this.of(WHEEL);
    const [id, device_id, time] = [this.id(), deviceId(this.upTo(DEVICES)), this.now()];
    let url = `${BASE}/${this.of(CATEGORIES)}/${this.upTo(900)}`;
    if (this.#random() < 0.3) url += `?${this.of(CAMPAIGNS)}`;
    const beacon = { name, id, device_id, time, url, title: this.of(TITLES), screen: "1920x1080", viewport: this.of(SIZES), props: props(this) };
    if (!PAGES.has(name)) return beacon;
    return this.#random() < 0.3 ? { ...beacon, referrer: this.of(REFERRERS) } : beacon;
  }

  /** One that breaks a rule. */
  bad() {
    return SPOIL[this.#spoiled++ % SPOIL.length](this.beacon());
  }

  /** The body of a request of so many beacons, of which this share is bad; one beacon is no array. */
  body(size, badShare = 0) {
    const bad = Math.round(size * badShare);
    const spacing = bad && Math.floor(size / bad);
    const beacons = Array.from({ length: size }, (_, index) => (bad && index % spacing === spacing - 1 ? this.bad() : this.beacon()));
    return JSON.stringify(size === 1 ? beacons[0] : beacons);
  }

  /** The headers of a visitor's request that are not about its body, as a browser and Cloudflare send them. */
  headers() {
    return {
      accept: "*/*",
      "accept-encoding": "gzip, deflate, br, zstd",
      "accept-language": this.of(LANGUAGES),
      "content-type": "text/plain;charset=UTF-8",
      origin: BASE,
      referer: `${BASE}/`,
      "sec-fetch-dest": "empty",
      "sec-fetch-mode": "no-cors",
      "sec-fetch-site": "cross-site",
      ...this.of(AGENTS),
      "cf-connecting-ip": `203.0.113.${this.upTo(256)}`,
      // A header has Latin-1 bytes only.
      "cf-blob": JSON.stringify(this.of(PLACES)).replace(/[^ -~]/g, (character) => `\\u${hex(character.charCodeAt(0), 4)}`),
    };
  }
}
