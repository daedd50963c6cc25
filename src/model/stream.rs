//! Streams: the destinations of records, each of one AWS service.

use std::fmt;

/// An AWS service that accepts records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Amazon Data Firehose.
    Firehose,
    /// Amazon Kinesis Data Streams.
    Kinesis,
}

impl Service {
    /// Parses a [`Service::name`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Firehose, Self::Kinesis].into_iter().find(|service| service.name() == name)
    }

    /// Returns its name in a stream's name, in a signature's scope and in its host name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Firehose => "firehose",
            Self::Kinesis => "kinesis",
        }
    }

    pub const fn max_name_len(self) -> usize {
        match self {
            Self::Firehose => 64,
            Self::Kinesis => 128,
        }
    }
}

/// A named destination.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Stream {
    pub service: Service,
    pub name: StreamName,
}

/// 1 to [`Service::max_name_len`] of `[a-zA-Z0-9_.-]`, none of which JSON escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamName(pub(super) String);

/// The operator's error: a text that is not the name of a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// Not of the form `SERVICE:NAME` with a known service.
    #[error("must be firehose:NAME or kinesis:NAME, not {0:?}")]
    Form(String),
    /// A name that the service does not allow.
    #[error("has the stream name {name:?}; a name has 1 to {max} of a-z A-Z 0-9 _ . -")]
    Name {
        name: String,
        /// The most characters of a name in its service.
        max: usize,
    },
}

impl Stream {
    /// Parses `firehose:NAME` or `kinesis:NAME`.
    pub fn parse(text: &str) -> Result<Self, StreamError> {
        let (service, name) = text
            .split_once(':')
            .and_then(|(service, name)| Some((Service::parse(service)?, name)))
            .ok_or_else(|| StreamError::Form(text.to_owned()))?;
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        let max = service.max_name_len();
        if (1..=max).contains(&name.len()) && name.bytes().all(of_name) {
            Ok(Self { service, name: StreamName(name.to_owned()) })
        } else {
            Err(StreamError::Name { name: name.to_owned(), max })
        }
    }
}

impl StreamName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.service.name(), self.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_a_service_and_a_name() {
        let (firehose, kinesis) = ("f".repeat(64), "k".repeat(128));
        for text in [
            "firehose:events-low",
            "kinesis:A.b_c-1",
            &format!("firehose:{firehose}"),
            &format!("kinesis:{kinesis}"),
        ] {
            assert_eq!(Stream::parse(text).unwrap().to_string(), text);
        }
        let form = |text: &str| format!("must be firehose:NAME or kinesis:NAME, not {text:?}");
        let name = |name: &str, max| {
            format!("has the stream name {name:?}; a name has 1 to {max} of a-z A-Z 0-9 _ . -")
        };
        for (text, message) in [
            ("events", form("events")),
            ("s3:events", form("s3:events")),
            ("Kinesis:events", form("Kinesis:events")),
            ("firehose:", name("", 64)),
            ("firehose:a b", name("a b", 64)),
            ("kinesis:a:b", name("a:b", 128)),
            (&format!("firehose:{firehose}f"), name(&format!("{firehose}f"), 64)),
            (&format!("kinesis:{kinesis}k"), name(&format!("{kinesis}k"), 128)),
        ] {
            assert_eq!(Stream::parse(text).unwrap_err().to_string(), message);
        }
    }
}
