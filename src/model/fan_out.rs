//! Fan-outs: the streams of a route, each of which gets a copy of every event.
//!
//! An event is durable once it is durable for all of them. Each has its own batches, retries and
//! spill, so one that fails takes nothing from the others.

use std::fmt;

use super::stream::Stream;
use super::stream_set::{StreamSet, StreamSetError};

/// 1 to [`FanOut::MAX`] streams or stream sets, no two of which share a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FanOut {
    first: StreamSet,
    others: Vec<StreamSet>,
}

/// The operator's error: streams that make no fan-out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FanOutError {
    #[error(transparent)]
    Set(#[from] StreamSetError),
    #[error("has {0} streams; a list has 1 to {max}", max = FanOut::MAX)]
    Count(usize),
    #[error("has {0} and {1}, which share a stream; each stream gets one copy of an event")]
    Shared(String, String),
}

impl FanOut {
    pub const MAX: usize = 4;

    /// Between streams in a text; none has it in its name.
    pub const SEPARATOR: &str = ", ";

    /// Parses the texts of its streams and stream sets.
    #[inline(never)]
    pub fn of_texts(texts: &mut dyn Iterator<Item = &str>) -> Result<Self, FanOutError> {
        let first = StreamSet::parse(texts.next().ok_or(FanOutError::Count(0))?)?;
        let mut fan_out = Self::from(first);
        while let Some(text) = texts.next() {
            if fan_out.copies() == Self::MAX {
                let more = texts.count().saturating_add(1);
                return Err(FanOutError::Count(Self::MAX.saturating_add(more)));
            }
            let set = StreamSet::parse(text)?;
            if let Some(other) = fan_out.iter().find(|other| other.overlaps(&set)) {
                return Err(FanOutError::Shared(other.to_string(), text.to_owned()));
            }
            fan_out.others.push(set);
        }
        Ok(fan_out)
    }

    /// Parses the text that [`fmt::Display`] writes.
    pub fn parse(text: &str) -> Result<Self, FanOutError> {
        // Nearly all have one stream, and a search for a text costs much more.
        match text.contains(',') {
            false => Ok(StreamSet::parse(text)?.into()),
            true => Self::of_texts(&mut text.split(Self::SEPARATOR)),
        }
    }

    pub const fn first(&self) -> &StreamSet {
        &self.first
    }

    /// Returns its streams and stream sets without the first.
    pub fn others(&self) -> &[StreamSet] {
        &self.others
    }

    pub fn iter(&self) -> impl Iterator<Item = &StreamSet> {
        [&self.first].into_iter().chain(&self.others)
    }

    /// Returns the number of copies of an event.
    pub const fn copies(&self) -> usize {
        self.others.len().saturating_add(1)
    }

    /// Whether `stream` gets a copy of each event.
    pub fn contains(&self, stream: &Stream) -> bool {
        self.iter().any(|set| set.contains(stream))
    }

    /// Returns a subject for a sentence about one of its streams, if it is not known about which.
    pub fn one_of(&self) -> String {
        match self.others.is_empty() {
            true => self.first.to_string(),
            false => format!("one of {self}"),
        }
    }
}

impl From<StreamSet> for FanOut {
    fn from(set: StreamSet) -> Self {
        Self { first: set, others: Vec::new() }
    }
}

impl From<Stream> for FanOut {
    fn from(stream: Stream) -> Self {
        StreamSet::from(stream).into()
    }
}

impl fmt::Display for FanOut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(formatter)?;
        self.others.iter().try_for_each(|set| write!(formatter, "{}{set}", Self::SEPARATOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<String, String> {
        FanOut::parse(text).map(|it| it.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_fan_out_is_written_as_it_is_parsed() {
        for (text, copies) in [
            ("firehose:events", 1),
            ("firehose:e-{0..3}, kinesis:orders", 2),
            ("kinesis:a, kinesis:b, firehose:a, firehose:b", 4),
        ] {
            assert_eq!(parse(text), Ok(text.to_owned()));
            let fan_out = FanOut::parse(text).unwrap();
            assert_eq!((fan_out.copies(), fan_out.iter().count()), (copies, copies));
        }
        let of = |text: &str| FanOut::parse(text).unwrap().one_of();
        assert_eq!(of("firehose:a"), "firehose:a");
        assert_eq!(of("firehose:a, kinesis:b"), "one of firehose:a, kinesis:b");
    }

    #[test]
    fn a_fan_out_has_each_stream_once_and_few_of_them() {
        for (text, why) in [
            ("a, firehose:b", "must be firehose:NAME or kinesis:NAME, not \"a\""),
            (
                "firehose:a, kinesis:b, firehose:a",
                "has firehose:a and firehose:a, which share a stream; each stream gets one copy of an event",
            ),
            (
                "firehose:e-3, firehose:e-{0..3}",
                "has firehose:e-3 and firehose:e-{0..3}, which share a stream; each stream gets one copy of an event",
            ),
            (
                "kinesis:a, kinesis:b, kinesis:c, kinesis:d, kinesis:e",
                "has 5 streams; a list has 1 to 4",
            ),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()));
        }
        assert_eq!(FanOut::of_texts(&mut [].into_iter()), Err(FanOutError::Count(0)));
    }
}
