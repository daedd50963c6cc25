//! What the edge knows about a request besides its body, as plain data.
//!
//! `edge` fills it once per request; everything after that is a function of it.
//! It must never hold a handle of the runtime, and no secret of ours.

use crate::model::consent::BrowserSignals;
use crate::model::consent::PrivacySignal;
use crate::model::geo::{Geo, OffsetChange};
use crate::model::replay::ReplaySource;
use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::model::replay::Replay;

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
    pub signals: BrowserSignals,
    /// Where the CDN says that the client is.
    pub geo: Geo,
    /// How far the clocks of the client's time zone are ahead of UTC on receipt, in minutes.
    pub utc_offset_minutes: Option<i32>,
    /// The changes of that zone in the year before, ascending.
    pub utc_offset_changes: Vec<OffsetChange>,
    /// Set where the operator sends a failed event again: the rest is then of its first request.
    pub replayed: Option<Replay>,
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

impl ReplaySource {
    /// The context of the first request, in which `context` is that of the replay. No visitor
    /// can be told from the next by what is left of an address, so `ip` is not in it.
    pub fn context(self, context: &RequestContext) -> RequestContext {
        RequestContext {
            received_at: self.received_at,
            write_key: context.write_key.clone(),
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
