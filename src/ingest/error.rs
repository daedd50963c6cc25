//! Why a request got no verdicts, and what every such error says of itself in an answer.

use std::fmt;

use crate::config::ConfigError;
use crate::model::replay::ReplayError;
use crate::model::violation::Violation;
use crate::pipeline::decode::ProtocolError;

/// An error that is answered. Its message is its `Display`.
pub trait HttpError: fmt::Display {
    /// The HTTP status.
    fn status(&self) -> u16;

    /// The reason in one word.
    fn code(&self) -> &'static str;

    /// When the client may try again, in seconds, if that can help.
    fn retry_after_s(&self) -> Option<u64>;

    /// The rule that the body broke; its code then stands in the answer in place of [`Self::code`].
    fn violation(&self) -> Option<&Violation> {
        None
    }
}

/// Why the beacons of a request were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    /// The request names no write key of this worker, or none at all.
    #[error("{} of HEADWATER.keys; name one in ?key= or X-Write-Key", which_key(.0))]
    UnknownKey(String),
    /// The site may not send here.
    #[error("origin {0:?} is not one of HEADWATER.origins")]
    OriginNotAllowed(String),
    /// The body can't be cut into beacons.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The request claims to be a replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The connection ended before the body did.
    #[error("body could not be read to its end")]
    TruncatedBody,
    /// The configuration has errors, so that no event can be delivered.
    #[error("{}", sentences(.0))]
    NotConfigured(Vec<ConfigError>),
    /// Some records are neither in their stream nor in a shard's storage; the client must keep them.
    #[error("{stream} did not take every record ({code}); send again")]
    NotDurable {
        /// The stream.
        stream: String,
        /// The problem in one word.
        code: String,
        /// When to try again.
        retry_after_s: u64,
    },
}

fn which_key(key: &str) -> String {
    match key {
        "" => "no write key; the request needs one".to_owned(),
        key => format!("write key {key:?} is not one"),
    }
}

fn sentences(errors: &[ConfigError]) -> String {
    errors.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("; ")
}

impl HttpError for IngestError {
    fn status(&self) -> u16 {
        match self {
            Self::UnknownKey(_) => 401,
            Self::OriginNotAllowed(_) | Self::Replay(ReplayError::NotAllowed) => 403,
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
                | ProtocolError::TooManyBeacons { .. },
            ) => 413,
            Self::NotConfigured(_) | Self::NotDurable { .. } => 503,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::UnknownKey(_) => "unknown_key",
            Self::OriginNotAllowed(_) => "origin_not_allowed",
            Self::Replay(ReplayError::NotAllowed) => "replay_not_allowed",
            Self::Replay(ReplayError::Unreadable) => "replay_unreadable",
            Self::TruncatedBody => "body_cut_short",
            Self::Protocol(ProtocolError::Undecodable(_)) => "undecodable",
            Self::Protocol(ProtocolError::UnsupportedMediaType(_)) => "unsupported_media_type",
            Self::Protocol(ProtocolError::UnsupportedEncoding(_)) => "unsupported_encoding",
            Self::Protocol(ProtocolError::UnsupportedCharset(_)) => "unsupported_charset",
            Self::Protocol(ProtocolError::BodyTooLarge { .. }) => "body_too_large",
            Self::Protocol(ProtocolError::InflatedTooLarge { .. }) => "inflated_too_large",
            Self::Protocol(ProtocolError::TooManyBeacons { .. }) => "too_many_beacons",
            Self::NotConfigured(_) => "not_configured",
            Self::NotDurable { .. } => "not_durable",
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        /// A person has to change the configuration first.
        const CONFIGURATION_S: u64 = 60;
        match self {
            Self::NotDurable { retry_after_s, .. } => Some(*retry_after_s),
            Self::NotConfigured(_) => Some(CONFIGURATION_S),
            Self::UnknownKey(_)
            | Self::OriginNotAllowed(_)
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
