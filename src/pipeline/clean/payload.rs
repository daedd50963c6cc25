//! Takes the content out of addresses that hold it instead of naming a place: `data:` and
//! `javascript:`. A table that a page offers to save is such an address, and often people's data.
//!
//! What is left of `data:text/csv,…` is `data:text/csv`. A `blob:` address is a random name and
//! stays.

use serde_json::{Map, Value};

use crate::model::repairs::Repairs;

/// The name of the repair.
pub const PAYLOAD: &str = "payload";

/// The fields of a beacon, and those of its `props`, that hold an address.
const FIELDS: [&str; 2] = ["url", "referrer"];
const PROPS: [&str; 2] = ["href", "link"];

/// What <https://www.iana.org/assignments/media-types> registers, so that no content is taken for
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

/// More than any of the schemes below has, so that a longer one is none of them.
const MAX_SCHEME: usize = 16;

/// The most characters of a subtype (RFC 6838, section 4.2).
const MAX_SUBTYPE: usize = 127;

/// Takes the content out of a beacon's addresses, and notes where.
pub fn beacon(fields: &mut Map<String, Value>, repairs: &mut Repairs) {
    without(fields, &mut |pointer| repairs.note(PAYLOAD, &pointer));
}

/// As [`beacon`], with each pointer going to `removed`.
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

/// What stays of an address that holds content; none for all others.
fn left_of(address: &str) -> Option<String> {
    // Browsers ignore what stands before a scheme, and tabs and line feeds inside of it.
    // https://url.spec.whatwg.org/#concept-basic-url-parser
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

/// The media type at the beginning of what follows `data:`, without its parameters.
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
