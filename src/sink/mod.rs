//! Where records go: streams, their calls, and what becomes of each record.
//!
//! `record` makes the bytes from an event's `columns`, `batch` groups them into calls, `firehose` speaks the
//! service's protocol, `sigv4` signs, `delivery` decides what is sent, retried or given
//! back, and `health` remembers how a stream has been of late.

pub mod answer;
pub mod batch;
mod columns;
pub mod delivery;
pub mod firehose;
pub mod health;
pub mod record;
pub mod sigv4;

use std::fmt;

/// A named destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Stream {
    /// An Amazon Data Firehose delivery stream, by name.
    Firehose(StreamName),
}

/// 1 to 64 of `[a-zA-Z0-9_.-]`.
/// Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName(String);

/// The operator's: a text that names no stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Not of the form `SERVICE:NAME` with a service that we know.
    #[error("must be firehose:NAME, not {0:?}")]
    Form(String),
    /// A name that the service does not allow.
    #[error("has the stream name {0:?}; a name has 1 to 64 of a-z A-Z 0-9 _ . -")]
    Name(String),
}

impl Stream {
    /// Takes `firehose:NAME`.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let Some(name) = text.strip_prefix("firehose:") else {
            return Err(StreamError::Form(text.to_owned()));
        };
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        if (1..=64).contains(&name.len()) && name.bytes().all(of_name) {
            Ok(Self::Firehose(StreamName(name.to_owned())))
        } else {
            Err(StreamError::Name(name.to_owned()))
        }
    }
}

impl StreamName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Firehose(StreamName(name)) => write!(formatter, "firehose:{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_service_and_a_name() {
        assert_eq!(
            Stream::parse("firehose:events-low").unwrap().to_string(),
            "firehose:events-low"
        );
        for (text, message) in [
            ("events", "must be firehose:NAME, not \"events\""),
            ("s3:events", "must be firehose:NAME, not \"s3:events\""),
            ("firehose:", "has the stream name \"\"; a name has 1 to 64 of a-z A-Z 0-9 _ . -"),
            (
                "firehose:a b",
                "has the stream name \"a b\"; a name has 1 to 64 of a-z A-Z 0-9 _ . -",
            ),
        ] {
            assert_eq!(Stream::parse(text).unwrap_err().to_string(), message);
        }
    }
}
