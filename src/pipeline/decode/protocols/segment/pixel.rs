//! Messages in the query of a `GET`: RudderStack's have a parameter for each member, Segment's are
//! JSON in one parameter.

use serde_json::map::Entry;
use serde_json::{Map, Value};

use super::endpoint::SegmentCall;
use super::{CONTENT, of_message};
use crate::base::text::{escape_json_pointer, truncate_for_display};
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::request::{ProtocolItems, ProtocolRequest};
use crate::pipeline::decode::{ProtocolError, native};

/// The most levels of a parameter's name, such as the three of `context.page.url`.
const MAX_LEVELS: usize = 8;

/// Reads a message whose members are parameters: `event=a&properties.total=1`.
pub fn parameters<'a>(query: &str, call: SegmentCall) -> Result<ProtocolItems<'a>, ProtocolError> {
    let mut message = Map::new();
    let mut write_key = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "writeKey" => write_key = write_key.or(Some(value.into_owned())),
            _ => set(&mut message, &name, value.into_owned())?,
        }
    }
    message.entry("type").or_insert_with(|| call.name().into());
    let sent_at = message.get("sentAt").cloned();
    let texts = vec![Value::Object(message).to_string().into()];
    Ok(ProtocolItems { texts, sent_at, write_key, ..ProtocolItems::default() })
}

fn set(message: &mut Map<String, Value>, name: &str, value: String) -> Result<(), ProtocolError> {
    let twice = || {
        let sentence = format!("{} comes twice", truncate_for_display(name));
        let pointer = name.split('.').map(escape_json_pointer).collect();
        let violation = Violation::whole(Code::DuplicateField, sentence);
        ProtocolError::from(Violation { pointer, ..violation })
    };
    let mut object = message;
    let mut name = name;
    for _ in 1..MAX_LEVELS {
        let Some((outer, inner)) = name.split_once('.') else { break };
        let entry = object.entry(outer).or_insert_with(|| Map::new().into());
        object = entry.as_object_mut().ok_or_else(twice)?;
        name = inner;
    }
    match object.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(value.into());
            Ok(())
        }
        Entry::Occupied(_) => Err(twice()),
    }
}

/// Reads a message in the parameter `data`, as JSON or as base64 of it.
pub fn data<'a>(
    request: &ProtocolRequest<'_>,
    call: SegmentCall,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let undecodable = |code, message| native::undecodable_field(code, "data", message);
    let data = request.parameter("data");
    let data = data.ok_or_else(|| undecodable(Code::MissingField, "data is missing"))?;
    let json = match data.starts_with('{') {
        true => data.into_owned(),
        false => parts::base64_text(&data)
            .ok_or_else(|| undecodable(Code::BadFormat, "data must be JSON, or base64 of it"))?,
    };
    let fields = parts::fields_of(json.trim(), CONTENT)?;
    Ok(of_message(json.trim(), &fields, Some(call), false).into_owned())
}
