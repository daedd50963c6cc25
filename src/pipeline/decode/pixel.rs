//! The pixel: one beacon in the query of a `GET`, for mails and pages without scripts.
//!
//! Each parameter is a field of the native protocol; `props.KEY` and `metadata.KEY` fill the
//! objects. Values are texts; an all-digit `seq` or `time` is a number.

use serde_json::{Map, Number, Value};

use super::WRITE_KEY;
use crate::base::text::{escape_json_pointer, truncate_for_display};
use crate::model::beacon::{Beacon, FIELDS};
use crate::model::repairs::{AMPERSAND, UNKNOWN_PARAMETER};
use crate::model::violation::{Code, Violation};

/// The smallest transparent GIF, 43 bytes.
pub const GIF: &[u8; 43] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\x04\x01\0\0\0\0\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b";

/// A parameter that scripts add to bypass caches.
const CACHE_BUSTER: &str = "_";

/// Reads a query, without its question mark. Skips the write key and `_`. Any other parameter that
/// is no field is left out and noted.
pub fn beacon(query: &str) -> Result<Beacon, Violation> {
    let mut fields = Map::new();
    let (mut reader_repairs, mut left_out) = (Vec::new(), Map::new());
    for (sent, value) in form_urlencoded::parse(query.as_bytes()) {
        let key = without_amp(&sent);
        if key == WRITE_KEY || key == CACHE_BUSTER {
            continue;
        }
        if !is_field(key) {
            reader_repairs.push((UNKNOWN_PARAMETER, escape_json_pointer(key)));
            left_out.insert(key.to_owned(), Value::String(value.into_owned()));
            continue;
        }
        if key.len() < sent.len() {
            reader_repairs.push((AMPERSAND, pointer(key)));
        }
        let comes_twice = || {
            let message = format!("{} comes twice", truncate_for_display(key));
            let twice = Violation::of_field(Code::DuplicateField, key, message);
            Violation { pointer: pointer(key), ..twice }
        };
        let (object, inner) = match key.split_once('.') {
            Some((object @ ("props" | "metadata"), inner)) => (object, inner),
            _ => {
                let value = typed(key, value.into_owned());
                match fields.insert(key.to_owned(), value) {
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
    Ok(Beacon { fields, reader_repairs, left_out })
}

/// Returns `name` without leading `amp;`: mails and editors write `&amp;` for `&`.
pub fn without_amp(name: &str) -> &str {
    const REST: &str = "amp;";
    let mut name = name;
    while let Some((rest, behind)) = name.split_at_checked(REST.len())
        && rest.eq_ignore_ascii_case(REST)
    {
        name = behind;
    }
    name
}

/// Whether `key` is a field, or a member of `props` or `metadata`.
fn is_field(key: &str) -> bool {
    let root = key.split_once('.').map_or(key, |(root, _)| root);
    FIELDS.contains(&key) || matches!(root, "props" | "metadata")
}

fn pointer(key: &str) -> String {
    match key.split_once('.') {
        Some((object @ ("props" | "metadata"), inner)) => {
            escape_json_pointer(object) + &escape_json_pointer(inner)
        }
        _ => escape_json_pointer(key),
    }
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
            ("title=%zz%4&url=%ff", json!({"title": "%zz%4", "url": "\u{fffd}"})),
            (
                "seq=-1&time=2026-11-18T11:06:40Z",
                json!({"seq": "-1", "time": "2026-11-18T11:06:40Z"}),
            ),
            ("key=pk_1&build=1&_=1795000000123", json!({"build": "1"})),
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
            ("name=a&amp;name=a", "name", "/name"),
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
    fn a_query_of_a_mail_tool_is_read_and_its_oddities_noted() {
        for (query, fields, reader_repairs) in [
            (
                "name=a&amp;device_id=d&amp;props.x=1",
                json!({"name": "a", "device_id": "d", "props": {"x": "1"}}),
                vec![(AMPERSAND, "/device_id"), (AMPERSAND, "/props/x")],
            ),
            ("name=a&amp;amp;seq=7", json!({"name": "a", "seq": 7}), vec![(AMPERSAND, "/seq")]),
            ("name=a&AMP;_=1&amp;key=k", json!({"name": "a"}), vec![]),
            (
                "cb=1&name=a&rnd=0.5&rnd=0.6&t=1&ord=9&a/b=1",
                json!({"name": "a"}),
                ["/cb", "/rnd", "/rnd", "/t", "/ord", "/a~1b"]
                    .map(|pointer| (UNKNOWN_PARAMETER, pointer))
                    .to_vec(),
            ),
            (
                "name=a&=1&propsx=1&prop.x=1&events=1",
                json!({"name": "a"}),
                ["/", "/propsx", "/prop.x", "/events"]
                    .map(|pointer| (UNKNOWN_PARAMETER, pointer))
                    .to_vec(),
            ),
        ] {
            let beacon = beacon(query).unwrap();
            assert_eq!(Value::Object(beacon.fields), fields, "{query}");
            let repairs: Vec<_> =
                beacon.reader_repairs.iter().map(|(rule, at)| (*rule, at.as_str())).collect();
            assert_eq!(repairs, reader_repairs, "{query}");
        }
    }

    #[test]
    fn a_write_key_behind_an_escaped_ampersand_is_found() {
        let key = super::super::write_key("name=a&amp;key=pk_1");
        assert_eq!(key.as_deref(), Some("pk_1"));
    }

    #[test]
    fn the_gif_is_one_transparent_pixel() {
        assert!(GIF.starts_with(b"GIF89a\x01\0\x01\0") && GIF.ends_with(b"\x3b"));
    }
}
