//! The repairs that are always on, for what clients are known to get wrong.
//!
//! | repair | of | what it does |
//! |---|---|---|
//! | `trim` | every text | cuts the white space at its ends |
//! | `control_characters` | every text | removes C0, C1 but line feed and tab, and U+FEFF, U+FFFE |
//! | `hex_quote` | every text | undoes `\x22` and its like, as nginx and Apache escape in logs |
//! | `json_text` | `props`, `metadata` | reads the object that came as a JSON text |
//! | `text_to_number` | `time`, `seq` | reads the number that came as a text |
//! | `number_to_text` | ids, `build`, `title` | takes the digits of a number for the text |
//! | `epoch_seconds`, `epoch_microseconds`, `epoch_nanoseconds` | `time` | makes them milliseconds |
//! | `lower_case` | `level` | makes `HIGH` `high` |
//! | `url` | `url`, `referrer` | removes default port and fragment, makes scheme and host lower case |
//!
//! Keys are never changed, nor is a field that the protocol does not have. A value that can't be
//! repaired stays as it is, for validation to judge.

use std::borrow::Cow;

use crate::enrich::page::normalized;
use crate::validate::MAX_SAFE_INTEGER;
use serde_json::{Map, Value};

use super::Repairs;
use super::decimal::Decimal;
use super::path::escaped;
use super::text::{self, Cleaned};
use crate::event::Level;
use crate::protocol::{self, Limits};

/// The object that came as a JSON text was read.
pub const JSON_TEXT: &str = "json_text";
/// The number that came as a text was read.
pub const TEXT_TO_NUMBER: &str = "text_to_number";
/// A number stands for the text that was wanted.
pub const NUMBER_TO_TEXT: &str = "number_to_text";
/// A level was written in capital letters.
pub const LOWER_CASE: &str = "lower_case";
/// An address was normalized.
pub const URL: &str = "url";

/// A time came in another unit than milliseconds.
pub const EPOCH_SECONDS: &str = "epoch_seconds";
/// The same, with microseconds.
pub const EPOCH_MICROSECONDS: &str = "epoch_microseconds";
/// The same, with nanoseconds.
pub const EPOCH_NANOSECONDS: &str = "epoch_nanoseconds";

/// The names in a list of repairs that no declared rule may have.
pub const NAMES: [&str; 18] = [
    text::TRIM,
    text::CONTROL_CHARACTERS,
    text::HEX_QUOTE,
    JSON_TEXT,
    TEXT_TO_NUMBER,
    NUMBER_TO_TEXT,
    EPOCH_SECONDS,
    EPOCH_MICROSECONDS,
    EPOCH_NANOSECONDS,
    LOWER_CASE,
    URL,
    super::COERCE,
    super::SURROGATE,
    Repairs::MORE,
    "sensitive_parameter",
    "identifier",
    "scrub_email",
    "scrub_card",
];

/// Where a value stands in its beacon.
#[derive(Clone, Copy)]
enum At<'a> {
    Field(&'a str),
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn pointer(&self) -> String {
        match self {
            Self::Field(key) => format!("/{}", escaped(key)),
            Self::Member(parent, key) => format!("{}/{}", parent.pointer(), escaped(key)),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// Repairs every field of a beacon.
pub fn beacon(fields: &mut Map<String, Value>, repairs: &mut Repairs) {
    for (key, value) in fields {
        let at = At::Field(key);
        match key.as_str() {
            "props" | "metadata" => {
                json_text(value, at, repairs);
                texts(value, at, repairs);
            }
            "time" => {
                texts(value, at, repairs);
                time(value, at, repairs);
            }
            "seq" => {
                texts(value, at, repairs);
                seq(value, at, repairs);
            }
            "level" => {
                texts(value, at, repairs);
                level(value, at, repairs);
            }
            "url" | "referrer" => address(value, at, repairs),
            "device_id" | "session_id" | "user_id" | "build" | "title" => {
                if let Value::Number(digits) = value {
                    let text = Value::String(digits.as_str().to_owned());
                    replace(value, text, NUMBER_TO_TEXT, at, repairs);
                }
                texts(value, at, repairs);
            }
            "name" | "id" | "screen" | "viewport" | "language" | "consent" => {
                texts(value, at, repairs)
            }
            _ => {}
        }
    }
}

/// Repairs the texts in `value`. What is nested is limited by the protocol's depth.
fn texts(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            let Some(Cleaned { text: cleaned, repairs: done }) = text::cleaned(text) else {
                return;
            };
            let mut original = Some(Value::String(std::mem::replace(text, cleaned)));
            for repair in done {
                repairs.add(repair, || at.pointer(), original.take());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                texts(item, At::Item(&at, index), repairs);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                texts(member, At::Member(&at, name), repairs);
            }
        }
    }
}

fn replace(value: &mut Value, new: Value, repair: &'static str, at: At<'_>, repairs: &mut Repairs) {
    let original = std::mem::replace(value, new);
    repairs.add(repair, || at.pointer(), Some(original));
}

/// Reads the object that some clients encode twice. Its depth and size have the protocol's
/// default limits.
fn json_text(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let read = |value: &Value| {
        let text = value.as_str()?.trim();
        let beacon = text.starts_with('{').then(|| protocol::beacon(text, &Limits::default()).ok());
        beacon?.map(|beacon| Value::Object(beacon.fields))
    };
    if !value.is_string() {
        return;
    }
    // As it came first: in a JSON text the backslashes are its own.
    if let Some(object) = read(value) {
        return replace(value, object, JSON_TEXT, at, repairs);
    }
    texts(value, at, repairs);
    if let Some(object) = read(value) {
        replace(value, object, JSON_TEXT, at, repairs);
    }
}

/// Brings a count of seconds, microseconds or nanoseconds since the epoch to milliseconds,
/// told by the digits before its point: 10, 16 and 19 of them, and 13 for milliseconds.
/// So every time from 2001-09-09 to 2286-11-20 is told without doubt.
fn time(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let (text, is_number) = match &*value {
        Value::Number(number) => (number.as_str(), true),
        Value::String(text) => (text.as_str(), false),
        _ => return,
    };
    // The usual form, at once.
    if text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit()) && is_number {
        return;
    }
    let Some(count) = Decimal::parse(text) else { return };
    let (shift, unit) = match count.whole_part() {
        Some(1_000_000_000..=9_999_999_999) => (3, EPOCH_SECONDS),
        Some(1_000_000_000_000..=9_999_999_999_999) if is_number => return,
        Some(1_000_000_000_000..=9_999_999_999_999) => (0, TEXT_TO_NUMBER),
        Some(1_000_000_000_000_000..=9_999_999_999_999_999) => (-3, EPOCH_MICROSECONDS),
        Some(1_000_000_000_000_000_000..=9_999_999_999_999_999_999) => (-6, EPOCH_NANOSECONDS),
        _ => return,
    };
    if let Some(milliseconds) = count.shifted(shift).whole_part() {
        replace(value, milliseconds.into(), unit, at, repairs);
    }
}

fn seq(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let digits = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit());
    let read = value.as_str().filter(digits).and_then(|text| text.parse::<u64>().ok());
    if let Some(seq) = read.filter(|seq| *seq <= MAX_SAFE_INTEGER) {
        replace(value, seq.into(), TEXT_TO_NUMBER, at, repairs);
    }
}

fn level(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    if let Value::String(text) = &*value
        && Level::parse(text).is_none()
        && let lower = text.to_ascii_lowercase()
        && Level::parse(&lower).is_some()
    {
        replace(value, Value::String(lower), LOWER_CASE, at, repairs);
    }
}

/// Repairs the text of an address and then its form, until neither needs it: what is cut off
/// may have hidden a space. An address that does not settle keeps its form.
fn address(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    const MAX_ROUNDS: usize = 4;
    texts(value, at, repairs);
    let Value::String(text) = &*value else { return };
    let mut current: Cow<'_, str> = normalized(text);
    if current == *text {
        return;
    }
    for _ in 0..MAX_ROUNDS {
        if let Some(cleaned) = text::cleaned(&current) {
            current = cleaned.text.into();
        }
        let next = normalized(&current);
        if next == current {
            let settled = Value::String(current.into_owned());
            return replace(value, settled, URL, at, repairs);
        }
        current = next.into_owned().into();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Originals;
    use super::*;

    fn repaired(fields: Value) -> (Value, Vec<(String, String)>) {
        let Value::Object(mut fields) = fields else { panic!("not an object") };
        let mut repairs = Repairs::new(Originals::Forget);
        beacon(&mut fields, &mut repairs);
        let told = repairs.iter().map(|it| (it.rule.to_string(), it.pointer.clone())).collect();
        (Value::Object(fields), told)
    }

    #[test]
    fn each_field_is_repaired_as_it_needs() {
        for (field, sent, expected, repair) in [
            ("time", json!(1_795_000_000), json!(1_795_000_000_000_u64), EPOCH_SECONDS),
            ("time", json!("1795000000"), json!(1_795_000_000_000_u64), EPOCH_SECONDS),
            ("time", json!(1_795_000_000.123), json!(1_795_000_000_123_u64), EPOCH_SECONDS),
            ("time", json!(1.795e9), json!(1_795_000_000_000_u64), EPOCH_SECONDS),
            ("time", json!(1_000_000_000), json!(1_000_000_000_000_u64), EPOCH_SECONDS),
            ("time", json!(9_999_999_999_u64), json!(9_999_999_999_000_u64), EPOCH_SECONDS),
            ("time", json!("1795000000123"), json!(1_795_000_000_123_u64), TEXT_TO_NUMBER),
            (
                "time",
                json!(1_795_000_000_123_456_u64),
                json!(1_795_000_000_123_u64),
                EPOCH_MICROSECONDS,
            ),
            ("time", json!("1795000000123456"), json!(1_795_000_000_123_u64), EPOCH_MICROSECONDS),
            (
                "time",
                json!(1_795_000_000_123_999_999_u64),
                json!(1_795_000_000_123_u64),
                EPOCH_NANOSECONDS,
            ),
            ("seq", json!("7"), json!(7), TEXT_TO_NUMBER),
            ("seq", json!("007"), json!(7), TEXT_TO_NUMBER),
            ("user_id", json!(12), json!("12"), NUMBER_TO_TEXT),
            ("device_id", json!(7), json!("7"), NUMBER_TO_TEXT),
            ("session_id", json!(-7), json!("-7"), NUMBER_TO_TEXT),
            ("build", json!(2), json!("2"), NUMBER_TO_TEXT),
            ("title", json!(404), json!("404"), NUMBER_TO_TEXT),
            ("level", json!("HIGH"), json!("high"), LOWER_CASE),
            ("name", json!(" page_view\n"), json!("page_view"), text::TRIM),
            ("props", json!(" {\"a\": {\"b\": 1.5}} "), json!({"a": {"b": 1.5}}), JSON_TEXT),
            ("metadata", json!("\u{feff}{}"), json!({}), text::CONTROL_CHARACTERS),
            (
                "url",
                json!("HTTPS://Shop.Example:443/A?b=C#top"),
                json!("https://shop.example/A?b=C"),
                URL,
            ),
            ("url", json!("http://u:P@Shop.example:80"), json!("http://u:P@shop.example"), URL),
            ("referrer", json!("https://a.example/b #c"), json!("https://a.example/b"), URL),
            ("url", json!("http://a.example:80 #c"), json!("http://a.example"), URL),
        ] {
            let (after, told) = repaired(json!({field: sent}));
            assert_eq!(after[field], expected, "{field} {sent}");
            assert_eq!(told[0], (repair.to_owned(), format!("/{field}")), "{field} {sent}");
            assert_eq!(repaired(after.clone()), (after, Vec::new()), "{field} {sent}");
        }
    }

    #[test]
    fn what_cannot_be_told_stays_for_validation_to_judge() {
        for (field, value) in [
            ("time", json!(1_795_000_000_123_u64)),
            ("time", json!(1_795_000_000_123.5)),
            ("time", json!("2026-11-18T12:06:40Z")),
            ("time", json!("20261118")),
            ("time", json!("20261118120640")),
            ("time", json!(-1_795_000_000)),
            ("time", json!(0)),
            ("time", json!(1e30)),
            ("time", json!(true)),
            ("seq", json!("-1")),
            ("seq", json!("1.0")),
            ("seq", json!("9007199254740992")),
            ("seq", json!("")),
            ("user_id", json!(true)),
            ("language", json!(1)),
            ("level", json!("URGENT")),
            ("name", json!("Page View")),
            ("props", json!("[]")),
            ("props", json!("{")),
            ("props", json!("{\"a\":1,\"a\":2}")),
            ("props", json!("[".repeat(200))),
            ("props", json!([1])),
            ("url", json!("/path#top")),
            ("url", json!("https://a.example/#/route")),
            ("url", json!("https://a.example:8443/")),
            ("url", json!("http://a.example:443/")),
            ("url", json!("https://user:80@a.example/")),
            ("url", json!("android-app://com.Example/#x")),
            ("price", json!(" 1 ")),
        ] {
            let sent = json!({field: value});
            assert_eq!(repaired(sent.clone()), (sent, Vec::new()));
        }
    }

    #[test]
    fn every_text_below_props_and_metadata_is_repaired_and_no_key() {
        let (after, told) = repaired(json!({
            "props": {" a/b ": [" x", {"c": "y\0"}], "n": 1, "z": null},
            "metadata": "{\\x22tag\\x22: \\x22 a\\x22}",
        }));
        let expected = json!({
            "props": {" a/b ": ["x", {"c": "y"}], "n": 1, "z": null}, "metadata": {"tag": "a"},
        });
        assert_eq!(after, expected);
        let told: Vec<(&str, &str)> =
            told.iter().map(|(rule, pointer)| (rule.as_str(), pointer.as_str())).collect();
        assert_eq!(
            told,
            [
                (text::HEX_QUOTE, "/metadata"),
                (JSON_TEXT, "/metadata"),
                (text::TRIM, "/metadata/tag"),
                (text::TRIM, "/props/ a~1b /0"),
                (text::CONTROL_CHARACTERS, "/props/ a~1b /1/c"),
            ]
        );
    }

    #[test]
    fn a_number_that_becomes_a_text_keeps_its_digits() {
        let mut fields = serde_json::from_str("{\"user_id\":12.50}").unwrap();
        let mut repairs = Repairs::new(Originals::Keep);
        beacon(&mut fields, &mut repairs);
        assert_eq!(fields["user_id"], json!("12.50"));
        let told = serde_json::to_string(&repairs).unwrap();
        assert_eq!(told, r#"[{"rule":"number_to_text","pointer":"/user_id","original":"12.50"}]"#);
    }
}
