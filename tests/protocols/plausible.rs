//! The requests of Plausible's SDK.

use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::{items, names};

#[test]
fn each_request_of_the_tracker_becomes_an_event() {
    let (items, write_key) = items("plausible-tracker", Protocol::Plausible);
    let expected = [("page_view", None), ("order_placed", None), ("page_leave", None)];
    assert_eq!(names(&items), expected);
    assert_eq!(write_key.as_deref(), Some("shop.example"));
    let order = items[1].event.as_ref().unwrap();
    let props = json!({"author": "ada", "plan": "team", "total": 19.9, "currency": "CHF"});
    assert_eq!(order.props.as_ref(), props.as_object());
    assert_eq!(order.referrer.as_deref(), Some("https://www.google.com/"));
    let left = items[2].event.as_ref().unwrap();
    let props = json!({"author": "ada", "depth": 24, "engaged_ms": 4535});
    assert_eq!(left.props.as_ref(), props.as_object());
}
