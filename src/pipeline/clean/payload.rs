//! Removes the content of `data:` and `javascript:` URLs, which hold data instead of naming a
//! place. A table that a page offers to save is such a URL, and often holds personal data.
//!
//! Of `data:text/csv,…`, `data:text/csv` stays. A `blob:` URL is a random name and stays.
//!
//! Where a URL is expected, the scheme decides. Any other text of a beacon must have the form of a
//! `data:` URL with content, since `data: 5, 6` is a sentence.

use serde_json::{Map, Value};

use crate::base::text::pointer_step;
use crate::model::repairs::{LazyPointer, Repairs};

pub const PAYLOAD: &str = "payload";

/// The fields of a beacon, and those of its `props`, that hold a URL.
pub const FIELDS: [&str; 2] = ["url", "referrer"];
pub const PROPS: [&str; 2] = ["href", "link"];

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

/// The most characters of a type and of a subtype (RFC 6838, section 4.2).
const MAX_SUBTYPE: usize = 127;

/// Removes the content of a beacon's URLs, and notes each repair.
pub fn beacon(fields: &mut Map<String, Value>, repairs: &mut Repairs) {
    let removed: &mut dyn FnMut(LazyPointer<'_>) = &mut |pointer| repairs.note(PAYLOAD, pointer);
    for name in FIELDS {
        if let Some(value) = fields.get_mut(name) {
            address(value, &Place { above: None, step: Step::Key(name) }, removed);
        }
    }
    for (name, value) in fields {
        let place = Place { above: None, step: Step::Key(name) };
        match value {
            Value::Object(props) if name == "props" => {
                for (name, value) in props {
                    let place = Place { above: Some(&place), step: Step::Key(name) };
                    match PROPS.contains(&name.as_str()) {
                        true => address(value, &place, removed),
                        false => texts(value, &place, removed),
                    }
                }
            }
            _ => texts(value, &place, removed),
        }
    }
}

/// Removes the content of a value that is expected to be a URL.
fn address(value: &mut Value, place: &Place<'_>, removed: &mut dyn FnMut(LazyPointer<'_>)) {
    if let Value::String(address) = value
        && let Some(left) = left_of(address)
    {
        *address = left;
        return removed(&|| place.pointer());
    }
    texts(value, place, removed);
}

/// Removes the content of each text in `value` that is a `data:` URL. The protocol limits the depth
/// of `value`.
fn texts(value: &mut Value, place: &Place<'_>, removed: &mut dyn FnMut(LazyPointer<'_>)) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if let Some(left) = left_of_text(text) {
                *text = left;
                removed(&|| place.pointer());
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                let place = Place { above: Some(place), step: Step::Index(index) };
                texts(item, &place, removed);
            }
        }
        Value::Object(members) => {
            for (name, member) in members {
                let place = Place { above: Some(place), step: Step::Key(name) };
                texts(member, &place, removed);
            }
        }
    }
}

/// The location of a value; its pointer is written only if needed.
struct Place<'a> {
    above: Option<&'a Place<'a>>,
    step: Step<'a>,
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

impl Place<'_> {
    fn pointer(&self) -> String {
        let above = self.above.map(Place::pointer).unwrap_or_default();
        match self.step {
            Step::Key(key) => format!("{above}/{}", pointer_step(key)),
            Step::Index(index) => format!("{above}/{index}"),
        }
    }
}

/// Returns the rest of a text that is a `data:` URL with content, also in quotes or in `url(…)` of
/// a style sheet; none for all others.
pub fn left_of_text(text: &str) -> Option<String> {
    // Most texts start with a letter or a digit that none of these does.
    let first = text.bytes().next()?;
    if first.is_ascii_alphanumeric() && !b"dDuUvV".contains(&first) {
        return None;
    }
    let bare =
        text.trim_start_matches(|it: char| it <= ' ' || matches!(it, '"' | '\'' | '<' | '\\'));
    let bare = ["url(", "view-source:"]
        .iter()
        .find_map(|start| {
            let found = bare.get(..start.len())?;
            found.eq_ignore_ascii_case(start).then(|| bare.get(start.len()..))?
        })
        .map_or(bare, |rest| rest.trim_start_matches([' ', '"', '\'', '\\']));
    // Most texts start with another letter.
    if !bare.starts_with(['d', 'D']) {
        return None;
    }
    let (scheme, rest) = bare.split_once(':')?;
    if !is_scheme(scheme, "data") {
        return None;
    }
    let (head, _) = rest.split_once(',')?;
    let mut parts = head.split(';');
    let essence = parts.next().unwrap_or_default();
    let is_base64 = |part: &str| part.trim().eq_ignore_ascii_case("base64");
    let is_url = match essence.trim() {
        "" => essence.is_empty() || parts.any(is_base64),
        trimmed if essence.len() > trimmed.len() => media_type(rest).is_some(),
        trimmed => is_type(trimmed) || is_base64(trimmed) || parts.any(is_base64),
    };
    is_url.then(|| data_url(rest))
}

/// Returns the rest of a text that is a `javascript:` or `vbscript:` URL with content; none for all
/// others. A sentence has a space behind the colon.
pub fn left_of_script(text: &str) -> Option<String> {
    let (_, script) = text.split_once(':')?;
    let left = left_of(text).filter(|left| left.ends_with("script:"))?;
    (!script.starts_with(char::is_whitespace)).then_some(left)
}

/// Whether the scheme before a colon is `name`. Browsers ignore control characters and spaces before it,
/// and tabs and line feeds in it.
/// Source: <https://url.spec.whatwg.org/#concept-basic-url-parser>
fn is_scheme(before: &str, name: &str) -> bool {
    let of_scheme = |it: &char| !matches!(it, '\t' | '\n' | '\r');
    let scheme = before.trim_start_matches(|it: char| it <= ' ').chars().filter(of_scheme);
    scheme.map(|it| it.to_ascii_lowercase()).eq(name.chars())
}

/// Whether `essence` has the form of a media type.
fn is_type(essence: &str) -> bool {
    let is_name = |name: &str| {
        (1..=MAX_SUBTYPE).contains(&name.len())
            && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&it))
    };
    essence.starts_with(|first: char| first.is_ascii_alphabetic())
        && essence.split_once('/').is_some_and(|(kind, subtype)| is_name(kind) && is_name(subtype))
}

/// Returns the rest of a URL that holds content; none for all others.
pub fn left_of(address: &str) -> Option<String> {
    // As most URLs do.
    if address.starts_with("http") {
        return None;
    }
    let (scheme, rest) = address.split_once(':')?;
    let known = ["data", "javascript", "vbscript"].into_iter().find(|name| is_scheme(scheme, name));
    let left = match known? {
        "data" => data_url(rest),
        script => [script, ":"].concat(),
    };
    (left != address).then_some(left)
}

/// Returns what is left of a `data:` URL, of which `rest` comes after the scheme.
fn data_url(rest: &str) -> String {
    ["data:", &media_type(rest).unwrap_or_default()].concat()
}

/// Returns the media type after `data:`, without its parameters.
fn media_type(rest: &str) -> Option<String> {
    let essence = rest.split([',', ';']).next()?.trim();
    if !essence.contains('/') {
        return None;
    }
    let essence = essence.to_ascii_lowercase();
    let (kind, _) = essence.split_once('/')?;
    let is_known = MEDIA_TYPES.contains(&kind) || kind.starts_with("x-");
    (is_known && is_type(&essence)).then_some(essence)
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
    fn content_leaves_any_text_that_is_its_address() {
        for (text, left) in [
            ("data:text/csv,name%2Cmail%0AJane", Some("data:text/csv")),
            ("data:text/csv;charset=utf-8;base64,SmFuZQ==", Some("data:text/csv")),
            ("data:application/pdf;base64,SmFuZQ==", Some("data:application/pdf")),
            ("data:text/vcard,BEGIN:VCARD", Some("data:text/vcard")),
            (
                "data:application/vnd.ms-excel;base64,SmFuZQ==",
                Some("data:application/vnd.ms-excel"),
            ),
            ("data:x-own/list;name=a,Jane", Some("data:x-own/list")),
            ("data:jane/doe;base64,SmFuZQ==", Some("data:")),
            ("DATA:Image/PNG;BASE64,SmFuZQ==", Some("data:image/png")),
            ("  data:text/plain,Jane", Some("data:text/plain")),
            ("\n\tda\nta:text/plain,Jane", Some("data:text/plain")),
            ("data: text/plain ,Jane", Some("data:text/plain")),
            ("data:,Jane", Some("data:")),
            ("data:;base64,SmFuZQ==", Some("data:")),
            ("data:;charset=utf-8,Jane", Some("data:")),
            ("data:base64,SmFuZQ==", Some("data:")),
            ("data:text/plain,", Some("data:text/plain")),
            ("url(data:image/png;base64,SmFuZQ==)", Some("data:image/png")),
            ("URL( 'data:image/png;base64,SmFuZQ==')", Some("data:image/png")),
            ("\"data:text/csv,Jane\"", Some("data:text/csv")),
            ("view-source:data:text/html,Jane", Some("data:text/html")),
            ("data:text/csv", None),
            ("data:", None),
            ("data: 5, 6", None),
            ("data: and/or, maybe", None),
            ("data:yes,no", None),
            ("Data: Jane, Joe", None),
            ("database:text/csv,x", None),
            ("metadata:text/csv,x", None),
            ("the data:text/csv,x", None),
            ("javascript: a language, they say", None),
            ("https://shop.example/data:text/csv,x", None),
            ("blob:https://shop.example/0b7c", None),
            ("", None),
        ] {
            assert_eq!(left_of_text(text).as_deref(), left, "{text:?}");
            let again = left.and_then(|left| left_of_text(left).or_else(|| left_of(left)));
            assert_eq!(again, None, "{text:?}, once more");
        }
    }

    #[test]
    fn addresses_are_cleaned_wherever_they_are_expected() {
        let Value::Object(mut fields) = json!({
            "url": "data:text/html,Jane", "referrer": "javascript:Jane", "title": "data:text/csv,a",
            "props": {
                "href": "data:text/csv,Jane", "link": "data:,Jane", "note": "data: 5, 6",
                "images": [{"src/1": "data:image/png;base64,SmFuZQ=="}, "list.png"],
            },
            "metadata": {"export": "data:text/csv,Jane"},
        }) else {
            panic!("not an object")
        };
        let mut repairs = Repairs::new(Originals::Keep);
        beacon(&mut fields, &mut repairs);
        let expected = json!({
            "url": "data:text/html", "referrer": "javascript:", "title": "data:text/csv",
            "props": {
                "href": "data:text/csv", "link": "data:", "note": "data: 5, 6",
                "images": [{"src/1": "data:image/png"}, "list.png"],
            },
            "metadata": {"export": "data:text/csv"},
        });
        assert_eq!(Value::Object(fields), expected);
        let mut noted: Vec<_> = repairs.iter().map(|it| (&*it.rule, &*it.pointer)).collect();
        noted.sort_unstable();
        let pointers = [
            "/metadata/export",
            "/props/href",
            "/props/images/0/src~11",
            "/props/link",
            "/referrer",
            "/title",
            "/url",
        ];
        assert_eq!(noted, pointers.map(|pointer| (PAYLOAD, pointer)));
        assert!(repairs.iter().all(|it| it.original.is_none()));
    }
}
