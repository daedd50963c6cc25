//! The fields that only an operator's server may set: the facts about its visitor.

use std::net::IpAddr;

use serde_json::{Map, Value};

use crate::base::json::type_name;
use crate::model::beacon::{SERVER_FIELDS, ServerFields};
use crate::model::violation::{Code, Violation};

/// The longest name of a time zone has 32 characters.
const MAX_TIMEZONE_BYTES: usize = 64;

/// Takes the fields out of a beacon of a server. Fails if one has a wrong form.
pub fn take(fields: &mut Map<String, Value>) -> Result<ServerFields, Violation> {
    let mut first = None;
    let stated = take_each(fields, &mut |violation| {
        first.get_or_insert(violation);
    });
    first.map_or(Ok(stated), Err)
}

/// Like [`take`], but leaves out what has a wrong form, as SDKs send it: Segment's `ip` may be `0`.
pub fn take_valid(fields: &mut Map<String, Value>) -> ServerFields {
    take_each(fields, &mut |_| {})
}

fn take_each(fields: &mut Map<String, Value>, report: &mut dyn FnMut(Violation)) -> ServerFields {
    let mut text = |field| valid(text(fields, field), report);
    let (ip, user_agent, timezone) = (text("ip"), text("user_agent"), text("timezone"));
    let mut boolean = |field| valid(boolean(fields, field), report);
    let (historical, user_verified) = (boolean("historical"), boolean("user_verified"));
    ServerFields {
        ip: ip.and_then(|text| valid(address(&text), report)),
        user_agent,
        timezone: timezone.and_then(|text| valid(zone(text), report)),
        historical: historical.unwrap_or_default(),
        user_verified,
    }
}

/// Returns the value of a field, and reports why it has none.
fn valid<T>(found: Result<Option<T>, Violation>, report: &mut dyn FnMut(Violation)) -> Option<T> {
    found.unwrap_or_else(|violation| {
        report(violation);
        None
    })
}

fn address(text: &str) -> Result<Option<IpAddr>, Violation> {
    text.trim().parse().map(Some).map_err(|_| wrong("ip", "an IPv4 or IPv6 address"))
}

fn zone(text: String) -> Result<Option<String>, Violation> {
    let of_zone =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'+');
    match text.len() <= MAX_TIMEZONE_BYTES && text.bytes().all(of_zone) {
        true => Ok(Some(text)),
        false => Err(wrong("timezone", "an IANA name such as Europe/Zurich")),
    }
}

/// Removes the fields.
pub fn remove(fields: &mut Map<String, Value>) {
    // Few beacons have one, and to look for five in a map costs more than to pass its keys once.
    if fields.keys().any(|field| SERVER_FIELDS.contains(&field.as_str())) {
        for field in SERVER_FIELDS {
            fields.remove(field);
        }
    }
}

fn text(fields: &mut Map<String, Value>, field: &str) -> Result<Option<String>, Violation> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text).filter(|text| !text.trim().is_empty())),
        Some(other) => Err(wrong(field, &format!("a string, not {}", type_name(&other)))),
    }
}

fn boolean(fields: &mut Map<String, Value>, field: &str) -> Result<Option<bool>, Violation> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(value)),
        Some(other) => Err(wrong(field, &format!("true or false, not {}", type_name(&other)))),
    }
}

fn wrong(field: &str, wanted: &str) -> Violation {
    Violation::of_field(Code::BadFormat, field, format!("{field} must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("not an object") };
        fields
    }

    #[test]
    fn the_facts_of_a_visitor_are_taken_out_of_its_beacon() {
        let mut sent = fields(json!({
            "name": "a", "ip": " 203.0.113.7", "user_agent": "Mozilla/5.0", "timezone": "Europe/Zurich",
            "historical": true, "user_verified": false,
        }));
        let expected = ServerFields {
            ip: "203.0.113.7".parse().ok(),
            user_agent: Some("Mozilla/5.0".to_owned()),
            timezone: Some("Europe/Zurich".to_owned()),
            historical: true,
            user_verified: Some(false),
        };
        assert_eq!(take(&mut sent), Ok(expected));
        assert_eq!(sent, fields(json!({"name": "a"})));
        let absent = json!({"ip": null, "user_agent": "", "timezone": " ", "historical": null});
        assert_eq!(take(&mut fields(absent)), Ok(ServerFields::default()));
    }

    #[test]
    fn a_fact_of_a_wrong_form_is_named_or_left_out() {
        for (sent, message) in [
            (json!({"ip": "203.0.113"}), "ip must be an IPv4 or IPv6 address"),
            (json!({"ip": 7}), "ip must be a string, not a number"),
            (json!({"timezone": "<b>"}), "timezone must be an IANA name such as Europe/Zurich"),
            (json!({"historical": "yes"}), "historical must be true or false, not a string"),
            (json!({"user_agent": []}), "user_agent must be a string, not an array"),
        ] {
            let violation = take(&mut fields(sent.clone())).unwrap_err();
            assert_eq!(violation.message, message);
            let mut both = fields(sent);
            both.insert("user_verified".to_owned(), json!(true));
            let taken = take_valid(&mut both);
            assert_eq!(
                taken,
                ServerFields { user_verified: Some(true), ..ServerFields::default() }
            );
            assert!(both.is_empty());
        }
    }
}
