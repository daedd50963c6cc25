//! The shard: the object that owns a slice of the devices, as far as it is a function of its
//! arguments.
//!
//! A parcel comes in; each event in it is told from its repeats, gets its session and waits
//! in its stream's batch. The driver closes a batch when it is full or has lingered, delivers
//! it and hands the report in; what the stream did not take is spilled to the shard's own
//! storage. Only then does a record count as durable, and its event as seen.
//!
//! ```text
//! admitted = shard.admit(items)                  // a claim an item; batches opened, and full ones
//! closed = shard.close(batch)                    // full, or has lingered
//! settled = shard.settle(batch, deliver(closed)) // a fate a record: now answer
//! shard.checkpoint()                             // with a batch's end, as checkpoint_due says
//! ```
//!
//! `key` names a device and `placement` its shard, `parcel` and `answer` are what the edge and a
//! shard say to each other and `handover` what shards do, `wire` writes that and what is stored,
//! `storage` is what it is stored in, `devices` remembers sessions, `batches` holds what is
//! in memory and `spill` what is not; `alarm` wakes the object for that, `pace` says when what is
//! remembered is written, and `home` where a spilled record goes when no route names its stream
//! any more.

pub mod alarm;
pub mod batcher;
pub mod config;
pub mod dedup;
pub mod device_store;
pub mod pace;
pub mod protocol;
pub mod sessions;
pub mod spill;
pub mod storage;

use crate::base::clock::Milliseconds;
use crate::delivery::aggregate::Aggregation;
use crate::delivery::destinations::Destinations;
use crate::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use crate::model::device_key::DeviceKey;
use crate::model::placement::ShardNumber;
use crate::model::record::Record;
use crate::model::session::SessionInfo;
use crate::model::stream::Stream;
use crate::shard::dedup::{DedupKey, DedupWindow};
use batcher::{BatchId, BatchLimits, BatchRoom, Batcher, ClosedBatch, Slot};
use config::ShardConfig;
use device_store::DeviceStore;
use pace::{Due, Pace};
use protocol::batch_request::{DeviceIdentity, EventIdentity, ShardItem};
use spill::{BacklogStats, Spill, SpillError, SpillUsage};
use storage::{Storage, StorageError};

/// What a shard knows and holds.
#[derive(Debug)]
pub struct ShardCore {
    devices: DeviceStore,
    seen: DedupWindow,
    batches: Batcher,
    spill: Spill,
    pace: Pace,
    /// The most bytes of records that wait in memory.
    max_held_bytes: usize,
}

/// What becomes of an item for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// Its event is durable already.
    Duplicate,
    /// It waits there.
    Queued(Slot),
    /// Its event waits there already, and it shares that one's fate.
    DuplicateOf(Slot),
}

/// What came of a parcel, for now.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct AdmitResult {
    /// A claim an item, in their order.
    pub claims: Vec<Admission>,
    /// The session of each item that got one.
    pub tags: Vec<Option<SessionInfo>>,
    /// The batches that now wait.
    pub waits: BatchEvents,
}

/// Batches that the driver has to close.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BatchEvents {
    /// Each of these when it has lingered.
    pub opened: Vec<BatchId>,
    /// Each of these now.
    pub full: Vec<BatchId>,
}

impl BatchEvents {
    fn add(
        &mut self,
        batches: &mut Batcher,
        stream: &Stream,
        record: Record,
        seen_key: Option<DedupKey>,
        destinations: &Destinations,
    ) -> Slot {
        let (place, room) = batches.add(stream, record, seen_key, || bounds(stream, destinations));
        if place.index == 0 {
            self.opened.push(place.batch);
        }
        if room == BatchRoom::Full {
            self.full.push(place.batch);
        }
        place
    }
}

/// How a shard is.
#[derive(Debug)]
pub struct ShardStatus {
    /// The bytes of records that wait in memory.
    pub held_bytes: usize,
    /// The devices in memory.
    pub devices: usize,
    /// The ids of events that it knows.
    pub seen: usize,
    /// What its streams did not take.
    pub spill: Vec<BacklogStats>,
    /// How much of what may be spilled is.
    pub fill: SpillUsage,
    /// How much is in storage that this version can't read.
    pub unreadable: u64,
}

/// What is to be done with a batch that was closed.
#[derive(Debug)]
pub enum BatchAction {
    /// It is to be delivered, and its report handed to [`ShardCore::settle`].
    Deliver(ClosedBatch),
    /// It goes into the spill, behind older records of its stream or for want of memory: its report
    /// is to be handed to [`ShardCore::settle`] as it is.
    Spill(Stream, DeliveryReport),
}

/// Whether a parcel finds room in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BufferState {
    HasRoom,
    /// For that of its records whose streams are well.
    IsFull,
}

/// Why a shard takes nothing now; the edge delivers by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    /// Too much waits in memory.
    #[error("shard holds {held} bytes, limit {limit}")]
    BufferFull {
        /// Bytes held.
        held: usize,
        /// Bytes that it may hold.
        limit: usize,
    },
    /// What it knows of a device can't be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// How the way of a record through a shard ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchStatus {
    /// Its stream has it, or the storage.
    Durable,
    /// Its stream refuses it for itself, with this code; its failed event waits in those places.
    Refused {
        /// The service's word for it.
        code: String,
        /// Every part of the failed event.
        failed: Vec<Slot>,
    },
    /// It is nowhere.
    NotDurable {
        /// Why, in one word.
        code: String,
        /// When to try again, in seconds.
        retry_after_s: u64,
    },
}

/// What came of a batch.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApplyResult {
    /// A fate a record, in their order.
    pub fates: Vec<BatchStatus>,
    /// How many records were spilled.
    pub spilled: usize,
    /// The batches in which failed events now wait.
    pub waits: BatchEvents,
}

impl ShardCore {
    /// What the shard knew when it was last here.
    pub fn load(
        storage: &impl Storage,
        sharding: &ShardConfig,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            devices: DeviceStore::load(storage, sharding.session, now)?,
            seen: DedupWindow::load(storage, sharding.dedupe, now)?,
            batches: Batcher::default(),
            spill: Spill::load(storage, sharding.spill, now)?,
            pace: Pace::default(),
            max_held_bytes: sharding.held_bytes,
        })
    }

    /// Takes in a parcel. `random` is drawn anew for each session. Where there is no room in memory,
    /// the batches of the streams that are sick go into the spill: who calls such a stream directly
    /// would have no more luck. They are [`ShardCore::leaving`], whatever this returns.
    pub fn admit(
        &mut self,
        items: Vec<ShardItem>,
        storage: &impl Storage,
        destinations: &Destinations,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
        is_sick: impl Fn(&Stream) -> bool,
    ) -> Result<AdmitResult, AdmitError> {
        let room = self.check_room(&items, self.max_held_bytes, &is_sick)?;
        // All sessions before any record waits: where one can't be read, nothing was taken.
        let tags = self.observe(&items, storage, now, random)?;
        let mut admitted = AdmitResult::default();
        for (item, tag) in items.into_iter().zip(&tags) {
            let ShardItem { stream, record, observation, .. } = item;
            let seen_key = observation.as_ref().map(EventIdentity::seen_key);
            if let Some(claim) = seen_key.and_then(|seen_key| self.repeat(&seen_key, now)) {
                admitted.claims.push(claim);
                continue;
            }
            let record = match tag {
                Some(tag) => record.in_session(tag),
                None => record,
            };
            let batches = &mut self.batches;
            let place = admitted.waits.add(batches, &stream, record, seen_key, destinations);
            admitted.claims.push(Admission::Queued(place));
        }
        if room == BufferState::IsFull {
            self.batches.empty(is_sick);
        }
        admitted.tags = tags;
        Ok(admitted)
    }

    /// The open batches that the driver has to close now, for the spill.
    pub fn leaving(&self) -> Vec<BatchId> {
        self.batches.leaving()
    }

    /// The claim of an event that came before.
    fn repeat(&self, seen_key: &DedupKey, now: Milliseconds) -> Option<Admission> {
        match self.seen.contains(seen_key, now) {
            true => Some(Admission::Duplicate),
            false => self.batches.find(seen_key).map(Admission::DuplicateOf),
        }
    }

    fn check_room(
        &mut self,
        items: &[ShardItem],
        limit: usize,
        is_sick: impl Fn(&Stream) -> bool,
    ) -> Result<BufferState, AdmitError> {
        let bytes = |item: &ShardItem| item.record.bytes().len();
        let parcel: usize = items.iter().map(bytes).sum();
        let held = self.batches.staying_bytes();
        // What is past the limit by itself goes when nothing else is held.
        let fits = |held: usize, parcel| held == 0 || held.saturating_add(parcel) <= limit;
        if fits(held, parcel) {
            return Ok(BufferState::HasRoom);
        }
        let SpillUsage { bytes: spilled, max_bytes, .. } = self.spill.fill();
        let spilled_then = spilled.saturating_add(held.saturating_add(parcel) as u64);
        if spilled_then > max_bytes {
            return Err(AdmitError::BufferFull { held, limit });
        }
        self.batches.empty(&is_sick);
        let held = self.batches.staying_bytes();
        let staying = items.iter().filter(|item| !is_sick(&item.stream)).map(bytes).sum();
        match staying == 0 || fits(held, staying) {
            true => Ok(BufferState::IsFull),
            false => Err(AdmitError::BufferFull { held, limit }),
        }
    }

    /// The session of each item that has one. A device's sessions see its events in the order
    /// in which they happened, as far as they come together.
    fn observe(
        &mut self,
        items: &[ShardItem],
        storage: &impl Storage,
        now: Milliseconds,
        random: impl Fn() -> [u8; 10],
    ) -> Result<Vec<Option<SessionInfo>>, StorageError> {
        let mut tags = vec![None; items.len()];
        let observed = items.iter().zip(&mut tags);
        let mut observed: Vec<(EventIdentity, &mut Option<SessionInfo>)> =
            observed.filter_map(|(item, tag)| Some((item.observation?, tag))).collect();
        observed.sort_by_key(|(observation, _)| observation.sighting.at);
        for (observation, tag) in observed {
            let EventIdentity { key, sighting, device: DeviceIdentity::Known { previous }, .. } =
                observation
            else {
                continue;
            };
            let seen_key = observation.seen_key();
            if self.repeat(&seen_key, now).is_none() {
                let seen = self.devices.observe(storage, key, previous, &sighting, &random, now)?;
                *tag = Some(seen);
            }
        }
        Ok(tags)
    }

    /// Whether a batch that is full or has lingered stays open until another one of its stream
    /// has been settled.
    pub fn has_to_wait(&self, batch: BatchId) -> bool {
        self.batches.has_to_wait(batch)
    }

    /// Whether an open batch goes into the spill when it is closed, if there is room; `taking_at` is
    /// when a stream that may be called last took a record.
    pub fn goes_to_spill(
        &self,
        batch: BatchId,
        taking_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> bool {
        let holds_back = |stream: &Stream| self.spill.holds_back(stream, taking_at(stream));
        self.batches.leaving().contains(&batch)
            || self.batches.stream_of(batch).is_some_and(holds_back)
    }

    /// Closes a batch, which is full or has lingered; none if it was closed before. `taking_at` is
    /// as above.
    pub fn close(
        &mut self,
        batch: BatchId,
        taking_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> Option<BatchAction> {
        let is_spilled = self.goes_to_spill(batch, taking_at);
        let ClosedBatch { stream, records } = self.batches.close(batch)?;
        // What finds no room behind them goes at once: else nothing might ever go again.
        if !is_spilled || !self.spill.has_room(&records) {
            return Some(BatchAction::Deliver(ClosedBatch { stream, records }));
        }
        let records = records.into_iter().map(|record| (record, RecordStatus::Pending)).collect();
        let retry_after_s = DeliveryReport::RETRY_AFTER_S;
        let report = DeliveryReport { records, retry_after_s, ..DeliveryReport::default() };
        Some(BatchAction::Spill(stream, report))
    }

    /// Takes in how the delivery of a batch to `stream` ended: what is pending is spilled, and
    /// what the stream refuses for itself becomes a failed event.
    pub fn settle(
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
            |code: &str| BatchStatus::NotDurable { code: code.to_owned(), retry_after_s };
        let pending: Vec<&Record> = report
            .records
            .iter()
            .filter(|(_, fate)| *fate == RecordStatus::Pending)
            .map(|it| &it.0)
            .collect();
        let spilled = match pending.is_empty() {
            true => Ok(()),
            false => self.spill.push(storage, stream, &pending, now),
        };
        settled.spilled = if spilled.is_ok() { pending.len() } else { 0 };
        if report.records.iter().any(|(_, fate)| *fate == RecordStatus::Delivered) {
            self.spill.stream_takes(stream, now);
        } else if report.problem.is_some() {
            self.spill.stream_gives_up(stream, now);
        }
        let of_pending = match &spilled {
            Ok(()) => BatchStatus::Durable,
            Err(SpillError::Full { .. }) => not_durable("spill_full"),
            Err(SpillError::Storage(_)) => not_durable("storage"),
        };
        for ((record, fate), seen_key) in report.records.into_iter().zip(under_way.seen_keys) {
            let fate = match fate {
                RecordStatus::Delivered => BatchStatus::Durable,
                RecordStatus::Pending => of_pending.clone(),
                RecordStatus::Rejected(refusal) if *stream == destinations.failed => {
                    not_durable(&refusal.code)
                }
                RecordStatus::Rejected(refusal) => {
                    match Record::of_refused(&record, stream, &refusal.code) {
                        Err(_) => not_durable(&refusal.code),
                        Ok(parts) => {
                            let add = |part| {
                                settled.waits.add(
                                    &mut self.batches,
                                    &destinations.failed,
                                    part,
                                    None,
                                    destinations,
                                )
                            };
                            let failed = parts.into_iter().map(add).collect();
                            BatchStatus::Refused { code: refusal.code, failed }
                        }
                    }
                }
            };
            if let (BatchStatus::Durable, Some(seen_key)) = (&fate, seen_key) {
                self.seen.insert(seen_key, now);
            }
            settled.fates.push(fate);
        }
        settled
    }

    /// The devices of `items` that this shard does not know, by the shard that had them before.
    /// With whose id changes daily comes the id that it had the day before.
    pub fn strangers(
        &self,
        items: &[ShardItem],
        storage: &impl Storage,
    ) -> Result<Vec<(ShardNumber, Vec<DeviceKey>)>, StorageError> {
        let mut strangers: Vec<(ShardNumber, Vec<DeviceKey>)> = Vec::new();
        for item in items {
            let (
                Some(former),
                Some(EventIdentity { key, device: DeviceIdentity::Known { previous }, .. }),
            ) = (item.former, item.observation)
            else {
                continue;
            };
            for key in [Some(key), previous].into_iter().flatten() {
                if self.devices.knows(storage, &key)? {
                    break;
                }
                match strangers.iter_mut().find(|(number, _)| *number == former) {
                    Some((_, keys)) if keys.contains(&key) => {}
                    Some((_, keys)) => keys.push(key),
                    None => strangers.push((former, vec![key])),
                }
            }
        }
        Ok(strangers)
    }

    /// How the shard is, for operators.
    pub fn status(&self, now: Milliseconds) -> ShardStatus {
        ShardStatus {
            held_bytes: self.batches.held_bytes(),
            devices: self.devices.len(),
            seen: self.seen.len(),
            spill: self.spill.depth(now),
            fill: self.spill.fill(),
            unreadable: self.spill.unreadable(),
        }
    }

    /// Whether something has changed since the last checkpoint.
    pub fn has_changed(&self) -> bool {
        self.devices.has_changed() || self.seen.has_changed()
    }

    /// When the next checkpoint is to be written, at the end of a batch or of a parcel that
    /// opened none.
    pub fn checkpoint_due(&mut self, now: Milliseconds) -> Due {
        match self.has_changed() {
            true => self.pace.due(!self.batches.is_empty(), now),
            false => Due::No,
        }
    }

    /// Writes what has changed in sessions and seen events since the last checkpoint.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        self.pace.written(now);
        self.seen.checkpoint(storage, now)?;
        self.devices.checkpoint(storage, now)
    }

    /// How many records wait in the spill.
    pub fn spill_depth(&self) -> u64 {
        self.spill.records()
    }

    /// The spill, whose driver the alarm is.
    pub const fn spill(&mut self) -> &mut Spill {
        &mut self.spill
    }

    /// The sessions, which another shard may ask for.
    pub const fn devices(&mut self) -> &mut DeviceStore {
        &mut self.devices
    }
}

/// What goes to `stream` at once: about a call.
pub fn bounds(stream: &Stream, destinations: &Destinations) -> BatchLimits {
    let policy = destinations.policy_of(stream);
    let limits = stream.service.limits();
    let packs = stream.service.packing(policy.packing, policy.call_bytes) != Aggregation::Off;
    BatchLimits {
        // In base64 it is a third more.
        bytes: policy.call_bytes.saturating_mul(3).saturating_div(4),
        records: if packs { usize::MAX } else { limits.records },
    }
}

#[cfg(test)]
mod tests;
