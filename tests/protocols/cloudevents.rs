//! The requests of SDKs for `CloudEvents`.

use headwater::model::protocol::Protocol;

use super::captures::{items, names};

#[test]
fn each_mode_of_the_sdk_for_node_becomes_the_same_event() {
    let (items, _) = items("cloudevents-js", Protocol::CloudEvents);
    assert_eq!(names(&items), [("order_placed", None); 6]);
    for (index, item) in items.iter().enumerate() {
        let event = item.event.as_ref().unwrap();
        let id = format!("0a000000-0000-4000-8000-00000000000{}", index + 1);
        assert_eq!(event.id.to_string(), id);
        assert_eq!(event.client_time.unwrap().timestamp_millis(), 1_795_162_380_755);
        let metadata = event.metadata.as_ref().unwrap();
        let subject = if index == 2 { "Zürich \"x\" %" } else { "o-1" };
        assert_eq!(metadata["subject"], subject);
        assert_eq!(metadata["source"], "/shop");
        assert_eq!(item.fields["source_name"], "com.shop.order_placed");
    }
}

#[test]
fn each_mode_of_the_sdks_for_python_becomes_the_same_event() {
    let no_currency = Some("order_placed 1.0.0: /props/currency is missing");
    for (sdk, subject, time) in [
        ("cloudevents-python", "Zürich \"x\" 100 %", "2026-11-20T08:13:00.755000Z"),
        ("cloudevents-python-v1", "Zürich", "2026-11-20T08:13:00.755+01:00"),
    ] {
        let (items, _) = items(sdk, Protocol::CloudEvents);
        assert_eq!(names(&items), [("order_placed", no_currency); 2], "{sdk}");
        for item in items {
            assert_eq!(item.fields["metadata"]["subject"], subject, "{sdk}");
            assert_eq!(item.fields["time"], time, "{sdk}");
            assert_eq!(item.fields["props"], serde_json::json!({"total": 19.9}), "{sdk}");
        }
    }
}
