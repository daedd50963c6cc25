//! The spill: records that a stream did not accept, stored until it does.
//!
//! ```text
//! for stream in spill.due(now) {
//!     let spilled = spill.begin_attempt(storage, stream, bounds, now);
//!     let report = deliver(spilled.batch);
//!     spill.end_attempt(storage, spilled.token, report, failed_stream, now, random);
//! }
//! ```
//!
//! A record leaves only when its stream accepts it, or when it becomes a failed event because the
//! stream rejects its content. The failed event is written in the same turn. If the object is lost
//! between `begin_attempt` and `end_attempt`, its records were never removed: they are sent again. A failed event
//! whose content its stream rejects, or a row that does not match its key, is quarantined: kept and
//! counted, but not retried. A row of an unknown version is left as it is.
//!
//! In memory there are totals for each stream, never a list of rows.

pub mod backlog;
pub mod cursor;
pub mod moves;
pub mod quarantine;
pub mod row;
pub mod stats;

use std::collections::{BTreeMap, BTreeSet};

use super::batcher::BatchLimits;
use super::storage::{Storage, StorageError, Table, for_each_key};
use crate::base::clock::Milliseconds;
use crate::delivery::StreamBatch;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::model::record::Record;
use crate::model::record::codec::record_len;
use crate::model::stream::Stream;
use crate::shard::tenant_share::{TenantShare, TenantTotals};
pub use backlog::LONGEST_MS;
use backlog::{AttemptEnd, Backlog, DrainProgress, RowTotals};
use cursor::RetryCursor;
pub use moves::Moved;
use row::{RowState, RowTenant, SpillRow, TenantRecord};
pub use stats::{BacklogStats, FullTenant, SpillUsage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillConfig {
    /// The most bytes of records, with those in quarantine.
    pub max_bytes: u64,
}

impl Default for SpillConfig {
    fn default() -> Self {
        Self { max_bytes: 1 << 30 }
    }
}

/// Why records were not spilled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpillError {
    /// The streams' and the operator's fault: too many records are spilled already.
    #[error("spill is full, limit {limit} bytes")]
    Full {
        /// The most bytes of the spill.
        limit: u64,
    },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The spilled records, by stream.
#[derive(Debug)]
pub struct Spill {
    policy: SpillConfig,
    backlogs: Vec<Backlog>,
    next_sequence: u64,
    next_attempt_id: u64,
    unreadable: u64,
    /// When records were last rejected for lack of room, if none was freed since.
    full_since: Option<Milliseconds>,
    /// The bytes of each tenant, those in quarantine included.
    tenants: TenantTotals,
    /// When a tenant's records were last rejected for its share, if none of its records was removed since.
    full_tenants: BTreeMap<String, Milliseconds>,
}

/// The records of the next attempt for a stream.
#[derive(Debug)]
pub struct SpilledBatch {
    /// Its records, in the order of [`DeliveryReport::records`].
    pub batch: StreamBatch,
    /// Their rows, for [`Spill::end_attempt`].
    pub token: DrainToken,
}

/// The rows of a [`SpilledBatch`].
#[derive(Debug)]
pub struct DrainToken {
    stream: Stream,
    attempt_id: u64,
    rows: Vec<SpillRow>,
    /// The position after them.
    next_cursor: RetryCursor,
    /// How far their records were rotated.
    rotation: usize,
}

/// How many records of a [`SpilledBatch`] had each result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DrainResult {
    /// Accepted by their stream.
    pub accepted: usize,
    /// Turned into failed events, which are queued for their own stream.
    pub failed: usize,
    /// Quarantined.
    pub quarantined: usize,
    /// Still queued.
    pub left: usize,
}

impl Spill {
    /// Loads the totals from the keys in `storage`. All streams are due at `now`.
    pub fn load(
        storage: &dyn Storage,
        policy: SpillConfig,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        let mut spill = Self {
            policy,
            backlogs: Vec::new(),
            next_sequence: 0,
            next_attempt_id: 0,
            unreadable: 0,
            full_since: None,
            tenants: TenantTotals::default(),
            full_tenants: BTreeMap::new(),
        };
        for_each_key(storage, Table::Spill, &[], |key| {
            match SpillRow::read(&key) {
                Ok(row) => {
                    let next = row.sequence.saturating_add(1);
                    spill.next_sequence = spill.next_sequence.max(next);
                    spill.count(&row, now);
                }
                Err(_) if RetryCursor::is_key(&key) => {}
                Err(_) => spill.unreadable = spill.unreadable.saturating_add(1),
            }
            Ok(())
        })?;
        for backlog in &mut spill.backlogs {
            backlog.cursor = RetryCursor::load(storage, &backlog.stream)?;
        }
        Ok(spill)
    }

    /// Returns whether each of `records` is in the share of its tenant: all of a tenant's, or none. A small
    /// tenant's come first.
    pub fn within_shares(
        &mut self,
        records: &[TenantRecord<'_>],
        share: TenantShare,
        now: Milliseconds,
    ) -> Vec<bool> {
        if share.is_whole() {
            return vec![true; records.len()];
        }
        let (mut wanted, mut spilled) = (TenantTotals::default(), self.bytes());
        for TenantRecord { tenant, record } in records {
            wanted.add(tenant, record_len(record) as u64);
        }
        let mut refused = BTreeSet::new();
        for (tenant, bytes) in wanted.smallest_first() {
            let own = self.tenants.of(tenant);
            let others = spilled.saturating_sub(own);
            if share.allows(own.saturating_add(bytes), others, self.policy.max_bytes) {
                spilled = spilled.saturating_add(bytes);
            } else {
                refused.insert(tenant);
                self.tenant_is_full(tenant, now);
            }
        }
        records.iter().map(|it| !refused.contains(it.tenant)).collect()
    }

    /// Notes that a tenant's records were rejected for its share at `now`, if it has any in the spill.
    pub fn tenant_is_full(&mut self, tenant: &str, now: Milliseconds) {
        /// More are not shown.
        const NOTED: usize = 64;
        let has_room = self.full_tenants.len() < NOTED || self.full_tenants.contains_key(tenant);
        if has_room && self.tenants.of(tenant) > 0 {
            self.full_tenants.insert(tenant.to_owned(), now);
        }
    }

    /// Returns the bytes of a tenant, those in quarantine included.
    pub fn bytes_of(&self, tenant: &str) -> u64 {
        self.tenants.of(tenant)
    }

    /// Spills `records`, which `stream` did not accept at `now`: all of them, or none.
    pub fn push(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        records: &[TenantRecord<'_>],
        now: Milliseconds,
    ) -> Result<(), SpillError> {
        let rows = self.rows(RowState::Queued, stream, records, now);
        let limit = self.policy.max_bytes;
        let more = rows.iter().map(|(row, _)| u64::from(row.bytes));
        if more.fold(self.bytes(), u64::saturating_add) > limit {
            self.full_since = Some(now);
            return Err(SpillError::Full { limit });
        }
        self.full_since = None;
        Ok(self.write(storage, &rows, now.saturating_add(backlog::BASE_MS))?)
    }

    /// Whether new records of `stream` must wait behind its backlog. `accepting_at` is when a stream
    /// that may be called last accepted a record.
    pub fn must_queue(&self, stream: &Stream, accepting_at: Option<Milliseconds>) -> bool {
        self.backlogs.iter().any(|it| it.stream == *stream && it.must_queue(accepting_at))
    }

    /// Records that `stream` accepted other records at `now`, so that its backlog is due.
    pub fn stream_accepts(&mut self, stream: &Stream, now: Milliseconds) {
        if let Some(backlog) = self.waiting(stream) {
            backlog.stream_accepts(now);
        }
    }

    /// Records that a delivery of new records to `stream` ended at `now` with none accepted.
    pub fn stream_fails(&mut self, stream: &Stream, now: Milliseconds) {
        if let Some(backlog) = self.waiting(stream) {
            backlog.stream_fails(now);
        }
    }

    pub fn has_room(&self, records: &[Record]) -> bool {
        let more = records.iter().map(|record| record_len(record) as u64);
        more.fold(self.bytes(), u64::saturating_add) <= self.policy.max_bytes
    }

    /// Returns the backlog of each stream at `now`, if it has one.
    pub fn depth(&self, now: Milliseconds) -> Vec<BacklogStats> {
        self.backlogs.iter().map(|backlog| BacklogStats::of(backlog, now)).collect()
    }

    /// Returns tenants that have their share, if none of their records was removed since they were
    /// rejected.
    pub fn full_tenants(&self) -> Vec<FullTenant> {
        let of = |(tenant, since): (&String, &Milliseconds)| FullTenant {
            tenant: tenant.clone(),
            bytes: self.tenants.of(tenant),
            since: *since,
        };
        self.full_tenants.iter().map(of).collect()
    }

    pub fn fill(&self) -> SpillUsage {
        let Self { policy: SpillConfig { max_bytes }, full_since, .. } = *self;
        SpillUsage { bytes: self.bytes(), max_bytes, full_since }
    }

    /// Returns the number of queued records of all streams.
    pub fn records(&self) -> u64 {
        self.backlogs.iter().map(|backlog| backlog.waiting.records).fold(0, u64::saturating_add)
    }

    /// Returns the number of rows of unknown versions, which are left as they are.
    pub const fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Returns when the next stream is due, if any record is queued.
    pub fn wake_at(&self) -> Option<Milliseconds> {
        self.backlogs.iter().filter_map(Backlog::attempt_at).min()
    }

    /// Returns the streams that are due at `now`.
    pub fn due(&self, now: Milliseconds) -> Vec<Stream> {
        let due = self.backlogs.iter().filter(|backlog| backlog.is_due(now));
        due.map(|backlog| backlog.stream.clone()).collect()
    }

    pub fn is_due(&self, stream: &Stream, now: Milliseconds) -> bool {
        self.backlogs.iter().any(|it| it.stream == *stream && it.is_due(now))
    }

    /// Begins an attempt for `stream` at `now`, with the oldest records that no other attempt has,
    /// or from the position that [`Backlog::schedule_next`] set. It has one row, and as many more as stay
    /// within `max`. Returns `None` if there are none, or if the maximum of attempts is in flight.
    pub fn begin_attempt(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        max: BatchLimits,
        now: Milliseconds,
    ) -> Result<Option<SpilledBatch>, StorageError> {
        let (mut cursor, leased) = match self.waiting(stream) {
            Some(backlog) if backlog.may_begin(now) => (backlog.cursor, backlog.leased(now)),
            _ => return Ok(None),
        };
        let (attempt_id, next_sequence) = (self.next_attempt_id, self.next_sequence);
        self.next_attempt_id = attempt_id.wrapping_add(1);
        if cursor.is_past_the_end() {
            cursor = cursor.next_round();
        }
        let mut read_oldest = self.read_oldest(storage, stream, cursor, &leased, max);
        if cursor.sequence > 0 && matches!(&read_oldest, Ok((rows, _)) if rows.is_empty()) {
            cursor = cursor.next_round();
            read_oldest = self.read_oldest(storage, stream, cursor, &leased, max);
        }
        let Some(backlog) = self.waiting(stream) else { return read_oldest.map(|_| None) };
        backlog.cursor = cursor;
        let (rows, mut records) = match read_oldest {
            Ok((rows, records)) if !records.is_empty() => (rows, records),
            Ok(_) if !leased.is_empty() => {
                backlog.all_is_leased();
                return Ok(None);
            }
            Ok(_) => {
                // The counted rows do not exist: a write failed halfway.
                backlog.waiting = RowTotals::default();
                self.backlogs.retain(|backlog| !backlog.is_empty());
                self.tenants = tenants(storage)?;
                return Ok(None);
            }
            Err(error) => {
                backlog.is_unread(now);
                return Err(error);
            }
        };
        let sequence = |row: Option<&SpillRow>| row.map_or(0, |row| row.sequence);
        backlog.begin(attempt_id, (sequence(rows.first()), sequence(rows.last())), now);
        let rotation = cursor.rotation(records.len());
        records.rotate_left(rotation);
        let next_cursor = rows.last().map_or(cursor, |row| cursor.next_cursor(row, next_sequence));
        let token = DrainToken { stream: stream.clone(), attempt_id, rows, next_cursor, rotation };
        let batch = StreamBatch { stream: stream.clone(), records };
        Ok(Some(SpilledBatch { batch, token }))
    }

    /// Applies the `report` of a batch, whose records are in their order. `random`, uniform over
    /// `u32`, spreads the wait before the next attempt. Ignores a batch that took so long that
    /// another attempt has begun, and a report of other records.
    pub fn end_attempt(
        &mut self,
        storage: &dyn Storage,
        token: DrainToken,
        report: DeliveryReport,
        failed_stream: &Stream,
        now: Milliseconds,
        random: u32,
    ) -> Result<DrainResult, StorageError> {
        let DrainToken { stream, attempt_id, rows, next_cursor, rotation } = token;
        let ended = |backlog: &mut Backlog| Some((backlog.end(attempt_id)?, backlog.cursor));
        let Some((lease, before)) = self.waiting(&stream).and_then(ended) else {
            return Ok(DrainResult::default());
        };
        let DeliveryReport { mut records, problem, cooldown_ms, .. } = report;
        let rotation = rotation.min(records.len());
        records.rotate_right(rotation);
        let settled = self.apply_results(storage, &stream, &rows, records, failed_stream, now);
        let progress = DrainProgress::of(settled.as_ref().ok());
        let ended = AttemptEnd { progress, next_cursor, problem, cooldown_ms };
        let after = self.waiting(&stream).map_or(RetryCursor::OLDEST, |backlog| {
            backlog.schedule_next(lease, ended, now, random);
            backlog.cursor
        });
        if after != before {
            after.store(storage, &stream)?;
        }
        settled
    }

    /// Returns the oldest rows of `stream` from `cursor` on that are outside `leased`, and their
    /// records. Quarantines rows that cannot be read.
    fn read_oldest(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        cursor: RetryCursor,
        leased: &[(u64, u64)],
        max: BatchLimits,
    ) -> Result<(Vec<SpillRow>, Vec<Record>), StorageError> {
        const PAGE: usize = 16;
        let prefix = SpillRow::prefix(RowState::Queued, stream);
        let (mut rows, mut records, mut bytes) = (Vec::new(), Vec::new(), 0_u64);
        let max_bytes = u64::try_from(max.bytes).unwrap_or(u64::MAX);
        let lease_of = |sequence| {
            let of_it = leased.iter().filter(|(first, last)| (*first..=*last).contains(&sequence));
            of_it.map(|(_, last)| *last).max()
        };
        let mut after = SpillRow::cursor(RowState::Queued, stream, cursor.sequence);
        'pages: loop {
            let keys = storage.keys(Table::Spill, &after, PAGE)?;
            for key in &keys {
                if !key.starts_with(&prefix) {
                    return Ok((rows, records));
                }
                let Ok(row) = SpillRow::read(key) else { continue };
                if let Some(last) = lease_of(row.sequence) {
                    after = SpillRow::cursor(RowState::Queued, stream, last.saturating_add(1));
                    continue 'pages;
                }
                bytes = bytes.saturating_add(row.bytes.into());
                let count = records.len().saturating_add(row.records as usize);
                if !rows.is_empty() && (bytes > max_bytes || count > max.records) {
                    return Ok((rows, records));
                }
                let Some(value) = storage.get(Table::Spill, key)? else { continue };
                match row.records(&value) {
                    Ok(more) => {
                        records.extend(more);
                        rows.push(row);
                    }
                    Err(_) => {
                        let quarantine_row =
                            SpillRow { state: RowState::Quarantined, ..row.clone() };
                        self.write(storage, &[(quarantine_row, value)], 0)?;
                        self.delete(storage, &row)?;
                    }
                }
            }
            match keys.into_iter().next_back() {
                Some(last) => after = last,
                None => return Ok((rows, records)),
            }
        }
    }

    /// Removes all records from `rows` except the pending ones. Writes everything before it deletes
    /// anything, so a failure between the two duplicates records and loses none.
    fn apply_results(
        &mut self,
        storage: &dyn Storage,
        stream: &Stream,
        rows: &[SpillRow],
        records: Vec<(Record, RecordStatus)>,
        failed_stream: &Stream,
        now: Milliseconds,
    ) -> Result<DrainResult, StorageError> {
        let mut progress = DrainResult::default();
        let expected = rows.iter().map(|row| row.records as usize).sum();
        if records.len() != expected {
            return Ok(DrainResult { left: expected, ..progress });
        }
        let (mut failed, mut quarantined) = (Vec::<OfTenant<'_>>::new(), Vec::new());
        let (mut kept, mut gone) = (Vec::new(), Vec::new());
        let mut records = records.into_iter();
        for row in rows {
            let mut left = Vec::new();
            let of_row = records.by_ref().take(row.records as usize);
            for ((record, status), tenant) in of_row.zip(row.tenant_names()) {
                match status {
                    RecordStatus::Delivered => {
                        progress.accepted = progress.accepted.saturating_add(1)
                    }
                    RecordStatus::Pending => left.push((tenant, record)),
                    RecordStatus::Rejected(_) if stream == failed_stream => {
                        quarantined.push((tenant, record))
                    }
                    RecordStatus::Rejected(error) => {
                        match Record::of_rejected(&record, stream, &error.code) {
                            Ok(parts) => {
                                failed.extend(parts.into_iter().map(|part| (tenant, part)));
                                progress.failed = progress.failed.saturating_add(1);
                            }
                            Err(_) => quarantined.push((tenant, record)),
                        }
                    }
                }
            }
            progress.left = progress.left.saturating_add(left.len());
            if row::count(left.len()) == row.records {
                continue;
            }
            gone.push(row);
            if !left.is_empty() {
                let left = refs(&left);
                kept.push((row.clone().with_records(&left), row::value(&left)));
            }
        }
        progress.quarantined = quarantined.len();
        let (quarantined, failed) = (refs(&quarantined), refs(&failed));
        kept.extend(self.rows(RowState::Quarantined, stream, &quarantined, now));
        kept.extend(self.rows(RowState::Queued, failed_stream, &failed, now));
        self.write(storage, &kept, now)?;
        for row in gone {
            self.delete(storage, row)?;
        }
        self.find_oldest(storage, stream)?;
        Ok(progress)
    }

    /// Makes rows of `records`.
    fn rows(
        &mut self,
        state: RowState,
        stream: &Stream,
        records: &[TenantRecord<'_>],
        now: Milliseconds,
    ) -> Vec<(SpillRow, Vec<u8>)> {
        let of_part = |part: &[TenantRecord<'_>]| {
            let sequence = self.next_sequence;
            self.next_sequence = sequence.saturating_add(1);
            let row = SpillRow::new(state, stream.clone(), sequence, now);
            (row.with_records(part), row::value(part))
        };
        row::cut(&row::by_tenant(records)).map(of_part).collect()
    }

    /// Writes `rows`, all or none. If a stream had no queued records, its first attempt is at
    /// `attempt_at`.
    fn write(
        &mut self,
        storage: &dyn Storage,
        rows: &[(SpillRow, Vec<u8>)],
        attempt_at: Milliseconds,
    ) -> Result<(), StorageError> {
        for (index, (row, value)) in rows.iter().enumerate() {
            if let Err(error) = storage.put(Table::Spill, &row.key(), value) {
                for (written, _) in rows.iter().take(index) {
                    // A row that cannot be deleted stays counted, and is delivered.
                    self.delete(storage, written).ok();
                }
                return Err(error);
            }
            self.count(row, attempt_at);
        }
        Ok(())
    }

    fn delete(&mut self, storage: &dyn Storage, row: &SpillRow) -> Result<(), StorageError> {
        storage.delete(Table::Spill, &row.key())?;
        self.full_since = None;
        self.uncount(row);
        Ok(())
    }

    /// Reads when the oldest row of `stream` was spilled.
    fn find_oldest(&mut self, storage: &dyn Storage, stream: &Stream) -> Result<(), StorageError> {
        if let Some(backlog) = self.waiting(stream) {
            let keys =
                storage.keys(Table::Spill, &SpillRow::prefix(RowState::Queued, stream), 1)?;
            let read_oldest = keys.first().and_then(|key| SpillRow::read(key).ok());
            backlog.oldest_at = read_oldest.map_or(backlog.oldest_at, |row| row.spilled_at);
        }
        Ok(())
    }

    fn bytes(&self) -> u64 {
        let bytes = |backlog: &Backlog| [backlog.waiting.bytes, backlog.quarantined.bytes];
        self.backlogs.iter().flat_map(bytes).fold(0, u64::saturating_add)
    }

    /// Returns the backlog of `stream`, if it has queued records.
    fn waiting(&mut self, stream: &Stream) -> Option<&mut Backlog> {
        self.backlogs.iter_mut().find(|it| it.stream == *stream && it.waiting.records > 0)
    }

    fn uncount(&mut self, row: &SpillRow) {
        for RowTenant { name, bytes, .. } in &row.tenants {
            self.tenants.subtract(name, u64::from(*bytes));
            self.full_tenants.remove(name);
        }
        self.backlogs.retain_mut(|backlog: &mut Backlog| {
            if backlog.stream == row.stream {
                backlog.subtract(row);
            }
            !backlog.is_empty()
        });
    }

    /// Counts a row. If its stream had no queued records, the first attempt is at `attempt_at`.
    fn count(&mut self, row: &SpillRow, attempt_at: Milliseconds) {
        for RowTenant { name, bytes, .. } in &row.tenants {
            self.tenants.add(name, u64::from(*bytes));
        }
        match self.backlogs.iter_mut().find(|backlog| backlog.stream == row.stream) {
            Some(backlog) => backlog.add(row, attempt_at),
            None => {
                let mut backlog = Backlog::new(row.stream.clone());
                backlog.add(row, attempt_at);
                self.backlogs.push(backlog);
            }
        }
    }
}

/// Reads the bytes of each tenant from the keys in `storage`.
fn tenants(storage: &dyn Storage) -> Result<TenantTotals, StorageError> {
    let mut totals = TenantTotals::default();
    for_each_key(storage, Table::Spill, &[], |key| {
        for RowTenant { name, bytes, .. } in
            SpillRow::read(&key).into_iter().flat_map(|row| row.tenants)
        {
            totals.add(&name, u64::from(bytes));
        }
        Ok(())
    })?;
    Ok(totals)
}

/// The name of a tenant, and a record of it.
type OfTenant<'a> = (&'a str, Record);

fn refs<'a>(records: &'a [OfTenant<'a>]) -> Vec<TenantRecord<'a>> {
    records.iter().map(|(tenant, record)| TenantRecord { tenant, record }).collect()
}

#[cfg(test)]
mod tests;
