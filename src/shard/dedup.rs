//! The events that a shard has seen: a window of their ids.
//!
//! Ids are stored in chunks, in the order of their redelivery. The newest chunk is open. It is closed,
//! and does not change any more, once it is full or spans a 24th of the window. A chunk is removed
//! as a whole, when its newest id is out of the window. So an id counts as seen for the whole
//! window, plus at most a 24th of it (24 to 25 hours), and never longer.
//!
//! The limit on their number takes precedence: above it the oldest chunk is removed. An id takes 16
//! bytes in storage and 18 in memory: 4.5 MiB for the default of 262,144 ids. At least the newest 15/16
//! of them are kept. The default lasts 24 hours at up to 2.8 new events a second per
//! shard, 41 minutes at 100, and 4 at 1,000. A later duplicate is delivered again. If the object is
//! lost, so are ids since the last checkpoint, with the same effect.
//!
//! A chunk is a sorted array with a filter before it: most ids are new, and of a new one the filter
//! mostly shows that the chunk cannot have it. Chosen ids can pass every filter, and then take the
//! search of a sorted array in each chunk, but no longer. If the clock was set back, times ahead of
//! it are set to it. An id that was not inserted must never count as seen: that event would be lost.

use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::device_key::DeviceKey;
use crate::model::event::EventId;
use crate::shard::storage::{Storage, StorageError, Table};

/// How long an id counts as seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupConfig {
    /// Milliseconds after which the same id counts as a new event.
    pub window_ms: u64,
    /// The most ids of a shard; this limit takes precedence over the window.
    pub max_ids: usize,
}

impl DedupConfig {
    /// The ids of a full chunk: a row of 128 KiB.
    const CHUNK_IDS: usize = 8_192;
    /// The least number of chunks for `max_ids` ids.
    const CHUNKS: usize = 32;
    /// The number of chunks for the window.
    const SPANS: u64 = 24;

    fn chunk_ids(self) -> usize {
        (self.max_ids / Self::CHUNKS).clamp(1, Self::CHUNK_IDS)
    }

    const fn span_ms(self) -> u64 {
        self.window_ms / Self::SPANS
    }
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self { window_ms: 86_400_000, max_ids: 262_144 }
    }
}

/// An event of a device: its id, combined with the device's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DedupKey(u128);

impl DedupKey {
    const BYTES: usize = 16;

    pub fn of(device: &DeviceKey, event_id: EventId) -> Self {
        let number = |bytes: &[u8; Self::BYTES]| u128::from_be_bytes(*bytes);
        Self(number(device.as_bytes()) ^ number(event_id.as_bytes()))
    }

    /// Returns the key of the same event if it is sent again because it was lost.
    #[must_use]
    pub const fn for_redelivery(self) -> Self {
        Self(!self.0)
    }
}

#[derive(Debug)]
pub struct DedupWindow {
    policy: DedupConfig,
    /// In the order of their numbers; the last one may be open.
    chunks: Vec<Chunk>,
    /// The number of ids in all chunks.
    len: usize,
    next: u64,
    /// Keys of rows to delete.
    gone: Vec<Vec<u8>>,
}

#[derive(Debug)]
struct Chunk {
    number: u64,
    /// When its first id arrived; `newest` is that of its last id.
    oldest: Milliseconds,
    newest: Milliseconds,
    /// Sorted.
    ids: Vec<DedupKey>,
    filter: IdFilter,
    row: DedupRow,
}

/// A Bloom filter in blocks of 64 bits: it may find an id that was not added, but always finds one
/// that was. With four ids a block, it finds one in a hundred that were not.
///
/// Source: Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007.
#[derive(Debug)]
struct IdFilter(Vec<u64>);

impl IdFilter {
    const IDS_PER_BLOCK: usize = 4;

    /// Makes an empty filter for as many as `ids`.
    fn new(ids: usize) -> Self {
        Self(vec![0; ids.div_ceil(Self::IDS_PER_BLOCK).max(1).next_power_of_two()])
    }

    /// Makes the filter of `ids`, with room for as many as `max_ids`.
    fn of(ids: &[DedupKey], max_ids: usize) -> Self {
        let mut filter = Self::new(max_ids);
        ids.iter().for_each(|id| filter.add(id));
        filter
    }

    fn add(&mut self, id: &DedupKey) {
        let (block, bits) = self.place(id);
        if let Some(block) = self.0.get_mut(block) {
            *block |= bits;
        }
    }

    fn may_have(&self, id: &DedupKey) -> bool {
        let (block, bits) = self.place(id);
        self.0.get(block).is_none_or(|block| block & bits == bits)
    }

    /// Returns the block of an id, and its three bits there.
    fn place(&self, DedupKey(id): &DedupKey) -> (usize, u64) {
        /// An odd number near 2^64 divided by the golden ratio, which spreads consecutive ids.
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = ((id >> 64) as u64 ^ *id as u64).wrapping_mul(SPREAD);
        let block = (mixed >> 32) as usize & self.0.len().saturating_sub(1);
        let bit = |shift: u32| 1 << ((mixed >> shift) & 63);
        (block, bit(46) | bit(52) | bit(58))
    }
}

/// Whether a chunk's row is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DedupRow {
    Current,
    Behind,
}

impl DedupWindow {
    /// Keys that are read at once.
    const PAGE: usize = 256;

    /// Loads the window of the last checkpoint. Rows that cannot be read are left out, and deleted
    /// by the next checkpoint.
    pub fn load(
        storage: &impl Storage,
        policy: DedupConfig,
        now: Milliseconds,
    ) -> Result<Self, StorageError> {
        let mut window = Self { policy, chunks: Vec::new(), len: 0, next: 0, gone: Vec::new() };
        let mut after = Vec::new();
        loop {
            let keys = storage.keys(Table::Seen, &after, Self::PAGE)?;
            let Some(last) = keys.last() else { break };
            after.clone_from(last);
            for key in keys {
                let value = storage.get(Table::Seen, &key)?.unwrap_or_default();
                window.restore(key, &value);
            }
        }
        if let Some(open) = window.chunks.last_mut() {
            open.filter = IdFilter::of(&open.ids, policy.chunk_ids());
        }
        window.make_room(0);
        window.follow_clock(now);
        Ok(window)
    }

    fn restore(&mut self, key: Vec<u8>, value: &[u8]) {
        let mut reader = ByteReader::new(&key, "the key of a chunk of ids");
        let Ok(number) = reader.u64() else { return self.gone.push(key) };
        self.next = self.next.max(number.saturating_add(1));
        match Chunk::read(number, value) {
            Ok(chunk) => {
                self.len = self.len.saturating_add(chunk.ids.len());
                self.chunks.push(chunk);
            }
            Err(DecodeError(_)) => self.gone.push(key),
        }
    }

    /// Whether `key` counts as seen at `now`.
    pub fn contains(&self, key: &DedupKey, now: Milliseconds) -> bool {
        let window_ms = self.policy.window_ms;
        let held = self.chunks.iter().rev().filter(|chunk| chunk.is_within(window_ms, now));
        held.into_iter().any(|chunk| chunk.has(key))
    }

    /// Marks `key` as seen at `now`. It is durable after the next checkpoint.
    pub fn insert(&mut self, key: DedupKey, now: Milliseconds) {
        let (chunk_ids, span_ms) = (self.policy.chunk_ids(), self.policy.span_ms());
        let is_open = |chunk: &Chunk| {
            chunk.ids.len() < chunk_ids && now.saturating_sub(chunk.oldest) <= span_ms
        };
        if !self.chunks.last().is_some_and(is_open) {
            self.make_room(chunk_ids);
            if let Some(closed) = self.chunks.last_mut() {
                closed.ids.shrink_to_fit();
                closed.filter = IdFilter::of(&closed.ids, closed.ids.len());
            }
            self.chunks.push(Chunk::new(self.next, chunk_ids, now));
            self.next = self.next.saturating_add(1);
        }
        if let Some(open) = self.chunks.last_mut() {
            open.oldest = open.oldest.min(now);
            open.newest = now;
            open.row = DedupRow::Behind;
            if let Err(position) = open.ids.binary_search(&key) {
                open.ids.insert(position, key);
                open.filter.add(&key);
                self.len = self.len.saturating_add(1);
            }
        }
    }

    /// Writes each changed chunk as one row (the open one, and those closed since the last
    /// checkpoint), and deletes removed chunks. If it fails, the next checkpoint does the rest.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        self.follow_clock(now);
        while let Some(key) = self.gone.last() {
            storage.delete(Table::Seen, key)?;
            self.gone.pop();
        }
        for chunk in self.chunks.iter_mut().filter(|chunk| chunk.row == DedupRow::Behind) {
            storage.put(Table::Seen, &chunk.number.to_be_bytes(), &chunk.write())?;
            chunk.row = DedupRow::Current;
        }
        Ok(())
    }

    pub fn has_changed(&self) -> bool {
        !self.gone.is_empty() || self.chunks.iter().any(|chunk| chunk.row == DedupRow::Behind)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Removes the oldest chunks until `ids` more fit.
    fn make_room(&mut self, ids: usize) {
        while self.len.saturating_add(ids) > self.policy.max_ids && !self.chunks.is_empty() {
            let oldest = self.chunks.remove(0);
            self.len = self.len.saturating_sub(oldest.ids.len());
            self.gone.push(oldest.number.to_be_bytes().to_vec());
        }
    }

    /// Removes chunks that are out of the window at `now`, and moves times ahead of it back.
    fn follow_clock(&mut self, now: Milliseconds) {
        let Self { policy, chunks, len, gone, .. } = self;
        chunks.retain_mut(|chunk| {
            if !chunk.is_within(policy.window_ms, now) {
                *len = len.saturating_sub(chunk.ids.len());
                gone.push(chunk.number.to_be_bytes().to_vec());
                return false;
            }
            if chunk.newest > now {
                chunk.newest = now;
                chunk.oldest = chunk.oldest.min(now);
                chunk.row = DedupRow::Behind;
            }
            true
        });
    }
}

impl Chunk {
    /// The version of a chunk's row, its first byte.
    const VERSION: u8 = 1;
    /// The version and two times.
    const HEAD_BYTES: usize = 17;

    /// Opens a chunk for as many as `max_ids`.
    fn new(number: u64, max_ids: usize, now: Milliseconds) -> Self {
        let (ids, filter) = (Vec::new(), IdFilter::new(max_ids));
        Self { number, oldest: now, newest: now, ids, filter, row: DedupRow::Behind }
    }

    fn has(&self, key: &DedupKey) -> bool {
        self.filter.may_have(key) && self.ids.binary_search(key).is_ok()
    }

    const fn is_within(&self, window_ms: u64, now: Milliseconds) -> bool {
        now.saturating_sub(self.newest) <= window_ms
    }

    fn write(&self) -> Vec<u8> {
        let ids_bytes = self.ids.len().saturating_mul(DedupKey::BYTES);
        let mut bytes = Vec::with_capacity(Self::HEAD_BYTES.saturating_add(ids_bytes));
        bytes.put_u8(Self::VERSION);
        bytes.put_u64(self.oldest);
        bytes.put_u64(self.newest);
        self.ids.iter().for_each(|id| bytes.put(&id.0.to_be_bytes()));
        bytes
    }

    fn read(number: u64, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "a chunk of ids");
        if reader.u8()? != Self::VERSION {
            return Err(reader.malformed());
        }
        let (oldest, newest) = (reader.u64()?, reader.u64()?);
        let mut ids = Vec::with_capacity(bytes.len() / DedupKey::BYTES);
        while !reader.is_at_end() {
            ids.push(DedupKey(u128::from_be_bytes(reader.array()?)));
        }
        if !ids.is_sorted_by(|before, after| before < after) {
            return Err(reader.malformed());
        }
        let filter = IdFilter::of(&ids, ids.len());
        Ok(Self { number, oldest, newest, ids, filter, row: DedupRow::Current })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::shard::storage::tests::Memory;

    const POLICY: DedupConfig = DedupConfig { window_ms: 2_400, max_ids: 64 };

    fn load(storage: &Memory, now: Milliseconds) -> DedupWindow {
        DedupWindow::load(storage, POLICY, now).unwrap()
    }

    #[test]
    fn a_key_is_of_one_event_of_one_device() {
        let device = |byte: u8| DeviceKey::from_bytes([byte; 16]);
        let event =
            |last: u8| EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-0000000000{last:02x}"));
        let key = |of: u8, last: u8| DedupKey::of(&device(of), event(last).unwrap());
        assert_eq!(key(1, 1), key(1, 1));
        assert_ne!(key(1, 1), key(1, 2));
        assert_ne!(key(1, 1), key(2, 1));
    }

    #[test]
    fn an_id_counts_for_the_window_and_a_24th_of_it_longer_at_most() {
        let mut window = load(&Memory::default(), 0);
        window.insert(DedupKey(1), 1_000);
        window.insert(DedupKey(2), 1_100);
        window.insert(DedupKey(3), 1_101);
        for (key, last) in [(1, 3_500), (2, 3_500), (3, 3_501)] {
            assert!(window.contains(&DedupKey(key), last), "{key}");
            assert!(!window.contains(&DedupKey(key), last + 1), "{key}");
        }
        assert!(!window.contains(&DedupKey(4), 1_101));
    }

    #[test]
    fn the_oldest_ids_are_evicted_first() {
        let mut window = load(&Memory::default(), 0);
        for key in 0..1_000 {
            window.insert(DedupKey(key), 0);
            assert!(window.len() <= POLICY.max_ids);
            let held = (0..=key).filter(|key| window.contains(&DedupKey(*key), 0)).count();
            assert_eq!(held, window.len());
            for recent in key.saturating_sub(59)..=key {
                assert!(window.contains(&DedupKey(recent), 0), "{recent} of {key}");
            }
        }
    }

    #[test]
    fn a_shard_that_restarts_often_continues_its_open_chunk() {
        let storage = Memory::default();
        for now in 0..1_000 {
            let mut window = load(&storage, now);
            window.insert(DedupKey(u128::from(now / 100)), now);
            window.checkpoint(&storage, now).unwrap();
            assert!(!window.has_changed());
            assert!(storage.count(Table::Seen) <= 10);
        }
        assert_eq!(storage.writes.get(), 1_000);
    }

    #[test]
    fn a_chunk_that_is_full_is_written_once_more_and_then_never() {
        let storage = Memory::default();
        let mut window = load(&storage, 0);
        for key in 0..64 {
            window.insert(DedupKey(key), 0);
            window.checkpoint(&storage, 0).unwrap();
            assert_eq!(storage.writes.replace(0), 1);
        }
        assert_eq!(storage.count(Table::Seen), 32);
        window.checkpoint(&storage, 2_401).unwrap();
        assert_eq!((storage.count(Table::Seen), window.len()), (0, 0));
    }

    #[test]
    fn a_failed_checkpoint_is_made_up_for_by_the_next() {
        let storage = Memory::default();
        let mut window = load(&storage, 0);
        window.insert(DedupKey(1), 0);
        window.checkpoint(&storage, 0).unwrap();
        window.insert(DedupKey(2), 3_000);
        storage.full.set(true);
        assert!(window.checkpoint(&storage, 3_000).is_err());
        assert!(window.has_changed());
        storage.full.set(false);
        window.checkpoint(&storage, 3_000).unwrap();
        let window = load(&storage, 3_000);
        assert!(window.contains(&DedupKey(2), 3_000));
        assert_eq!((window.len(), storage.count(Table::Seen)), (1, 1));
    }

    #[test]
    fn a_clock_set_back_neither_forgets_nor_keeps_ids_for_ever() {
        for goes_on in [false, true] {
            let storage = Memory::default();
            let mut window = load(&storage, 0);
            window.insert(DedupKey(1), 1_000_000);
            window.checkpoint(&storage, 1_000_000).unwrap();
            assert!(window.contains(&DedupKey(1), 5_000));
            let mut window = load(&storage, 5_000);
            assert!(window.contains(&DedupKey(1), 5_000));
            if goes_on {
                window.insert(DedupKey(2), 5_000);
            }
            assert!(window.has_changed());
            window.checkpoint(&storage, 5_000).unwrap();
            let window = load(&storage, 5_050);
            for (key, is_in) in [(1, true), (2, goes_on)] {
                assert_eq!(window.contains(&DedupKey(key), 7_400), is_in);
                assert!(!window.contains(&DedupKey(key), 7_501));
            }
        }
    }

    #[test]
    fn rows_that_cannot_be_read_are_left_out_and_deleted() {
        let storage = Memory::default();
        let mut window = load(&storage, 0);
        window.insert(DedupKey(7), 0);
        window.checkpoint(&storage, 0).unwrap();
        let good = storage.get(Table::Seen, &[0; 8]).unwrap().unwrap();
        let another = [&[2], &good[1..]].concat();
        let unsorted = [&good[..], &good[17..]].concat();
        let malformed = [&another[..], &good[..20], &unsorted[..], &[]];
        for (number, value) in (1_u64..).zip(malformed) {
            storage.put(Table::Seen, &number.to_be_bytes(), value).unwrap();
        }
        storage.put(Table::Seen, b"key", &good).unwrap();
        let mut window = load(&storage, 0);
        assert!(window.has_changed());
        assert_eq!(window.len(), 1);
        window.insert(DedupKey(8), 0);
        window.checkpoint(&storage, 0).unwrap();
        assert_eq!(storage.count(Table::Seen), 1);
        let window = load(&storage, 0);
        assert!(window.contains(&DedupKey(7), 0) && window.contains(&DedupKey(8), 0));
    }

    #[test]
    fn a_filter_passes_each_id_that_was_added_and_few_others() {
        let device = |index: u32| {
            let event_id = EventId::from_bytes([1; 16]).unwrap();
            DeviceKey::of_event(&index.to_string(), event_id)
        };
        let event = |index: u32| {
            let number = 0x01a1_fc4f_8bd0_7166_97ae_6098_939f_1a36_u128 + u128::from(index);
            EventId::from_bytes(number.to_be_bytes()).unwrap()
        };
        let of_many = |index| DedupKey::of(&device(index), event(0));
        let of_one = |index| DedupKey::of(&device(0), event(index));
        for key in [&of_many as &dyn Fn(u32) -> DedupKey, &of_one] {
            let ids: Vec<DedupKey> = (0..8_192).map(key).collect();
            let filter = IdFilter::of(&ids, ids.len());
            assert!(ids.iter().all(|id| filter.may_have(id)));
            let passed = (8_192..18_192).filter(|index| filter.may_have(&key(*index))).count();
            assert!(passed < 200, "{passed} of 10,000");
        }
    }

    #[derive(Debug, Clone)]
    enum Act {
        Insert(u8),
        Wait(u64),
        Checkpoint,
        Crash,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            8 => any::<u8>().prop_map(Act::Insert),
            3 => (0_u64..300).prop_map(Act::Wait),
            2 => Just(Act::Checkpoint),
            1 => Just(Act::Crash),
        ]
    }

    proptest! {
        #[test]
        fn the_window_holds_the_ids_of_its_time(
            acts in proptest::collection::vec(act(), 0..200), max_ids in prop_oneof![Just(64), Just(100_000)],
        ) {
            let policy = DedupConfig { max_ids, ..POLICY };
            let storage = Memory::default();
            let mut window = DedupWindow::load(&storage, policy, 0).unwrap();
            let mut now = 0;
            // When each id was last inserted, and how many were before it; then the durable part of
            // that.
            let mut seen = BTreeMap::<u8, (Milliseconds, usize)>::new();
            let (mut inserted, mut durable) = (0, seen.clone());
            for act in acts {
                let inserting = matches!(act, Act::Insert(_));
                match act {
                    Act::Insert(key) => {
                        window.insert(DedupKey(key.into()), now);
                        inserted += 1;
                        seen.insert(key, (now, inserted));
                        prop_assert!(window.has_changed());
                    }
                    Act::Wait(milliseconds) => now += milliseconds,
                    Act::Checkpoint => {
                        window.checkpoint(&storage, now).unwrap();
                        storage.commit();
                        durable.clone_from(&seen);
                        prop_assert!(!window.has_changed());
                        prop_assert_eq!(storage.count(Table::Seen), window.chunks.len());
                    }
                    Act::Crash => {
                        storage.crash();
                        window = DedupWindow::load(&storage, policy, now).unwrap();
                        seen.clone_from(&durable);
                    }
                }
                prop_assert!(window.len() <= max_ids);
                prop_assert_eq!(window.len(), window.chunks.iter().map(|chunk| chunk.ids.len()).sum::<usize>());
                if inserting {
                    continue;
                }
                for key in 0..=u8::MAX {
                    let contains = window.contains(&DedupKey(key.into()), now);
                    match seen.get(&key) {
                        None => prop_assert!(!contains),
                        Some((at, _)) if now - at > 2_500 => prop_assert!(!contains),
                        Some((at, number)) if now - at <= 2_400 && inserted - number < 60 => {
                            prop_assert!(contains);
                        }
                        Some(_) => {}
                    }
                }
            }
        }
    }
}
