//! The admission of a request's items: which are new, which have room and a place in the quota of their
//! tenant, and to which session each event belongs.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::batcher::{Batcher, RecordOrigin, RecordPart, Slot};
use super::copies::{CopyFlags, CopyState, EventPlace, Slots};
use super::dedup::DedupKey;
use super::device_store::DeviceEvent;
use super::protocol::batch_request::{DeviceIdentity, EventIdentity, ShardItem};
use super::quotas::reserve::{self, ItemCharge, QuotaReserve, QuotaShortage};
use super::record_counts::RecordResult;
use super::spill::SpillUsage;
use super::storage::{Storage, StorageError};
use super::tenant_share::TenantTotals;
use super::{ShardCore, add_record};
use crate::base::clock::Milliseconds;
use crate::base::order::{ascending, unsigned};
use crate::delivery::destinations::Destinations;
use crate::model::device_key::DeviceKey;
use crate::model::fan_out::FanOut;
use crate::model::placement::ShardNumber;
use crate::model::quota::ItemTenant;
use crate::model::record::Record;
use crate::model::record::line::SharedColumns;
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    Duplicate,
    /// Its record is queued in these slots, for the streams that do not have it yet.
    Queued(Slots),
    /// Its event is queued in these slots already, and shares their result.
    DuplicateOf(Slots),
    /// It is queued in these slots, but refused as [`Refusal::Spill`] for another of its streams.
    PartlyRefused(Slots),
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
    /// Only these copies of it were.
    Partly(CopyFlags),
    New,
}

/// The event of an item, and whether it was seen.
#[derive(Debug, Clone, Copy)]
struct SeenEvent {
    key: DedupKey,
    state: SeenState,
}

impl SeenState {
    /// Whether the copy for the stream at `index` was seen.
    fn has_copy(self, index: usize) -> bool {
        match self {
            Self::Seen => true,
            Self::Partly(copies) => copies.has(index),
            Self::New => false,
        }
    }
}

/// Why an item is not admitted for some of its streams, or for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ItemRefusal {
    None,
    Memory,
    /// For the streams of these copies, which fail.
    Spill(CopyFlags),
}

impl ItemRefusal {
    /// Returns the refusal of all of an item with so many copies.
    fn of_whole(self, copies: usize) -> Option<Refusal> {
        match self {
            Self::None => None,
            Self::Memory => Some(Refusal::Memory),
            Self::Spill(refused) => (refused == CopyFlags::all(copies)).then_some(Refusal::Spill),
        }
    }

    /// Whether the copy for the stream at `index` is refused.
    fn has_copy(self, index: usize) -> bool {
        match self {
            Self::None => false,
            Self::Memory => true,
            Self::Spill(refused) => refused.has(index),
        }
    }
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
        let refusal = |index: usize| refusals.get(index).copied().unwrap_or(ItemRefusal::None);
        let is_free = |index: usize, item: &ShardItem<'_>| {
            refusal(index).of_whole(item.to.copies()).is_some()
                || matches!(seen.get(index), Some(Some(seen)) if self.was_charged(&item.to, *seen))
        };
        let charges = reserve::charge(&items, reserves, is_free);
        // All sessions come first: if one cannot be read, no record was queued.
        let is_admitted = |index: usize, item: &ShardItem<'_>| {
            let is_short = matches!(charges.get(index), Some(ItemCharge::Short(_)));
            !is_short && refusal(index).of_whole(item.to.copies()).is_none()
        };
        let sessions = self.assign_sessions(&items, &seen, is_admitted, storage, now, random)?;
        let overflowing = self.count_devices(&items, now);
        let admissions = Vec::with_capacity(items.len());
        let mut admitted = AdmitResult { admissions, charges, sessions: Vec::new(), overflowing };
        self.batches.next_request();
        let session_columns = SharedColumns::default();
        for (index, ((item, session), seen)) in
            items.into_iter().zip(&sessions).zip(seen).enumerate()
        {
            let charge = admitted.charges.get_mut(index);
            let refusal = refusal(index);
            let duplicate = seen.and_then(|seen| self.find_duplicate(&item.to, seen));
            let admission = if let Some(duplicate) = duplicate {
                // The same event, earlier in this request, was free: a replay is.
                if let Some(ItemCharge::One(charge)) =
                    charge.map(|charge| std::mem::replace(charge, ItemCharge::Free))
                {
                    self.quotas.refund(&charge, 1);
                }
                duplicate
            } else if let Some(refusal) = refusal.of_whole(item.to.copies()) {
                Admission::Refused(refusal)
            } else if let Some(ItemCharge::Short(shortage)) = charge {
                Admission::Short(*shortage)
            } else {
                let ShardItem { to, tenant, record, .. } = item;
                let record = match session {
                    Some(session) => record.in_session(session, &session_columns),
                    None => record,
                };
                let seen_key = seen.map(|seen| seen.key);
                let origin = RecordOrigin { seen_key, part: RecordPart::Whole, tenant };
                let add = |batches: &mut Batcher, to: &StreamSet, record, origin| {
                    add_record(batches, to, record, origin, now, destinations)
                };
                let batches = &mut self.batches;
                match to.others() {
                    [] => Admission::Queued(add(batches, to.first(), record, origin).into()),
                    _ => {
                        let state = seen.map_or(SeenState::New, |seen| seen.state);
                        queue_copies(batches, &to, record, origin, (state, refusal), add)
                    }
                }
            };
            admitted.admissions.push(admission);
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
                Admission::Short(QuotaShortage::Unknown)
                | Admission::Refused(Refusal::Spill)
                | Admission::PartlyRefused(_) => RecordResult::NotDurable,
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
        let mut is_new = |item: &ShardItem<'_>, seen: SeenEvent| {
            !self.was_charged(&item.to, seen) && found.insert(seen.key)
        };
        let seen = self.seen(items, storage, now);
        let new = items.iter().zip(seen);
        let new = new.filter(|(item, seen)| seen.is_none_or(|seen| is_new(item, seen)));
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

    /// Returns the event of each item that is one, and whether it was seen, or which of its copies were.
    fn seen(
        &self,
        items: &[ShardItem<'_>],
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Vec<Option<SeenEvent>> {
        let mut keys: Vec<DedupKey> = Vec::with_capacity(items.len());
        for ShardItem { to, event, .. } in items {
            let Some(seen_key) = event.as_ref().map(EventIdentity::seen_key) else { continue };
            keys.push(seen_key);
            if !to.others().is_empty() {
                keys.extend(to.iter().map(|set| seen_key.of_copy(set)));
            }
        }
        let seen = self.seen.contains(storage, &keys, now);
        let mut seen = keys.into_iter().zip(seen);
        let of_item = |ShardItem { to, event, .. }: &ShardItem<'_>| {
            event.as_ref()?;
            let ((key, is_seen), mut copies) = (seen.next()?, CopyFlags::default());
            if !to.others().is_empty() {
                for index in 0..to.copies() {
                    let is_seen = seen.next().is_some_and(|(_, is_seen)| is_seen);
                    copies = if is_seen { copies.with(index) } else { copies };
                }
            }
            let state = match (is_seen, copies.is_empty()) {
                (true, _) => SeenState::Seen,
                (false, false) => SeenState::Partly(copies),
                (false, true) => SeenState::New,
            };
            Some(SeenEvent { key, state })
        };
        items.iter().map(of_item).collect()
    }

    /// Returns the admission of an event that was seen or is queued already, for all of its streams.
    fn find_duplicate(
        &self,
        to: &FanOut,
        SeenEvent { key, state }: SeenEvent,
    ) -> Option<Admission> {
        let place = match state {
            SeenState::Seen => return Some(Admission::Duplicate),
            SeenState::New => Some(self.batches.find(&key)?),
            SeenState::Partly(_) => self.batches.find(&key),
        };
        let is_found = |(index, set): (usize, &StreamSet)| {
            state.has_copy(index) || place.is_some_and(|place| place.has_copy(set))
        };
        if !to.others().is_empty() && !to.iter().enumerate().all(is_found) {
            return None;
        }
        let slots = place.and_then(EventPlace::slots);
        Some(slots.map_or(Admission::Duplicate, Admission::DuplicateOf))
    }

    /// Whether nothing is charged for an event: it is a duplicate, or a stream has its copy and another
    /// one does not, so that the charge of its first request was kept.
    fn was_charged(&self, to: &FanOut, seen: SeenEvent) -> bool {
        seen.state != SeenState::New
            || self.batches.find(&seen.key).is_some_and(EventPlace::has_durable_copy)
            || self.find_duplicate(to, seen).is_some()
    }

    fn make_room_for(
        &mut self,
        items: &[ShardItem<'_>],
        limit: usize,
        is_sick: impl Fn(&StreamSet) -> bool,
    ) -> Result<BufferState, AdmitError> {
        // The copies of a record share its bytes while they are in memory, but not in the spill.
        let bytes =
            |item: &ShardItem<'_>, copies: usize| item.record.bytes().len().saturating_mul(copies);
        let request = items.iter().map(|item| bytes(item, item.to.copies()));
        let request = request.fold(0, usize::saturating_add);
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
        let well = |item: &ShardItem<'_>| item.to.iter().filter(|set| !is_sick(set)).count();
        let staying = items.iter().map(|item| bytes(item, well(item)));
        let staying = staying.fold(0, usize::saturating_add);
        match staying == 0 || fits(held, staying) {
            true => Ok(BufferState::IsFull),
            false => Err(AdmitError::BufferFull { held, limit }),
        }
    }

    /// Refuses items whose tenant would exceed its share of the memory, or of the spill if their stream
    /// fails. All of a tenant's are refused, or none; a small tenant's come first. An item is refused only
    /// for those of its streams that fail. Returns nothing for items that have room without a look at
    /// their tenants.
    fn make_room_by_share(
        &mut self,
        items: &[ShardItem<'_>],
        is_sick: impl Fn(&StreamSet) -> bool,
        now: Milliseconds,
    ) -> (BufferState, Vec<ItemRefusal>) {
        let bytes = |item: &ShardItem<'_>, copies: usize| {
            (item.record.bytes().len() as u64).saturating_mul(copies as u64)
        };
        let (share, memory) = (self.tenant_share, self.max_held_bytes as u64);
        let spill = self.spill.fill();
        let in_spill = spill.bytes.saturating_add(self.batches.buffer_bytes() as u64);
        let held = self.batches.unmarked_bytes() as u64;
        let request = items.iter().map(|item| bytes(item, item.to.copies()));
        let request = request.fold(0, u64::saturating_add);
        if share.allows(held.saturating_add(request), 0, memory)
            && share.allows(in_spill.saturating_add(request), 0, spill.max_bytes)
        {
            return (BufferState::HasRoom, Vec::new());
        }
        let (mut wanted, mut well) = (TenantTotals::default(), TenantTotals::default());
        let sick_copies = |item: &ShardItem<'_>| {
            let mut sick = CopyFlags::default();
            for (index, set) in item.to.iter().enumerate() {
                sick = if is_sick(set) { sick.with(index) } else { sick };
            }
            sick
        };
        let sick: Vec<CopyFlags> = items.iter().map(sick_copies).collect();
        for (item, sick) in items.iter().zip(&sick) {
            let copies = item.to.copies();
            wanted.add(&item.tenant.name, bytes(item, copies));
            match copies.saturating_sub(sick.count()) {
                0 => {}
                copies => well.add(&item.tenant.name, bytes(item, copies)),
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
        let refusal = |(item, sick): (&ShardItem<'_>, &CopyFlags)| {
            let tenant = item.tenant.name.as_str();
            let has_no_spill = !sick.is_empty() && no_spill.contains(tenant);
            match (has_no_spill, no_memory.contains(tenant)) {
                // A direct delivery would fail, and repeat what it delivers to the other streams.
                (true, true) => ItemRefusal::Spill(CopyFlags::all(item.to.copies())),
                (true, false) => ItemRefusal::Spill(*sick),
                (false, true) => ItemRefusal::Memory,
                (false, false) => ItemRefusal::None,
            }
        };
        let refusals = items.iter().zip(&sick).map(refusal).collect();
        for tenant in no_spill {
            self.spill.tenant_is_full(tenant, now);
        }
        (state, refusals)
    }

    /// Returns the session of each item that has one. A device's sessions see the events of one
    /// request in the order in which they occurred.
    fn assign_sessions(
        &mut self,
        items: &[ShardItem<'_>],
        seen: &[Option<SeenEvent>],
        is_admitted: impl Fn(usize, &ShardItem<'_>) -> bool,
        storage: &impl Storage,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
    ) -> Result<Vec<Option<SessionInfo>>, StorageError> {
        let mut sessions = vec![None; items.len()];
        let at = |item: &ShardItem<'_>| item.event.map_or(0, |event| event.session_event.at);
        for (_, index) in ascending(&mut items.iter().map(|item| unsigned(at(item)))) {
            let (Some(item), Some(Some(seen)), Some(session)) =
                (items.get(index), seen.get(index), sessions.get_mut(index))
            else {
                continue;
            };
            let Some(EventIdentity {
                key,
                session_event,
                device: DeviceIdentity::Known { previous },
                ..
            }) = item.event
            else {
                continue;
            };
            if is_admitted(index, item) && self.find_duplicate(&item.to, *seen).is_none() {
                let of = DeviceEvent { key, previous, event: &session_event };
                let may_be_stored = || self.tenant_use.takes_device(&item.tenant.name, now);
                let info = self.devices.assign_session(storage, of, may_be_stored, &random, now)?;
                *session = Some(info);
            }
        }
        Ok(sessions)
    }
}

/// Queues a copy of `record` by `add` for each stream of `to` that does not have the event, unless it is
/// refused.
fn queue_copies(
    batches: &mut Batcher,
    to: &FanOut,
    record: Record,
    origin: RecordOrigin,
    (seen, refusal): (SeenState, ItemRefusal),
    add: impl Fn(&mut Batcher, &StreamSet, Record, RecordOrigin) -> Slot,
) -> Admission {
    let (record, seen_key) = (record.shared(), origin.seen_key);
    let (mut slots, mut is_refused) = (None, false);
    for (index, set) in to.iter().enumerate() {
        let place = seen_key.as_ref().and_then(|seen_key| batches.find(seen_key));
        let state = match place.and_then(|place| place.state_of(set)) {
            Some(CopyState::Held(slot)) => {
                Slots::add(&mut slots, slot);
                continue;
            }
            Some(CopyState::Durable) => continue,
            Some(CopyState::Lost) | None if seen.has_copy(index) => CopyState::Durable,
            Some(CopyState::Lost) | None if refusal.has_copy(index) => {
                is_refused = true;
                CopyState::Lost
            }
            Some(CopyState::Lost) | None => {
                let origin = RecordOrigin { part: RecordPart::Copy, ..origin.clone() };
                Slots::add(&mut slots, add(batches, set, record.clone(), origin));
                continue;
            }
        };
        if let Some(seen_key) = seen_key {
            batches.note_copy(seen_key, set, state);
        }
    }
    match slots {
        Some(slots) if is_refused => Admission::PartlyRefused(slots),
        Some(slots) => Admission::Queued(slots),
        // The streams that are not refused have it already.
        None => {
            seen_key.and_then(|seen_key| batches.take_ended(&seen_key));
            Admission::Refused(Refusal::Spill)
        }
    }
}
