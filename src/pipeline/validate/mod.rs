//! Turns a beacon into an event: checks the native protocol's fields, their types and limits.
//!
//! Reports every rule that a beacon breaks, up to ten, each with a code, a JSON Pointer and a
//! sentence. `null` and, except for the name, the empty string stand for an absent field, as
//! browsers send them. Repairs only what the event's schema can decide; [`crate::pipeline::clean`]
//! does the rest.

pub mod check;
pub mod fields;

use serde_json::{Map, Value};

use crate::model::beacon::{Envelope, max_chars};
use crate::model::event::{Event, EventId, EventIdGenerator, EventName};
use crate::model::repairs::Repairs;
use crate::model::schema_info::SchemaInfo;
use crate::model::violation::{Code, Violation, Violations};
use crate::pipeline::decode::utc_offset_minutes;
use crate::schema::coerce::Coerced;
use crate::schema::{self, Schema};
use check::Check;
use fields::{BeaconFields, present};

/// A beacon that broke at least one rule, and its valid parts.
#[derive(Debug, PartialEq)]
pub struct ValidationFailure {
    /// The beacon's own id if that was valid, else a new one.
    pub event_id: EventId,
    /// Present if it was valid.
    pub name: Option<EventName>,
    /// The schema that applied.
    pub schema: Option<&'static SchemaInfo>,
    pub violations: Violations,
}

/// The policy for events that the catalogue does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownEventPolicy {
    /// They are accepted as they are.
    #[default]
    Accept,
    Fail,
}

/// Checks every field of a beacon; the envelope's device id replaces an absent one. A value that
/// does not fit the event's schema, but has one sensible reading that does, is first repaired and
/// added to `repairs`.
pub fn event(
    fields: Map<String, Value>,
    envelope: &Envelope,
    unknown_events: UnknownEventPolicy,
    ids: &mut EventIdGenerator,
    repairs: &mut Repairs,
) -> Result<Event, Box<ValidationFailure>> {
    let schema = schema(&fields);
    let mut fields = present(fields, envelope);
    let mut off_schema = Vec::new();
    if let Some(schema) = schema {
        off_schema = schema.check(&fields);
        if !off_schema.is_empty() && fit(schema, &mut fields, repairs) {
            off_schema = schema.check(&fields);
        }
    }
    let client_utc_offset_minutes = fields.get("time").and_then(utc_offset_minutes);
    let fields = BeaconFields::of(fields);
    let mut check = Check::default();
    let name = check.name(fields.name, &fields.unknown);
    let id = check.event_id(fields.id).unwrap_or_else(|| ids.next_id());
    let device_id = check.device_id(fields.device_id);
    let client_time = check.time(fields.time);
    let seq = check.seq(fields.seq);
    let client_session_id = check.text("session_id", fields.session_id, max_chars::ID);
    let level = check.level(fields.level).or(schema.and_then(|schema| schema.info.level));
    let build = check.text("build", fields.build, max_chars::BUILD);
    let user_id = check.text("user_id", fields.user_id, max_chars::ID);
    let url = check.text("url", fields.url, max_chars::URL);
    let title = check.text("title", fields.title, max_chars::TITLE);
    let referrer = check.text("referrer", fields.referrer, max_chars::URL);
    let screen = check.size("screen", fields.screen);
    let viewport = check.size("viewport", fields.viewport);
    let language = check.text("language", fields.language, max_chars::LANGUAGE);
    let consent = check.consent(fields.consent);
    let user_hash = check.text("user_hash", fields.user_hash, max_chars::USER_HASH);
    let source_name = check.text("source_name", fields.source_name, max_chars::SOURCE);
    let source_event_id = check.text("source_event_id", fields.source_event_id, max_chars::SOURCE);
    let props = check.object("props", fields.props);
    let metadata = check.object("metadata", fields.metadata);
    let mut violations = check.finish(&fields.unknown);
    // The schema need not report a field again that the protocol reports.
    off_schema.retain(|off| !violations.iter().any(|found| found.pointer == off.pointer));
    violations.append(&mut off_schema);
    let name = match name {
        Ok(name) => name,
        Err(first) => {
            let violations = Violations::new(first, violations);
            return Err(Box::new(ValidationFailure {
                event_id: id,
                name: None,
                schema: schema.map(|schema| &schema.info),
                violations,
            }));
        }
    };
    if schema.is_none() && unknown_events == UnknownEventPolicy::Fail {
        let message = format!("{} is not in the catalogue of events", name.as_str());
        violations.insert(0, Violation::of_field(Code::UnknownEvent, "name", message));
    }
    if let Some(violations) = Violations::from_list(violations) {
        return Err(Box::new(ValidationFailure {
            event_id: id,
            name: Some(name),
            schema: schema.map(|schema| &schema.info),
            violations,
        }));
    }
    Ok(Event {
        id,
        name,
        schema: schema.map(|schema| &schema.info),
        device_id,
        client_time,
        client_utc_offset_minutes,
        sent_at: envelope.sent_at,
        seq,
        client_session_id,
        level,
        build,
        user_id,
        url,
        title,
        referrer,
        screen,
        viewport,
        language,
        consent,
        user_hash,
        source_name,
        source_event_id,
        props,
        metadata,
    })
}

/// Fits a beacon to its schema; returns whether anything was repaired.
fn fit(schema: &Schema, fields: &mut Map<String, Value>, repairs: &mut Repairs) -> bool {
    let mut is_changed = false;
    schema.fit(fields, &mut |rule, pointer, original| {
        is_changed = true;
        repairs.add(rule, pointer, Some(original));
    });
    is_changed
}

fn schema(fields: &Map<String, Value>) -> Option<&'static Schema> {
    schema::find(fields.get("name")?.as_str()?)
}

/// Converts texts to the types that the schema of the beacon's event requires.
pub fn coerce(fields: &mut Map<String, Value>, repaired: &mut Coerced<'_>) {
    if let Some(schema) = schema(fields) {
        schema.coerce(fields, repaired);
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use serde_json::json;

    use super::*;
    use crate::model::consent::Consent;
    use crate::model::event::{DeviceId, Size};
    use crate::model::level::Level;

    fn check(fields: Value) -> Result<Event, Box<ValidationFailure>> {
        let Value::Object(fields) = fields else { panic!("not an object") };
        let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [1; 10]);
        let mut repairs = Repairs::default();
        event(fields, &Envelope::default(), UnknownEventPolicy::Accept, &mut ids, &mut repairs)
    }

    fn refused(fields: Value) -> Vec<(Code, String, String)> {
        let violations = check(fields).unwrap_err().violations;
        violations.iter().map(|v| (v.code, v.pointer.clone(), v.message.clone())).collect()
    }

    #[test]
    fn a_full_beacon_becomes_an_event() {
        let event = check(json!({
            "name": "order_sent", "id": "01939b70-6d2a-7c3e-8f00-000000000001", "device_id": "d-1",
            "time": "2026-11-18T12:06:40.123+01:00", "seq": 3, "session_id": "s-1", "level": "high",
            "build": "1.2.3", "user_id": "u-1", "url": "https://shop.example/p", "title": "P",
            "referrer": "https://search.example/", "screen": "1920x1080", "viewport": "390x844",
            "language": "de-CH", "consent": "granted", "props": {"price": 1.5}, "metadata": {"tag": "x"},
        }))
        .unwrap();
        assert_eq!(event.id.to_string(), "01939b70-6d2a-7c3e-8f00-000000000001");
        assert_eq!(event.client_time.unwrap().timestamp_millis(), 1_795_000_000_123);
        assert_eq!((event.seq, event.level), (Some(3), Some(Level::High)));
        assert_eq!(event.viewport, Some(Size { width: 390, height: 844 }));
        assert_eq!(event.client_utc_offset_minutes, Some(60));
        assert_eq!(event.consent, Some(Consent::Granted));
        assert_eq!(event.props.unwrap().get("price"), Some(&json!(1.5)));
    }

    #[test]
    fn null_and_the_empty_text_stand_for_an_absent_field() {
        let event = check(json!({
            "name": "a", "id": null, "device_id": null, "time": null, "seq": null, "level": null,
            "referrer": "", "user_id": "", "screen": "", "props": null, "metadata": null,
        }))
        .unwrap();
        assert_eq!(
            (event.device_id, event.referrer, event.screen, event.props),
            (None, None, None, None)
        );
        let event = check(json!({
            "name": "a", "id": "", "device_id": "", "time": "", "seq": "", "level": "",
            "consent": "", "viewport": "", "props": "", "metadata": "",
        }))
        .unwrap();
        assert_eq!(
            (event.device_id, event.referrer, event.screen, event.props),
            (None, None, None, None)
        );
    }

    #[test]
    fn the_envelopes_device_replaces_only_an_absent_one() {
        let envelope =
            Envelope { device_id: DeviceId::parse("outer".to_owned()), ..Envelope::default() };
        for (fields, expected) in [
            (json!({"name": "a"}), "outer"),
            (json!({"name": "a", "device_id": null}), "outer"),
            (json!({"name": "a", "device_id": "inner"}), "inner"),
        ] {
            let Value::Object(fields) = fields else { panic!("not an object") };
            let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [1; 10]);
            let event = event(
                fields,
                &envelope,
                UnknownEventPolicy::Accept,
                &mut ids,
                &mut Repairs::default(),
            )
            .unwrap();
            assert_eq!(event.device_id, DeviceId::parse(expected.to_owned()));
        }
    }

    #[test]
    fn every_field_refuses_wrong_values() {
        let long = "x".repeat(9_000);
        let cases = [
            ("name", json!(1), Code::WrongType, "name must be a string, not a number"),
            ("name", json!("Page View"), Code::BadFormat, "name must match [a-z][a-z0-9_.]{0,63}"),
            ("name", json!(null), Code::MissingField, "name is missing"),
            ("id", json!(true), Code::WrongType, "id must be a string, not a boolean"),
            (
                "id",
                json!("7"),
                Code::BadFormat,
                "id must be a UUID of 36 characters, and not the nil one",
            ),
            ("device_id", json!({}), Code::WrongType, "device_id must be a string, not an object"),
            (
                "device_id",
                json!("a\u{7}"),
                Code::BadFormat,
                "device_id must not be empty or hold control characters",
            ),
            ("name", json!(""), Code::BadFormat, "name must match [a-z][a-z0-9_.]{0,63}"),
            (
                "timestamp",
                json!(1),
                Code::UnknownField,
                "timestamp is not a field of a beacon; did you mean time?",
            ),
            (
                "sentAt",
                json!(1),
                Code::UnknownField,
                "sentAt is not a field of a beacon; sent_at stands beside events",
            ),
            ("device_id", json!(long), Code::TooLong, "device_id has 9000 characters, limit 128"),
            ("time", json!([]), Code::WrongType, "time must be a string or a number, not an array"),
            (
                "time",
                json!("now"),
                Code::BadFormat,
                "time must be RFC 3339 or milliseconds since the epoch, years 1 to 9999",
            ),
            ("seq", json!("1"), Code::WrongType, "seq must be an integer, not a string"),
            (
                "seq",
                json!(-1),
                Code::OutOfRange,
                "seq must be an integer from 0 to 9007199254740991",
            ),
            (
                "seq",
                json!(1.5),
                Code::OutOfRange,
                "seq must be an integer from 0 to 9007199254740991",
            ),
            (
                "seq",
                json!(9_007_199_254_740_992_u64),
                Code::OutOfRange,
                "seq must be an integer from 0 to 9007199254740991",
            ),
            ("session_id", json!(1), Code::WrongType, "session_id must be a string, not a number"),
            ("session_id", json!(long), Code::TooLong, "session_id has 9000 characters, limit 128"),
            ("level", json!("urgent"), Code::BadFormat, "level must be one of low, mid, high"),
            ("level", json!(1), Code::WrongType, "level must be a string, not a number"),
            ("build", json!(2), Code::WrongType, "build must be a string, not a number"),
            ("build", json!(long), Code::TooLong, "build has 9000 characters, limit 64"),
            ("user_id", json!(2), Code::WrongType, "user_id must be a string, not a number"),
            ("user_id", json!(long), Code::TooLong, "user_id has 9000 characters, limit 128"),
            ("url", json!([]), Code::WrongType, "url must be a string, not an array"),
            ("url", json!(long), Code::TooLong, "url has 9000 characters, limit 8192"),
            ("title", json!(false), Code::WrongType, "title must be a string, not a boolean"),
            ("title", json!(long), Code::TooLong, "title has 9000 characters, limit 1024"),
            ("referrer", json!({}), Code::WrongType, "referrer must be a string, not an object"),
            ("referrer", json!(long), Code::TooLong, "referrer has 9000 characters, limit 8192"),
            ("screen", json!(1920), Code::WrongType, "screen must be a string, not a number"),
            (
                "screen",
                json!("big"),
                Code::BadFormat,
                "screen must be WIDTHxHEIGHT in pixels, such as 1920x1080",
            ),
            (
                "viewport",
                json!("1x"),
                Code::BadFormat,
                "viewport must be WIDTHxHEIGHT in pixels, such as 1920x1080",
            ),
            (
                "viewport",
                json!("123456x1"),
                Code::BadFormat,
                "viewport must be WIDTHxHEIGHT in pixels, such as 1920x1080",
            ),
            ("language", json!(1), Code::WrongType, "language must be a string, not a number"),
            ("language", json!(long), Code::TooLong, "language has 9000 characters, limit 64"),
            ("consent", json!(true), Code::WrongType, "consent must be a string, not a boolean"),
            ("consent", json!("yes"), Code::BadFormat, "consent must be one of granted, denied"),
            ("props", json!("{}"), Code::WrongType, "props must be an object, not a string"),
            ("metadata", json!([]), Code::WrongType, "metadata must be an object, not an array"),
            (
                "price",
                json!(1),
                Code::UnknownField,
                "price is not a field of a beacon; put it into props",
            ),
        ];
        for (field, value, code, message) in cases {
            let mut beacon = json!({"name": "a"});
            beacon[field] = value;
            assert_eq!(refused(beacon), [(code, format!("/{field}"), message.to_owned())]);
        }
    }

    #[test]
    fn a_missing_name_is_looked_for_among_the_others() {
        for (sent, message) in [
            (json!({}), "name is missing"),
            (json!({"price": 1}), "name is missing"),
            (json!({"event": "a"}), "name is missing; event is called name here"),
            (json!({"batch": [], "Name": "a"}), "name is missing; Name is called name here"),
            (json!({"batch": []}), "name is missing; batch is called events here"),
        ] {
            assert_eq!(refused(sent)[0].2, message);
        }
    }

    #[test]
    fn an_integer_is_one_however_it_is_written() {
        for (text, seq) in [
            ("7.0", 7),
            ("1e3", 1_000),
            ("70e-1", 7),
            ("0.7E+1", 7),
            ("-0.0", 0),
            ("9007199254740991.000", 9_007_199_254_740_991),
        ] {
            let beacon = serde_json::from_str(&format!(r#"{{"name":"a","seq":{text}}}"#)).unwrap();
            assert_eq!(check(beacon).unwrap().seq, Some(seq), "{text}");
        }
        for text in ["7.5", "75e-1", "-1.0", "9007199254740992.0", "1e300", "1e16"] {
            let beacon = serde_json::from_str(&format!(r#"{{"name":"a","seq":{text}}}"#)).unwrap();
            assert_eq!(refused(beacon)[0].0, Code::OutOfRange, "{text}");
        }
    }

    #[test]
    fn ten_violations_at_most_are_kept_with_the_id() {
        let invalid = check(json!({
            "id": "01939b70-6d2a-7c3e-8f00-000000000001", "seq": "x", "props": 1, "a": 1, "b": 1,
            "c": 1, "d": 1, "e": 1, "f": 1, "g": 1, "h": 1, "i": 1,
        }))
        .unwrap_err();
        assert_eq!(invalid.event_id.to_string(), "01939b70-6d2a-7c3e-8f00-000000000001");
        assert_eq!(invalid.violations.iter().count(), 10);
        assert_eq!(invalid.violations.first.message, "name is missing");
    }
}
