//! The journal of the ids in memory, which makes them durable until a run has them.
//!
//! Ids are appended to the last row, which each checkpoint writes again until it is complete. A row
//! is deleted once runs have all of its ids.

use super::key::DedupKey;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::shard::storage::{Storage, StorageError, Table, for_each_key};

#[derive(Debug, Default)]
pub(super) struct IdJournal {
    /// In the order of their numbers; the last one may be open.
    pub(super) rows: Vec<IdJournalRow>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct IdJournalRow {
    pub(super) number: u64,
    /// When the latest of its timed ids was made.
    pub(super) latest: Milliseconds,
    /// When its first and its last id were appended.
    oldest: Milliseconds,
    newest: Milliseconds,
    /// Whether `newest` was ahead of the clock when it was set back. Its ids have to be appended again.
    pub(super) is_ahead: bool,
    /// Whether it has ids without a usable time.
    pub(super) has_untimed: bool,
    /// Its entries, until they are stored and the row is complete.
    entries: Vec<u8>,
    is_stored: bool,
}

/// What a row says besides its ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IdJournalHead {
    /// When its first and its last id were appended.
    oldest: Milliseconds,
    pub(super) newest: Milliseconds,
    /// Runs have the timed ids that were made before.
    pub(super) cut: Milliseconds,
    /// The number of the next run then.
    pub(super) next_run: u64,
}

impl IdJournal {
    /// The version of a row, its first byte.
    const VERSION: u8 = 1;
    /// The bytes of entries in a complete row.
    const ROW_BYTES: usize = 65_536;
    /// The most rows that wait for a storage that fails. The ids of others are only in memory.
    const MAX_WAITING: usize = 16;

    /// Returns the journal of the stored rows, which [`Self::replay`] reads.
    pub(super) fn load(storage: &impl Storage) -> Result<Self, StorageError> {
        let mut journal = Self::default();
        for_each_key(storage, Table::SeenJournal, &[], |key| {
            if let Ok(number) = super::number(&key) {
                journal.rows.push(IdJournalRow::new(number, true));
                journal.next = number.saturating_add(1);
            }
            Ok(())
        })?;
        Ok(journal)
    }

    /// Reads a stored row. Of one that cannot be read, the entries before the invalid one count.
    pub(super) fn replay(
        &mut self,
        index: usize,
        storage: &impl Storage,
        mut each: impl FnMut(IdJournalHead, u64, DedupKey),
    ) -> Result<(), StorageError> {
        let is_last = index.saturating_add(1) == self.rows.len();
        let Some(row) = self.rows.get_mut(index) else { return Ok(()) };
        let value = storage.get(Table::SeenJournal, &row.number.to_be_bytes())?.unwrap_or_default();
        let number = row.number;
        let is_whole = read(&value, |head, key| {
            row.note(&key);
            (row.oldest, row.newest) = (head.oldest, head.newest);
            each(head, number, key);
        });
        if is_last && is_whole.is_ok() {
            row.entries = value.get(IdJournalHead::BYTES..).unwrap_or_default().to_vec();
        } else if is_last {
            self.begin_row();
        }
        Ok(())
    }

    /// Appends an id, which is durable after the next flush. The ids of a row are appended within
    /// `span_ms`.
    pub(super) fn append(&mut self, key: &DedupKey, span_ms: u64, now: Milliseconds) {
        let is_complete = |row: &IdJournalRow| {
            row.entries.len() >= Self::ROW_BYTES || now.saturating_sub(row.oldest) > span_ms
        };
        if self.rows.last().is_none_or(is_complete) {
            self.begin_row();
        }
        if let Some(row) = self.rows.last_mut() {
            row.oldest = if row.entries.is_empty() { now } else { row.oldest.min(now) };
            row.newest = row.newest.max(now);
            row.note(key);
            row.entries.put_u64(key.made_at);
            row.entries.put(&key.number.to_be_bytes());
            row.is_stored = false;
        }
    }

    /// Appends no more entries to rows before `number`. All rows may be gone, so that only a run has
    /// this number.
    pub(super) fn skip_to(&mut self, number: u64) {
        self.next = self.next.max(number);
        if self.rows.last().is_some_and(|row| row.number < number) {
            self.begin_row();
        }
    }

    /// Moves times ahead of `now` back.
    pub(super) fn follow_clock(&mut self, now: Milliseconds) {
        for row in &mut self.rows {
            row.is_ahead |= row.newest > now;
            row.newest = row.newest.min(now);
            row.oldest = row.oldest.min(now);
        }
        if self.rows.last().is_some_and(|row| row.is_ahead) {
            self.begin_row();
        }
    }

    /// Whether a row has to be deleted for its time.
    pub(super) fn has_stale_rows(&self, window_ms: u64, now: Milliseconds) -> bool {
        let before = self.rows.split_last().map(|(_, before)| before);
        let is_stale = |row: &IdJournalRow| row.is_ahead || row.is_expired(window_ms, now);
        before.unwrap_or_default().iter().any(is_stale)
    }

    /// Begins a new row, unless the last one is empty. Returns its number.
    pub(super) fn begin_row(&mut self) -> u64 {
        if let Some(last) = self.rows.last().filter(|row| !row.is_stored && row.entries.is_empty())
        {
            return last.number;
        }
        let number = self.next;
        self.next = self.next.saturating_add(1);
        self.rows.push(IdJournalRow::new(number, false));
        let is_waiting = |row: &IdJournalRow| !row.is_stored && !row.entries.is_empty();
        if self.rows.iter().filter(|row| is_waiting(row)).count() > Self::MAX_WAITING
            && let Some(oldest) = self.rows.iter().position(is_waiting)
        {
            self.rows.remove(oldest);
        }
        number
    }

    /// Writes the rows that are not stored.
    pub(super) fn flush(
        &mut self,
        storage: &impl Storage,
        cut: Milliseconds,
        next_run: u64,
    ) -> Result<(), StorageError> {
        let last = self.rows.len().saturating_sub(1);
        for (index, row) in self.rows.iter_mut().enumerate() {
            if !row.is_stored && !row.entries.is_empty() {
                let value = row.encode(cut, next_run);
                storage.put(Table::SeenJournal, &row.number.to_be_bytes(), &value)?;
                row.is_stored = true;
            }
            if row.is_stored && index < last {
                row.entries = Vec::new();
            }
        }
        Ok(())
    }

    pub(super) fn is_behind(&self) -> bool {
        self.rows.iter().any(|row| row.is_ahead || (!row.is_stored && !row.entries.is_empty()))
    }
}

impl IdJournalRow {
    const fn new(number: u64, is_stored: bool) -> Self {
        let (latest, oldest, newest, has_untimed, is_ahead) = (0, 0, 0, false, false);
        let entries = Vec::new();
        Self { number, latest, oldest, newest, is_ahead, has_untimed, entries, is_stored }
    }

    /// Whether all of its ids are out of the window.
    pub(super) fn is_expired(&self, window_ms: u64, now: Milliseconds) -> bool {
        self.is_stored && now.saturating_sub(self.newest) > window_ms
    }

    fn encode(&self, cut: Milliseconds, next_run: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(IdJournalHead::BYTES.saturating_add(self.entries.len()));
        bytes.put_u8(IdJournal::VERSION);
        bytes.put_u64(self.oldest);
        bytes.put_u64(self.newest);
        bytes.put_u64(cut);
        bytes.put_u64(next_run);
        bytes.put(&self.entries);
        bytes
    }

    fn note(&mut self, key: &DedupKey) {
        match key.made_at {
            0 => self.has_untimed = true,
            made_at => self.latest = self.latest.max(made_at),
        }
    }
}

impl IdJournalHead {
    const BYTES: usize = 33;

    fn read(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != IdJournal::VERSION {
            return Err(reader.malformed());
        }
        let (oldest, newest) = (reader.u64()?, reader.u64()?);
        Ok(Self { oldest, newest, cut: reader.u64()?, next_run: reader.u64()? })
    }
}

/// Returns what a row says besides its ids, if it can be read.
pub(super) fn read_head(value: &[u8]) -> Option<IdJournalHead> {
    IdJournalHead::read(&mut ByteReader::new(value, "a row of ids")).ok()
}

/// Calls `each` for the entries of a row, in their order.
pub(super) fn read(
    value: &[u8],
    mut each: impl FnMut(IdJournalHead, DedupKey),
) -> Result<(), DecodeError> {
    let mut reader = ByteReader::new(value, "a row of ids");
    let head = IdJournalHead::read(&mut reader)?;
    while !reader.is_at_end() {
        let made_at = reader.u64()?;
        each(head, DedupKey { made_at, number: u128::from_be_bytes(reader.array()?) });
    }
    Ok(())
}
