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
use headwater::pipeline::decode::protocols::{
    self, ProtocolItems, ProtocolRequest, Translation, beacon,
};
use headwater::pipeline::validate::{self, UnknownEventPolicy};
use serde::Deserialize;
use serde_json::{Map, Value};

/// What the frame removes from a beacon before it is validated.
const OF_THE_FRAME: [&str; 6] =
    ["source_name", "source_event_id", "ip", "user_agent", "timezone", "historical"];

/// The tenant's name for the SDKs' `order_placed`, for which the catalogue wants other props.
pub const OWN_NAME: &str = "sdk_order";

#[derive(Deserialize)]
struct Capture {
    requests: Vec<CapturedRequest>,
}

/// A request, whose body is inflated.
#[derive(Deserialize)]
pub struct CapturedRequest {
    pub method: String,
    pub path: String,
    pub query: String,
    headers: BTreeMap<String, String>,
    pub body: String,
}

/// An item of a request: its text, its beacon's fields, and the event that they make.
pub struct CapturedItem {
    pub text: String,
    pub fields: Map<String, Value>,
    pub event: Event,
}

pub fn requests(name: &str) -> Vec<CapturedRequest> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join(format!("tests/fixtures/captures/{name}.json")));
    serde_json::from_str::<Capture>(&text.unwrap()).unwrap().requests
}

impl CapturedRequest {
    pub fn by(&self) -> AskedBy<'_> {
        AskedBy {
            is_post: self.method == "POST",
            path: self.path.trim_end_matches('/'),
            query: &self.query,
            host: "https://events.shop.example",
            content_type: "",
        }
    }

    pub fn asked(&self, protocol: Protocol) -> Option<Asked> {
        dialects::asked(protocol, self.by())
    }

    /// Returns the items, each checked to be an event, with what applies to all of them.
    pub fn items(&self, protocol: Protocol) -> (ProtocolItems<'static>, Vec<CapturedItem>) {
        let headers: Vec<_> = self.headers.clone().into_iter().collect();
        let request = ProtocolRequest {
            path: self.by().path,
            query: &self.query,
            content_type: self.headers.get("content-type").map_or("", String::as_str),
            headers: &headers,
            body: self.body.as_bytes(),
        };
        let cut = protocols::items(protocol, &request, &Limits::default()).unwrap();
        let items = cut.texts.iter().map(|text| item(protocol, text)).collect();
        (ProtocolItems { texts: Vec::new(), sent_at: cut.sent_at, write_key: cut.write_key }, items)
    }
}

fn item(protocol: Protocol, text: &str) -> CapturedItem {
    let limits = Limits::default();
    let own = |sent: &str| (sent.to_owned(), OWN_NAME.to_owned());
    let names = BTreeMap::from(["order_placed", "order placed"].map(own));
    let translation = Translation { protocol, tenant: "shop", names: &names, limits: &limits };
    let mut budget = ValueBudget::of_request(&limits);
    let fields = beacon(text, &translation, &limits, &mut budget).unwrap().fields;
    let again = beacon(text, &translation, &limits, &mut budget).unwrap().fields;
    assert_eq!(fields, again, "a replay differs");
    let mut native = fields.clone();
    native.retain(|field, _| !OF_THE_FRAME.contains(&field.as_str()));
    let mut repairs = Repairs::default();
    builtin::beacon(&mut native, &mut repairs);
    let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [1; 10]);
    let event = validate::event(
        native,
        &Envelope::default(),
        UnknownEventPolicy::Accept,
        &mut ids,
        &mut repairs,
    );
    let event = event.unwrap_or_else(|failure| panic!("{text}\n{:?}", failure.violations));
    CapturedItem { text: text.to_owned(), fields, event }
}
