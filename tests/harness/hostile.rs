//! Requests that are made to cost much, from `tests/fixtures/hostile.json`.
//!
//! A row writes a text as parts: a text, and how often it is repeated. In a text that is repeated,
//! `§` is the number of the repetition, and `¶` that of the beacon. The beacons are the items of an
//! array, unless `around` says what is around them, at its `…`. The address is that of native events,
//! unless `address` is one of another protocol, or that of the pixel, whose query is the body.
//! `tests/support/hostile.py` reads the same rows.

use headwater::config::Config;
use headwater::ingest::dialects::{self, DialectRequest};
use headwater::ingest::error::IngestError;
use headwater::ingest::{self, IngestBatch};
use headwater::model::event::EventIdGenerator;
use headwater::model::protocol::Protocol;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::{self, RequestBody};
use headwater::pipeline::decode::protocols::{self, ProtocolRequest};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

const PIXEL: &str = "/v1/pixel.gif";

#[derive(Clone, Deserialize, Serialize)]
pub struct HostileRequest {
    pub name: String,
    pub beacon: Vec<(String, usize)>,
    pub beacons: usize,
    pub around: Option<String>,
    #[serde(default)]
    pub agent: Vec<(String, usize)>,
    pub address: Option<String>,
    pub content_type: Option<String>,
    /// What its configuration has besides the usual.
    #[serde(default)]
    pub config: Map<String, Value>,
}

/// Returns the rows.
pub fn all() -> Vec<HostileRequest> {
    let path = format!("{}/tests/fixtures/hostile.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

impl HostileRequest {
    /// Returns the body, not compressed.
    pub fn body(&self) -> String {
        let beacon = |index: usize| written(&self.beacon).replace('¶', &index.to_string());
        let beacons: Vec<String> = (0..self.beacons).map(beacon).collect();
        self.around.as_deref().unwrap_or("[…]").replacen('…', &beacons.join(","), 1)
    }

    pub fn is_pixel(&self) -> bool {
        self.address.as_deref() == Some(PIXEL)
    }

    /// Processes `body`, which is this row's as it is sent, as the worker does at its address.
    pub fn post<'c>(
        &self,
        body: &RequestBody<'_>,
        context: &RequestContext,
        config: &'c Config,
        ids: &mut EventIdGenerator,
    ) -> Result<IngestBatch<'c>, IngestError> {
        let request = ingest::authorize(context, None, config, None).request?;
        let Some(path) = &self.address else { return ingest::post(body, &request, ids) };
        if self.is_pixel() {
            return ingest::pixel(&self.body(), &request, ids);
        }
        let content_type = body.content_type.unwrap_or_default();
        let asked = DialectRequest { is_post: true, path, query: "", content_type, host: "" };
        let served = dialects::served(&Protocol::ALL, &[], asked).unwrap();
        let limits = &config.larger_limits;
        let inflated = body::inflated(body.bytes, limits);
        let items = inflated.as_deref().map_err(Clone::clone).and_then(|body| {
            let cut = ProtocolRequest { path, content_type, body, ..ProtocolRequest::default() };
            protocols::items(served.protocol, &cut, limits)
        });
        ingest::items(items, served.protocol, body, inflated.as_deref().ok(), &request, ids)
    }

    pub fn user_agent(&self) -> Option<String> {
        Some(written(&self.agent)).filter(|agent| !agent.is_empty())
    }
}

fn written(parts: &[(String, usize)]) -> String {
    let part = |(text, count): &(String, usize)| match text.contains('§') {
        true => (0..*count).map(|index| text.replace('§', &index.to_string())).collect(),
        false => text.repeat(*count),
    };
    parts.iter().map(part).collect()
}
