//! PostHog's capture, version 0 and 1: a batch, an array or one event, in any of its wrappings.
//!
//! Source: <https://github.com/PostHog/posthog/tree/master/rust/capture>

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{BoxedViolation, Draft, ObjectFields, Translation, is_stated, move_field};
use super::{cut, parts};
use crate::base::json::JsonFields;
use crate::model::beacon::Limits;
use crate::model::event::EventId;
use crate::model::violation::Code;
use crate::pipeline::decode::{ProtocolError, native, timestamp};

mod catalogued;
mod identity;
mod lz_string;
mod payload;
mod properties;

/// Where an SDK may state the write key.
const WRITE_KEYS: [&str; 3] = ["api_key", "token", "$token"];

/// Cuts a request into its items.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    match payload::json(request, limits)? {
        Cow::Borrowed(text) => cut(text, request, limits),
        Cow::Owned(text) => cut(&text, request, limits).map(ProtocolItems::into_owned),
    }
}

fn cut<'t>(
    text: &'t str,
    request: &ProtocolRequest<'_>,
    limits: &Limits,
) -> Result<ProtocolItems<'t>, ProtocolError> {
    let (fields, texts) = match text.starts_with('[') {
        true => (JsonFields::default(), cut::array(text, "body", limits)?),
        false => {
            let fields = parts::fields(text)?;
            let texts = match fields.get("batch").map(|batch| batch.get()) {
                None => vec![text],
                Some(batch) if batch.starts_with('[') => cut::array(batch, "batch", limits)?,
                Some(_) => {
                    let message = "batch must be an array of events";
                    return Err(native::undecodable_field(Code::WrongType, "batch", message));
                }
            };
            (fields, texts)
        }
    };
    let sent_at = sent_at(&fields, request);
    let is_historical =
        fields.get("historical_migration").is_some_and(|value| value.get() == "true");
    // Upstream, too, all events of a request have one key.
    let write_key = write_key(&fields)
        .or_else(|| texts.first().and_then(|text| write_key(&parts::fields(text).ok()?)));
    let texts = texts.into_iter().map(|text| item(text, sent_at.as_ref(), is_historical));
    let texts = texts.collect();
    Ok(ProtocolItems { texts, sent_at, write_key, ..ProtocolItems::default() })
}

/// Returns when a request was sent, as its header, its body or its query states. A query has
/// milliseconds; other numbers there only bypass caches.
fn sent_at(fields: &JsonFields<'_>, request: &ProtocolRequest<'_>) -> Option<Value> {
    let is_milliseconds =
        |text: &str| text.len() == 13 && text.bytes().all(|byte| byte.is_ascii_digit());
    let header = request.header("posthog-request-timestamp").map(str::to_owned);
    let body = || ["sent_at", "created_at"].into_iter().find_map(|it| parts::string(fields, it));
    let query = || request.parameter("_").filter(|text| is_milliseconds(text));
    let sent_at = header.or_else(body).or_else(|| query().map(Cow::into_owned));
    sent_at.map(|text| parts::numeric(Value::String(text)))
}

fn write_key(fields: &JsonFields<'_>) -> Option<String> {
    let of = |fields: &JsonFields<'_>| {
        WRITE_KEYS.into_iter().find_map(|name| parts::string(fields, name))
    };
    let nested = || of(&parts::fields(fields.get("properties")?.get()).ok()?);
    of(fields).or_else(nested)
}

/// Returns an item with what its batch states about it.
fn item<'t>(text: &'t str, sent_at: Option<&Value>, is_historical: bool) -> Cow<'t, str> {
    let mut stated = String::new();
    if is_historical {
        parts::add_member(&mut stated, "historical_migration", "true");
    }
    if let Some(time) = sent_at.and_then(|sent_at| time_by_offset(text, sent_at)) {
        parts::add_member(&mut stated, "timestamp", &time.to_string());
    }
    parts::with_members(text, &stated)
}

/// Returns the time, in milliseconds since the epoch, of an item without a timestamp that states how
/// long it had waited when it was sent.
fn time_by_offset(text: &str, sent_at: &Value) -> Option<i64> {
    // Only old versions of posthog-js write it.
    let fields = text.contains("\"offset\"").then(|| parts::fields(text).ok()).flatten()?;
    if fields.get("timestamp").is_some() {
        return None;
    }
    let offset = fields.get("offset")?.get().parse::<i64>().ok().filter(|offset| *offset >= 0)?;
    timestamp(sent_at).ok()?.timestamp_millis().checked_sub(offset)
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, metadata, .. } = draft;
    let event = event(item)?;
    let mut properties = properties::take(item)?;
    let name = catalogued::built_in(&event, &mut properties);
    translation.set_name(beacon, &event, name);
    let uuid = item.take_field("uuid").filter(is_stated);
    let insert_id = properties.take_field("$insert_id");
    parts::set_id(uuid.or(insert_id), &event, beacon, translation);
    identity::set(&event, &mut properties, beacon, metadata);
    move_field(item, "timestamp", beacon, "time");
    if beacon.contains_key("time") {
        item.leave_out(&["offset"]);
    }
    if item.take_field("historical_migration") == Some(Value::Bool(true)) {
        beacon.put("historical", Value::Bool(true));
    }
    properties::place(&event, properties, draft);
    Ok(())
}

/// Returns the `uuid` of an item that can't be translated.
pub fn stated_id(text: &str) -> Option<EventId> {
    EventId::parse(&parts::string(&parts::fields(text).ok()?, "uuid")?)
}

/// Removes the event's name. An item of `/engage` has none, only a person's properties.
fn event(item: &mut Map<String, Value>) -> Result<String, BoxedViolation> {
    let has_person = properties::PERSON.iter().any(|(name, _)| item.contains_key(*name));
    match has_person && !item.contains_key("event") {
        true => Ok("$identify".to_owned()),
        false => parts::required(item, "event"),
    }
}

#[cfg(test)]
mod tests;
