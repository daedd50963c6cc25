//! The rows of the spill: some records of one stream each, described by their keys.
//!
//! A key begins with the version of its row, so a row of an unknown version is never read as
//! another. Then follow the stream and the sequence. So the rows of a stream are together, oldest
//! first, whatever the length of other backlogs.

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::record::Record;
use crate::model::record::codec::{put_record, read_record, record_len};
use crate::model::stream::Stream;

/// The most records of a row.
pub const MAX_RECORDS: usize = 500;

/// The most bytes of a row with more than one record. A single record of any length is far below
/// the limit of a row.
const MAX_BYTES: usize = 1_048_576;

/// The state of a row. Its number comes first in the key, and is the row's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowState {
    /// Retried until its stream accepts it.
    Queued,
    /// Kept until an operator exports it.
    Quarantined,
}

impl RowState {
    /// Returns the first byte of its keys.
    pub const fn version(self) -> u8 {
        match self {
            Self::Queued => 1,
            Self::Quarantined => 2,
        }
    }
}

/// The properties of a row that its key has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpillRow {
    pub state: RowState,
    pub stream: Stream,
    /// Its position in the order of all rows.
    pub sequence: u64,
    /// When its records were spilled.
    pub spilled_at: Milliseconds,
    pub records: u32,
    /// The bytes of its value.
    pub bytes: u32,
}

impl SpillRow {
    /// Returns the prefix of the keys of the rows of `stream` in the state `state`.
    pub fn prefix(state: RowState, stream: &Stream) -> Vec<u8> {
        let mut key = Vec::new();
        key.put_u8(state.version());
        key.put_bytes(stream.to_string().as_bytes());
        key
    }

    /// Returns a key before those of the rows of `stream` in the state `state` from `sequence` on,
    /// and after those of earlier rows.
    pub fn cursor(state: RowState, stream: &Stream, sequence: u64) -> Vec<u8> {
        let mut key = Self::prefix(state, stream);
        key.put_u64(sequence);
        key
    }

    pub fn key(&self) -> Vec<u8> {
        let mut key = Self::cursor(self.state, &self.stream, self.sequence);
        key.put_u64(self.spilled_at);
        key.put_u32(self.records);
        key.put_u32(self.bytes);
        key
    }

    pub fn read(key: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(key, "the key of a row of the spill");
        let version = reader.u8()?;
        let mut shelves = [RowState::Queued, RowState::Quarantined].into_iter();
        let state = shelves.find(|state| state.version() == version);
        let row = Self {
            state: state.ok_or(reader.malformed())?,
            stream: Stream::parse(reader.text()?).map_err(|_| reader.malformed())?,
            sequence: reader.u64()?,
            spilled_at: reader.u64()?,
            records: reader.u32()?,
            bytes: reader.u32()?,
        };
        reader.end().map(|()| row)
    }

    /// Reads the records in its `value`.
    pub fn records(&self, value: &[u8]) -> Result<Vec<Record>, DecodeError> {
        let mut reader = ByteReader::new(value, "a row of the spill");
        let mut records = Vec::new();
        while !reader.is_at_end() {
            records.push(read_record(&mut reader, 0)?);
        }
        if count(records.len()) == self.records { Ok(records) } else { Err(reader.malformed()) }
    }
}

/// Returns the value of a row with `records`.
pub fn value(records: &[&Record]) -> Vec<u8> {
    let mut value = Vec::with_capacity(records.iter().map(|record| record_len(record)).sum());
    records.iter().for_each(|record| put_record(&mut value, record));
    value
}

/// Splits `records` into those of one row each, in their order.
pub fn cut<'a, 'r>(mut records: &'a [&'r Record]) -> impl Iterator<Item = &'a [&'r Record]> {
    std::iter::from_fn(move || {
        let mut bytes = 0_usize;
        let mut fits = |record: &Record| {
            bytes = bytes.saturating_add(record_len(record));
            bytes <= MAX_BYTES
        };
        let fitting = records.iter().take(MAX_RECORDS).take_while(|record| fits(record)).count();
        let (row, rest) = records.split_at_checked(fitting.max(1))?;
        records = rest;
        Some(row)
    })
}

/// Converts a number of records or bytes of one row, which is far below the limit of four bytes.
pub fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
