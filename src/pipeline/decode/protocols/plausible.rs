//! Plausible's events: one object in each request, with short or long names.
//!
//! It has no id, time or device. So the edge gives the id and the time, and `cookieless` the device.
//!
//! Source: <https://plausible.io/docs/events-api>

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::cut::{Members, quoted};
use super::parts;
use super::request::{ProtocolItems, ProtocolRequest};
use super::translation::{
    BoxedViolation, Draft, ObjectFields, Translation, is_stated, move_fields,
};
use crate::model::beacon::Limits;
use crate::pipeline::decode::ProtocolError;

/// The headers by which a server passes the visitor's address and agent on. An item has those that
/// were sent, under the same names.
const FORWARDED_FOR: &str = "x-forwarded-for";
const USER_AGENT: &str = "user-agent";

/// The names of Plausible's own fields, and those that they have in `metadata.plausible`.
const METADATA: [(&str, &str); 5] = [
    ("d", "domain"),
    ("i", "interactive"),
    ("h", "hash_mode"),
    ("hashMode", "hash_mode"),
    ("v", "script_version"),
];

/// Cuts a request into its item. The write key is the first domain.
pub fn items<'a>(
    request: &ProtocolRequest<'a>,
    _limits: &Limits,
) -> Result<ProtocolItems<'a>, ProtocolError> {
    let text = request.text()?;
    let members = Members::read(text, "body")?;
    let domains = members.text("d").or_else(|| members.text("domain")).unwrap_or_default();
    let first = domains.split(',').map(str::trim).find(|domain| !domain.is_empty());
    Ok(ProtocolItems {
        texts: vec![with_visitor(text, &members, request)],
        write_key: first.map(str::to_owned),
        ..ProtocolItems::default()
    })
}

/// Adds the visitor's address and agent, if a server passes them on.
fn with_visitor<'a>(
    text: &'a str,
    members: &Members<'_>,
    request: &ProtocolRequest<'_>,
) -> Cow<'a, str> {
    let address = request.header(FORWARDED_FOR).and_then(|list| list.split(',').next());
    let is_sent = |name: &str| members.get(name).is_some();
    let Some(address) = address.map(str::trim).filter(|address| !address.is_empty()) else {
        return Cow::Borrowed(text);
    };
    if is_sent(FORWARDED_FOR) || is_sent(USER_AGENT) {
        return Cow::Borrowed(text);
    }
    let mut stated = String::new();
    parts::add_member(&mut stated, FORWARDED_FOR, &quoted(address));
    if let Some(agent) = request.header(USER_AGENT) {
        parts::add_member(&mut stated, USER_AGENT, &quoted(agent));
    }
    parts::with_members(text, &stated)
}

/// Translates an item into a beacon's fields.
pub fn translate(draft: &mut Draft, translation: &Translation<'_>) -> Result<(), BoxedViolation> {
    let Draft { item, beacon, .. } = draft;
    let sent = name(item)?;
    let is_engagement = sent == "engagement" && item.contains_key("sd") && item.contains_key("e");
    let built_in = match sent.as_str() {
        "pageview" => Some("page_view"),
        "404" => Some("page_not_found"),
        "engagement" if is_engagement => Some("page_leave"),
        _ => None,
    };
    translation.set_name(beacon, &sent, built_in);
    move_fields(
        item,
        beacon,
        "u: url, url: url, r: referrer, referrer: referrer, x-forwarded-for: ip, \
            user-agent: user_agent",
    );
    let measures = if is_engagement { "sd: depth, e: engaged_ms" } else { "" };
    set_props(draft, measures, translation)?;
    let Draft { item, metadata, .. } = draft;
    set_metadata(item, metadata);
    Ok(())
}

/// Takes the first of `names` that is neither absent, null nor empty.
fn take(item: &mut Map<String, Value>, names: &[&str]) -> Option<Value> {
    let mut first = None;
    for name in names {
        let value = item.take_field(name).filter(is_stated);
        first = first.or(value);
    }
    first
}

fn name(item: &mut Map<String, Value>) -> Result<String, BoxedViolation> {
    match take(item, &["n", "name"]) {
        Some(Value::String(name)) => Ok(name),
        Some(Value::Number(name)) => Ok(name.as_str().to_owned()),
        Some(other) => Err(parts::wrong_type("n", "a string", &other)),
        None => Err(parts::missing("n")),
    }
}

/// Moves the properties, with the revenue and the `measures` of an engagement among them.
fn set_props(
    Draft { item, beacon, props, .. }: &mut Draft,
    measures: &str,
    translation: &Translation<'_>,
) -> Result<(), BoxedViolation> {
    match take(item, &["p", "props", "m", "meta"]) {
        Some(Value::String(text)) => *props = translation.object(&text, "p")?,
        sent => parts::set_props(sent, props, beacon),
    }
    if beacon.contains_key("props") {
        return Ok(());
    }
    let revenue = match take(item, &["$", "revenue"]) {
        Some(Value::String(text)) => Some(Value::Object(translation.object(&text, "$")?)),
        other => other,
    };
    match revenue {
        Some(Value::Object(mut revenue)) => {
            // An amount may be sent as a text, too.
            parts::read_numbers(&mut revenue, &["amount"]);
            move_fields(&mut revenue, props, "amount: total, currency: currency");
        }
        Some(other) => props.put("revenue", other),
        None => {}
    }
    move_fields(item, props, measures);
    Ok(())
}

/// Moves the other fields.
fn set_metadata(item: &mut Map<String, Value>, metadata: &mut Map<String, Value>) {
    item.keep_fields(&|_, value| !value.is_null());
    let mut fields = Map::new();
    for (short, long) in METADATA {
        if let Some(value) = item.take_field(short) {
            fields.put_absent(long, value);
        }
    }
    fields.put_all_absent(std::mem::take(item));
    metadata.put_object("plausible", fields);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::protocol::Protocol;
    use crate::model::violation::{Code, Violation};

    fn translated(item: Value) -> Result<Value, Violation> {
        let Value::Object(item) = item else { panic!("not an object") };
        let (names, limits) = ([], Limits::default());
        let translation = Translation {
            protocol: Protocol::Plausible,
            tenant: "shop",
            names: &names,
            limits: &limits,
            heartbeat_s: None,
        };
        crate::pipeline::decode::protocols::translated(item, &translation).map(Value::Object)
    }

    #[test]
    fn an_event_with_short_or_long_names_is_the_same_beacon() {
        let expected = json!({
            "name": "order_placed", "url": "https://shop.example/thanks",
            "referrer": "https://www.google.com/", "ip": "203.0.113.7", "user_agent": "Agent/1",
            "props": {"plan": "team", "total": 19.9, "currency": "CHF"},
            "metadata": {"plausible": {
                "domain": "shop.example", "interactive": false, "hash_mode": 1, "script_version": 36,
            }},
        });
        let visitor = json!({"x-forwarded-for": "203.0.113.7", "user-agent": "Agent/1", "v": 36});
        for mut item in [
            json!({
                "n": "order_placed", "u": "https://shop.example/thanks", "d": "shop.example",
                "r": "https://www.google.com/", "p": {"plan": "team"}, "i": false, "h": 1,
                "$": {"amount": 19.9, "currency": "CHF"},
            }),
            json!({
                "name": "order_placed", "url": "https://shop.example/thanks",
                "domain": "shop.example", "referrer": "https://www.google.com/",
                "props": "{\"plan\":\"team\"}", "interactive": false, "hashMode": 1,
                "revenue": "{\"amount\":\"19.9\",\"currency\":\"CHF\"}",
            }),
        ] {
            item.as_object_mut().unwrap().extend(visitor.as_object().unwrap().clone());
            assert_eq!(translated(item).unwrap(), expected);
        }
    }

    #[test]
    fn built_in_names_are_those_of_the_catalogue() {
        for (item, expected) in [
            (json!({"n": "pageview"}), json!({"name": "page_view", "source_name": "pageview"})),
            (
                json!({"n": "engagement", "sd": 24, "e": 4535, "p": {"author": "ada"}}),
                json!({
                    "name": "page_leave", "source_name": "engagement",
                    "props": {"author": "ada", "depth": 24, "engaged_ms": 4535},
                }),
            ),
            (
                json!({"n": "engagement", "sd": 24}),
                json!({"name": "engagement", "metadata": {"plausible": {"sd": 24}}}),
            ),
            (json!({"n": 404}), json!({"name": "page_not_found", "source_name": "404"})),
            (
                json!({"n": "Outbound Link: Click", "m": {"url": "https://b.example/"}}),
                json!({
                    "name": "outbound_link_click", "source_name": "Outbound Link: Click",
                    "props": {"url": "https://b.example/"},
                }),
            ),
        ] {
            assert_eq!(translated(item).unwrap(), expected);
        }
    }

    #[test]
    fn an_item_that_is_no_event_is_refused_by_field() {
        for (item, code, pointer) in [
            (json!({}), Code::MissingField, "/n"),
            (json!({"n": "", "name": null}), Code::MissingField, "/n"),
            (json!({"n": ["a"]}), Code::WrongType, "/n"),
            (json!({"n": "a", "p": "{\"a\":"}), Code::BadJson, "/p"),
            (json!({"n": "a", "$": "19.9"}), Code::WrongType, "/$"),
        ] {
            let violation = translated(item).unwrap_err();
            assert_eq!((violation.code, violation.pointer.as_str()), (code, pointer));
        }
        let kept = translated(json!({"n": "a", "p": 7})).unwrap();
        assert_eq!(kept, json!({"name": "a", "props": 7}));
    }

    #[test]
    fn a_request_is_one_item_of_its_first_domain() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let proxied = [
            header("x-forwarded-for", " 203.0.113.7, 198.51.100.1"),
            header("user-agent", "Agent/\"1\""),
        ];
        let direct = [header("user-agent", "Agent/1")];
        let own = r#"{"x-forwarded-for":"203.0.113.7","user-agent":"Agent/\"1\"""#;
        for (headers, body, text) in [
            (&direct[..], r#" {"n":"a","d":" ,a.example,b.example"} "#, None),
            (
                &proxied[..],
                r#"{"n":"a","domain":"a.example"}"#,
                Some(format!(r#"{own},"n":"a","domain":"a.example"}}"#)),
            ),
            (&proxied[..], r#"{"d":"a.example","user-agent":"x"}"#, None),
        ] {
            let request =
                ProtocolRequest { headers, body: body.as_bytes(), ..ProtocolRequest::default() };
            let items = items(&request, &Limits::default()).unwrap();
            assert_eq!(items.texts, [text.as_deref().unwrap_or(body.trim())]);
            assert_eq!(items.write_key.as_deref(), Some("a.example"));
        }
        for body in [&b"[]"[..], b"", b"\xff", b"{\"n\":", b"{\"n\":1,\"n\":2}"] {
            let request = ProtocolRequest { body, ..ProtocolRequest::default() };
            let error = items(&request, &Limits::default()).unwrap_err();
            assert!(matches!(error, ProtocolError::Undecodable(_)), "{error}");
        }
        let request =
            ProtocolRequest { headers: &proxied, body: b"{}", ..ProtocolRequest::default() };
        let items = items(&request, &Limits::default()).unwrap();
        assert_eq!(items.texts, [format!("{own}}}")]);
    }
}
