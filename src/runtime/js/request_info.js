// Reads a request, except its body, with one call from the Wasm: from Rust, each header and each
// field of the CDN would be a call of its own.

/**
 * Returns a JSON object with the fields of `RequestFields` in request.rs, without absent ones.
 *
 * @param {Request} request
 * @returns {string}
 */
export function requestInfo(request) {
  // To iterate costs half as much as to get each of them.
  const headers = Object.fromEntries(request.headers);
  const header = (/** @type {string} */ name) => text(headers[name]);
  const cf = /** @type {Record<string, unknown>} */ (request.cf ?? {});
  return JSON.stringify({
    method: request.method,
    url: request.url,
    origin: header("origin"),
    referer: header("referer"),
    content_type: header("content-type"),
    content_encoding: header("content-encoding"),
    content_length: length(headers["content-length"]),
    asked_headers:
      request.method === "OPTIONS" ? header("access-control-request-headers") : undefined,
    if_none_match: header("if-none-match"),
    write_key: header("x-write-key"),
    authorization: header("authorization"),
    replay: header("x-headwater-replay"),
    signature: header("x-headwater-signature"),
    ip: header("cf-connecting-ip"),
    user_agent: header("user-agent"),
    accept_language: header("accept-language"),
    gpc: headers["sec-gpc"] === "1",
    dnt: headers.dnt === "1",
    client_hints: {
      ua: header("sec-ch-ua"),
      mobile: header("sec-ch-ua-mobile"),
      platform: header("sec-ch-ua-platform"),
      full_version_list: header("sec-ch-ua-full-version-list"),
      platform_version: header("sec-ch-ua-platform-version"),
      model: header("sec-ch-ua-model"),
    },
    geo: {
      country: text(cf.country),
      region: text(cf.region),
      city: text(cf.city),
      continent: text(cf.continent),
      timezone: text(cf.timezone),
      colo: text(cf.colo),
      asn: typeof cf.asn === "number" && cf.asn === cf.asn >>> 0 ? cf.asn : undefined,
      as_organization: text(cf.asOrganization),
    },
    ...utcOffsets(text(cf.timezone)),
  });
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
 * Returns the offsets of a zone as a JSON object, which is empty if there is no such zone.
 *
 * @param {string} zone
 * @returns {string}
 */
export function zoneOffsets(zone) {
  return JSON.stringify(utcOffsets(zone));
}

/** Returns the number of a header that has at most nine digits; more are no size of a body that is read. */
function length(/** @type {string | undefined} */ header) {
  return header !== undefined && /^\d{1,9}$/.test(header) ? Number(header) : undefined;
}

/** Returns a text that is not empty, as valid Unicode. */
function text(/** @type {unknown} */ value) {
  return typeof value === "string" && value !== "" ? value.toWellFormed() : undefined;
}

/**
 * How many minutes a zone is ahead of UTC, and was before each change of the last year:
 * `[milliseconds, minutes]`, ascending.
 *
 * @typedef {{ utc_offset_minutes?: number, utc_offset_changes?: [number, number][] }} Offsets
 */

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
  if (zone === undefined) return {};
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
    if (isToday && known.offsets.utc_offset_minutes === minutes) return known.offsets;
    return { utc_offset_minutes: minutes, utc_offset_changes: changesBefore(format, quarter * 15) };
  } catch {
    return {};
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
