//! Removes data from a failed event that an event's record would leave out too.
//!
//! A failed event keeps the beacon as sent, so that it can be replayed, except for data that the
//! tenant's policy or the person excludes. In bytes that are no readable beacon, identifiers can't
//! be located. Such bytes are withheld if an identifier has to be removed; else [`unreadable`]
//! removes secrets from them.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::model::beacon::FIELDS;
use crate::model::consent::PrivacySignal;
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::violation::Violations;
use crate::pipeline::clean::payload;
use crate::pipeline::privacy;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::sensitive_params::{Secrets, SensitiveParams};
use crate::pipeline::privacy::values::{SensitiveValues, without_in};
use crate::pipeline::privacy::{DeviceIdSource, PrivacyPolicy, scrub, unreadable};

/// The protocol's fields, besides its objects, that can hold any text. The others are not scrubbed,
/// in an event either.
const FREE: [&str; 4] = ["url", "title", "referrer", "source_name"];

/// Whether something was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redaction {
    Nothing,
    Some,
}

impl Redaction {
    /// Notes that a step removed something, if it did.
    fn note(&mut self, is_changed: bool) {
        if is_changed {
            *self = Self::Some;
        }
    }
}

/// Removes what an event's record would leave out from a beacon, in place: a large beacon has no
/// copy.
pub fn beacon(
    left: &mut Map<String, Value>,
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> Redaction {
    let mut redaction = Redaction::Nothing;
    payload::without(left, &mut |_| redaction = Redaction::Some);
    if stripped.is_some() {
        redaction.note(privacy::strip(left));
        without(
            left,
            crate::pipeline::privacy::sensitive_params::identifying_names(),
            &mut redaction,
        );
    }
    if privacy.device_ids == DeviceIdSource::Cookieless {
        redaction.note(left.remove("device_id").is_some());
    }
    without(left, &privacy.sensitive, &mut redaction);
    if privacy.scrub != ScrubConfig::default() {
        let is_free = |field: &str| FREE.contains(&field) || !FIELDS.contains(&field);
        let free = left.iter_mut().filter(|(field, _)| is_free(field.as_str()));
        free.for_each(|(_, value)| {
            scrub::value(value, privacy.scrub, &mut |_, _| redaction = Redaction::Some);
        });
    }
    redaction
}

/// Whether there is something to remove from the parameters that a pixel's beacon left out, their
/// names included.
pub fn concerns_left_out(
    parameters: &Map<String, Value>,
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> bool {
    let is_named = |name: &String| matches!(scrub::text(name, privacy.scrub).text, Cow::Owned(_));
    !parameters.is_empty()
        && (beacon(&mut parameters.clone(), privacy, stripped) == Redaction::Some
            || parameters.keys().any(is_named)
            || parameters.values().any(|value| concerns(value, privacy)))
}

/// Scrubs the pointers and messages of violations: a key may contain a person's name.
pub fn violations(mut violations: Violations, privacy: &PrivacyPolicy) -> Violations {
    for violation in violations.iter_mut() {
        for text in [&mut violation.pointer, &mut violation.message] {
            if let Cow::Owned(rid) = scrub::text(text, privacy.scrub).text {
                *text = rid;
            }
        }
    }
    violations
}

/// Whether `privacy` removes something from `value`, at any place in a beacon.
pub fn concerns(value: &Value, privacy: &PrivacyPolicy) -> bool {
    let is_address = |text: &str| {
        matches!(
            crate::pipeline::privacy::url_params::without_sensitive(text, &privacy.sensitive).url,
            Cow::Owned(_)
        ) || privacy.sensitive.secrets == Secrets::Remove
            && matches!(
                crate::pipeline::privacy::token::without_tokens(
                    text,
                    crate::pipeline::privacy::url_params::REMOVED
                ),
                Cow::Owned(_)
            )
    };
    let mut found = value.as_str().is_some_and(is_address);
    if privacy.scrub != ScrubConfig::default() {
        scrub::value(&mut value.clone(), privacy.scrub, &mut |_, _| found = true);
    }
    found
}

/// Removes the values of the parameters in `names`, and secrets, from every field of a beacon but
/// its identifiers. A value in a wrong place may be the reason for the failure.
fn without(fields: &mut Map<String, Value>, names: &SensitiveParams, redaction: &mut Redaction) {
    const KEPT: [&str; 5] = ["device_id", "id", "session_id", "time", "user_id"];
    for (field, value) in fields {
        match (field.as_str(), value) {
            ("url" | "referrer", Value::String(address)) => {
                let found = crate::pipeline::privacy::url_params::without_sensitive(address, names);
                if let Cow::Owned(rid) = found.url {
                    redaction.note(rid != *address);
                    *address = rid;
                }
            }
            (kept, Value::String(_)) if KEPT.contains(&kept) => {}
            ("props" | "metadata", Value::String(text)) => {
                // An object that was encoded twice.
                let privacy =
                    PrivacyPolicy { sensitive: names.clone(), ..PrivacyPolicy::default() };
                if let Some(rid) = unreadable::text(text, &privacy) {
                    redaction.note(rid != *text);
                    *text = rid;
                }
            }
            (_, value) => redaction.note(without_in(value, names) != SensitiveValues::default()),
        }
    }
}

/// Whether `privacy` removes something from an item of another collector's protocol, at any place.
pub fn concerns_item(
    item: &[u8],
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> bool {
    hides_devices(privacy, stripped)
        || unreadable::text(&String::from_utf8_lossy(item), privacy).is_some()
}

/// Whether the identifiers of devices have to be removed.
fn hides_devices(privacy: &PrivacyPolicy, stripped: Option<PrivacySignal>) -> bool {
    stripped.is_some() || privacy.device_ids == DeviceIdSource::Cookieless
}

/// Whether bytes may have the addresses of visitors, which servers and SDKs state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatedAddresses {
    None,
    Possible,
}

/// Returns the rest of bytes that are no readable beacon; `text` is what they say. Withholds them if
/// an identifier has to be removed.
pub fn unreadable(
    original: OriginalPayload,
    text: &str,
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
    stated: StatedAddresses,
) -> OriginalPayload {
    if hides_devices(privacy, stripped) {
        return original.withheld();
    }
    let (left, form) = match original.form {
        PayloadFormat::Query => (unreadable::query(text, privacy), PayloadFormat::Query),
        // What was compressed is stored as its text.
        PayloadFormat::GzipBody => (unreadable::text(text, privacy), PayloadFormat::Body),
        form => (unreadable::text(text, privacy), form),
    };
    let left = match stated == StatedAddresses::Possible && privacy.ip != IpPolicy::Full {
        true => unreadable::without_addresses(left.as_deref().unwrap_or(text)).or(left),
        false => left,
    };
    left.map_or(original, |left| OriginalPayload::new(left, form))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(sent: Value, stripped: Option<PrivacySignal>) -> Option<Value> {
        let privacy = PrivacyPolicy {
            scrub: ScrubConfig { emails: true, cards: true },
            ..PrivacyPolicy::default()
        };
        left_by(sent, &privacy, stripped)
    }

    fn left_by(
        sent: Value,
        privacy: &PrivacyPolicy,
        stripped: Option<PrivacySignal>,
    ) -> Option<Value> {
        let Value::Object(mut fields) = sent.clone() else { panic!("not an object") };
        let redaction = beacon(&mut fields, privacy, stripped);
        let left = Value::Object(fields);
        assert_eq!(redaction == Redaction::Some, left != sent, "{sent}");
        (left != sent).then_some(left)
    }

    #[test]
    fn a_refused_beacon_is_redacted_like_an_event() {
        let mail = "anna@mail.example";
        let cases = [
            (
                json!({"url": "https://a.example/?token=x&b=1"}),
                json!({"url": "https://a.example/?token=[removed]&b=1"}),
            ),
            (json!({"referrer": "//me:pw@a.example"}), json!({"referrer": "//a.example"})),
            (
                json!({"seq": -1, "props": {"href": "data:text/csv,Jane"}}),
                json!({"seq": -1, "props": {"href": "data:text/csv"}}),
            ),
            (
                json!({"seq": -1, "metadata": {"list": ["data:text/csv,Jane"]}}),
                json!({"seq": -1, "metadata": {"list": ["data:text/csv"]}}),
            ),
            (
                json!({"link": "https://a.example/?token=x", "url": ["/?token=x"]}),
                json!({"link": "https://a.example/?token=[removed]", "url": ["/?token=[removed]"]}),
            ),
            (
                json!({"title": "https://a.example/?token=x", "seq": -1}),
                json!({"title": "https://a.example/?token=[removed]", "seq": -1}),
            ),
            (
                json!({"props": "{\"u\": \"/?token=x\", \"d\": \"data:text/csv,Jane\",}"}),
                json!({"props": "{\"u\": \"/?token=[removed]\", \"d\": \"data:text/csv\",}"}),
            ),
            (json!({"title": mail, "seq": -1.0}), json!({"title": "[email]", "seq": -1.0})),
            (json!({"props": [{"a": mail}]}), json!({"props": [{"a": "[email]"}]})),
            (json!({"mail": mail}), json!({"mail": "[email]"})),
            (json!({"card": 4_242_424_242_424_242_u64}), json!({"card": "[card]"})),
        ];
        for (sent, expected) in cases {
            assert_eq!(left(sent, None), Some(expected));
        }
    }

    #[test]
    fn allowed_values_stay_as_sent() {
        for sent in [
            json!({"user_id": "anna@mail.example", "device_id": "d", "session_id": 7}),
            json!({"seq": 4_242_424_242_424_242_u64, "url": "https://a.example/?gclid=x", "title": 1}),
        ] {
            assert_eq!(left(sent, None), None);
        }
    }

    #[test]
    fn a_cookieless_original_has_no_device() {
        let sent = json!({"device_id": "d", "user_id": "u"});
        let privacy =
            PrivacyPolicy { device_ids: DeviceIdSource::Cookieless, ..PrivacyPolicy::default() };
        assert_eq!(left_by(sent, &privacy, None), Some(json!({"user_id": "u"})));
    }

    #[test]
    fn identifiers_and_click_ids_are_removed_if_stripped() {
        let sent = json!({
            "name": 7, "user_id": {}, "device_id": "d", "session_id": 7,
            "url": "https://a.example/?gclid=x", "referrer": "https://b.example/#fbclid=y",
        });
        let expected = json!({
            "name": 7, "url": "https://a.example/?gclid=[removed]",
            "referrer": "https://b.example/#fbclid=[removed]",
        });
        assert_eq!(left(sent, Some(PrivacySignal::Gpc)), Some(expected));
        assert_eq!(left(json!({"name": 7}), Some(PrivacySignal::Gpc)), None);
    }
}
