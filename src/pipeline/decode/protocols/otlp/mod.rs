//! Logs of OpenTelemetry over HTTP, in JSON or Protobuf. A log record with an event name is an event.
//!
//! An item is a log record in JSON, with its resource and its scope.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/blob/v1.7.0/docs/specification.md>

mod any_value;
mod log_request;
mod protobuf;

use serde_json::{Map, Value};

use super::cut::{self, ItemTexts, Members};
use super::parts;
use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ItemHead, ItemSource, ObjectFields, Translation, is_stated, move_fields,
    within,
};
use crate::base::json::type_name;
use crate::model::beacon::Limits;
use crate::model::violation::Code;
use crate::pipeline::decode::ProtocolError;
use any_value::{attributes, plain};

/// Cuts a request into its items.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let mut texts = ItemTexts::new(limits);
    match is_protobuf(request) {
        true => log_request::items(request.body, &mut texts)?,
        false => json_items(request.text()?, limits, &mut texts)?,
    }
    Ok(texts.numbered())
}

/// Whether the body is Protobuf. Its first bytes may look like JSON: a line feed and the length 123.
/// So the content type decides if it is one of the two.
fn is_protobuf(request: &ProtocolRequest<'_>) -> bool {
    let content_type = request.content_type.to_ascii_lowercase();
    match (content_type.contains("protobuf"), content_type.contains("json")) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => {
            let text = request.body.trim_ascii();
            let is_in_doubt = request.body.starts_with(b"\n");
            !(text.starts_with(b"{") && (!is_in_doubt || text.ends_with(b"}")))
        }
    }
}

/// Cuts a request in JSON.
fn json_items(text: &str, limits: &Limits, texts: &mut ItemTexts<'_>) -> Result<(), ProtocolError> {
    let request = Members::read(text, "body")?;
    for of_resource in list(&request, "resourceLogs", limits)? {
        let of_resource = Members::read(of_resource, "resourceLogs")?;
        for of_scope in list(&of_resource, "scopeLogs", limits)? {
            let of_scope = Members::read(of_scope, "scopeLogs")?;
            let resource = of_resource.get("resource").unwrap_or("null");
            let head = head(resource, of_scope.get("scope").unwrap_or("null"));
            for record in list(&of_scope, "logRecords", limits)? {
                push(&head, record, texts)?;
            }
        }
    }
    Ok(())
}

fn list<'a>(
    members: &Members<'a>,
    name: &str,
    limits: &Limits,
) -> Result<Vec<&'a str>, ProtocolError> {
    members.get(name).map_or(Ok(Vec::new()), |text| cut::array(text, name, limits))
}

/// Writes what the items of a scope begin with.
#[inline(never)]
fn head(resource: &str, scope: &str) -> String {
    ["{\"resource\":", resource, ",\"scope\":", scope].concat()
}

/// Adds an item of a log record in JSON.
#[inline(never)]
fn push(head: &str, record: &str, texts: &mut ItemTexts<'_>) -> Result<(), ProtocolError> {
    texts.push([head, ",\"logRecord\":", record, "}"].concat(), head.len())
}

/// The attributes that are fields of a beacon.
const FIELDS: &str = "session.id: session_id, user.id: user_id, enduser.id: user_id, \
    device.id: device_id, app.installation.id: device_id, url.full: url, \
    http.request.header.referer: referrer, browser.language: language, \
    client.address: ip, user_agent.original: user_agent";

/// The other fields of a record, and their names in `metadata`.
const OF_RECORD: &str = "severityNumber: severity_number, severityText: severity_text, traceId: trace_id, \
    spanId: span_id";

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, head } = draft;
    // An SDK that repeats a record repeats its time, so an equal text is a repeat.
    let text = is_timed(item).then(|| written(item, head.as_deref()));
    let mut record = record(item)?;
    *props = record_attributes(&mut record)?;
    let ItemSource { fields, resource, scope } = match head {
        Some(head) => head.source.clone(),
        None => source(item),
    };
    let name = name(&mut record, props)?;
    translation.set_name(beacon, &name, None);
    move_fields(props, beacon, FIELDS);
    beacon.put_all_absent(fields);
    first_header(beacon);
    beacon.put_some("build", resource.get("service.version").cloned());
    set_time(beacon, &mut record);
    if let Some(text) = text {
        translation.set_hashed_id(beacon, &[&text]);
    }
    move_fields(&mut record, metadata, OF_RECORD);
    metadata.put_object("resource", resource);
    metadata.put_object("scope", scope);
    match record.take_field("body").map(plain).unwrap_or_default() {
        Value::Null => {}
        Value::Object(body) => props.put_all_absent(body),
        body => metadata.put("body", body),
    }
    Ok(())
}

/// Reads the head of items from its members.
pub fn head_of(mut members: Map<String, Value>) -> ItemHead {
    let json = serde_json::to_string(&members).unwrap_or_default();
    ItemHead { source: source(&mut members), json }
}

/// Takes what describes a log record out of its item.
#[inline(never)]
fn source(item: &mut Map<String, Value>) -> ItemSource {
    let mut fields = Map::new();
    let mut resource = described(item.take_field("resource"));
    move_fields(&mut resource, &mut fields, FIELDS);
    let scope = described(item.take_field("scope"));
    ItemSource { fields, resource, scope }
}

/// Writes an item in JSON. The names of the members that are in its `head` come last.
fn written(item: &Map<String, Value>, head: Option<&ItemHead>) -> String {
    let mut text = serde_json::to_string(item).unwrap_or_default();
    if let Some(rest) = head.and_then(|head| head.json.strip_prefix('{')) {
        text.pop();
        text.push(',');
        text.push_str(rest);
    }
    text
}

fn record(item: &mut Map<String, Value>) -> Result<Map<String, Value>, BoxedViolation> {
    match item.take_field("logRecord") {
        Some(Value::Object(record)) => Ok(record),
        other => {
            let found = other.as_ref().map_or("nothing", type_name);
            let message = format!("logRecord must be an object, not {found}");
            Err(parts::violation(Code::WrongType, "logRecord", &message))
        }
    }
}

fn record_attributes(
    record: &mut Map<String, Value>,
) -> Result<Map<String, Value>, BoxedViolation> {
    match record.take_field("attributes") {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Array(list)) => Ok(attributes(list)),
        Some(other) => Err(of_record(parts::wrong_type("attributes", "an array", &other))),
    }
}

/// Takes the event's name, which earlier SDKs send as an attribute.
fn name(
    record: &mut Map<String, Value>,
    props: &mut Map<String, Value>,
) -> Result<String, BoxedViolation> {
    let name = record.take_field("eventName").filter(is_stated);
    let of_attributes = props.take_field("event.name").filter(is_stated);
    match name.or(of_attributes) {
        Some(Value::String(name)) => Ok(name),
        Some(other) => Err(of_record(parts::wrong_type("eventName", "a string", &other))),
        None => {
            let message = "eventName is missing; a log record without it is no event";
            Err(of_record(parts::violation(Code::MissingField, "eventName", message)))
        }
    }
}

/// Adds the log record to the place of a violation.
fn of_record(violation: BoxedViolation) -> BoxedViolation {
    within("/logRecord", violation)
}

/// Takes the attributes of a resource or scope, with its other members beside them.
fn described(value: Option<Value>) -> Map<String, Value> {
    let Some(Value::Object(mut object)) = value else { return Map::new() };
    let mut described = match object.take_field("attributes") {
        Some(Value::Array(list)) => attributes(list),
        _ => Map::new(),
    };
    object.leave_out(&["droppedAttributesCount"]);
    object.keep_fields(&|_, value| is_stated(value));
    described.put_all_absent(object);
    described
}

/// Replaces a referrer that is a list, as headers are, with its first item.
fn first_header(beacon: &mut Map<String, Value>) {
    if let Some(Value::Array(values)) = beacon.get_mut("referrer") {
        let first = values.drain(..).next();
        beacon.take_field("referrer");
        beacon.put_some("referrer", first);
    }
}

/// The time of an event, and of its observation.
const TIMES: [&str; 2] = ["timeUnixNano", "observedTimeUnixNano"];

/// Whether the log record of an item has a time.
fn is_timed(item: &Map<String, Value>) -> bool {
    let record = item.get("logRecord").and_then(Value::as_object);
    record.is_some_and(|record| TIMES.iter().any(|time| record.get(*time).is_some_and(is_known)))
}

/// Sets the time of the event, else that of its observation.
fn set_time(beacon: &mut Map<String, Value>, record: &mut Map<String, Value>) {
    let [of_event, observed] = TIMES.map(|time| record.take_field(time).filter(is_known));
    beacon.put_some("time", of_event.or(observed));
}

/// Whether a time is known; zero is not.
fn is_known(time: &Value) -> bool {
    match time {
        Value::Null => false,
        Value::String(text) => !matches!(text.as_str(), "" | "0"),
        Value::Number(number) => number.as_str() != "0",
        _ => true,
    }
}

#[cfg(test)]
mod tests;
