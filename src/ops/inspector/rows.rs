//! The rows that the [`EntryBuffer`] is stored in. They outlast its object, which is evicted after
//! ten seconds without a request.
//!
//! A report is stored as one row, or as one row of its ok and one of its failed entries. Long ones
//! take more. The last row also contains the counts since the epoch began. A row is deleted once
//! the buffer has none of its entries and its minute is over. So the stored bytes are at most about
//! twice those of the buffer, and a request writes one row and deletes one. If any row can't be
//! read, all are deleted and another epoch begins: an incomplete buffer must not look complete.

use std::collections::VecDeque;

use serde::Serialize;
use serde_json::value::RawValue;

use super::buffer::{BufferSnapshot, EntryBuffer, MAX_BYTES, SECONDS, StoredEntry};
use super::{InspectorReport, OutcomeCount};
use crate::base::clock::Milliseconds;
use crate::base::json::from_json::{from_json, read};
use crate::shard::storage::{Storage, StorageError, Table};

/// A row ends once its entries have this many bytes. An entry is smaller than the remaining
/// capacity of a row.
const ROW_BYTES: usize = 524_288;

/// The most rows of each kind that are kept only because their minute is not over.
const MAX_ROWS: usize = 1_000;

/// The most keys that are read at once.
const PAGE: usize = 256;

/// The format of a row. A row with another one was written by another version.
const VERSION: u8 = 1;

/// The buffer, and the rows that it is stored in.
#[derive(Debug)]
pub struct InspectorRows {
    buffer: EntryBuffer,
    ok: Chain,
    failed: Chain,
    /// The number of the next row.
    next: u64,
}

/// The rows of one kind, the oldest first.
#[derive(Debug, Default)]
struct Chain {
    rows: VecDeque<Stored>,
    bytes: usize,
}

#[derive(Debug)]
struct Stored {
    number: u64,
    bytes: usize,
    at: Milliseconds,
    /// The number of its last entry.
    last: u64,
}

/// A row as it is read.
struct InspectorRow {
    version: u8,
    at: Milliseconds,
    counts: Vec<OutcomeCount>,
    entries: Vec<Box<RawValue>>,
    state: Option<BufferSnapshot>,
}

from_json!(InspectorRow { version, at, counts, entries, state });

/// A row as it is written.
#[derive(Serialize)]
struct Written<'a> {
    version: u8,
    at: Milliseconds,
    counts: &'a [OutcomeCount],
    entries: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a BufferSnapshot>,
}

impl Chain {
    fn push(&mut self, stored: Stored) {
        self.bytes = self.bytes.saturating_add(stored.bytes);
        self.rows.push_back(stored);
    }

    /// Removes the oldest row, if the buffer has none of its entries and nothing else needs it.
    fn pop_expired(
        &mut self,
        oldest: Option<u64>,
        newest_row: u64,
        now: Milliseconds,
    ) -> Option<u64> {
        let is_long = self.rows.len() > MAX_ROWS || self.bytes > MAX_BYTES.saturating_mul(2);
        let gone = self.rows.pop_front_if(|row| {
            let is_kept = oldest.is_some_and(|oldest| row.last >= oldest);
            let is_recent = now.saturating_sub(row.at) <= SECONDS.saturating_mul(1_000);
            row.number != newest_row && !is_kept && (!is_recent || is_long)
        })?;
        self.bytes = self.bytes.saturating_sub(gone.bytes);
        Some(gone.number)
    }
}

impl InspectorRows {
    /// Loads the stored buffer. If there is none, or some of it can't be read, the epoch `epoch`
    /// begins.
    pub fn load(
        storage: &impl Storage,
        epoch: String,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        match Self::read(storage)? {
            Some(rows) => Ok(rows),
            None => Self::begin(storage, epoch, now),
        }
    }

    /// Deletes everything, and begins the epoch `epoch`.
    pub fn begin(
        storage: &impl Storage,
        epoch: String,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        loop {
            let keys = storage.keys(Table::Entries, &[], PAGE)?;
            if keys.is_empty() {
                break;
            }
            keys.iter().try_for_each(|key| storage.delete(Table::Entries, key))?;
        }
        let (ok, failed) = Default::default();
        let mut rows = Self { buffer: EntryBuffer::new(epoch, now), ok, failed, next: 1 };
        rows.write(storage, &[], &[], true, now)?;
        Ok(rows)
    }

    pub const fn buffer(&self) -> &EntryBuffer {
        &self.buffer
    }

    /// Applies and stores a report that arrives at `now`. After an error, this value no longer
    /// matches the storage.
    pub fn take(
        &mut self,
        storage: &impl Storage,
        report: InspectorReport,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let InspectorReport { mut counts, entries, not_kept } = report;
        self.buffer.count(&counts, not_kept, now);
        let entries = self.buffer.number(entries);
        let (ok, failed): (Vec<StoredEntry>, Vec<StoredEntry>) =
            entries.into_iter().partition(StoredEntry::is_good);
        let mut parts: Vec<&[StoredEntry]> = parts(&failed).chain(parts(&ok)).collect();
        // Beacons without entries are counted too.
        if parts.is_empty() {
            parts.push(&[]);
        }
        let last = parts.len().saturating_sub(1);
        for (index, part) in parts.into_iter().enumerate() {
            self.write(storage, &counts, part, index == last, now)?;
            // Counted only once.
            counts.clear();
        }
        failed.into_iter().chain(ok).for_each(|entry| self.buffer.keep(entry));
        self.delete_expired(storage, now)
    }

    fn write(
        &mut self,
        storage: &impl Storage,
        counts: &[OutcomeCount],
        entries: &[StoredEntry],
        is_last: bool,
        at: Milliseconds,
    ) -> Result<(), StorageError> {
        let state = is_last.then_some(&self.buffer.state);
        let last = entries.last().map_or(self.buffer.state.last, StoredEntry::seq);
        let is_good = entries.first().is_none_or(StoredEntry::is_good);
        let entries = entries.iter().map(StoredEntry::json).collect();
        let row = Written { version: VERSION, at, counts, entries, state };
        let json = serde_json::to_vec(&row).map_err(|error| StorageError(error.to_string()))?;
        storage.put(Table::Entries, &self.next.to_be_bytes(), &json)?;
        let chain = if is_good { &mut self.ok } else { &mut self.failed };
        chain.push(Stored { number: self.next, bytes: json.len(), at, last });
        self.next = self.next.saturating_add(1);
        Ok(())
    }

    /// Deletes the rows that are no longer needed.
    fn delete_expired(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let newest = self.next.saturating_sub(1);
        for (chain, is_good) in [(&mut self.ok, true), (&mut self.failed, false)] {
            while let Some(gone) = chain.pop_expired(self.buffer.oldest(is_good), newest, now) {
                storage.delete(Table::Entries, &gone.to_be_bytes())?;
            }
        }
        Ok(())
    }

    /// Reads the stored buffer; `None` if there is none, or if some of it can't be read.
    fn read(storage: &impl Storage) -> Result<Option<Self>, StorageError> {
        let (buffer, ok, failed) = Default::default();
        let mut rows = Self { buffer, ok, failed, next: 1 };
        let mut state = None;
        let mut after = Vec::new();
        loop {
            let keys = storage.keys(Table::Entries, &after, PAGE)?;
            let Some(last) = keys.last() else { break };
            after.clone_from(last);
            for key in keys {
                let bytes = storage.get(Table::Entries, &key)?.unwrap_or_default();
                let (Ok(number), Some(row)) = (key.try_into(), parse(&bytes)) else {
                    return Ok(None);
                };
                // Only the last row's state counts, and it must be there.
                state = row.state;
                rows.buffer.count_second(&row.counts, row.at);
                let entries = rows.buffer.number(row.entries);
                let is_good = entries.first().is_none_or(StoredEntry::is_good);
                let last = entries.last().map_or(rows.buffer.state.last, StoredEntry::seq);
                entries.into_iter().for_each(|entry| rows.buffer.keep(entry));
                let chain = if is_good { &mut rows.ok } else { &mut rows.failed };
                let number = u64::from_be_bytes(number);
                chain.push(Stored { number, bytes: bytes.len(), at: row.at, last });
                rows.next = number.saturating_add(1);
            }
        }
        let Some(state) = state else { return Ok(None) };
        rows.buffer.state = state;
        Ok(Some(rows))
    }
}

/// Splits the entries of one kind into rows.
fn parts(entries: &[StoredEntry]) -> impl Iterator<Item = &[StoredEntry]> {
    let mut bytes = 0_usize;
    entries.chunk_by(move |one, _| {
        bytes = bytes.saturating_add(one.json().get().len());
        let goes_on = bytes < ROW_BYTES;
        if !goes_on {
            bytes = 0;
        }
        goes_on
    })
}

fn parse(bytes: &[u8]) -> Option<InspectorRow> {
    let row: InspectorRow = read(std::str::from_utf8(bytes).ok()?)?;
    (row.version == VERSION).then_some(row)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::buffer::MAX_ENTRIES;
    use super::*;
    use crate::model::endpoint::InspectorQuery;
    use crate::ops::inspector::{Doubt, Filter, Unreported};
    use crate::shard::storage::tests::Memory;

    fn report(outcomes: &[&str], text: &str) -> InspectorReport {
        let counts: Vec<Value> =
            outcomes.iter().map(|outcome| json!({ "outcome": outcome, "count": 1 })).collect();
        let entries: Vec<Value> =
            outcomes.iter().map(|outcome| json!({ "outcome": outcome, "text": text })).collect();
        let report = json!({ "counts": counts, "entries": entries });
        read(&report.to_string()).unwrap()
    }

    fn load(storage: &Memory, now: Milliseconds) -> InspectorRows {
        InspectorRows::load(storage, format!("begun-at-{now}"), now).unwrap()
    }

    /// All answers of the buffer.
    fn answers(rows: &InspectorRows, now: Milliseconds) -> [Value; 4] {
        let (buffer, all) = (rows.buffer(), Filter::default());
        let ok = serde_json::to_value(buffer.ok_entries(&all)).unwrap();
        let failed = serde_json::to_value(buffer.failed_entries(&all)).unwrap();
        let totals = serde_json::to_value(buffer.all()).unwrap();
        [totals, ok, failed, serde_json::to_value(buffer.live(&all, now)).unwrap()]
    }

    #[test]
    fn an_evicted_ring_answers_as_before() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        let mut now = 0;
        for number in 0..700 {
            now += [3, 250, 900][number % 3];
            let outcomes: &[&str] = match number % 7 {
                0 => &["failed"],
                1 => &["accepted", "refused", "duplicate", "failed"],
                2 => &[],
                _ => &["accepted"],
            };
            let not_kept = (number % 50 == 0).then_some(Unreported { requests: 1, last_at: now });
            let report = InspectorReport { not_kept, ..report(outcomes, &number.to_string()) };
            rows.take(&storage, report, now).unwrap();
            if number % 60 == 1 || number > 690 {
                assert_eq!(answers(&load(&storage, now), now), answers(&rows, now), "{number}");
            }
        }
        let [totals, ok, failed, _] = answers(&load(&storage, now), now);
        assert_eq!(ok.as_array().unwrap().len(), MAX_ENTRIES);
        assert_eq!(failed.as_array().unwrap().len(), 300);
        assert_eq!((&totals["total"], &totals["not_kept"]), (&json!(900), &json!(14)));
    }

    #[test]
    fn a_request_is_a_row_written_and_a_row_deleted() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        rows.take(&storage, report(&["failed"], "the only failed one"), 0).unwrap();
        for now in 0..3_000 {
            rows.take(&storage, report(&["accepted"], ""), now * 1_000).unwrap();
        }
        let before = storage.writes.get();
        for now in 3_000..3_100 {
            rows.take(&storage, report(&["accepted"], ""), now * 1_000).unwrap();
        }
        assert_eq!(storage.writes.get() - before, 200);
        assert_eq!(storage.count(Table::Entries), MAX_ENTRIES + 1);
        assert_eq!(load(&storage, 0).buffer().failed_entries(&Filter::default()).len(), 1);
    }

    #[test]
    fn a_busy_minute_keeps_a_bounded_number_of_rows() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        for _ in 0..2_000 {
            rows.take(&storage, report(&["accepted"], ""), 5).unwrap();
        }
        assert_eq!(storage.count(Table::Entries), MAX_ROWS);
        let long = "x".repeat(200_000);
        for _ in 0..200 {
            rows.take(&storage, report(&["failed"], &long), 5).unwrap();
        }
        assert!(rows.failed.bytes <= 2 * MAX_BYTES + ROW_BYTES, "{}", rows.failed.bytes);
    }

    #[test]
    fn a_long_request_is_cut_into_rows() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        // The longest possible entries, and more of them than fit into a row.
        let long = "x".repeat(600_000);
        rows.take(&storage, report(&["accepted"; 10], &long), 0).unwrap();
        rows.take(&storage, report(&["failed"; 100], "short"), 0).unwrap();
        assert_eq!(storage.count(Table::Entries), 1 + 10 + 1);
        assert_eq!(answers(&load(&storage, 0), 0), answers(&rows, 0));
    }

    #[test]
    fn a_reset_begins_an_epoch_with_nothing_in_it() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        for _ in 0..600 {
            rows.take(&storage, report(&["failed"], ""), 1).unwrap();
        }
        rows = InspectorRows::begin(&storage, "another".to_owned(), 2_000).unwrap();
        assert_eq!(storage.count(Table::Entries), 1);
        assert_eq!(answers(&load(&storage, 9), 9), answers(&rows, 9));
        let about = Filter::parse("epoch=begun-at-0").unwrap();
        let unproven =
            load(&storage, 9).buffer().prove(InspectorQuery::Failed, &about).unwrap_err();
        assert_eq!(unproven.doubt, Doubt::EpochGone);
        assert!(unproven.to_string().contains("began anew at 1970-01-01T00:00:02.000Z"));
    }

    #[test]
    fn an_epoch_ends_with_what_can_not_be_read() {
        let old = br#"{"at":0,"counts":[],"entries":[]}"#;
        let newer = br#"{"version":2,"at":0,"counts":[],"entries":[],"state":null}"#;
        let no_state = br#"{"version":1,"at":0,"counts":[],"entries":[],"state":null}"#;
        for value in [b"" as &[u8], b"\xff", b"{}", old, newer, no_state] {
            let storage = Memory::default();
            load(&storage, 1).take(&storage, report(&["accepted"], ""), 1).unwrap();
            storage.put(Table::Entries, &99_u64.to_be_bytes(), value).unwrap();
            let rows = load(&storage, 2);
            assert_eq!(rows.buffer().epoch(), "begun-at-2", "{value:?}");
            assert_eq!(storage.count(Table::Entries), 1);
            assert_eq!(load(&storage, 3).buffer().epoch(), "begun-at-2");
        }
    }

    #[test]
    fn a_full_storage_keeps_its_rows() {
        let storage = Memory::default();
        let mut rows = load(&storage, 0);
        rows.take(&storage, report(&["accepted"], "a"), 0).unwrap();
        let before = answers(&rows, 0);
        storage.full.set(true);
        rows.take(&storage, report(&["failed"], "b"), 0).unwrap_err();
        storage.full.set(false);
        assert_eq!(answers(&load(&storage, 0), 0), before);
    }
}
