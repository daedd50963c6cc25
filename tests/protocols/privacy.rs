//! What the privacy settings leave of an SDK's beacon, in its record and in its failed event.

use headwater::config::{Config, RawConfig};
use headwater::ingest;
use headwater::ingest::dialects::DialectEndpoint;
use headwater::model::protocol::Protocol;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use headwater::pipeline::decode::protocols::ProtocolItems;
use serde_json::{Value, json};

use super::captures::{CapturedRequest, requests};
use crate::harness;

/// Stands in each id of a device.
const DEVICE: &str = "whichdevice";
/// Stands in each id of a person or a session.
const PERSON: &str = "whosoever";
/// An address of a client.
const ADDRESS: &str = "198.51.100.77";
/// Stands in what describes the device and its place.
const CONTEXT: &str = "whereabouts";

/// Items of each protocol, with all that their mobile and server SDKs state.
fn items() -> Vec<(Protocol, Value)> {
    let contexts = json!({"schema": "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-1",
    "data": [
        {"schema": "iglu:com.snowplowanalytics.snowplow/client_session/jsonschema/1-0-2",
            "data": {"userId": DEVICE, "sessionId": PERSON, "previousSessionId": PERSON,
                "firstEventId": PERSON}},
        {"schema": "iglu:com.snowplowanalytics.snowplow/mobile_context/jsonschema/1-0-3",
            "data": {"appleIdfa": DEVICE, "appleIdfv": DEVICE, "deviceModel": CONTEXT}},
        {"schema": "iglu:com.snowplowanalytics.snowplow/geolocation_context/jsonschema/1-1-0",
            "data": {"latitude": CONTEXT, "longitude": CONTEXT}},
        {"schema": "iglu:com.acme/visit/jsonschema/1-0-0",
            "data": {"advertising_id": DEVICE, "client_ip": ADDRESS, "plan": "team"}},
    ]});
    vec![
        (
            Protocol::Segment,
            json!({"type": "track", "event": "Seen", "anonymousId": DEVICE, "userId": PERSON,
                "properties": {"plan": "team", "previousId": PERSON},
                "context": {"ip": ADDRESS, "userAgent": CONTEXT, "location": {"city": CONTEXT},
                    "device": {"id": DEVICE, "advertisingId": DEVICE, "model": CONTEXT},
                    "userAgentData": {"brands": [CONTEXT]},
                    "traits": {"anonymousId": DEVICE, "ip": ADDRESS}}}),
        ),
        (Protocol::Segment, json!({"type": "alias", "userId": PERSON, "previousId": PERSON})),
        (
            Protocol::Snowplow,
            json!({"e": "se", "se_ca": "a", "se_ac": "b", "duid": DEVICE, "sid": PERSON,
                "uid": PERSON, "nuid": DEVICE, "fp": DEVICE, "ip": ADDRESS, "ua": CONTEXT,
                "co": contexts.to_string()}),
        ),
        (
            Protocol::Posthog,
            json!({"event": "seen", "distinct_id": PERSON, "properties": {
                "plan": "team", "$device_id": DEVICE, "$anon_distinct_id": DEVICE, "alias": PERSON,
                "$window_id": PERSON, "$ip": ADDRESS, "$raw_user_agent": CONTEXT,
                "$device_name": CONTEXT, "$lib": "posthog-ios",
                "$set": {"$ip": ADDRESS, "$device_id": DEVICE, "$geoip_city_name": CONTEXT}}}),
        ),
    ]
}

fn config(privacy: &Value) -> Config {
    let mut table = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed", "routes": [{"to": "firehose:events"}],
        "ip": "full",
    });
    table.as_object_mut().unwrap().extend(privacy.as_object().unwrap().clone());
    let settings = RawConfig {
        secret: Some("a secret of the operator's, long enough".to_owned()),
        ..harness::settings(table)
    };
    Config::parse(settings).unwrap()
}

/// Returns the line of an item's record. A `time` that is no time makes a failed event of it.
fn stored(config: &Config, protocol: Protocol, text: String) -> String {
    let context = RequestContext { ip: None, ..harness::context() };
    let request = ingest::authorize(&context, None, config, None).request.unwrap();
    let bytes = text.as_bytes().to_vec();
    let body = RequestBody { content_type: None, content_encoding: None, bytes: &bytes };
    let items = ProtocolItems { texts: vec![text.into()], ..ProtocolItems::default() };
    let mut ids = harness::ids(&context);
    let mut batch =
        ingest::items(Ok(items), protocol, &body, Some(&bytes), &request, &mut ids).unwrap();
    let delivered = harness::deliver(&mut batch, harness::all_accepted).unwrap();
    let lines = delivered.iter().map(|it| String::from_utf8_lossy(it.record.bytes()).into_owned());
    lines.collect()
}

/// Returns an item that becomes an event, and one that becomes a failed event.
fn valid_and_failed(protocol: Protocol, item: &Value) -> [String; 2] {
    let mut failed = item.clone();
    let time = match protocol {
        Protocol::Snowplow => "dtm",
        _ => "timestamp",
    };
    failed[time] = json!({"no": "time"});
    [item.to_string(), failed.to_string()]
}

#[test]
fn no_setting_is_passed_by_an_sdk() {
    let strip = json!({"consent": {"denied": "strip", "unknown": "strip"}});
    let cookieless = json!({"cookieless": true});
    for (privacy, hidden) in [
        (strip, [DEVICE, PERSON, ADDRESS, CONTEXT].as_slice()),
        (cookieless, &[DEVICE]),
        (json!({"ip": "drop"}), &[ADDRESS]),
        (json!({"ip": "truncate"}), &[ADDRESS]),
        (json!({"ip": "hash"}), &[ADDRESS]),
    ] {
        let config = config(&privacy);
        for (protocol, item) in items() {
            for text in valid_and_failed(protocol, &item) {
                let line = stored(&config, protocol, text);
                for mark in hidden {
                    assert!(!line.contains(mark), "{privacy}: {mark} is in {line}");
                }
            }
        }
    }
}

#[test]
fn what_is_no_identifier_stays() {
    let config = config(&json!({"consent": {"denied": "strip", "unknown": "strip"}}));
    for (protocol, item) in items().into_iter().filter(|(_, item)| item["type"] != "alias") {
        let line = stored(&config, protocol, item.to_string());
        let kept = if protocol == Protocol::Snowplow { "category" } else { "plan" };
        assert!(line.contains(kept), "{line}");
    }
}

#[test]
fn nothing_is_removed_if_everything_may_be_kept() {
    let config = config(&json!({}));
    for (protocol, item) in items().into_iter().filter(|(_, item)| item["type"] != "alias") {
        let line = stored(&config, protocol, item.to_string());
        for mark in [DEVICE, PERSON, CONTEXT] {
            assert!(line.contains(mark), "{mark} is not in {line}");
        }
    }
}

#[test]
fn no_captured_id_is_stored_if_identifiers_are_stripped() {
    let config = config(&json!({"consent": {"denied": "strip", "unknown": "strip"}}));
    for (protocol, sdk, ids) in [
        (Protocol::Segment, "segment-analytics-node", ["\"u-7\"", "\"a-1\"", "203.0.113.7"]),
        (
            Protocol::Segment,
            "segment-analytics-next",
            ["\"u-7\"", "677d8797-fa77", "HeadlessChrome"],
        ),
        (Protocol::Posthog, "posthog-js", ["\"u-7\"", "01a22324-35ad", "HeadlessChrome"]),
        (Protocol::Posthog, "posthog-node", ["\"u-7\"", "\"a-1\"", "\"u-8\""]),
        (Protocol::Posthog, "posthog-python", ["\"u-7\"", "\"a-1\"", "6f67dce2-82a6"]),
        (
            Protocol::Snowplow,
            "snowplow-browser-tracker",
            ["\"u-7\"", "3efe0508-b27b", "HeadlessChrome"],
        ),
        (
            Protocol::Snowplow,
            "snowplow-node-tracker",
            ["7f0c2a3e-0000", "203.0.113.7", "(synthetic)"],
        ),
    ] {
        let has_events =
            |it: &CapturedRequest| it.endpoint(protocol) == Some(DialectEndpoint::Events);
        for request in requests(sdk).into_iter().filter(has_events) {
            for item in request.decoded(protocol).items {
                let sent: Value = serde_json::from_str(&item.text).unwrap();
                for text in valid_and_failed(protocol, &sent) {
                    let line = stored(&config, protocol, text);
                    for id in ids {
                        assert!(!line.contains(id), "{sdk}: {id} is in {line}");
                    }
                }
            }
        }
    }
}
