//! A run: ids in storage, sorted in rows that never change.
//!
//! Its row in [`Table::SeenRuns`] has the first id of each of its rows in [`Table::Seen`]. It stays in
//! memory, so that a lookup reads one row.

use super::id_filter::IdFilter;
use super::key::DedupKey;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::shard::storage::{Storage, StorageError, Table};

/// The ids of a full row, of 32 kB: a row that is read for one id costs some 10 µs.
pub(super) const ROW_IDS: usize = 2_048;

/// The bytes of an id in storage.
pub(super) const ID_BYTES: usize = 16;

#[derive(Debug)]
pub(super) struct IdRun {
    pub(super) number: u64,
    /// When its last id was inserted.
    pub(super) newest: Milliseconds,
    pub(super) scope: IdScope,
    /// The number of its ids.
    pub(super) len: usize,
    /// The first id of each row.
    firsts: Vec<u128>,
    pub(super) index_row: IndexRow,
}

/// The ids that a run may have.
#[derive(Debug)]
pub(super) enum IdScope {
    /// Those made from `from` until before `to`.
    Made { from: Milliseconds, to: Milliseconds },
    /// Those of its filter. Runs have all ids that are not timed of the journal's rows before
    /// `journal_from`, unless these were removed.
    Filtered { filter: IdFilter, journal_from: u64 },
}

/// Whether its row in [`Table::SeenRuns`] is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IndexRow {
    Current,
    Behind,
}

impl IdScope {
    pub(super) fn may_have(&self, key: &DedupKey) -> bool {
        match self {
            Self::Made { from, to } => (*from..*to).contains(&key.made_at),
            Self::Filtered { filter, .. } => filter.may_have(key.number),
        }
    }
}

impl IdRun {
    /// The version of an index row, its first byte.
    const VERSION: u8 = 1;
    const MADE: u8 = 1;
    const FILTERED: u8 = 2;
    /// The bits of a row's key that number the rows of a run.
    const ROW_BITS: u32 = 12;

    /// Writes the rows of sorted `ids`, all or none. Another run of this number was not finished, and
    /// has `unfinished` rows.
    pub(super) fn write(
        storage: &impl Storage,
        number: u64,
        ids: &[u128],
        newest: Milliseconds,
        scope: IdScope,
        unfinished: usize,
    ) -> Result<Self, StorageError> {
        let values = ids.chunks(ROW_IDS).map(|ids| Some(row(ids)));
        let count = values.len().max(unfinished);
        let values = values.chain(std::iter::repeat(None)).take(count);
        let rows: Vec<_> =
            (0..).zip(values).map(|(index, value)| (row_key(number, index), value)).collect();
        storage.change(Table::Seen, &rows)?;
        let firsts = ids.chunks(ROW_IDS).filter_map(|ids| ids.first().copied()).collect();
        let (len, index_row) = (ids.len(), IndexRow::Behind);
        Ok(Self { number, newest, scope, len, firsts, index_row })
    }

    pub(super) fn write_index(&mut self, storage: &impl Storage) -> Result<(), StorageError> {
        storage.put(Table::SeenRuns, &self.number.to_be_bytes(), &self.encode())?;
        self.index_row = IndexRow::Current;
        Ok(())
    }

    /// Returns the keys of its rows.
    pub(super) fn row_keys(&self) -> impl Iterator<Item = Vec<u8>> {
        (0..).zip(&self.firsts).map(|(index, _)| row_key(self.number, index))
    }

    /// Returns the number of the row that may have an id.
    pub(super) fn row_of(&self, id: u128) -> Option<u64> {
        let after = self.firsts.partition_point(|first| *first <= id);
        let index = u64::try_from(after.checked_sub(1)?).ok()?;
        Some(row_number(self.number, index))
    }

    pub(super) const fn is_within(&self, window_ms: u64, now: Milliseconds) -> bool {
        now.saturating_sub(self.newest) <= window_ms
    }

    /// Returns the number of the first row of run `number`.
    pub(super) const fn first_row(number: u64) -> u64 {
        number << Self::ROW_BITS
    }

    /// Returns the number of the run of the row `number`.
    pub(super) const fn of_row(number: u64) -> u64 {
        number >> Self::ROW_BITS
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.put_u8(Self::VERSION);
        bytes.put_u64(self.newest);
        bytes.put_u32(u32::try_from(self.len).unwrap_or(u32::MAX));
        bytes.put_u32(u32::try_from(self.firsts.len()).unwrap_or(u32::MAX));
        self.firsts.iter().for_each(|first| bytes.put(&first.to_be_bytes()));
        match &self.scope {
            IdScope::Made { from, to } => {
                bytes.put_u8(Self::MADE);
                bytes.put_u64(*from);
                bytes.put_u64(*to);
            }
            IdScope::Filtered { filter, journal_from } => {
                bytes.put_u8(Self::FILTERED);
                bytes.put_u64(*journal_from);
                filter.blocks().iter().for_each(|block| bytes.put_u64(*block));
            }
        }
        bytes
    }

    pub(super) fn decode(number: u64, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a run of ids");
        if reader.u8()? != Self::VERSION {
            return Err(reader.malformed());
        }
        let newest = reader.u64()?;
        let len = usize::try_from(reader.u32()?).map_err(|_| reader.malformed())?;
        let mut firsts = Vec::new();
        for _ in 0..reader.u32()? {
            firsts.push(u128::from_be_bytes(reader.array()?));
        }
        firsts.shrink_to_fit();
        let scope = match reader.u8()? {
            Self::MADE => IdScope::Made { from: reader.u64()?, to: reader.u64()? },
            Self::FILTERED => {
                let journal_from = reader.u64()?;
                let mut blocks = Vec::with_capacity(bytes.len() / 8);
                while !reader.is_at_end() {
                    blocks.push(reader.u64()?);
                }
                IdScope::Filtered { filter: IdFilter::from_blocks(blocks), journal_from }
            }
            _ => return Err(reader.malformed()),
        };
        reader.end()?;
        Ok(Self { number, newest, scope, len, firsts, index_row: IndexRow::Current })
    }
}

/// The version of a row of ids, its first byte.
const ROW_VERSION: u8 = 2;

const fn row_number(run: u64, index: u64) -> u64 {
    IdRun::first_row(run).saturating_add(index)
}

fn row_key(run: u64, index: u64) -> Vec<u8> {
    row_number(run, index).to_be_bytes().to_vec()
}

fn row(ids: &[u128]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ids.len().saturating_mul(ID_BYTES).saturating_add(1));
    bytes.put_u8(ROW_VERSION);
    ids.iter().for_each(|id| bytes.put(&id.to_be_bytes()));
    bytes
}

/// Whether a row has an id. A row that cannot be read has none.
pub(super) fn row_has(row: &[u8], id: u128) -> bool {
    let Some((&ROW_VERSION, ids)) = row.split_first() else { return false };
    ids.as_chunks::<ID_BYTES>().0.binary_search(&id.to_be_bytes()).is_ok()
}
