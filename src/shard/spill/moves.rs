//! Moves rows: to the streams that their records are routed to today, or into quarantine for
//! export.
//!
//! Each move is one change of the storage, so a record is never in both places or in neither.

use super::cursor::RetryCursor;
use super::row::{self, RowState, SpillRow};
use super::{OfTenant, Spill, refs};
use crate::base::clock::Milliseconds;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::shard::batcher::BatchLimits;
use crate::shard::storage::{Storage, StorageError, Table};

/// The result of a move.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Records that are queued for another stream now.
    pub records: u64,
    /// Records that were quarantined.
    pub quarantined: u64,
}

impl Moved {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

impl Spill {
    /// Moves the oldest records queued for `stream` to the stream that `current_stream` names. It takes one
    /// row, and as many more as stay within `max_bytes`. A record without a home is quarantined.
    /// Nothing moves while an attempt is in flight. Age and order do not change.
    pub fn move_oldest(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        max_bytes: usize,
        current_stream: impl Fn(&Record) -> Option<Stream>,
        now: Milliseconds,
    ) -> Result<Moved, StorageError> {
        if self.is_under_way(stream, now) {
            return Ok(Moved::default());
        }
        let max = BatchLimits { bytes: max_bytes, records: row::MAX_RECORDS };
        let (rows, records) = self.read_oldest(storage, stream, RetryCursor::OLDEST, &[], max)?;
        let (mut moved, mut records) = (Moved::default(), records.into_iter());
        let (mut gone, mut made): (Vec<SpillRow>, Vec<(SpillRow, Vec<u8>)>) =
            (Vec::new(), Vec::new());
        for row in rows {
            let mut by_stream: Vec<(Option<Stream>, Vec<OfTenant<'_>>)> = Vec::new();
            let of_row = records.by_ref().take(row.records as usize);
            for (record, tenant) in of_row.zip(row.tenant_names()) {
                let current_stream = current_stream(&record);
                match by_stream.iter_mut().find(|(known, _)| *known == current_stream) {
                    Some((_, records)) => records.push((tenant, record)),
                    None => by_stream.push((current_stream, vec![(tenant, record)])),
                }
            }
            if by_stream.iter().any(|(current_stream, _)| current_stream.as_ref() == Some(stream)) {
                continue;
            }
            for (current_stream, records) in by_stream {
                let count = records.len() as u64;
                let (state, to) = match current_stream {
                    Some(to) => (RowState::Queued, to),
                    None => (RowState::Quarantined, stream.clone()),
                };
                let totals = match state {
                    RowState::Queued => &mut moved.records,
                    RowState::Quarantined => &mut moved.quarantined,
                };
                *totals = totals.saturating_add(count);
                let records = refs(&records);
                let row = SpillRow { state, stream: to, ..row.clone() }.with_records(&records);
                made.push((self.in_a_free_place(storage, row)?, row::value(&records)));
            }
            gone.push(row);
        }
        self.replace(storage, gone, made, now)?;
        Ok(moved)
    }

    /// Quarantines the records queued for `stream`, oldest rows first, until `max_bytes` are.
    /// Returns how many were, and whether more are queued; `None` while an attempt is in flight. No
    /// other attempt begins for [`HOLD_MS`], so that asking again succeeds.
    ///
    /// [`HOLD_MS`]: super::backlog::HOLD_MS
    pub fn withdraw(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        max_bytes: u64,
        now: Milliseconds,
    ) -> Result<Option<(u64, bool)>, StorageError> {
        const PAGE: usize = 16;
        let (mut records, mut bytes) = (0_u64, 0_u64);
        if let Some(backlog) = self.waiting(stream) {
            backlog.hold(now);
        }
        if self.is_under_way(stream, now) {
            return Ok(None);
        }
        let prefix = SpillRow::prefix(RowState::Queued, stream);
        loop {
            let keys = storage.keys(Table::Spill, &prefix, PAGE)?;
            let rows = keys.iter().filter(|key| key.starts_with(&prefix));
            let rows: Vec<SpillRow> = rows.filter_map(|key| SpillRow::read(key).ok()).collect();
            if rows.is_empty() {
                return Ok(Some((records, false)));
            }
            for row in rows {
                if bytes >= max_bytes {
                    return Ok(Some((records, true)));
                }
                records = records.saturating_add(row.records.into());
                bytes = bytes.saturating_add(row.bytes.into());
                let value = storage.get(Table::Spill, &row.key())?.unwrap_or_default();
                let quarantine_row = SpillRow { state: RowState::Quarantined, ..row.clone() };
                let quarantine_row = self.in_a_free_place(storage, quarantine_row)?;
                self.replace(storage, vec![row], vec![(quarantine_row, value)], now)?;
            }
        }
    }

    fn is_under_way(&mut self, stream: &Stream, now: Milliseconds) -> bool {
        self.waiting(stream).is_some_and(|backlog| backlog.is_under_way(now))
    }

    /// Returns the row, with a new sequence if its key exists: two halves of a row that was split
    /// may meet again.
    fn in_a_free_place(
        &mut self,
        storage: &dyn Storage,
        row: SpillRow,
    ) -> Result<SpillRow, StorageError> {
        if storage.get(Table::Spill, &row.key())?.is_none() {
            return Ok(row);
        }
        let sequence = self.next_sequence;
        self.next_sequence = sequence.saturating_add(1);
        Ok(SpillRow { sequence, ..row })
    }

    /// Replaces the rows in `gone` by those in `made`, all of them or none.
    fn replace(
        &mut self,
        storage: &dyn Storage,
        gone: Vec<SpillRow>,
        made: Vec<(SpillRow, Vec<u8>)>,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        let mut changes = Vec::with_capacity(gone.len().saturating_add(made.len()));
        let mut streams: Vec<Stream> = Vec::new();
        changes.extend(gone.iter().map(|row| (row.key(), None)));
        if let Some(from) = gone.first()
            && let Some(backlog) = self.waiting(&from.stream)
            && backlog.cursor != RetryCursor::OLDEST
        {
            backlog.cursor = RetryCursor::OLDEST;
            changes.push((RetryCursor::key(&from.stream), None));
        }
        for (row, value) in made {
            changes.push((row.key(), Some(value)));
            streams.push(row.stream.clone());
            self.count(&row, now);
        }
        if let Err(error) = storage.change(Table::Spill, &changes) {
            // Nothing has changed, so the rows that were counted do not exist.
            let made = changes.iter().filter(|(_, value)| value.is_some());
            made.filter_map(|(key, _)| SpillRow::read(key).ok()).for_each(|row| self.uncount(&row));
            return Err(error);
        }
        for row in gone {
            self.uncount(&row);
            streams.push(row.stream);
        }
        streams.iter().try_for_each(|stream| self.find_oldest(storage, stream))
    }
}
