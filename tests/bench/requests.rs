//! The requests that the native benches send, and the floor that they compare with.

use std::fs;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use headwater::config::{Binding, Config, RawConfig};
use headwater::model::event::EventIdGenerator;
use headwater::model::geo::Geo;
use headwater::model::request::{ClientHints, RequestContext};
use serde_json::{Map, Value, json};

/// Returns the body of a batch as the snippet writes it.
pub fn batch(events: Vec<Value>) -> String {
    json!({ "sent_at": 1_795_000_000_050_u64, "events": events }).to_string()
}

/// Returns `count` events of a visitor, of each schema in turn.
pub fn mixed(count: usize, visitor: usize) -> Vec<Value> {
    let names: Vec<&str> = headwater::schema::all().iter().map(|schema| schema.info.name).collect();
    let event = |seq| beacon(names[seq % names.len()], seq / names.len() % 2, visitor, seq);
    (0..count).map(event).collect()
}

/// Returns the valid beacon of the schema `name` at `index` among its samples, with the fields
/// that every page sends. Each `visitor` has a device, and each `seq` an id.
pub fn beacon(name: &str, index: usize, visitor: usize, seq: usize) -> Value {
    let path = format!("{}/tests/fixtures/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let samples: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let mut beacon = samples["valid"][index].clone();
    let own = beacon.as_object_mut().unwrap();
    let Value::Object(usual) = json!({
        "id": format!("01a1fc4f-8bd0-7166-97ae-6098{visitor:04x}{seq:04x}"),
        "device_id": format!("01a1e8a2-6d2a-7c3e-8f00-5f0c2a3e{visitor:04x}"),
        "session_id": "01a1fc4e-02b1-7d15-a377-08b1c5d2e6f4",
        "time": 1_795_000_000_000_u64 + seq as u64,
        "seq": seq,
        "url": "https://shop.example/shoes/trail-running?size=42&colour=green&utm_source=newsletter&utm_medium=email&utm_campaign=autumn",
        "title": "Trail running shoes, size 42 – Example Shop",
        "referrer": "https://www.google.com/",
        "screen": "1920x1080",
        "viewport": "1280x720",
        "language": "de-CH",
        "build": "web-4.18.2",
    }) else {
        unreachable!()
    };
    own.extend(usual);
    beacon
}

/// Returns a configuration with three routes, and `delivery` by shards or direct.
pub fn config(delivery: &str) -> Config {
    config_with(delivery, &Map::new())
}

/// Returns that configuration, and what `more` has.
pub fn config_with(delivery: &str, more: &Map<String, Value>) -> Config {
    let mut table = json!({
        "delivery": delivery, "origins": ["https://shop.example"], "failed_stream": "firehose:failed",
        "routes": [
            {"level": "low", "to": "firehose:low"},
            {"name": "order_*", "to": "firehose:orders"},
            {"to": "firehose:mid"},
        ],
    });
    table.as_object_mut().unwrap().extend(more.clone());
    Config::parse(RawConfig {
        headwater: Some(table),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDBENCH".to_owned()),
        secret_access_key: Some("bench".to_owned()),
        shard: Binding::Present,
        ..RawConfig::default()
    })
    .unwrap()
}

/// Returns the facts of a request of a browser.
pub fn context() -> RequestContext {
    let text = |text: &str| Some(text.to_owned());
    RequestContext {
        received_at: received_at(),
        origin: text("https://shop.example"),
        ip: Some(IpAddr::from([203, 0, 113, 77])),
        user_agent: text(
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        client_hints: ClientHints {
            ua: text(r#""Chromium";v="142", "Google Chrome";v="142", "Not_A Brand";v="99""#),
            mobile: text("?0"),
            platform: text("\"Windows\""),
            ..ClientHints::default()
        },
        accept_language: text("de-CH,de;q=0.9,en;q=0.8"),
        geo: Geo {
            country: text("CH"),
            region: text("Zurich"),
            city: text("Zürich"),
            continent: text("EU"),
            timezone: text("Europe/Zurich"),
            colo: text("ZRH"),
            asn: Some(3_303),
            as_organization: text("Swisscom (Schweiz) AG"),
        },
        utc_offset_minutes: Some(60),
        utc_offset_changes: Vec::new(),
        ..RequestContext::default()
    }
}

/// Returns the generator of a request's ids, always with the same seed.
pub fn ids() -> EventIdGenerator {
    EventIdGenerator::new(received_at(), [1; 10])
}

fn received_at() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_795_000_000_123).unwrap()
}

/// Does the least that any collector does: reads the bytes as JSON and writes them.
pub fn floor(body: &str) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body.as_bytes()).unwrap();
    serde_json::to_vec(&value).unwrap()
}
