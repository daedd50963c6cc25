use headwater::ingest::dialects::DialectEndpoint;
use headwater::model::event::DeviceId;
use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::{CapturedItem, OWN_NAME, requests};

/// Returns the items of all requests, in order.
fn items(name: &str) -> Vec<CapturedItem> {
    let mut all = Vec::new();
    for request in requests(name) {
        assert_eq!(request.endpoint(Protocol::Snowplow), Some(DialectEndpoint::Events));
        let decoded = request.decoded_with_own_name(Protocol::Snowplow);
        assert_eq!(decoded.write_key.as_deref(), Some("shop"));
        assert!(decoded.sent_at.unwrap().is_number());
        all.extend(decoded.items);
    }
    all
}

fn names(items: &[CapturedItem]) -> Vec<&str> {
    items.iter().map(|item| item.valid().name.as_str()).collect()
}

#[test]
fn the_browser_tracker_is_read() {
    let items = items("snowplow-browser-tracker");
    let expected = ["page_view", OWN_NAME, "struct_event", "page_ping"];
    assert_eq!(names(&items)[..3], expected[..3]);
    assert!(items.len() > 3 && names(&items)[3..].iter().all(|name| *name == "page_ping"));
    for item in &items {
        let event = item.valid();
        let device = DeviceId::parse("3efe0508-b27b-4973-a98d-e94d827909ad".to_owned());
        assert_eq!((&event.device_id, event.user_id.as_deref()), (&device, Some("u-7")));
        assert_eq!(event.language.as_deref(), Some("en-US"));
        let metadata = event.metadata.as_ref().unwrap();
        assert_eq!(metadata["page_view_id"], "09dd2d74-413e-4685-a682-818012ca987d");
        assert_eq!(metadata["session_index"], json!(1));
        assert_eq!(metadata["snowplow"]["tv"], "js-4.10.1");
        assert_eq!(item.fields["timezone"], "UTC");
        assert_eq!(event.client_time.unwrap().timestamp_millis() / 1_000_000, 1_795_885);
    }
    let order = items[1].valid();
    assert_eq!(order.props.as_ref().unwrap()["total"], json!(19.9));
    assert_eq!(order.metadata.as_ref().unwrap()["vendor"], "com.acme");
}

#[test]
fn anonymous_gets_have_no_device() {
    let items = items("snowplow-browser-tracker-anonymous-get");
    assert_eq!(names(&items), ["page_view", OWN_NAME]);
    assert_eq!(items[0].valid().title.as_deref(), Some("Start"));
    for item in &items {
        assert_eq!((&item.valid().device_id, &item.valid().client_session_id), (&None, &None));
    }
}

#[test]
fn the_node_tracker_is_read_with_and_without_base64() {
    let items = items("snowplow-node-tracker");
    let kinds = ["page_view", OWN_NAME, "struct_event", "page_ping", "transaction"];
    assert!(items.len() >= 12, "{}", items.len());
    for item in &items {
        assert!(kinds.contains(&item.valid().name.as_str()), "{}", item.text);
        assert_eq!(item.fields["ip"], "203.0.113.7");
        assert_eq!(item.fields["user_agent"], "Mozilla/5.0 (synthetic)");
        assert_eq!(item.fields["timezone"], "Europe/Zurich");
        assert_eq!(
            item.valid().client_session_id.as_deref(),
            Some("7f0c2a3e-0000-4000-8000-000000000001")
        );
        let props = item.valid().props.as_ref();
        match item.valid().name.as_str() {
            OWN_NAME => {
                assert_eq!(props.unwrap()["total"], json!(19.9));
                let contexts = &item.valid().metadata.as_ref().unwrap()["contexts"];
                assert_eq!(contexts["user"], json!([{"plan": "team"}]));
            }
            "struct_event" => assert_eq!(props.unwrap()["value"], json!(2)),
            "transaction" => assert_eq!(props.unwrap()["total"], json!(19.9)),
            _ => {}
        }
    }
    let encoded = items.iter().filter(|item| item.text.contains("\"ue_px\"")).count();
    let plain = items.iter().filter(|item| item.text.contains("\"ue_pr\"")).count();
    assert!(encoded > 0 && plain > 0);
}

#[test]
fn the_python_tracker_is_read() {
    let items = items("snowplow-python-tracker");
    let kinds = ["page_view", OWN_NAME, "struct_event", "page_ping"];
    assert_eq!(names(&items), [kinds, kinds].concat());
    for order in [&items[1], &items[5]] {
        assert_eq!(order.valid().client_time.unwrap().timestamp_millis(), 1_795_000_000_123);
    }
}
