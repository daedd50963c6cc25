//! Segment's HTTP tracking API, which RudderStack and Jitsu share. Its items are messages.
//!
//! A message is kept as it was sent. Only what it has from its request is put before its members:
//! the `type` that its address names, the `batchContext` of its batch, and `historical` for an
//! import.
//!
//! Sources: <https://www.twilio.com/docs/segment/connections/sources/catalog/libraries/server/http-api>,
//! <https://www.rudderstack.com/docs/api/http-api/>.

mod context;
pub mod endpoint;
mod message;
mod pixel;

use serde_json::Value;
use serde_json::value::RawValue;

use super::request::{ProtocolItems, ProtocolRequest};
use super::{cut, parts};
use crate::base::json::JsonFields;
use crate::model::beacon::Limits;
use crate::model::violation::Code;
use crate::pipeline::decode::{ProtocolError, native};
use endpoint::{SegmentCall, SegmentEndpoint};
pub use message::translate;

/// What a body is.
const CONTENT: &str = "a message or a batch";

/// Cuts a request into its messages. Where a batch is expected, a body that names its `type` is one
/// message.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    match SegmentEndpoint::of(false, request.path) {
        Some(SegmentEndpoint::Pixel(call)) => return pixel::parameters(request.query, call),
        Some(SegmentEndpoint::DataPixel(call)) => return pixel::data(request, call),
        _ => {}
    }
    let endpoint = SegmentEndpoint::of(true, request.path);
    let text = request.text()?;
    if text.starts_with('[') {
        let texts = cut::items(text, "body", limits)?;
        return Ok(ProtocolItems { texts, ..ProtocolItems::default() });
    }
    let fields = parts::fields_of(text, CONTENT)?;
    let batch = fields.get("batch").filter(|batch| batch.get().starts_with('['));
    let is_import = endpoint == Some(SegmentEndpoint::Import);
    let items = match (endpoint, batch) {
        (_, Some(batch)) => of_batch(&fields, batch, is_import, limits)?,
        (Some(SegmentEndpoint::Message(call)), None) => {
            of_message(text, &fields, Some(call), false)
        }
        // A replay has no address, so the body alone decides.
        (_, None) if fields.get("batch").is_none() && fields.get("type").is_some() => {
            of_message(text, &fields, None, is_import)
        }
        (_, None) => return Err(no_batch(&fields)),
    };
    let of_header = || request.header("sentat").map(Value::from);
    let of_first = || items.texts.first().and_then(|first| sent_at_of(first));
    let sent_at = items.sent_at.clone().or_else(of_header).or_else(of_first);
    Ok(ProtocolItems { sent_at, ..items })
}

fn no_batch(fields: &JsonFields<'_>) -> ProtocolError {
    let (code, message) = match fields.get("batch") {
        None => (Code::MissingField, "batch is missing"),
        Some(_) => (Code::WrongType, "batch must be an array of messages"),
    };
    native::undecodable_field(code, "batch", message)
}

fn of_message<'a>(
    text: &'a str,
    fields: &JsonFields<'_>,
    call: Option<SegmentCall>,
    is_import: bool,
) -> ProtocolItems<'a> {
    let named = call.filter(|_| fields.get("type").is_none());
    let mut added = historical(is_import);
    if let Some(call) = named {
        parts::add_member(&mut added, "type", &cut::quoted(call.name()));
    }
    ProtocolItems {
        texts: vec![parts::with_members(text, &added)],
        sent_at: fields.get("sentAt").and_then(time),
        write_key: write_key(fields),
        ..ProtocolItems::default()
    }
}

fn of_batch<'a>(
    fields: &JsonFields<'a>,
    batch: &'a RawValue,
    is_import: bool,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let messages = cut::array(batch.get(), "batch", limits)?;
    let context = fields.get("context").map(RawValue::get);
    let context = context.filter(|context| context.starts_with('{') && *context != "{}");
    let mut added = historical(is_import);
    if let Some(context) = context {
        // Each message gets a copy.
        if context.len().saturating_mul(messages.len()) > limits.max_inflated_bytes {
            let message = format!(
                "context has {} bytes, too many for each of {} messages",
                context.len(),
                messages.len()
            );
            return Err(native::undecodable_field(Code::TooLarge, "context", &message));
        }
        parts::add_member(&mut added, "batchContext", context);
    }
    Ok(ProtocolItems {
        texts: messages.into_iter().map(|it| parts::with_members(it, &added)).collect(),
        sent_at: fields.get("sentAt").and_then(time),
        write_key: write_key(fields),
        ..ProtocolItems::default()
    })
}

/// Returns the member of each message of an import.
fn historical(is_import: bool) -> String {
    let mut added = String::new();
    if is_import {
        parts::add_member(&mut added, "historical", "true");
    }
    added
}

/// Returns the `sentAt` of a message, which RudderStack's SDKs set.
fn sent_at_of(message: &str) -> Option<Value> {
    parts::fields(message).ok()?.get("sentAt").and_then(time)
}

/// Reads a time, which is a text or a number.
fn time(value: &RawValue) -> Option<Value> {
    let is_scalar = value.get().starts_with(|first: char| first == '"' || first.is_ascii_digit());
    is_scalar.then(|| serde_json::from_str(value.get()).ok())?
}

/// Returns the write key. Jitsu's SDKs write stars for it, and send it in a header.
fn write_key(fields: &JsonFields<'_>) -> Option<String> {
    parts::string(fields, "writeKey").filter(|key| !key.contains('*'))
}

#[cfg(test)]
mod tests;
