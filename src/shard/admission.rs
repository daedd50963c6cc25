//! The admission of a request's items: which are new, which have room and a place in the quota of their
//! tenant, and to which session each event belongs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::batcher::{Batcher, RecordOrigin, Slot};
use super::dedup::DedupKey;
use super::device_store::DeviceEvent;
use super::protocol::batch_request::{DeviceIdentity, EventIdentity, ShardItem};
use super::quotas::reserve::{self, ItemCharge, QuotaReserve, QuotaShortage};
use super::record_counts::RecordResult;
use super::spill::SpillUsage;
use super::storage::{Storage, StorageError};
use super::tenant_share::TenantTotals;
use super::{BatchEvents, ShardCore};
use crate::base::clock::Milliseconds;
use crate::base::order::{ascending, unsigned};
use crate::delivery::destinations::Destinations;
use crate::model::device_key::DeviceKey;
use crate::model::placement::ShardNumber;
use crate::model::quota::ItemTenant;
use crate::model::session::SessionInfo;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;

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

impl ShardCore {
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
                // The same event, earlier in this request, was free: a replay is.
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
        self.count_unqueued(&admitted.admissions);
        admitted.sessions = sessions;
        Ok(admitted)
    }

    /// Counts the records that are in no batch. Those of a batch are counted at its end.
    fn count_unqueued(&mut self, admissions: &[Admission]) {
        for admission in admissions {
            self.records.current.add(match admission {
                Admission::Queued(_) => continue,
                Admission::Duplicate | Admission::DuplicateOf(_) => RecordResult::Duplicate,
                Admission::Short(QuotaShortage::Over) => RecordResult::OverQuota,
                Admission::Short(QuotaShortage::Unknown) | Admission::Refused(Refusal::Spill) => {
                    RecordResult::NotDurable
                }
                Admission::Refused(Refusal::Memory) => RecordResult::NotAdmitted,
            });
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
}
