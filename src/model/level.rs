//! Levels: how important an event is.

use serde::Serialize;

/// How important an event is to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Frequent events of little worth: pointer, scroll.
    Low,
    /// Views, plays.
    Mid,
    /// Orders, sign-ups.
    High,
}

impl Level {
    /// Parses `low`, `mid` or `high`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "low" => Some(Self::Low),
            "mid" => Some(Self::Mid),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}
