//! Requests that are made to cost much, from `tests/fixtures/hostile.json`.
//!
//! A row writes a text as parts: a text, and how often it is repeated. In a text that is repeated,
//! `§` is the number of the repetition, and `¶` that of the beacon. The beacons are the items of an
//! array, unless `around` says what is around them, at its `…`.
//! `tests/support/hostile.py` reads the same rows.

use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
pub struct HostileRequest {
    pub name: String,
    beacon: Vec<(String, usize)>,
    pub beacons: usize,
    around: Option<String>,
    #[serde(default)]
    agent: Vec<(String, usize)>,
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
