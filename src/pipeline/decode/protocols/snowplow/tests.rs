use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::protocol::Protocol;
use crate::model::violation::Violation;
use crate::pipeline::decode;

/// `{"schema": …, "data": {"schema": …, "data": {"total": 19.9}}}`
const EVENT: &str = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0","data":{"schema":"iglu:com.acme/order_placed/jsonschema/2-0-1","data":{"total":19.9}}}"#;
const CONTEXTS: &str = r#"{"schema":"iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1","data":[
    {"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"plan":"team"}},
    {"schema":"iglu:com.acme/user/jsonschema/1-0-0","data":{"plan":"free"}},
    {"schema":"iglu:com.snowplowanalytics.snowplow/web_page/jsonschema/1-0-0","data":{"id":"p-1"}},
    {"schema":"iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2","data":{"userId":"d-2","sessionId":"s-2","sessionIndex":9,"previousSessionId":null}},
    {"schema":"iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-1-0","data":{"latitude":46.9}}]}"#;

fn translated(item: Value) -> Result<Value, Violation> {
    let names = [("order_sent".to_owned(), "order_placed".to_owned())];
    let limits = Limits::default();
    let translation = Translation {
        protocol: Protocol::Snowplow,
        tenant: "shop",
        names: &names,
        limits: &limits,
        heartbeat_s: None,
    };
    let item = decode::object(&item.to_string())?;
    crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
}

fn cut<'a>(body: &'a str, query: &'a str) -> Result<ProtocolItems<'a>, ProtocolError> {
    let request = ProtocolRequest {
        path: "/com.snowplowanalytics.snowplow/tp2",
        query,
        body: body.as_bytes(),
        ..ProtocolRequest::default()
    };
    items(&request, &Limits { max_beacons: 2, ..Limits::default() })
}

#[test]
fn an_event_has_each_parameter_in_its_place() {
    let sent = json!({
        "e": "ue", "ue_pr": EVENT, "co": CONTEXTS, "eid": "26bb0215-7b98-48bb-b44c-ad9bd25f036b",
        "tv": "js-4.10.1", "tna": "sp", "aid": "shop", "p": "web", "ttm": "1795000000123",
        "dtm": "1795000000999", "stm": "1795000001000", "duid": "d-1", "nuid": "n-1", "sid": "s-1",
        "vid": "3", "uid": "u-7", "url": "https://shop.example/thanks", "page": "Thanks",
        "refr": "https://search.example/", "lang": "de-CH", "res": "1280x720", "vp": "1200x700",
        "ds": "1200x3016", "cd": "24", "tz": "Europe/Zurich", "ip": "203.0.113.7",
        "ua": "Mozilla/5.0 (synthetic)", "cs": "UTF-8", "cookie": "1", "f_pdf": "1", "fp": "",
    });
    let contexts = json!({
        "user": [{"plan": "team"}, {"plan": "free"}],
        "web_page": [{"id": "p-1"}],
        "client_session": [
            {"userId": "d-2", "sessionId": "s-2", "sessionIndex": 9, "previousSessionId": null},
        ],
        "geolocation_context": [{"latitude": 46.9}],
    });
    let expected = json!({
        "name": "order_placed", "id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b",
        "time": 1_795_000_000_123_u64, "device_id": "d-1", "session_id": "s-1", "user_id": "u-7",
        "url": "https://shop.example/thanks", "title": "Thanks",
        "referrer": "https://search.example/", "language": "de-CH", "screen": "1280x720",
        "viewport": "1200x700", "timezone": "Europe/Zurich", "ip": "203.0.113.7",
        "user_agent": "Mozilla/5.0 (synthetic)", "props": {"total": 19.9},
        "metadata": {
            "vendor": "com.acme", "schema_version": "2-0-1", "network_userid": "n-1",
            "session_index": 3, "page_view_id": "p-1", "geolocation": {"latitude": 46.9},
            "contexts": contexts,
            "snowplow": {
                "tv": "js-4.10.1", "tna": "sp", "aid": "shop", "p": "web", "dtm": "1795000000999",
                "ds": "1200x3016", "cd": "24", "cs": "UTF-8", "cookie": "1", "f_pdf": "1",
            },
        },
    });
    assert_eq!(translated(sent), Ok(expected));
}

#[test]
fn each_kind_of_event_has_a_name_and_its_own_props() {
    for (sent, name, props) in [
        (json!({"e": "pv"}), "page_view", None),
        (
            json!({"e": "pp", "pp_mix": "0", "pp_max": "10", "pp_miy": "-5", "pp_may": "900"}),
            "page_ping",
            Some(json!({
                "x_offset_min": 0, "x_offset_max": 10, "y_offset_min": -5, "y_offset_max": 900,
            })),
        ),
        (
            json!({
                "e": "se", "se_ca": "shop", "se_ac": "add", "se_la": "sku-1", "se_pr": "pcs",
                "se_va": "2",
            }),
            "struct_event",
            Some(json!({
                "category": "shop", "action": "add", "label": "sku-1", "property": "pcs",
                "value": 2,
            })),
        ),
        (
            json!({"e": "se", "ev_ca": "shop", "ev_ac": "add", "ev_va": "many"}),
            "struct_event",
            Some(json!({"category": "shop", "action": "add", "value": "many"})),
        ),
        (
            json!({
                "e": "tr", "tr_id": "1", "tr_af": "web", "tr_tt": "19.9", "tr_tx": "1.4",
                "tr_sh": "0", "tr_ci": "Bern", "tr_st": "BE", "tr_co": "CH", "tr_cu": "CHF",
            }),
            "transaction",
            Some(json!({
                "order_id": "1", "affiliation": "web", "total": 19.9, "tax": 1.4, "shipping": 0,
                "city": "Bern", "state": "BE", "country": "CH", "currency": "CHF",
            })),
        ),
        (
            json!({
                "e": "ti", "ti_id": "1", "ti_sk": "sku-1", "ti_nm": "Tea", "ti_ca": "green",
                "ti_pr": "4.5", "ti_qu": "2", "ti_cu": "CHF",
            }),
            "transaction_item",
            Some(json!({
                "order_id": "1", "sku": "sku-1", "name": "Tea", "category": "green", "price": 4.5,
                "quantity": 2, "currency": "CHF",
            })),
        ),
        (
            json!({"e": "ad", "ad_ba": "b", "ad_ca": "c", "ad_ad": "a", "ad_uid": "u"}),
            "ad",
            Some(json!({
                "banner_id": "b", "campaign_id": "c", "advertiser_id": "a", "ad_user_id": "u",
            })),
        ),
    ] {
        let mut expected = json!({"name": name});
        if sent["e"] != name {
            expected["source_name"] = sent["e"].clone();
        }
        if let Some(props) = props {
            expected["props"] = props;
        }
        assert_eq!(translated(sent.clone()), Ok(expected), "{sent}");
    }
}

#[test]
fn a_page_ping_is_a_heartbeat_of_engagement_if_the_operator_states_one() {
    let (names, limits) = ([], Limits::default());
    let with = |heartbeat_s, ping: Value| {
        let translation = Translation {
            protocol: Protocol::Snowplow,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s,
        };
        crate::pipeline::decode::protocols::translated(
            decode::object(&ping.to_string()).unwrap(),
            &translation,
        )
        .map(Value::Object)
    };
    let id = "26bb0215-7b98-48bb-b44c-ad9bd25f036b";
    let ping = json!({
        "e": "pp", "eid": id, "pp_mix": "0", "pp_max": "0", "pp_miy": "0", "pp_may": "900",
        "ds": "1280x3000", "vp": "1280x600",
    });
    let expected = json!({
        "name": "page_leave", "source_name": "pp", "id": id, "viewport": "1280x600",
        "props": {"depth": 50, "engaged_ms": 10_000},
        "metadata": {"snowplow": {
            "pp_mix": "0", "pp_max": "0", "pp_miy": "0", "pp_may": "900", "ds": "1280x3000",
        }},
    });
    assert_eq!(with(Some(10), ping.clone()), Ok(expected));
    assert_eq!(with(None, ping).unwrap()["name"], "page_ping");
    // It does not state the height of its page.
    let short = json!({"e": "pp", "pp_may": "900", "vp": "1280x600"});
    assert_eq!(with(Some(10), short).unwrap()["name"], "page_ping");
    assert_eq!(with(Some(10), json!({"e": "pv"})).unwrap()["name"], "page_view");
}

#[test]
fn a_network_id_is_added_to_items_without_one() {
    let body = r#"{"data":[{"e":"pv","aid":"shop"},{"e":"pv","nuid":"n"}]}"#;
    let items = with_network_id(cut(body, "").unwrap(), "n-1");
    assert_eq!(
        items.texts,
        [r#"{"nuid":"n-1","e":"pv","aid":"shop"}"#, r#"{"e":"pv","nuid":"n"}"#]
    );
    assert_eq!(items.write_key.as_deref(), Some("shop"));
    let items = with_network_id(cut("", "e=pv&tnuid=t").unwrap(), "n-1");
    assert_eq!(items.texts, [r#"{"e":"pv","tnuid":"t"}"#]);
    let items = with_network_id(cut("", "e=pv").unwrap(), "n-1");
    assert_eq!(items.texts, [r#"{"nuid":"n-1","e":"pv"}"#]);
}

#[test]
fn json_is_a_text_or_base64_with_and_without_padding() {
    let plain = translated(json!({"e": "ue", "ue_pr": EVENT, "co": CONTEXTS})).unwrap();
    let encode = |text: &str| base64_simd::URL_SAFE.encode_to_string(text.as_bytes());
    let bare = |text: &str| encode(text).trim_end_matches('=').to_owned();
    let padded = ["", " ", "  "].map(|end| encode(&format!("{EVENT}{end}")));
    assert!(padded.iter().any(|digits| digits.ends_with('=')));
    for digits in &padded {
        let sent = json!({"e": "ue", "ue_px": digits, "cx": encode(CONTEXTS)});
        assert_eq!(translated(sent).as_ref(), Ok(&plain));
        let digits = digits.trim_end_matches('=');
        let sent = json!({"e": "ue", "ue_px": digits, "cx": bare(CONTEXTS)});
        assert_eq!(translated(sent).as_ref(), Ok(&plain));
    }
    let both = json!({"e": "ue", "ue_pr": EVENT, "ue_px": "%", "co": CONTEXTS, "cx": ""});
    assert_eq!(translated(both), Ok(plain));
}

#[test]
fn a_mobile_session_gives_the_device() {
    let beacon = translated(json!({"e": "pv", "co": CONTEXTS, "nuid": "n", "tnuid": "t"})).unwrap();
    let [device_id, session_id] = ["device_id", "session_id"].map(|field| &beacon[field]);
    assert_eq!((device_id, session_id), (&json!("d-2"), &json!("s-2")));
    assert_eq!(beacon["metadata"]["session_index"], json!(9));
    assert_eq!(beacon["metadata"]["network_userid"], json!("t"));
}

#[test]
fn an_import_states_that_an_event_is_historical() {
    let historical = |stated: Value| {
        let beacon = translated(json!({"e": "pv", "historical": stated})).unwrap();
        (beacon["historical"].clone(), beacon["metadata"].clone())
    };
    assert_eq!(historical(json!(true)), (json!(true), Value::Null));
    assert_eq!(historical(json!("true")), (Value::Null, Value::Null));
}

#[test]
fn names_and_ids_are_the_tenants() {
    let event = EVENT.replace("order_placed", "order_sent");
    let beacon = translated(json!({"e": "ue", "ue_pr": event, "eid": "e-1"})).unwrap();
    assert_eq!(beacon["name"], "order_placed");
    assert_eq!(beacon["source_name"], "order_sent");
    assert_eq!(beacon["source_event_id"], "e-1");
    let camel = EVENT.replace("order_placed", "Order-Placed");
    let beacon = translated(json!({"e": "ue", "ue_pr": camel, "eid": 7})).unwrap();
    assert_eq!((&beacon["name"], &beacon["id"]), (&json!("order_placed"), &json!(7)));
}

#[test]
fn an_item_that_is_no_event_is_refused_by_its_field() {
    let envelope = |data: Value| json!({"schema": "iglu:a/b/jsonschema/1-0-0", "data": data});
    let event = |data: Value| json!({"e": "ue", "ue_pr": envelope(data).to_string()});
    let context = |data: Value| json!({"e": "pv", "co": envelope(data).to_string()});
    for (sent, code, pointer) in [
        (json!({}), Code::MissingField, "/e"),
        (json!({"e": null}), Code::MissingField, "/e"),
        (json!({"e": ""}), Code::MissingField, "/e"),
        (json!({"e": 1}), Code::WrongType, "/e"),
        (json!({"e": "xx"}), Code::NotAllowed, "/e"),
        (json!({"e": "ue"}), Code::MissingField, "/ue_pr"),
        (json!({"e": "ue", "ue_pr": 1}), Code::WrongType, "/ue_pr"),
        (json!({"e": "ue", "ue_pr": "{"}), Code::BadJson, "/ue_pr"),
        (json!({"e": "ue", "ue_pr": "{}"}), Code::WrongType, "/ue_pr"),
        (json!({"e": "ue", "ue_px": "%"}), Code::BadFormat, "/ue_px"),
        (json!({"e": "ue", "ue_px": "_w"}), Code::BadFormat, "/ue_px"),
        (json!({"e": "ue", "ue_px": "e30"}), Code::WrongType, "/ue_px"),
        (event(json!([])), Code::WrongType, "/ue_pr"),
        (event(json!({"data": {}})), Code::WrongType, "/ue_pr"),
        (event(json!({"schema": "iglu:a/b/jsonschema/1-0-0"})), Code::WrongType, "/ue_pr"),
        (event(json!({"schema": "a/b", "data": {}})), Code::BadFormat, "/ue_pr"),
        (event(json!({"schema": "iglu:a//x/1-0-0", "data": {}})), Code::BadFormat, "/ue_pr"),
        (json!({"e": "pv", "co": "[]"}), Code::WrongType, "/co"),
        (json!({"e": "pv", "co": "{}"}), Code::WrongType, "/co"),
        (json!({"e": "pv", "co": r#"{"a":1,"a":2}"#}), Code::DuplicateField, "/co/a"),
        (context(json!([1])), Code::WrongType, "/co"),
        (context(json!([{"schema": "iglu:a/b/jsonschema/1-0-0"}])), Code::WrongType, "/co"),
        (json!({"e": "pv", "cx": "-"}), Code::BadFormat, "/cx"),
    ] {
        let violation = translated(sent.clone()).unwrap_err();
        assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer), "{sent}");
    }
}

#[test]
fn a_body_is_cut_into_its_events() {
    let body = r#"{"schema":"iglu:x/payload_data/jsonschema/1-0-4","data":[{"e":"pv","aid":"shop","stm":"1795000000400"}, {"e":"pp"}]}"#;
    let items = cut(body, "").unwrap();
    let texts = [r#"{"e":"pv","aid":"shop","stm":"1795000000400"}"#, r#"{"e":"pp"}"#];
    assert_eq!(items.texts, texts);
    assert!(items.texts.iter().all(|text| matches!(text, Cow::Borrowed(_))));
    assert_eq!(items.sent_at, Some(json!(1_795_000_000_400_u64)));
    assert_eq!(items.write_key.as_deref(), Some("shop"));
    let none = ProtocolItems::default();
    assert_eq!(cut(r#"{"data":[]}"#, ""), Ok(none));
    let broken = cut(r#"{"data":[7,{"e":"pv"}]}"#, "").unwrap();
    assert_eq!(broken.texts, ["7", r#"{"e":"pv"}"#]);
    let too_many = Err(ProtocolError::TooManyBeacons { count: 3, limit: 2 });
    assert_eq!(cut(r#"{"data":[1,2,3]}"#, ""), too_many);
    for body in ["[]", "{", r#"{"e":"pv"}"#, r#"{"data":{}}"#, r#"{"data":[1,]}"#, "{}x"] {
        assert!(matches!(cut(body, ""), Err(ProtocolError::Undecodable(_))), "{body}");
    }
}

#[test]
fn a_query_is_one_event() {
    let query = "e=pv&page=Gr%C3%B6sse+1&aid=shop&stm=1795000000400&e=pp&key=pk_1&x=%22";
    let items = cut("", query).unwrap();
    let expected = json!({
        "e": "pv", "page": "Grösse 1", "aid": "shop", "stm": "1795000000400", "x": "\"",
    });
    let texts: Vec<Value> =
        items.texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    assert_eq!(texts, [expected]);
    assert_eq!(items.sent_at, Some(json!(1_795_000_000_400_u64)));
    assert_eq!(items.write_key.as_deref(), Some("shop"));
    assert_eq!(cut("", "").unwrap().texts, ["{}"]);
}

proptest! {
    #[test]
    fn whatever_is_cut_is_answered(
        body in prop_oneof![
            "\\PC*",
            r#"\{"data":\[(\{("e":"(pv|ue|se)")?(,"(co|ue_pr|ue_px)":"(\{\}|e30|[^"\\]*)")?\},?){0,3}\]\}"#,
        ],
        query in "([a-z_]{1,5}=[^&]{0,9}&){0,4}",
    ) {
        if let Ok(items) = cut(&body, &query) {
            for text in items.texts {
                if let Ok(item) = decode::object(&text)
                    && let Ok(beacon) = translated(Value::Object(item))
                {
                    prop_assert!(beacon["name"].is_string());
                }
            }
        }
    }
}
