//! Lines of the log: one JSON object each, so that the CDN's log search knows their fields.
//!
//! No line holds a secret, or anything that was sent.

use std::fmt::Display;

use serde_json::{Value, json};
use worker::{console_error, console_warn};

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The operator's settings.
    Configuration,
    /// What `www` should hold.
    Assets,
    /// The calls to streams and shards.
    Delivery,
    /// The object around a shard.
    Shard,
    /// Points of Analytics Engine.
    Metrics,
    /// The inspector.
    Inspector,
    /// The runtime itself.
    Runtime,
}

impl Component {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Assets => "assets",
            Self::Delivery => "delivery",
            Self::Shard => "shard",
            Self::Metrics => "metrics",
            Self::Inspector => "inspector",
            Self::Runtime => "runtime",
        }
    }
}

/// Logs what went wrong.
pub fn error(part: Component, message: impl Display) {
    console_error!("{}", line("error", part, &message));
}

/// Logs what is wrong and costs no event.
pub fn warning(part: Component, message: impl Display) {
    console_warn!("{}", line("warn", part, &message));
}

fn line(level: &str, part: Component, message: &dyn Display) -> Value {
    json!({ "level": level, "part": part.as_str(), "message": message.to_string() })
}
