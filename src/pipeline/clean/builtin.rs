//! Repairs that are always on, for known mistakes of clients.
//!
//! | repair | field | effect |
//! |---|---|---|
//! | `trim` | every text | removes white space at both ends |
//! | `control_characters` | every text | removes C0, C1 except line feed and tab, and U+FEFF, U+FFFE |
//! | `hex_quote` | every text | decodes `\x22` and the like, as nginx and Apache escape in logs |
//! | `json_text` | `props`, `metadata` | parses an object that was sent as a JSON text |
//! | `empty_array` | `props`, `metadata` | replaces `[]` with `{}`, since PHP writes it so |
//! | `text_to_number` | `time`, `seq` | parses a number that was sent as a text |
//! | `number_to_text` | ids, `build`, `title` | converts a number to the text of its digits |
//! | `epoch_seconds`, `epoch_microseconds`, `epoch_nanoseconds` | `time` | converts to milliseconds |
//! | `time` | `time` | converts other spellings to RFC 3339 |
//! | `lower_case` | `level`, `consent` | converts `HIGH` to `high` |
//! | `consent` | `consent` | converts `true` and `false` |
//! | `size` | `screen`, `viewport` | converts `1279.2 X 719.5` to `1279x720` |
//! | `url` | `url`, `referrer` | removes default port and fragment, makes scheme and host lower case |
//! | `too_long` | `url`, `referrer`, `title` | cuts at the limit; a URL's campaign stays |
//!
//! Keys and unknown fields are never changed. A value that can't be repaired stays, for validation
//! to judge.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::text::{self, Cleaned};
use super::{absent, cut, instant};
use crate::base::decimal::Decimal;
use crate::base::json::{JsonReader, MAX_SAFE_INTEGER};
use crate::base::text::pointer_step;
use crate::model::beacon::{Limits, max_chars};
use crate::model::consent::Consent;
use crate::model::event::Size;
use crate::model::level::Level;
use crate::model::repairs::{EMPTY_ARRAY, Repairs, SURROGATE};
use crate::pipeline::clean::url::normalized;
use crate::schema::fit;

/// An object that was sent as a JSON text was parsed.
pub const JSON_TEXT: &str = "json_text";
/// A number that was sent as a text was parsed.
pub const TEXT_TO_NUMBER: &str = "text_to_number";
/// A number was converted to a text.
pub const NUMBER_TO_TEXT: &str = "number_to_text";
/// A time was converted to RFC 3339.
pub const TIME: &str = "time";
/// A boolean consent was converted.
pub const CONSENT: &str = "consent";
/// A size was converted to `WIDTHxHEIGHT` in whole pixels.
pub const SIZE: &str = "size";
/// A level or a consent was converted to lower case.
pub const LOWER_CASE: &str = "lower_case";
/// A URL was normalized.
pub const URL: &str = "url";

/// A time in this unit was converted to milliseconds.
pub const EPOCH_SECONDS: &str = "epoch_seconds";
pub const EPOCH_MICROSECONDS: &str = "epoch_microseconds";
pub const EPOCH_NANOSECONDS: &str = "epoch_nanoseconds";

/// The names of repairs that no declared rule may have.
pub const NAMES: [&str; 32] = [
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
    EMPTY_ARRAY,
    TIME,
    CONSENT,
    SIZE,
    Repairs::TOO_LONG,
    super::COERCE,
    SURROGATE,
    absent::PLACEHOLDER_ID,
    absent::NO_ADDRESS,
    fit::NULL,
    fit::EMPTY,
    fit::UPPER_CASE,
    crate::model::repairs::UNKNOWN_PARAMETER,
    crate::model::repairs::AMPERSAND,
    super::payload::PAYLOAD,
    Repairs::MORE,
    "sensitive_parameter",
    "secret",
    "identifier",
    "scrub_email",
    "scrub_card",
];

/// The location of a value in its beacon.
#[derive(Clone, Copy)]
enum At<'a> {
    Field(&'a str),
    Member(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl At<'_> {
    fn pointer(&self) -> String {
        const USUAL_BYTES: usize = 16;
        let mut pointer = String::with_capacity(USUAL_BYTES);
        self.write(&mut pointer);
        pointer
    }

    fn write(&self, pointer: &mut String) {
        let key = |pointer: &mut String, key: &str| {
            pointer.push('/');
            pointer.push_str(&pointer_step(key));
        };
        match self {
            Self::Field(name) => key(pointer, name),
            Self::Member(parent, name) => {
                parent.write(pointer);
                key(pointer, name);
            }
            Self::Item(parent, index) => {
                parent.write(pointer);
                pointer.push('/');
                digits(pointer, *index);
            }
        }
    }
}

/// Writes the digits of `number`, without a text of its own.
fn digits(pointer: &mut String, number: usize) {
    if number > 9 {
        digits(pointer, number / 10);
    }
    let last = u8::try_from(number % 10).unwrap_or_default();
    pointer.push(char::from(last.wrapping_add(b'0')));
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
            "consent" => {
                texts(value, at, repairs);
                consent(value, at, repairs);
            }
            "screen" | "viewport" => {
                texts(value, at, repairs);
                size(value, at, repairs);
            }
            "url" | "referrer" => address(value, at, repairs),
            "device_id" | "session_id" | "user_id" | "build" | "title" => {
                if let Value::Number(digits) = value {
                    let text = Value::String(digits.as_str().to_owned());
                    replace(value, text, NUMBER_TO_TEXT, at, repairs);
                }
                texts(value, at, repairs);
                if key == "title" {
                    title(value, at, repairs);
                }
            }
            "name" | "id" | "language" => texts(value, at, repairs),
            _ => {}
        }
    }
}

/// Repairs the texts in `value`. The protocol limits its depth.
fn texts(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            let Some(Cleaned { text: cleaned, repairs: done }) = text::cleaned(text) else {
                return;
            };
            let mut original = Some(Value::String(std::mem::replace(text, cleaned)));
            for repair in done.iter() {
                repairs.add(*repair, || at.pointer(), original.take());
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

/// Parses an object that a client encoded twice, and converts the empty array that PHP writes for
/// an empty object. Its depth, size and number of values have the protocol's default limits, and its values
/// not many more than its bytes allow.
fn json_text(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let read = |value: &Value| {
        let text = value.as_str()?.trim();
        let limits = Limits::default();
        let weight = Limits::weight_of_text(text.len());
        let mut reader = JsonReader::new(limits.max_depth, limits.max_beacon_values, weight);
        let is_read = text.starts_with('{') && text.len() <= limits.max_beacon_bytes;
        is_read.then(|| reader.beacon(text).ok().map(Value::Object))?
    };
    if value.as_array().is_some_and(Vec::is_empty) {
        return replace(value, Value::Object(Map::new()), EMPTY_ARRAY, at, repairs);
    }
    if !value.is_string() {
        return;
    }
    // Parsed as sent first: in a JSON text the backslashes are its own.
    if let Some(object) = read(value) {
        return replace(value, object, JSON_TEXT, at, repairs);
    }
    texts(value, at, repairs);
    if let Some(object) = read(value) {
        replace(value, object, JSON_TEXT, at, repairs);
    }
}

/// Converts another spelling to RFC 3339, and a count since the epoch to milliseconds. The number
/// of digits before the point gives the unit: 10 are seconds, 13 milliseconds, 16 microseconds, 19
/// nanoseconds. That is unambiguous from 2001-09-09 to 2286-11-20.
fn time(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let (text, is_number) = match &*value {
        Value::Number(number) => (number.as_str(), true),
        Value::String(text) => (text.as_str(), false),
        _ => return,
    };
    // The usual form needs no repair.
    if text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit()) && is_number {
        return;
    }
    let Some(count) = Decimal::parse(instant::unquoted(text)) else {
        let printed = || instant::printed_milliseconds(text).map(Value::from);
        if let Some(read) = instant::rfc_3339(text).map(Value::String).or_else(printed) {
            replace(value, read, TIME, at, repairs);
        }
        return;
    };
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

/// Reads an integer in any notation, such as `7.0` and `1e3`, as of a number.
fn seq(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let written = value.as_str().and_then(|text| Decimal::parse(instant::unquoted(text)));
    let read = written.filter(|it| it.is_integer()).and_then(Decimal::whole_part);
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

/// Converts a boolean consent, or the word for one, and makes its letters lower case.
fn consent(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let word = |given| if given { "granted" } else { "denied" };
    let (read, rule) = match &*value {
        Value::Bool(given) => (word(*given).to_owned(), CONSENT),
        Value::String(text) if Consent::parse(text).is_none() => match text.to_ascii_lowercase() {
            lower if lower == "true" || lower == "false" => {
                (word(lower == "true").to_owned(), CONSENT)
            }
            lower if Consent::parse(&lower).is_some() => (lower, LOWER_CASE),
            _ => return,
        },
        _ => return,
    };
    replace(value, Value::String(read), rule, at, repairs);
}

/// Reads a size with blanks, units, fractions of pixels or another sign between its sides.
fn size(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    /// Longer than any size, even with units and blanks.
    const MAX_BYTES: usize = 64;
    let Value::String(text) = &*value else { return };
    if text.len() > MAX_BYTES || Size::parse(text).is_some() {
        return;
    }
    let bare = text.to_ascii_lowercase().replace("px", "");
    let pixels = |side: &str| {
        let side = side.trim();
        let (whole, fraction) = side.split_once('.').unwrap_or((side, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
        (digits(whole) && digits(fraction)).then_some(())?;
        let up = u32::from(fraction.as_bytes().first().is_some_and(|tenths| *tenths >= b'5'));
        whole.parse::<u32>().ok()?.checked_add(up)
    };
    let read = || {
        let (width, height) = bare.split_once(['x', '×', '*'])?;
        let size = format!("{}x{}", pixels(width)?, pixels(height)?);
        Size::parse(&size).map(|_| size)
    };
    if let Some(size) = read() {
        replace(value, Value::String(size), SIZE, at, repairs);
    }
}

/// Cuts a title to the protocol's limit.
fn title(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    let Value::String(text) = &*value else { return };
    if let Some((length, short)) = cut::cut(text, max_chars::TITLE) {
        let short = text::cleaned(short).map_or(short.to_owned(), |cleaned| cleaned.text);
        let original = std::mem::replace(value, Value::String(short));
        repairs.cut(|| at.pointer(), length, original);
    }
}

/// Repairs the text of a URL, then normalizes it and cuts it to the limit. A URL that does not
/// settle keeps its form.
fn address(value: &mut Value, at: At<'_>, repairs: &mut Repairs) {
    texts(value, at, repairs);
    let Value::String(text) = &*value else { return };
    if let Some(settled) = settled(text) {
        replace(value, Value::String(settled), URL, at, repairs);
    }
    let Value::String(text) = &*value else { return };
    let Some((length, short)) = cut::url(text) else { return };
    let short = text::cleaned(&short).map_or(short, |cleaned| cleaned.text);
    let short = settled(&short).unwrap_or(short);
    let original = std::mem::replace(value, Value::String(short));
    repairs.cut(|| at.pointer(), length, original);
}

/// Returns the form of a URL that needs no further repair, if it differs. Removing a part may
/// expose a space.
fn settled(text: &str) -> Option<String> {
    const MAX_ROUNDS: usize = 4;
    let mut current: Cow<'_, str> = normalized(text);
    if current == text {
        return None;
    }
    for _ in 0..MAX_ROUNDS {
        if let Some(cleaned) = text::cleaned(&current) {
            current = cleaned.text.into();
        }
        let next = normalized(&current);
        if next == current {
            return Some(current.into_owned());
        }
        current = next.into_owned().into();
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::repairs::Originals;

    fn repaired(fields: Value) -> (Value, Vec<(String, String)>) {
        let Value::Object(mut fields) = fields else { panic!("not an object") };
        let mut repairs = Repairs::new(Originals::Forget);
        beacon(&mut fields, &mut repairs);
        let reported = repairs.iter().map(|it| (it.rule.to_string(), it.pointer.clone())).collect();
        (Value::Object(fields), reported)
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
            ("seq", json!("7.0"), json!(7), TEXT_TO_NUMBER),
            ("seq", json!("1e3"), json!(1_000), TEXT_TO_NUMBER),
            ("seq", json!("70E-1"), json!(7), TEXT_TO_NUMBER),
            ("seq", json!("+7"), json!(7), TEXT_TO_NUMBER),
            ("seq", json!("\"7\""), json!(7), TEXT_TO_NUMBER),
            ("user_id", json!(12), json!("12"), NUMBER_TO_TEXT),
            ("device_id", json!(7), json!("7"), NUMBER_TO_TEXT),
            ("session_id", json!(-7), json!("-7"), NUMBER_TO_TEXT),
            ("build", json!(2), json!("2"), NUMBER_TO_TEXT),
            ("title", json!(404), json!("404"), NUMBER_TO_TEXT),
            ("level", json!("HIGH"), json!("high"), LOWER_CASE),
            ("consent", json!("Granted"), json!("granted"), LOWER_CASE),
            ("consent", json!("DENIED"), json!("denied"), LOWER_CASE),
            ("consent", json!(true), json!("granted"), CONSENT),
            ("consent", json!(false), json!("denied"), CONSENT),
            ("consent", json!("True"), json!("granted"), CONSENT),
            ("consent", json!("false"), json!("denied"), CONSENT),
            ("viewport", json!("1279.2x719.5"), json!("1279x720"), SIZE),
            ("viewport", json!("1920 x 1080"), json!("1920x1080"), SIZE),
            ("screen", json!("1920X1080"), json!("1920x1080"), SIZE),
            ("screen", json!("1920 × 1080"), json!("1920x1080"), SIZE),
            ("screen", json!("390*844"), json!("390x844"), SIZE),
            ("screen", json!("390px x 844 PX"), json!("390x844"), SIZE),
            ("screen", json!("390.49 X 844.50"), json!("390x845"), SIZE),
            ("time", json!("2026-11-18 12:06:40+01"), json!("2026-11-18T12:06:40+01:00"), TIME),
            ("time", json!("1.795e12"), json!(1_795_000_000_000_u64), TEXT_TO_NUMBER),
            (
                "time",
                json!("Sat Nov 28 2026 12:00:00 GMT+0100 (CET)"),
                json!("2026-11-28T12:00:00+01:00"),
                TIME,
            ),
            ("time", json!("Sat, 28 Nov 2026 11:00:00 GMT"), json!("2026-11-28T11:00:00Z"), TIME),
            ("time", json!("\"2026-11-28T11:00:00Z\""), json!("2026-11-28T11:00:00Z"), TIME),
            ("time", json!("/Date(1795000000123)/"), json!(1_795_000_000_123_u64), TIME),
            ("time", json!("\"1795000000123\""), json!(1_795_000_000_123_u64), TEXT_TO_NUMBER),
            ("props", json!([]), json!({}), EMPTY_ARRAY),
            ("metadata", json!([]), json!({}), EMPTY_ARRAY),
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
            let (after, reported) = repaired(json!({field: sent}));
            assert_eq!(after[field], expected, "{field} {sent}");
            assert_eq!(reported[0], (repair.to_owned(), format!("/{field}")), "{field} {sent}");
            assert_eq!(repaired(after.clone()), (after, Vec::new()), "{field} {sent}");
        }
    }

    #[test]
    fn an_ambiguous_value_is_left_to_validation() {
        for (field, value) in [
            ("time", json!(1_795_000_000_123_u64)),
            ("time", json!(1_795_000_000_123.5)),
            ("time", json!("2026-11-18T12:06:40Z")),
            ("time", json!("20261118")),
            ("time", json!("20261118120640")),
            ("time", json!("2026-11-18")),
            ("time", json!("2026-11-18T12:06:40")),
            ("time", json!(1.795e12)),
            ("consent", json!("perhaps")),
            ("consent", json!(1)),
            ("screen", json!("1920")),
            ("screen", json!("1920x")),
            ("screen", json!("1920x1080x24")),
            ("screen", json!("-1x-1")),
            ("screen", json!("1e3x1e3")),
            ("screen", json!("123456.7x1")),
            ("screen", json!(".x.")),
            ("time", json!(-1_795_000_000)),
            ("time", json!(0)),
            ("time", json!(1e30)),
            ("time", json!(true)),
            ("seq", json!("-1")),
            ("seq", json!("1.5")),
            ("seq", json!("1e16")),
            ("seq", json!("seven")),
            ("time", json!("02/03/2026 10:00:00Z")),
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
    fn long_values_are_cut_and_their_lengths_noted() {
        let long = "ä".repeat(9_000);
        let escaped = format!("https://a.example/{}%C3%A4", "a".repeat(8_173));
        let blanks = format!("{} {}", "a".repeat(1_023), "b".repeat(10));
        for (field, sent, expected) in [
            ("title", long.clone(), "ä".repeat(1_024)),
            ("title", blanks, "a".repeat(1_023)),
            ("url", format!("https://A.example/b?c={long}#d"), "https://a.example/b".to_owned()),
            ("url", format!("https://a.example/#/b?c={long}"), "https://a.example/#/b".to_owned()),
            (
                "url",
                format!("https://A.example:443/b?c={long}&utm_source=x#d"),
                "https://a.example/b?utm_source=x".to_owned(),
            ),
            ("referrer", format!("/{long}?c"), format!("/{}", "ä".repeat(8_191))),
            ("referrer", format!("http://a.example:80?{long}"), "http://a.example".to_owned()),
            ("url", escaped.clone(), escaped.get(..8_191).unwrap().to_owned()),
        ] {
            let length = sent.chars().count();
            let Value::Object(mut fields) = json!({field: sent}) else { panic!() };
            let mut repairs = Repairs::new(Originals::Forget);
            beacon(&mut fields, &mut repairs);
            assert_eq!(fields[field], json!(expected), "{field}");
            let last = repairs.iter().last().unwrap();
            assert_eq!(
                (last.rule.as_ref(), last.pointer.as_str()),
                ("too_long", &*format!("/{field}"))
            );
            assert!(last.length.unwrap() <= length && last.length.unwrap() + 60 > length);
            let again = Value::Object(fields);
            assert_eq!(repaired(again.clone()), (again, Vec::new()), "{field}");
        }
        for (end, kept) in [
            ("tea anna.muster@mail.example", "tea"),
            ("tea (anna@mail.example)", "tea ("),
            ("tea 4242 4242 4242 4242", "tea"),
            ("tea 2026 and more of it", "tea 2026 an"),
            ("tea, green and fresh", "tea, green a"),
        ] {
            for at in 1..12 {
                let title = format!("{} {end}", "a".repeat(1_024 - at - 1));
                let (after, _) = repaired(json!({"title": title}));
                let cut = after["title"].as_str().unwrap().trim_start_matches('a').trim_start();
                assert!(kept.starts_with(cut), "{cut}");
            }
        }
        for (field, text) in [
            ("title", "ä".repeat(1_024)),
            ("url", format!("https://a.example/?{}", "ä".repeat(8_173))),
            ("build", "b".repeat(65)),
            ("user_id", "u".repeat(129)),
        ] {
            let sent = json!({field: text});
            assert_eq!(repaired(sent.clone()), (sent, Vec::new()), "{field}");
        }
    }

    #[test]
    fn every_text_below_props_and_metadata_is_repaired_and_no_key() {
        let (after, reported) = repaired(json!({
            "props": {" a/b ": [" x", {"c": "y\0"}], "n": 1, "z": null},
            "metadata": "{\\x22tag\\x22: \\x22 a\\x22}",
        }));
        let expected = json!({
            "props": {" a/b ": ["x", {"c": "y"}], "n": 1, "z": null}, "metadata": {"tag": "a"},
        });
        assert_eq!(after, expected);
        let reported: Vec<(&str, &str)> =
            reported.iter().map(|(rule, pointer)| (rule.as_str(), pointer.as_str())).collect();
        assert_eq!(
            reported,
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
        let reported = serde_json::to_string(&repairs).unwrap();
        assert_eq!(
            reported,
            r#"[{"rule":"number_to_text","pointer":"/user_id","original":"12.50"}]"#
        );
    }
}
