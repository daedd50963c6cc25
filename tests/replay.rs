//! A failed event that is sent again: what it keeps, and what the rules of today make of it.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod harness;

use std::net::IpAddr;

use chrono::DateTime;
use harness::columns;
use headwater::config::{Config, RawConfig};
use headwater::ingest;
use headwater::ingest::IngestBatch;
use headwater::model::geo::Geo;
use headwater::model::replay::ReplayHeader;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn config(unknown_events: &str, ip: &str) -> Config {
    let headwater = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed", "ip": ip,
        "routes": [{"to": "firehose:events"}], "unknown_events": unknown_events,
    });
    Config::parse(RawConfig {
        secret: Some(KEY.to_owned()),
        operator_key: Some(KEY.to_owned()),
        ..harness::settings(headwater)
    })
    .unwrap()
}

/// The visitor's at first, then the operator's, a day later and from another address.
fn context(at: i64, ip: [u8; 4], agent: &str, country: &str) -> RequestContext {
    RequestContext {
        received_at: DateTime::from_timestamp_millis(at).unwrap(),
        ip: Some(IpAddr::from(ip)),
        user_agent: Some(agent.to_owned()),
        geo: Geo { country: Some(country.to_owned()), ..Geo::default() },
        ..RequestContext::default()
    }
}

fn visitor() -> RequestContext {
    context(1_795_000_000_123, [203, 0, 113, 77], "Mozilla/5.0", "CH")
}

fn operator() -> RequestContext {
    context(1_795_100_000_000, [192, 0, 2, 1], "replay", "US")
}

fn records(mut batch: IngestBatch<'_>) -> Vec<Value> {
    let records = batch.take_records().into_iter();
    records.map(|pending| columns(&pending.item.record)).collect()
}

fn post(config: &Config, body: &[u8], content_type: Option<&str>) -> Vec<Value> {
    records(harness::post(config, &visitor(), content_type, body).unwrap())
}

/// Sends `failed` again, as scripts/replay does.
fn replay(config: &Config, failed: &Value) -> Vec<Value> {
    let mut reported = json!({ "geo": { "country": failed["country"] } });
    for column in
        ["event_id", "original_format", "received_at", "sent_at", "device_id", "ip", "user_agent"]
    {
        if let Some(value) = failed.get(column) {
            reported[column] = value.clone();
        }
    }
    let claim = ReplayHeader { fields: reported.to_string(), key: Some(KEY.to_owned()) };
    let context = operator();
    let mut request = ingest::authorize(&context, Some(&claim), config, None).request.unwrap();
    let replay = request.replay.take().unwrap();
    let bytes = failed["original"].as_str().unwrap().as_bytes();
    let body = RequestBody { content_type: None, content_encoding: None, bytes };
    records(ingest::replay(&body, replay, &request).unwrap())
}

#[test]
fn a_replayed_event_is_the_event_that_it_would_have_been() {
    let body = br#"{"sent_at":"2026-11-18T13:06:40Z","device_id":"d","events":[{"name":"quiz"},
        {"name":"quiz","time":"2026-11-18T13:06:30Z","url":"https://shop.example/"}]}"#;
    let failed = post(&config("fail", "full"), body, None);
    let as_it_is = post(&config("accept", "full"), body, None);
    assert_eq!(failed[0]["code"], "unknown_event");
    for (failed, mut expected) in failed.into_iter().zip(as_it_is) {
        let reader_repairs = replay(&config("accept", "full"), &failed);
        // Each is sent alone, and its place among the others is not kept.
        expected["event_index"] = json!(0);
        expected["replayed_at"] = json!("2026-11-19T14:53:20.000Z");
        assert_eq!(reader_repairs, [expected]);
    }
}

#[test]
fn a_replay_that_fails_again_is_the_same_failed_event() {
    let bodies: [(&[u8], Option<&str>); 4] = [
        (br#"{"name":"Quiz"}"#, None),
        (b"{\"name\":\n", Some("application/x-ndjson")),
        (b"{\"name\":", None),
        (br#"{"name":"quiz","id":"no id"}"#, None),
    ];
    let config = config("accept", "truncate");
    for (body, content_type) in bodies {
        let [mut first] = post(&config, body, content_type).try_into().unwrap();
        let [again] = replay(&config, &first).try_into().unwrap();
        first["replayed_at"] = json!("2026-11-19T14:53:20.000Z");
        assert_eq!(again, first);
    }
}

#[test]
fn an_address_is_stored_as_the_stricter_policy_says() {
    let hash = |config: &Config| post(config, br#"{"name":"quiz"}"#, None)[0]["ip"].clone();
    let hashed = hash(&config("accept", "hash"));
    for (then, now, ip) in [
        ("truncate", "full", json!("203.0.113.0")),
        ("full", "truncate", json!("203.0.113.0")),
        ("full", "drop", Value::Null),
        ("full", "hash", hashed.clone()),
        ("hash", "hash", hashed),
        ("hash", "full", Value::Null),
        ("drop", "full", Value::Null),
    ] {
        let failed = post(&config("fail", then), br#"{"name":"quiz"}"#, None);
        assert_eq!(replay(&config("accept", now), &failed[0])[0]["ip"], ip, "{then}, {now}");
    }
}

#[test]
fn a_replayed_record_is_the_same_record() {
    let config = config("accept", "truncate");
    let body = br#"{"name":"quiz","device_id":"d","time":1795000000000,"screen":"800x600",
        "props":{"points":1.50},"metadata":{"tag":"a"},"url":"https://shop.example/?utm_source=x"}"#;
    let [mut record] = post(&config, body, None).try_into().unwrap();
    let mut lost = record.clone();
    lost["original"] = json!(record.to_string());
    lost["original_format"] = json!("record");
    let again = replay(&config, &lost);
    record["replayed_at"] = json!("2026-11-19T14:53:20.000Z");
    assert_eq!(again, [record]);
}

/// The address of the first request is not kept, so a body alone states what it is.
#[test]
fn a_body_of_a_protocol_is_replayed_without_its_address() {
    let config = config("accept", "truncate");
    for (format, original, expected) in [
        (
            "segment_body",
            r#"{"type":"page","anonymousId":"d","properties":{"batch":7}}"#,
            ["page_view"].as_slice(),
        ),
        ("segment_body", r#"{"batch":[{"type":"track","event":"A","anonymousId":"d"}]}"#, &["a"]),
        (
            "ga4_body",
            " {\"client_id\":\"1.2\",\"events\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
            &["a", "b"],
        ),
        ("ga4_body", "_et=1&en=a\nen=b", &["a", "b"]),
    ] {
        let failed = json!({
            "event_id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b", "original": original,
            "original_format": format, "received_at": "2026-11-18T11:06:40.123Z",
        });
        let found = replay(&config, &failed);
        let names: Vec<&str> =
            found.iter().map(|it| it["name"].as_str().unwrap_or_default()).collect();
        assert_eq!(names, expected, "{original}: {found:?}");
    }
    // Its address named the type, which must not be guessed.
    let failed = json!({
        "event_id": "26bb0215-7b98-48bb-b44c-ad9bd25f036b", "original_format": "segment_body",
        "original": r#"{"event":"A","anonymousId":"d"}"#, "received_at": "2026-11-18T11:06:40.123Z",
    });
    assert_eq!(replay(&config, &failed)[0]["code"], "missing_field");
}
