//! Amplitude's HTTP API, version 2. Its items are the events of an upload, as they were sent.
//!
//! Source: <https://amplitude.com/docs/apis/analytics/http-v2>.

use serde_json::{Map, Value};

use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, move_field, move_fields,
};
use super::{cut, parts};
use crate::model::beacon::Limits;
use crate::model::violation::Code;
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
const FIELDS: &str = "device_id: device_id, user_id: user_id, time: time, session_id: session_id, \
    event_id: seq, app_version: build, version_name: build, language: language, ip: ip, \
    user_agent: user_agent";

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
        ..ProtocolItems::default()
    })
}

/// Translates an event into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item: event, beacon, props, metadata, .. } = draft;
    let kind = parts::required(event, "event_type")?;
    let built_in = match kind.as_str() {
        IDENTIFY => Some("identify"),
        GROUP_IDENTIFY => Some("group"),
        PAGE_VIEWED => Some("page_view"),
        _ => None,
    };
    translation.set_name(beacon, &kind, built_in);
    // Amplitude, too, looks for a repeat among the events of the device.
    if let Some(id) = event.text("insert_id") {
        translation.set_id(beacon, id, event.text("device_id").unwrap_or_default());
    }
    event.leave_out(&["insert_id"]);
    remove_placeholders(event);
    move_fields(event, beacon, FIELDS);
    parts::set_props(event.take_field("event_properties"), props, beacon);
    if !beacon.contains_key("props") {
        apply_page(&kind, props, beacon);
        add_props(&kind, event, props);
    }
    set_metadata(event, metadata);
    Ok(())
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

/// Adds the event's revenue to its properties; of an identify, what it sets.
fn add_props(kind: &str, event: &mut Map<String, Value>, props: &mut Map<String, Value>) {
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

/// Moves what else the event has.
fn set_metadata(event: &mut Map<String, Value>, metadata: &mut Map<String, Value>) {
    let is_empty = |value: &Value| value.as_object().is_some_and(Map::is_empty);
    for member in TO_METADATA {
        if let Some(value) = event.take_field(member).filter(|it| !it.is_null() && !is_empty(it)) {
            metadata.put(member, value);
        }
    }
    event.keep_fields(&|_, value| !value.is_null() && !is_empty(value));
    metadata.put_object("amplitude", std::mem::take(event));
}

#[cfg(test)]
mod tests;
