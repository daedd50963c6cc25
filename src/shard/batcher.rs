//! Batches: the records in memory, in open batches and in flight.
//!
//! Each stream or stream set has one open batch, which accepts records; closed ones are being
//! delivered. The member of a set is chosen when its batch is closed, so no batch is split, and
//! none waits for a sick one. These records are only in memory, so none of them is acknowledged
//! yet.
//!
//! A batch waits for others only if they are likely to come, and only until it fills an aggregated
//! record: what comes later would be billed the same in a call of its own. A request waits for all
//! of its batches, so all close if one is full or has lingered.

use std::collections::HashMap;
use std::sync::Arc;

use crate::base::clock::{Milliseconds, is_ahead};
use crate::base::keyed_hash::HashKey;
use crate::base::order::ascending;
use crate::delivery::StreamBatch;
use crate::model::quota::ItemTenant;
use crate::model::record::Record;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::shard::arrivals::Arrivals;
pub use crate::shard::copies::{BatchId, Slot};
use crate::shard::copies::{CopyState, EventCopies, EventPlace};
use crate::shard::dedup::DedupKey;
use crate::shard::tenant_share::TenantTotals;

/// The limits of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchLimits {
    /// Bytes of records in a full batch.
    pub bytes: usize,
    /// Records in a full batch.
    pub records: usize,
}

/// When an open batch is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenLimits {
    /// The limits of a call.
    pub call: BatchLimits,
    /// Bytes of an aggregated record; `None` if each event is a record.
    pub aggregate_bytes: Option<usize>,
}

/// A batch that accepts records.
#[derive(Debug)]
struct OpenBatch {
    id: BatchId,
    to: StreamSet,
    records: Vec<Record>,
    origins: Vec<RecordOrigin>,
    bytes: usize,
    of_tenants: TenantTotals,
    limits: OpenLimits,
    opened_at: Milliseconds,
    /// The thousandths of a request that came in the second before it was opened.
    recent_requests: u64,
    closes_when: ClosesWhen,
}

/// When an open batch is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClosesWhen {
    /// After its linger time, and in its turn.
    Lingered,
    /// In its turn: another batch is full.
    Due,
    /// Now, for the spill.
    Now,
}

impl OpenBatch {
    /// The thousandths of a request for which a batch lingers: half of one.
    const WORTH_A_WAIT: u64 = 500;

    fn is_full(&self) -> bool {
        let OpenLimits { call, aggregate_bytes } = self.limits;
        self.bytes >= aggregate_bytes.unwrap_or(call.bytes).min(call.bytes)
            || self.records.len() >= call.records
    }

    /// Returns for how long it waits, if records come as they did before. It waits not at all if fewer
    /// than half a request is expected in `linger_ms`.
    const fn linger_ms(&self, linger_ms: u64) -> u64 {
        let expected = self.recent_requests.saturating_mul(linger_ms) / 1_000;
        if expected >= Self::WORTH_A_WAIT { linger_ms } else { 0 }
    }
}

/// What a shard knows of a record besides its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordOrigin {
    /// The dedup key, if it is an event.
    pub seen_key: Option<DedupKey>,
    pub part: RecordPart,
    pub tenant: Arc<ItemTenant>,
}

/// What a record is of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordPart {
    Whole,
    /// One of several, each for another stream.
    Copy,
}

/// A batch in flight, without its records.
#[derive(Debug)]
pub struct InFlightBatch {
    /// The origin of each record.
    pub origins: Vec<RecordOrigin>,
    /// The stream or stream set that its copies of events are for.
    pub to: StreamSet,
    stream: Stream,
    bytes: usize,
    of_tenants: TenantTotals,
}

/// The records in memory.
#[derive(Debug)]
pub struct Batcher {
    next: BatchId,
    open: Vec<OpenBatch>,
    /// The batches that were opened since they were last taken.
    opened: Vec<BatchId>,
    under_way: HashMap<BatchId, InFlightBatch>,
    /// The slots of the events that are not durable yet.
    places: HashMap<DedupKey, EventPlace, HashKey>,
    buffer_bytes: usize,
    arrivals: Arrivals,
}

impl Batcher {
    /// The most batches of a stream in flight. An object may have few open calls, and a stream that
    /// does not answer must leave some to the others.
    /// Source: <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>
    const MAX_IN_FLIGHT: usize = 2;

    /// The places for which memory is kept while no record is there: some 70 kB.
    const KEPT_PLACES: usize = 512;

    pub fn new(hash_key: HashKey) -> Self {
        Self {
            next: 0,
            open: Vec::new(),
            opened: Vec::new(),
            under_way: HashMap::new(),
            places: HashMap::with_hasher(hash_key),
            buffer_bytes: 0,
            arrivals: Arrivals::default(),
        }
    }

    /// Returns where an event is that is in memory.
    pub fn find(&self, seen_key: &DedupKey) -> Option<&EventPlace> {
        self.places.get(seen_key)
    }

    /// Notes what became of the copy for `to` of an event, others of which are in memory or will be.
    pub fn note_copy(&mut self, seen_key: DedupKey, to: &StreamSet, state: CopyState) {
        match self.places.get_mut(&seen_key) {
            Some(EventPlace::Copies(copies)) => copies.set(to, state),
            // The only record of an event counts for all streams.
            Some(EventPlace::Only(_)) => {}
            None => {
                let mut copies = EventCopies::default();
                copies.set(to, state);
                self.places.insert(seen_key, EventPlace::Copies(copies));
            }
        }
    }

    /// Removes the copies of an event of which none is in memory, and returns them.
    pub fn take_ended(&mut self, seen_key: &DedupKey) -> Option<EventCopies> {
        match self.places.get(seen_key) {
            Some(EventPlace::Copies(copies)) if copies.have_ended() => {}
            _ => return None,
        }
        match self.places.remove(seen_key) {
            Some(EventPlace::Copies(copies)) => Some(copies),
            Some(EventPlace::Only(_)) | None => None,
        }
    }

    pub const fn buffer_bytes(&self) -> usize {
        self.buffer_bytes
    }

    /// Whether no batch is open or in flight.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.under_way.is_empty()
    }

    /// Begins a request, to which the records added next belong.
    pub const fn next_request(&mut self) {
        self.arrivals.next_request();
    }

    /// Puts a record into the open batch of its stream or stream set, which it opens at `now` if
    /// there is none.
    pub fn add(
        &mut self,
        to: &StreamSet,
        record: Record,
        origin: RecordOrigin,
        now: Milliseconds,
        limits: impl FnOnce() -> OpenLimits,
    ) -> Slot {
        let recent_requests = self.arrivals.count(to, now);
        let position = self.open.iter().position(|open| open.to == *to);
        let position = position.unwrap_or_else(|| {
            self.next = self.next.wrapping_add(1);
            self.opened.push(self.next);
            self.open.push(OpenBatch {
                id: self.next,
                to: to.clone(),
                records: Vec::new(),
                origins: Vec::new(),
                bytes: 0,
                of_tenants: TenantTotals::default(),
                limits: limits(),
                opened_at: now,
                recent_requests,
                closes_when: ClosesWhen::Lingered,
            });
            self.open.len().saturating_sub(1)
        });
        let Some(open) = self.open.get_mut(position) else {
            // Unreachable: the position was found or made above.
            return Slot { batch: 0, index: 0 };
        };
        let was_full = open.is_full();
        let slot = Slot { batch: open.id, index: open.records.len() };
        let bytes = record.bytes().len();
        open.bytes = open.bytes.saturating_add(bytes);
        open.of_tenants.add(&origin.tenant.name, bytes as u64);
        open.records.push(record);
        let (seen_key, part) = (origin.seen_key, origin.part);
        open.origins.push(origin);
        self.buffer_bytes = self.buffer_bytes.saturating_add(bytes);
        let becomes_full = !was_full && open.is_full();
        match (seen_key, part) {
            (None, _) => {}
            (Some(seen_key), RecordPart::Whole) => {
                self.places.insert(seen_key, EventPlace::Only(slot));
            }
            (Some(seen_key), RecordPart::Copy) => {
                self.note_copy(seen_key, to, CopyState::Held(slot));
            }
        }
        if becomes_full {
            for open in &mut self.open {
                if open.closes_when == ClosesWhen::Lingered {
                    open.closes_when = ClosesWhen::Due;
                }
            }
        }
        slot
    }

    /// Returns the batches that were opened since this was last asked.
    pub fn take_opened(&mut self) -> Vec<BatchId> {
        std::mem::take(&mut self.opened)
    }

    /// Returns the bytes of the records in memory that are not marked for the spill.
    pub fn unmarked_bytes(&self) -> usize {
        let marked_for_spill = self.open.iter().filter(|open| open.closes_when == ClosesWhen::Now);
        let marked_for_spill =
            marked_for_spill.map(|open| open.bytes).fold(0, usize::saturating_add);
        self.buffer_bytes.saturating_sub(marked_for_spill)
    }

    /// Returns the bytes of a tenant's records in memory that are not marked for the spill, and the bytes of
    /// all its records in memory.
    pub fn bytes_of(&self, tenant: &str) -> (u64, u64) {
        let of = |totals: &TenantTotals| totals.of(tenant);
        let in_flight = self.under_way.values().map(|batch| of(&batch.of_tenants));
        let in_flight = in_flight.fold(0, u64::saturating_add);
        let (mut unmarked, mut all) = (in_flight, in_flight);
        for open in &self.open {
            let bytes = of(&open.of_tenants);
            all = all.saturating_add(bytes);
            if open.closes_when != ClosesWhen::Now {
                unmarked = unmarked.saturating_add(bytes);
            }
        }
        (unmarked, all)
    }

    /// Marks the open batches of these streams and stream sets to be closed now.
    pub fn mark_for_spill(&mut self, of: impl Fn(&StreamSet) -> bool) {
        for open in self.open.iter_mut().filter(|open| of(&open.to)) {
            open.closes_when = ClosesWhen::Now;
        }
    }

    /// Returns the open batches that are marked to be closed now.
    pub fn marked_for_spill(&self) -> Vec<BatchId> {
        let marked_for_spill = self.open.iter().filter(|open| open.closes_when == ClosesWhen::Now);
        marked_for_spill.map(|open| open.id).collect()
    }

    /// Returns the open batches that are full or are marked to be closed, or have lingered at `now`,
    /// for `linger_ms` at most, oldest first; and when the next of the others will have lingered. One
    /// that is opened while another lingers has lingered when that one has.
    pub fn due(&self, now: Milliseconds, linger_ms: u64) -> (Vec<BatchId>, Option<Milliseconds>) {
        let order = ascending(&mut self.open.iter().map(|open| open.id));
        let oldest_first = order.iter().filter_map(|(_, at)| self.open.get(*at));
        let (mut due, mut wake_at, mut oldest_until) = (Vec::new(), None, 0);
        for open in oldest_first {
            if open.closes_when != ClosesWhen::Lingered || open.is_full() {
                due.push(open.id);
                continue;
            }
            let linger_ms = open.linger_ms(linger_ms);
            let mut until = open.opened_at.saturating_add(linger_ms);
            if linger_ms > 0 {
                if open.opened_at < oldest_until {
                    until = until.min(oldest_until);
                }
                oldest_until = until;
            }
            if is_ahead(until, now, linger_ms) {
                wake_at = Some(wake_at.map_or(until, |it: Milliseconds| it.min(until)));
            } else {
                due.push(open.id);
            }
        }
        (due, wake_at)
    }

    /// Returns the records of an open batch.
    pub fn records_of(&self, id: BatchId) -> &[Record] {
        let open = self.open.iter().find(|open| open.id == id);
        open.map_or(&[], |open| open.records.as_slice())
    }

    pub fn set_of(&self, id: BatchId) -> Option<&StreamSet> {
        self.open.iter().find(|open| open.id == id).map(|open| &open.to)
    }

    /// Whether an open batch must wait, because `stream`, which is to have it, has the maximum of
    /// batches in flight.
    pub fn is_blocked(&self, id: BatchId, stream: &Stream) -> bool {
        let Some(open) = self.open.iter().find(|open| open.id == id) else {
            return false;
        };
        if open.closes_when == ClosesWhen::Now {
            return false;
        }
        let under_way = self.under_way.values().filter(|it| it.stream == *stream);
        under_way.count() >= Self::MAX_IN_FLIGHT
    }

    /// Closes a batch, for `stream`. Returns `None` if it was closed before.
    pub fn close(&mut self, id: BatchId, stream: Stream) -> Option<StreamBatch> {
        let position = self.open.iter().position(|open| open.id == id)?;
        let OpenBatch { to, records, origins, bytes, of_tenants, .. } =
            self.open.swap_remove(position);
        let in_flight = InFlightBatch { origins, to, stream: stream.clone(), bytes, of_tenants };
        self.under_way.insert(id, in_flight);
        Some(StreamBatch { stream, records })
    }

    /// Removes a batch that has ended. Its copies of events count as lost until others are noted.
    pub fn end(&mut self, id: BatchId) -> Option<InFlightBatch> {
        let ended = self.under_way.remove(&id)?;
        self.buffer_bytes = self.buffer_bytes.saturating_sub(ended.bytes);
        for RecordOrigin { seen_key, part, .. } in &ended.origins {
            match (seen_key, part) {
                (None, _) => {}
                (Some(seen_key), RecordPart::Whole) => {
                    self.places.remove(seen_key);
                }
                (Some(seen_key), RecordPart::Copy) => {
                    self.note_copy(*seen_key, &ended.to, CopyState::Lost);
                }
            }
        }
        if self.places.is_empty() {
            self.places.shrink_to(Self::KEPT_PLACES);
        }
        Some(ended)
    }
}

#[cfg(test)]
mod tests {
    use Fullness::{Full, HasRoom};

    use super::*;
    use crate::base::keyed_hash::tests::hash_key;
    use crate::model::device_key::DeviceKey;
    use crate::model::event::EventId;
    use crate::model::record;
    use crate::shard::copies::Slots;

    impl Batcher {
        /// Returns the open batches that are full.
        pub(in crate::shard) fn full(&self) -> Vec<BatchId> {
            self.open.iter().filter(|open| open.is_full()).map(|open| open.id).collect()
        }
    }

    /// Whether a record has filled its batch.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Fullness {
        /// It has not, or another did before.
        HasRoom,
        Full,
    }

    fn sized(bytes: usize) -> Record {
        let record = record::tests::record(&"x".repeat(bytes - 3));
        assert_eq!(record.bytes().len(), bytes);
        record
    }

    fn stream(name: &str) -> Stream {
        Stream::parse(name).unwrap()
    }

    fn seen_key(last: u8) -> DedupKey {
        let event_id = EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-0000000000{last:02x}"));
        DedupKey::of(&DeviceKey::from_bytes([1; 16]), event_id.unwrap(), None)
    }

    fn origin(seen_key: Option<DedupKey>) -> RecordOrigin {
        let tenant = Arc::new(ItemTenant { name: "a".to_owned(), quota: None });
        RecordOrigin { seen_key, part: RecordPart::Whole, tenant }
    }

    const fn unaggregated(call: BatchLimits) -> OpenLimits {
        OpenLimits { call, aggregate_bytes: None }
    }

    fn close(batches: &mut Batcher, id: BatchId) -> Option<StreamBatch> {
        let stream = batches.set_of(id)?.first().clone();
        batches.close(id, stream)
    }

    fn is_blocked(batches: &Batcher, id: BatchId) -> bool {
        batches.set_of(id).is_some_and(|set| batches.is_blocked(id, set.first()))
    }

    fn add(
        batches: &mut Batcher,
        name: &str,
        bytes: usize,
        batch_limits: BatchLimits,
    ) -> (Slot, Fullness) {
        let limits = || unaggregated(batch_limits);
        let were_full = batches.full();
        let slot = batches.add(&stream(name).into(), sized(bytes), origin(None), 0, limits);
        match batches.full().contains(&slot.batch) && !were_full.contains(&slot.batch) {
            true => (slot, Full),
            false => (slot, HasRoom),
        }
    }

    #[test]
    fn a_third_batch_of_a_stream_waits_until_one_has_ended() {
        let (mut batches, batch_limits) =
            (Batcher::new(hash_key()), BatchLimits { bytes: 1_000, records: 10 });
        let open = |batches: &mut Batcher, name| add(batches, name, 100, batch_limits).0.batch;
        let (events, others) = ("firehose:events", "firehose:others");
        let (first, other) = (open(&mut batches, events), open(&mut batches, others));
        assert!(!is_blocked(&batches, first));
        close(&mut batches, first);
        let second = open(&mut batches, events);
        assert!(!is_blocked(&batches, second));
        close(&mut batches, second);
        let third = open(&mut batches, events);
        assert!(is_blocked(&batches, third) && !is_blocked(&batches, other));
        batches.end(first);
        assert!(!is_blocked(&batches, third));
        assert!(!is_blocked(&batches, 99), "it is closed, or was never there");
    }

    #[test]
    fn a_batch_for_the_spill_is_never_blocked_or_buffered() {
        let (mut batches, batch_limits) =
            (Batcher::new(hash_key()), BatchLimits { bytes: 1_000, records: 10 });
        let open = |batches: &mut Batcher, name| add(batches, name, 100, batch_limits).0.batch;
        for _ in 0..2 {
            let under_way = open(&mut batches, "firehose:sick");
            close(&mut batches, under_way);
        }
        let (sick, well) = (open(&mut batches, "firehose:sick"), open(&mut batches, "firehose:a"));
        assert!(is_blocked(&batches, sick) && batches.marked_for_spill().is_empty());
        assert_eq!(batches.unmarked_bytes(), 400);
        batches.mark_for_spill(|of| *of == stream("firehose:sick").into());
        assert!(!is_blocked(&batches, sick));
        assert_eq!((batches.marked_for_spill(), batches.unmarked_bytes()), (vec![sick], 300));
        close(&mut batches, sick);
        assert_eq!(
            (batches.marked_for_spill(), batches.unmarked_bytes()),
            (vec![], 400),
            "it is settled next"
        );
        batches.end(sick);
        assert_eq!((batches.buffer_bytes(), close(&mut batches, well).is_some()), (300, true));
    }

    #[test]
    fn a_batch_becomes_full_once_by_the_record_that_fills_it() {
        for (batch_limits, sizes, rooms) in [
            (
                BatchLimits { bytes: 30, records: 9 },
                vec![10, 10, 9, 9],
                vec![HasRoom, HasRoom, HasRoom, Full],
            ),
            (
                BatchLimits { bytes: 30, records: 9 },
                vec![10, 10, 10, 9],
                vec![HasRoom, HasRoom, Full, HasRoom],
            ),
            (
                BatchLimits { bytes: 30, records: 2 },
                vec![10, 10, 9, 9],
                vec![HasRoom, Full, HasRoom, HasRoom],
            ),
            (BatchLimits { bytes: 30, records: 9 }, vec![30, 30], vec![Full, HasRoom]),
            (BatchLimits { bytes: 30, records: 9 }, vec![29, 500], vec![HasRoom, Full]),
        ] {
            let mut batches = Batcher::new(hash_key());
            let added =
                sizes.iter().map(|size| add(&mut batches, "firehose:a", *size, batch_limits));
            let (places, reported): (Vec<Slot>, Vec<Fullness>) = added.unzip();
            assert_eq!(reported, rooms, "{sizes:?}");
            let in_order = (0..sizes.len()).map(|index| Slot { batch: 1, index });
            assert!(places.into_iter().eq(in_order), "all in the one that is open");
        }
    }

    #[test]
    fn a_stream_has_one_open_batch_which_closes_once_in_order() {
        let batch_limits = BatchLimits { bytes: 1_000, records: 9 };
        let mut batches = Batcher::new(hash_key());
        let mut slot = |name, bytes| add(&mut batches, name, bytes, batch_limits).0;
        assert_eq!(slot("firehose:a", 11), Slot { batch: 1, index: 0 });
        assert_eq!(slot("kinesis:a", 12), Slot { batch: 2, index: 0 });
        assert_eq!(slot("firehose:b", 13), Slot { batch: 3, index: 0 });
        assert_eq!(slot("firehose:a", 14), Slot { batch: 1, index: 1 });
        let closed = close(&mut batches, 1).unwrap();
        assert_eq!(closed.stream, stream("firehose:a"));
        assert_eq!(closed.records, [sized(11), sized(14)]);
        assert!(close(&mut batches, 1).is_none() && close(&mut batches, 9).is_none());
        let mut slot = |name, bytes| add(&mut batches, name, bytes, batch_limits).0;
        assert_eq!(slot("firehose:a", 15), Slot { batch: 4, index: 0 });
        assert_eq!(slot("firehose:b", 16), Slot { batch: 3, index: 1 });
        assert_eq!(close(&mut batches, 3).unwrap().records, [sized(13), sized(16)]);
        assert_eq!(close(&mut batches, 2).unwrap().stream, stream("kinesis:a"));
    }

    #[test]
    fn an_event_is_found_and_counted_until_its_batch_ends() {
        let batch_limits = || unaggregated(BatchLimits { bytes: 1_000, records: 9 });
        let mut batches = Batcher::new(hash_key());
        for (name, key) in [("firehose:a", 1), ("firehose:a", 2), ("firehose:b", 3)] {
            batches.add(
                &stream(name).into(),
                sized(10),
                origin(Some(seen_key(key))),
                0,
                batch_limits,
            );
        }
        batches.add(&stream("firehose:a").into(), sized(100), origin(None), 0, batch_limits);
        let found = |batches: &Batcher| {
            [1, 2, 3].map(|key| batches.find(&seen_key(key)).and_then(EventPlace::slots))
        };
        let slot = |batch, index| Some(Slots::from(Slot { batch, index }));
        let all = [slot(1, 0), slot(1, 1), slot(2, 0)];
        assert_eq!((found(&batches), batches.buffer_bytes()), (all.clone(), 130));
        assert!(batches.end(1).is_none(), "it is open");
        close(&mut batches, 1).unwrap();
        assert_eq!((found(&batches), batches.buffer_bytes()), (all, 130));
        let ended = batches.end(1).unwrap();
        let seen_keys: Vec<_> = ended.origins.iter().map(|origin| origin.seen_key).collect();
        assert_eq!(seen_keys, [Some(seen_key(1)), Some(seen_key(2)), None]);
        assert_eq!((found(&batches), batches.buffer_bytes()), ([None, None, slot(2, 0)], 10));
        assert!(batches.end(1).is_none());
        close(&mut batches, 2).unwrap();
        batches.end(2).unwrap();
        assert_eq!((found(&batches), batches.buffer_bytes()), ([None, None, None], 0));
    }
}
