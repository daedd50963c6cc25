use headwater::ingest::dialects::{DialectEndpoint, answer};
use headwater::model::outcome::{Catalogued, Outcome};
use headwater::model::protocol::Protocol;
use serde_json::{Value, json};

use super::captures::{CapturedItem, OWN_NAME, requests};

/// Returns the items of all requests with events, in order.
fn items(name: &str, key: Option<&str>) -> Vec<CapturedItem> {
    let mut all = Vec::new();
    for request in requests(name) {
        match request.endpoint(Protocol::Posthog) {
            Some(DialectEndpoint::Answer(answer)) => {
                let path = request.head().path;
                assert!(path == "/flags" || path.starts_with("/array/"), "{path}");
                assert_eq!(answer.status, 200);
            }
            endpoint => {
                assert_eq!(endpoint, Some(DialectEndpoint::Events));
                let decoded = request.decoded_with_own_name(Protocol::Posthog);
                assert_eq!(decoded.write_key.as_deref(), key);
                assert!(decoded.sent_at.unwrap().is_string());
                all.extend(decoded.items);
            }
        }
    }
    all
}

fn names(items: &[CapturedItem]) -> Vec<&str> {
    items.iter().map(|item| item.valid().name.as_str()).collect()
}

fn has_own_uuid(item: &CapturedItem) -> bool {
    item.text.contains(&format!("\"uuid\":\"{}\"", item.valid().id))
}

#[test]
fn a_browser_is_read_compressed_and_as_a_form() {
    for (name, expected) in [
        ("posthog-js", vec!["page_view", "identify", OWN_NAME, "group", "page_leave"]),
        ("posthog-js-no-compression", vec![OWN_NAME, "page_view", "page_leave"]),
    ] {
        let items = items(name, Some("phc_synthetic"));
        let (mut found, mut expected) = (names(&items), expected);
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{name}");
        for item in &items {
            let event = item.valid();
            assert!(has_own_uuid(item), "{}", item.text);
            let url = "https://shop.example/start?utm_source=news&gclid=synthetic";
            assert_eq!(event.url.as_deref(), Some(url));
            assert_eq!(event.referrer.as_deref(), Some("https://www.google.com/"));
            assert_eq!(event.screen.map(|size| (size.width, size.height)), Some((1_280, 720)));
            assert!(event.device_id.is_some() && event.client_session_id.is_some());
            let metadata = event.metadata.as_ref().unwrap();
            assert_eq!(metadata["posthog"], json!({"lib": "web", "lib_version": "1.449.2"}));
            assert_eq!(item.fields["timezone"], "UTC");
            let props = event.props.clone().unwrap_or_default();
            assert!(!props.contains_key("gclid") && !props.contains_key("utm_source"));
            let is_identified = item.text.contains("\"$user_id\"");
            assert_eq!(event.user_id.as_deref(), is_identified.then_some("u-7"));
            let order = (event.name.as_str() == OWN_NAME).then_some(Value::Object(props));
            assert_eq!(order.unwrap_or(json!({"total": 19.9})), json!({"total": 19.9}));
        }
    }
}

#[test]
fn servers_have_users_and_no_devices() {
    for (name, key) in [
        ("posthog-node", Some("phc_synthetic")),
        ("posthog-node-capture-v1", None),
        ("posthog-python", Some("phc_synthetic")),
        ("posthog-python-v1", None),
    ] {
        let items = items(name, key);
        assert!(items.len() >= 6, "{name}");
        for item in &items {
            let event = item.valid();
            assert!(has_own_uuid(item) && event.device_id.is_none(), "{}", item.text);
            let is_group = event.name.as_str() == "group";
            assert_eq!(event.user_id.is_some(), !is_group, "{}", item.text);
            if event.name.as_str() == OWN_NAME {
                assert_eq!(
                    event.props.as_ref().unwrap(),
                    json!({"total": 19.9}).as_object().unwrap()
                );
                assert_eq!(item.fields["source_name"], "order placed");
            }
        }
        for name in [OWN_NAME, "alias", "group", "exception", "feature_flag_called"] {
            assert!(names(&items).contains(&name), "{name}");
        }
    }
}

#[test]
fn each_uuid_of_version_1_has_a_result() {
    for name in ["posthog-node-capture-v1", "posthog-python-v1"] {
        let requests = requests(name);
        for request in requests.iter().filter(|it| it.path == "/i/v1/analytics/events") {
            let items = request.decoded_with_own_name(Protocol::Posthog).items;
            let accepted = Outcome::Accepted(Catalogued::No);
            let outcomes: Vec<_> =
                items.iter().map(|item| (item.valid().id, accepted.clone())).collect();
            let answer = answer(Protocol::Posthog, Ok(&outcomes), request.head());
            let answer: Value = serde_json::from_slice(&answer.body).unwrap();
            let sent: Value = serde_json::from_str(&request.body).unwrap();
            let sent = sent["batch"].as_array().unwrap();
            assert_eq!(answer["results"].as_object().unwrap().len(), sent.len());
            for event in sent {
                let uuid = event["uuid"].as_str().unwrap();
                assert_eq!(answer["results"][uuid], json!({"result": "ok"}));
            }
        }
    }
}
