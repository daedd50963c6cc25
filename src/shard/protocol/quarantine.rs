//! The messages with which an operator exports the quarantine, row by row.

use std::fmt;

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::shard_address::ShardAddress;
use crate::model::stream::{Stream, StreamError};

/// The id of a quarantined row among all shards, as a text for URLs and file names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuarantineId {
    pub shard: ShardAddress,
    /// Its key in that shard; an empty key comes before all of the shard's rows.
    pub key: Vec<u8>,
}

/// The operator's fault: a text that is no row id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{parameter}={value} names no row; send a value of X-Headwater-Quarantine-Id")]
pub struct InvalidQuarantineId {
    pub parameter: &'static str,
    pub value: String,
}

/// The operator's fault: a stream whose records cannot be exported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownStream {
    #[error(
        "stream is missing; name the stream whose records are taken out: ?stream=firehose:NAME"
    )]
    Missing,
    #[error("stream={value} {error}")]
    Form {
        /// The value of the parameter.
        value: String,
        error: StreamError,
    },
    /// The configuration names it.
    #[error(
        "stream={0} is one of routes or failed_stream, so its records are delivered; only records of another stream can be quarantined"
    )]
    InUse(Stream),
}

/// Parses the parameter `stream` of a query, if it has one.
pub fn stream_of_query(query: &str) -> Result<Option<Stream>, UnknownStream> {
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    let Some((_, value)) = pairs.find(|(name, _)| name == "stream") else { return Ok(None) };
    let form = |error| UnknownStream::Form { value: value.clone().into_owned(), error };
    Stream::parse(&value).map(Some).map_err(form)
}

impl QuarantineId {
    /// Parses the row id in `parameter` of a query, if it has one.
    pub fn of_query(
        query: &str,
        parameter: &'static str,
    ) -> Result<Option<Self>, InvalidQuarantineId> {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        let Some((_, value)) = pairs.find(|(name, _)| name == parameter) else { return Ok(None) };
        let name = Self::parse(&value);
        name.map(Some).ok_or_else(|| InvalidQuarantineId { parameter, value: value.into_owned() })
    }

    fn parse(text: &str) -> Option<Self> {
        let (shard, key) = text.split_once('.')?;
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|it| u8::try_from(it).ok());
        let byte = |pair: &[u8]| match *pair {
            [high, low] => Some(digit(high)? << 4 | digit(low)?),
            _ => None,
        };
        let key = key.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?;
        Some(Self { shard: ShardAddress::parse(shard)?, key })
    }
}

impl fmt::Display for QuarantineId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.", self.shard)?;
        self.key.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

/// A quarantined row of one shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineRow {
    pub key: Vec<u8>,
    /// Its records, one line of JSON each, in the format of Firehose's error output.
    pub lines: Vec<u8>,
}

impl QuarantineRow {
    /// Encodes a row, or its absence as no bytes.
    pub fn encode(row: Option<Self>) -> Vec<u8> {
        let Some(Self { key, lines }) = row else { return Vec::new() };
        let mut bytes = Vec::new();
        bytes.put_bytes(&key);
        bytes.put_bytes(&lines);
        bytes
    }

    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a quarantined row");
        if reader.is_at_end() {
            return Ok(None);
        }
        let row = Self { key: reader.bytes()?.to_vec(), lines: reader.bytes()?.to_vec() };
        reader.end().map(|()| Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::shard_address::Jurisdiction;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let name = QuarantineId { shard: 3.into(), key: vec![2, 0, 255, 62] };
        let query = format!("a=b&after={name}");
        assert_eq!(query, "a=b&after=3.0200ff3e");
        assert_eq!(QuarantineId::of_query(&query, "after"), Ok(Some(name)));
        assert_eq!(QuarantineId::of_query(&query, "row"), Ok(None));
        let shard = ShardAddress { number: 3, jurisdiction: Jurisdiction::FedrampHigh };
        let name = QuarantineId { shard, key: vec![2, 0] };
        assert_eq!(name.to_string(), "fedramp-high-3.0200");
        assert_eq!(QuarantineId::of_query(&format!("row={name}"), "row"), Ok(Some(name)));
        assert_eq!(QuarantineId::of_query("row=0.", "row"), Ok(Some(QuarantineId::default())));
        for value in
            ["", "3", "3.0*", "-1.00", "x.00", "99999999999.00", "mars-3.00", "3.002", "3.ä"]
        {
            let refused = InvalidQuarantineId { parameter: "row", value: value.to_owned() };
            assert_eq!(QuarantineId::of_query(&format!("row={value}"), "row"), Err(refused));
        }
    }

    #[test]
    fn a_stream_in_a_query_is_one_or_says_why_not() {
        let old = Stream::parse("firehose:old").unwrap();
        assert_eq!(stream_of_query("after=0.&stream=firehose%3Aold"), Ok(Some(old)));
        assert_eq!(stream_of_query("after=0."), Ok(None));
        for (value, why) in [
            ("", "stream= must be firehose:NAME or kinesis:NAME, not \"\""),
            ("old", "stream=old must be firehose:NAME or kinesis:NAME, not \"old\""),
        ] {
            assert_eq!(stream_of_query(&format!("stream={value}")).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn a_row_or_none_comes_through() {
        let row = QuarantineRow { key: vec![2, 7], lines: b"{}\n{}\n".to_vec() };
        for row in [Some(row), None] {
            assert_eq!(QuarantineRow::decode(&QuarantineRow::encode(row.clone())), Ok(row));
        }
        assert_eq!(QuarantineRow::decode(&[0, 0, 0, 9, 1]), Err(DecodeError("a quarantined row")));
    }
}
