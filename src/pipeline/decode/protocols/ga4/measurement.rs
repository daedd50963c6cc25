//! The Measurement Protocol: a client and its events, in JSON.
//!
//! An item is a body with one event.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::REPEAT;
use crate::base::json::type_name;
use crate::model::beacon::Limits;
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::protocols::cut::{self, ItemTexts, Members};
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::request::{ProtocolItems, ProtocolRequest};
use crate::pipeline::decode::protocols::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, is_stated, move_field, move_fields,
    object_of, within,
};
use crate::pipeline::decode::{ProtocolError, native};

/// The time of an event, or of all events of a body.
const TIME: &str = "timestamp_micros";

/// Cuts a body. The write key is the API secret.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let text = request.text()?;
    let members = Members::read(text, "body")?;
    let Some(events) = members.get("events") else {
        let message = "events is missing";
        return Err(native::undecodable_field(Code::MissingField, "events", message));
    };
    let items = match cut::array(events, "events", limits)?.as_slice() {
        [_] => ProtocolItems { texts: vec![Cow::Borrowed(text)], ..ProtocolItems::default() },
        events => {
            let client = members.written_without(&["events", REPEAT]);
            let mut texts = ItemTexts::new(limits);
            for event in events {
                texts.push(["{", &client, "\"events\":[", event, "]}"].concat(), 0)?;
            }
            texts.numbered()
        }
    };
    let write_key = request.parameter("api_secret").map(Cow::into_owned);
    Ok(ProtocolItems { write_key, ..items })
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, .. } = draft;
    let has_time = |object: &Map<String, Value>| object.get(TIME).is_some_and(is_stated);
    let is_timed = has_time(item)
        || item.get("events").and_then(|events| events.get(0)?.as_object()).is_some_and(has_time);
    let text = is_timed.then(|| serde_json::to_string(item).unwrap_or_default());
    let mut event = event(item)?;
    translation.set_name(beacon, &name(&mut event)?, None);
    let mut params = event.take_field("params").unwrap_or_default();
    if let Value::Object(params) = &mut params {
        move_fields(
            params,
            beacon,
            "session_id: session_id, page_location: url, page_referrer: referrer, \
                page_title: title, language: language, screen_resolution: screen",
        );
    }
    move_field(&mut event, TIME, beacon, "time");
    client(item, beacon);
    metadata.put_object("user_properties", user_properties(item));
    // Without a time, the next event of the same content would have the same id.
    if let Some(text) = text {
        translation.set_hashed_id(beacon, &[&text]);
    }
    parts::set_props(Some(params), props, beacon);
    event.put_all(std::mem::take(item));
    event.keep_fields(&|name, value| !value.is_null() && name != REPEAT);
    metadata.put_object("ga4", event);
    Ok(())
}

/// Takes the only event of an item.
fn event(item: &mut Map<String, Value>) -> Result<Map<String, Value>, BoxedViolation> {
    let Some(Value::Array(events)) = item.take_field("events") else {
        return Err(refused(Code::WrongType, "/events", "events must be an array"));
    };
    let mut events = events.into_iter();
    match (events.next(), events.next()) {
        (Some(Value::Object(event)), None) => Ok(event),
        (Some(other), None) => {
            let message = format!("an event must be an object, not {}", type_name(&other));
            Err(refused(Code::WrongType, "/events/0", &message))
        }
        _ => Err(refused(Code::TooMany, "/events", "events must have one item")),
    }
}

fn name(event: &mut Map<String, Value>) -> Result<String, BoxedViolation> {
    parts::required(event, "name").map_err(|violation| within("/events/0", violation))
}

/// Moves the fields beside the events that a beacon has, too.
fn client(item: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    move_fields(
        item,
        beacon,
        "client_id: device_id, app_instance_id: device_id, user_id: user_id, \
            timestamp_micros: time, ip_override: ip, user_agent: user_agent",
    );
}

/// Takes the properties of the user, each without the object around its value.
fn user_properties(item: &mut Map<String, Value>) -> Map<String, Value> {
    let Some(Value::Object(properties)) = item.take_field("user_properties") else {
        return Map::new();
    };
    let value = |(name, property): (String, Value)| match property {
        Value::Object(mut of) => (name, of.take_field("value").unwrap_or(Value::Object(of))),
        other => (name, other),
    };
    object_of(&mut properties.into_iter().map(value))
}

fn refused(code: Code, pointer: &str, message: &str) -> BoxedViolation {
    within(pointer, Box::new(Violation::whole(code, message)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::protocol::Protocol;

    fn cut_up<'a>(body: &'a str, limits: &Limits) -> Result<ProtocolItems<'a>, ProtocolError> {
        let request = ProtocolRequest {
            path: "/mp/collect",
            query: "measurement_id=G-X&api_secret=s%2F1",
            body: body.as_bytes(),
            ..ProtocolRequest::default()
        };
        items(&request, limits)
    }

    fn translated(item: Value) -> Result<Value, Violation> {
        let Value::Object(item) = item else { panic!("not an object") };
        let (names, limits) = ([], Limits::default());
        let translation = Translation {
            protocol: Protocol::Ga4,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
    }

    #[test]
    fn each_field_of_a_body_has_its_place() {
        let mut beacon = translated(json!({
            "client_id": "1.2", "user_id": "u-7", "timestamp_micros": "1795000000123456",
            "ip_override": "203.0.113.7", "user_agent": "Agent/1",
            "user_properties": {"plan": {"value": "team"}, "odd": 1, "time": {"set": 2}},
            "consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"},
            "events": [{"name": "Purchase", "timestamp_micros": 1_795_000_000_999_999_u64, "params": {
                "session_id": "s-1", "engagement_time_msec": 100, "value": 19.9, "currency": "CHF",
                "page_location": "https://shop.example/", "page_title": "Thanks",
                "page_referrer": "https://www.google.com/", "language": "de-CH",
                "screen_resolution": "1280x720",
            }}],
        }))
        .unwrap();
        let id = beacon.as_object_mut().unwrap().remove("id").unwrap();
        assert!(crate::model::event::EventId::parse(id.as_str().unwrap()).is_some());
        let expected = json!({
            "name": "purchase", "source_name": "Purchase", "device_id": "1.2", "user_id": "u-7",
            "time": 1_795_000_000_999_999_u64, "session_id": "s-1", "ip": "203.0.113.7",
            "user_agent": "Agent/1", "url": "https://shop.example/", "title": "Thanks",
            "referrer": "https://www.google.com/", "language": "de-CH", "screen": "1280x720",
            "props": {"engagement_time_msec": 100, "value": 19.9, "currency": "CHF"},
            "metadata": {
                "user_properties": {"plan": "team", "odd": 1, "time": {"set": 2}},
                "ga4": {"consent": {"ad_user_data": "GRANTED", "ad_personalization": "DENIED"}},
            },
        });
        assert_eq!(beacon, expected);
        let app =
            translated(json!({"app_instance_id": "i", "events": [{"name": "a", "params": {}}]}));
        assert_eq!(app.unwrap(), json!({"name": "a", "device_id": "i"}));
    }

    #[test]
    fn a_body_with_one_event_is_an_item_as_it_is() {
        let body = r#"{"client_id":"1.2","events":[{"name":"a"}]}"#;
        let items = cut_up(body, &Limits::default()).unwrap();
        assert!(matches!(items.texts.as_slice(), [Cow::Borrowed(text)] if *text == body));
        assert_eq!(items.write_key.as_deref(), Some("s/1"));
    }

    #[test]
    fn each_event_of_a_body_is_a_body_of_its_own() {
        let body = r#"{"client_id":"1.2","timestamp_micros":1795000000123456,"events":[{"name":"a"},{"name":"b"}, {"name":"a"}]}"#;
        let items = cut_up(body, &Limits::default()).unwrap();
        let of = |event, repeat| {
            format!(
                r#"{{"client_id":"1.2","timestamp_micros":1795000000123456,"events":[{{"name":"{event}"}}]{repeat}}}"#
            )
        };
        assert_eq!(items.texts, [of("a", ""), of("b", ""), of("a", ",\"repeat\":1")]);
        let ids: Vec<Value> = items
            .texts
            .iter()
            .map(|text| translated(serde_json::from_str(text).unwrap()).unwrap()["id"].clone())
            .collect();
        assert!(ids[0] != ids[1] && ids[0] != ids[2]);
        for text in &items.texts {
            assert_eq!(cut_up(text, &Limits::default()).unwrap().texts, [text.as_ref()]);
        }
        assert_eq!(cut_up(r#"{"events":[]}"#, &Limits::default()).unwrap().texts.len(), 0);
    }

    #[test]
    fn an_event_without_a_time_has_no_id() {
        let item = json!({"client_id": "1", "events": [{"name": "a"}]});
        assert_eq!(translated(item).unwrap(), json!({"name": "a", "device_id": "1"}));
    }

    #[test]
    fn what_is_no_event_is_refused_by_field() {
        for (item, code, pointer) in [
            (json!({"events": {}}), Code::WrongType, "/events"),
            (json!({"events": []}), Code::TooMany, "/events"),
            (json!({"events": [{}, {}]}), Code::TooMany, "/events"),
            (json!({"events": [7]}), Code::WrongType, "/events/0"),
            (json!({"events": [{}]}), Code::MissingField, "/events/0/name"),
            (json!({"events": [{"name": 7}]}), Code::WrongType, "/events/0/name"),
        ] {
            let violation = translated(item).unwrap_err();
            assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer));
        }
        for (body, message) in [
            ("", "body must be an object"),
            ("{}", "events is missing"),
            (r#"{"events":{}}"#, "events must be an array"),
        ] {
            let error = cut_up(body, &Limits::default()).unwrap_err();
            assert!(matches!(error, ProtocolError::Undecodable(_)));
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn the_copies_of_the_client_have_a_limit() {
        let limits = Limits { max_record_bytes: 4_000, ..Limits::default() };
        let (client, events) = ("c".repeat(1_000), r#"{"name":"a"},"#.repeat(4));
        let body =
            format!(r#"{{"client_id":"{client}","events":[{}]}}"#, events.trim_end_matches(','));
        let error = cut_up(&body, &limits).unwrap_err();
        assert_eq!(error, ProtocolError::RecordsTooLarge { limit: 4_000 });
    }
}
