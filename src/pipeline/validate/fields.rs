//! Moves the fields of a beacon into a struct, and lists the unknown ones.

use serde_json::{Map, Value};

use crate::model::beacon::{Envelope, FIELDS};

/// Removes fields that stand for an absent one, and adds the envelope's device id if the beacon has
/// none. A schema sees the result.
pub fn present(mut fields: Map<String, Value>, envelope: &Envelope) -> Map<String, Value> {
    let stands_for_absent = |field: &str, value: &Value| match value {
        Value::Null => true,
        Value::String(text) => {
            let is_object = || matches!(field, "props" | "metadata");
            text.is_empty() && field != "name" && (FIELDS.contains(&field) || is_object())
        }
        _ => false,
    };
    // Most beacons have none, and to look costs less than `retain`.
    if fields.iter().any(|(field, value)| stands_for_absent(field, value)) {
        fields.retain(|field, value| !stands_for_absent(field, value));
    }
    if let Some(device_id) = &envelope.device_id {
        let absent = || Value::String(device_id.as_str().to_owned());
        fields.entry("device_id").or_insert_with(absent);
    }
    fields
}

/// The fields of a beacon, not checked yet.
#[derive(Default)]
pub struct BeaconFields {
    pub name: Option<Value>,
    pub id: Option<Value>,
    pub device_id: Option<Value>,
    pub time: Option<Value>,
    pub seq: Option<Value>,
    pub session_id: Option<Value>,
    pub level: Option<Value>,
    pub build: Option<Value>,
    pub user_id: Option<Value>,
    pub url: Option<Value>,
    pub title: Option<Value>,
    pub referrer: Option<Value>,
    pub screen: Option<Value>,
    pub viewport: Option<Value>,
    pub language: Option<Value>,
    pub consent: Option<Value>,
    pub user_hash: Option<Value>,
    pub source_name: Option<Value>,
    pub source_event_id: Option<Value>,
    pub props: Option<Value>,
    pub metadata: Option<Value>,
    /// The names of the fields that no beacon has, sorted.
    pub unknown: Vec<String>,
}

impl BeaconFields {
    pub fn of(fields: Map<String, Value>) -> Self {
        let mut of = Self::default();
        for (field, value) in fields {
            let place = match field.as_str() {
                "name" => &mut of.name,
                "id" => &mut of.id,
                "device_id" => &mut of.device_id,
                "time" => &mut of.time,
                "seq" => &mut of.seq,
                "session_id" => &mut of.session_id,
                "level" => &mut of.level,
                "build" => &mut of.build,
                "user_id" => &mut of.user_id,
                "url" => &mut of.url,
                "title" => &mut of.title,
                "referrer" => &mut of.referrer,
                "screen" => &mut of.screen,
                "viewport" => &mut of.viewport,
                "language" => &mut of.language,
                "consent" => &mut of.consent,
                "user_hash" => &mut of.user_hash,
                "source_name" => &mut of.source_name,
                "source_event_id" => &mut of.source_event_id,
                "props" => &mut of.props,
                "metadata" => &mut of.metadata,
                _ => {
                    of.unknown.push(field);
                    continue;
                }
            };
            *place = Some(value);
        }
        of
    }
}
