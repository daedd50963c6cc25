//! One error of each kind that a dialect answers in its own way.

use crate::ingest::error::IngestError;
use crate::model::violation::{Code, Violation};
use crate::pipeline::decode::ProtocolError;

pub fn not_durable() -> IngestError {
    IngestError::NotDurable {
        stream: "firehose:events".to_owned(),
        code: "throttled".to_owned(),
        retry_after_s: 7,
    }
}

pub fn unreadable() -> IngestError {
    ProtocolError::from(Violation::whole(Code::BadJson, "body is not JSON")).into()
}

pub fn too_large() -> IngestError {
    ProtocolError::BodyTooLarge { limit: 1 }.into()
}

pub fn unsupported() -> IngestError {
    ProtocolError::UnsupportedEncoding("br".to_owned()).into()
}

pub fn unknown_key() -> IngestError {
    IngestError::UnknownKey("pk_none".to_owned())
}

pub fn over_quota() -> IngestError {
    IngestError::RateLimited
}
