use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::event::EventId;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;

fn translated(item: Value) -> Result<Value, Violation> {
    let Value::Object(item) = item else { panic!("not an object") };
    let (names, limits) = (BTreeMap::new(), Limits::default());
    let translation = Translation {
        protocol: Protocol::Otlp,
        tenant: "shop",
        names: &names,
        limits: &limits,
        heartbeat_s: None,
    };
    crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
}

/// Writes attributes that are texts.
fn texts(attributes: &[(&str, &str)]) -> Value {
    let attribute =
        |(key, value): &(&str, &str)| json!({"key": key, "value": {"stringValue": value}});
    attributes.iter().map(attribute).collect()
}

#[test]
fn each_field_of_a_record_has_its_place() {
    let mut attributes = texts(&[
        ("session.id", "s-1"),
        ("user.id", "u-7"),
        ("device.id", "d-1"),
        ("url.full", "https://shop.example/"),
        ("client.address", "203.0.113.7"),
        ("coupon", "NEW"),
    ]);
    let referer = json!({"arrayValue": {"values": [{"stringValue": "https://www.google.com/"}]}});
    let list = attributes.as_array_mut().unwrap();
    list.push(json!({"key": "http.request.header.referer", "value": referer}));
    list.push(json!({"key": "total", "value": {"doubleValue": 19.9}}));
    let mut beacon = translated(json!({
        "resource": {"attributes": texts(&[
            ("service.name", "shop"), ("service.version", "1.4.0"), ("browser.language", "de-CH"),
            ("user_agent.original", "Agent/1"),
        ]), "droppedAttributesCount": 0},
        "scope": {"name": "checkout", "version": "", "attributes": texts(&[("a", "b")])},
        "logRecord": {
            "timeUnixNano": "1795162380755000000", "observedTimeUnixNano": "1795885160230000000",
            "eventName": "Order Placed", "severityNumber": 9, "severityText": "INFO", "flags": 1,
            "body": {"stringValue": "placed"}, "traceId": "5B8E", "spanId": "", "odd": {},
            "attributes": attributes,
        },
    }))
    .unwrap();
    let id = beacon.as_object_mut().unwrap().remove("id").unwrap();
    assert!(EventId::parse(id.as_str().unwrap()).is_some());
    let expected = json!({
        "name": "order_placed", "source_name": "Order Placed", "time": "1795162380755000000",
        "session_id": "s-1", "user_id": "u-7", "device_id": "d-1", "url": "https://shop.example/",
        "referrer": "https://www.google.com/", "language": "de-CH", "ip": "203.0.113.7",
        "user_agent": "Agent/1", "build": "1.4.0", "props": {"coupon": "NEW", "total": 19.9},
        "metadata": {
            "resource": {"service.name": "shop", "service.version": "1.4.0"},
            "scope": {"name": "checkout", "a": "b"}, "severity_number": 9, "severity_text": "INFO",
            "trace_id": "5B8E", "body": "placed",
        },
    });
    assert_eq!(beacon, expected);
}

#[test]
fn a_body_that_is_an_object_is_props() {
    let record = json!({
        "eventName": "a", "attributes": texts(&[("x", "1")]),
        "body": {"kvlistValue": {"values": texts(&[("x", "2"), ("y", "3")])}},
    });
    let beacon = translated(json!({"logRecord": record})).unwrap();
    assert_eq!(beacon, json!({"name": "a", "props": {"x": "1", "y": "3"}}));
}

#[test]
fn an_attribute_names_the_event_for_earlier_sdks() {
    let record = json!({"eventName": "", "attributes": texts(&[("event.name", "a.b")])});
    assert_eq!(translated(json!({"logRecord": record})).unwrap(), json!({"name": "a.b"}));
}

#[test]
fn the_time_is_that_of_the_event_else_of_its_observation() {
    for (record, time) in [
        (json!({"timeUnixNano": 5, "observedTimeUnixNano": "6"}), json!(5)),
        (json!({"timeUnixNano": "0", "observedTimeUnixNano": "6"}), json!("6")),
        (json!({"timeUnixNano": 0}), Value::Null),
        (json!({}), Value::Null),
    ] {
        let mut record = record;
        record["eventName"] = json!("a");
        let beacon = translated(json!({"logRecord": record})).unwrap();
        assert_eq!(beacon.get("time").unwrap_or(&Value::Null), &time);
        assert_eq!(beacon.get("id").is_some(), !time.is_null());
    }
}

#[test]
fn what_is_no_event_is_refused_by_field() {
    let name = "/logRecord/eventName";
    for (item, code, pointer) in [
        (json!({}), Code::WrongType, "/logRecord"),
        (json!({"logRecord": 7}), Code::WrongType, "/logRecord"),
        (json!({"logRecord": {"body": {"stringValue": "x"}}}), Code::MissingField, name),
        (json!({"logRecord": {"eventName": 7}}), Code::WrongType, name),
        (
            json!({"logRecord": {"eventName": "a", "attributes": {"b": 1}}}),
            Code::WrongType,
            "/logRecord/attributes",
        ),
    ] {
        let violation = translated(item).unwrap_err();
        assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer));
    }
}

fn cut_up(content_type: &str, body: &[u8]) -> Result<Vec<String>, ProtocolError> {
    let request = ProtocolRequest { content_type, body, ..ProtocolRequest::default() };
    let items = items(&request, &Limits::default())?;
    Ok(items.texts.into_iter().map(std::borrow::Cow::into_owned).collect())
}

#[test]
fn a_record_has_its_resource_and_its_scope() {
    let body = br#"{"resourceLogs":[
        {"resource":{"a":1},"scopeLogs":[
            {"scope":{"b":2},"logRecords":[{"eventName":"x"},7,{"eventName":"x"}]},{"logRecords":[{}]}]},
        {"scopeLogs":[{"scope":null,"logRecords":null}]},{}]}"#;
    let expected = [
        r#"{"resource":{"a":1},"scope":{"b":2},"logRecord":{"eventName":"x"}}"#,
        r#"{"resource":{"a":1},"scope":{"b":2},"logRecord":7}"#,
        r#"{"resource":{"a":1},"scope":{"b":2},"logRecord":{"eventName":"x"},"repeat":1}"#,
        r#"{"resource":{"a":1},"scope":null,"logRecord":{}}"#,
    ];
    assert_eq!(cut_up("application/json", body).unwrap(), expected);
    assert_eq!(cut_up("", body).unwrap(), expected);
}

#[test]
fn a_request_without_records_is_no_error() {
    for (content_type, body) in [
        ("application/json", &b"{}"[..]),
        ("application/json", br#"{"resourceLogs":[]}"#),
        ("application/x-protobuf", b""),
        ("application/x-protobuf", b"\x0a\x00"),
    ] {
        assert_eq!(cut_up(content_type, body).unwrap(), Vec::<String>::new());
    }
}

#[test]
fn a_body_that_cannot_be_cut_is_undecodable() {
    for (content_type, body) in [
        ("application/json", &b""[..]),
        ("application/json", b"[]"),
        ("application/json", br#"{"resourceLogs":{}}"#),
        ("application/json", br#"{"resourceLogs":[7]}"#),
        ("application/json", br#"{"resourceLogs":[{"scopeLogs":7}]}"#),
        ("application/json", b"\xff"),
        ("application/x-protobuf", b"{}"),
        ("", b"plain"),
    ] {
        let error = cut_up(content_type, body).unwrap_err();
        assert!(matches!(error, ProtocolError::Undecodable(_)), "{error}");
    }
}

#[test]
fn the_content_type_decides_if_the_bytes_could_be_either() {
    // A message of 123 bytes begins like JSON after a line feed, and may end like it.
    let body = [&b"\n{\n"[..], &[120][..], &[b' '; 119], b"}"].concat();
    let is_binary = |content_type| {
        is_protobuf(&ProtocolRequest { content_type, body: &body, ..ProtocolRequest::default() })
    };
    assert!(is_binary("application/x-protobuf"));
    assert!(!is_binary("application/json"));
    assert!(!is_binary("text/plain"));
}

#[test]
fn json_that_was_cut_short_is_json_without_a_content_type_too() {
    for (body, expected) in [
        (&b"{\"resourceLogs\":[{"[..], false),
        (b" {\"resourceLogs\"", false),
        (b"\n{\"resourceLogs\":[]}\n", false),
        // As a message of 123 bytes begins.
        (b"\n{\n", true),
        (b"\n\x02\n\0", true),
        (b"", true),
    ] {
        let request = ProtocolRequest { body, ..ProtocolRequest::default() };
        assert_eq!(is_protobuf(&request), expected, "{body:?}");
    }
}
