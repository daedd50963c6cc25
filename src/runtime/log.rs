//! Log lines: one JSON object each, so that Cloudflare's log search can query their fields.
//!
//! No line contains a secret, or anything that a client sent.

use std::fmt::Display;

use serde_json::{Value, json};
use worker::{console_error, console_log, console_warn};

use crate::config::operator_keys::OperatorRole;

/// The component that a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    Configuration,
    /// The key-value store of tenants.
    Tenants,
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
            Self::Tenants => "tenants",
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

/// Logs that a request of `method` used an operator's key: `key` is its name, or `None` if the key was
/// refused.
pub fn audit(role: OperatorRole, method: &str, key: Option<&str>) {
    let used = json!({ "level": "info", "part": "audit", "role": role.name(), "method": method, "key": key, "allowed": key.is_some() });
    console_log!("{used}");
}

fn line(level: &str, part: Component, message: &dyn Display) -> Value {
    json!({ "level": level, "part": part.as_str(), "message": message.to_string() })
}
