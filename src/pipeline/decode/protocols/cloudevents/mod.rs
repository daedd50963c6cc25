//! `CloudEvents` 1.0 over HTTP: one in JSON, an array of them, or one in headers.
//!
//! An item is an event in the JSON format, however it was sent.
//!
//! Source: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>

mod binary;
mod data;

use std::borrow::Cow;

use super::cut;
use super::parts::{required, violation};
use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, event_name, move_fields,
};
use crate::model::beacon::Limits;
use crate::model::violation::Code;
use crate::pipeline::decode::ProtocolError;

/// The media type of one event in a format; that of an array ends in `-batch`.
const STRUCTURED: &str = "application/cloudevents";

/// Cuts a request into its items.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let media_type = media_type(request.content_type);
    let is_structured = media_type.starts_with(STRUCTURED);
    if is_structured && !media_type.ends_with("+json") && media_type.contains('+') {
        return Err(ProtocolError::UnsupportedMediaType(media_type));
    }
    let texts = match !is_structured && binary::is_binary(request) {
        true => vec![Cow::Owned(binary::item(request))],
        false => cut::one_or_more(request.text()?, limits)?,
    };
    let write_key = request.parameter("access_token").map(Cow::into_owned);
    Ok(ProtocolItems { texts, write_key, ..ProtocolItems::default() })
}

/// Returns the media type without parameters, in lower case.
fn media_type(content_type: &str) -> String {
    let media_type = content_type.split(';').next().unwrap_or_default();
    media_type.trim().to_ascii_lowercase()
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, .. } = draft;
    binary::check(item)?;
    let version = required(item, "specversion")?;
    if version != "1.0" {
        let message = "specversion must be \"1.0\"";
        return Err(violation(Code::NotAllowed, "specversion", message));
    }
    let (id, source) = (required(item, "id")?, required(item, "source")?);
    let sent = required(item, "type")?;
    translation.set_name(beacon, &sent, Some(&event_name(last_part(&sent))));
    translation.set_id(beacon, &id, &source);
    move_fields(
        item,
        beacon,
        "time: time, userid: user_id, deviceid: device_id, sessionid: session_id",
    );
    data::set_props(item, props, translation)?;
    item.keep_fields(&|_, value| !value.is_null());
    item.put_text("source", &source);
    *metadata = std::mem::take(item);
    Ok(())
}

/// Returns the last part of a type such as `com.shop.order_placed.v2`, without its version.
fn last_part(sent: &str) -> &str {
    let is_version = |part: &str| {
        let digits = part.strip_prefix('v').unwrap_or_default();
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    };
    let named = match sent.rsplit_once('.') {
        Some((named, version)) if is_version(version) => named,
        _ => sent,
    };
    named.rsplit('.').next().unwrap_or(named)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::protocol::Protocol;
    use crate::model::violation::Violation;

    fn translated(item: Value) -> Result<Value, Violation> {
        let Value::Object(item) = item else { panic!("not an object") };
        let own = ("com.shop.order.paid".to_owned(), "order_paid".to_owned());
        let (names, limits) = ([own], Limits::default());
        let translation = Translation {
            protocol: Protocol::CloudEvents,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
    }

    fn event(more: Value) -> Value {
        let mut event = json!({
            "specversion": "1.0", "id": "0a000000-0000-4000-8000-000000000001", "source": "/shop",
            "type": "a",
        });
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    }

    #[test]
    fn each_attribute_has_its_place() {
        let beacon = translated(event(json!({
            "type": "com.shop.order_placed", "time": "2026-11-20T08:13:00.755Z", "subject": "o-1",
            "dataschema": "https://c.example/s.json", "datacontenttype": "application/json",
            "traceparent": "00-1", "partitionkey": null, "userid": "u-7", "deviceid": "d-1",
            "sessionid": "s-1", "data": {"total": 19.9},
        })));
        let expected = json!({
            "name": "order_placed", "source_name": "com.shop.order_placed",
            "id": "0a000000-0000-4000-8000-000000000001", "time": "2026-11-20T08:13:00.755Z",
            "user_id": "u-7", "device_id": "d-1", "session_id": "s-1", "props": {"total": 19.9},
            "metadata": {
                "source": "/shop", "subject": "o-1", "dataschema": "https://c.example/s.json",
                "datacontenttype": "application/json", "traceparent": "00-1",
            },
        });
        assert_eq!(beacon.unwrap(), expected);
    }

    #[test]
    fn the_name_is_the_last_part_unless_it_is_mapped() {
        for (sent, name) in [
            ("com.shop.order_placed", "order_placed"),
            ("com.shop.OrderPlaced.v2", "orderplaced"),
            ("com.shop.order.paid", "order_paid"),
            ("order placed", "order_placed"),
            ("v1", "v1"),
            ("com.shop.", "unnamed"),
        ] {
            let beacon = translated(event(json!({"type": sent}))).unwrap();
            assert_eq!(beacon["name"], name, "{sent}");
        }
    }

    #[test]
    fn an_id_that_is_no_uuid_is_unique_in_its_source() {
        let of = |source| translated(event(json!({"id": "7", "source": source}))).unwrap();
        assert_eq!(of("/a"), of("/a"));
        assert_eq!(of("/a")["source_event_id"], "7");
        assert_ne!(of("/a")["id"], of("/b")["id"]);
    }

    #[test]
    fn an_item_that_is_no_event_is_refused_by_field() {
        for (more, code, pointer) in [
            (json!({"specversion": "0.3"}), Code::NotAllowed, "/specversion"),
            (json!({"specversion": null}), Code::MissingField, "/specversion"),
            (json!({"id": ""}), Code::MissingField, "/id"),
            (json!({"id": 7}), Code::WrongType, "/id"),
            (json!({"source": null}), Code::MissingField, "/source"),
            (json!({"type": []}), Code::WrongType, "/type"),
        ] {
            let violation = translated(event(more)).unwrap_err();
            assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer));
        }
    }

    #[test]
    fn structured_and_batched_events_are_cut_from_the_body() {
        for (content_type, body, texts) in [
            (
                "application/cloudevents+json; charset=utf-8",
                r#" {"id":"1"} "#,
                &[r#"{"id":"1"}"#][..],
            ),
            ("application/cloudevents-batch+json", r#"[{"id":"1"}, 7]"#, &[r#"{"id":"1"}"#, "7"]),
            ("application/cloudevents-batch+json", "[]", &[]),
            ("text/plain", r#"{"id":"1"}"#, &[r#"{"id":"1"}"#]),
            ("", r#"[{"id":"1"}]"#, &[r#"{"id":"1"}"#]),
        ] {
            let request = ProtocolRequest {
                content_type,
                query: "access_token=k%201",
                body: body.as_bytes(),
                ..ProtocolRequest::default()
            };
            let items = items(&request, &Limits::default()).unwrap();
            assert_eq!(items.texts, texts);
            assert_eq!(items.write_key.as_deref(), Some("k 1"));
        }
        for (content_type, body) in
            [("", ""), ("application/cloudevents+json", "7"), ("", "{\"a\"")]
        {
            let request = ProtocolRequest {
                content_type,
                body: body.as_bytes(),
                ..ProtocolRequest::default()
            };
            let error = items(&request, &Limits::default()).unwrap_err();
            assert!(matches!(error, ProtocolError::Undecodable(_)), "{error}");
        }
        let content_type = "application/cloudevents+avro";
        let request = ProtocolRequest { content_type, ..ProtocolRequest::default() };
        let error = items(&request, &Limits::default()).unwrap_err();
        assert_eq!(error, ProtocolError::UnsupportedMediaType(content_type.to_owned()));
    }
}
