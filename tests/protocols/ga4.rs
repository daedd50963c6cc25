//! The requests of an SDK that sends what gtag sends.

use headwater::model::protocol::Protocol;
use serde_json::json;

use super::captures::{items, names};

#[test]
fn each_hit_becomes_an_event() {
    let (items, write_key) = items("minimal-analytics-ga4", Protocol::Ga4);
    let expected = [("page_view", None), ("order_placed", None), ("user_engagement", None)];
    assert_eq!(names(&items), expected);
    assert_eq!(write_key.as_deref(), Some("G-SYNTH"));
    let events: Vec<_> = items.iter().map(|item| item.event.as_ref().unwrap()).collect();
    for event in &events {
        let device = event.device_id.as_ref().unwrap().as_str();
        assert_eq!(device, "5749610159518813");
        assert_eq!(event.client_session_id.as_deref(), Some("7200895627168583"));
        assert_eq!(event.title.as_deref(), Some("Start"));
    }
    assert!(events[0].id != events[1].id && events[1].id != events[2].id);
    let props = json!({"total": 19.9, "currency": "CHF"});
    assert_eq!(events[1].props.as_ref(), props.as_object());
    let props = json!({"engagement_time_msec": 4887});
    assert_eq!(events[2].props.as_ref(), props.as_object());
}
