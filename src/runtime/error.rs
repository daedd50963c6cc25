//! Why a request of any endpoint was refused.

use crate::ingest::error::{HttpError, IngestError};
use crate::model::placement::ShardNumber;
use crate::model::violation::Violation;
use crate::ops::inspector::Unproven;
use crate::ops::inspector::filter::FilterError;
use crate::shard::protocol::quarantine::{InvalidQuarantineId, UnknownStream};

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// No endpoint has this path.
    #[error("no such address; beacons go to POST /v1/events")]
    NotFound,
    /// The endpoint takes these methods only.
    #[error("method not taken here; allowed: {0}")]
    MethodNotAllowed(&'static str),
    /// Its beacons were not taken, or the configuration can't be used.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    /// The request does not carry the inspector's token.
    #[error("the inspector needs HEADWATER_INSPECT_TOKEN in Authorization")]
    InspectorUnauthorized,
    /// The query of the inspector is no filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The inspector can't be certain of the epoch that was asked about.
    #[error(transparent)]
    Unproven(Unproven),
    /// The inspector does not answer.
    #[error("the inspector does not answer; ask again")]
    InspectorUnavailable,
    /// No row of the quarantine has this name.
    #[error(transparent)]
    Row(#[from] InvalidQuarantineId),
    /// The records of this stream can't be taken out.
    #[error(transparent)]
    Stream(#[from] UnknownStream),
    /// A shard does not answer.
    #[error("shard {0} does not answer; ask again")]
    ShardUnavailable(ShardNumber),
}

impl HttpError for ApiError {
    fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::Ingest(error) => error.status(),
            Self::InspectorUnauthorized => 401,
            Self::Filter(_) | Self::Row(_) | Self::Stream(_) => 400,
            Self::Unproven(_) => 409,
            Self::InspectorUnavailable | Self::ShardUnavailable(_) => 503,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::Ingest(error) => error.code(),
            Self::InspectorUnauthorized => "inspect_token",
            Self::Filter(_) => "bad_filter",
            Self::Unproven(unproven) => unproven.doubt.as_str(),
            Self::InspectorUnavailable => "inspector_away",
            Self::Row(_) => "bad_row",
            Self::Stream(_) => "bad_stream",
            Self::ShardUnavailable(_) => "shard_away",
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Ingest(error) => error.retry_after_s(),
            Self::InspectorUnavailable | Self::ShardUnavailable(_) => Some(1),
            _ => None,
        }
    }

    fn violation(&self) -> Option<&Violation> {
        match self {
            Self::Ingest(error) => error.violation(),
            _ => None,
        }
    }
}
