//! Reads the captured requests, and takes each through its decoder and the checks of a beacon.

use std::collections::BTreeMap;
use std::path::Path;

use chrono::DateTime;
use headwater::ingest::dialects::{self, DialectEndpoint, DialectRequest};
use headwater::model::beacon::{Envelope, Limits};
use headwater::model::event::{Event, EventIdGenerator};
use headwater::model::protocol::Protocol;
use headwater::model::repairs::Repairs;
use headwater::pipeline::clean::builtin;
use headwater::pipeline::decode::protocols::{self, ProtocolRequest, Translation, beacon};
use headwater::pipeline::decode::{ValueBudget, server_fields};
use headwater::pipeline::validate::{self, UnknownEventPolicy};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A name of the tenant's own for `order_placed`, which the catalogue wants to have other props than
/// most SDKs' examples have.
pub const OWN_NAME: &str = "sdk_order";

#[derive(Deserialize)]
struct Capture {
    requests: Vec<CapturedRequest>,
}

/// A request, whose body is inflated. One that is no text is in base64.
#[derive(Deserialize)]
pub struct CapturedRequest {
    pub method: String,
    pub path: String,
    query: String,
    headers: BTreeMap<String, String>,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    body_base64: String,
}

/// The items of a request, and what applies to all of them.
pub struct Decoded {
    pub sent_at: Option<Value>,
    pub write_key: Option<String>,
    pub items: Vec<CapturedItem>,
}

/// An item, the fields of its beacon, and the event that they make; else the sentence that says why
/// they make none.
pub struct CapturedItem {
    pub text: String,
    pub fields: Map<String, Value>,
    pub event: Result<Event, String>,
}

pub fn requests(sdk: &str) -> Vec<CapturedRequest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(format!("tests/fixtures/captures/{sdk}.json")));
    serde_json::from_str::<Capture>(&text.unwrap()).unwrap().requests
}

/// Returns the items of all requests of an SDK, and the write key that the last of them names.
pub fn items(sdk: &str, protocol: Protocol) -> (Vec<CapturedItem>, Option<String>) {
    let mut items = Vec::new();
    let mut write_key = None;
    for request in requests(sdk) {
        assert_eq!(request.endpoint(protocol), Some(DialectEndpoint::Events), "{sdk}");
        let decoded = request.decoded(protocol);
        items.extend(decoded.items);
        write_key = decoded.write_key;
    }
    (items, write_key)
}

/// Returns the name of each event, with the sentence that says why it is none.
pub fn names(items: &[CapturedItem]) -> Vec<(&str, Option<&str>)> {
    items.iter().map(|item| (item.name(), item.event.as_ref().err().map(String::as_str))).collect()
}

impl CapturedRequest {
    pub fn head(&self) -> DialectRequest<'_> {
        DialectRequest {
            is_post: self.method == "POST",
            path: self.path.trim_end_matches('/'),
            query: &self.query,
            host: "https://events.shop.example",
            content_type: self.headers.get("content-type").map_or("", String::as_str),
        }
    }

    pub fn endpoint(&self, protocol: Protocol) -> Option<DialectEndpoint> {
        dialects::endpoint(protocol, self.head())
    }

    pub fn decoded(&self, protocol: Protocol) -> Decoded {
        self.decoded_with(protocol, &[])
    }

    /// Like [`Self::decoded`], for a tenant that has its own name for orders.
    pub fn decoded_with_own_name(&self, protocol: Protocol) -> Decoded {
        let own = |sent: &str| (sent.to_owned(), OWN_NAME.to_owned());
        self.decoded_with(protocol, &["order placed", "order_placed"].map(own))
    }

    fn decoded_with(&self, protocol: Protocol, names: &[(String, String)]) -> Decoded {
        let headers: Vec<_> = self.headers.clone().into_iter().collect();
        let binary = base64_simd::STANDARD.decode_to_vec(&self.body_base64).unwrap();
        let request = ProtocolRequest {
            path: self.head().path,
            query: &self.query,
            content_type: self.head().content_type,
            headers: &headers,
            body: if self.body_base64.is_empty() { self.body.as_bytes() } else { &binary },
        };
        let limits = Limits::default();
        let cut = protocols::items(protocol, &request, &limits).unwrap();
        let translation =
            Translation { protocol, tenant: "shop", names, limits: &limits, heartbeat_s: None };
        let items = cut.texts.iter().map(|text| item(text, &translation)).collect();
        Decoded { sent_at: cut.sent_at, write_key: cut.write_key, items }
    }
}

impl CapturedItem {
    pub fn name(&self) -> &str {
        self.fields["name"].as_str().unwrap()
    }

    /// Returns the event; the item must be one.
    pub fn valid(&self) -> &Event {
        self.event.as_ref().unwrap_or_else(|message| panic!("{message}: {}", self.text))
    }
}

fn item(text: &str, translation: &Translation<'_>) -> CapturedItem {
    let mut budget = ValueBudget::of_request(translation.limits, text.len());
    let text = text.to_owned();
    let fields = match beacon(&text, translation, translation.limits, &mut budget) {
        Ok(beacon) => beacon.fields,
        Err(violation) => {
            let fields = Map::from_iter([("name".to_owned(), Value::from("none"))]);
            return CapturedItem { text, fields, event: Err(violation.message) };
        }
    };
    let again = beacon(&text, translation, translation.limits, &mut budget).unwrap().fields;
    assert_eq!(fields, again, "a replay differs");
    CapturedItem { event: event(fields.clone()), text, fields }
}

/// Cleans and validates the fields of a beacon, except those that only a server may have.
fn event(mut fields: Map<String, Value>) -> Result<Event, String> {
    server_fields::remove(&mut fields);
    let mut repairs = Repairs::default();
    builtin::beacon(&mut fields, &mut repairs);
    let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [1; 10]);
    let unknown = UnknownEventPolicy::Accept;
    validate::event(fields, &Envelope::default(), unknown, &mut ids, &mut repairs)
        .map_err(|failure| failure.violations.first.message)
}
