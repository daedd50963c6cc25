// Reads a request, except its body, with one call from the Wasm: from Rust, each header and each
// field of the CDN would be a call of its own.

/**
 * Returns a JSON array of the texts of `RequestFields` in request.rs, in its order; null for an absent one. To match
 * names would cost more.
 *
 * @param {Request} request
 * @returns {string}
 */
export function requestInfo(request) {
  // To iterate costs half as much as to get each of them.
  const headers = Object.fromEntries(request.headers);
  const header = (/** @type {string} */ name) => text(headers[name]);
  const cf = /** @type {Record<string, unknown>} */ (request.cf ?? {});
  return JSON.stringify([
    request.method,
    request.url,
    header("origin"),
    header("referer"),
    header("content-type"),
    header("content-encoding"),
    length(headers["content-length"]),
    request.method === "OPTIONS" ? header("access-control-request-headers") : undefined,
    header("if-none-match"),
    header("x-write-key"),
    header("authorization"),
    header("x-headwater-replay"),
    header("x-headwater-signature"),
    header("cf-connecting-ip"),
    header("user-agent"),
    header("accept-language"),
    header("sec-gpc"),
    header("dnt"),
    header("sec-ch-ua"),
    header("sec-ch-ua-mobile"),
    header("sec-ch-ua-platform"),
    header("sec-ch-ua-full-version-list"),
    header("sec-ch-ua-platform-version"),
    header("sec-ch-ua-model"),
    text(cf.country),
    text(cf.region),
    text(cf.city),
    text(cf.continent),
    text(cf.timezone),
    text(cf.colo),
    typeof cf.asn === "number" ? String(cf.asn) : undefined,
    text(cf.asOrganization),
    zoneOffsets(text(cf.timezone)),
  ]);
}

/**
 * Returns all headers as lines of a name, in lower case, a space and a value, as valid Unicode.
 *
 * @param {Request} request
 * @returns {string}
 */
export function requestHeaders(request) {
  return [...request.headers].map(([name, value]) => `${name} ${value.toWellFormed()}`).join("\n");
}

/**
 * Returns the offsets of a zone as `ZoneOffsets::parse` in geo.rs reads them: `60,1729990800000 120`. Empty if there is no
 * such zone.
 *
 * @param {string | undefined} zone an IANA name
 * @returns {string}
 */
export function zoneOffsets(zone) {
  const { minutes, changes } = utcOffsets(zone);
  return [minutes, ...changes.map((change) => change.join(" "))].join();
}

/** Returns a header that has at most nine digits; more are no size of a body that is read. */
function length(/** @type {string | undefined} */ header) {
  return header !== undefined && /^\d{1,9}$/.test(header) ? header : undefined;
}

/** Returns a text that is not empty, as valid Unicode. */
function text(/** @type {unknown} */ value) {
  return typeof value === "string" && value !== "" ? value.toWellFormed() : undefined;
}

/**
 * How many minutes a zone is ahead of UTC, and was before each change of the last year:
 * `[milliseconds, minutes]`, ascending.
 *
 * @typedef {{ minutes?: number, changes: [number, number][] }} Offsets
 */

/** @type {Offsets} */
const NO_OFFSETS = { changes: [] };

/**
 * The last offsets of each zone. Zones change on quarters of an hour only.
 *
 * @type {Map<string, { offsets: Offsets, quarter: number }>}
 */
const zones = new Map();

const QUARTERS_OF_A_DAY = 96;

/** No zone changes twice in so few days: Morocco's winter time in Ramadan lasts five weeks. */
const STEP_DAYS = 28;

/** Older events get the offset at receipt. */
const STEPS = 14;

/**
 * Returns the offsets of `zone`; none if there is no such zone.
 *
 * @param {string | undefined} zone an IANA name
 * @returns {Offsets}
 */
function utcOffsets(zone) {
  if (zone === undefined) return NO_OFFSETS;
  const quarter = Math.floor(Date.now() / 900_000);
  const known = zones.get(zone);
  if (known?.quarter === quarter) return known.offsets;
  const offsets = offsetsNow(zone, quarter, known);
  // There are some 600 names; any others are invented.
  if (zones.size > 1_000) zones.clear();
  zones.set(zone, { offsets, quarter });
  return offsets;
}

/**
 * @param {string} zone
 * @param {number} quarter
 * @param {{ offsets: Offsets, quarter: number } | undefined} known
 * @returns {Offsets}
 */
function offsetsNow(zone, quarter, known) {
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    const minutes = offsetAt(format, quarter * 15);
    const day = (/** @type {number} */ quarter) => Math.floor(quarter / QUARTERS_OF_A_DAY);
    // Finding the changes costs some 50 times as much as reading today's offset.
    const isToday = known !== undefined && day(known.quarter) === day(quarter);
    if (isToday && known.offsets.minutes === minutes) return known.offsets;
    return { minutes, changes: changesBefore(format, quarter * 15) };
  } catch {
    return NO_OFFSETS;
  }
}

/**
 * Returns the changes of the zone of `format` in the year before `now`.
 *
 * @param {Intl.DateTimeFormat} format
 * @param {number} now in minutes since the epoch
 */
function changesBefore(format, now) {
  const changes = /** @type {[number, number][]} */ ([]);
  let later = now;
  let laterOffset = offsetAt(format, now);
  for (let step = 0; step < STEPS; step += 1) {
    const earlier = later - STEP_DAYS * 1_440;
    const offset = offsetAt(format, earlier);
    if (offset !== laterOffset) {
      let [before, after] = [earlier, later];
      while (after - before > 1) {
        const middle = Math.floor((before + after) / 2);
        if (offsetAt(format, middle) === offset) before = middle;
        else after = middle;
      }
      changes.unshift([after * 60_000, offset]);
    }
    [later, laterOffset] = [earlier, offset];
  }
  return changes;
}

/**
 * Returns how many minutes the zone of `format` is ahead of UTC.
 *
 * @param {Intl.DateTimeFormat} format
 * @param {number} at in minutes since the epoch
 */
function offsetAt(format, at) {
  const parts = format.formatToParts(at * 60_000);
  const named = parts.find((part) => part.type === "timeZoneName")?.value ?? "";
  const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(named) ?? [];
  const offset = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
  return sign === "-" ? -offset : offset;
}
