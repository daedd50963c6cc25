//! Decides which data of a person is kept, by the operator's policy and the person's consent.
//!
//! The strictest decision wins. To strip is to remove identifiers of a device or a person; to drop
//! is to keep nothing of the beacon but a count.

pub mod click_ids;
pub mod ip;
pub mod redact;
pub mod scrub;
pub mod sdk_context;
pub mod sensitive_params;
pub mod token;
pub mod unreadable;
pub mod url_params;
pub mod url_path;
pub mod values;
pub mod visitor;
use serde_json::{Map, Value};

use crate::model::beacon::FIELDS;
use crate::model::consent::{BrowserSignals, Consent, PrivacySignal};
use crate::pipeline::decode::protocols::snowplow::NETWORK_ID;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::sensitive_params::SensitiveParams;
use crate::pipeline::privacy::url_params::REMOVED;

/// The operator's policy for one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyPolicy {
    pub ip: IpPolicy,
    /// The effect of `Sec-GPC: 1`.
    pub gpc: PrivacyAction,
    /// The effect of `DNT: 1`.
    pub dnt: PrivacyAction,
    /// The effect of a `consent` of `denied`.
    pub consent_denied: PrivacyAction,
    /// The effect of an absent `consent`.
    pub consent_unknown: PrivacyAction,
    pub device_ids: DeviceIdSource,
    /// The personal data to remove from texts.
    pub scrub: ScrubConfig,
    /// The parameters whose values are removed from URLs.
    pub sensitive: SensitiveParams,
}

impl Default for PrivacyPolicy {
    fn default() -> Self {
        Self {
            ip: IpPolicy::default(),
            gpc: PrivacyAction::Strip,
            dnt: PrivacyAction::Keep,
            consent_denied: PrivacyAction::Strip,
            consent_unknown: PrivacyAction::Keep,
            device_ids: DeviceIdSource::default(),
            scrub: ScrubConfig::default(),
            sensitive: SensitiveParams::default(),
        }
    }
}

/// The effect of a signal or a consent on a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrivacyAction {
    Keep,
    Strip,
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceIdSource {
    #[default]
    Client,
    /// A day's secret salt, the IP address and the user agent: nothing is stored on the device.
    Cookieless,
}

/// The decision on a beacon, with the signal that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivacyDecision {
    Keep,
    Strip(PrivacySignal),
    Drop(PrivacySignal),
}

impl PrivacyPolicy {
    /// Returns the strictest action that the browser's signals and the beacon's consent require. An
    /// absent consent counts as unknown.
    pub fn decide(&self, signals: BrowserSignals, consent: Option<Consent>) -> PrivacyDecision {
        let consent = match consent {
            Some(Consent::Granted) => PrivacyAction::Keep,
            Some(Consent::Denied) => self.consent_denied,
            None => self.consent_unknown,
        };
        let gpc = if signals.gpc { self.gpc } else { PrivacyAction::Keep };
        let dnt = if signals.dnt { self.dnt } else { PrivacyAction::Keep };
        let wishes = [
            (consent, PrivacySignal::Consent),
            (gpc, PrivacySignal::Gpc),
            (dnt, PrivacySignal::Dnt),
        ];
        let of = |with_privacy| {
            wishes.iter().find(|(wish, _)| *wish == with_privacy).map(|(_, reason)| *reason)
        };
        match (of(PrivacyAction::Drop), of(PrivacyAction::Strip)) {
            (Some(reason), _) => PrivacyDecision::Drop(reason),
            (None, Some(reason)) => PrivacyDecision::Strip(reason),
            (None, None) => PrivacyDecision::Keep,
        }
    }
}

/// Reads the consent of a raw beacon. Null and blank count as absent, and any other value but a
/// grant as denied; its form is checked later.
pub fn consent(fields: &Map<String, Value>) -> Option<Consent> {
    let said = fields.get("consent").filter(|said| !said.is_null())?;
    let text = said.as_str().map(str::trim);
    if text == Some("") {
        return None;
    }
    let means = |text: &str| ["granted", "true"].iter().any(|it| text.eq_ignore_ascii_case(it));
    let granted = *said == Value::Bool(true) || text.is_some_and(means);
    Some(if granted { Consent::Granted } else { Consent::Denied })
}

/// Guesses the consent in bytes that are no readable beacon: denied if they contain
/// both `consent` and `denied`.
pub fn consent_in(bytes: &[u8]) -> Option<Consent> {
    let holds = |word: &[u8]| {
        let is_first =
            |window: &[u8]| window.first().map(u8::to_ascii_lowercase).as_ref() == word.first();
        let is_word = |window: &[u8]| is_first(window) && window.eq_ignore_ascii_case(word);
        bytes.windows(word.len()).any(is_word)
    };
    (holds(b"consent") && holds(b"denied")).then_some(Consent::Denied)
}

/// The fields that identify a device or a person.
const IDENTIFIERS: [&str; 4] = ["device_id", "session_id", "user_id", "user_hash"];

/// Removes the identifiers from a raw beacon. An unknown field may be one under another name, so
/// only its name stays. Returns whether there was anything to remove.
pub fn strip(fields: &mut Map<String, Value>) -> bool {
    let mut is_changed = false;
    for field in IDENTIFIERS {
        is_changed |= fields.remove(field).is_some();
    }
    if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
        is_changed |= metadata.remove(NETWORK_ID).is_some();
    }
    for (field, value) in fields {
        let is_known = FIELDS.contains(&field.as_str()) || field == "props" || field == "metadata";
        if !is_known && *value != REMOVED {
            is_changed = true;
            *value = Value::String(REMOVED.to_owned());
        }
    }
    is_changed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(
        gpc: PrivacyAction,
        dnt: PrivacyAction,
        consent_denied: PrivacyAction,
        consent_unknown: PrivacyAction,
    ) -> PrivacyPolicy {
        PrivacyPolicy { gpc, dnt, consent_denied, consent_unknown, ..PrivacyPolicy::default() }
    }

    #[test]
    fn only_explicit_consent_counts() {
        for (said, consent_is) in [
            (r#"{"consent":"granted"}"#, Some(Consent::Granted)),
            (r#"{"consent":" Granted "}"#, Some(Consent::Granted)),
            (r#"{"consent":"denied"}"#, Some(Consent::Denied)),
            (r#"{"consent":"no"}"#, Some(Consent::Denied)),
            (r#"{"consent":0}"#, Some(Consent::Denied)),
            (r#"{"consent":true}"#, Some(Consent::Granted)),
            (r#"{"consent":"TRUE"}"#, Some(Consent::Granted)),
            (r#"{"consent":false}"#, Some(Consent::Denied)),
            (r#"{"consent":"False"}"#, Some(Consent::Denied)),
            (r#"{"consent":1}"#, Some(Consent::Denied)),
            (r#"{"consent":[true]}"#, Some(Consent::Denied)),
            (r#"{"consent":null}"#, None),
            (r#"{"consent":" "}"#, None),
            ("{}", None),
        ] {
            let Ok(Value::Object(fields)) = serde_json::from_str(said) else { panic!() };
            assert_eq!(consent(&fields), consent_is, "{said}");
        }
        assert_eq!(consent_in(br#"{"name":"a","Consent":"DENIED",}"#), Some(Consent::Denied));
        assert_eq!(consent_in(br#"{"name":"a","consent":"granted",}"#), None);
    }

    #[test]
    fn a_network_id_is_an_identifier() {
        let Value::Object(mut fields) = serde_json::json!({
            "name": "a", "user_id": "u", "metadata": {"network_userid": "n", "vendor": "v"},
        }) else {
            panic!()
        };
        assert!(strip(&mut fields));
        let expected = serde_json::json!({"name": "a", "metadata": {"vendor": "v"}});
        assert_eq!(Value::Object(fields.clone()), expected);
        assert!(!strip(&mut fields));
    }

    #[test]
    fn the_strictest_signal_wins_and_is_named() {
        use PrivacyAction::{Drop, Keep, Strip};
        let none = BrowserSignals::default();
        let gpc = BrowserSignals { gpc: true, dnt: false };
        let both = BrowserSignals { gpc: true, dnt: true };
        let cases = [
            (policy(Strip, Strip, Strip, Keep), none, None, PrivacyDecision::Keep),
            (policy(Keep, Keep, Keep, Keep), both, Some(Consent::Denied), PrivacyDecision::Keep),
            (
                policy(Strip, Keep, Drop, Keep),
                gpc,
                None,
                PrivacyDecision::Strip(PrivacySignal::Gpc),
            ),
            (
                policy(Strip, Drop, Strip, Keep),
                both,
                None,
                PrivacyDecision::Drop(PrivacySignal::Dnt),
            ),
            (
                policy(Strip, Keep, Drop, Keep),
                gpc,
                Some(Consent::Denied),
                PrivacyDecision::Drop(PrivacySignal::Consent),
            ),
            (
                policy(Strip, Keep, Drop, Strip),
                none,
                None,
                PrivacyDecision::Strip(PrivacySignal::Consent),
            ),
            (policy(Keep, Keep, Drop, Drop), none, Some(Consent::Granted), PrivacyDecision::Keep),
            (
                policy(Drop, Keep, Drop, Drop),
                gpc,
                Some(Consent::Granted),
                PrivacyDecision::Drop(PrivacySignal::Gpc),
            ),
        ];
        for (privacy, signals, consent, decide) in cases {
            assert_eq!(privacy.decide(signals, consent), decide, "{signals:?} {consent:?}");
        }
    }
}
