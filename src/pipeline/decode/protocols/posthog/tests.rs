use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
use crate::pipeline::decode;

fn translated(item: Value) -> Result<Value, Violation> {
    let names = [("order placed".to_owned(), "order_sent".to_owned())];
    let limits = Limits::default();
    let translation = Translation {
        protocol: Protocol::Posthog,
        tenant: "shop",
        names: &names,
        limits: &limits,
        heartbeat_s: None,
    };
    crate::pipeline::decode::protocols::translated(decode::object(&item.to_string())?, &translation)
        .map(Value::Object)
}

/// Translates an event `e` with these properties.
fn with(properties: Value) -> Value {
    translated(json!({"event": "e", "properties": properties})).unwrap()
}

fn request<'a>(query: &'a str, body: &'a str) -> ProtocolRequest<'a> {
    ProtocolRequest { path: "/e", query, body: body.as_bytes(), ..ProtocolRequest::default() }
}

fn cut<'a>(query: &'a str, body: &'a str) -> Result<ProtocolItems<'a>, ProtocolError> {
    items(&request(query, body), &Limits { max_beacons: 2, ..Limits::default() })
}

#[test]
fn a_browsers_event_has_each_property_in_its_place() {
    // `json!` can't nest so deep.
    let sent = r#"{
        "uuid": "01a22324-35f7-7b56-9983-2e093305e18d", "event": "$pageview",
        "timestamp": "2026-11-20T08:13:00.755Z",
        "$set": {"plan": "team", "$current_url": "https://shop.example/", "gclid": "x"},
        "$set_once": {"$initial_referrer": "$direct", "utm_source": "news", "gclid": null},
        "properties": {
            "$os": "Linux", "$browser": "Chrome", "$browser_version": 156, "$browser_type": "bot",
            "$device_type": "Desktop", "$timezone": "Europe/Zurich", "$timezone_offset": -60,
            "$current_url": "https://shop.example/?utm_source=news", "$host": "shop.example",
            "$pathname": "/", "$raw_user_agent": "Mozilla/5.0 (synthetic)", "$ip": "203.0.113.7",
            "$browser_language": "de-CH", "$browser_language_prefix": "de", "$screen_height": 720,
            "$screen_width": 1280, "$viewport_height": 700, "$viewport_width": 1200, "$lib": "web",
            "$lib_version": "1.449.2", "$insert_id": "p1cx", "$time": 1795885905.399,
            "$sdk_dist_channel": "npm", "$initialization_time": "2026-11-28T17:11:45.318Z",
            "$configured_session_timeout_ms": 1800000, "distinct_id": "u-7", "$device_id": "d-1",
            "$user_id": "u-7", "$groups": {"company": "g-1"}, "$sdk_debug_retry_queue_size": 0,
            "$search_engine": "google", "utm_source": "news", "utm_medium": null,
            "gclid": "synthetic", "fbclid": null, "$referrer": "https://search.example/",
            "$referring_domain": "search.example", "title": "Start", "token": "phc_demo",
            "$config_defaults": "unset", "$session_id": "s-1", "$window_id": "w-1",
            "$session_entry_url": "https://shop.example/", "$recording_status": "disabled",
            "$lib_custom_api_host": "https://events.shop.example", "$pageview_id": "p-1",
            "$is_identified": true, "$process_person_profile": true,
            "$lib_rate_limit_remaining_tokens": 96.6, "$active_feature_flags": [],
            "$web_vitals_enabled_server_side": false, "$prev_pageview_duration": 4.5, "plan": "x"
        }
    }"#;
    let expected = json!({
        "name": "page_view", "source_name": "$pageview",
        "id": "01a22324-35f7-7b56-9983-2e093305e18d", "time": "2026-11-20T08:13:00.755Z",
        "device_id": "d-1", "user_id": "u-7", "session_id": "s-1",
        "url": "https://shop.example/?utm_source=news", "referrer": "https://search.example/",
        "title": "Start", "language": "de-CH", "screen": "1280x720", "viewport": "1200x700",
        "ip": "203.0.113.7", "user_agent": "Mozilla/5.0 (synthetic)", "timezone": "Europe/Zurich",
        "props": {"$prev_pageview_duration": 4.5, "plan": "x"},
        "metadata": {
            "window_id": "w-1", "page_view_id": "p-1", "groups": {"company": "g-1"},
            "set": {"plan": "team"}, "process_person_profile": true,
            "posthog": {"lib": "web", "lib_version": "1.449.2"},
        },
    });
    assert_eq!(translated(serde_json::from_str(sent).unwrap()), Ok(expected));
}

#[test]
fn an_event_of_version_1_has_its_options() {
    let sent = json!({
        "event": "order placed", "uuid": "5ca8abc6-c77b-46a7-b8d4-963d7f295746",
        "distinct_id": "u-7", "timestamp": "2026-11-28T16:59:22.497058+00:00", "session_id": "s-1",
        "window_id": "w-1", "options": {"process_person_profile": true},
        "historical_migration": true,
        "properties": {
            "total": 19.9, "title": "Dune", "utm_source": "news", "$is_server": true, "$os": "Linux",
            "$geoip_disable": true, "$app_version": "1.4.0", "$set": {"$plan": "team", "x": null},
            "$unset": ["old"],
        },
    });
    let expected = json!({
        "name": "order_sent", "source_name": "order placed",
        "id": "5ca8abc6-c77b-46a7-b8d4-963d7f295746", "user_id": "u-7", "session_id": "s-1",
        "time": "2026-11-28T16:59:22.497058+00:00", "historical": true, "build": "1.4.0",
        "props": {"total": 19.9, "title": "Dune", "utm_source": "news"},
        "metadata": {
            "window_id": "w-1", "process_person_profile": true, "geoip_disable": true,
            "set": {"$plan": "team"}, "unset": ["old"], "posthog": {"os": "Linux"},
        },
    });
    assert_eq!(translated(sent), Ok(expected));
}

#[test]
fn known_events_have_the_names_of_all_protocols() {
    for (event, name) in [
        ("$pageview", "page_view"),
        ("$pageleave", "pageleave"),
        ("$autocapture", "autocapture"),
        ("$web_vitals", "web_vitals"),
        ("$identify", "identify"),
        ("$create_alias", "alias"),
        ("$groupidentify", "group"),
        ("$screen", "screen_view"),
        ("$exception", "exception"),
        ("Signed Up!", "signed_up"),
        ("order placed", "order_sent"),
    ] {
        let beacon = translated(json!({"event": event})).unwrap();
        assert_eq!(beacon, json!({"name": name, "source_name": event}));
    }
    assert_eq!(translated(json!({"event": "signup"})), Ok(json!({"name": "signup"})));
}

#[test]
fn only_an_identified_person_is_a_user() {
    let server = |event: &str, properties: Value| {
        let item = json!({"event": event, "distinct_id": "x", "properties": properties});
        translated(item).unwrap()
    };
    let cases = [
        (with(json!({"distinct_id": "d"})), Some("d"), None, None),
        (with(json!({"distinct_id": "d", "$device_id": "d"})), Some("d"), None, None),
        (with(json!({"distinct_id": "u", "$device_id": "d"})), Some("d"), Some("u"), None),
        (
            with(json!({"distinct_id": "u", "$device_id": "d", "$user_id": "u"})),
            Some("d"),
            Some("u"),
            None,
        ),
        (
            with(json!({"distinct_id": "x", "$device_id": "d", "$user_id": "u"})),
            Some("d"),
            Some("u"),
            Some("x"),
        ),
        (
            with(json!({"distinct_id": "x", "$device_id": "d", "$is_identified": false})),
            Some("d"),
            None,
            Some("x"),
        ),
        (with(json!({"distinct_id": "u", "$user_id": "u"})), None, Some("u"), None),
        (with(json!({"distinct_id": "u", "$is_identified": true})), None, Some("u"), None),
        (with(json!({"distinct_id": "d", "$is_identified": false})), Some("d"), None, None),
        (with(json!({"$device_id": "d"})), Some("d"), None, None),
        (
            with(json!({"distinct_id": "$posthog_cookieless", "$cookieless_mode": true})),
            None,
            None,
            None,
        ),
        (with(json!({"distinct_id": ""})), None, None, None),
        (server("e", json!({})), Some("x"), None, None),
        (server("e", json!({"$is_server": true})), None, Some("x"), None),
        (server("e", json!({"$lib": "posthog-go"})), None, Some("x"), None),
        (server("$create_alias", json!({"$is_server": true})), None, Some("x"), None),
        (server("$groupidentify", json!({"$is_server": true})), None, None, Some("x")),
        (
            server("e", json!({"$is_server": true, "$process_person_profile": false})),
            None,
            None,
            Some("x"),
        ),
    ];
    for (beacon, device_id, user_id, other) in cases {
        let found = |pointer| beacon.pointer(pointer).and_then(Value::as_str);
        let ids = ["/device_id", "/user_id", "/metadata/distinct_id"].map(found);
        assert_eq!(ids, [device_id, user_id, other], "{beacon}");
    }
}

#[test]
fn an_alias_and_a_group_keep_their_ids_as_props() {
    for (event, props) in [
        ("$create_alias", json!({"alias": "a-1"})),
        ("$identify", json!({"$anon_distinct_id": "d-1"})),
        (
            "$groupidentify",
            json!({"$group_type": "company", "$group_key": "g-1", "$group_set": {"name": "Acme"}}),
        ),
    ] {
        let beacon = translated(json!({"event": event, "properties": props})).unwrap();
        assert_eq!(beacon["props"], props);
    }
}

#[test]
fn an_id_is_the_uuid_or_the_insert_id() {
    let id = |item: Value| {
        let beacon = translated(item).unwrap();
        (beacon["id"].clone(), beacon.get("source_event_id").cloned())
    };
    let uuid = "01a22324-35f7-7b56-9983-2e093305e18d";
    let properties = json!({"$insert_id": "i-1"});
    let with_uuid = json!({"event": "a", "uuid": uuid, "properties": properties});
    assert_eq!(id(with_uuid), (json!(uuid), None));
    for uuid in [json!(null), json!("")] {
        let item = json!({"event": "a", "uuid": uuid, "properties": properties});
        let (first, source) = id(item.clone());
        assert_eq!((id(item).0, source), (first.clone(), Some(json!("i-1"))));
        let other = id(json!({"event": "b", "properties": properties}));
        assert_ne!(other.0, first);
    }
    assert_eq!(id(json!({"event": "a", "uuid": 7})), (json!(7), None));
    assert_eq!(translated(json!({"event": "a"})).unwrap().get("id"), None);
}

#[test]
fn odd_properties_are_read() {
    let engage = json!({"$distinct_id": "u", "$token": "phc_demo", "$set": {"plan": "team"}});
    let expected = json!({
        "name": "identify", "source_name": "$identify", "device_id": "u",
        "metadata": {"set": {"plan": "team"}},
    });
    assert_eq!(translated(engage), Ok(expected));
    assert_eq!(with(json!({"$referrer": "$direct"})), json!({"name": "e"}));
    assert_eq!(with(json!({"$locale": "de"}))["language"], "de");
    let sizes = with(json!({"$screen_width": 1, "$viewport_width": 2.5, "$viewport_height": 3}));
    assert_eq!(sizes["viewport"], "2.5x3");
    assert_eq!(sizes["props"], json!({"$screen_width": 1}));
    let both = json!({"event": "e", "$set": {"a": 1}, "properties": {"$set": {"a": 0, "b": 2}}});
    assert_eq!(translated(both).unwrap()["metadata"]["set"], json!({"a": 1, "b": 2}));
    let old = json!({"event": "e", "type": "capture", "library": "posthog-node", "extra": 1});
    assert_eq!(translated(old).unwrap()["metadata"], json!({"posthog": {"extra": 1}}));
    let late = json!({"event": "e", "timestamp": "2026-11-20T08:13:00Z", "offset": 5});
    let expected = json!({"name": "e", "time": "2026-11-20T08:13:00Z"});
    assert_eq!(translated(late), Ok(expected));
}

#[test]
fn an_item_that_is_no_event_is_refused_by_its_field() {
    for (item, code, pointer) in [
        (json!({}), Code::MissingField, "/event"),
        (json!({"event": null}), Code::MissingField, "/event"),
        (json!({"event": "", "$set": {}}), Code::MissingField, "/event"),
        (json!({"event": 1}), Code::WrongType, "/event"),
        (json!({"event": "e", "properties": []}), Code::WrongType, "/properties"),
        (json!({"event": "e", "options": 1}), Code::WrongType, "/options"),
    ] {
        let violation = translated(item.clone()).unwrap_err();
        assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer), "{item}");
    }
}

#[test]
fn a_batch_an_array_and_one_event_are_cut() {
    let a = r#"{"event":"a","properties":{"token":"phc_1"}}"#;
    let batch = format!(
        r#"{{"api_key":"phc_2","batch":[{a},7],"sent_at":"2026-11-28T17:11:51.314Z","historical_migration":false}}"#
    );
    let array = format!("[{a}]");
    for (body, texts, write_key, sent_at) in [
        (batch.as_str(), vec![a, "7"], "phc_2", Some(json!("2026-11-28T17:11:51.314Z"))),
        (&array, vec![a], "phc_1", None),
        (a, vec![a], "phc_1", None),
        (
            r#"{"event":"a","$token":"phc_3"}"#,
            vec![r#"{"event":"a","$token":"phc_3"}"#],
            "phc_3",
            None,
        ),
    ] {
        let items = cut("", body).unwrap();
        assert_eq!(items.texts, texts);
        assert!(items.texts.iter().all(|text| matches!(text, Cow::Borrowed(_))));
        assert_eq!((items.write_key.as_deref(), &items.sent_at), (Some(write_key), &sent_at));
        let encoded = base64_simd::STANDARD.encode_to_string(body);
        assert_eq!(cut("", &encoded).unwrap(), items);
    }
    let none = ProtocolItems::default();
    assert_eq!(cut("", "[]"), Ok(none));
    let too_many = Err(ProtocolError::TooManyBeacons { count: 3, limit: 2 });
    assert_eq!(cut("", "[1,2,3]"), too_many);
    for body in ["{", "[1,]", r#"{"batch":{}}"#, r#"{"batch":null}"#, "{}[]", "null"] {
        assert!(matches!(cut("", body), Err(ProtocolError::Undecodable(_))), "{body}");
    }
}

#[test]
fn a_request_was_sent_when_its_header_body_or_query_says() {
    let sent_at = |query, body| cut(query, body).unwrap().sent_at;
    let body = r#"{"batch":[],"created_at":"2026-11-28T16:59:21.307Z"}"#;
    assert_eq!(sent_at("_=1795000000123", body), Some(json!("2026-11-28T16:59:21.307Z")));
    assert_eq!(sent_at("ip=1&_=1795000000123", "[]"), Some(json!(1_795_000_000_123_u64)));
    for other in ["_=1795000000", "_=0.123456789012", "_=", ""] {
        assert_eq!(sent_at(other, "[]"), None, "{other}");
    }
    let name = "posthog-request-timestamp".to_owned();
    let headers = [(name, "2026-11-28T16:59:21.308Z".to_owned())];
    let v1 = ProtocolRequest { headers: &headers, ..request("", body) };
    let items = items(&v1, &Limits::default()).unwrap();
    assert_eq!(items.sent_at, Some(json!("2026-11-28T16:59:21.308Z")));
}

#[test]
fn an_item_has_what_its_batch_states_about_it() {
    let historical = r#"{"historical_migration":true,"batch":[{"event":"a"},{}]}"#;
    assert_eq!(
        cut("", historical).unwrap().texts,
        [r#"{"historical_migration":true,"event":"a"}"#, r#"{"historical_migration":true}"#]
    );
    for (query, item, expected) in [
        (
            "_=1795000000123",
            r#"{"event":"a","offset":123}"#,
            r#"{"timestamp":1795000000000,"event":"a","offset":123}"#,
        ),
        ("", r#"{"event":"a","offset":123}"#, r#"{"event":"a","offset":123}"#),
        ("_=1795000000123", r#"{"event":"a","offset":-1}"#, r#"{"event":"a","offset":-1}"#),
        ("_=1795000000123", r#"{"event":"a","offset":"x"}"#, r#"{"event":"a","offset":"x"}"#),
        (
            "_=1795000000123",
            r#"{"offset":9223372036854775807}"#,
            r#"{"timestamp":-9223370241854775684,"offset":9223372036854775807}"#,
        ),
        ("_=1795000000123", r#"{"properties":{"offset":1}}"#, r#"{"properties":{"offset":1}}"#),
        ("_=1795000000123", r#"{"timestamp":"x","offset":1}"#, r#"{"timestamp":"x","offset":1}"#),
    ] {
        let body = format!("[{item}]");
        assert_eq!(cut(query, &body).unwrap().texts, [expected], "{item}");
    }
}

proptest! {
    #[test]
    fn whatever_is_cut_is_answered(
        body in prop_oneof![
            "\\PC*",
            r#"\[(\{("event":"[a-z$]{0,9}")?(,"(properties|uuid|offset|\$set)":(\{("[$a-z_]{0,12}":[0-9]{1,3})?\}|"[^"\\]*"|null|7))?\},?){0,2}\]"#,
        ],
        query in "(_=1795000000123&)?(data=[A-Za-z0-9+/=%]{0,40})?",
    ) {
        if let Ok(items) = cut(&query, &body) {
            for text in items.texts {
                if let Ok(item) = decode::object(&text)
                    && let Ok(beacon) = translated(Value::Object(item))
                {
                    prop_assert!(beacon["name"].is_string());
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_cut_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let request = ProtocolRequest { body: &body, ..request("", "") };
        if let Ok(items) = items(&request, &Limits::default()) {
            prop_assert!(items.texts.len() <= 500);
        }
    }
}
