//! Beacons as they arrived, before any check, and the limits of a request.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::model::event::DeviceId;

/// One item of a request; untrusted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Beacon {
    /// The top-level fields, as sent.
    pub fields: Map<String, Value>,
    /// The repairs that were needed to read it: name and JSON Pointer of each.
    pub reader_repairs: Vec<(&'static str, String)>,
    /// The query parameters of a pixel that are not fields, and so not part of the beacon.
    pub left_out: Map<String, Value>,
}

/// The fields around the beacons of a request, which apply to each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Envelope {
    /// By the client's clock.
    pub sent_at: Option<DateTime<Utc>>,
    /// The device of the beacons that do not name one.
    pub device_id: Option<DeviceId>,
    /// Whether a `device_id` was removed because it was a placeholder, such as `undefined`.
    pub no_device: bool,
}

impl Envelope {
    /// Fills each absent field from `other`.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            sent_at: self.sent_at.or(other.sent_at),
            device_id: self.device_id.or_else(|| other.device_id.clone()),
            no_device: self.no_device,
        }
    }
}

/// What a server states about the visitor whose event it sends.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerFields {
    pub ip: Option<IpAddr>,
    pub user_agent: Option<String>,
    /// An IANA name.
    pub timezone: Option<String>,
    /// Whether the event happened long ago: its time is taken as it is, and it is in no session.
    pub historical: bool,
    /// Whether the server has verified the user.
    pub user_verified: Option<bool>,
}

/// The limits of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body as sent.
    pub max_body_bytes: usize,
    /// Bytes of a body once inflated.
    pub max_inflated_bytes: usize,
    /// Beacons of a request.
    pub max_beacons: usize,
    pub max_beacon_bytes: usize,
    /// Levels of objects and arrays in a beacon, itself included.
    pub max_depth: usize,
    /// Values of a beacon: the members of objects and the items of arrays, at any depth. An object
    /// with members counts as five.
    pub max_beacon_values: usize,
    /// Values of all beacons of a request.
    pub max_request_values: usize,
    /// Bytes of all records of a request.
    pub max_record_bytes: usize,
    /// Bytes of all requests of an isolate that are under way: their bodies, and then their records, each
    /// counted twice.
    pub max_in_flight_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 256_000,
            max_inflated_bytes: 1_048_576,
            max_beacons: 500,
            max_beacon_bytes: 256_000,
            max_depth: 32,
            max_beacon_values: 20_000,
            max_request_values: 50_000,
            max_record_bytes: 4_194_304,
            max_in_flight_bytes: 25_165_824,
        }
    }
}

impl Limits {
    /// The weight that the values of a request of few bytes may have: some ten milliseconds of a worker.
    const FREE_WEIGHT: usize = 25_000;
    /// The same of an object that is a text inside of a beacon, of which a request may have a thousand.
    const FREE_WEIGHT_OF_TEXT: usize = 200;
    /// The bytes that allow one more.
    const BYTES_OF_WEIGHT: usize = 4;

    /// Returns the weight that the values of a request may have whose beacons have so many bytes. An item
    /// of an array that is a number weighs one.
    pub const fn weight_of_request(bytes: usize) -> usize {
        Self::FREE_WEIGHT.saturating_add(bytes / Self::BYTES_OF_WEIGHT)
    }

    /// Returns the weight that the values of an object may have whose text, inside of a beacon, has so
    /// many bytes.
    pub const fn weight_of_text(bytes: usize) -> usize {
        Self::FREE_WEIGHT_OF_TEXT.saturating_add(bytes / Self::BYTES_OF_WEIGHT)
    }

    /// Returns larger limits, for requests in other collectors' protocols and those with a server key:
    /// SDKs send batches of up to 500 kB, and those of servers 1 MB and more.
    #[must_use]
    pub fn larger(&self) -> Self {
        const MAX_BODY_BYTES: usize = 1_048_576;
        const MAX_INFLATED_BYTES: usize = 4_194_304;
        const MAX_BEACONS: usize = 2_000;
        let raised = Self {
            max_body_bytes: self.max_body_bytes.max(MAX_BODY_BYTES),
            max_inflated_bytes: self.max_inflated_bytes.max(MAX_INFLATED_BYTES),
            max_beacons: self.max_beacons.max(MAX_BEACONS),
            ..self.clone()
        };
        let usual = raised.clone().for_inflated_bytes();
        Self {
            max_request_values: raised.max_request_values.max(usual.max_request_values),
            max_record_bytes: raised.max_record_bytes.max(usual.max_record_bytes),
            ..raised
        }
    }

    /// Raises what a request may become with a `max_inflated_bytes` that is larger than usual.
    #[must_use]
    pub fn for_inflated_bytes(self) -> Self {
        let usual = Self::default();
        let times = self.max_inflated_bytes.div_ceil(usual.max_inflated_bytes).max(1);
        Self {
            max_request_values: usual.max_request_values.saturating_mul(times),
            max_record_bytes: usual.max_record_bytes.saturating_mul(times),
            ..self
        }
    }
}

/// The top-level fields that a path may name, except the objects `props` and `metadata`.
pub const FIELDS: [&str; 19] = [
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
    "user_hash",
    "source_name",
    "source_event_id",
];

/// The fields that only a request with a server key may have: the names of [`ServerFields`].
pub const SERVER_FIELDS: [&str; 5] =
    ["ip", "user_agent", "timezone", "historical", "user_verified"];

/// The most characters of each text field.
pub mod max_chars {
    /// `session_id` and `user_id`.
    pub const ID: usize = 128;
    pub const BUILD: usize = 64;
    /// A hash in hexadecimal digits has 64.
    pub const USER_HASH: usize = 128;
    /// `source_name` and `source_event_id`.
    pub const SOURCE: usize = 256;
    pub const LANGUAGE: usize = 64;
    pub const TITLE: usize = 1_024;
    /// `url` and `referrer`: the usual limit of browsers and proxies for a URL.
    pub const URL: usize = 8_192;
}
