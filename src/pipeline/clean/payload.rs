//! Removes the content of `data:` and `javascript:` URLs, which hold data instead of naming a
//! place. A table that a page offers to save is such a URL, and often holds personal data.
//!
//! Of `data:text/csv,…`, `data:text/csv` stays. A `blob:` URL is a random name and stays.

use serde_json::{Map, Value};

use crate::model::repairs::Repairs;

pub const PAYLOAD: &str = "payload";

/// The fields of a beacon, and those of its `props`, that hold a URL.
const FIELDS: [&str; 2] = ["url", "referrer"];
const PROPS: [&str; 2] = ["href", "link"];

/// The types in <https://www.iana.org/assignments/media-types>, so that no content is mistaken for
/// a type.
const MEDIA_TYPES: [&str; 11] = [
    "application",
    "audio",
    "chemical",
    "font",
    "haptics",
    "image",
    "message",
    "model",
    "multipart",
    "text",
    "video",
];

/// Longer than any of the schemes below.
const MAX_SCHEME: usize = 16;

/// The most characters of a subtype (RFC 6838, section 4.2).
const MAX_SUBTYPE: usize = 127;

/// Removes the content of a beacon's URLs, and notes each repair.
pub fn beacon(fields: &mut Map<String, Value>, repairs: &mut Repairs) {
    without(fields, &mut |pointer| repairs.note(PAYLOAD, &pointer));
}

/// As [`beacon`], but passes each pointer to `removed`.
pub fn without(fields: &mut Map<String, Value>, removed: &mut dyn FnMut(String)) {
    members(fields, &FIELDS, "", removed);
    if let Some(Value::Object(props)) = fields.get_mut("props") {
        members(props, &PROPS, "/props", removed);
    }
}

fn members(
    object: &mut Map<String, Value>,
    names: &[&str],
    root: &str,
    removed: &mut dyn FnMut(String),
) {
    for name in names {
        if let Some(Value::String(address)) = object.get_mut(*name)
            && let Some(left) = left_of(address)
        {
            *address = left;
            removed(format!("{root}/{name}"));
        }
    }
}

/// Returns the rest of a URL that holds content; none for all others.
fn left_of(address: &str) -> Option<String> {
    // Browsers ignore control characters and spaces before a scheme, and tabs and line feeds in it.
    // Source: <https://url.spec.whatwg.org/#concept-basic-url-parser>
    let (scheme, rest) = address.split_once(':')?;
    let scheme: String = scheme
        .trim_start_matches(|it: char| it <= ' ')
        .chars()
        .filter(|it| !matches!(it, '\t' | '\n' | '\r'))
        .take(MAX_SCHEME)
        .collect();
    let scheme = scheme.to_ascii_lowercase();
    let left = match scheme.as_str() {
        "data" => format!("data:{}", media_type(rest).unwrap_or_default()),
        "javascript" | "vbscript" => format!("{scheme}:"),
        _ => return None,
    };
    (left != address).then_some(left)
}

/// Returns the media type after `data:`, without its parameters.
fn media_type(rest: &str) -> Option<String> {
    let essence = rest.split([',', ';']).next()?.trim().to_ascii_lowercase();
    let (kind, subtype) = essence.split_once('/')?;
    let is_subtype = (1..=MAX_SUBTYPE).contains(&subtype.len())
        && subtype.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&it));
    (MEDIA_TYPES.contains(&kind) && is_subtype).then_some(essence)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::repairs::Originals;

    #[test]
    fn content_leaves_its_address() {
        for (address, left) in [
            ("data:text/csv,name%2Cmail%0AJane", Some("data:text/csv")),
            ("data:text/csv;charset=utf-8;base64,SmFuZQ==", Some("data:text/csv")),
            ("DATA:Image/SVG+XML,<svg/>", Some("data:image/svg+xml")),
            (" \u{1}da\tta:text/csv,Jane", Some("data:text/csv")),
            ("data:,Jane", Some("data:")),
            ("data:Jane", Some("data:")),
            ("data:Jane/Doe", Some("data:")),
            ("data:text/Jane Doe", Some("data:")),
            ("data:;base64,SmFuZQ==", Some("data:")),
            ("javascript:save('Jane')", Some("javascript:")),
            ("java\nscript:save('Jane')", Some("javascript:")),
            ("data:text/csv", None),
            ("data:", None),
            ("javascript:", None),
            ("list.csv", None),
            ("https://shop.example/data:text/csv,x", None),
            ("blob:https://shop.example/0b7c", None),
            ("mailto:a", None),
            ("database:x", None),
            ("", None),
        ] {
            assert_eq!(left_of(address).as_deref(), left, "{address:?}");
            let again = left.and_then(left_of);
            assert_eq!(again, None, "{address:?}, once more");
        }
    }

    #[test]
    fn addresses_are_cleaned_wherever_they_are_expected() {
        let Value::Object(mut fields) = json!({
            "url": "data:text/html,Jane", "referrer": "javascript:Jane", "title": "data:text/csv,a",
            "props": {"href": "data:text/csv,Jane", "link": "data:,Jane", "note": "data: 5, 6"},
        }) else {
            panic!("not an object")
        };
        let mut repairs = Repairs::new(Originals::Keep);
        beacon(&mut fields, &mut repairs);
        let expected = json!({
            "url": "data:text/html", "referrer": "javascript:", "title": "data:text/csv,a",
            "props": {"href": "data:text/csv", "link": "data:", "note": "data: 5, 6"},
        });
        assert_eq!(Value::Object(fields), expected);
        let noted: Vec<_> = repairs.iter().map(|it| (&*it.rule, &*it.pointer)).collect();
        let pointers = ["/url", "/referrer", "/props/href", "/props/link"];
        assert_eq!(noted, pointers.map(|pointer| (PAYLOAD, pointer)));
        assert!(repairs.iter().all(|it| it.original.is_none()));
    }
}
