//! The shard: the object that owns a share of the devices, without its I/O.
//!
//! A request brings records. The shard filters out duplicates, assigns each event to its session,
//! and puts its record into the batch of its stream, or of its stream set. The driver closes a
//! batch when it is full or its linger time is over, delivers it, and passes the report to the
//! shard. Records that the stream did not accept are spilled to the shard's own storage. Only then
//! is a record durable, and its event seen.
//!
//! ```text
//! admitted = shard.admit(items)                 // an Admission for each item
//! for (batch, action) in shard.next_actions()   // the batches that may start now
//!     settled = shard.settle(batch, deliver(action)) // an ItemStatus for each record: answer now
//! shard.checkpoint()                            // at a batch's end, if checkpoint_due says so
//! ```
//!
//! [`tenant_share`] and [`tenant_use`] keep a tenant from taking what others need. [`quotas`] counts the events of tenants with a daily quota. [`device_rates`] finds devices that send too much. [`protocol`] has the messages of a shard, and [`storage`] its tables. [`sessions`] assigns
//! events to sessions, [`device_store`] keeps the sessions of all devices, and [`dedup`] remembers
//! seen events. [`batcher`] holds the records in memory, for as long
//! as [`arrivals`] makes it worth the wait, and [`spill`] those in storage. [`alarm`]
//! sets the object's alarm for the spill, and [`checkpoint_schedule`] decides when a checkpoint is written.

pub mod alarm;
pub mod arrivals;
pub mod batcher;
pub mod checkpoint_schedule;
pub mod config;
pub mod dedup;
pub mod device_rates;
pub mod device_store;
pub mod protocol;
pub mod quotas;
pub mod sessions;
pub mod spill;
pub mod storage;
pub mod tenant_counts;
pub mod tenant_share;
pub mod tenant_use;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::base::clock::Milliseconds;
use crate::base::order::{ascending, unsigned};
use crate::delivery::StreamBatch;
use crate::delivery::aggregate::Aggregation;
use crate::delivery::destinations::Destinations;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::model::device_key::DeviceKey;
use crate::model::placement::ShardNumber;
use crate::model::quota::ItemTenant;
use crate::model::record::Record;
use crate::model::session::SessionInfo;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::shard::dedup::{DedupKey, DedupWindow};
use crate::shard::quotas::leases::{OverQuota, QuotaLeases};
use crate::shard::quotas::reserve::{self, ItemCharge, QuotaReserve, QuotaShortage};
use batcher::{BatchId, BatchLimits, Batcher, Fullness, OpenLimits, RecordOrigin, Slot};
use checkpoint_schedule::{CheckpointDue, CheckpointSchedule};
use config::ShardConfig;
use device_rates::DeviceRates;
use device_store::{DeviceEvent, DeviceStore};
use protocol::batch_request::{DeviceIdentity, EventIdentity, ShardItem};
use protocol::batch_response::{ItemStatus, TENANT_SHARE_FULL};
use spill::row::TenantRecord;
use spill::{BacklogStats, FullTenant, Spill, SpillError, SpillUsage};
use storage::{Storage, StorageError};
use tenant_share::{TenantShare, TenantTotals};
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
}

/// The items of a request, and what it has reserved of the quotas of their tenants.
#[derive(Debug, Default)]
pub struct AdmitRequest<'a> {
    pub items: Vec<ShardItem<'a>>,
    /// One for each tenant that [`ShardCore::quota_needs`] names.
    pub reserves: Vec<QuotaReserve>,
}

impl<'a> From<Vec<ShardItem<'a>>> for AdmitRequest<'a> {
    fn from(items: Vec<ShardItem<'a>>) -> Self {
        Self { items, reserves: Vec::new() }
    }
}

/// The state of an item after its admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    Duplicate,
    /// It is queued in this slot.
    Queued(Slot),
    /// Its event is queued in this slot already, and shares its result.
    DuplicateOf(Slot),
    /// Nothing is left of its tenant's quota, or nothing is known about it.
    Short(QuotaShortage),
    Refused(Refusal),
}

/// Why an item is not admitted: its tenant has its share of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Of the memory. The runtime delivers it directly.
    Memory,
    /// Of the spill, and its stream fails. The client has to keep it.
    Spill,
}

/// The result of an admission.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AdmitResult {
    /// One admission for each item, in their order.
    pub admissions: Vec<Admission>,
    /// How each item was charged; empty if no tenant has a quota.
    pub charges: Vec<ItemCharge>,
    /// The session of each item that has one.
    pub sessions: Vec<Option<SessionInfo>>,
    /// The devices that overflow: their next events should go to any shard.
    pub overflowing: Vec<DeviceKey>,
    /// The batches that the driver has to close.
    pub events: BatchEvents,
}

/// Batches that the driver has to close.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchEvents {
    /// Batches to close after their linger time.
    pub opened: Vec<BatchId>,
    /// Batches to close now.
    pub full: Vec<BatchId>,
}

impl BatchEvents {
    fn add(
        &mut self,
        batches: &mut Batcher,
        to: &StreamSet,
        record: Record,
        origin: RecordOrigin,
        now: Milliseconds,
        destinations: &Destinations,
    ) -> Slot {
        let limits = || open_limits(to.first(), destinations);
        let (slot, fullness) = batches.add(to, record, origin, now, limits);
        if slot.index == 0 {
            self.opened.push(slot.batch);
        }
        if fullness == Fullness::Full {
            self.full.push(slot.batch);
        }
        slot
    }
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
}

/// The next step for a closed batch.
#[derive(Debug)]
pub enum BatchAction {
    /// Deliver it, and pass its report to [`ShardCore::apply_report`].
    Deliver(StreamBatch),
    /// Spill it, behind older records of its stream or for lack of memory: pass this report to
    /// [`ShardCore::apply_report`] unchanged.
    Spill(Stream, DeliveryReport),
}

/// The steps for all closed batches, and when to ask again.
#[derive(Debug, Default)]
pub struct NextActions {
    /// The batches that start now, oldest first. Each [`BatchAction::Deliver`] takes a free call.
    pub start: Vec<(BatchId, BatchAction)>,
    /// When the next batch will have lingered.
    pub wake_at: Option<Milliseconds>,
    /// Whether a batch waits for a free call, or for the end of another batch of its stream.
    pub is_blocked: bool,
}

/// Whether the event of an item was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SeenState {
    Seen,
    New,
}

/// Whether a request fits into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BufferState {
    HasRoom,
    /// It fits only once the records of failing streams are spilled.
    IsFull,
}

/// Why a shard accepts no request now; the runtime then delivers directly.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    #[error("shard holds {held} bytes, limit {limit}")]
    BufferFull {
        /// Bytes in memory.
        held: usize,
        /// The most bytes in memory.
        limit: usize,
    },
    /// The sessions of a device cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The result of a record in a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettledRecord {
    pub status: ItemStatus,
    /// The slots of its failed event, if its stream rejects its content. Until these are settled,
    /// [`ItemStatus::Rejected`] is not final.
    pub failed: Vec<Slot>,
}

impl From<ItemStatus> for SettledRecord {
    fn from(status: ItemStatus) -> Self {
        Self { status, failed: Vec::new() }
    }
}

/// The result of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApplyResult {
    /// One result for each record, in their order.
    pub records: Vec<SettledRecord>,
    /// The number of records that were spilled.
    pub spilled: usize,
    /// The batches of failed events that the driver has to close.
    pub events: BatchEvents,
}

impl ShardCore {
    /// Loads the state of the last checkpoint.
    pub fn load(
        storage: &impl Storage,
        sharding: &ShardConfig,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            number: 0,
            devices: DeviceStore::load(storage, sharding.session, now)?,
            seen: DedupWindow::load(storage, sharding.dedupe, now)?,
            batches: Batcher::default(),
            spill: Spill::load(storage, sharding.spill, now)?,
            checkpoint_schedule: CheckpointSchedule::default(),
            max_held_bytes: sharding.buffer_bytes,
            tenant_share: sharding.tenant_share,
            tenant_use: TenantUse::load(storage, sharding)?,
            device_rates: DeviceRates::default(),
            device_events_per_minute: sharding.device_events_per_minute,
            quotas: QuotaLeases::default(),
        })
    }

    /// Sets its number, which is 0 otherwise.
    #[must_use]
    pub fn with_number(self, number: ShardNumber) -> Self {
        Self { number, ..self }
    }

    /// Admits the items of a request. `random` is drawn anew for each session. If memory is full,
    /// it marks the batches of failing streams for the spill, as a direct delivery would fail as
    /// well. [`ShardCore::next_actions`] starts them, whatever this returns.
    pub fn admit(
        &mut self,
        request: AdmitRequest<'_>,
        storage: &impl Storage,
        destinations: &Destinations,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
        is_sick: impl Fn(&Stream) -> bool,
    ) -> Result<AdmitResult, AdmitError> {
        let AdmitRequest { items, mut reserves } = request;
        let reserved = reserves.clone();
        let request = (items, reserves.as_mut_slice());
        let admitted = self.admit_within(request, storage, destinations, now, random, is_sick);
        let unused = if admitted.is_ok() { reserves } else { reserved };
        for (charge, count) in unused.into_iter().map(QuotaReserve::rest) {
            self.quotas.refund(&charge, count);
        }
        admitted
    }

    /// Admits items within what is reserved for them.
    fn admit_within(
        &mut self,
        (items, reserves): (Vec<ShardItem<'_>>, &mut [QuotaReserve]),
        storage: &impl Storage,
        destinations: &Destinations,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
        is_sick: impl Fn(&Stream) -> bool,
    ) -> Result<AdmitResult, AdmitError> {
        let number = self.number;
        let is_sick = |set: &StreamSet| is_sick(&set.member_for(number, &is_sick));
        let (fullness, refusals) = match self.tenant_share.is_whole() {
            true => (self.make_room_for(&items, self.max_held_bytes, is_sick)?, Vec::new()),
            false => self.make_room_by_share(&items, is_sick, now),
        };
        let seen = self.seen(&items, storage, now);
        let is_free = |index: usize, item: &ShardItem<'_>| {
            let seen_key = item.event.as_ref().map(EventIdentity::seen_key).zip(seen.get(index));
            refusals.get(index).is_some_and(Option::is_some)
                || seen_key.is_some_and(|(key, seen)| self.find_duplicate(&key, *seen).is_some())
        };
        let charges = reserve::charge(&items, reserves, is_free);
        // All sessions come first: if one cannot be read, no record was queued.
        let is_admitted = |index: usize| {
            let is_short = matches!(charges.get(index), Some(ItemCharge::Short(_)));
            !is_short && refusals.get(index).is_none_or(Option::is_none)
        };
        let sessions = self.observe(&items, &seen, is_admitted, storage, now, random)?;
        let overflowing = self.count_devices(&items, now);
        let mut admitted = AdmitResult { overflowing, charges, ..AdmitResult::default() };
        self.batches.next_request();
        for (index, ((item, session), seen)) in
            items.into_iter().zip(&sessions).zip(seen).enumerate()
        {
            let ShardItem { to, tenant, record, event, .. } = item;
            let seen_key = event.as_ref().map(EventIdentity::seen_key);
            let duplicate = seen_key.and_then(|seen_key| self.find_duplicate(&seen_key, seen));
            let charge = admitted.charges.get_mut(index);
            if let Some(admission) = duplicate {
                // The same event, earlier in this request, was charged.
                if let Some(ItemCharge::One(charge)) =
                    charge.map(|charge| std::mem::replace(charge, ItemCharge::Free))
                {
                    self.quotas.refund(&charge, 1);
                }
                admitted.admissions.push(admission);
                continue;
            }
            if let Some(refusal) = refusals.get(index).copied().flatten() {
                admitted.admissions.push(Admission::Refused(refusal));
                continue;
            }
            if let Some(ItemCharge::Short(shortage)) = charge {
                admitted.admissions.push(Admission::Short(*shortage));
                continue;
            }
            let record = match session {
                Some(session) => record.in_session(session),
                None => record,
            };
            let (batches, origin) = (&mut self.batches, RecordOrigin { seen_key, tenant });
            let slot = admitted.events.add(batches, &to, record, origin, now, destinations);
            admitted.admissions.push(Admission::Queued(slot));
        }
        if fullness == BufferState::IsFull {
            self.batches.mark_for_spill(is_sick);
        }
        admitted.sessions = sessions;
        Ok(admitted)
    }

    /// Counts the events of each device in `items`. Returns the devices that overflow.
    fn count_devices(&mut self, items: &[ShardItem<'_>], now: Milliseconds) -> Vec<DeviceKey> {
        let mut overflowing = Vec::new();
        for event in items.iter().filter_map(|item| item.event) {
            if event.device != DeviceIdentity::Unknown
                && self.device_rates.count(event.key, self.device_events_per_minute, now)
                && !overflowing.contains(&event.key)
            {
                overflowing.push(event.key);
            }
        }
        overflowing
    }

    /// Returns whether each item's event was seen.
    fn seen(
        &self,
        items: &[ShardItem<'_>],
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Vec<SeenState> {
        let events = || items.iter().filter_map(|item| item.event.as_ref());
        let keys: Vec<DedupKey> = events().map(EventIdentity::seen_key).collect();
        let mut seen = self.seen.contains(storage, &keys, now).into_iter();
        let of_item = |item: &ShardItem<'_>| match item.event.and_then(|_| seen.next()) {
            Some(true) => SeenState::Seen,
            Some(false) | None => SeenState::New,
        };
        items.iter().map(of_item).collect()
    }

    /// Returns the admission of an event that was seen or is queued already.
    fn find_duplicate(&self, seen_key: &DedupKey, seen: SeenState) -> Option<Admission> {
        match seen {
            SeenState::Seen => Some(Admission::Duplicate),
            SeenState::New => self.batches.find(seen_key).map(Admission::DuplicateOf),
        }
    }

    fn make_room_for(
        &mut self,
        items: &[ShardItem<'_>],
        limit: usize,
        is_sick: impl Fn(&StreamSet) -> bool,
    ) -> Result<BufferState, AdmitError> {
        let bytes = |item: &ShardItem<'_>| item.record.bytes().len();
        let request: usize = items.iter().map(bytes).sum();
        let held = self.batches.unmarked_bytes();
        // A request that exceeds the limit alone is accepted if no other record is in memory.
        let fits = |held: usize, request| held == 0 || held.saturating_add(request) <= limit;
        if fits(held, request) {
            return Ok(BufferState::HasRoom);
        }
        let SpillUsage { bytes: spilled, max_bytes, .. } = self.spill.fill();
        let spilled_then = spilled.saturating_add(held.saturating_add(request) as u64);
        if spilled_then > max_bytes {
            return Err(AdmitError::BufferFull { held, limit });
        }
        self.batches.mark_for_spill(&is_sick);
        let held = self.batches.unmarked_bytes();
        let staying = items.iter().filter(|item| !is_sick(&item.to)).map(bytes).sum();
        match staying == 0 || fits(held, staying) {
            true => Ok(BufferState::IsFull),
            false => Err(AdmitError::BufferFull { held, limit }),
        }
    }

    /// Refuses items whose tenant would exceed its share of the memory, or of the spill if their stream
    /// fails. All of a tenant's are refused, or none; a small tenant's come first. Returns nothing for
    /// items that have room without a look at their tenants.
    fn make_room_by_share(
        &mut self,
        items: &[ShardItem<'_>],
        is_sick: impl Fn(&StreamSet) -> bool,
        now: Milliseconds,
    ) -> (BufferState, Vec<Option<Refusal>>) {
        let bytes = |item: &ShardItem<'_>| item.record.bytes().len() as u64;
        let (share, memory) = (self.tenant_share, self.max_held_bytes as u64);
        let spill = self.spill.fill();
        let in_spill = spill.bytes.saturating_add(self.batches.buffer_bytes() as u64);
        let held = self.batches.unmarked_bytes() as u64;
        let request = items.iter().map(bytes).fold(0, u64::saturating_add);
        if share.allows(held.saturating_add(request), 0, memory)
            && share.allows(in_spill.saturating_add(request), 0, spill.max_bytes)
        {
            return (BufferState::HasRoom, Vec::new());
        }
        let (mut wanted, mut well) = (TenantTotals::default(), TenantTotals::default());
        let sick: Vec<bool> = items.iter().map(|item| is_sick(&item.to)).collect();
        for (item, is_sick) in items.iter().zip(&sick) {
            wanted.add(&item.tenant.name, bytes(item));
            if !is_sick {
                well.add(&item.tenant.name, bytes(item));
            }
        }
        let (mut state, mut admitted) = (BufferState::HasRoom, 0_u64);
        let (mut no_memory, mut no_spill) = (BTreeSet::new(), BTreeSet::new());
        for (tenant, wanted) in wanted.smallest_first() {
            let well = well.of(tenant);
            let own = self.spill.bytes_of(tenant).saturating_add(self.batches.bytes_of(tenant).1);
            let others = in_spill.saturating_sub(own).saturating_add(admitted);
            let may_spill = share.allows(own.saturating_add(wanted), others, spill.max_bytes);
            let wanted = match wanted > well && !may_spill {
                true => {
                    no_spill.insert(tenant);
                    well
                }
                false => wanted,
            };
            let fits = |batches: &Batcher, wanted| {
                let (own, held) = (batches.bytes_of(tenant).0, batches.unmarked_bytes() as u64);
                let others = held.saturating_sub(own).saturating_add(admitted);
                // As without shares, a request that exceeds the limit alone needs an empty memory.
                own.saturating_add(others) == 0
                    || share.allows(own.saturating_add(wanted), others, memory)
            };
            let mut has_room = fits(&self.batches, wanted);
            if !has_room && may_spill {
                self.batches.mark_for_spill(&is_sick);
                state = BufferState::IsFull;
                has_room = well == 0 || fits(&self.batches, well);
            }
            match has_room {
                true => admitted = admitted.saturating_add(wanted),
                false => {
                    no_memory.insert(tenant);
                }
            }
        }
        let refusal = |(item, is_sick): (&ShardItem<'_>, &bool)| {
            let tenant = item.tenant.name.as_str();
            if *is_sick && no_spill.contains(tenant) {
                return Some(Refusal::Spill);
            }
            no_memory.contains(tenant).then_some(Refusal::Memory)
        };
        let refusals = items.iter().zip(&sick).map(refusal).collect();
        for tenant in no_spill {
            self.spill.tenant_is_full(tenant, now);
        }
        (state, refusals)
    }

    /// Returns the session of each item that has one. A device's sessions see the events of one
    /// request in the order in which they occurred.
    fn observe(
        &mut self,
        items: &[ShardItem<'_>],
        seen: &[SeenState],
        is_admitted: impl Fn(usize) -> bool,
        storage: &impl Storage,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
    ) -> Result<Vec<Option<SessionInfo>>, StorageError> {
        let mut sessions = vec![None; items.len()];
        let at = |item: &ShardItem<'_>| item.event.map_or(0, |event| event.session_event.at);
        for (_, index) in ascending(&mut items.iter().map(|item| unsigned(at(item)))) {
            if !is_admitted(index) {
                continue;
            }
            let (Some(ShardItem { event: Some(event), tenant, .. }), Some(seen), Some(session)) =
                (items.get(index), seen.get(index).copied(), sessions.get_mut(index))
            else {
                continue;
            };
            let EventIdentity {
                key,
                session_event,
                device: DeviceIdentity::Known { previous },
                ..
            } = *event
            else {
                continue;
            };
            let seen_key = event.seen_key();
            if self.find_duplicate(&seen_key, seen).is_none() {
                let of = DeviceEvent { key, previous, event: &session_event };
                let may_be_stored = || self.tenant_use.takes_device(&tenant.name, now);
                let info = self.devices.observe(storage, of, may_be_stored, &random, now)?;
                *session = Some(info);
            }
        }
        Ok(sessions)
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
        let mut next = NextActions { wake_at, ..NextActions::default() };
        for batch in due {
            let Some(set) = self.batches.set_of(batch) else { continue };
            let is_unfit = |stream: &Stream| {
                is_avoided(stream) || self.spill.must_queue(stream, accepting_at(stream))
            };
            let stream = set.member_for(self.number, is_unfit).into_owned();
            let is_spilled = self.goes_to_spill(batch, &stream, &accepting_at);
            let needs_call = !is_spilled || !self.spill.has_room(self.batches.records_of(batch));
            let is_blocked = !is_spilled && self.batches.is_blocked(batch, &stream);
            if is_blocked || (needs_call && free_calls == 0) {
                next.is_blocked = true;
                continue;
            }
            if let Some(action) = self.close(batch, stream, &accepting_at) {
                free_calls = free_calls.saturating_sub(usize::from(needs_call));
                next.start.push((batch, action));
            }
        }
        next
    }

    /// Whether an open batch is spilled when it is closed for `stream`, if there is room.
    /// `accepting_at` is when a stream that may be called last accepted a record.
    fn goes_to_spill(
        &self,
        batch: BatchId,
        stream: &Stream,
        accepting_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> bool {
        self.batches.marked_for_spill().contains(&batch)
            || self.spill.must_queue(stream, accepting_at(stream))
    }

    /// Closes a batch that is due, for `stream`. Returns `None` if it was closed before.
    /// `accepting_at` is as above.
    fn close(
        &mut self,
        batch: BatchId,
        stream: Stream,
        accepting_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> Option<BatchAction> {
        let is_spilled = self.goes_to_spill(batch, &stream, accepting_at);
        let StreamBatch { stream, records } = self.batches.close(batch, stream)?;
        // If the spill is full, the records are sent at once: otherwise none might ever be sent
        // again.
        if !is_spilled || !self.spill.has_room(&records) {
            return Some(BatchAction::Deliver(StreamBatch { stream, records }));
        }
        let records = records.into_iter().map(|record| (record, RecordStatus::Pending)).collect();
        let retry_after_s = DeliveryReport::RETRY_AFTER_S;
        let report = DeliveryReport { records, retry_after_s, ..DeliveryReport::default() };
        Some(BatchAction::Spill(stream, report))
    }

    /// Applies the report of a batch for `stream`. Pending records are spilled; a record whose
    /// content the stream rejects becomes a failed event.
    pub fn apply_report(
        &mut self,
        batch: BatchId,
        stream: &Stream,
        report: DeliveryReport,
        storage: &impl Storage,
        destinations: &Destinations,
        now: Milliseconds,
    ) -> ApplyResult {
        let mut settled = ApplyResult::default();
        let Some(under_way) = self.batches.end(batch) else {
            return settled;
        };
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
            let RecordOrigin { seen_key, tenant } = origin;
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
                                settled.events.add(
                                    &mut self.batches,
                                    &destinations.failed,
                                    part,
                                    RecordOrigin { seen_key: None, tenant: Arc::clone(&tenant) },
                                    now,
                                    destinations,
                                )
                            };
                            let failed = parts.into_iter().map(add).collect();
                            SettledRecord { status: ItemStatus::Rejected(error.code), failed }
                        }
                    }
                }
            };
            if let (ItemStatus::Durable, Some(seen_key)) = (&record.status, seen_key) {
                let kind = match self.seen.is_timed(&seen_key, now) {
                    true => IdKind::Timed,
                    false => IdKind::Untimed,
                };
                match self.tenant_use.takes_id(&tenant.name, kind, now) {
                    true => self.seen.insert(seen_key, now),
                    false => self.seen.insert_passing(seen_key, now),
                }
            }
            settled.records.push(record);
        }
        settled
    }

    /// Returns the devices in `items` that are unknown here, grouped by their previous shard. For
    /// cookieless devices, includes yesterday's id.
    pub fn unknown_devices(
        &self,
        items: &[ShardItem<'_>],
        storage: &impl Storage,
    ) -> Result<Vec<(ShardNumber, Vec<DeviceKey>)>, StorageError> {
        let mut unknown_devices: Vec<(ShardNumber, Vec<DeviceKey>)> = Vec::new();
        for item in items {
            let (
                Some(previous_shard),
                Some(EventIdentity { key, device: DeviceIdentity::Known { previous }, .. }),
            ) = (item.previous_shard, item.event)
            else {
                continue;
            };
            for key in [Some(key), previous].into_iter().flatten() {
                if self.devices.contains(storage, &key)? {
                    break;
                }
                match unknown_devices.iter_mut().find(|(number, _)| *number == previous_shard) {
                    Some((_, keys)) if keys.contains(&key) => {}
                    Some((_, keys)) => keys.push(key),
                    None => unknown_devices.push((previous_shard, vec![key])),
                }
            }
        }
        Ok(unknown_devices)
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
        }
    }

    /// Returns how many events of each tenant with a quota `items` bring. If a lease has too little for
    /// all of them, only new ones count: repeats of a request take nothing from other shards.
    pub fn quota_needs(
        &self,
        items: &[ShardItem<'_>],
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Vec<(Arc<ItemTenant>, u64)> {
        let needs = reserve::needs(items);
        if needs.iter().all(|(tenant, need)| self.quotas.covers(tenant, *need, now)) {
            return needs;
        }
        let mut found = BTreeSet::new();
        let mut is_new = |item: &ShardItem<'_>, seen| {
            let seen_key = item.event.as_ref().map(EventIdentity::seen_key);
            seen_key
                .is_none_or(|key| self.find_duplicate(&key, seen).is_none() && found.insert(key))
        };
        let seen = self.seen(items, storage, now);
        let new = items.iter().zip(seen).filter(|(item, seen)| is_new(item, *seen));
        reserve::needs(new.map(|(item, _)| item))
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
        match self.has_changed() {
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
        self.tenant_use.checkpoint(storage, now)?;
        self.seen.checkpoint(storage, now)?;
        self.devices.checkpoint(storage, now)
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
