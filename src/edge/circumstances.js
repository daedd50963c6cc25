// What a request says of itself besides its body, in one crossing: every header and every
// field of the CDN's that Rust would read by itself is a crossing of its own.

/**
 * A JSON object with the fields of `Circumstances` in request.rs; what is absent is left out.
 *
 * @param {Request} request
 * @returns {string}
 */
export function circumstances(request) {
  const header = (/** @type {string} */ name) => text(request.headers.get(name));
  const cf = /** @type {Record<string, unknown>} */ (request.cf ?? {});
  return JSON.stringify({
    method: request.method,
    url: request.url,
    origin: header("origin"),
    referer: header("referer"),
    content_type: header("content-type"),
    content_encoding: header("content-encoding"),
    content_length: header("content-length"),
    asked_headers:
      request.method === "OPTIONS" ? header("access-control-request-headers") : undefined,
    write_key: header("x-write-key"),
    authorization: header("authorization"),
    replay: header("x-headwater-replay"),
    ip: header("cf-connecting-ip"),
    user_agent: header("user-agent"),
    accept_language: header("accept-language"),
    gpc: request.headers.get("sec-gpc") === "1",
    dnt: request.headers.get("dnt") === "1",
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
    utc_offset_minutes: utcOffsetMinutes(text(cf.timezone)),
  });
}

/** A text that is not empty, and that UTF-8 can hold. */
function text(/** @type {unknown} */ value) {
  return typeof value === "string" && value !== "" ? value.toWellFormed() : undefined;
}

/**
 * What each zone was last found to be. Zones change on quarters of an hour only.
 *
 * @type {Map<string, { minutes: number | undefined, quarter: number }>}
 */
const offsets = new Map();

/**
 * How far the clocks of `zone` are ahead of UTC now, if there is such a zone.
 *
 * @param {string | undefined} zone an IANA name
 */
function utcOffsetMinutes(zone) {
  if (zone === undefined) return undefined;
  const quarter = Math.floor(Date.now() / 900_000);
  const known = offsets.get(zone);
  if (known?.quarter === quarter) return known.minutes;
  const minutes = offsetNow(zone);
  // There are some 600 names; the rest would be somebody's invention.
  if (offsets.size > 1_000) offsets.clear();
  offsets.set(zone, { minutes, quarter });
  return minutes;
}

function offsetNow(/** @type {string} */ zone) {
  try {
    const format = new Intl.DateTimeFormat("en-US", { timeZone: zone, timeZoneName: "longOffset" });
    const named = format.formatToParts().find((part) => part.type === "timeZoneName")?.value ?? "";
    const [, sign, hours, minutes] = /^GMT(?:([+-])(\d\d):(\d\d))?/.exec(named) ?? [];
    const offset = Number(hours ?? 0) * 60 + Number(minutes ?? 0);
    return sign === "-" ? -offset : offset;
  } catch {
    return undefined;
  }
}
