//! What the edge knows about a request besides its body, as plain data.
//!
//! `edge` fills it once per request; everything after that is a function of it.
//! It must never hold a handle of the runtime, and no secret of ours.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::replay::Replayed;

/// The circumstances of one request.
#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// The edge's clock when the request came in, in whole milliseconds.
    pub received_at: DateTime<Utc>,
    /// The write key that the request names, in its query or in `X-Write-Key`.
    pub write_key: Option<String>,
    /// The `Origin` header.
    pub origin: Option<String>,
    /// The address of the client, as the CDN saw it.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, as sent.
    pub user_agent: Option<String>,
    /// The `Sec-CH-UA` headers, as sent.
    pub client_hints: ClientHints,
    /// The `Accept-Language` header, as sent.
    pub accept_language: Option<String>,
    /// What the browser asks for on its user's behalf.
    pub signals: Signals,
    /// Where the CDN says that the client is.
    pub geo: Geo,
    /// How far the clocks of the client's time zone are ahead of UTC on receipt, in minutes.
    pub utc_offset_minutes: Option<i32>,
    /// The changes of that zone in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
    /// Set where the operator sends a failed event again: the rest is then of its first request.
    pub replayed: Option<Replayed>,
}

/// A change of a time zone's clocks, from `[milliseconds, minutes]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(i64, i32)")]
pub struct OffsetChange {
    /// When the clocks were changed.
    pub at: DateTime<Utc>,
    /// How far they were ahead of UTC before, in minutes.
    pub minutes_before: i32,
}

impl From<(i64, i32)> for OffsetChange {
    fn from((milliseconds, minutes_before): (i64, i32)) -> Self {
        let at = DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::<Utc>::MIN_UTC);
        Self { at, minutes_before }
    }
}

/// What Chromium tells of itself beside the user agent, each header as sent.
///
/// Source: <https://wicg.github.io/ua-client-hints/>
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ClientHints {
    /// `Sec-CH-UA`.
    pub ua: Option<String>,
    /// `Sec-CH-UA-Mobile`.
    pub mobile: Option<String>,
    /// `Sec-CH-UA-Platform`.
    pub platform: Option<String>,
    /// `Sec-CH-UA-Full-Version-List`.
    pub full_version_list: Option<String>,
    /// `Sec-CH-UA-Platform-Version`.
    pub platform_version: Option<String>,
    /// `Sec-CH-UA-Model`.
    pub model: Option<String>,
}

/// What a browser asks for on its user's behalf.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signals {
    /// `Sec-GPC: 1`. Source: <https://www.w3.org/TR/gpc/>
    pub gpc: bool,
    /// `DNT: 1`. Source: <https://www.w3.org/TR/tracking-dnt/>
    pub dnt: bool,
}

/// The CDN's facts about a client; each is absent where the CDN does not know it.
///
/// Source: <https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties>
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Geo {
    /// ISO 3166-1 alpha-2 code.
    pub country: Option<String>,
    /// First-level division, by name.
    pub region: Option<String>,
    /// City, by name.
    pub city: Option<String>,
    /// Two-letter continent code.
    pub continent: Option<String>,
    /// IANA time zone.
    pub timezone: Option<String>,
    /// IATA code of the data centre that took the request.
    pub colo: Option<String>,
    /// Number of the client's autonomous system.
    pub asn: Option<u32>,
    /// Name of the organization that runs that system.
    pub as_organization: Option<String>,
}
