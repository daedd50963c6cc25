//! How much an event matters.

use serde::Serialize;

/// How much an event matters to the business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Pointer, scroll: many, each worth little.
    Low,
    /// Views, plays.
    Mid,
    /// Orders, sign-ups.
    High,
}

impl Level {
    /// Takes `low`, `mid` or `high`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "low" => Some(Self::Low),
            "mid" => Some(Self::Mid),
            "high" => Some(Self::High),
            _ => None,
        }
    }
}
