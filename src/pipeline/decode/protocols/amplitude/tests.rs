use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
use crate::pipeline::decode::{self, ValueBudget};

fn cut(body: &str, limits: &Limits) -> Result<Vec<String>, String> {
    let request =
        ProtocolRequest { path: "/2/httpapi", body: body.as_bytes(), ..Default::default() };
    items(&request, limits)
        .map(|items| items.texts.iter().map(|text| text.to_string()).collect())
        .map_err(|error| error.to_string())
}

fn translated(event: &Value) -> Result<Value, Violation> {
    let (names, limits) = ([], Limits::default());
    let protocol = Protocol::Amplitude;
    let translation =
        Translation { protocol, tenant: "shop", names: &names, limits: &limits, heartbeat_s: None };
    let mut budget = ValueBudget::unlimited();
    decode::protocols::beacon(&event.to_string(), &translation, &limits, &mut budget)
        .map(|beacon| Value::Object(beacon.fields))
}

#[test]
fn an_event_becomes_a_beacon() {
    let sent = json!({
        "event_type": "Order Placed", "insert_id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b",
        "user_id": "u-7", "device_id": "d-1", "time": 1_795_000_000_123_u64,
        "session_id": 1_795_000_000_000_u64, "event_id": 23, "app_version": "2.1.3",
        "language": "de-CH", "ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (synthetic)",
        "event_properties": {"order": "o-1", "price": 5}, "price": 4.99, "quantity": 3,
        "revenue": 14.97, "productId": "p-1", "revenueType": "sale", "currency": "CHF",
        "user_properties": {"$set": {"plan": "team"}}, "groups": {"company": "Acme"},
        "group_properties": {}, "platform": "iOS", "os_name": "iOS", "country": "Switzerland",
        "library": "amplitude-ts/2", "partner_id": null, "plan": {"branch": "main"},
    });
    let expected = json!({
        "name": "order_placed", "source_name": "Order Placed",
        "id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b", "user_id": "u-7", "device_id": "d-1",
        "time": 1_795_000_000_123_u64, "session_id": 1_795_000_000_000_u64, "seq": 23,
        "build": "2.1.3", "language": "de-CH", "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0 (synthetic)",
        "props": {"order": "o-1", "price": 5, "quantity": 3, "revenue": 14.97, "product_id": "p-1",
            "revenue_type": "sale", "currency": "CHF"},
        "metadata": {
            "user_properties": {"$set": {"plan": "team"}}, "groups": {"company": "Acme"},
            "amplitude": {"platform": "iOS", "os_name": "iOS", "country": "Switzerland",
                "library": "amplitude-ts/2", "plan": {"branch": "main"}, "price": 4.99},
        },
    });
    assert_eq!(translated(&sent), Ok(expected));
}

#[test]
fn the_events_of_the_sdks_are_known() {
    for (sent, expected) in [
        (
            json!({"event_type": "$identify", "user_properties": {"$set": {"plan": "team"}, "$add": {"n": 1}}}),
            json!({"name": "identify", "source_name": "$identify", "props": {"plan": "team"},
                "metadata": {"user_properties": {"$add": {"n": 1}}}}),
        ),
        (
            json!({"event_type": "$groupidentify", "groups": {"company": "Acme"},
                "group_properties": {"$set": {"seats": 5}}}),
            json!({"name": "group", "source_name": "$groupidentify", "props": {"seats": 5},
                "metadata": {"groups": {"company": "Acme"}}}),
        ),
        (
            json!({"event_type": "[Amplitude] Page Viewed", "event_properties": {
                "[Amplitude] Page Location": "https://a.example/b?utm_source=c",
                "[Amplitude] Page URL": "https://a.example/b", "[Amplitude] Page Title": "T",
                "[Amplitude] Page Path": "/b", "[Amplitude] Page Domain": "a.example",
                "[Amplitude] Page Counter": 1, "referrer": "https://www.google.com/"}}),
            json!({"name": "page_view", "source_name": "[Amplitude] Page Viewed",
                "url": "https://a.example/b?utm_source=c", "title": "T",
                "referrer": "https://www.google.com/", "props": {"[Amplitude] Page Counter": 1}}),
        ),
        (
            json!({"event_type": "[Amplitude] Element Clicked", "event_properties": {
                "[Amplitude] Page URL": "https://a.example/b", "referrer": "x"}}),
            json!({"name": "amplitude_element_clicked", "source_name": "[Amplitude] Element Clicked",
                "url": "https://a.example/b", "props": {"referrer": "x"}}),
        ),
        (
            json!({"event_type": "a", "session_id": -1, "ip": "$remote", "user_id": null, "device_id": ""}),
            json!({"name": "a"}),
        ),
        (
            json!({"event_type": "a", "event_properties": [1], "user_properties": 7, "revenue": 1}),
            json!({"name": "a", "props": [1],
                "metadata": {"user_properties": 7, "amplitude": {"revenue": 1}}}),
        ),
        (
            json!({"event_type": "revenue_amount", "price": 1,
                "event_properties": {"$price": 19.9, "$productId": "p-1", "$x": 1}}),
            json!({"name": "revenue_amount",
                "props": {"price": 19.9, "product_id": "p-1", "$x": 1},
                "metadata": {"amplitude": {"price": 1}}}),
        ),
        (json!({"event_type": "a", "version_name": "3"}), json!({"name": "a", "build": "3"})),
    ] {
        assert_eq!(translated(&sent), Ok(expected), "{sent}");
    }
}

#[test]
fn a_repeat_is_one_of_the_same_device() {
    let of = |device: &str| {
        translated(&json!({"event_type": "a", "device_id": device, "insert_id": "order-1"}))
            .unwrap()
    };
    assert_eq!(of("d-1")["id"], of("d-1")["id"]);
    assert_ne!(of("d-1")["id"], of("d-2")["id"]);
    assert_eq!(of("d-1")["source_event_id"], "order-1");
}

#[test]
fn what_is_no_event_names_its_field() {
    for (sent, message) in [
        (json!({}), "event_type is missing"),
        (json!({"event_type": ""}), "event_type is missing"),
        (json!({"event_type": 1}), "event_type must be a string, not a number"),
    ] {
        let violation = translated(&sent).unwrap_err();
        assert_eq!(
            (violation.pointer.as_str(), violation.message.as_str()),
            ("/event_type", message)
        );
    }
}

#[test]
fn an_upload_is_cut_into_events() {
    let body = r#"{"api_key":"wk","events":[{"a":1}, 2],"options":{},"client_upload_time":"T"}"#;
    let request = ProtocolRequest { body: body.as_bytes(), ..Default::default() };
    let items = items(&request, &Limits::default()).unwrap();
    let expected = ProtocolItems {
        texts: vec![r#"{"a":1}"#.into(), "2".into()],
        sent_at: Some("T".into()),
        write_key: Some("wk".to_owned()),
        ..ProtocolItems::default()
    };
    assert_eq!(items, expected);
    let limits = Limits { max_beacons: 1, ..Limits::default() };
    for (body, message) in [
        ("", "body is empty"),
        ("{}", "events is missing"),
        (r#"{"events":{}}"#, "events must be an array"),
        (r#"{"events":[1,2]}"#, "body has 2 beacons, limit 1"),
        ("{", "body is not JSON of an upload: EOF while parsing an object at line 1 column 1"),
    ] {
        assert_eq!(cut(body, &limits), Err(message.to_owned()), "{body}");
    }
    assert_eq!(cut(r#"{"events":[],"api_key":7}"#, &limits), Ok(Vec::new()));
}

proptest! {
    #[test]
    fn any_bytes_are_cut_or_refused(
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            r#"\{("(events|api_key|client_upload_time)":("a"|1|null|\[\{\},1\]|\[),?){0,3}\}?"#
                .prop_map(String::into_bytes),
        ],
    ) {
        let request = ProtocolRequest { body: &bytes, ..Default::default() };
        if let Ok(items) = items(&request, &Limits::default()) {
            prop_assert!(items.texts.iter().all(|text| serde_json::from_str::<Value>(text).is_ok()));
        }
    }

    #[test]
    fn any_member_is_translated(members in proptest::collection::btree_map(
        r"(event_properties|user_properties|group_properties|device_id|insert_id|session_id|ip|price)",
        prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            Just(json!({"$set": {"a": 1}})),
            Just(json!({"$set": [], "[Amplitude] Page URL": "é", "[Amplitude] Page Path": ""})),
        ],
        0..6,
    )) {
        for kind in ["a", IDENTIFY, GROUP_IDENTIFY, PAGE_VIEWED] {
            let mut event: Map<String, Value> = members.clone().into_iter().collect();
            event.insert("event_type".to_owned(), kind.into());
            let beacon = translated(&Value::Object(event));
            prop_assert!(beacon.is_ok_and(|beacon| beacon["name"].is_string()));
        }
    }
}
