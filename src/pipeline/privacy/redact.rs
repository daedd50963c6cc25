//! Removes data from a failed event that an event's record would leave out too.
//!
//! A failed event keeps the beacon as sent, so that it can be replayed, except for data that the
//! tenant's policy or the person excludes. In bytes that are no readable beacon, identifiers can't
//! be located. Such bytes are withheld if an identifier has to be removed; else [`unreadable`]
//! removes secrets from them.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::{Map, Value};

use crate::base::json::cursor::Cursor;
use crate::base::json::splice::Splice;
use crate::model::beacon::FIELDS;
use crate::model::consent::PrivacySignal;
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::violation::Violations;
use crate::pipeline::clean::payload;
use crate::pipeline::decode::protocols::snowplow::NETWORK_ID;
use crate::pipeline::privacy;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::sensitive_params::{Secrets, SensitiveParams, identifying_names};
use crate::pipeline::privacy::url_params::{REMOVED, without_sensitive};
use crate::pipeline::privacy::values::{SensitiveValues, is_short_without_marks, without_in_text};
use crate::pipeline::privacy::{DeviceIdSource, PrivacyPolicy, scrub, unreadable};

/// The protocol's fields, besides its objects, that can hold any text. The others are not scrubbed,
/// in an event either.
const FREE: [&str; 4] = ["url", "title", "referrer", "source_name"];

/// Returns the text of a beacon without what an event's record would leave out; none if that is all of
/// it. Everything else stays as it was sent: the text was read once already, and has no second copy.
pub fn beacon(
    text: &str,
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> Option<String> {
    let left = Splice::new(text);
    let mut redactor = Redactor { privacy, stripped, text, left };
    match redactor.members(&mut Cursor::new(text), ObjectRole::Beacon, Spot::INSIDE) {
        Some(()) => redactor.left.finish(),
        // It is no object: nothing of it is kept.
        None => Some("{}".to_owned()),
    }
}

/// Steps through the text of a beacon, and replaces what has to be removed.
struct Redactor<'a> {
    privacy: &'a PrivacyPolicy,
    stripped: Option<PrivacySignal>,
    text: &'a str,
    left: Splice<'a>,
}

/// What the members of an object are.
#[derive(Clone, Copy, PartialEq)]
enum ObjectRole {
    Beacon,
    Props,
    Metadata,
    Other,
}

/// What a text may be at its place.
#[derive(Clone, Copy)]
struct Spot {
    /// Whether a URL is expected.
    is_url: bool,
    form: TextForm,
    /// Whether personal data is removed.
    is_free: bool,
}

/// How the values of parameters are found in a text.
#[derive(Clone, Copy)]
enum TextForm {
    Url,
    /// An identifier, in which nothing is a parameter.
    Id,
    /// An object that was encoded twice.
    Object,
    Other,
}

impl Spot {
    const INSIDE: Self = Self { is_url: false, form: TextForm::Other, is_free: true };

    /// Returns the spot of a field of a beacon.
    fn of_field(field: &str) -> Self {
        const IDS: [&str; 5] = ["device_id", "id", "session_id", "time", "user_id"];
        let is_url = payload::FIELDS.contains(&field);
        let form = match field {
            _ if is_url => TextForm::Url,
            "props" | "metadata" => TextForm::Object,
            _ if IDS.contains(&field) => TextForm::Id,
            _ => TextForm::Other,
        };
        Self { is_url, form, is_free: FREE.contains(&field) || !FIELDS.contains(&field) }
    }

    /// Returns the spot of a value inside the value at this one.
    const fn inside(self) -> Self {
        Self { is_free: self.is_free, ..Self::INSIDE }
    }
}

impl Redactor<'_> {
    /// Redacts the members of an object; `spot` is that of their values.
    fn members(&mut self, cursor: &mut Cursor<'_>, role: ObjectRole, spot: Spot) -> Option<()> {
        (cursor.peek()? == b'{').then_some(())?;
        let mut behind = cursor.position().saturating_add(1);
        let (mut has_kept, mut has_removed) = (false, false);
        cursor.members(|cursor, key| {
            let key = key.text()?;
            if self.is_removed(role, &key) {
                cursor.skip(usize::MAX)?;
                // With the comma before it.
                self.left.replace(behind..cursor.position(), "");
                has_removed = true;
            } else {
                if has_removed && !has_kept {
                    let comma = self.text.get(behind..)?.find(',')?.saturating_add(1);
                    self.left.replace(behind..behind.saturating_add(comma), "");
                }
                has_kept = true;
                self.member(cursor, role, &key, spot)?;
            }
            behind = cursor.position();
            Some(())
        })
    }

    fn member(
        &mut self,
        cursor: &mut Cursor<'_>,
        role: ObjectRole,
        key: &str,
        spot: Spot,
    ) -> Option<()> {
        let is_object = matches!(key, "props" | "metadata");
        match role {
            // It may be an identifier under another name.
            ObjectRole::Beacon
                if self.stripped.is_some() && !is_object && !FIELDS.contains(&key) =>
            {
                let value = cursor.skip(usize::MAX)?;
                let start = cursor.position().saturating_sub(value.len());
                self.replace(start..cursor.position(), value, REMOVED)
            }
            ObjectRole::Beacon => {
                let inner = match key {
                    "props" => ObjectRole::Props,
                    "metadata" => ObjectRole::Metadata,
                    _ => ObjectRole::Other,
                };
                self.value(cursor, inner, Spot::of_field(key))
            }
            ObjectRole::Props => {
                let is_url = payload::PROPS.contains(&key);
                self.value(cursor, ObjectRole::Other, Spot { is_url, ..spot })
            }
            ObjectRole::Metadata | ObjectRole::Other => self.value(cursor, ObjectRole::Other, spot),
        }
    }

    /// Whether a member is removed with its name.
    fn is_removed(&self, role: ObjectRole, key: &str) -> bool {
        let is_stripped = self.stripped.is_some();
        match role {
            ObjectRole::Beacon => {
                is_stripped && privacy::IDENTIFIERS.contains(&key)
                    || key == "device_id" && self.privacy.device_ids == DeviceIdSource::Cookieless
            }
            ObjectRole::Metadata => is_stripped && key == NETWORK_ID,
            ObjectRole::Props | ObjectRole::Other => false,
        }
    }

    /// Redacts a value; `role` is what it is if it is an object.
    fn value(&mut self, cursor: &mut Cursor<'_>, role: ObjectRole, spot: Spot) -> Option<()> {
        match cursor.peek()? {
            b'{' => self.members(cursor, role, spot.inside()),
            b'[' => cursor.items(|cursor| self.value(cursor, ObjectRole::Other, spot.inside())),
            b'"' => {
                let start = cursor.position();
                let text = cursor.quoted()?.text()?;
                let range = start..cursor.position();
                match self.rest_of(&text, spot) {
                    Cow::Owned(rest) => self.replace(range, &text, &rest),
                    Cow::Borrowed(_) => Some(()),
                }
            }
            b't' | b'f' | b'n' => cursor.skip(0).map(drop),
            _ => {
                let start = cursor.position();
                let number = cursor.number()?;
                let is_card = || scrub::card::is_card(number);
                match spot.is_free && self.privacy.scrub.cards && is_card() {
                    true => {
                        let card = scrub::PiiKind::Card.placeholder();
                        self.replace(start..cursor.position(), number, card)
                    }
                    false => Some(()),
                }
            }
        }
    }

    /// Writes `rest` in the place of `sent`, if they differ.
    fn replace(&mut self, range: Range<usize>, sent: &str, rest: &str) -> Option<()> {
        if sent != rest {
            self.left.replace(range, &serde_json::to_string(rest).ok()?);
        }
        Some(())
    }

    /// Returns the rest of a text; borrowed if it stays.
    fn rest_of<'t>(&self, text: &'t str, spot: Spot) -> Cow<'t, str> {
        if is_short_without_marks(text) && !text.contains(':') {
            return Cow::Borrowed(text);
        }
        let mut rest = Cow::Borrowed(text);
        let url = || payload::left_of(text).filter(|_| spot.is_url);
        if let Some(left) = url().or_else(|| payload::left_of_text(text)) {
            rest = Cow::Owned(left);
        }
        let identifying = self.stripped.map(|_| identifying_names());
        for names in identifying.into_iter().chain([&self.privacy.sensitive]) {
            if let Some(left) = without(&rest, names, spot.form) {
                rest = Cow::Owned(left);
            }
        }
        if spot.is_free
            && self.privacy.scrub != ScrubConfig::default()
            && let Cow::Owned(left) = scrub::text(&rest, self.privacy.scrub).text
        {
            rest = Cow::Owned(left);
        }
        rest
    }
}

/// Removes the values of the parameters in `names`, and secrets, from a text; none if there are none. A
/// value in a wrong place may be the reason for the failure.
fn without(text: &str, names: &SensitiveParams, form: TextForm) -> Option<String> {
    let rest = match form {
        TextForm::Url => without_sensitive(text, names).url,
        TextForm::Id => return None,
        TextForm::Object => return unreadable::without_parameters(text, names),
        TextForm::Other => without_in_text(text, names, &mut SensitiveValues::default()),
    };
    match rest {
        Cow::Owned(rest) => Some(rest),
        Cow::Borrowed(_) => None,
    }
}

/// Returns the text of the rest of a beacon's fields; none if that is all of them.
pub fn fields(
    fields: &Map<String, Value>,
    privacy: &PrivacyPolicy,
    stripped: Option<PrivacySignal>,
) -> Option<String> {
    beacon(&serde_json::to_string(fields).ok()?, privacy, stripped)
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
        && (fields(parameters, privacy, stripped).is_some()
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
        let left = beacon(&sent.to_string(), privacy, stripped)?;
        assert_eq!(beacon(&left, privacy, stripped), None, "{sent}");
        Some(serde_json::from_str(&left).unwrap())
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
    fn what_stays_is_as_it_was_sent() {
        let stripped = Some(PrivacySignal::Gpc);
        let privacy = PrivacyPolicy::default();
        for (sent, left) in [
            (r#"{ "device_id" : "d" , "name" : 7.0 }"#, r#"{ "name" : 7.0 }"#),
            (r#"{"name":7,"user_id":"u","session_id":"s"}"#, r#"{"name":7}"#),
            (r#"{"user_id":"u","name":7,"session_id":"s","seq":1e2}"#, r#"{"name":7,"seq":1e2}"#),
            (r#"{"user_id":"u", "device_id":[{}]}"#, "{}"),
            (r#"{"name":"\ud83d","\u0075ser_id":"u"}"#, r#"{"name":"\ud83d"}"#),
            (
                r#"{"metadata":{"network_userid":"n","a":[1, 2]},"own":{"b":1}}"#,
                r#"{"metadata":{"a":[1, 2]},"own":"[removed]"}"#,
            ),
            ("[1]", "{}"),
        ] {
            assert_eq!(beacon(sent, &privacy, stripped).as_deref(), Some(left), "{sent}");
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
