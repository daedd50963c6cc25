//! The parts of a request and of an item that several protocols read alike.

use serde_json::{Map, Value};

use super::translation::{ObjectFields, Translation};
use crate::base::json::{JsonFields, number_of};
use crate::pipeline::decode::{ProtocolError, native};

/// Reads the fields of a body, or of a part of one, and leaves their values as they are written.
pub fn fields(text: &str) -> Result<JsonFields<'_>, ProtocolError> {
    serde_json::from_str(text).map_err(native::not_json)
}

/// Returns the field `name`, if it is a text and not empty.
pub fn string(fields: &JsonFields<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

/// Returns the JSON object `text` with a further member, whose value is the JSON `value`. A text
/// that is no object stays as it is.
pub fn with_member(text: &str, name: &str, value: &str) -> String {
    match text.strip_prefix('{').map(str::trim_start) {
        None => text.to_owned(),
        Some(rest) if rest.starts_with('}') => format!("{{\"{name}\":{value}{rest}"),
        Some(rest) => format!("{{\"{name}\":{value},{rest}"),
    }
}

/// Sets a beacon's `id` from an id of the SDK. One that is no text is left for validation.
pub fn set_id(
    sent: Option<Value>,
    scope: &str,
    beacon: &mut Map<String, Value>,
    translation: &Translation<'_>,
) {
    match sent {
        None | Some(Value::Null) => {}
        Some(Value::String(text)) => translation.set_id(beacon, &text, scope),
        Some(other) => {
            beacon.put("id", other);
        }
    }
}

/// Decodes base64 of either alphabet, with or without padding. A blank is a `+` that a form
/// decoded.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim().trim_end_matches('=');
    let standard = text.bytes().map(|digit| match digit {
        b'-' | b' ' => b'+',
        b'_' => b'/',
        digit => digit,
    });
    base64_simd::forgiving_decode_to_vec(&standard.collect::<Vec<u8>>()).ok()
}

/// Returns `number` as a number if it is the text of one. Any other value stays as it is.
pub fn numeric(number: Value) -> Value {
    let read = number.as_str().and_then(number_of);
    read.map_or(number, Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_is_added_to_an_object_only() {
        for (text, expected) in [
            ("{}", r#"{"a":1}"#),
            ("{ \n}", r#"{"a":1}"#),
            (r#"{"b":2}"#, r#"{"a":1,"b":2}"#),
            ("[]", "[]"),
            ("7", "7"),
        ] {
            assert_eq!(with_member(text, "a", "1"), expected, "{text}");
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
