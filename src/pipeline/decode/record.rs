//! Turns the record of an undelivered event back into its beacon.
//!
//! The facts of its request are supplied separately; derived columns are derived again.

use serde_json::{Map, Value};

use super::beacon as any_object;
use crate::model::beacon::{Beacon, Limits};
use crate::model::record::MAX_BYTES;
use crate::model::violation::Violation;

/// The columns that hold a beacon's field unchanged, each with that field.
const FIELDS: [(&str, &str); 20] = [
    ("event_id", "id"),
    ("name", "name"),
    ("level", "level"),
    ("client_time", "time"),
    ("seq", "seq"),
    ("device_id", "device_id"),
    ("client_session_id", "session_id"),
    ("user_id", "user_id"),
    ("consent", "consent"),
    ("build", "build"),
    ("url", "url"),
    ("title", "title"),
    ("referrer", "referrer"),
    ("language", "language"),
    ("props", "props"),
    ("metadata", "metadata"),
    ("source_name", "source_name"),
    ("source_event_id", "source_event_id"),
    ("user_verified", "user_verified"),
    ("historical", "historical"),
];

/// Reads a record's line, which may exceed the size limit of a beacon.
pub fn beacon(line: &str, limits: &Limits) -> Result<Beacon, Violation> {
    // The columns that are no field of the beacon come on top.
    const MORE_VALUES: usize = 1_000;
    let max_beacon_values = limits.max_beacon_values.saturating_add(MORE_VALUES);
    let limits = Limits { max_beacon_bytes: MAX_BYTES, max_beacon_values, ..limits.clone() };
    let Beacon { fields: mut columns, reader_repairs, left_out } = any_object(line, &limits)?;
    let mut fields: Map<String, Value> = Map::new();
    // A client's time that was not corrected is written once.
    if let Some(at) = columns.remove("occurred_at")
        && columns.get("received_at").is_some_and(|received_at| *received_at != at)
    {
        columns.entry("client_time").or_insert(at);
    }
    for (column, field) in FIELDS {
        if let Some(value) = columns.remove(column) {
            fields.insert(field.to_owned(), value);
        }
    }
    for size in ["screen", "viewport"] {
        let mut pixels = |side| columns.remove(&format!("{size}_{side}"));
        if let (Some(width), Some(height)) = (pixels("width"), pixels("height")) {
            fields.insert(size.to_owned(), Value::String(format!("{width}x{height}")));
        }
    }
    Ok(Beacon { fields, reader_repairs, left_out })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_record_is_its_beacon_again() {
        let record = json!({
            "v": 2, "event_id": "01939b70-6d2a-7c3e-8f00-000000000001", "tenant": "default",
            "name": "order_placed", "level": "high", "occurred_at": "2026-11-18T11:06:40.000Z",
            "client_time": "2026-11-18T11:06:41.000Z", "client_session_id": "s", "country": "CH",
            "screen_width": 1920, "screen_height": 1080, "viewport_width": 800,
            "session_id": "01a1fd2a-75d3-7e86-84ce-7211828a4187", "props": {"total": 19.90},
        });
        let limits = Limits { max_beacon_bytes: 100, ..Limits::default() };
        let beacon = beacon(&record.to_string(), &limits).unwrap();
        let expected = json!({
            "id": "01939b70-6d2a-7c3e-8f00-000000000001", "name": "order_placed", "level": "high",
            "time": "2026-11-18T11:06:41.000Z", "session_id": "s", "screen": "1920x1080",
            "props": {"total": 19.90},
        });
        assert_eq!(Value::Object(beacon.fields), expected);
    }
}
