//! Translates one message into a beacon.

use serde_json::{Map, Value};

use super::context;
use super::endpoint::SegmentCall;
use crate::base::text::truncate_for_display;
use crate::model::violation::Code;
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, event_name, move_field, move_fields,
};

/// Members that say nothing of the event, or that its request has.
const LEFT_OUT: [&str; 6] =
    ["integrations", "writeKey", "sentAt", "receivedAt", "_metadata", "batchContext"];

/// Translates a message into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item: message, beacon, props, metadata, .. } = draft;
    let call = call(message)?;
    set_name(call, message, translation, beacon)?;
    if let Some(id) = message.take_field("messageId").as_ref().and_then(id_text) {
        translation.set_id(beacon, &id, "");
    }
    move_fields(
        message,
        beacon,
        "anonymousId: device_id, userId: user_id, originalTimestamp: time, \
            timestamp: time",
    );
    if message.take_field("historical") == Some(Value::Bool(true)) {
        beacon.put("historical", Value::Bool(true));
    }
    let mut context = merged_context(message);
    if let Some(Value::Object(members)) = &mut context {
        context::apply(members, beacon);
    }
    let properties = properties(call, message, context.as_mut()).filter(has_any);
    parts::set_props(properties, props, beacon);
    if !beacon.contains_key("props") {
        add_props(call, message, props, beacon);
    }
    *metadata = rest(std::mem::take(message), context);
    Ok(())
}

fn call(message: &mut Map<String, Value>) -> Result<SegmentCall, BoxedViolation> {
    match message.take_field("type") {
        None | Some(Value::Null) => Err(parts::missing("type")),
        Some(Value::String(name)) => SegmentCall::of_name(&name).ok_or_else(|| {
            let sentence = format!("type {:?} is none of a message", truncate_for_display(&name));
            parts::violation(Code::NotAllowed, "type", &sentence)
        }),
        Some(other) => Err(parts::wrong_type("type", "a string", &other)),
    }
}

/// Sets the name: of a `track` its `event`, of any other call what the call is.
fn set_name(
    call: SegmentCall,
    message: &mut Map<String, Value>,
    translation: &Translation<'_>,
    beacon: &mut Map<String, Value>,
) -> Result<(), BoxedViolation> {
    let built_in = match call {
        SegmentCall::Track => {
            let event = message.take_field("event").unwrap_or_default();
            let name = match &event {
                Value::String(name) if !name.is_empty() => name,
                Value::Null | Value::String(_) => {
                    let sentence = "event is missing; a track needs one";
                    return Err(parts::violation(Code::MissingField, "event", sentence));
                }
                other => return Err(parts::wrong_type("event", "a string", other)),
            };
            translation.set_name(beacon, name, ecommerce(name));
            return Ok(());
        }
        SegmentCall::Page => "page_view",
        SegmentCall::Screen => "screen_view",
        SegmentCall::Identify | SegmentCall::Group | SegmentCall::Alias | SegmentCall::Merge => {
            call.name()
        }
    };
    translation.set_name(beacon, call.name(), Some(built_in));
    Ok(())
}

/// Returns the included name of an event of Segment's ecommerce specification, version 2. All other
/// events of it have the name that follows from their letters, such as `product_viewed`.
fn ecommerce(event: &str) -> Option<&'static str> {
    // Longer than the name; most events need no further look.
    let may_be = event.len() <= 32 && event.to_ascii_lowercase().contains("complete");
    (may_be && event_name(event) == "order_completed").then_some("order_placed")
}

/// Returns the text of an id, which may be a number.
fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the message's context, filled from that of its batch.
fn merged_context(message: &mut Map<String, Value>) -> Option<Value> {
    let own = message.take_field("context").filter(|context| !context.is_null());
    match (own, message.take_field("batchContext")) {
        (Some(Value::Object(mut own)), Some(Value::Object(of_batch))) => {
            own.put_all_absent(of_batch);
            Some(Value::Object(own))
        }
        (own, of_batch) => own.or(of_batch),
    }
}

/// Adds the members that belong to the call to the properties or traits.
fn add_props(
    call: SegmentCall,
    message: &mut Map<String, Value>,
    props: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
) {
    let (name, others) = match call {
        SegmentCall::Page => (Some("page_name"), "category: category"),
        SegmentCall::Screen => (Some("screen_name"), "category: category"),
        SegmentCall::Group => (None, "groupId: group_id"),
        SegmentCall::Alias => (None, "previousId: previous_id"),
        SegmentCall::Merge => (None, "mergeProperties: merge_properties"),
        SegmentCall::Track | SegmentCall::Identify => (None, ""),
    };
    if let Some(to) = name {
        // The browser SDKs repeat the name in the properties; Jitsu's has it only there.
        let of_properties = props.take_field("name");
        move_field(message, "name", props, to);
        if let Some(name) = of_properties.filter(has_any) {
            let is_repeated = props.get(to).is_some_and(|named| *named == name);
            let place = if props.contains_key(to) { "name" } else { to };
            if !is_repeated {
                props.put(place, name);
            }
        }
    }
    move_fields(message, props, others);
    if call == SegmentCall::Page {
        context::apply_page(props, beacon);
    }
}

fn properties(
    call: SegmentCall,
    message: &mut Map<String, Value>,
    context: Option<&mut Value>,
) -> Option<Value> {
    match call {
        // RudderStack's SDKs have the traits only in the context.
        SegmentCall::Identify => message
            .take_field("traits")
            .filter(has_any)
            .or_else(|| context?.as_object_mut()?.take_field("traits")),
        SegmentCall::Group => message.take_field("traits"),
        SegmentCall::Track
        | SegmentCall::Page
        | SegmentCall::Screen
        | SegmentCall::Alias
        | SegmentCall::Merge => message.take_field("properties"),
    }
}

/// Whether a value says anything. PHP writes an empty object as `[]`.
fn has_any(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Returns what else the message and its context have.
fn rest(mut message: Map<String, Value>, context: Option<Value>) -> Map<String, Value> {
    message.keep_fields(&|name, value| !LEFT_OUT.contains(&name) && has_any(value));
    let context = match context {
        Some(Value::Object(mut members)) => {
            members.keep_fields(&|_, value| has_any(value));
            Some(Value::Object(members))
        }
        other => other,
    };
    if let Some(context) = context.filter(has_any) {
        message.put("context", context);
    }
    message
}
