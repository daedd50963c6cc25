//! What a person consents to, and what their browser asks for.

use serde::{Deserialize, Serialize};

/// Whose wish was followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivacySignal {
    /// Global Privacy Control.
    Gpc,
    /// Do Not Track.
    Dnt,
    /// The beacon's `consent`, or that it has none.
    Consent,
}

/// What the beacon says of its person's consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    /// Given.
    Granted,
    /// Withheld, or withdrawn.
    Denied,
}

impl Consent {
    /// Takes `granted` or `denied`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "granted" => Some(Self::Granted),
            "denied" => Some(Self::Denied),
            _ => None,
        }
    }
}

/// What a browser asks for on its user's behalf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrowserSignals {
    /// `Sec-GPC: 1`. Source: <https://www.w3.org/TR/gpc/>
    pub gpc: bool,
    /// `DNT: 1`. Source: <https://www.w3.org/TR/tracking-dnt/>
    pub dnt: bool,
}
