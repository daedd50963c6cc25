//! Amplitude's HTTP API, version 2. Its items are the events of an upload, as they were sent.
//!
//! Source: <https://amplitude.com/docs/apis/analytics/http-v2>.

use serde_json::{Map, Value};

use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{ObjectFields, Translation, move_field, move_fields};
use super::{cut, parts};
use crate::model::beacon::Limits;
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::{ProtocolError, native};

const IDENTIFY: &str = "$identify";
const GROUP_IDENTIFY: &str = "$groupidentify";
const PAGE_VIEWED: &str = "[Amplitude] Page Viewed";

/// Members, and with a dollar properties, that become props of the same meaning.
const REVENUE: [(&str, &str, &str); 7] = [
    ("revenue", "$revenue", "revenue"),
    ("price", "$price", "price"),
    ("quantity", "$quantity", "quantity"),
    ("productId", "$productId", "product_id"),
    ("revenueType", "$revenueType", "revenue_type"),
    ("currency", "$currency", "currency"),
    ("receipt", "$receipt", "receipt"),
];

/// Members that keep their place in `metadata`; all others are in its `amplitude`.
const TO_METADATA: [&str; 3] = ["user_properties", "groups", "group_properties"];

/// Members that are fields of a beacon.
const FIELDS: [(&str, &str); 10] = [
    ("device_id", "device_id"),
    ("user_id", "user_id"),
    ("time", "time"),
    ("session_id", "session_id"),
    ("event_id", "seq"),
    ("app_version", "build"),
    ("version_name", "build"),
    ("language", "language"),
    ("ip", "ip"),
    ("user_agent", "user_agent"),
];

/// Cuts an upload into its events.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let text = request.text()?;
    let fields = parts::fields_of(text, "an upload")?;
    let Some(events) = fields.get("events") else {
        let message = "events is missing";
        return Err(native::undecodable_field(Code::MissingField, "events", message));
    };
    Ok(ProtocolItems {
        texts: cut::items(events.get(), "events", limits)?,
        sent_at: parts::string(&fields, "client_upload_time").map(Value::String),
        write_key: parts::string(&fields, "api_key"),
    })
}

/// Translates an event into a beacon's fields.
pub fn beacon(
    mut event: Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<Map<String, Value>, Violation> {
    let kind = parts::required(&mut event, "event_type")?;
    let mut beacon = Map::new();
    let built_in = match kind.as_str() {
        IDENTIFY => Some("identify"),
        GROUP_IDENTIFY => Some("group"),
        PAGE_VIEWED => Some("page_view"),
        _ => None,
    };
    translation.set_name(&mut beacon, &kind, built_in);
    // Amplitude, too, looks for a repeat among the events of the device.
    if let Some(id) = event.text("insert_id") {
        translation.set_id(&mut beacon, id, event.text("device_id").unwrap_or_default());
    }
    event.leave_out(&["insert_id"]);
    remove_placeholders(&mut event);
    move_fields(&mut event, &mut beacon, &FIELDS);
    let props = props(&kind, &mut event, &mut beacon);
    beacon.put_some("props", props);
    beacon.put_object("metadata", metadata(event));
    Ok(beacon)
}

/// Removes what stands for an absent value: no session, and the address of the request.
fn remove_placeholders(event: &mut Map<String, Value>) {
    let is_no_session = |id: &Value| id.as_i64() == Some(-1) || id == "-1";
    if event.get("session_id").is_some_and(is_no_session) {
        event.leave_out(&["session_id"]);
    }
    if event.get("ip").is_some_and(|ip| ip == "$remote") {
        event.leave_out(&["ip"]);
    }
}

/// Returns the props: the event's properties and its revenue; of an identify, what it sets.
fn props(
    kind: &str,
    event: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
) -> Option<Value> {
    let mut props = match event.take_field("event_properties") {
        Some(Value::Object(props)) => props,
        None | Some(Value::Null) => Map::new(),
        Some(other) => return Some(other),
    };
    apply_page(kind, &mut props, beacon);
    for (member, property, prop) in REVENUE {
        if !props.contains_key(prop)
            && let Some(value) = props.take_field(property).or_else(|| event.take_field(member))
        {
            props.put(prop, value);
        }
    }
    let set_by = match kind {
        IDENTIFY => event.object("user_properties"),
        GROUP_IDENTIFY => event.object("group_properties"),
        _ => None,
    };
    if let Some(operations) = set_by
        && let Some(set) = operations.object("$set")
    {
        props.put_all_absent(std::mem::take(set));
        operations.leave_out(&["$set"]);
    }
    (!props.is_empty()).then_some(Value::Object(props))
}

/// Moves what the browser SDK says of the page.
fn apply_page(kind: &str, props: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    for (prop, field) in [
        ("[Amplitude] Page Location", "url"),
        ("[Amplitude] Page URL", "url"),
        ("[Amplitude] Page Title", "title"),
    ] {
        move_field(props, prop, beacon, field);
    }
    if kind == PAGE_VIEWED {
        move_field(props, "referrer", beacon, "referrer");
    }
    let parts_of_url = ["[Amplitude] Page Path", "[Amplitude] Page Domain"];
    parts::remove_parts_of_url(props, &parts_of_url, beacon);
}

/// Returns what else the event has.
fn metadata(mut event: Map<String, Value>) -> Map<String, Value> {
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    let mut metadata = Map::new();
    for member in TO_METADATA {
        if let Some(value) = event.take_field(member).filter(|it| !it.is_null() && !is_empty(it)) {
            metadata.put(member, value);
        }
    }
    event.keep_fields(&|_, value| !value.is_null() && !is_empty(value));
    metadata.put_object("amplitude", event);
    metadata
}

#[cfg(test)]
mod tests;
