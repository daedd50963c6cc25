//! The position in a backlog at which an attempt begins, if it is not the oldest row.
//!
//! It is stored, since attempts are rare while only the operator can fix a stream. An idle object
//! loses its memory between them, and would begin with the same row each time.

use super::row::SpillRow;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::stream::Stream;
use crate::shard::storage::{Storage, StorageError, Table};

/// The first byte of the key of a cursor, in place of a row's state.
const VERSION: u8 = 3;

/// The position in a backlog at which an attempt begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryCursor {
    /// The least sequence of its first row.
    pub sequence: u64,
    /// The first sequence that did not exist when the round began. Without it, records that arrive
    /// as fast as they are tried would prolong the round for ever.
    end: u64,
    /// Number of rounds that have ended.
    rounds: u32,
}

impl RetryCursor {
    pub const OLDEST: Self = Self { sequence: 0, end: 0, rounds: 0 };

    /// Returns the position after `row`; the next new row has the sequence `next`.
    pub const fn next_cursor(self, row: &SpillRow, next: u64) -> Self {
        let end = if self.sequence == 0 { next } else { self.end };
        Self { sequence: row.sequence.saturating_add(1), end, ..self }
    }

    /// Whether all rows that existed when the round began were tried in it.
    pub const fn is_past_the_end(self) -> bool {
        self.sequence > 0 && self.sequence >= self.end
    }

    /// Returns the oldest row, in the next round.
    pub const fn next_round(self) -> Self {
        Self { sequence: 0, end: 0, rounds: self.rounds.wrapping_add(1) }
    }

    /// Returns how far the `records` of an attempt are rotated. A few rejected records end an
    /// attempt, so each round begins with others.
    pub fn rotation(self, records: usize) -> usize {
        // Multiples of the golden ratio soon come close to every position.
        let spread = self.rounds.wrapping_mul(0x9e37_79b1);
        let cursor = u64::from(spread).saturating_mul(records as u64) >> u32::BITS;
        usize::try_from(cursor).unwrap_or_default().min(records)
    }

    /// Whether `key` is the key of a cursor.
    pub fn is_key(key: &[u8]) -> bool {
        key.first() == Some(&VERSION)
    }

    /// Loads the cursor of `stream`; the oldest row if none is stored, or it cannot be read.
    pub fn load(storage: &dyn Storage, stream: &Stream) -> Result<Self, StorageError> {
        let value = storage.get(Table::Spill, &Self::key(stream))?;
        Ok(value.and_then(|value| Self::read(&value).ok()).unwrap_or(Self::OLDEST))
    }

    pub fn store(self, storage: &dyn Storage, stream: &Stream) -> Result<(), StorageError> {
        if self == Self::OLDEST {
            return storage.delete(Table::Spill, &Self::key(stream));
        }
        let mut value = Vec::new();
        value.put_u64(self.sequence);
        value.put_u64(self.end);
        value.put_u32(self.rounds);
        storage.put(Table::Spill, &Self::key(stream), &value)
    }

    pub fn key(stream: &Stream) -> Vec<u8> {
        let mut key = Vec::new();
        key.put_u8(VERSION);
        key.put_bytes(stream.to_string().as_bytes());
        key
    }

    fn read(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(value, "a place in the spill");
        let cursor = Self { sequence: reader.u64()?, end: reader.u64()?, rounds: reader.u32()? };
        reader.end().map(|()| cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::super::row::RowState;
    use super::*;
    use crate::shard::storage::tests::Memory;

    fn stream() -> Stream {
        Stream::parse("kinesis:orders").unwrap()
    }

    fn row(sequence: u64) -> SpillRow {
        SpillRow::new(RowState::Queued, stream(), sequence, 0)
    }

    #[test]
    fn a_round_ends_though_more_comes_with_each_try() {
        let mut cursor = RetryCursor::OLDEST;
        for tried in 0..10 {
            assert!(!cursor.is_past_the_end(), "{tried}");
            cursor = cursor.next_cursor(&row(tried), 10 + 5 * tried);
        }
        assert!(cursor.is_past_the_end());
        let next = cursor.next_round();
        assert!((next.sequence, next.rounds) == (0, 1) && !next.is_past_the_end());
    }

    #[test]
    fn a_cursor_outlives_the_object_and_defaults_to_the_oldest_row() {
        let storage = Memory::default();
        let load = || RetryCursor::load(&storage, &stream()).unwrap();
        assert_eq!(load(), RetryCursor::OLDEST);
        let cursor = RetryCursor::OLDEST.next_round().next_cursor(&row(7), 9);
        cursor.store(&storage, &stream()).unwrap();
        assert_eq!(load(), cursor);
        storage.put(Table::Spill, &RetryCursor::key(&stream()), &[0; 7]).unwrap();
        assert_eq!(load(), RetryCursor::OLDEST);
        RetryCursor::OLDEST.store(&storage, &stream()).unwrap();
        assert_eq!(storage.count(Table::Spill), 0);
    }
}
