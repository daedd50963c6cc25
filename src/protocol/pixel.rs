//! The pixel: one beacon in the query of a `GET`, for mails and pages without scripts.
//!
//! A parameter is a field of the native protocol; `props.KEY` and `metadata.KEY` fill
//! the objects. Values are texts; `seq` and an all-digit `time` are numbers.

use serde_json::{Map, Number, Value};

use super::{Beacon, WRITE_KEY};
use crate::failed::{Code, Violation, pointer_step, shown};

/// The smallest transparent GIF, 43 bytes.
pub const GIF: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\x04\x01\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b";

/// The parameter by which scripts keep a cache from answering.
const CACHE_BUSTER: &str = "_";

/// Reads a query, without its question mark. Its write key is no field, nor is `_`.
pub fn beacon(query: &str) -> Result<Beacon, Violation> {
    let mut fields = Map::new();
    for (key, value) in form_urlencoded::parse(query.as_bytes())
        .filter(|(key, _)| key != WRITE_KEY && key != CACHE_BUSTER)
    {
        let comes_twice = || {
            let message = format!("{} comes twice", shown(&key));
            let mut twice = Violation::of_field(Code::DuplicateField, &key, message);
            if let Some((object @ ("props" | "metadata"), inner)) = key.split_once('.') {
                twice.pointer = pointer_step(object) + &pointer_step(inner);
            }
            twice
        };
        let (object, inner) = match key.split_once('.') {
            Some((object @ ("props" | "metadata"), inner)) => (object, inner),
            _ => {
                let value = typed(&key, value.into_owned());
                match fields.insert(key.clone().into_owned(), value) {
                    None => continue,
                    Some(_) => return Err(comes_twice()),
                }
            }
        };
        let entry = fields.entry(object).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(map) = entry else { return Err(comes_twice()) };
        if map.insert(inner.to_owned(), Value::String(value.into_owned())).is_some() {
            return Err(comes_twice());
        }
    }
    Ok(Beacon { fields, mended: Vec::new() })
}

fn typed(key: &str, value: String) -> Value {
    let number =
        || value.parse::<u64>().ok().filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()));
    match key {
        "seq" | "time" => number()
            .map(|number| Value::Number(Number::from(number)))
            .unwrap_or(Value::String(value)),
        _ => Value::String(value),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_query_is_a_beacon() {
        let query = "name=mail_open&device_id=d%2F1&seq=7&time=1795000000123&props.list=Black+Friday&props.x=%C3%A4&&metadata.tag=a%3Db";
        let expected = json!({
            "name": "mail_open", "device_id": "d/1", "seq": 7, "time": 1_795_000_000_123_u64,
            "props": {"list": "Black Friday", "x": "ä"}, "metadata": {"tag": "a=b"},
        });
        assert_eq!(Value::Object(beacon(query).unwrap().fields), expected);
    }

    #[test]
    fn odd_queries_are_read_without_loss_of_their_fields() {
        let cases = [
            ("", json!({})),
            ("name", json!({"name": ""})),
            ("a=%zz%4&b=%ff", json!({"a": "%zz%4", "b": "\u{fffd}"})),
            (
                "seq=-1&time=2026-11-18T11:06:40Z",
                json!({"seq": "-1", "time": "2026-11-18T11:06:40Z"}),
            ),
            ("key=pk_1&a=1&_=1795000000123", json!({"a": "1"})),
        ];
        for (query, expected) in cases {
            assert_eq!(Value::Object(beacon(query).unwrap().fields), expected, "{query}");
        }
    }

    #[test]
    fn a_parameter_that_comes_twice_is_refused_by_name() {
        for (query, field, pointer) in [
            ("name=a&name=a", "name", "/name"),
            ("props.x=1&props.x=2", "props.x", "/props/x"),
            ("props.x/y=1&props.x/y=2", "props.x/y", "/props/x~1y"),
            ("a.b=1&a.b=2", "a.b", "/a.b"),
            ("props=x&props.y=1", "props.y", "/props/y"),
            ("props.y=1&props=x", "props", "/props"),
        ] {
            let violation = beacon(query).unwrap_err();
            assert_eq!(violation.message, format!("{field} comes twice"));
            assert_eq!(
                (violation.code, violation.pointer.as_str()),
                (Code::DuplicateField, pointer)
            );
        }
    }

    #[test]
    fn the_gif_is_one_transparent_pixel() {
        assert!(GIF.starts_with(b"GIF89a\x01\0\x01\0") && GIF.ends_with(b"\x3b"));
    }
}
