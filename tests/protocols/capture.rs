//! Reads captures, and passes their requests through the stages up to validation.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::DateTime;
use headwater::ingest::dialects::AskedBy;
use headwater::model::beacon::{Beacon, Envelope, Limits};
use headwater::model::event::{Event, EventIdGenerator};
use headwater::model::protocol::Protocol;
use headwater::model::repairs::Repairs;
use headwater::pipeline::clean::builtin;
use headwater::pipeline::decode::ValueBudget;
use headwater::pipeline::decode::protocols::{self, ProtocolRequest, Translation};
use headwater::pipeline::validate::{self, UnknownEventPolicy};
use serde_json::Value;

/// A request of a capture, with the beacons that it becomes.
pub struct Decoded {
    pub sent_at: Option<Value>,
    pub write_key: Option<String>,
    pub beacons: Vec<Beacon>,
}

/// Returns the requests of an SDK.
pub fn capture(sdk: &str) -> Vec<Value> {
    let file = format!("tests/fixtures/captures/{sdk}.json");
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    let mut capture: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(capture["requests"].take()).unwrap()
}

pub fn asked_by(request: &Value) -> AskedBy<'_> {
    AskedBy {
        is_post: request["method"] == "POST",
        path: request["path"].as_str().unwrap().trim_end_matches('/'),
        query: request["query"].as_str().unwrap(),
        host: "https://events.shop.example",
        content_type: "",
    }
}

pub fn decoded(protocol: Protocol, request: &Value) -> Decoded {
    let text = |part: &str| request[part].as_str().unwrap();
    let headers: Vec<(String, String)> =
        serde_json::from_value::<BTreeMap<String, String>>(request["headers"].clone())
            .unwrap()
            .into_iter()
            .collect();
    let limits = Limits::default();
    let sent = ProtocolRequest {
        path: text("path"),
        query: text("query"),
        content_type: headers.iter().find(|it| it.0 == "content-type").map_or("", |it| &it.1),
        headers: &headers,
        body: text("body").as_bytes(),
    };
    let items = protocols::items(protocol, &sent, &limits).unwrap();
    let names = BTreeMap::new();
    let translation = Translation { protocol, tenant: "shop", names: &names, limits: &limits };
    let mut budget = ValueBudget::of_request(&limits);
    let beacon = |text| protocols::beacon(text, &translation, &limits, &mut budget).unwrap();
    let beacons = items.texts.iter().map(|text| &**text).map(beacon).collect();
    Decoded { sent_at: items.sent_at, write_key: items.write_key, beacons }
}

/// Cleans and validates a beacon, without the fields that a request's authorization decides.
pub fn validated(beacon: &Beacon) -> Result<Event, String> {
    let mut fields = beacon.fields.clone();
    for field in ["source_name", "source_event_id", "ip", "user_agent", "timezone"] {
        fields.remove(field);
    }
    let mut repairs = Repairs::default();
    builtin::beacon(&mut fields, &mut repairs);
    let received_at = DateTime::from_timestamp_millis(1_795_885_900_000).unwrap();
    let mut ids = EventIdGenerator::new(received_at, [1; 10]);
    let unknown = UnknownEventPolicy::Accept;
    validate::event(fields, &Envelope::default(), unknown, &mut ids, &mut repairs)
        .map_err(|failure| failure.violations.first.message)
}
