//! One event in the headers `ce-*` of a request, with its data as the body.

use percent_encoding::percent_decode_str;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::data::is_json;
use super::media_type;
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::protocols::cut::quoted;
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::request::ProtocolRequest;
use crate::pipeline::decode::protocols::translation::BoxedViolation;

const PREFIX: &str = "ce-";

/// The members of an event that no header may set: the data is the body, and its type that of the
/// request.
const OF_BODY: [&str; 3] = ["data", "data_base64", "datacontenttype"];

/// The member for a body that is not the JSON that it claims to be. No header has this name in an item.
const BROKEN_DATA: &str = "ce-data";

/// Whether the headers hold an event.
pub fn is_binary(request: &ProtocolRequest<'_>) -> bool {
    request.headers.iter().any(|(name, _)| name.starts_with(PREFIX))
}

/// Returns the event in the JSON format.
pub fn item(request: &ProtocolRequest<'_>) -> String {
    let mut members = String::new();
    let sent = request
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value)));
    // A header's name is a token, so it needs no escape in JSON.
    for (name, value) in sent.filter(|(name, _)| !OF_BODY.contains(name)) {
        match decoded(name, value) {
            Ok(text) => parts::add_member(&mut members, name, &quoted(&text)),
            // As it was sent, so that the item fails in `check` with all its attributes.
            Err(_) => parts::add_member(&mut members, &format!("{PREFIX}{name}"), &quoted(value)),
        }
    }
    if !request.content_type.is_empty() {
        parts::add_member(&mut members, "datacontenttype", &quoted(request.content_type));
    }
    if let Some((name, data)) = data(request) {
        parts::add_member(&mut members, name, &data);
    }
    format!("{{{members}}}")
}

/// Checks what of an item could not be decoded: a header, or its data.
pub fn check(item: &Map<String, Value>) -> Result<(), BoxedViolation> {
    if let Some(Value::String(text)) = item.get(BROKEN_DATA) {
        json(text).map_err(|error| {
            Violation::whole(Code::BadJson, format!("body is not JSON: {error}"))
        })?;
    }
    for (header, value) in item {
        if let (Some(name), Value::String(value)) = (header.strip_prefix(PREFIX), value) {
            decoded(name, value)?;
        }
    }
    Ok(())
}

/// Decodes a header's value: a text in quotes without them, then its percent-encoding.
///
/// Some SDKs send values that are not encoded. So a value with a `%` that begins no byte is kept.
fn decoded(name: &str, value: &str) -> Result<String, BoxedViolation> {
    let value = match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => unescaped(inner),
        None => value.to_owned(),
    };
    if !value.split('%').skip(1).all(begins_with_byte) {
        return Ok(value);
    }
    let text = percent_decode_str(&value).decode_utf8().map(std::borrow::Cow::into_owned);
    text.map_err(|_| {
        let header = format!("{PREFIX}{name}");
        let message = format!("{header} is not UTF-8 once it is decoded");
        Box::new(Violation::of_field(Code::BadUtf8, &header, message))
    })
}

fn begins_with_byte(text: &str) -> bool {
    text.as_bytes()
        .first_chunk()
        .is_some_and(|digits: &[u8; 2]| digits.iter().all(u8::is_ascii_hexdigit))
}

/// Removes the backslash before each character that has one.
fn unescaped(inner: &str) -> String {
    let mut characters = inner.chars();
    let mut unescaped = String::new();
    while let Some(character) = characters.next() {
        match character {
            '\\' => unescaped.extend(characters.next()),
            other => unescaped.push(other),
        }
    }
    unescaped
}

/// Returns the body as a member of the event, its name and its JSON; none if it is empty.
fn data(request: &ProtocolRequest<'_>) -> Option<(&'static str, String)> {
    if request.body.is_empty() {
        return None;
    }
    let Ok(text) = std::str::from_utf8(request.body) else {
        let encoded = base64_simd::STANDARD.encode_to_string(request.body);
        return Some(("data_base64", quoted(&encoded)));
    };
    let media_type = media_type(request.content_type);
    Some(match is_json(&media_type).then(|| json(text)) {
        Some(Ok(data)) => ("data", data.get().to_owned()),
        // Kept as it was sent, so that the item fails in `check` with all its attributes.
        Some(Err(_)) if !media_type.is_empty() => (BROKEN_DATA, quoted(text)),
        Some(Err(_)) | None => ("data", quoted(text)),
    })
}

fn json(text: &str) -> serde_json::Result<&RawValue> {
    serde_json::from_str(text.trim_start_matches('\u{feff}'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(headers: &[(&str, &str)], content_type: &str, body: &[u8]) -> Result<Value, String> {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request =
            ProtocolRequest { headers: &headers, content_type, body, ..ProtocolRequest::default() };
        assert!(is_binary(&request));
        let item: Value = serde_json::from_str(&item(&request)).unwrap();
        check(item.as_object().unwrap()).map_err(|violation| violation.message)?;
        Ok(item)
    }

    #[test]
    fn headers_and_body_become_an_event_in_json() {
        let headers = [
            ("ce-id", "1"),
            ("ce-specversion", "1.0"),
            ("ce-data", "x"),
            ("host", "a.example"),
            ("ce-traceparent", "00-1"),
        ];
        let attributes = json!({"id": "1", "specversion": "1.0", "traceparent": "00-1"});
        for (content_type, body, more) in [
            ("application/json", &b" {\"total\": 19.9}\n"[..], json!({"data": {"total": 19.9}})),
            ("application/vnd.a+json; charset=utf-8", b"[1]", json!({"data": [1]})),
            ("", b"{\"total\":1}", json!({"data": {"total": 1}})),
            ("", b"total", json!({"data": "total"})),
            ("text/plain", b"{\"total\":1}", json!({"data": "{\"total\":1}"})),
            ("image/png", b"\xff", json!({"data_base64": "/w=="})),
            ("application/json", b"", json!({})),
        ] {
            let mut expected = attributes.clone();
            let fields = expected.as_object_mut().unwrap();
            fields.extend(more.as_object().unwrap().clone());
            if !content_type.is_empty() {
                fields.insert("datacontenttype".to_owned(), json!(content_type));
            }
            assert_eq!(read(&headers, content_type, body).unwrap(), expected);
        }
        assert_eq!(read(&[("ce-data", "x")], "", b"1").unwrap(), json!({"data": 1}));
    }

    #[test]
    fn the_numbers_of_the_data_keep_their_digits() {
        let headers = [("ce-id".to_owned(), "1".to_owned())];
        let request = ProtocolRequest {
            headers: &headers,
            body: b"{\"total\":19.90}",
            ..ProtocolRequest::default()
        };
        assert_eq!(item(&request), r#"{"id":"1","data":{"total":19.90}}"#);
    }

    #[test]
    fn a_value_is_decoded_once_and_an_odd_one_is_kept() {
        for (sent, value) in [
            ("Z%C3%BCrich%20%22x%22%20100%20%25", "Zürich \"x\" 100 %"),
            ("Zürich \"x\" %", "Zürich \"x\" %"),
            ("Zürich%20a", "Zürich a"),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%zz%20", "%zz%20"),
            ("%2525", "%25"),
            (r#""a \"b\" %25""#, "a \"b\" %"),
            (r#""a\""#, "a"),
            ("\"", "\""),
            ("", ""),
        ] {
            assert_eq!(read(&[("ce-subject", sent)], "", b"").unwrap()["subject"], value, "{sent}");
        }
    }

    #[test]
    fn an_item_keeps_a_header_that_cannot_be_decoded() {
        let headers = [("ce-id", "1"), ("ce-subject", "a%ff")];
        let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let request = ProtocolRequest { headers: &headers, ..ProtocolRequest::default() };
        assert_eq!(item(&request), r#"{"id":"1","ce-subject":"a%ff"}"#);
    }

    #[test]
    fn an_item_keeps_its_attributes_beside_a_body_that_is_not_json() {
        let headers = [("ce-id".to_owned(), "1".to_owned())];
        let request = ProtocolRequest {
            headers: &headers,
            content_type: "application/json",
            body: b"{\"total\":}",
            ..ProtocolRequest::default()
        };
        let kept = r#"{"id":"1","datacontenttype":"application/json","ce-data":"{\"total\":}"}"#;
        assert_eq!(item(&request), kept);
        // As an item of its own, as a replay has it.
        let violation = check(serde_json::from_str::<Value>(kept).unwrap().as_object().unwrap());
        let violation = violation.unwrap_err();
        assert_eq!(violation.code, Code::BadJson);
        assert_eq!(violation.message, "body is not JSON: expected value at line 1 column 10");
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        for (headers, body, message) in [
            ([("ce-subject", "%ff")], &b""[..], "ce-subject is not UTF-8 once it is decoded"),
            (
                [("ce-id", "1")],
                b"{",
                "body is not JSON: EOF while parsing an object at line 1 column 1",
            ),
        ] {
            assert_eq!(read(&headers, "application/json", body).unwrap_err(), message);
        }
    }
}
