//! Why a request gets no verdicts, and how such an error is answered.

use std::fmt;

use crate::config::ConfigError;
use crate::model::replay::ReplayError;
use crate::model::violation::Violation;
use crate::pipeline::decode::ProtocolError;

/// An error that can be an answer. Its message is its `Display`.
pub trait HttpError: fmt::Display {
    fn status(&self) -> u16;

    fn code(&self) -> &'static str;

    /// When the client may retry, in seconds, if a retry can help.
    fn retry_after_s(&self) -> Option<u64>;

    /// The rule that the body broke. Its code then replaces [`Self::code`] in the answer.
    fn violation(&self) -> Option<&Violation> {
        None
    }
}

/// Why the beacons of a request were not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The request names no write key, or one that the worker does not have.
    #[error("{}; name one in ?key= or X-Write-Key", which_key(.0))]
    UnknownKey(String),
    /// The key-value store does not answer, so that the tenant is not known.
    #[error("the tenants can't be read now; send again")]
    TenantsUnavailable,
    /// The signature of a server is wrong.
    #[error("X-Headwater-Signature {0}")]
    BadSignature(&'static str),
    #[error("origin {0:?} is not one of HEADWATER.origins")]
    OriginNotAllowed(String),
    /// The platform's rate limiter has counted too many requests of the client's address.
    #[error("too many requests come from this address; send again")]
    RateLimited,
    /// All events of the request are over the quota of their tenant. It is the answer of protocols
    /// that have no verdicts.
    #[error("the tenant has used up its events of the day; do not send again")]
    OverQuota,
    /// The body can't be split into beacons.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The request claims to be a replay, but is not a valid one.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error("body could not be read to its end")]
    TruncatedBody,
    /// Other requests of this isolate take the memory that this one needs.
    #[error("too many bytes are under way; send again")]
    Overloaded,
    /// The configuration has errors, so no event can be delivered.
    #[error("{}", sentences(.0))]
    NotConfigured(Vec<ConfigError>),
    /// Some records are neither in their stream nor in a shard's storage; the client must keep
    /// them.
    #[error("{stream} did not take every record ({code}); send again")]
    NotDurable {
        stream: String,
        code: String,
        /// In seconds.
        retry_after_s: u64,
    },
}

/// Where write keys are.
const KEYS: &str = "HEADWATER.keys or TENANTS";

fn which_key(key: &str) -> String {
    match key {
        "" => format!("no write key; the request needs one of {KEYS}"),
        key => format!("write key {key:?} is not one of {KEYS}"),
    }
}

pub fn sentences(errors: &[ConfigError]) -> String {
    errors.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("; ")
}

impl HttpError for IngestError {
    fn status(&self) -> u16 {
        match self {
            Self::UnknownKey(_) | Self::BadSignature(_) => 401,
            Self::OriginNotAllowed(_) | Self::OverQuota | Self::Replay(ReplayError::NotAllowed) => {
                403
            }
            Self::Replay(ReplayError::Unreadable)
            | Self::TruncatedBody
            | Self::Protocol(ProtocolError::Undecodable(_)) => 400,
            Self::Protocol(
                ProtocolError::UnsupportedMediaType(_)
                | ProtocolError::UnsupportedEncoding(_)
                | ProtocolError::UnsupportedCharset(_),
            ) => 415,
            Self::Protocol(
                ProtocolError::BodyTooLarge { .. }
                | ProtocolError::InflatedTooLarge { .. }
                | ProtocolError::TooManyBeacons { .. }
                | ProtocolError::RecordsTooLarge { .. },
            ) => 413,
            Self::RateLimited => 429,
            Self::TenantsUnavailable
            | Self::Overloaded
            | Self::NotConfigured(_)
            | Self::NotDurable { .. } => 503,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::TenantsUnavailable => "tenants_unavailable",
            Self::BadSignature(_) => "bad_signature",
            Self::OriginNotAllowed(_) => "origin_not_allowed",
            Self::Replay(ReplayError::NotAllowed) => "operator_key_required",
            Self::Replay(ReplayError::Unreadable) => "replay_unreadable",
            Self::RateLimited => "rate_limited",
            Self::OverQuota => "over_quota",
            Self::TruncatedBody => "body_cut_short",
            Self::Protocol(ProtocolError::Undecodable(_)) => "undecodable",
            Self::Protocol(ProtocolError::UnsupportedMediaType(_)) => "unsupported_media_type",
            Self::Protocol(ProtocolError::UnsupportedEncoding(_)) => "unsupported_encoding",
            Self::Protocol(ProtocolError::UnsupportedCharset(_)) => "unsupported_charset",
            Self::Protocol(ProtocolError::BodyTooLarge { .. }) => "body_too_large",
            Self::Protocol(ProtocolError::InflatedTooLarge { .. }) => "inflated_too_large",
            Self::Protocol(ProtocolError::TooManyBeacons { .. }) => "too_many_beacons",
            Self::Protocol(ProtocolError::RecordsTooLarge { .. }) => "records_too_large",
            Self::Overloaded => "overloaded",
            Self::NotConfigured(_) => "not_configured",
            Self::NotDurable { .. } => "not_durable",
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        /// A person has to fix the configuration first.
        const CONFIGURATION_S: u64 = 60;
        /// The longest period of a rate limiter.
        /// Source: <https://developers.cloudflare.com/workers/runtime-apis/bindings/rate-limit/>
        const RATE_LIMIT_S: u64 = 60;
        /// A delivery takes less, unless AWS is slow.
        const OVERLOADED_S: u64 = 5;
        /// The store is asked again after two seconds.
        const TENANTS_S: u64 = 5;
        match self {
            Self::Overloaded => Some(OVERLOADED_S),
            Self::TenantsUnavailable => Some(TENANTS_S),
            Self::NotDurable { retry_after_s, .. } => Some(*retry_after_s),
            Self::NotConfigured(_) => Some(CONFIGURATION_S),
            Self::RateLimited => Some(RATE_LIMIT_S),
            Self::UnknownKey(_)
            | Self::BadSignature(_)
            | Self::OriginNotAllowed(_)
            | Self::OverQuota
            | Self::Replay(_)
            | Self::Protocol(_)
            | Self::TruncatedBody => None,
        }
    }

    fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Protocol(ProtocolError::Undecodable(violation)) => Some(violation),
            _ => None,
        }
    }
}
