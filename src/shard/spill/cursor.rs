//! Where in a backlog a try begins, where it is not with the oldest row.
//!
//! It is stored: between two tries of a stream that only the operator can mend an object that
//! nobody asks loses its memory, and would begin with the same row each time.

use super::row::SpillRow;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::stream::Stream;
use crate::shard::storage::{Storage, StorageError, Table};

/// What the key of a place begins with, where that of a row has its shelf.
const VERSION: u8 = 3;

/// Where in a backlog a try begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryCursor {
    /// With the first row of this sequence or a later one.
    pub sequence: u64,
    /// The first sequence that was not there when the round began: what comes as fast as it is
    /// tried would put off its end for ever.
    end: u64,
    /// How many rounds have ended.
    rounds: u32,
}

impl RetryCursor {
    /// The oldest row.
    pub const OLDEST: Self = Self { sequence: 0, end: 0, rounds: 0 };

    /// Behind `row`, where a row that comes now has the sequence `next`.
    pub const fn behind(self, row: &SpillRow, next: u64) -> Self {
        let end = if self.sequence == 0 { next } else { self.end };
        Self { sequence: row.sequence.saturating_add(1), end, ..self }
    }

    /// Whether all that was there when the round began was tried in it.
    pub const fn is_past_the_end(self) -> bool {
        self.sequence > 0 && self.sequence >= self.end
    }

    /// The oldest row again.
    pub const fn next_round(self) -> Self {
        Self { sequence: 0, end: 0, rounds: self.rounds.wrapping_add(1) }
    }

    /// By how much the `records` of a try are turned round: a few that are refused end a try,
    /// so in each round it begins with others.
    pub fn rotation(self, records: usize) -> usize {
        // Multiples of the golden ratio come near every place soon.
        let spread = self.rounds.wrapping_mul(0x9e37_79b1);
        let place = u64::from(spread).saturating_mul(records as u64) >> u32::BITS;
        usize::try_from(place).unwrap_or_default().min(records)
    }

    /// Whether `key` is that of a place.
    pub fn is_key(key: &[u8]) -> bool {
        key.first() == Some(&VERSION)
    }

    /// Reads that of `stream`; the oldest row where none is stored that can be read.
    pub fn load(storage: &dyn Storage, stream: &Stream) -> Result<Self, StorageError> {
        let value = storage.get(Table::Spill, &Self::key(stream))?;
        Ok(value.and_then(|value| Self::read(&value).ok()).unwrap_or(Self::OLDEST))
    }

    /// Stores it as that of `stream`.
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

    /// The key of that of `stream`.
    pub fn key(stream: &Stream) -> Vec<u8> {
        let mut key = Vec::new();
        key.put_u8(VERSION);
        key.put_bytes(stream.to_string().as_bytes());
        key
    }

    fn read(value: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(value, "a place in the spill");
        let place = Self { sequence: reader.u64()?, end: reader.u64()?, rounds: reader.u32()? };
        reader.end().map(|()| place)
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
        let shelf = RowState::Queued;
        SpillRow { shelf, stream: stream(), sequence, spilled_at: 0, records: 1, bytes: 1 }
    }

    #[test]
    fn a_round_ends_though_more_comes_with_each_try() {
        let mut place = RetryCursor::OLDEST;
        for tried in 0..10 {
            assert!(!place.is_past_the_end(), "{tried}");
            place = place.behind(&row(tried), 10 + 5 * tried);
        }
        assert!(place.is_past_the_end());
        let next = place.next_round();
        assert!((next.sequence, next.rounds) == (0, 1) && !next.is_past_the_end());
    }

    #[test]
    fn a_place_outlasts_the_object_and_what_is_no_place_is_the_oldest_row() {
        let storage = Memory::default();
        let load = || RetryCursor::load(&storage, &stream()).unwrap();
        assert_eq!(load(), RetryCursor::OLDEST);
        let place = RetryCursor::OLDEST.next_round().behind(&row(7), 9);
        place.store(&storage, &stream()).unwrap();
        assert_eq!(load(), place);
        storage.put(Table::Spill, &RetryCursor::key(&stream()), &[0; 7]).unwrap();
        assert_eq!(load(), RetryCursor::OLDEST);
        RetryCursor::OLDEST.store(&storage, &stream()).unwrap();
        assert_eq!(storage.count(Table::Spill), 0);
    }
}
