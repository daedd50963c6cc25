//! The parts of a request and of an item that several protocols read alike.
//!
//! Each is compiled once, not for each caller: it runs once an item, so its size counts more than its
//! speed.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::translation::{BoxedViolation, ObjectFields, Translation};
use crate::base::json::{JsonFields, number_of, type_name};
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::{ProtocolError, native};

/// Returns the first parameter `name` of a query or a form.
#[inline(never)]
pub fn parameter<'a>(text: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let mut parameters = form_urlencoded::parse(text.as_bytes());
    parameters.find(|(parameter, _)| parameter == name).map(|(_, value)| value)
}

/// Returns the text of a body, or of a part of one, without what is around it.
#[inline(never)]
pub fn text(bytes: &[u8]) -> Result<&str, ProtocolError> {
    let text = std::str::from_utf8(bytes).map_err(|_| {
        ProtocolError::Undecodable(Violation::whole(Code::BadUtf8, "body is not UTF-8"))
    })?;
    Ok(text.trim_start_matches('\u{feff}').trim())
}

/// Reads the fields of a body, or of a part of one, and leaves their values as they are written.
pub fn fields(text: &str) -> Result<JsonFields<'_>, ProtocolError> {
    json_fields(text).map_err(native::not_json)
}

#[inline(never)]
fn json_fields(text: &str) -> serde_json::Result<JsonFields<'_>> {
    serde_json::from_str(text)
}

/// Like [`fields`], of a body that is `content`, such as an upload.
pub fn fields_of<'a>(text: &'a str, content: &str) -> Result<JsonFields<'a>, ProtocolError> {
    json_fields(text).map_err(|error| match text {
        "" => native::undecodable("body is empty"),
        _ => native::undecodable(&format!("body is not JSON of {content}: {error}")),
    })
}

/// Returns the field `name`, if it is a text and not empty.
#[inline(never)]
pub fn string(fields: &JsonFields<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// Puts the JSON `members` before those of the JSON object `text`. A text that is no object stays as
/// it is.
#[inline(never)]
pub fn with_members<'a>(text: &'a str, members: &str) -> Cow<'a, str> {
    match text.strip_prefix('{').map(str::trim_start) {
        Some(rest) if !members.is_empty() => {
            let comma = if rest.starts_with('}') { "" } else { "," };
            Cow::Owned(format!("{{{members}{comma}{rest}"))
        }
        _ => Cow::Borrowed(text),
    }
}

/// Adds a member to those that [`with_members`] takes.
#[inline(never)]
pub fn add_member(members: &mut String, name: &str, json: &str) {
    if !members.is_empty() {
        members.push(',');
    }
    for part in ["\"", name, "\":", json] {
        members.push_str(part);
    }
}

/// Takes a field of an item that must be a text, and not empty.
#[inline(never)]
pub fn required(item: &mut Map<String, Value>, field: &str) -> Result<String, BoxedViolation> {
    match item.take_field(field) {
        Some(Value::String(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Null | Value::String(_)) => Err(missing(field)),
        Some(other) => Err(wrong_type(field, "a string", &other)),
    }
}

/// Takes an object, which is empty if the field is absent or null.
#[inline(never)]
pub fn take_object(
    item: &mut Map<String, Value>,
    field: &str,
) -> Result<Map<String, Value>, BoxedViolation> {
    match item.take_field(field) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(object)) => Ok(object),
        Some(other) => Err(wrong_type(field, "an object", &other)),
    }
}

/// Makes the violation of a field that is absent.
#[inline(never)]
pub fn missing(field: &str) -> BoxedViolation {
    violation(Code::MissingField, field, &format!("{field} is missing"))
}

/// Makes the violation of a field that must be `wanted`, such as a string, and is `found`.
#[inline(never)]
pub fn wrong_type(field: &str, wanted: &str, found: &Value) -> BoxedViolation {
    let message = format!("{field} must be {wanted}, not {}", type_name(found));
    violation(Code::WrongType, field, &message)
}

/// Makes a violation of a field.
#[inline(never)]
pub fn violation(code: Code, field: &str, message: &str) -> BoxedViolation {
    Box::new(Violation::of_field(code, field, message))
}

/// Moves what an event says of itself to `props`. A value that is no object is left for validation.
#[inline(never)]
pub fn set_props(
    sent: Option<Value>,
    props: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
) {
    match sent {
        None | Some(Value::Null) => {}
        Some(Value::Object(sent)) if props.is_empty() => *props = sent,
        Some(Value::Object(sent)) => props.put_all(sent),
        Some(other) => beacon.put("props", other),
    }
}

/// Removes the fields `parts`, such as the path of a page, if the URL of the beacon contains them.
#[inline(never)]
pub fn remove_parts_of_url(
    page: &mut Map<String, Value>,
    parts: &[&str],
    beacon: &Map<String, Value>,
) {
    let Some(Value::String(url)) = beacon.get("url") else { return };
    for part in parts {
        let is_in_url = |value: &Value| value.as_str().is_some_and(|part| url.contains(part));
        if page.get(*part).is_some_and(is_in_url) {
            page.take_field(part);
        }
    }
}

/// Sets a beacon's `id` from an id of the SDK. One that is no text is left for validation.
#[inline(never)]
pub fn set_id(
    sent: Option<Value>,
    scope: &str,
    beacon: &mut Map<String, Value>,
    translation: &Translation<'_>,
) {
    match sent {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => translation.set_id(beacon, &text, scope),
        Some(other) => beacon.put("id", other),
    }
}

/// Decodes base64 of either alphabet, with or without padding. A blank is a `+` that a form
/// decoded.
#[inline(never)]
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let standard = text.bytes().map(|digit| match digit {
        b'-' | b' ' => b'+',
        b'_' => b'/',
        digit => digit,
    });
    base64_simd::forgiving_decode_to_vec(&standard.collect::<Vec<u8>>()).ok()
}

/// Decodes base64 of a text, as [`base64`].
#[inline(never)]
pub fn base64_text(text: &str) -> Option<String> {
    String::from_utf8(base64(text)?).ok()
}

/// Makes a number of each of `fields` that is the text of one.
#[inline(never)]
pub fn read_numbers(object: &mut Map<String, Value>, fields: &[&str]) {
    for field in fields {
        if let Some(value) = object.get_mut(*field) {
            *value = numeric(value.take());
        }
    }
}

/// Returns `number` as a number if it is the text of one. Any other value stays as it is.
#[inline(never)]
pub fn numeric(number: Value) -> Value {
    let read = number.as_str().and_then(number_of);
    read.map_or(number, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn members_are_added_to_an_object_only() {
        for (text, expected) in [
            ("{}", r#"{"a":1}"#),
            ("{ \n}", r#"{"a":1}"#),
            (r#"{"b":2}"#, r#"{"a":1,"b":2}"#),
            ("[]", "[]"),
            ("7", "7"),
        ] {
            assert_eq!(with_members(text, r#""a":1"#), expected, "{text}");
            assert_eq!(with_members(text, ""), text);
        }
    }

    #[test]
    fn base64_has_two_alphabets_and_optional_padding() {
        for text in ["Pj4_Pw", "Pj4_Pw==", "Pj4/Pw", "Pj4/Pw==", " Pj4/Pw=\n"] {
            assert_eq!(base64(text).as_deref(), Some(&b">>??"[..]), "{text}");
        }
        assert_eq!(base64("-- /"), base64("+++/"));
        for broken in ["Pj4_P", "{}", "Pj=4", "é"] {
            assert_eq!(base64(broken), None, "{broken}");
        }
    }

    #[test]
    fn only_the_text_of_a_number_is_one() {
        for (sent, expected) in [
            (json!("2"), json!(2)),
            (json!("-19.90"), serde_json::from_str("-19.90").unwrap()),
            (json!(7), json!(7)),
            (json!(" 2"), json!(" 2")),
            (json!("1e999"), json!("1e999")),
            (json!("02"), json!("02")),
            (json!("2 pcs"), json!("2 pcs")),
            (json!(""), json!("")),
        ] {
            assert_eq!(numeric(sent.clone()), expected, "{sent}");
        }
    }
}
