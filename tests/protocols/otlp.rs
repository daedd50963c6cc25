//! The requests of OpenTelemetry's exporters of logs.

use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::{items, names};

#[test]
fn a_record_of_the_exporter_for_node_becomes_an_event() {
    let (items, write_key) = items("otel-logs-js", Protocol::Otlp);
    assert_eq!((names(&items), write_key), (vec![("order.placed", None)], None));
    let event = items[0].event.as_ref().unwrap();
    assert_eq!(event.client_time.unwrap().timestamp_millis(), 1_795_162_380_755);
    assert_eq!(event.client_session_id.as_deref(), Some("7f0c2a3e"));
    assert_eq!(event.user_id.as_deref(), Some("u-7"));
    assert_eq!(event.url.as_deref(), Some("https://shop.example/thanks"));
    let props = json!({"total": 19.9, "items": ["a", "b"], "nested": {"a": 1}});
    assert_eq!(event.props.as_ref(), props.as_object());
}

#[test]
fn a_record_of_the_exporter_for_python_becomes_the_same_event() {
    let (items, _) = items("otel-logs-python", Protocol::Otlp);
    let no_event = Some("eventName is missing; a log record without it is no event");
    assert_eq!(names(&items), [("order.placed", None), ("none", no_event)]);
    let event = items[0].event.as_ref().unwrap();
    assert_eq!(event.client_time.unwrap().timestamp_millis(), 1_795_162_380_755);
    assert_eq!(event.user_id.as_deref(), Some("u-7"));
    let props = json!({"total": 19.9, "items": ["a", "b"], "nested": {"a": 1}, "ok": true});
    assert_eq!(event.props.as_ref(), props.as_object());
    let metadata = event.metadata.as_ref().unwrap();
    assert_eq!(metadata["body"], "order placed");
    assert_eq!(metadata["scope"], json!({"name": "shop", "version": "1.2.0"}));
    assert_eq!(metadata["resource"]["service.name"], "shop");
}
