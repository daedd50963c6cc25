//! Finds values that mean nothing: placeholder ids, and URLs that are none.
//!
//! Runs after all rules, which may read or replace such values. Placeholder ids are left out, URLs
//! stay; both are noted. A second pass finds no id to leave out.

use serde_json::{Map, Value};

use super::placeholder::is_placeholder;
use crate::base::url;
use crate::model::beacon::Envelope;
use crate::model::repairs::Repairs;

/// A placeholder id was left out.
pub const PLACEHOLDER_ID: &str = "placeholder_id";

/// A URL has no valid form; it stays.
pub const NO_ADDRESS: &str = "no_address";

/// The fields that identify a person, a device or a session.
const IDS: [&str; 3] = ["device_id", "session_id", "user_id"];

/// Leaves out placeholder ids and notes URLs that are none. Also notes a device id that the
/// envelope left out, if the beacon has none itself.
pub fn note(fields: &mut Map<String, Value>, envelope: &Envelope, repairs: &mut Repairs) {
    if envelope.no_device && fields.get("device_id").is_none_or(Value::is_null) {
        repairs.add(PLACEHOLDER_ID, || "/device_id".to_owned(), None);
    }
    for field in IDS {
        if fields.get(field).is_some_and(is_placeholder) {
            let original = fields.remove(field);
            repairs.add(PLACEHOLDER_ID, || format!("/{field}"), original);
        }
    }
    for field in ["url", "referrer"] {
        if let Some(Value::String(text)) = fields.get(field)
            && !text.is_empty()
            && !is_address(text)
        {
            repairs.add(NO_ADDRESS, || format!("/{field}"), None);
        }
    }
}

/// Whether `text` has the form of a URL, absolute or relative to a page.
fn is_address(text: &str) -> bool {
    if text.starts_with(['/', '?', '#']) {
        return true;
    }
    if url::is_plain(text) {
        return true;
    }
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'-' | b'.'));
    let is_web = || scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    is_scheme
        && match rest.strip_prefix("//") {
            Some(path) if scheme.eq_ignore_ascii_case("file") => !path.is_empty(),
            Some(_) => url::parse(text).is_some(),
            // Without a host, such as `about:blank`; `localhost:8080` names a port.
            None => {
                !is_web()
                    && rest.starts_with(|first: char| !first.is_ascii_digit())
                    && !rest.contains(char::is_whitespace)
            }
        }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::repairs::Originals;

    fn noted(fields: Value) -> (Value, Vec<String>) {
        let Value::Object(mut fields) = fields else { panic!("not an object") };
        let mut repairs = Repairs::new(Originals::Forget);
        note(&mut fields, &Envelope::default(), &mut repairs);
        let reported = repairs.iter().map(|it| format!("{} {}", it.rule, it.pointer)).collect();
        (Value::Object(fields), reported)
    }

    #[test]
    fn ids_that_stand_for_none_are_left_out() {
        for id in ["undefined", "{user_id}", "00000000-0000-0000-0000-000000000000"] {
            for field in IDS {
                let (after, reported) = noted(json!({"name": "a", field: id}));
                assert_eq!(after, json!({"name": "a"}), "{id}");
                assert_eq!(reported, [format!("placeholder_id /{field}")], "{id}");
            }
        }
    }

    #[test]
    fn a_device_that_the_envelope_left_out_is_noted() {
        let envelope = Envelope { no_device: true, ..Envelope::default() };
        for (device_id, count) in [(json!(null), 1), (json!("d"), 0), (json!("null"), 1)] {
            let Value::Object(mut fields) = json!({"device_id": device_id}) else { panic!() };
            let mut repairs = Repairs::default();
            note(&mut fields, &envelope, &mut repairs);
            assert_eq!(repairs.iter().count(), count, "{device_id}");
        }
    }

    #[test]
    fn ids_that_may_be_someones_stay() {
        for id in [json!("anna"), json!("x".repeat(128)), json!({}), json!(false)] {
            for field in IDS {
                let sent = json!({field: id});
                assert_eq!(noted(sent.clone()), (sent, Vec::new()));
            }
        }
        let other = json!({"id": "null", "title": "undefined", "props": {"user_id": "null"}});
        assert_eq!(noted(other.clone()), (other, Vec::new()));
    }

    #[test]
    fn addresses_that_are_none_are_noted_and_stay() {
        for text in [
            "notaurl",
            "shop.example/cart",
            "localhost:8080/cart",
            "https://",
            "https:///cart",
            "http:cart",
            "https://a b/",
            "undefined",
            "[object Object]",
            "(direct)",
            "Home: start",
            "C:\\shop\\index.html",
            ":",
            "a:",
        ] {
            for field in ["url", "referrer"] {
                let sent = json!({field: text});
                assert_eq!(noted(sent.clone()), (sent, vec![format!("no_address /{field}")]));
            }
        }
        for text in [
            "",
            "https://shop.example",
            "HTTPS://shop.example:8443/a b?c#d",
            "http://[::1]:8080/",
            "android-app://com.example/",
            "capacitor://localhost/cart",
            "file:///C:/shop/index.html",
            "about:blank",
            "data:text/html,x",
            "blob:https://shop.example/7",
            "//shop.example/cart",
            "/cart",
            "?page=2",
            "#/cart",
        ] {
            let sent = json!({"url": text, "referrer": text});
            assert_eq!(noted(sent.clone()), (sent, Vec::new()));
        }
    }
}
