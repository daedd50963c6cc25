//! Log lines: one JSON object each, so that Cloudflare's log search can query their fields.
//!
//! No line contains a secret, or anything that a client sent.

use std::fmt::Display;

use serde_json::{Value, json};
use worker::{console_error, console_warn};

/// The component that a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    Configuration,
    /// The files of `www`.
    Assets,
    /// The calls to streams and shards.
    Delivery,
    /// The Durable Object around a shard.
    Shard,
    Metrics,
    Inspector,
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

/// Logs an error.
pub fn error(part: Component, message: impl Display) {
    console_error!("{}", line("error", part, &message));
}

/// Logs a problem that costs no event.
pub fn warning(part: Component, message: impl Display) {
    console_warn!("{}", line("warn", part, &message));
}

fn line(level: &str, part: Component, message: &dyn Display) -> Value {
    json!({ "level": level, "part": part.as_str(), "message": message.to_string() })
}
