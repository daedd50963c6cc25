//! Attributes and their values, without the names of their types.

use serde_json::{Map, Number, Value};

use crate::pipeline::decode::protocols::translation::{ObjectFields, object_of};

/// Returns the attributes of a list of keys and values. An absent key is an empty one.
pub fn attributes(list: Vec<Value>) -> Map<String, Value> {
    let attribute = |each| {
        let Value::Object(mut each) = each else { return None };
        let key = each.take_field("key").and_then(|key| key.as_str().map(str::to_owned));
        Some((key.unwrap_or_default(), each.take_field("value").map(plain).unwrap_or_default()))
    };
    object_of(&mut list.into_iter().filter_map(attribute))
}

/// Returns a value such as `{"stringValue": "a"}` without the name of its type. Goes as deep as the
/// item, whose depth has a limit.
pub fn plain(value: Value) -> Value {
    let Value::Object(typed) = value else { return value };
    let Some((kind, value)) = typed.into_iter().next() else { return Value::Null };
    match (kind.as_str(), value) {
        ("intValue", Value::String(digits)) => {
            let number = digits.parse::<i64>().ok().map(Number::from);
            number.map_or(Value::String(digits), Value::Number)
        }
        ("arrayValue", Value::Object(mut list)) => match list.take_field("values") {
            Some(Value::Array(values)) => values.into_iter().map(plain).collect(),
            _ => Value::Array(Vec::new()),
        },
        ("kvlistValue", Value::Object(mut list)) => match list.take_field("values") {
            Some(Value::Array(values)) => Value::Object(attributes(values)),
            _ => Value::Object(Map::new()),
        },
        (_, value) => value,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_of_each_type_is_plain() {
        for (sent, expected) in [
            (json!({"stringValue": "a"}), json!("a")),
            (json!({"boolValue": true}), json!(true)),
            (json!({"intValue": "-7"}), json!(-7)),
            (json!({"intValue": 7}), json!(7)),
            (json!({"intValue": "9223372036854775808"}), json!("9223372036854775808")),
            (json!({"doubleValue": 19.9}), json!(19.9)),
            (json!({"doubleValue": "NaN"}), json!("NaN")),
            (json!({"bytesValue": "AQI="}), json!("AQI=")),
            (json!({"arrayValue": {"values": [{"intValue": 1}, {}]}}), json!([1, null])),
            (json!({"arrayValue": {}}), json!([])),
            (json!({"kvlistValue": {}}), json!({})),
            (
                json!({"kvlistValue": {"values": [{"key": "a", "value": {"intValue": 1}}]}}),
                json!({"a": 1}),
            ),
            (json!({}), json!(null)),
            (json!("bare"), json!("bare")),
        ] {
            assert_eq!(plain(sent), expected);
        }
    }

    #[test]
    fn attributes_are_named_by_their_keys() {
        let list = vec![
            json!({"key": "a", "value": {"stringValue": "x"}}),
            json!({"value": {"intValue": 1}}),
            json!({"key": "b"}),
            json!(7),
        ];
        assert_eq!(Value::Object(attributes(list)), json!({"a": "x", "": 1, "b": null}));
    }
}
