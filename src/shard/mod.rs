//! The shard: the object that owns a share of the devices, without its I/O.
//!
//! A request brings records. The shard filters out duplicates, assigns each event to its session,
//! and puts its record into the batch of its stream, or of its stream set. The driver closes a
//! batch when it is full or its linger time is over, delivers it, and passes the report to the
//! shard. Records that the stream did not accept are spilled to the shard's own storage. Only then
//! is a record durable. Its event is seen once all of its records are, one for each of its streams.
//!
//! ```text
//! admitted = shard.admit(items)                 // an Admission for each item
//! for (batch, action) in shard.next_actions()   // the batches that may start now
//!     report = deliver(action)
//!     result = shard.end_batch(batch, report) // an ItemStatus for each record: answer now
//! shard.checkpoint()                            // at a batch's end, if checkpoint_due says so
//! ```
//!
//! [`admission`] decides about each item. For it, [`sessions`] assigns events to sessions, [`device_store`] keeps
//! the sessions of all devices, [`dedup`] remembers seen events, and [`device_rates`] finds devices
//! that send too much. [`quotas`] counts the events of tenants with a daily quota, and
//! [`tenant_share`] and [`tenant_use`] keep a tenant from taking what others need. [`record_counts`]
//! counts what became of the records. [`batcher`] holds the records in memory, for as long as
//! [`arrivals`] makes it worth the wait, with [`copies`] of an event for several streams, and
//! [`spill`] those in storage. [`item_progress`] makes the status of an item of those of its records. [`alarm`] sets the object's alarm for the spill, and
//! [`checkpoint_schedule`] decides when a checkpoint is written. [`protocol`] has the messages of a
//! shard, and [`storage`] its tables.

pub mod admission;
pub mod alarm;
pub mod arrivals;
pub mod batcher;
pub mod checkpoint_schedule;
pub mod config;
pub mod copies;
pub mod dedup;
pub mod device_rates;
pub mod device_store;
pub mod item_progress;
pub mod protocol;
pub mod quotas;
pub mod record_counts;
pub mod sessions;
pub mod spill;
pub mod storage;
pub mod tenant_counts;
pub mod tenant_share;
pub mod tenant_use;

use std::sync::Arc;

use crate::base::clock::Milliseconds;
use crate::base::keyed_hash::HashKey;
use crate::delivery::StreamBatch;
use crate::delivery::aggregate::Aggregation;
use crate::delivery::destinations::Destinations;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::model::placement::ShardNumber;
use crate::model::quota::ItemTenant;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::shard::dedup::{DedupKey, DedupWindow};
use crate::shard::quotas::leases::{OverQuota, QuotaLeases};
pub use admission::{Admission, AdmitError, AdmitRequest, AdmitResult, Refusal};
use batcher::{BatchId, BatchLimits, Batcher, OpenLimits, RecordOrigin, RecordPart, Slot};
use checkpoint_schedule::{CheckpointDue, CheckpointSchedule};
use config::ShardConfig;
use copies::CopyState;
use device_rates::DeviceRates;
use device_store::DeviceStore;
use protocol::batch_response::{ItemStatus, TENANT_SHARE_FULL};
use record_counts::{RecordCounters, RecordCounts, RecordResult};
use spill::row::TenantRecord;
use spill::{BacklogStats, FullTenant, Spill, SpillError, SpillUsage};
use storage::{Storage, StorageError};
use tenant_share::TenantShare;
use tenant_use::{IdKind, TenantUse};

/// The state of a shard.
#[derive(Debug)]
pub struct ShardCore {
    /// Its number, by which it has a member of each stream set.
    number: ShardNumber,
    devices: DeviceStore,
    seen: DedupWindow,
    batches: Batcher,
    spill: Spill,
    checkpoint_schedule: CheckpointSchedule,
    /// The most bytes of records in memory.
    max_held_bytes: usize,
    tenant_share: TenantShare,
    tenant_use: TenantUse,
    device_rates: DeviceRates,
    /// The most events of a device in a minute, before it overflows.
    device_events_per_minute: u32,
    quotas: QuotaLeases,
    records: RecordCounters,
}

/// The status of a shard, for operators.
#[derive(Debug)]
pub struct ShardStatus {
    /// The bytes of records in memory.
    pub buffer_bytes: usize,
    /// The number of devices in memory.
    pub devices: usize,
    /// The number of event ids in the dedup window.
    pub seen: usize,
    /// The backlog of each stream with spilled records.
    pub spill: Vec<BacklogStats>,
    pub fill: SpillUsage,
    /// The number of stored rows that this version cannot read.
    pub unreadable: u64,
    /// The first tenants that are over their quotas.
    pub over_quota: Vec<OverQuota>,
    /// The tenants that have their share of the spill.
    pub full_tenants: Vec<FullTenant>,
    /// The records by result, as stored.
    pub records: RecordCounts,
}

/// The next step for a closed batch.
#[derive(Debug)]
pub enum BatchAction {
    /// Deliver it, and pass its report to [`ShardCore::end_batch`].
    Deliver(StreamBatch),
    /// Spill it, behind older records of its stream or for lack of memory: pass this report to
    /// [`ShardCore::end_batch`] unchanged.
    Spill(Stream, DeliveryReport),
}

/// Where a batch goes once it is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BatchExit {
    ToStream,
    ToSpill,
    /// To its stream, since the spill is full: otherwise none of its records might ever be sent.
    PastFullSpill,
}

/// The steps for all closed batches, and when to ask again.
#[derive(Debug, Default)]
pub struct NextActions {
    /// The batches that were opened since the last call.
    pub opened: Vec<BatchId>,
    /// The batches that start now, oldest first. Each [`BatchAction::Deliver`] takes a free call.
    pub start: Vec<(BatchId, BatchAction)>,
    /// When the next batch will have lingered.
    pub wake_at: Option<Milliseconds>,
    /// Whether a batch waits for a free call, or for the end of another batch of its stream.
    pub is_blocked: bool,
}

/// The result of a record in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRecord {
    pub status: ItemStatus,
    /// The slots of its failed event, if its stream rejects its content. [`ItemStatus::Rejected`] is final
    /// only with their statuses, by [`ItemStatus::with_failed_event`].
    pub failed: Vec<Slot>,
}

impl From<ItemStatus> for SettledRecord {
    fn from(status: ItemStatus) -> Self {
        Self { status, failed: Vec::new() }
    }
}

/// The result of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EndedBatch {
    /// One result for each record, in their order.
    pub records: Vec<SettledRecord>,
    /// The number of records that were spilled.
    pub spilled: usize,
}

impl ShardCore {
    /// Loads the state of the last checkpoint. `hash_key` should be random: clients choose ids.
    pub fn load(
        storage: &impl Storage,
        sharding: &ShardConfig,
        hash_key: HashKey,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            number: 0,
            devices: DeviceStore::load(storage, sharding.session, now)?,
            seen: DedupWindow::load(storage, sharding.dedupe, hash_key, now)?,
            batches: Batcher::new(hash_key),
            spill: Spill::load(storage, sharding.spill, now)?,
            checkpoint_schedule: CheckpointSchedule::default(),
            max_held_bytes: sharding.buffer_bytes,
            tenant_share: sharding.tenant_share,
            tenant_use: TenantUse::load(storage, sharding)?,
            device_rates: DeviceRates::new(hash_key),
            device_events_per_minute: sharding.device_events_per_minute,
            quotas: QuotaLeases::default(),
            records: RecordCounters::load(storage)?,
        })
    }

    /// Sets its number, which is 0 otherwise.
    #[must_use]
    pub fn with_number(self, number: ShardNumber) -> Self {
        Self { number, ..self }
    }

    /// Closes the batches that may start at `now`. A batch is due once it is full or has lingered: for
    /// `linger_ms`, or not at all if no other request is expected in that time. `free_calls` is the
    /// number of calls that may be started, and `accepting_at` is when a stream that may be called
    /// last accepted a record. A batch for a stream set goes to the shard's member, or to another one
    /// if that `is_avoided` or has records in the spill that come first. Call this after each admission,
    /// report, timer and end of a call.
    pub fn next_actions(
        &mut self,
        now: Milliseconds,
        linger_ms: u64,
        mut free_calls: usize,
        accepting_at: impl Fn(&Stream) -> Option<Milliseconds>,
        is_avoided: impl Fn(&Stream) -> bool,
    ) -> NextActions {
        let (due, wake_at) = self.batches.due(now, linger_ms);
        let opened = self.batches.take_opened();
        let mut next = NextActions { opened, wake_at, ..NextActions::default() };
        for batch in due {
            let Some(set) = self.batches.set_of(batch) else { continue };
            let is_unfit = |stream: &Stream| {
                is_avoided(stream) || self.spill.must_queue(stream, accepting_at(stream))
            };
            let stream = set.member_for(self.number, is_unfit).into_owned();
            let exit = self.exit_of(batch, &stream, accepting_at(&stream));
            let is_blocked = match exit {
                BatchExit::ToStream => free_calls == 0 || self.batches.is_blocked(batch, &stream),
                BatchExit::PastFullSpill => free_calls == 0,
                BatchExit::ToSpill => false,
            };
            if is_blocked {
                next.is_blocked = true;
                continue;
            }
            let Some(action) = self.close(batch, stream, exit) else { continue };
            if let BatchAction::Deliver(_) = action {
                free_calls = free_calls.saturating_sub(1);
            }
            next.start.push((batch, action));
        }
        next
    }

    /// Returns where an open batch goes if it is closed for `stream` now. `accepting_at` is when that
    /// stream last accepted a record, if it may be called.
    fn exit_of(
        &self,
        batch: BatchId,
        stream: &Stream,
        accepting_at: Option<Milliseconds>,
    ) -> BatchExit {
        let is_for_spill = self.batches.marked_for_spill().contains(&batch)
            || self.spill.must_queue(stream, accepting_at);
        match is_for_spill {
            false => BatchExit::ToStream,
            true if self.spill.has_room(self.batches.records_of(batch)) => BatchExit::ToSpill,
            true => BatchExit::PastFullSpill,
        }
    }

    /// Closes a batch for `stream`. Returns `None` if it was closed before.
    fn close(&mut self, batch: BatchId, stream: Stream, exit: BatchExit) -> Option<BatchAction> {
        let closed = self.batches.close(batch, stream)?;
        if exit != BatchExit::ToSpill {
            return Some(BatchAction::Deliver(closed));
        }
        let StreamBatch { stream, records } = closed;
        let records = records.into_iter().map(|record| (record, RecordStatus::Pending)).collect();
        let retry_after_s = DeliveryReport::RETRY_AFTER_S;
        let report = DeliveryReport { records, retry_after_s, ..DeliveryReport::default() };
        Some(BatchAction::Spill(stream, report))
    }

    /// Applies the report of a batch for `stream`. Pending records are spilled; a record whose
    /// content the stream rejects becomes a failed event.
    pub fn end_batch(
        &mut self,
        batch: BatchId,
        stream: &Stream,
        report: DeliveryReport,
        storage: &impl Storage,
        destinations: &Destinations,
        now: Milliseconds,
    ) -> EndedBatch {
        let Some(under_way) = self.batches.end(batch) else {
            return EndedBatch::default();
        };
        let mut settled =
            EndedBatch { records: Vec::with_capacity(report.records.len()), spilled: 0 };
        let retry_after_s = report.retry_after_s;
        let not_durable =
            |code: &str| ItemStatus::NotDurable { code: code.to_owned(), retry_after_s };
        let reported = report.records.iter().zip(&under_way.origins);
        let pending = reported.filter(|((_, status), _)| *status == RecordStatus::Pending);
        let pending: Vec<TenantRecord<'_>> = pending
            .map(|((record, _), origin)| TenantRecord { tenant: &origin.tenant.name, record })
            .collect();
        let within_share = self.spill.within_shares(&pending, self.tenant_share, now);
        let fitting = pending.iter().zip(&within_share).filter(|(_, fits)| **fits);
        let fitting: Vec<TenantRecord<'_>> = fitting.map(|(record, _)| *record).collect();
        let spilled = match fitting.is_empty() {
            true => Ok(()),
            false => self.spill.push(storage, stream, &fitting, now),
        };
        settled.spilled = if spilled.is_ok() { fitting.len() } else { 0 };
        let mut within_share = within_share.into_iter();
        if report.records.iter().any(|(_, status)| *status == RecordStatus::Delivered) {
            self.spill.stream_accepts(stream, now);
        } else if report.problem.is_some() {
            self.spill.stream_fails(stream, now);
        }
        let of_pending = match &spilled {
            Ok(()) => ItemStatus::Durable,
            Err(SpillError::Full { .. }) => not_durable("spill_full"),
            Err(SpillError::Storage(_)) => not_durable("storage"),
        };
        for ((record, status), origin) in report.records.into_iter().zip(under_way.origins) {
            let RecordOrigin { seen_key, part, tenant } = origin;
            let is_delivered = status == RecordStatus::Delivered;
            let record: SettledRecord = match status {
                RecordStatus::Delivered => ItemStatus::Durable.into(),
                RecordStatus::Pending => match within_share.next() {
                    Some(false) => not_durable(TENANT_SHARE_FULL).into(),
                    Some(true) | None => of_pending.clone().into(),
                },
                RecordStatus::Rejected(error) if destinations.failed.contains(stream) => {
                    not_durable(&error.code).into()
                }
                RecordStatus::Rejected(error) => {
                    match Record::of_rejected(&record, stream, &error.code) {
                        Err(_) => not_durable(&error.code).into(),
                        Ok(parts) => {
                            let add = |part| {
                                let origin = RecordOrigin {
                                    seen_key: None,
                                    part: RecordPart::Whole,
                                    tenant: Arc::clone(&tenant),
                                };
                                let (batches, to) = (&mut self.batches, &destinations.failed);
                                add_record(batches, to, part, origin, now, destinations)
                            };
                            let failed = parts.into_iter().map(add).collect();
                            SettledRecord { status: ItemStatus::Rejected(error.code), failed }
                        }
                    }
                }
            };
            let is_durable = record.status == ItemStatus::Durable;
            match (seen_key, part) {
                (Some(seen_key), RecordPart::Whole) if is_durable => {
                    self.remember(seen_key, &tenant, now);
                }
                (Some(seen_key), RecordPart::Copy) => {
                    if is_durable {
                        self.batches.note_copy(seen_key, &under_way.to, CopyState::Durable);
                    }
                    self.settle_copies(seen_key, &tenant, now);
                }
                (Some(_), RecordPart::Whole) | (None, _) => {}
            }
            self.records.current.add(match (&record.status, is_delivered) {
                (ItemStatus::Rejected(_), _) => RecordResult::Rejected,
                (ItemStatus::NotDurable { .. }, _) => RecordResult::NotDurable,
                (_, true) => RecordResult::Delivered,
                (_, false) => RecordResult::Spilled,
            });
            settled.records.push(record);
        }
        settled
    }

    /// Remembers an event of which no copy is in memory any more, or those of its copies that are
    /// durable if not all are.
    fn settle_copies(&mut self, seen_key: DedupKey, tenant: &ItemTenant, now: Milliseconds) {
        let Some(copies) = self.batches.take_ended(&seen_key) else { return };
        if copies.are_durable() {
            return self.remember(seen_key, tenant, now);
        }
        for to in copies.durable() {
            self.remember(seen_key.of_copy(to), tenant, now);
        }
    }

    /// Remembers an event that is durable.
    fn remember(&mut self, seen_key: DedupKey, tenant: &ItemTenant, now: Milliseconds) {
        let kind = match self.seen.is_timed(&seen_key, now) {
            true => IdKind::Timed,
            false => IdKind::Untimed,
        };
        match self.tenant_use.takes_id(&tenant.name, kind, now) {
            true => self.seen.insert(seen_key, now),
            false => self.seen.insert_passing(seen_key, now),
        }
    }

    pub fn status(&self, now: Milliseconds) -> ShardStatus {
        ShardStatus {
            buffer_bytes: self.batches.buffer_bytes(),
            devices: self.devices.len(),
            seen: self.seen.len(),
            spill: self.spill.depth(now),
            fill: self.spill.fill(),
            unreadable: self.spill.unreadable(),
            over_quota: self.quotas.over_quota(now, MAX_SHOWN),
            full_tenants: self.spill.full_tenants(),
            records: self.records.shown(),
        }
    }

    /// Stores the counts of records for an operator who asks at `now`: a status then has all of them.
    pub fn store_counts(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        self.records.asked(storage, now)
    }

    /// Returns its leases of the quotas of tenants.
    pub const fn quotas(&mut self) -> &mut QuotaLeases {
        &mut self.quotas
    }

    pub fn has_changed(&self) -> bool {
        self.devices.has_changed() || self.seen.has_changed()
    }

    /// Returns when the next checkpoint is due, at the end of a batch or of a request that opened
    /// none.
    pub fn checkpoint_due(&mut self, now: Milliseconds) -> CheckpointDue {
        match self.has_changed() || self.records.is_due(now) {
            true => self.checkpoint_schedule.due(!self.batches.is_empty(), now),
            false => CheckpointDue::No,
        }
    }

    /// Writes the sessions and seen events that changed since the last checkpoint.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        self.checkpoint_schedule.written(now);
        self.seen.checkpoint(storage, now)?;
        self.devices.checkpoint(storage, now)?;
        // Last, since they matter least.
        self.tenant_use.checkpoint(storage, now)?;
        self.records.checkpoint(storage, now)
    }

    /// Returns the number of records queued in the spill.
    pub fn spill_depth(&self) -> u64 {
        self.spill.records()
    }

    /// Returns the spill, which the alarm drives.
    pub const fn spill(&mut self) -> &mut Spill {
        &mut self.spill
    }

    /// Returns the sessions, which another shard may request.
    pub const fn devices(&mut self) -> &mut DeviceStore {
        &mut self.devices
    }
}

/// The most tenants over their quotas that a status names.
const MAX_SHOWN: usize = 100;

/// Puts a record into the open batch of its stream or stream set.
#[inline(never)]
fn add_record(
    batches: &mut Batcher,
    to: &StreamSet,
    record: Record,
    origin: RecordOrigin,
    now: Milliseconds,
    destinations: &Destinations,
) -> Slot {
    batches.add(to, record, origin, now, || open_limits(to.first(), destinations))
}

/// Returns the limits of a batch for `stream`: about one call.
pub fn batch_limits(stream: &Stream, destinations: &Destinations) -> BatchLimits {
    open_limits(stream, destinations).call
}

/// Returns when an open batch for `stream` is full.
fn open_limits(stream: &Stream, destinations: &Destinations) -> OpenLimits {
    let policy = destinations.policy_of(stream);
    let aggregation = stream.service.aggregation(policy.aggregation, policy.call_bytes);
    let aggregate_bytes = match aggregation {
        Aggregation::Off => None,
        Aggregation::UpTo(bytes) => Some(bytes.get()),
    };
    let call = BatchLimits {
        // Base64 adds a third.
        bytes: policy.call_bytes.saturating_mul(3).saturating_div(4),
        records: aggregate_bytes.map_or(stream.service.limits().records, |_| usize::MAX),
    };
    OpenLimits { call, aggregate_bytes }
}

#[cfg(test)]
mod tests;
