//! Data of an event that names its schema: the self-describing event itself, and its contexts.
//! Each is a JSON text, or base64 of one.

use serde_json::{Map, Value};

use crate::model::violation::Code;
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::translation::{
    BoxedViolation, ObjectFields, Translation, is_stated,
};

/// The parts of a schema's address, such as `iglu:com.acme/order_placed/jsonschema/1-0-0`.
struct IgluSchema<'a> {
    vendor: &'a str,
    name: &'a str,
    version: &'a str,
}

impl<'a> IgluSchema<'a> {
    fn parse(address: &'a str) -> Option<Self> {
        let mut steps = address.strip_prefix("iglu:")?.split('/');
        let (vendor, name) = (steps.next()?, steps.next()?);
        let (_format, version) = (steps.next()?, steps.next()?);
        let is_whole = steps.next().is_none() && !vendor.is_empty() && !name.is_empty();
        is_whole.then_some(Self { vendor, name, version })
    }
}

/// A self-describing event.
pub struct SelfDescribing {
    name: String,
    vendor: String,
    version: String,
    data: Map<String, Value>,
}

impl SelfDescribing {
    /// Removes the event from its item.
    pub fn take(
        item: &mut Map<String, Value>,
        translation: &Translation<'_>,
    ) -> Result<Self, BoxedViolation> {
        let Some((field, mut envelope)) = json(item, ["ue_pr", "ue_px"], translation)? else {
            let message = "ue_pr is missing; a self-describing event has it, or ue_px";
            return Err(parts::violation(Code::MissingField, "ue_pr", message));
        };
        let wrong = |message: &str| {
            parts::violation(Code::WrongType, field, &format!("{field} must have {message}"))
        };
        let Some(Value::Object(mut event)) = envelope.take_field("data") else {
            return Err(wrong("an object data with schema and data"));
        };
        let Some(Value::String(schema)) = event.take_field("schema") else {
            return Err(wrong("a string data.schema"));
        };
        let Some(Value::Object(data)) = event.take_field("data") else {
            return Err(wrong("an object data.data"));
        };
        let Some(IgluSchema { vendor, name, version }) = IgluSchema::parse(&schema) else {
            let form = "iglu:VENDOR/NAME/jsonschema/VERSION";
            let message = format!("the schema of {field} must be {form}");
            return Err(parts::violation(Code::BadFormat, field, &message));
        };
        let [name, vendor, version] = [name, vendor, version].map(str::to_owned);
        Ok(Self { name, vendor, version, data })
    }

    /// Sets the event's name, its vendor and the version of its schema, and returns its data.
    pub fn describe(
        self,
        beacon: &mut Map<String, Value>,
        metadata: &mut Map<String, Value>,
        translation: &Translation<'_>,
    ) -> Map<String, Value> {
        translation.set_name(beacon, &self.name, None);
        metadata.put_text("vendor", &self.vendor);
        metadata.put_text("schema_version", &self.version);
        self.data
    }
}

/// The contexts of an event: for each schema's name, the list of their data.
pub struct Contexts(Map<String, Value>);

impl Contexts {
    /// Removes the contexts from their item.
    pub fn take(
        item: &mut Map<String, Value>,
        translation: &Translation<'_>,
    ) -> Result<Self, BoxedViolation> {
        let mut contexts = Map::new();
        let Some((field, mut envelope)) = json(item, ["co", "cx"], translation)? else {
            return Ok(Self(contexts));
        };
        let wrong = || {
            let message = format!("{field} must have a list data of objects with schema and data");
            parts::violation(Code::WrongType, field, &message)
        };
        let Some(Value::Array(entities)) = envelope.take_field("data") else { return Err(wrong()) };
        for entity in entities {
            let Value::Object(mut entity) = entity else { return Err(wrong()) };
            let (Some(Value::String(schema)), Some(data)) =
                (entity.take_field("schema"), entity.take_field("data"))
            else {
                return Err(wrong());
            };
            let name = IgluSchema::parse(&schema).map_or(schema.as_str(), |schema| schema.name);
            let list = contexts.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(data);
            }
        }
        Ok(Self(contexts))
    }

    /// Copies what a beacon has a place for, unless the item had it too. The contexts themselves
    /// are kept in `metadata`.
    pub fn lift(self, beacon: &mut Map<String, Value>, metadata: &mut Map<String, Value>) {
        let copy = |name: &str, key: Option<&str>, into: &mut Map<String, Value>, field: &str| {
            let first = self.0.get(name).and_then(|list| list.get(0));
            let value = match key {
                Some(key) => first.and_then(|data| data.get(key)),
                None => first,
            };
            if let Some(value) = value.filter(|value| !value.is_null()) {
                into.entry(field).or_insert_with(|| value.clone());
            }
        };
        copy("client_session", Some("userId"), beacon, "device_id");
        copy("client_session", Some("sessionId"), beacon, "session_id");
        copy("client_session", Some("sessionIndex"), metadata, "session_index");
        copy("web_page", Some("id"), metadata, "page_view_id");
        copy("geolocation_context", None, metadata, "geolocation");
        if !self.0.is_empty() {
            metadata.put("contexts", Value::Object(self.0));
        }
    }
}

/// A JSON object, and the field that had its text.
type NamedObject = (&'static str, Map<String, Value>);

/// Removes both forms of a JSON object from an item, and reads the first one that is there: as a
/// text, then as base64.
fn json(
    item: &mut Map<String, Value>,
    [plain, encoded]: [&'static str; 2],
    translation: &Translation<'_>,
) -> Result<Option<NamedObject>, BoxedViolation> {
    let as_text = item.take_field(plain).filter(is_stated);
    let as_base64 = item.take_field(encoded).filter(is_stated);
    let field = if as_text.is_some() { plain } else { encoded };
    let Some(value) = as_text.or(as_base64) else { return Ok(None) };
    let text = match value {
        Value::Object(object) => return Ok(Some((field, object))),
        Value::String(text) if field == plain => text,
        Value::String(digits) => parts::base64_text(&digits).ok_or_else(|| {
            let message = format!("{field} must be base64 of a JSON text");
            parts::violation(Code::BadFormat, field, &message)
        })?,
        _ => {
            let message = format!("{field} must be a string");
            return Err(parts::violation(Code::WrongType, field, &message));
        }
    };
    translation.object(text.trim(), field).map(|object| Some((field, object)))
}
