//! Umami's events: a type and a payload each, alone or in an array.
//!
//! Source: <https://umami.is/docs/api/sending-stats>

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::cut::{self, Members};
use super::parts;
use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, is_stated, move_field, move_fields, within,
};
use crate::base::text::truncate_for_display;
use crate::model::beacon::Limits;
use crate::model::violation::Code;
use crate::pipeline::decode::ProtocolError;

/// Cuts a request into its items. The write key is the website, if all items have the same one.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let text = request.text()?;
    let texts = cut::one_or_more(text, limits)?;
    let write_key = website(&texts);
    Ok(ProtocolItems { texts, write_key, ..ProtocolItems::default() })
}

fn website(texts: &[Cow<'_, str>]) -> Option<String> {
    let of = |text: &Cow<'_, str>| {
        let item = Members::read(text, "item").ok()?;
        Members::read(item.get("payload")?, "payload").ok()?.text("website")
    };
    let mut websites = texts.iter().map(of);
    let first = websites.next()??;
    websites.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, props, metadata, .. } = draft;
    let mut payload = match item.take_field("payload") {
        Some(Value::Object(payload)) => payload,
        Some(other) => return Err(parts::wrong_type("payload", "an object", &other)),
        None => return Err(parts::missing("payload")),
    };
    apply_type(item, &mut payload, beacon, props, translation)?;
    fields(&mut payload, beacon);
    parts::set_props(payload.take_field("data"), props, beacon);
    set_metadata(payload, metadata);
    Ok(())
}

/// Sets the name that the item's type decides, and the props that only this type has.
fn apply_type(
    item: &Map<String, Value>,
    payload: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
    props: &mut Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<(), BoxedViolation> {
    match item.text("type") {
        Some("event") => return name(payload, beacon, translation),
        Some("identify") => {
            translation.set_name(beacon, "identify", Some("identify"));
        }
        Some("performance") => {
            translation.set_name(beacon, "performance", Some("web_vitals"));
            set_vitals(payload, props);
        }
        Some(other) => {
            let other = truncate_for_display(other);
            let message = format!("type must be event, identify or performance, not {other:?}");
            return Err(parts::violation(Code::NotAllowed, "type", &message));
        }
        None => return Err(parts::missing("type")),
    }
    Ok(())
}

/// Sets the name of an event; one without a name is a page view.
fn name(
    payload: &mut Map<String, Value>,
    beacon: &mut Map<String, Value>,
    translation: &Translation<'_>,
) -> Result<(), BoxedViolation> {
    match payload.take_field("name") {
        Some(Value::String(name)) if !name.is_empty() => {
            translation.set_name(beacon, &name, None);
        }
        None | Some(Value::Null | Value::String(_)) => {
            translation.set_name(beacon, "pageview", Some("page_view"));
            beacon.leave_out(&["source_name"]);
        }
        Some(other) => {
            let violation = parts::wrong_type("name", "a string", &other);
            return Err(within("/payload", violation));
        }
    }
    Ok(())
}

/// Takes the measures of a page, of which those in milliseconds become whole.
fn set_vitals(payload: &mut Map<String, Value>, props: &mut Map<String, Value>) {
    for (from, to) in [("lcp", "lcp_ms"), ("inp", "inp_ms"), ("fcp", "fcp_ms"), ("ttfb", "ttfb_ms")]
    {
        /// More than a year; a larger number is none of a page's times.
        const MAX_MS: f64 = 1e11;
        move_field(payload, from, props, to);
        let measured = props.get(to).and_then(Value::as_f64);
        if let Some(milliseconds) = measured.filter(|it| (0.0..MAX_MS).contains(it)) {
            props.put(to, Value::from(milliseconds.round() as u64));
        }
    }
    move_field(payload, "cls", props, "cls");
}

/// Moves the fields that a beacon has, too. A path becomes an address by the host name beside it.
fn fields(payload: &mut Map<String, Value>, beacon: &mut Map<String, Value>) {
    move_fields(
        payload,
        beacon,
        "url: url, title: title, referrer: referrer, language: language, \
            screen: screen, timestamp: time, id: user_id, ip: ip, userAgent: user_agent",
    );
    let host = payload.text("hostname").filter(|host| !host.is_empty());
    if let (Some(host), Some(Value::String(url))) = (host, beacon.get_mut("url"))
        && url.starts_with('/')
    {
        *url = format!("https://{host}{url}");
    }
}

/// Moves the other fields: the tag, and those that only Umami has.
fn set_metadata(mut payload: Map<String, Value>, metadata: &mut Map<String, Value>) {
    move_field(&mut payload, "tag", metadata, "tag");
    payload.keep_fields(&|_, value| is_stated(value));
    metadata.put_object("umami", payload);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::protocol::Protocol;
    use crate::model::violation::Violation;

    const WEBSITE: &str = "94db1cb1-74f4-4a40-ad6c-962362670409";

    fn translated(item: Value) -> Result<Value, Violation> {
        let Value::Object(item) = item else { panic!("not an object") };
        let (names, limits) = ([], Limits::default());
        let translation = Translation {
            protocol: Protocol::Umami,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
    }

    #[test]
    fn each_field_of_a_payload_has_its_place() {
        let beacon = translated(json!({"type": "event", "payload": {
            "website": WEBSITE, "hostname": "shop.example", "url": "/thanks?utm_source=news",
            "referrer": "https://www.google.com/", "title": "Thanks", "language": "de-CH",
            "screen": "1280x720", "name": "Order Placed", "data": {"total": 19.9}, "tag": "a",
            "id": "u-7", "ip": "203.0.113.7", "userAgent": "Agent/1", "timestamp": 1_795_000_000,
        }}));
        let expected = json!({
            "name": "order_placed", "source_name": "Order Placed",
            "url": "https://shop.example/thanks?utm_source=news",
            "referrer": "https://www.google.com/", "title": "Thanks", "language": "de-CH",
            "screen": "1280x720", "user_id": "u-7", "ip": "203.0.113.7", "user_agent": "Agent/1",
            "time": 1_795_000_000, "props": {"total": 19.9},
            "metadata": {"tag": "a", "umami": {"website": WEBSITE, "hostname": "shop.example"}},
        });
        assert_eq!(beacon.unwrap(), expected);
    }

    #[test]
    fn a_type_decides_the_name_and_the_props() {
        for (item, expected) in [
            (
                json!({"type": "event", "payload": {"url": "https://a.example/", "referrer": ""}}),
                json!({"name": "page_view", "url": "https://a.example/"}),
            ),
            (
                json!({"type": "event", "payload": {"url": "/a", "name": "", "data": null}}),
                json!({"name": "page_view", "url": "/a"}),
            ),
            (
                json!({"type": "identify", "payload": {"id": "u-7", "data": {"plan": "team"}}}),
                json!({"name": "identify", "user_id": "u-7", "props": {"plan": "team"}}),
            ),
            (
                json!({"type": "performance", "payload": {
                    "lcp": 1840.5, "inp": 96, "cls": 0.03, "fcp": "910", "ttfb": -1,
                }}),
                json!({"name": "web_vitals", "source_name": "performance", "props": {
                    "lcp_ms": 1841, "inp_ms": 96, "cls": 0.03, "fcp_ms": "910", "ttfb_ms": -1,
                }}),
            ),
            (
                json!({"type": "event", "payload": {"name": "a", "data": [1]}}),
                json!({"name": "a", "props": [1]}),
            ),
        ] {
            assert_eq!(translated(item).unwrap(), expected);
        }
    }

    #[test]
    fn an_item_that_is_no_event_is_refused_by_field() {
        for (item, code, pointer) in [
            (json!({}), Code::MissingField, "/payload"),
            (json!({"type": "event", "payload": []}), Code::WrongType, "/payload"),
            (json!({"payload": {}}), Code::MissingField, "/type"),
            (json!({"type": 1, "payload": {}}), Code::MissingField, "/type"),
            (json!({"type": "alias", "payload": {}}), Code::NotAllowed, "/type"),
            (json!({"type": "event", "payload": {"name": 1}}), Code::WrongType, "/payload/name"),
        ] {
            let violation = translated(item).unwrap_err();
            assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer));
        }
    }

    #[test]
    fn a_batch_names_a_website_only_if_all_its_items_do() {
        let of = |website| format!(r#"{{"type":"event","payload":{{"website":"{website}"}}}}"#);
        let (a, b, none) = (of("a"), of("b"), r#"{"type":"event"}"#.to_owned());
        for (body, count, write_key) in [
            (a.clone(), 1, Some("a")),
            (format!(" [{a}, {a}]"), 2, Some("a")),
            (format!("[{a},{b}]"), 2, None),
            (format!("[{a},{none},7]"), 3, None),
            ("[]".to_owned(), 0, None),
        ] {
            let request = ProtocolRequest { body: body.as_bytes(), ..ProtocolRequest::default() };
            let items = items(&request, &Limits::default()).unwrap();
            assert_eq!((items.texts.len(), items.write_key.as_deref()), (count, write_key));
        }
        for body in [&b"7"[..], b"", b"\xff", b"[{]", b"{\"a\":1,\"a\":2}"] {
            let request = ProtocolRequest { body, ..ProtocolRequest::default() };
            let error = items(&request, &Limits::default()).unwrap_err();
            assert!(matches!(error, ProtocolError::Undecodable(_)), "{error}");
        }
    }
}
