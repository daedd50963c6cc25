//! Beacons: what arrived, before anything is known to be right, and what a request may hold.

use crate::model::event::DeviceId;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

/// What arrived as one item of a request; untrusted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beacon {
    /// Its top-level fields, as sent.
    pub fields: Map<String, Value>,
    /// What had to be repaired to read it: the name of each repair, and the pointer to its place.
    pub mended: Vec<(&'static str, String)>,
    /// The parameters of a pixel's query that are no field, and so no part of the beacon.
    pub left_out: Map<String, Value>,
}

/// What stands around the beacons of a request and holds for each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The client's clock when it sent the request.
    pub sent_at: Option<DateTime<Utc>>,
    /// The device that sent it, for beacons that don't say.
    pub device_id: Option<DeviceId>,
    /// Whether a `device_id` was left out since it stood for none, such as `undefined`.
    pub no_device: bool,
}

impl Envelope {
    /// The envelope, with what only `other` tells.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            sent_at: self.sent_at.or(other.sent_at),
            device_id: self.device_id.or_else(|| other.device_id.clone()),
            no_device: self.no_device,
        }
    }
}

/// What a request may hold at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as sent.
    pub body_bytes: usize,
    /// Bytes of a body once inflated.
    pub inflated_bytes: usize,
    /// Beacons of a request.
    pub beacons: usize,
    /// Bytes of one beacon.
    pub beacon_bytes: usize,
    /// Levels of objects and arrays in a beacon, itself included.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256_000,
            inflated_bytes: 1_048_576,
            beacons: 500,
            beacon_bytes: 256_000,
            depth: 32,
        }
    }
}

/// The top-level fields that a path may name, without the two objects.
pub const FIELDS: [&str; 16] = [
    "name",
    "id",
    "device_id",
    "time",
    "seq",
    "session_id",
    "level",
    "build",
    "user_id",
    "url",
    "title",
    "referrer",
    "screen",
    "viewport",
    "language",
    "consent",
];

/// The most characters of a text field.
pub mod max_chars {
    /// `session_id` and `user_id`.
    pub const ID: usize = 128;
    /// `build`.
    pub const BUILD: usize = 64;
    /// `language`.
    pub const LANGUAGE: usize = 64;
    /// `title`.
    pub const TITLE: usize = 1_024;
    /// `url` and `referrer`: what browsers and proxies take as an address.
    pub const URL: usize = 8_192;
}
