//! What may be told of a person: the operator's policy, and what the person asked for.
//!
//! The strictest answer wins. To strip is to leave out what tells one device or person
//! from another; to refuse is to keep nothing of the beacon but a count.

pub mod click_ids;
pub mod ip;
pub mod redact;
pub mod scrub;
pub mod token;
pub mod url_params;
pub mod url_path;
pub mod values;
pub mod visitor;
use crate::model::consent::{Consent, PrivacySignal};

use serde_json::{Map, Value};

use crate::model::beacon::FIELDS;
use crate::model::consent::BrowserSignals;
use crate::pipeline::privacy::ip::IpPolicy;
use crate::pipeline::privacy::scrub::ScrubConfig;
use crate::pipeline::privacy::url_params::{REMOVED, SensitiveParams};

/// The operator's policy for one tenant.
#[derive(Debug, Clone, PartialEq)]
pub struct PrivacyPolicy {
    /// What becomes of addresses.
    pub ip: IpPolicy,
    /// What `Sec-GPC: 1` does.
    pub gpc: PrivacyAction,
    /// What `DNT: 1` does.
    pub dnt: PrivacyAction,
    /// What a `consent` of `denied` does.
    pub consent_denied: PrivacyAction,
    /// What an absent `consent` does.
    pub consent_unknown: PrivacyAction,
    /// Where device ids come from.
    pub device_ids: DeviceIdSource,
    /// What is taken out of texts.
    pub scrub: ScrubConfig,
    /// The parameters whose values are taken out of addresses.
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

/// What a wish does to a beacon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PrivacyAction {
    /// Nothing.
    Keep,
    /// Identifiers are left out.
    Strip,
    /// The beacon is dropped.
    Drop,
}

/// Where device ids come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceIdSource {
    /// The beacon.
    #[default]
    Client,
    /// A day's secret salt, the address and the user agent: nothing is stored on the device.
    Cookieless,
}

/// How a beacon stands with the wishes that bear on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivacyDecision {
    /// All of it may be told.
    Keep,
    /// Identifiers are left out.
    Strip(PrivacySignal),
    /// It is dropped.
    Drop(PrivacySignal),
}

impl PrivacyPolicy {
    /// The strictest of what the browser's signals and the beacon's consent come to. A
    /// consent that is neither given nor withheld in so many words counts as unknown.
    pub fn standing(&self, signals: BrowserSignals, consent: Option<Consent>) -> PrivacyDecision {
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
        let of =
            |wished| wishes.iter().find(|(wish, _)| *wish == wished).map(|(_, reason)| *reason);
        match (of(PrivacyAction::Drop), of(PrivacyAction::Strip)) {
            (Some(reason), _) => PrivacyDecision::Drop(reason),
            (None, Some(reason)) => PrivacyDecision::Strip(reason),
            (None, None) => PrivacyDecision::Keep,
        }
    }
}

/// What a raw beacon says of consent. Whatever is said that is not that it is given counts
/// as withheld; its form is judged later.
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

/// What bytes that can't be read as a beacon seem to say of consent: that it is withheld,
/// where both words stand in them.
pub fn consent_in(bytes: &[u8]) -> Option<Consent> {
    let holds = |word: &str| {
        bytes.windows(word.len()).any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
    };
    (holds("consent") && holds("denied")).then_some(Consent::Denied)
}

/// The fields that tell one device or person from another.
const IDENTIFIERS: [&str; 3] = ["device_id", "session_id", "user_id"];

/// Takes the identifiers out of a raw beacon. What is no field of the protocol's could be
/// one under another name, so that only its name stays.
pub fn strip(fields: &mut Map<String, Value>) {
    IDENTIFIERS.iter().for_each(|field| drop(fields.remove(*field)));
    for (field, value) in fields {
        if !FIELDS.contains(&field.as_str()) && field != "props" && field != "metadata" {
            *value = Value::String(REMOVED.to_owned());
        }
    }
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
    fn what_is_not_granted_in_so_many_words_is_withheld() {
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
    fn the_strictest_wish_wins_and_is_named() {
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
        for (privacy, signals, consent, standing) in cases {
            assert_eq!(privacy.standing(signals, consent), standing, "{signals:?} {consent:?}");
        }
    }
}
