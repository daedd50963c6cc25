//! Reads the captured requests, and takes each through its decoder and the checks of a beacon.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::DateTime;
use headwater::ingest::dialects::{self, Asked, AskedBy};
use headwater::model::beacon::{Envelope, Limits};
use headwater::model::event::{Event, EventIdGenerator};
use headwater::model::protocol::Protocol;
use headwater::model::repairs::Repairs;
use headwater::pipeline::clean::builtin;
use headwater::pipeline::decode::ValueBudget;
use headwater::pipeline::decode::protocols::{self, ProtocolRequest, Translation, beacon};
use headwater::pipeline::validate::{self, UnknownEventPolicy};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the frame removes from a beacon before it is validated.
const OF_THE_FRAME: [&str; 6] =
    ["source_name", "source_event_id", "ip", "user_agent", "timezone", "historical"];

#[derive(Deserialize)]
struct Capture {
    requests: Vec<CapturedRequest>,
}

/// A request, whose body is inflated. One that is no text is in base64.
#[derive(Deserialize)]
pub struct CapturedRequest {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    body_base64: String,
}

/// The beacon of an item, and the event that it makes; else the sentence that says why it makes none.
pub struct CapturedItem {
    pub fields: Map<String, Value>,
    pub event: Result<Event, String>,
}

pub fn requests(name: &str) -> Vec<CapturedRequest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(format!("tests/fixtures/captures/{name}.json")));
    serde_json::from_str::<Capture>(&text.unwrap()).unwrap().requests
}

/// Returns the items of all requests of an SDK, and the write key that the last of them names.
pub fn items(name: &str, protocol: Protocol) -> (Vec<CapturedItem>, Option<String>) {
    let mut items = Vec::new();
    let mut write_key = None;
    for request in requests(name) {
        assert_eq!(request.asked(protocol), Some(Asked::Events), "{name}");
        let (of_request, key) = request.items(protocol);
        items.extend(of_request);
        write_key = key;
    }
    (items, write_key)
}

/// Returns the name of each event, with the sentence that says why it is none.
pub fn names(items: &[CapturedItem]) -> Vec<(&str, Option<&str>)> {
    let named = items.iter().map(|item| {
        (item.fields["name"].as_str().unwrap(), item.event.as_ref().err().map(String::as_str))
    });
    named.collect()
}

impl CapturedRequest {
    fn asked(&self, protocol: Protocol) -> Option<Asked> {
        let (is_post, path) = (self.method == "POST", self.path.as_str());
        dialects::asked(
            protocol,
            AskedBy { is_post, path, query: &self.query, ..AskedBy::default() },
        )
    }

    fn items(&self, protocol: Protocol) -> (Vec<CapturedItem>, Option<String>) {
        let headers: Vec<_> = self.headers.clone().into_iter().collect();
        let binary = base64_simd::STANDARD.decode_to_vec(&self.body_base64).unwrap();
        let request = ProtocolRequest {
            path: &self.path,
            query: &self.query,
            content_type: self.headers.get("content-type").map_or("", String::as_str),
            headers: &headers,
            body: if self.body_base64.is_empty() { self.body.as_bytes() } else { &binary },
        };
        let cut = protocols::items(protocol, &request, &Limits::default()).unwrap();
        (cut.texts.iter().map(|text| item(protocol, text)).collect(), cut.write_key)
    }
}

fn item(protocol: Protocol, text: &str) -> CapturedItem {
    let (names, limits) = (BTreeMap::new(), Limits::default());
    let translation = Translation { protocol, tenant: "shop", names: &names, limits: &limits };
    let mut budget = ValueBudget::of_request(&limits);
    let fields = match beacon(text, &translation, &limits, &mut budget) {
        Ok(beacon) => beacon.fields,
        Err(violation) => {
            let fields = Map::from_iter([("name".to_owned(), Value::from("none"))]);
            return CapturedItem { fields, event: Err(violation.message) };
        }
    };
    let again = beacon(text, &translation, &limits, &mut budget).unwrap().fields;
    assert_eq!(fields, again, "a replay differs");
    CapturedItem { event: event(fields.clone()), fields }
}

/// Cleans and validates the fields of a beacon.
fn event(mut fields: Map<String, Value>) -> Result<Event, String> {
    fields.retain(|field, _| !OF_THE_FRAME.contains(&field.as_str()));
    let mut repairs = Repairs::default();
    builtin::beacon(&mut fields, &mut repairs);
    let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [1; 10]);
    let unknown = UnknownEventPolicy::Accept;
    validate::event(fields, &Envelope::default(), unknown, &mut ids, &mut repairs)
        .map_err(|failure| failure.violations.first.message)
}
