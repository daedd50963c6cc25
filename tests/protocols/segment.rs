//! The requests of Segment's, RudderStack's and Jitsu's SDKs.

use headwater::ingest::dialects::{DialectEndpoint, segment as dialect};
use headwater::model::protocol::Protocol;
use serde_json::Value;

use super::captures::requests;

/// The names of the events of each SDK, in the order of its requests.
const EVENTS: [(&str, &str); 10] = [
    ("segment-analytics-next", "page_view identify order_placed group alias screen_view"),
    ("segment-analytics-next-batching", "page_view order_placed identify"),
    ("segment-analytics-node", "identify order_placed page_view screen_view group alias"),
    ("segment-analytics-python", "identify order_placed page_view screen_view group alias"),
    ("rudder-analytics-js", "page_view identify order_placed"),
    ("rudder-analytics-js-beacon", "order_placed"),
    ("rudder-sdk-node", "identify order_placed page_view alias group screen_view"),
    ("rudder-sdk-python", "identify order_placed page_view"),
    ("jitsu-js", "order_placed page_view identify"),
    ("jitsu-js-browser", "page_view order_placed identify"),
];

#[test]
fn each_event_of_each_sdk_becomes_a_valid_event() {
    for (sdk, names) in EVENTS {
        let mut found = Vec::new();
        for request in requests(sdk) {
            let endpoint = dialect::endpoint(request.head()).unwrap();
            if request.method == "GET" {
                assert!(matches!(endpoint, DialectEndpoint::Answer(_)), "{sdk}");
                continue;
            }
            assert_eq!(endpoint, DialectEndpoint::Events, "{sdk}");
            let decoded = request.decoded(Protocol::Segment);
            assert!(decoded.sent_at.is_some(), "{sdk}");
            let key = decoded.write_key.as_deref();
            assert!(matches!(key, None | Some("wk" | "wk_synthetic")), "{sdk}: {key:?}");
            for item in decoded.items {
                let name = item.name().to_owned();
                match &item.event {
                    Ok(event) => assert!(event.client_time.is_some(), "{sdk} {name}"),
                    // The catalogue wants a currency, which most of these orders lack.
                    Err(message) => {
                        assert_eq!(name, "order_placed", "{sdk}: {message}");
                        assert!(item.fields["props"].get("currency").is_none(), "{message}");
                        assert_eq!(
                            message, "order_placed 1.0.0: /props/currency is missing",
                            "{sdk}"
                        );
                    }
                }
                found.push(name);
            }
        }
        assert_eq!(found.join(" "), names, "{sdk}");
    }
}

#[test]
fn a_page_of_each_browser_sdk_has_its_address_its_person_and_its_screen() {
    for (sdk, session, viewport, name) in [
        ("segment-analytics-next", None, None, Some("Start")),
        ("rudder-analytics-js", Some("1795885862329"), Some("1280x720"), Some("Start")),
        ("jitsu-js-browser", None, Some("1280x720"), Some("Start")),
        ("segment-analytics-next-batching", None, None, None),
    ] {
        let requests = requests(sdk);
        let page = requests.iter().find(|request| request.method == "POST").unwrap();
        let item = &page.decoded(Protocol::Segment).items[0];
        let event = item.valid();
        assert_eq!(
            event.url.as_deref(),
            Some("https://shop.example/www/page.html?utm_source=news&gclid=synthetic"),
            "{sdk}"
        );
        assert_eq!(event.title.as_deref(), Some("Start"), "{sdk}");
        assert_eq!(event.referrer.as_deref(), Some("https://www.google.com/"), "{sdk}");
        assert_eq!(event.language.as_deref(), Some("en-US"), "{sdk}");
        assert!(event.device_id.is_some() && event.user_id.is_none(), "{sdk}");
        assert_eq!(event.client_session_id.as_deref(), session, "{sdk}");
        let size = event.viewport.map(|size| format!("{}x{}", size.width, size.height));
        assert_eq!(size.as_deref(), viewport, "{sdk}");
        assert_eq!(event.build, None, "the SDK is not the app: {sdk}");
        let props = item.fields.get("props").and_then(Value::as_object);
        let page_name = props.and_then(|props| props.get("page_name")).and_then(Value::as_str);
        assert_eq!(page_name, name, "{sdk}");
        for repeated in ["url", "title", "referrer", "path", "search", "name"] {
            assert!(props.is_none_or(|props| !props.contains_key(repeated)), "{sdk} {repeated}");
        }
        assert!(item.fields["user_agent"].as_str().unwrap().starts_with("Mozilla/"), "{sdk}");
    }
}
