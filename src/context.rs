//! What the edge knows about a request besides its body, as plain data.
//!
//! `edge` fills it once per request; everything after that is a function of it.
//! It must never hold a handle of the runtime, and no secret.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The circumstances of one request.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The edge's clock when the request came in, in whole milliseconds.
    pub received_at: DateTime<Utc>,
    /// The address of the client, as the CDN saw it.
    pub ip: Option<IpAddr>,
    /// The `User-Agent` header, as sent.
    pub user_agent: Option<String>,
    /// What a Chromium browser tells of itself besides.
    pub client_hints: ClientHints,
    /// Where the CDN says that the client is.
    pub geo: Geo,
}

/// The user agent client hints of a request: the headers' values, as sent.
///
/// Source: <https://wicg.github.io/ua-client-hints/>
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClientHints {
    /// `Sec-CH-UA`: brands and their major versions.
    pub ua: Option<String>,
    /// `Sec-CH-UA-Mobile`: `?1` or `?0`.
    pub mobile: Option<String>,
    /// `Sec-CH-UA-Platform`: the system's name, quoted.
    pub platform: Option<String>,
    /// `Sec-CH-UA-Full-Version-List`: brands and their full versions.
    pub full_version_list: Option<String>,
    /// `Sec-CH-UA-Platform-Version`: the system's version, quoted.
    pub platform_version: Option<String>,
    /// `Sec-CH-UA-Model`: the device's model, quoted.
    pub model: Option<String>,
}

/// The CDN's facts about a client; each is absent where the CDN does not know it.
///
/// Source: <https://developers.cloudflare.com/workers/runtime-apis/request/#incomingrequestcfproperties>
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geo {
    /// ISO 3166-1 alpha-2 code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// First-level division, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// City, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Two-letter continent code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continent: Option<String>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// IATA code of the data centre that took the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub colo: Option<String>,
    /// Number of the client's autonomous system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Name of the organization that runs that system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_organization: Option<String>,
}
