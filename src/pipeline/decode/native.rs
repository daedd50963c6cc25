//! The native protocol: one beacon, an array, an envelope, or one beacon per line.
//!
//! If the framing is not stated, the first character decides: `[` opens an array, `{` a beacon or
//! an envelope. If the first line is a whole object and more follows, each line is a beacon.

use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::body::{FORM, Framing};
use super::{ProtocolError, ValueBudget, beacon_within, timestamp};
use crate::base::json::body_shape::{BodyLimits, BodyShape, Items, body_shape};
use crate::base::json::{JsonFields, check_syntax, type_name};
use crate::base::text::truncate_for_display;
use crate::model::beacon::{Beacon, Envelope, Limits};
use crate::model::event::DeviceId;
use crate::model::repairs::Repairs;
use crate::model::violation::{Code, Violation};
use crate::pipeline::clean::builtin;
use crate::pipeline::clean::placeholder::is_placeholder;
use crate::pipeline::decode::hint;

/// A body, cut into the texts of its beacons; none is read yet.
#[derive(Debug, PartialEq, Eq)]
pub struct BodyParts<'a> {
    /// Applies to each beacon.
    pub envelope: Envelope,
    pub texts: Vec<&'a str>,
}

impl<'a> BodyParts<'a> {
    /// The parts of a body that is one beacon.
    pub fn of_one(text: &'a str) -> Self {
        Self { envelope: Envelope::default(), texts: vec![text] }
    }
}

/// Reads a body that is one beacon, without a pass that cuts it; none if it is, or may be, anything else.
pub fn lone_beacon<'a>(
    body: &'a str,
    framing: Framing,
    limits: &Limits,
) -> Option<(&'a str, Beacon)> {
    let text = bare(body);
    if framing == Framing::Lines || !text.starts_with('{') || text.contains(EVENTS) {
        return None;
    }
    let mut values = ValueBudget::of_request(limits, body.len());
    let beacon = beacon_within(text, limits, &mut values).ok()?;
    // The key may be written with escapes.
    (!beacon.fields.contains_key("events")).then_some((text, beacon))
}

/// The key of an envelope's beacons, as it is written.
const EVENTS: &str = "\"events\"";

/// Returns a body without what may be around it.
fn bare(text: &str) -> &str {
    text.trim_start_matches('\u{feff}').trim()
}

/// Cuts `text` into at most `limits.max_beacons` beacons.
pub fn items<'a>(
    text: &'a str,
    framing: Framing,
    limits: &Limits,
) -> Result<BodyParts<'a>, ProtocolError> {
    let text = bare(text);
    let max = limits.max_beacons;
    let (envelope, items) = match (framing, text.chars().next()) {
        (Framing::Lines, _) => (Envelope::default(), lines(text, max)),
        (_, Some('[' | '{')) => match well_formed(text, limits) {
            Some(parts) => parts,
            None => by_parts(text, max)?,
        },
        (Framing::Form, _) => return Err(ProtocolError::UnsupportedMediaType(FORM.to_owned())),
        (Framing::Detect, Some(_)) => return Err(undecodable("body must start with { or [")),
        (Framing::Detect, None) => return Err(undecodable("body is empty")),
    };
    match items.count {
        count if count > max => Err(ProtocolError::TooManyBeacons { count, limit: max }),
        _ => Ok(BodyParts { envelope, texts: items.texts }),
    }
}

/// An envelope, and the first items in it.
type Parts<'a> = (Envelope, Items<'a>);

fn lines(text: &str, max: usize) -> Items<'_> {
    let mut items = Items::default();
    let texts = text.lines().map(str::trim).filter(|line| !line.is_empty());
    texts.for_each(|text| items.push(text, max));
    items
}

/// Cuts a body in one pass; none if it has an error or several lines, which [`by_parts`] finds.
fn well_formed<'a>(text: &'a str, limits: &Limits) -> Option<Parts<'a>> {
    let limits = BodyLimits { max_depth: limits.max_depth, max_items: limits.max_beacons };
    match body_shape(text, limits)? {
        BodyShape::Beacon => Some((Envelope::default(), one(text))),
        BodyShape::Batch { items, sent_at, device_id } => {
            let mut envelope = Envelope::default();
            for (field, value) in [("sent_at", sent_at), ("device_id", device_id)] {
                if let Some(value) = value {
                    set(&mut envelope, field, value).ok()?;
                }
            }
            Some((envelope, items))
        }
    }
}

fn one(text: &str) -> Items<'_> {
    Items { texts: vec![text], count: 1 }
}

fn by_parts(text: &str, max: usize) -> Result<Parts<'_>, ProtocolError> {
    match text.starts_with('[') {
        true => Ok((Envelope::default(), array(text, max)?)),
        false => objects(text, max),
    }
}

/// Reads an array, of which the first `max` items are kept.
pub(super) fn array(text: &str, max: usize) -> Result<Items<'_>, ProtocolError> {
    struct Array(usize);

    impl<'de> Visitor<'de> for Array {
        type Value = Items<'de>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a sequence")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut items = Items::default();
            while let Some(item) = array.next_element::<&RawValue>()? {
                items.push(item.get(), self.0);
            }
            Ok(items)
        }
    }

    let mut reader = serde_json::Deserializer::from_str(text);
    let items = reader.deserialize_seq(Array(max)).map_err(not_json)?;
    reader.end().map_err(not_json)?;
    Ok(items)
}

/// Reads a text that starts with an object: a beacon, an envelope, or one beacon per line.
fn objects(text: &str, max: usize) -> Result<Parts<'_>, ProtocolError> {
    let may_be_envelope = text.contains(EVENTS);
    if may_be_envelope
        && let Ok(fields) = serde_json::from_str::<JsonFields<'_>>(text)
        && let Some(events) = fields.get("events")
    {
        return enveloped(fields, events, max);
    }
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
    let first = match values.next() {
        Some(first) => first.map_err(not_json)?.get(),
        None => return Err(undecodable("body is empty")),
    };
    let alone = values.byte_offset() >= text.len();
    match alone {
        true if may_be_envelope => {
            // Its keys must be texts, as those of an envelope.
            check_syntax(first).map_err(not_json)?;
            Ok((Envelope::default(), one(first)))
        }
        true => Ok((Envelope::default(), one(first))),
        false if text.lines().next().is_some_and(|line| line.trim() == first) => {
            Ok((Envelope::default(), lines(text, max)))
        }
        false => {
            Err(undecodable("body goes on after its first JSON value, which does not end its line"))
        }
    }
}

/// Reads an envelope: an object with an `events` field of its own.
fn enveloped<'a>(
    fields: JsonFields<'a>,
    events: &'a RawValue,
    max: usize,
) -> Result<Parts<'a>, ProtocolError> {
    let fields = fields.reject_duplicates().map_err(Violation::from)?;
    if !events.get().starts_with('[') {
        return Err(undecodable_field(Code::WrongType, "events", "events must be an array"));
    }
    let mut envelope = Envelope::default();
    // Beacons are read one by one, later: an unreadable one does not affect the others.
    for (field, raw) in fields.into_iter().filter(|(field, _)| field != "events") {
        set(&mut envelope, &field, raw.get())?;
    }
    Ok((envelope, array(events.get(), max)?))
}

/// Sets the field of an envelope whose JSON is `value`.
fn set(envelope: &mut Envelope, field: &str, value: &str) -> Result<(), ProtocolError> {
    match field {
        "sent_at" => {
            envelope.sent_at = cleaned(value, "time")?.map(|it| sent_at(&it)).transpose()?;
        }
        "device_id" => {
            let sent = cleaned(value, "device_id")?;
            envelope.no_device = sent.as_ref().is_some_and(is_placeholder);
            let sent = sent.filter(|_| !envelope.no_device);
            envelope.device_id = sent.map(device_id).transpose()?;
        }
        _ => {
            let message = match hint::meant(field) {
                Some(meant @ ("sent_at" | "device_id")) => {
                    format!("{field} is not a field of an envelope; did you mean {meant}?")
                }
                _ => format!("{} is not a field of an envelope", truncate_for_display(field)),
            };
            return Err(undecodable_field(Code::UnknownField, field, &message));
        }
    }
    Ok(())
}

/// Returns the value of an envelope's field, cleaned like a beacon's `field`; none if it is null or
/// empty.
fn cleaned(value: &str, field: &str) -> Result<Option<Value>, ProtocolError> {
    let value = serde_json::from_str(value).map_err(not_json)?;
    Ok(cleaned_value(value, field))
}

fn cleaned_value(value: Value, field: &str) -> Option<Value> {
    let mut fields = Map::from_iter([(field.to_owned(), value)]);
    builtin::beacon(&mut fields, &mut Repairs::default());
    fields.remove(field).filter(|value| !value.is_null() && value != "")
}

/// Returns when a request was sent, from any value that stands for a time.
pub fn time_of_sending(value: Value) -> Option<chrono::DateTime<chrono::Utc>> {
    timestamp(&cleaned_value(value, "time")?).ok()
}

fn sent_at(value: &Value) -> Result<chrono::DateTime<chrono::Utc>, ProtocolError> {
    timestamp(value).map_err(|(code, _)| {
        undecodable_field(
            code,
            "sent_at",
            "sent_at must be RFC 3339 or milliseconds since the epoch",
        )
    })
}

fn device_id(value: Value) -> Result<DeviceId, ProtocolError> {
    let Value::String(text) = value else {
        let message = format!("device_id must be a string, not {}", type_name(&value));
        return Err(undecodable_field(Code::WrongType, "device_id", &message));
    };
    DeviceId::parse(text).ok_or_else(|| {
        let message =
            format!("device_id must have 1 to {} printable characters", DeviceId::MAX_CHARS);
        undecodable_field(Code::BadFormat, "device_id", &message)
    })
}

#[inline(never)]
pub(super) fn undecodable(message: &str) -> ProtocolError {
    ProtocolError::from(Violation::whole(Code::BadJson, message))
}

#[inline(never)]
pub(super) fn undecodable_field(code: Code, field: &str, message: &str) -> ProtocolError {
    ProtocolError::from(Violation::of_field(code, field, message))
}

pub(super) fn not_json(error: serde_json::Error) -> ProtocolError {
    undecodable(&format!("body is not JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(framing: Framing, text: &str) -> Result<Vec<&str>, String> {
        items(text, framing, &Limits { max_beacons: 3, ..Limits::default() })
            .map(|items| items.texts)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_body_is_cut_into_the_texts_of_its_beacons() {
        let unstated: [(&str, &[&str]); 11] = [
            (r#"{"name":"a"}"#, &[r#"{"name":"a"}"#]),
            ("\u{feff} {\"name\":\n\"a\"} ", &["{\"name\":\n\"a\"}"]),
            (r#"[{"name":"a"}, {"name":"b"}]"#, &[r#"{"name":"a"}"#, r#"{"name":"b"}"#]),
            ("[]", &[]),
            (r#"[1,"x"]"#, &["1", r#""x""#]),
            ("{\"name\":\"a\"}\n{\"name\":\"b\"}\n", &[r#"{"name":"a"}"#, r#"{"name":"b"}"#]),
            ("{\"name\":\"a\"}\r\n\r\n{broken", &[r#"{"name":"a"}"#, "{broken"]),
            (r#"{"events":[{"name":"a"}]}"#, &[r#"{"name":"a"}"#]),
            (r#"{"events":[]}"#, &[]),
            (r#"{"props":{"events":[1]}}"#, &[r#"{"props":{"events":[1]}}"#]),
            (r#"{"props":"\"events\""}"#, &[r#"{"props":"\"events\""}"#]),
        ];
        for (text, texts) in unstated {
            assert_eq!(cut(Framing::Detect, text).unwrap(), texts, "{text}");
        }
        let lines: [(&str, &[&str]); 4] = [
            ("{broken\n{\"name\":\"b\"}", &["{broken", r#"{"name":"b"}"#]),
            ("[1]\n2", &["[1]", "2"]),
            (r#"{"events":[]}"#, &[r#"{"events":[]}"#]),
            ("\n \n", &[]),
        ];
        for (text, texts) in lines {
            assert_eq!(cut(Framing::Lines, text).unwrap(), texts, "{text}");
        }
    }

    #[test]
    fn a_body_that_cannot_be_cut_says_why() {
        let refused = [
            ("", "body is empty"),
            (" \n", "body is empty"),
            ("name=a", "body must start with { or ["),
            ("{", "body is not JSON: EOF while parsing an object at line 1 column 1"),
            (
                "[{\"name\":\"a\"},",
                "body is not JSON: EOF while parsing a value at line 1 column 14",
            ),
            (
                "{\n\"a\":1}\n{}",
                "body goes on after its first JSON value, which does not end its line",
            ),
            ("{} {}", "body goes on after its first JSON value, which does not end its line"),
            (r#"{"events":{}}"#, "events must be an array"),
            (r#"{"events":[{"name":"a"}],"events":[{"name":"b"}]}"#, "events comes twice"),
            (r#"{"events":[],"batch":1}"#, "batch is not a field of an envelope"),
            (r#"{"events":[],"device_id":true}"#, "device_id must be a string, not a boolean"),
            (
                r#"{"events":[],"device_id":"a\nb"}"#,
                "device_id must have 1 to 128 printable characters",
            ),
            (
                r#"{"events":[],"sent_at":"now"}"#,
                "sent_at must be RFC 3339 or milliseconds since the epoch",
            ),
            (
                r#"{"events":[],"sentAt":1}"#,
                "sentAt is not a field of an envelope; did you mean sent_at?",
            ),
            (
                r#"{"events":[],"anonymousId":"d"}"#,
                "anonymousId is not a field of an envelope; did you mean device_id?",
            ),
            ("[1,2,3,4]", "body has 4 beacons, limit 3"),
        ];
        for (text, message) in refused {
            assert_eq!(cut(Framing::Detect, text).unwrap_err(), message, "{text}");
        }
    }

    #[test]
    fn an_envelope_is_cleaned_as_its_beacons_are() {
        for (device_id, sent_at) in [
            (r#"" 4711\ufeff ""#, r#""1795000000123""#),
            ("4711", "1795000000.123"),
            (r#""4711""#, "1795000000123000"),
            ("4711", r#""2026-11-18T11:06:40,123 +0:00""#),
            ("4711", r#""\"2026-11-18T11:06:40.123Z\"""#),
        ] {
            let text = format!(r#"{{"device_id":{device_id},"sent_at":{sent_at},"events":[]}}"#);
            let BodyParts { envelope, .. } =
                items(&text, Framing::Detect, &Limits::default()).unwrap();
            assert_eq!(envelope.device_id, DeviceId::parse("4711".to_owned()), "{text}");
            assert_eq!(envelope.sent_at.unwrap().timestamp_millis(), 1_795_000_000_123, "{text}");
        }
        let text = r#"{"device_id":"","sent_at":"","events":[]}"#;
        let items = items(text, Framing::Detect, &Limits::default()).unwrap();
        assert_eq!(items.envelope, Envelope::default());
    }

    #[test]
    fn a_form_type_is_accepted_if_it_is_json() {
        for text in [r#"{"name":"a"}"#, "\u{feff} [{}]", "{\"name\":\"a\"}\n{\"name\":\"b\"}"] {
            assert_eq!(cut(Framing::Form, text), cut(Framing::Detect, text), "{text}");
        }
        for text in ["name=a&time=1", "", "\"a\"", "%7B%7D"] {
            let message = cut(Framing::Form, text).unwrap_err();
            assert!(
                message.contains("\"application/x-www-form-urlencoded\" is not taken"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_placeholder_device_of_an_envelope_is_ignored() {
        for device_id in [
            r#""undefined""#,
            r#"" NULL ""#,
            "0",
            r#""[object Object]""#,
            r#""[DEVICE_ID]""#,
            r#""%7B%7Bdevice_id%7D%7D""#,
            r#""null,null""#,
            r#""-""#,
        ] {
            let text = format!(r#"{{"device_id":{device_id},"events":[]}}"#);
            let BodyParts { envelope, .. } =
                items(&text, Framing::Detect, &Limits::default()).unwrap();
            assert_eq!(envelope, Envelope { no_device: true, ..Envelope::default() }, "{text}");
        }
    }

    #[test]
    fn a_beacon_of_an_envelope_is_no_matter_of_its_neighbours() {
        let odd = [r#"{"title":"cut \ud83d"}"#, r#"{"$serde_json::private::Number":"x"}"#];
        let text = format!(r#"{{"events":[{{"name":"a"}},{}]}}"#, odd.join(","));
        let items = items(&text, Framing::Detect, &Limits::default()).unwrap();
        assert_eq!(items.texts, [r#"{"name":"a"}"#, odd[0], odd[1]]);
    }

    #[test]
    fn an_envelope_holds_for_its_beacons() {
        let text = r#"{"sent_at":1795000000123,"device_id":"d","events":[{}]}"#;
        let items = items(text, Framing::Detect, &Limits::default()).unwrap();
        assert_eq!(items.envelope.device_id, DeviceId::parse("d".to_owned()));
        assert_eq!(items.envelope.sent_at.unwrap().timestamp_millis(), 1_795_000_000_123);
    }

    #[test]
    fn a_beacon_that_cannot_be_read_hurts_no_other_of_its_envelope() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        for odd in [r#"{"title":"cut \ud83d"}"#, &deep] {
            let text = format!(r#"{{"events":[{odd},{{"name":"a"}}]}}"#);
            assert_eq!(cut(Framing::Detect, &text).unwrap(), [odd, r#"{"name":"a"}"#]);
        }
    }

    #[test]
    fn deep_nesting_is_cut_without_recursion() {
        let deep = format!("[{}1{},{{\"name\":\"a\"}}]", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(cut(Framing::Detect, &deep).unwrap().len(), 2);
    }

    proptest! {
        #[test]
        fn all_ways_cut_the_same(
            parts in proptest::collection::vec(
                r#"("events"|"sent_at"|"device_id"|"a"|"\\u0061"):|\[|\]|\{|\}|,|"x"|"\\n"|"\\ud83d"|1|-1\.5e3|01|null|true| |\n|\{"name":"a"\}"#,
                0..14,
            ),
            batch in proptest::collection::vec(r#"\{"name":"[a-z]"(,"p":\{"q":\[1,\{\}\]\})?\}|\[\]|7"#, 0..4),
        ) {
            let envelope = format!(r#"{{"sent_at":1795000000123,"events":[{}]}}"#, batch.join(","));
            for text in [parts.concat(), format!("{{{}}}", parts.concat()), envelope] {
                let text = text.trim();
                let limits = Limits { max_depth: 4, max_beacons: 2, ..Limits::default() };
                if let Some(cut) = well_formed(text, &limits) {
                    prop_assert_eq!(by_parts(text, limits.max_beacons), Ok(cut));
                }
                if let Some((lone, _)) = lone_beacon(text, Framing::Detect, &limits) {
                    prop_assert_eq!(items(text, Framing::Detect, &limits), Ok(BodyParts::of_one(lone)));
                }
            }
        }
    }
}
