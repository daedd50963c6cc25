//! Why a request of any endpoint was rejected.

use crate::ingest::error::{HttpError, IngestError};
use crate::model::shard_address::ShardAddress;
use crate::model::stream::Stream;
use crate::model::violation::Violation;
use crate::ops::inspector::Unproven;
use crate::ops::inspector::filter::FilterError;
use crate::shard::protocol::quarantine::{InvalidQuarantineId, UnknownStream};

#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("no such address; beacons go to POST /v1/events")]
    NotFound,
    /// The endpoint accepts only these methods.
    #[error("method not taken here; allowed: {0}")]
    MethodNotAllowed(&'static str),
    /// The beacons were not accepted, or the configuration has errors.
    #[error(transparent)]
    Ingest(#[from] IngestError),
    #[error("the inspector needs HEADWATER_INSPECT_TOKEN in Authorization")]
    InspectorUnauthorized,
    /// The inspector's query is not a valid filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The inspector's answer about an epoch would not be certain.
    #[error(transparent)]
    Unproven(Unproven),
    #[error("the inspector does not answer; ask again")]
    InspectorUnavailable,
    #[error(transparent)]
    Row(#[from] InvalidQuarantineId),
    /// `stream` is no name of a stream, or a route or `failed` names it.
    #[error(transparent)]
    Stream(#[from] UnknownStream),
    #[error("shard {0} does not answer; ask again")]
    ShardUnavailable(ShardAddress),
    /// A shard is sending records of this stream, so it cannot quarantine them yet.
    #[error("records of {0} are being sent; ask again")]
    StreamInDelivery(Stream),
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
            Self::InspectorUnavailable | Self::ShardUnavailable(_) | Self::StreamInDelivery(_) => {
                503
            }
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
            Self::InspectorUnavailable => "inspector_unavailable",
            Self::Row(_) => "bad_row",
            Self::Stream(_) => "bad_stream",
            Self::ShardUnavailable(_) => "shard_unavailable",
            Self::StreamInDelivery(_) => "stream_in_delivery",
        }
    }

    fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::Ingest(error) => error.retry_after_s(),
            Self::InspectorUnavailable | Self::ShardUnavailable(_) => Some(1),
            Self::StreamInDelivery(_) => Some(3),
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
