//! The facts about a request besides its body, as plain data.
//!
//! `runtime` fills them once per request; everything after that is a function of them. They must
//! never hold a handle of the runtime or a secret of ours.

use std::net::IpAddr;

use chrono::{DateTime, Utc};

use crate::model::consent::{BrowserSignals, PrivacySignal};
use crate::model::geo::{Geo, OffsetChange, ZoneOffsets};
use crate::model::replay::{Replay, ReplaySource};

#[derive(Debug, Clone, Default)]
pub struct RequestContext {
    /// When the request arrived, by the worker's clock, in whole milliseconds.
    pub received_at: DateTime<Utc>,
    /// The write key from the query or from `X-Write-Key`.
    pub write_key: Option<String>,
    /// The other keys that it names, in `Authorization` and, in another collector's protocol, in its
    /// query and body.
    pub other_keys: Vec<String>,
    /// `X-Headwater-Signature`, as sent.
    pub signature: Option<String>,
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
    pub signals: BrowserSignals,
    /// The place of the client, from the CDN.
    pub geo: Geo,
    /// Minutes that the client's time zone is ahead of UTC on receipt.
    pub utc_offset_minutes: Option<i32>,
    /// The changes of that zone's offset in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
    /// Returns the offsets of a time zone, which the runtime knows.
    pub zone_offsets: Option<fn(&str) -> ZoneOffsets>,
    /// Set if the operator replays a failed event. The other fields are then those of its first
    /// request.
    pub replayed: Option<Replay>,
}

/// Chromium's client hints, each header as sent.
///
/// Source: <https://wicg.github.io/ua-client-hints/>
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
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

impl RequestContext {
    /// Returns the keys that the request names, that of its header or query first.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.write_key.iter().chain(&self.other_keys).map(String::as_str)
    }

    /// Returns the context without the facts of the client, which is a server and no visitor.
    #[must_use]
    pub fn without_client(&self) -> Self {
        Self {
            received_at: self.received_at,
            write_key: self.write_key.clone(),
            zone_offsets: self.zone_offsets,
            ..Self::default()
        }
    }
}

impl ReplaySource {
    /// Returns the context of the first request; `context` is that of the replay. `ip` stays empty:
    /// the kept address may be truncated, and would then mix up visitors.
    pub fn context(self, context: &RequestContext) -> RequestContext {
        RequestContext {
            received_at: self.received_at,
            write_key: context.write_key.clone(),
            zone_offsets: context.zone_offsets,
            user_agent: self.user_agent.clone(),
            signals: BrowserSignals {
                gpc: self.stripped == Some(PrivacySignal::Gpc),
                dnt: self.stripped == Some(PrivacySignal::Dnt),
            },
            geo: self.geo.clone(),
            utc_offset_minutes: self.utc_offset_minutes,
            utc_offset_changes: self.utc_offset_changes.clone(),
            replayed: Some(Replay { at: context.received_at, of: self }),
            ..RequestContext::default()
        }
    }
}
