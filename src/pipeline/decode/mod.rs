//! Decodes a request's body or query into beacons.
//!
//! A broken beacon never affects the others: the body is first cut into the beacons' texts, and
//! each is read separately. [`crate::pipeline::validate`] checks the fields later.

pub mod body;
pub mod charset;
pub mod hint;
pub mod native;
pub mod pixel;
pub mod protocols;
pub mod record;
pub mod server_fields;
use chrono::{DateTime, Datelike, Utc};
use serde_json::{Map, Value};

pub use crate::base::json::JsonFields;
use crate::base::json::{JsonErrorKind, JsonReader, type_name};
use crate::model::beacon::{Beacon, Limits};
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::repairs::SURROGATE;
use crate::model::violation::{Code, Violation};

/// The query parameter that holds the write key.
const WRITE_KEY: &str = "key";

/// Why a request's body was not cut into beacons. Every case is the client's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    #[error(
        "content type {0:?} is not taken; send text/plain, application/json or application/x-ndjson"
    )]
    UnsupportedMediaType(String),
    #[error("content encoding {0:?} is not taken; send gzip or none")]
    UnsupportedEncoding(String),
    #[error("charset {0:?} is not taken; send utf-8, utf-16, iso-8859-1 or windows-1252")]
    UnsupportedCharset(String),
    #[error("body has more than {limit} bytes, the limit as sent")]
    BodyTooLarge {
        /// In bytes as sent.
        limit: usize,
    },
    #[error("body inflates to more than {limit} bytes, the limit")]
    InflatedTooLarge {
        /// In bytes once inflated.
        limit: usize,
    },
    #[error("body has {count} beacons, limit {limit}")]
    TooManyBeacons {
        /// Beacons in the body.
        count: usize,
        limit: usize,
    },
    #[error("beacons become records of more than {limit} bytes, the limit")]
    RecordsTooLarge {
        /// In bytes of all records.
        limit: usize,
    },
    /// The body is not in the format that it claims; it is kept as one failed event.
    #[error("{0}")]
    Undecodable(Box<Violation>),
}

impl From<Violation> for ProtocolError {
    fn from(violation: Violation) -> Self {
        Self::Undecodable(Box::new(violation))
    }
}

/// How many values the beacons of a request may still have, and their weight: what they take to
/// process, in numbers of an array. A text weighs as much as two, one that may need a repair as five, a key
/// as one, one behind 32 others as two, and an object with members as three.
#[derive(Debug)]
pub struct ValueBudget {
    values: usize,
    weight: usize,
}

impl ValueBudget {
    pub const fn unlimited() -> Self {
        Self { values: usize::MAX, weight: usize::MAX }
    }

    /// Returns the budget of a request whose beacons have so many bytes.
    pub fn of_request(limits: &Limits, bytes: usize) -> Self {
        Self { values: limits.max_request_values, weight: Limits::weight_of_request(bytes) }
    }

    /// Returns the budget of an object of so many bytes that is a text inside of a beacon.
    pub const fn of_text(bytes: usize) -> Self {
        Self { values: usize::MAX, weight: Limits::weight_of_text(bytes) }
    }
}

/// Reads one beacon from its text.
pub fn beacon(text: &str, limits: &Limits) -> Result<Beacon, Violation> {
    beacon_within(text, limits, &mut ValueBudget::unlimited())
}

/// Reads one beacon of a request from its text; its values are taken from `budget`.
pub fn beacon_within(
    text: &str,
    limits: &Limits,
    budget: &mut ValueBudget,
) -> Result<Beacon, Violation> {
    if text.len() > limits.max_beacon_bytes {
        let message = format!("beacon has {} bytes, limit {}", text.len(), limits.max_beacon_bytes);
        return Err(Violation::whole(Code::TooLarge, message));
    }
    let not_json = |error| Violation::whole(Code::BadJson, format!("beacon is not JSON: {error}"));
    if !text.starts_with('{') {
        let other: Value = serde_json::from_str(text).map_err(not_json)?;
        let message = format!("a beacon must be an object, not {}", type_name(&other));
        return Err(Violation::whole(Code::WrongType, message));
    }
    let of_request = budget.values < limits.max_beacon_values;
    let max_values = limits.max_beacon_values.min(budget.values);
    let mut reader = JsonReader::new(limits.max_depth, max_values, budget.weight);
    let read = reader.beacon(text);
    budget.values = budget.values.saturating_sub(reader.values);
    budget.weight = reader.weight_left;
    let fields = read.map_err(|error| match error.kind {
        JsonErrorKind::TooManyValues => too_complex(limits, of_request),
        JsonErrorKind::TooManyForBytes => {
            let message = "request has more values than its bytes allow";
            Violation::whole(Code::TooComplex, message)
        }
        _ => error.into(),
    })?;
    Ok(read_beacon(fields, reader))
}

/// Returns the beacon of the fields that `reader` has read.
#[inline(never)]
fn read_beacon(fields: Map<String, Value>, reader: JsonReader) -> Beacon {
    let reader_repairs =
        reader.reader_repairs.into_iter().map(|pointer| (SURROGATE, pointer)).collect();
    Beacon { fields, reader_repairs, left_out: Map::new() }
}

fn too_complex(limits: &Limits, of_request: bool) -> Violation {
    let message = match of_request {
        true => format!("request has more than {} values", limits.max_request_values),
        false => format!("beacon has more than {} values", limits.max_beacon_values),
    };
    Violation::whole(Code::TooComplex, message)
}

/// Reads a failed event's original again, if it is a single beacon.
pub fn original(original: &OriginalPayload, limits: &Limits) -> Option<Beacon> {
    let text = std::str::from_utf8(&original.bytes).ok()?;
    match original.form {
        PayloadFormat::Beacon => beacon(text, limits).ok(),
        PayloadFormat::Query => pixel::beacon(text).ok(),
        PayloadFormat::Record => record::beacon(text, limits).ok(),
        PayloadFormat::Body
        | PayloadFormat::GzipBody
        | PayloadFormat::Item(_)
        | PayloadFormat::ProtocolBody(_) => None,
    }
}

/// Returns the text of an original that is no single beacon, as well as it can be read: of broken
/// gzip, what could be inflated.
pub fn legible(original: &OriginalPayload, limits: &Limits) -> String {
    let inflated = match original.form {
        PayloadFormat::GzipBody => body::inflated_part(&original.bytes, limits.max_inflated_bytes),
        _ => Vec::new(),
    };
    let bytes = if inflated.is_empty() { &original.bytes } else { &inflated };
    String::from_utf8_lossy(bytes).into_owned()
}

/// Reads an object. Fails if a key occurs twice, at any depth.
pub fn object(text: &str) -> Result<Map<String, Value>, Violation> {
    let limits = Limits { max_beacon_values: usize::MAX, ..Limits::default() };
    beacon(text, &limits).map(|beacon| beacon.fields)
}

/// Reads an RFC 3339 text, or milliseconds since the epoch; years 1 to 9999.
pub fn timestamp(value: &Value) -> Result<DateTime<Utc>, (Code, &'static str)> {
    let time = match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc()),
        Value::Number(number) => {
            // One that is too large becomes the largest, whose year is no valid one.
            let milliseconds = number.as_i64().or_else(|| Some(number.as_f64()? as i64));
            milliseconds.and_then(DateTime::from_timestamp_millis)
        }
        _ => return Err((Code::WrongType, type_name(value))),
    };
    // Consumers can't represent a leap second.
    time.filter(|time| (1..=9_999).contains(&time.year()) && time.timestamp_subsec_millis() < 1_000)
        .ok_or((Code::BadFormat, type_name(value)))
}

/// Returns the UTC offset of an RFC 3339 text, in minutes. `Z` gives none, since scripts write it
/// in every time zone; zero gives none either.
pub fn utc_offset_minutes(value: &Value) -> Option<i32> {
    let text = value.as_str().filter(|text| !text.ends_with(['Z', 'z']))?;
    let offset = DateTime::parse_from_rfc3339(text).ok()?.offset().local_minus_utc();
    offset.checked_div(60).filter(|minutes| *minutes != 0)
}

pub fn write_key(query: &str) -> Option<String> {
    let mut named = form_urlencoded::parse(query.as_bytes());
    let named = named.find(|(name, _)| pixel::without_amp(name) == WRITE_KEY);
    named.map(|(_, key)| key.into_owned())
}

/// Returns the origin of a web URL, in the form of an `Origin` header.
pub fn origin_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let host = rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())?;
    matches!(scheme, "http" | "https").then(|| format!("{scheme}://{host}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits() -> Limits {
        Limits { max_beacon_bytes: 100, max_depth: 3, ..Limits::default() }
    }

    #[test]
    fn a_beacon_is_an_object_within_the_limits() {
        assert!(beacon(r#"{"name":"a","props":{"b":["[[[[{{"]}}"#, &limits()).is_ok());
        let cases = [
            (r#""name""#.to_owned(), Code::WrongType, "a beacon must be an object, not a string"),
            (
                r#"{"a":{"b":{"c":{}}}}"#.to_owned(),
                Code::TooDeep,
                "beacon is nested deeper than 3 levels",
            ),
            (
                format!("{{\"a\":\"{}\"}}", "x".repeat(100)),
                Code::TooLarge,
                "beacon has 108 bytes, limit 100",
            ),
            (
                "{\"a\":}".to_owned(),
                Code::BadJson,
                "beacon is not JSON: expected value at line 1 column 6",
            ),
        ];
        for (text, code, message) in cases {
            assert_eq!(beacon(&text, &limits()), Err(Violation::whole(code, message)));
        }
    }

    #[test]
    fn a_field_that_comes_twice_is_refused_by_name() {
        let violation = beacon(r#"{"name":"a","seq":1,"seq":2}"#, &Limits::default()).unwrap_err();
        assert_eq!(violation, Violation::of_field(Code::DuplicateField, "seq", "seq comes twice"));
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for (address, origin) in [
            ("https://shop.example/a?b#c", Some("https://shop.example")),
            ("http://shop.example:8080", Some("http://shop.example:8080")),
            ("about:client", None),
            ("android-app://com.example/", None),
            ("https:///x", None),
        ] {
            assert_eq!(origin_of(address).as_deref(), origin, "{address}");
        }
    }

    #[test]
    fn a_time_has_a_wall_clock_if_it_has_an_offset() {
        for (text, minutes) in [
            ("2026-11-18T12:06:40+01:00", Some(60)),
            ("2026-11-18T12:06:40.5-03:30", Some(-210)),
            ("2026-11-18T12:06:40Z", None),
            ("2026-11-18T12:06:40+00:00", None),
            ("now", None),
        ] {
            assert_eq!(utc_offset_minutes(&json!(text)), minutes, "{text}");
        }
    }

    #[test]
    fn a_time_is_rfc_3339_or_milliseconds() {
        let at = |value| timestamp(&value).map(|time| time.to_rfc3339());
        assert_eq!(at(json!(1_795_000_000_123_i64)).unwrap(), "2026-11-18T11:06:40.123+00:00");
        assert_eq!(
            at(json!("2026-11-18T12:06:40.123+01:00")).unwrap(),
            "2026-11-18T11:06:40.123+00:00"
        );
        assert_eq!(at(json!(1_795_000_000_123.75)).unwrap(), "2026-11-18T11:06:40.123+00:00");
        assert_eq!(at(json!("yesterday")).unwrap_err().0, Code::BadFormat);
        assert_eq!(at(json!("2026-11-18T12:06:60Z")).unwrap_err().0, Code::BadFormat);
        assert_eq!(at(json!("0000-01-01T00:00:00Z")).unwrap_err().0, Code::BadFormat);
        assert_eq!(at(json!(1e300)).unwrap_err().0, Code::BadFormat);
        assert_eq!(at(json!(-9e14)).unwrap_err().0, Code::BadFormat);
        assert_eq!(at(json!([])).unwrap_err().0, Code::WrongType);
    }
}
