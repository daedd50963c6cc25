//! The data of an event, which becomes its props.

use serde_json::{Map, Value};

use super::media_type;
use crate::pipeline::decode::protocols::translation::{BoxedViolation, ObjectFields, Translation};

/// Whether data of this media type is JSON; that of none is.
pub fn is_json(media_type: &str) -> bool {
    media_type.is_empty() || media_type.ends_with("/json") || media_type.ends_with("+json")
}

/// Moves the data: an object as it is, any other value as the property `data`.
pub fn set_props(
    item: &mut Map<String, Value>,
    props: &mut Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<(), BoxedViolation> {
    match item.take_field("data") {
        Some(Value::Object(data)) => *props = data,
        None | Some(Value::Null) => return set_encoded(item, props, translation),
        Some(data) => props.put("data", data),
    }
    Ok(())
}

/// Moves data in base64. JSON is decoded, if it is an object; other data stays as it is.
fn set_encoded(
    item: &mut Map<String, Value>,
    props: &mut Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<(), BoxedViolation> {
    const FIELD: &str = "data_base64";
    let encoded = match item.take_field(FIELD) {
        Some(Value::String(encoded)) => encoded,
        sent => {
            props.put_some(FIELD, sent.filter(|sent| !sent.is_null()));
            return Ok(());
        }
    };
    let bytes = match is_json(&media_type(item.text("datacontenttype").unwrap_or_default())) {
        true => base64_simd::forgiving_decode_to_vec(encoded.as_bytes()).ok(),
        false => None,
    };
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(text) if text.trim_start().starts_with('{') => {
            *props = translation.object(text.trim(), FIELD)?;
        }
        _ => props.put_text(FIELD, &encoded),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::model::beacon::Limits;
    use crate::model::protocol::Protocol;
    use crate::model::violation::Code;

    fn read(item: Value) -> Result<Value, BoxedViolation> {
        let Value::Object(mut item) = item else { panic!("not an object") };
        let (names, limits) = (BTreeMap::new(), Limits::default());
        let translation = Translation {
            protocol: Protocol::CloudEvents,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        let mut props = Map::new();
        set_props(&mut item, &mut props, &translation).map(|()| Value::Object(props))
    }

    #[test]
    fn data_of_any_kind_is_kept() {
        for (more, expected) in [
            (json!({}), json!({})),
            (json!({"data": null}), json!({})),
            (json!({"data": [1]}), json!({"data": [1]})),
            (json!({"data": "x", "datacontenttype": "text/plain"}), json!({"data": "x"})),
            (json!({"data_base64": "eyJhIjoxfQ=="}), json!({"a": 1})),
            (
                json!({"data_base64": "eyJhIjoxfQ==", "datacontenttype": "image/png"}),
                json!({"data_base64": "eyJhIjoxfQ=="}),
            ),
            (json!({"data_base64": "/w=="}), json!({"data_base64": "/w=="})),
            (json!({"data_base64": "!"}), json!({"data_base64": "!"})),
            (json!({"data_base64": 7}), json!({"data_base64": 7})),
        ] {
            assert_eq!(read(more).unwrap(), expected);
        }
    }

    #[test]
    fn encoded_json_that_is_broken_is_refused() {
        let violation = read(json!({"data_base64": "eyJhIjp9"})).unwrap_err();
        let pointer = violation.pointer.as_str();
        assert_eq!((violation.code, pointer), (Code::BadJson, "/data_base64"));
    }
}
