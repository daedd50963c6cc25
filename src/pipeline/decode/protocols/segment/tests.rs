use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
use crate::pipeline::decode::protocols::translation::Translation;
use crate::pipeline::decode::{self, ValueBudget};

fn cut(path: &str, body: &str) -> Result<ProtocolItems<'static>, ProtocolError> {
    let request = ProtocolRequest { path, body: body.as_bytes(), ..ProtocolRequest::default() };
    owned(items(&request, &Limits::default()))
}

fn got(path: &str, query: &str) -> Result<ProtocolItems<'static>, ProtocolError> {
    let request = ProtocolRequest { path, query, ..ProtocolRequest::default() };
    owned(items(&request, &Limits::default()))
}

fn owned(
    items: Result<ProtocolItems<'_>, ProtocolError>,
) -> Result<ProtocolItems<'static>, ProtocolError> {
    let items = items?;
    let texts = items.texts.into_iter().map(|text| text.into_owned().into()).collect();
    let (sent_at, write_key) = (items.sent_at, items.write_key);
    Ok(ProtocolItems { texts, sent_at, write_key, ..ProtocolItems::default() })
}

fn translated(text: &str) -> Result<Value, Violation> {
    let (names, limits) = ([], Limits::default());
    let protocol = Protocol::Segment;
    let translation =
        Translation { protocol, tenant: "shop", names: &names, limits: &limits, heartbeat_s: None };
    let mut budget = ValueBudget::unlimited();
    decode::protocols::beacon(text, &translation, &limits, &mut budget)
        .map(|beacon| Value::Object(beacon.fields))
}

/// Translates a message with the id of a UUID, which the result is without.
fn message(mut message: Value) -> Value {
    message["messageId"] = "26bb0215-7b98-48bb-b44c-ad9bd25f036b".into();
    let mut beacon = translated(&message.to_string()).unwrap();
    let id = beacon.as_object_mut().unwrap().remove("id");
    assert_eq!(id, Some(message["messageId"].clone()));
    beacon
}

#[test]
fn a_track_becomes_a_beacon() {
    let sent = json!({
        "type": "track", "event": "Order Completed", "messageId": "26bb0215-7b98-48bb-b44c-ad9bd25f036b",
        "anonymousId": "a-1", "userId": "u-7", "timestamp": "2026-11-20T08:13:00.755Z",
        "sentAt": "2026-11-20T08:13:01.100Z", "writeKey": "wk", "channel": "server",
        "properties": {"order_id": "o-1", "total": 19.9, "currency": "CHF", "url": "https://shop.example/p"},
        "integrations": {"All": true}, "_metadata": {"nodeVersion": "v22"},
        "context": {
            "ip": "203.0.113.7", "userAgent": "Mozilla/5.0 (synthetic)", "locale": "de-CH",
            "timezone": "Europe/Zurich", "sessionId": 1_795_885_862_329_u64, "sessionStart": true,
            "page": {
                "url": "https://shop.example/thanks?utm_source=news", "path": "/thanks",
                "search": "?utm_source=news", "referrer": "https://www.google.com/",
                "referring_domain": "www.google.com", "title": "Thanks",
                "tab_url": "https://shop.example/thanks?utm_source=news",
            },
            "screen": {"width": 1280, "height": 720, "innerWidth": 1200, "innerHeight": 700, "density": 2},
            "app": {"name": "Shop", "version": "1.4.0", "build": "77"},
            "campaign": {"source": "news", "partner": "x"},
            "consent": {"provider": "cmp", "categoryPreferences": {"Advertising": false, "Analytics": true}},
            "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
            "device": {"type": "ios"}, "traits": {}, "groupId": "g-1",
        },
    });
    let expected = json!({
        "name": "order_placed", "source_name": "Order Completed",
        "id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b",
        "device_id": "a-1", "user_id": "u-7", "time": "2026-11-20T08:13:00.755Z",
        "ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (synthetic)", "language": "de-CH",
        "timezone": "Europe/Zurich", "session_id": 1_795_885_862_329_u64,
        "url": "https://shop.example/thanks?utm_source=news", "title": "Thanks",
        "referrer": "https://www.google.com/", "screen": "1280x720", "viewport": "1200x700",
        "build": "1.4.0", "consent": "granted",
        "props": {"order_id": "o-1", "total": 19.9, "currency": "CHF", "url": "https://shop.example/p"},
        "metadata": {
            "channel": "server",
            "context": {
                "page": {"referring_domain": "www.google.com"}, "screen": {"density": 2},
                "app": {"name": "Shop", "build": "77"}, "campaign": {"partner": "x"},
                "consent": {
                    "provider": "cmp", "categoryPreferences": {"Advertising": false, "Analytics": true},
                },
                "library": {"name": "analytics.js", "version": "npm:next-1.84.3"},
                "device": {"type": "ios"}, "groupId": "g-1", "sessionStart": true,
            },
        },
    });
    assert_eq!(translated(&sent.to_string()), Ok(expected));
}

#[test]
fn consent_is_that_for_analytics_or_that_for_all() {
    for (choices, consent) in [
        (json!({"Advertising": true, "Analytics": false}), Some("denied")),
        (json!({"C0002_performance": true, "C0004": false}), Some("granted")),
        (json!({"Statistics": true, "measurement": false}), Some("denied")),
        (json!({"C0002": true, "C0004": true}), Some("granted")),
        (json!({"C0002": false, "C0004": false}), Some("denied")),
        (json!({"C0002": false, "C0004": true}), None),
        (json!({"Analytics": "yes"}), None),
        (json!({}), None),
    ] {
        let sent =
            json!({"type": "identify", "context": {"consent": {"categoryPreferences": choices}}});
        let found = message(sent.clone());
        assert_eq!(found.get("consent").and_then(Value::as_str), consent, "{sent}");
    }
}

#[test]
fn each_call_has_its_name_and_its_props() {
    for (sent, expected) in [
        (
            json!({"type": "page", "name": "Start", "category": "Docs", "anonymousId": null, "userId": "",
                "properties": {"name": "Start", "category": "Docs", "title": "T", "a": 1,
                    "url": "https://shop.example/start?x=1", "path": "/start", "search": "?x=1"}}),
            json!({"name": "page_view", "source_name": "page", "title": "T",
                "url": "https://shop.example/start?x=1",
                "props": {"page_name": "Start", "category": "Docs", "a": 1}}),
        ),
        (
            json!({"type": "page", "properties": {"name": "Start", "url": "https://shop.example/b"},
                "context": {"page": {"url": "https://shop.example/a"}}}),
            json!({"name": "page_view", "source_name": "page", "url": "https://shop.example/a",
                "props": {"page_name": "Start", "url": "https://shop.example/b"}}),
        ),
        (
            json!({"type": "page", "name": "Start", "properties": {"name": "Other"}}),
            json!({"name": "page_view", "source_name": "page",
                "props": {"page_name": "Start", "name": "Other"}}),
        ),
        (
            json!({"type": "screen", "name": "Home", "properties": {"tab": "x"}}),
            json!({"name": "screen_view", "source_name": "screen",
                "props": {"screen_name": "Home", "tab": "x"}}),
        ),
        (
            json!({"type": "identify", "userId": 7, "traits": {"plan": "team", "name": "Ada"}}),
            json!({"name": "identify", "user_id": 7, "props": {"plan": "team", "name": "Ada"}}),
        ),
        (
            json!({"type": "identify", "userId": "u", "traits": {}, "context": {"traits": {"plan": "team"}}}),
            json!({"name": "identify", "user_id": "u", "props": {"plan": "team"}}),
        ),
        (
            json!({"type": "group", "groupId": "g-1", "traits": {"name": "Acme"}}),
            json!({"name": "group", "props": {"group_id": "g-1", "name": "Acme"}}),
        ),
        (
            json!({"type": "alias", "userId": "u-7", "previousId": "a-1"}),
            json!({"name": "alias", "user_id": "u-7", "props": {"previous_id": "a-1"}}),
        ),
        (
            json!({"type": "merge", "mergeProperties": [{"type": "email", "value": "a@shop.example"}]}),
            json!({"name": "merge",
                "props": {"merge_properties": [{"type": "email", "value": "a@shop.example"}]}}),
        ),
    ] {
        assert_eq!(message(sent.clone()), expected, "{sent}");
    }
}

#[test]
fn the_quirks_of_sdks_are_known() {
    for (sent, expected) in [
        // RudderStack's time, and its SDK that poses as the app.
        (
            json!({"originalTimestamp": "2026-11-28T16:58:05.100Z", "timestamp": "2026-11-29T00:00:00Z",
                "context": {"app": {"name": "R", "version": "3.34.1"}, "library": {"name": "R"}}}),
            json!({"time": "2026-11-28T16:58:05.100Z", "metadata": {"context": {
                "app": {"name": "R", "version": "3.34.1"}, "library": {"name": "R"}}}}),
        ),
        // PHP's empty objects, and texts where an object belongs.
        (json!({"properties": [], "context": {"page": []}}), json!({})),
        (json!({"properties": "{\"a\":1}"}), json!({"props": "{\"a\":1}"})),
        (json!({"properties": 7, "context": 7}), json!({"props": 7, "metadata": {"context": 7}})),
        // The batch's context fills that of the message.
        (
            json!({"context": {"locale": "de"}, "batchContext": {"locale": "en", "ip": "203.0.113.7"}}),
            json!({"language": "de", "ip": "203.0.113.7"}),
        ),
        (json!({"batchContext": {"locale": "en"}}), json!({"language": "en"})),
        (json!({"historical": true}), json!({"historical": true})),
        (json!({"historical": "yes"}), json!({})),
        // Sizes are numbers, of which both are there.
        (
            json!({"context": {"screen": {"width": 0, "height": 0}}}),
            json!({"metadata": {"context": {"screen": {"width": 0, "height": 0}}}}),
        ),
        (
            json!({"context": {"screen": {"width": 1279.2, "height": "719.5"}}}),
            json!({"screen": "1279.2x719.5"}),
        ),
    ] {
        let mut sent = sent;
        sent["type"] = "track".into();
        sent["event"] = "a".into();
        let mut expected = expected;
        expected["name"] = "a".into();
        assert_eq!(message(sent.clone()), expected, "{sent}");
    }
}

#[test]
fn a_campaign_is_added_to_a_url_that_names_none() {
    let campaign = json!({"name": "Black Friday", "source": "news", "medium": "email"});
    for (url, expected) in [
        (
            "https://a.example/",
            "https://a.example/?utm_source=news&utm_medium=email&utm_campaign=Black+Friday",
        ),
        (
            "https://a.example/?b=1#c",
            "https://a.example/?b=1&utm_source=news&utm_medium=email&utm_campaign=Black+Friday#c",
        ),
        (
            "https://a.example/?gclid=1",
            "https://a.example/?gclid=1&utm_source=news&utm_medium=email&utm_campaign=Black+Friday",
        ),
        ("https://a.example/?UTM_Source=x", "https://a.example/?UTM_Source=x"),
        ("https://a.example/#utm_source=x", "https://a.example/#utm_source=x"),
    ] {
        let context = json!({"page": {"url": url}, "campaign": campaign});
        let beacon = message(json!({"type": "screen", "context": context}));
        let expected = json!({"name": "screen_view", "source_name": "screen", "url": expected});
        assert_eq!(beacon, expected, "{url}");
    }
    let beacon = message(json!({"type": "screen", "context": {"campaign": campaign}}));
    assert_eq!(beacon["metadata"], json!({"context": {"campaign": campaign}}));
}

#[test]
fn the_ecommerce_events_have_the_names_of_the_catalogue() {
    for (event, name) in [
        ("Products Searched", "products_searched"),
        ("Product List Viewed", "product_list_viewed"),
        ("Product Viewed", "product_viewed"),
        ("Product Added", "product_added"),
        ("Checkout Step Completed", "checkout_step_completed"),
        ("Order Completed", "order_placed"),
        ("order completed", "order_placed"),
        ("order_completed", "order_placed"),
        ("Order Refunded", "order_refunded"),
    ] {
        let beacon = message(json!({"type": "track", "event": event}));
        assert_eq!((&beacon["name"], &beacon["source_name"]), (&name.into(), &event.into()));
    }
    let beacon = message(json!({"type": "track", "event": "order_placed"}));
    assert_eq!(beacon, json!({"name": "order_placed"}));
}

#[test]
fn an_id_that_is_no_uuid_is_kept_beside_its_hash() {
    let sent = |id: Value| json!({"type": "alias", "messageId": id}).to_string();
    let beacon = translated(&sent("ajs-next-1-x".into())).unwrap();
    assert_eq!(beacon["source_event_id"], "ajs-next-1-x");
    assert_eq!(Ok(beacon), translated(&sent("ajs-next-1-x".into())));
    assert_eq!(translated(&sent(7.into())).unwrap()["source_event_id"], "7");
    for none in [Value::Null, "".into(), json!([])] {
        assert_eq!(translated(&sent(none)), Ok(json!({"name": "alias"})));
    }
}

#[test]
fn what_is_no_message_names_its_field() {
    for (sent, sentence) in [
        (json!({}), "type is missing"),
        (json!({"type": null, "event": "a"}), "type is missing"),
        (json!({"type": 1}), "type must be a string, not a number"),
        (json!({"type": "Track"}), "type \"Track\" is none of a message"),
        (json!({"type": "track"}), "event is missing; a track needs one"),
        (json!({"type": "track", "event": ""}), "event is missing; a track needs one"),
        (json!({"type": "track", "event": {}}), "event must be a string, not an object"),
    ] {
        assert_eq!(translated(&sent.to_string()).unwrap_err().message, sentence, "{sent}");
    }
}

#[test]
fn a_request_is_cut_into_messages() {
    for (path, body, texts) in [
        ("/v1/track", r#"{"event":"a"}"#, vec![r#"{"type":"track","event":"a"}"#]),
        ("/v1/p", "{ }", vec![r#"{"type":"page"}"#]),
        ("/v1/p", r#"{"type":"screen"}"#, vec![r#"{"type":"screen"}"#]),
        ("/api/s/s2s/identify", "{\"a\":1}", vec![r#"{"type":"identify","a":1}"#]),
        ("/v1/batch", r#"{"batch":[]}"#, vec![]),
        (
            "/v1/b",
            r#"{"batch":[{"type":"page"}, 1,"x"],"context":{}}"#,
            vec![r#"{"type":"page"}"#, "1", "\"x\""],
        ),
        ("/v1/track", r#"{"batch":[{"a":1}]}"#, vec![r#"{"a":1}"#]),
        ("/api/s/s2s/batch", r#"[{"a":1},{"b":2}]"#, vec![r#"{"a":1}"#, r#"{"b":2}"#]),
        ("/v1/import", r#"{"batch":[{"a":1}]}"#, vec![r#"{"historical":true,"a":1}"#]),
        (
            "/v1/import",
            r#"{"context":{"ip":"1"},"batch":[{"a":1},{},[]]}"#,
            vec![
                r#"{"historical":true,"batchContext":{"ip":"1"},"a":1}"#,
                r#"{"historical":true,"batchContext":{"ip":"1"}}"#,
                "[]",
            ],
        ),
    ] {
        assert_eq!(cut(path, body).unwrap().texts, texts, "{path} {body}");
    }
}

#[test]
fn the_key_and_the_time_of_sending_are_found() {
    for (path, body, sent_at, write_key) in [
        ("/v1/b", r#"{"batch":[],"sentAt":"T","writeKey":"wk"}"#, json!("T"), Some("wk")),
        ("/v1/t", r#"{"sentAt":1,"writeKey":"wk"}"#, json!(1), Some("wk")),
        ("/v1/b", r#"{"batch":[{"sentAt":"T"}],"sentAt":{}}"#, json!("T"), None),
        ("/api/s/page", r#"{"writeKey":"k:***"}"#, Value::Null, None),
        ("/v1/t", r#"{"writeKey":7,"sentAt":null}"#, Value::Null, None),
    ] {
        let items = cut(path, body).unwrap();
        assert_eq!(items.sent_at.unwrap_or_default(), sent_at, "{body}");
        assert_eq!(items.write_key.as_deref(), write_key, "{body}");
    }
    let headers = [("sentat".to_owned(), "T".to_owned())];
    let body = br#"{"batch":[{"sentAt":"U"}]}"#;
    let request = ProtocolRequest { path: "/v1/b", headers: &headers, body, ..Default::default() };
    assert_eq!(items(&request, &Limits::default()).unwrap().sent_at, Some(json!("T")));
}

#[test]
fn a_pixel_has_one_message() {
    let items = got(
        "/pixel/v1/track",
        "writeKey=wk&anonymousId=a-1&event=Mail+Opened&properties.total=1&context.page.url=https%3A%2F%2Fa.example%2F",
    )
    .unwrap();
    assert_eq!(items.write_key.as_deref(), Some("wk"));
    let expected = json!({
        "name": "mail_opened", "source_name": "Mail Opened", "device_id": "a-1",
        "url": "https://a.example/", "props": {"total": "1"},
    });
    assert_eq!(translated(&items.texts[0]), Ok(expected));
    for (query, sentence) in [
        ("a=1&a=2", "a comes twice"),
        ("a=1&a.b=2", "a.b comes twice"),
        ("a.b=1&a=2", "a comes twice"),
    ] {
        assert_eq!(got("/pixel/v1/page", query).unwrap_err().to_string(), sentence, "{query}");
    }
    let deep = format!("{}=1", vec!["a"; 10_000].join("."));
    assert_eq!(got("/pixel/v1/page", &deep).unwrap().texts[0].matches('{').count(), MAX_LEVELS);
}

/// As of the pixel's module, which keeps it.
const MAX_LEVELS: usize = 8;

#[test]
fn a_data_pixel_has_json_or_base64_of_it() {
    for data in [
        "%7B%22event%22%3A%22%C2%BF%C3%BE%3E%3F%22%2C%22writeKey%22%3A%22wk%22%7D",
        "eyJldmVudCI6IsK%2Fw74%2BPyIsIndyaXRlS2V5Ijoid2sifQ==",
        "eyJldmVudCI6IsK/w74+PyIsIndyaXRlS2V5Ijoid2sifQ",
        "eyJldmVudCI6IsK_w74-PyIsIndyaXRlS2V5Ijoid2sifQ==",
        "eyJldmVudCI6IsK_w74-PyIsIndyaXRlS2V5Ijoid2sifQ",
    ] {
        let items = got("/v1/pixel/track", &format!("data={data}")).unwrap();
        let expected = r#"{"type":"track","event":"¿þ>?","writeKey":"wk"}"#;
        assert_eq!(items.texts, [expected], "{data}");
        assert_eq!(items.write_key.as_deref(), Some("wk"));
    }
    for (query, sentence) in [
        ("", "data is missing"),
        ("data=*", "data must be JSON, or base64 of it"),
        ("data=_w", "data must be JSON, or base64 of it"),
    ] {
        assert_eq!(got("/v1/pixel/page", query).unwrap_err().to_string(), sentence, "{query}");
    }
}

/// A failed body keeps no address, so its replay judges as its first request did.
#[test]
fn a_body_without_a_batch_is_judged_the_same_without_its_address() {
    for (body, expected) in [
        (r#"{"type":"page"}"#, Ok(r#"{"type":"page"}"#)),
        (r#"{"a":1,"type":"track","type":"x"}"#, Ok(r#"{"a":1,"type":"track","type":"x"}"#)),
        (r#"{"a":1,"a":2}"#, Err("batch is missing")),
        (r#"{"batch":7,"type":"page"}"#, Err("batch must be an array of messages")),
    ] {
        for path in ["/v1/batch", ""] {
            let found = cut(path, body).map(|items| items.texts);
            let expected = expected.map(|text| vec![text.into()]).map_err(str::to_owned);
            assert_eq!(found.map_err(|error| error.to_string()), expected, "{path} {body}");
        }
    }
    let imported = cut("/v1/import", r#"{"type":"page"}"#).unwrap();
    assert_eq!(imported.texts, [r#"{"historical":true,"type":"page"}"#]);
}

#[test]
fn a_body_that_cannot_be_cut_says_why() {
    for (path, body, sentence) in [
        ("/v1/t", "", "body is empty"),
        ("/v1/b", "{}", "batch is missing"),
        ("/v1/import", r#"{"batch":{}}"#, "batch must be an array of messages"),
        (
            "/v1/b",
            r#"{"batch":[1"#,
            "body is not JSON of a message or a batch: EOF while parsing a list at line 1 column 11",
        ),
        ("/v1/b", "[1", "body is not JSON: EOF while parsing a list at line 1 column 2"),
    ] {
        assert_eq!(cut(path, body).unwrap_err().to_string(), sentence, "{path} {body}");
    }
    let limits = Limits { max_beacons: 1, max_inflated_bytes: 40, ..Limits::default() };
    let refused = |body: &str| {
        let body = body.as_bytes();
        let request = ProtocolRequest { path: "/v1/b", body, ..ProtocolRequest::default() };
        items(&request, &limits).unwrap_err().to_string()
    };
    assert_eq!(refused(r#"{"batch":[1,2]}"#), "body has 2 beacons, limit 1");
    let context = json!({"batch": [{}], "context": {"a": "x".repeat(40)}}).to_string();
    assert_eq!(refused(&context), "context has 48 bytes, too many for each of 1 messages");
}

proptest! {
    #[test]
    fn any_bytes_are_cut_or_refused(
        path in "(/v1/(t|b|import|pixel/page)|/api/s/page|/pixel/v1/track)?",
        query in "([a.]{1,4}=[b{]{0,2}&?){0,3}|.{0,20}",
        bytes in prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..40),
            r#"(\{"batch":\[)?(\{("(type|event|context|batch|sentAt|\\ud83d)":("(page|a)"|1|null|\{"page":\{"url":"a#"\}\}|\[\]),?){0,3}\},?){0,2}(\]\})?"#.prop_map(String::into_bytes),
        ],
    ) {
        let request = ProtocolRequest { path: &path, query: &query, body: &bytes, ..Default::default() };
        if let Ok(items) = items(&request, &Limits::default()) {
            for text in &items.texts {
                let _ = translated(text);
            }
        }
    }

    #[test]
    fn any_member_is_translated(members in proptest::collection::btree_map(
        "(properties|traits|context|batchContext|messageId|name|event|groupId|userId|timestamp)",
        any_json(), 0..6,
    ), context in proptest::collection::btree_map(
        "(page|screen|app|library|campaign|consent|ip|locale|traits)", any_json(), 0..5,
    )) {
        for call in ["track", "page", "identify", "group"] {
            let mut message: Map<String, Value> = members.clone().into_iter().collect();
            message.entry("event").or_insert("a".into());
            message.entry("context").or_insert(Value::Object(context.clone().into_iter().collect()));
            message.insert("type".to_owned(), call.into());
            match translated(&Value::Object(message).to_string()) {
                Ok(beacon) => prop_assert!(beacon["name"].is_string()),
                Err(violation) => prop_assert_eq!(violation.pointer, "/event"),
            }
        }
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let members =
            "(url|path|title|width|height|version|name|source|categoryPreferences|page|a)";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(members, inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}
