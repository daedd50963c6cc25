//! The requests of Umami's SDKs.

use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::{items, names};

/// The event has a schema in the catalogue, which the SDK's example does not satisfy.
const NO_CURRENCY: Option<&str> = Some("order_placed 1.0.0: /props/currency is missing");

#[test]
fn each_request_of_the_sdk_for_node_becomes_an_event() {
    let (items, write_key) = items("umami-node", Protocol::Umami);
    let expected = [("page_view", None), ("order_placed", NO_CURRENCY), ("identify", None)];
    assert_eq!(names(&items), expected);
    assert_eq!(write_key.as_deref(), Some("94db1cb1-74f4-4a40-ad6c-962362670409"));
    let view = items[0].event.as_ref().unwrap();
    assert_eq!(view.url.as_deref(), Some("https://shop.example/start"));
    assert_eq!((view.title.as_deref(), view.language.as_deref()), (Some("Start"), Some("de-CH")));
    assert_eq!(view.referrer, None);
    assert_eq!(
        items[2].event.as_ref().unwrap().props.as_ref(),
        json!({"plan": "team"}).as_object()
    );
}

#[test]
fn each_request_of_the_sdk_for_python_becomes_an_event() {
    let (items, _) = items("umami-analytics-python", Protocol::Umami);
    assert_eq!(names(&items), [("order_placed", NO_CURRENCY), ("page_view", None)]);
    let view = items[1].event.as_ref().unwrap();
    assert_eq!(view.url.as_deref(), Some("https://shop.example/start?utm_source=news"));
    assert_eq!(view.screen.map(|screen| (screen.width, screen.height)), Some((1920, 1080)));
    assert_eq!(items[0].fields["props"], json!({"total": 19.9}));
}
