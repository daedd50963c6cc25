//! What a server key allows that a browser's key does not, and what it never changes.

mod harness;

use headwater::config::{Binding, Config, RawConfig};
use headwater::ingest::error::{HttpError, IngestError};
use headwater::ingest::{self, AuthorizedRequest, IngestBatch};
use headwater::model::geo::ZoneOffsets;
use headwater::model::protocol::Protocol;
use headwater::model::replay::ReplayHeader;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use headwater::pipeline::decode::protocols::ProtocolItems;
use headwater::shard::dedup::DedupKey;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;

const OLD_KEY: &str = "sk_shop_old_0123456789abcdef01234567";
const NEW_KEY: &str = "sk_shop_new_0123456789abcdef01234567";
const OTHER_KEY: &str = "sk_blog_0123456789abcdef0123456789ab";
const OPERATOR_KEY: &str = "operator-0123456789abcdef0123456789";
const AGENT: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 Safari/605.1.15";

fn table() -> Value {
    json!({
        "delivery": "direct", "origins": ["https://shop.example"],
        "failed_stream": "firehose:failed",
        "routes": [{"historical": true, "to": "firehose:past"}, {"to": "firehose:events"}],
        "keys": {"pk_shop": {"tenant": "shop"}, "pk_blog": {"tenant": "blog"}},
        "ip": "truncate",
    })
}

fn config() -> Config {
    let keys = json!({"shop": [OLD_KEY, NEW_KEY], "blog": OTHER_KEY});
    Config::parse(RawConfig {
        server_keys: Some(keys.to_string()),
        operator_key: Some(OPERATOR_KEY.to_owned()),
        ..harness::settings(table())
    })
    .unwrap()
}

fn by(key: &str) -> RequestContext {
    let user_agent = Some("shop-backend/1.0 python-requests".to_owned());
    let zone_offsets = |zone: &str| ZoneOffsets {
        utc_offset_minutes: (zone == "Europe/Zurich").then_some(60),
        ..ZoneOffsets::default()
    };
    RequestContext {
        other_keys: vec![key.to_owned()],
        user_agent,
        zone_offsets: Some(zone_offsets),
        ..harness::context()
    }
}

fn digits(key: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Posts one beacon, and returns the stream and the columns of its record.
fn record(
    config: &Config,
    context: &RequestContext,
    beacon: &Value,
) -> (String, Map<String, Value>) {
    let mut batch = harness::post(config, context, None, beacon.to_string().as_bytes()).unwrap();
    only_record(&mut batch)
}

fn only_record(batch: &mut IngestBatch<'_>) -> (String, Map<String, Value>) {
    let delivered = harness::deliver(batch, harness::all_accepted).unwrap();
    let [only] = delivered.as_slice() else { panic!("{} records", delivered.len()) };
    (only.stream.clone(), serde_json::from_slice(only.record.bytes()).unwrap())
}

#[test]
fn a_server_states_the_facts_of_its_visitor() {
    let config = config();
    for key in [OLD_KEY, NEW_KEY] {
        let beacon = json!({"name": "a", "device_id": "d", "user_id": "u", "ip": "198.51.100.77",
            "user_agent": AGENT, "timezone": "Europe/Zurich", "user_verified": true});
        let (stream, columns) = record(&config, &by(key), &beacon);
        assert_eq!(stream, "firehose:events");
        let found = |column: &str| columns.get(column).cloned().unwrap_or_default();
        for (column, value) in [
            ("tenant", json!("shop")),
            ("verified", json!(true)),
            ("user_verified", json!(true)),
            ("ip", json!("198.51.100.0")),
            ("user_agent", json!(AGENT)),
            ("browser", json!("Safari")),
            ("timezone", json!("Europe/Zurich")),
            ("utc_offset_minutes", json!(60)),
            ("bot", Value::Null),
        ] {
            assert_eq!(found(column), value, "{column}");
        }
    }
}

#[test]
fn a_server_is_no_visitor() {
    let (_, columns) = record(&config(), &by(OLD_KEY), &json!({"name": "a"}));
    for column in ["ip", "user_agent", "bot", "country", "user_verified", "historical"] {
        assert_eq!(columns.get(column), None, "{column}");
    }
    assert_eq!(columns.get("verified"), Some(&json!(true)));
}

#[test]
fn a_browser_may_not_state_them() {
    let config = config();
    for (field, value) in [
        ("ip", json!("198.51.100.77")),
        ("user_agent", json!(AGENT)),
        ("timezone", json!("Europe/Zurich")),
        ("historical", json!(true)),
        ("user_verified", json!(true)),
    ] {
        let (stream, columns) =
            record(&config, &by("pk_shop"), &json!({"name": "a", field: value}));
        assert_eq!(stream, "firehose:failed");
        assert_eq!(columns["message"], json!(format!("{field} needs a server key")));
        assert_eq!(columns.get("verified"), None);
    }
    let (_, columns) = record(&config, &by("pk_shop"), &json!({"name": "a"}));
    assert_eq!(columns["bot"], json!(true));
}

#[test]
fn a_key_opens_its_own_tenant_only() {
    let config = config();
    let (_, columns) = record(&config, &by(OTHER_KEY), &json!({"name": "a"}));
    assert_eq!(columns["tenant"], json!("blog"));
    // The server's key counts, in whatever place.
    let context = RequestContext { write_key: Some("pk_shop".to_owned()), ..by(OTHER_KEY) };
    let (_, columns) = record(&config, &context, &json!({"name": "a"}));
    assert_eq!((&columns["tenant"], &columns["verified"]), (&json!("blog"), &json!(true)));
    for unknown in ["", "sk_shop", &OLD_KEY.replace("old", "odd")] {
        let error = harness::post(&config, &by(unknown), None, b"{}").unwrap_err();
        assert_eq!((error.status(), error.code()), (401, "unknown_key"), "{unknown}");
    }
}

#[test]
fn an_event_of_long_ago_keeps_its_time() {
    let beacon =
        json!({"name": "a", "device_id": "d", "time": "2019-02-03T04:05:06Z", "historical": true});
    let (stream, columns) = record(&config(), &by(OLD_KEY), &beacon);
    assert_eq!(stream, "firehose:past");
    assert_eq!(columns["occurred_at"], json!("2019-02-03T04:05:06.000Z"));
    assert_eq!((columns.get("clock_skew_ms"), &columns["historical"]), (None, &json!(true)));
    // A time to come is none.
    let beacon = json!({"name": "a", "time": "2029-02-03T04:05:06Z", "historical": true});
    let (_, columns) = record(&config(), &by(OLD_KEY), &beacon);
    assert_eq!(columns["occurred_at"], columns["received_at"]);
}

#[test]
fn a_wrong_fact_is_named_and_its_beacon_kept() {
    let beacon = json!({"name": "a", "id": "01939b70-6d2a-7c3e-8f00-000000000001", "ip": "here"});
    let (stream, columns) = record(&config(), &by(OLD_KEY), &beacon);
    assert_eq!((stream.as_str(), &columns["pointer"]), ("firehose:failed", &json!("/ip")));
    assert_eq!(columns["message"], json!("ip must be an IPv4 or IPv6 address"));
    assert_eq!(columns["event_id"], json!("01939b70-6d2a-7c3e-8f00-000000000001"));
    assert_eq!(columns["verified"], json!(true));
}

#[test]
fn a_user_of_a_page_is_verified_by_a_hash() {
    let config = config();
    for (key, hash, verified) in [
        (OLD_KEY, "u-7", Some(true)),
        (NEW_KEY, "u-7", Some(true)),
        (OTHER_KEY, "u-7", Some(false)),
        (OLD_KEY, "u-8", Some(false)),
    ] {
        let user_hash = digits(key, &[hash.as_bytes()]);
        let beacon = json!({"name": "a", "user_id": "u-7", "user_hash": user_hash});
        let (_, columns) = record(&config, &by("pk_shop"), &beacon);
        assert_eq!(columns.get("user_verified").and_then(Value::as_bool), verified, "{key} {hash}");
        assert_eq!(columns.get("user_hash"), None);
    }
    for beacon in [json!({"name": "a", "user_id": "u-7"}), json!({"name": "a", "user_hash": "00"})]
    {
        let (_, columns) = record(&config, &by("pk_shop"), &beacon);
        assert_eq!(columns.get("user_verified"), None);
    }
}

fn signed(signature: String, body: &[u8]) -> Result<(Option<bool>, String), IngestError> {
    let config = config();
    let signature = Some(signature);
    let context = RequestContext { signature, ..by("pk_shop") };
    let mut request = ingest::authorize(&context, None, &config, None).request?;
    request.check_signature(body)?;
    let body = RequestBody { content_type: None, content_encoding: None, bytes: body };
    let mut batch = ingest::post(&body, &request, &mut harness::ids(&context))?;
    let (stream, columns) = only_record(&mut batch);
    Ok((columns.get("verified").and_then(Value::as_bool), stream))
}

#[test]
fn a_signature_gives_the_rights_of_its_key() {
    let body = br#"{"name":"a","ip":"198.51.100.77"}"#;
    let now = harness::context().received_at.timestamp();
    let header = |key: &str, at: i64| {
        let digits = digits(key, &[at.to_string().as_bytes(), b".", body]);
        format!("t={at},v1={digits}")
    };
    for (key, at) in [(OLD_KEY, now), (NEW_KEY, now - 300), (OLD_KEY, now + 300)] {
        assert_eq!(
            signed(header(key, at), body).unwrap(),
            (Some(true), "firehose:events".to_owned())
        );
    }
    for (wrong, message) in [
        (
            header(OTHER_KEY, now),
            "is not made with a server key of the tenant over the time and the body",
        ),
        (
            header(OLD_KEY, now).replace("v1=", "v1=0"),
            "is not made with a server key of the tenant over the time and the body",
        ),
        (header(OLD_KEY, now - 301), "is more than 300 seconds old, or from the future"),
        (header(OLD_KEY, now + 301), "is more than 300 seconds old, or from the future"),
        ("v1=00".to_owned(), "must be t=SECONDS,v1=HEX"),
    ] {
        let error = signed(wrong, body).unwrap_err();
        assert_eq!(error.to_string(), format!("X-Headwater-Signature {message}"));
        assert_eq!((error.status(), error.code()), (401, "bad_signature"));
    }
    let other_body = signed(header(OLD_KEY, now), br#"{"name":"b"}"#).unwrap_err();
    assert_eq!(other_body.code(), "bad_signature");
}

#[test]
fn a_failed_event_of_a_server_is_replayed_with_its_rights() {
    let config = config();
    let beacon = json!({"name": "a", "seq": -1, "user_agent": AGENT, "historical": true, "time": "2019-02-03T04:05:06Z"});
    let (_, columns) = record(&config, &by(OLD_KEY), &beacon);
    let original = columns["original"].as_str().unwrap().replace(":-1", ":1");
    let header = |verified: &Value| {
        let mut header = Map::new();
        for column in ["event_id", "original_format", "received_at"] {
            header.insert(column.to_owned(), columns[column].clone());
        }
        header.insert("verified".to_owned(), verified.clone());
        ReplayHeader {
            fields: Value::Object(header).to_string(),
            key: Some(OPERATOR_KEY.to_owned()),
        }
    };
    let replayed = |verified: &Value| {
        let context = by("pk_shop");
        let mut request =
            ingest::authorize(&context, Some(&header(verified)), &config, None).request.unwrap();
        let source = request.replay.take().unwrap();
        let body =
            RequestBody { content_type: None, content_encoding: None, bytes: original.as_bytes() };
        let mut batch = ingest::replay(&body, source, &request).unwrap();
        only_record(&mut batch)
    };
    let (stream, event) = replayed(&columns["verified"]);
    assert_eq!(stream, "firehose:past");
    assert_eq!((&event["user_agent"], &event["verified"]), (&json!(AGENT), &json!(true)));
    let (stream, _) = replayed(&json!(false));
    assert_eq!(stream, "firehose:failed");
}

#[test]
fn an_address_that_policy_reduces_is_in_no_record() {
    let address = "198.51.100.77";
    let beacons = [
        json!({"name": "a", "ip": address}),
        json!({"name": "a", "ip": address, "seq": -1}),
        json!({"name": "a", "ip": address, "historical": 1}),
        json!({"ip": address}),
    ];
    for policy in ["truncate", "drop"] {
        let mut table = table();
        table["ip"] = json!(policy);
        let server_keys = Some(json!({"shop": OLD_KEY}).to_string());
        let config = Config::parse(RawConfig { server_keys, ..harness::settings(table) }).unwrap();
        for beacon in &beacons {
            let (_, columns) = record(&config, &by(OLD_KEY), beacon);
            let line = Value::Object(columns).to_string();
            assert!(!line.contains(address), "{policy} {beacon}: {line}");
        }
    }
}

#[test]
fn an_address_in_an_item_that_fails_is_reduced_too() {
    let config = config();
    let address = "198.51.100.77";
    let item = json!({"type": "track", "event": "a", "messageId": 7, "userId": [],
        "context": {"ip": address, "userAgent": AGENT}});
    for key in ["pk_shop", OLD_KEY] {
        let context = by(key);
        let request = ingest::authorize(&context, None, &config, None).request.unwrap();
        let (stream, columns) = of_item(&item, &request);
        assert_eq!(stream, "firehose:failed");
        assert!(!Value::Object(columns).to_string().contains(address), "{key}");
    }
    // Without an address its own bytes are kept.
    let item = json!({"type": "track", "event": "a", "userId": []});
    let context = by("pk_shop");
    let request = ingest::authorize(&context, None, &config, None).request.unwrap();
    let (_, columns) = of_item(&item, &request);
    assert_eq!(columns["original"], json!(item.to_string()));
    assert_eq!(columns["original_format"], json!("segment"));
}

/// Returns the key of the event that a beacon becomes, by which it is a duplicate.
fn seen_key(config: &Config, context: &RequestContext, beacon: &Value) -> DedupKey {
    let mut batch = harness::post(config, context, None, beacon.to_string().as_bytes()).unwrap();
    let [pending] = &batch.take_records()[..] else { panic!("not one record") };
    pending.item.event.unwrap().seen_key()
}

#[test]
fn no_one_can_send_an_event_before_a_server_or_another_tenant_does() {
    let mut table = table();
    table["delivery"] = json!("sharded");
    let keys = json!({"shop": [OLD_KEY, NEW_KEY], "blog": OTHER_KEY});
    let config = Config::parse(RawConfig {
        server_keys: Some(keys.to_string()),
        shard: Binding::Present,
        ..harness::settings(table)
    })
    .unwrap();
    let by_page =
        |key: &str| RequestContext { write_key: Some(key.to_owned()), ..harness::context() };
    let id = "01939b70-6d2a-7c3e-8f00-000000000001";
    for beacon in [json!({"name": "a", "id": id}), json!({"name": "a", "id": id, "device_id": "d"})]
    {
        let key_by = |context: &RequestContext| seen_key(&config, context, &beacon);
        let by_server = key_by(&by(OLD_KEY));
        assert_eq!(key_by(&by(NEW_KEY)), by_server, "a repeat after a rotation");
        let of_page = key_by(&by_page("pk_shop"));
        assert!(of_page != by_server && key_by(&by_page("pk_blog")) != of_page);
        let mut imported = beacon.clone();
        imported["historical"] = json!(true);
        imported["time"] = json!("2026-11-18T10:00:00Z");
        assert_eq!(seen_key(&config, &by(OLD_KEY), &imported), of_page, "an import");
    }
}

fn of_item(item: &Value, request: &AuthorizedRequest<'_, '_>) -> (String, Map<String, Value>) {
    let body = RequestBody { content_type: None, content_encoding: None, bytes: b"" };
    let items = ProtocolItems { texts: vec![item.to_string().into()], ..ProtocolItems::default() };
    let mut ids = harness::ids(request.context);
    let batch = ingest::items(Ok(items), Protocol::Segment, &body, None, request, &mut ids);
    only_record(&mut batch.unwrap())
}

#[test]
fn an_sdk_of_a_page_states_nothing_about_its_visitor() {
    let config = config();
    let item = json!({"type": "track", "event": "a", "messageId": "m", "anonymousId": "d",
        "context": {"ip": "198.51.100.77", "userAgent": AGENT}});
    for (key, agent) in [("pk_shop", "shop-backend/1.0 python-requests"), (OLD_KEY, AGENT)] {
        let context = by(key);
        let request = ingest::authorize(&context, None, &config, None).request.unwrap();
        let (_, columns) = of_item(&item, &request);
        assert_eq!(columns["user_agent"], json!(agent));
        assert_eq!(
            (&columns["protocol"], &columns["source_event_id"]),
            (&json!("segment"), &json!("m"))
        );
    }
}

#[test]
fn a_server_may_send_more_at_once() {
    let body = |count: usize| Value::Array(vec![json!({"name": "a"}); count]).to_string();
    let config = config();
    let sent = |context: &RequestContext, count: usize| {
        let body = body(count);
        let body =
            RequestBody { content_type: None, content_encoding: None, bytes: body.as_bytes() };
        let mut request = ingest::authorize(context, None, &config, None).request.unwrap();
        request.check_signature(body.bytes)?;
        ingest::post(&body, &request, &mut harness::ids(context)).map(|batch| batch.beacons())
    };
    let page = RequestContext { write_key: Some("pk_shop".to_owned()), ..harness::context() };
    assert_eq!(sent(&page, 500).unwrap(), 500);
    assert_eq!(sent(&page, 501).unwrap_err().code(), "too_many_beacons");
    assert_eq!(sent(&by(NEW_KEY), 2_000).unwrap(), 2_000);
    assert_eq!(sent(&by(NEW_KEY), 2_001).unwrap_err().code(), "too_many_beacons");
    let at = page.received_at.timestamp();
    let digits = digits(NEW_KEY, &[format!("{at}.").as_bytes(), body(501).as_bytes()]);
    let signed = RequestContext { signature: Some(format!("t={at},v1={digits}")), ..page };
    assert_eq!(sent(&signed, 501).unwrap(), 501);
}
