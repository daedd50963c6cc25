//! A person's consent, and the privacy signals of their browser.

use serde::{Deserialize, Serialize};

/// The privacy signal that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrivacySignal {
    /// Global Privacy Control.
    Gpc,
    /// Do Not Track.
    Dnt,
    /// The beacon's `consent`, or its absence.
    Consent,
}

/// The consent that a beacon states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Consent {
    Granted,
    Denied,
}

impl Consent {
    /// Parses `granted` or `denied`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "granted" => Some(Self::Granted),
            "denied" => Some(Self::Denied),
            _ => None,
        }
    }
}

/// The privacy signals of a browser.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BrowserSignals {
    /// `Sec-GPC: 1`. Source: <https://www.w3.org/TR/gpc/>
    pub gpc: bool,
    /// `DNT: 1`. Source: <https://www.w3.org/TR/tracking-dnt/>
    pub dnt: bool,
}
