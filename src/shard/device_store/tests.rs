//! Compares a shard's devices with a plain map of sessions that never loses any.

use std::cell::Cell;
use std::collections::BTreeMap;

use chrono::DateTime;
use proptest::prelude::*;

use super::*;
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::session::SessionTrigger;
use crate::shard::sessions::SessionConfig;
use crate::shard::storage::tests::Memory;

const POLICY: SessionConfig = SessionConfig { timeout_ms: 1_000 };

const TINY: StoreLimits = StoreLimits {
    devices: 4,
    round_ms: 100,
    quiet_per_page: 1,
    min_quiet: 0,
    max_quiet: 2,
    pages: 2,
    page_bytes: 400,
    journal: journal::JournalLimits { row_bytes: 300, max_row_bytes: 5_000, stale_bytes: 2_000 },
};

/// A memory whose writes fail after some.
struct Flaky {
    memory: Memory,
    writes_left: Cell<usize>,
}

impl Default for Flaky {
    fn default() -> Self {
        Self { memory: Memory::default(), writes_left: Cell::new(usize::MAX) }
    }
}

impl Flaky {
    fn spend(&self) -> Result<(), StorageError> {
        let left = self.writes_left.get().checked_sub(1).ok_or(StorageError("full".to_owned()))?;
        self.writes_left.set(left);
        Ok(())
    }

    /// Returns the key of the journal's first row, which only a rewrite changes.
    fn first_row(&self) -> Option<Vec<u8>> {
        self.keys(Table::Journal, &[], 1).unwrap().pop()
    }

    fn journal_bytes(&self) -> usize {
        let keys = self.keys(Table::Journal, &[], usize::MAX).unwrap();
        keys.iter().map(|key| self.get(Table::Journal, key).unwrap().unwrap().len()).sum()
    }
}

impl Storage for Flaky {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.memory.get(table, key)
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.spend()?;
        self.memory.put(table, key, value)
    }

    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        self.spend()?;
        self.memory.delete(table, key)
    }

    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError> {
        self.spend()?;
        self.memory.change(table, changes)
    }

    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        self.memory.keys(table, after, max)
    }
}

fn load(storage: &impl Storage, now: Milliseconds) -> DeviceStore {
    DeviceStore::load_within(storage, POLICY, TINY, now).unwrap()
}

impl DeviceStore {
    /// Assigns an event of any device, which may be stored.
    fn observe_any(
        &mut self,
        storage: &impl Storage,
        key: DeviceKey,
        previous: Option<DeviceKey>,
        event: &SessionEvent,
        random: impl FnOnce() -> [u8; 10],
        now: Milliseconds,
    ) -> Result<SessionInfo, StorageError> {
        self.assign_session(storage, DeviceEvent { key, previous, event }, || true, random, now)
    }
}

fn key(number: u8) -> DeviceKey {
    DeviceKey::from_bytes([number; 16])
}

fn event_id(number: u8) -> EventId {
    EventIdGenerator::new(DateTime::UNIX_EPOCH, [number; 10]).next_id()
}

fn random_of(number: u64) -> [u8; 10] {
    let [a, b, c, d, e, f, g, h] = number.to_le_bytes();
    [0, 0, 0, a, b, c, d, e, f, g ^ h]
}

fn event(at: Milliseconds) -> SessionEvent {
    let event_id = EventIdGenerator::new(DateTime::UNIX_EPOCH, random_of(at)).next_id();
    SessionEvent { at: at.cast_signed(), event_id, starts_session: false }
}

fn observe(
    devices: &mut DeviceStore,
    storage: &impl Storage,
    number: u8,
    now: Milliseconds,
) -> SessionInfo {
    let random = || [number; 10];
    devices.observe_any(storage, key(number), None, &event(now), random, now).unwrap()
}

#[test]
fn a_device_that_returns_after_a_crash_keeps_its_session() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    let first = observe(&mut devices, &storage, 1, 0);
    devices.checkpoint(&storage, 0).unwrap();
    storage.commit();
    assert!(!devices.has_changed());
    observe(&mut devices, &storage, 2, 0);
    assert!(devices.has_changed());
    storage.crash();
    let mut devices = load(&storage, 1_000);
    assert_eq!(devices.len(), 1);
    assert_eq!(observe(&mut devices, &storage, 1, 1_000), first);
    assert_eq!(observe(&mut devices, &storage, 1, 2_001).trigger, SessionTrigger::Timeout);
}

#[test]
fn a_quiet_device_moves_to_its_page_and_back() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    let first = observe(&mut devices, &storage, 1, 0);
    devices.checkpoint(&storage, 1_000).unwrap();
    assert_eq!((devices.len(), storage.count(Table::DevicePages)), (1, 0));
    devices.checkpoint(&storage, 1_100).unwrap();
    assert_eq!((devices.len(), storage.count(Table::DevicePages)), (0, 1));
    assert!(devices.contains(&storage, &key(1)).unwrap());
    assert!(!devices.contains(&storage, &key(2)).unwrap());
    for devices in [&mut devices, &mut load(&storage, 1_100)] {
        assert_eq!(devices.len(), 0);
        assert_eq!(observe(devices, &storage, 1, 900), first);
        assert_eq!(observe(devices, &storage, 1, 9_000).index, 2);
    }
}

#[test]
fn of_too_many_devices_the_less_recently_seen_half_leaves() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    for number in [1, 2, 3, 4, 1] {
        observe(&mut devices, &storage, number, 0);
    }
    for (now, number) in (1..).zip([5, 2, 6]) {
        observe(&mut devices, &storage, number, now);
        assert!(devices.len() <= 5);
    }
    devices.checkpoint(&storage, 4).unwrap();
    let in_memory: Vec<_> = devices.active.keys().copied().collect();
    assert_eq!(in_memory, [key(2), key(5), key(6)]);
}

#[test]
fn an_id_change_at_midnight_continues_an_open_session() {
    for (now, previous, index, trigger) in [
        (5_000, Some(key(1)), 2, None),
        (5_001, Some(key(1)), 1, Some(SessionTrigger::First)),
        (5_000, None, 1, Some(SessionTrigger::First)),
        (5_000, Some(key(9)), 1, Some(SessionTrigger::First)),
    ] {
        for forget in [false, true] {
            let storage = Memory::default();
            let mut devices = load(&storage, 0);
            observe(&mut devices, &storage, 1, 0);
            let before = observe(&mut devices, &storage, 1, 4_000);
            if forget {
                devices.checkpoint(&storage, 9_000).unwrap();
                assert_eq!(devices.len(), 0);
            }
            let random = || [2; 10];
            let mut observe = |key, previous, at| {
                devices.observe_any(&storage, key, previous, &event(at), random, at).unwrap()
            };
            let session = observe(key(2), previous, now);
            assert_eq!(session.index, index);
            assert_eq!(session.trigger, trigger.unwrap_or(before.trigger));
            assert_eq!(session.id == before.id, trigger.is_none());
            assert_eq!(observe(key(2), Some(key(1)), now), session, "it is known by now");
            assert_eq!(observe(key(1), None, 4_000), before, "it was a copy");
        }
    }
}

#[test]
fn sessions_move_to_a_shard_without_the_device() {
    let (here, there) = (Memory::default(), Memory::default());
    let mut devices = load(&here, 0);
    let session = observe(&mut devices, &here, 1, 0);
    observe(&mut devices, &here, 2, 0);
    let copies: Vec<_> = [1, 2, 3]
        .map(|number| devices.export_sessions(&here, &key(number)).unwrap())
        .into_iter()
        .collect();
    assert!(copies[0].is_some() && copies[1].is_some() && copies[2].is_none());

    let mut others = load(&there, 0);
    let own = observe(&mut others, &there, 2, 5_000);
    for (number, copy) in [(1, &copies[0]), (2, &copies[1])] {
        others.import_sessions(&there, key(number), copy.as_ref().unwrap(), 5_000).unwrap();
    }
    let malformed = others.import_sessions(&there, key(3), b"?", 5_000);
    assert!(matches!(malformed, Err(ImportError::Malformed(_))));
    assert!(!others.contains(&there, &key(3)).unwrap());
    others.checkpoint(&there, 5_000).unwrap();
    let mut others = load(&there, 5_000);
    assert_eq!(observe(&mut others, &there, 1, 900), session);
    assert_eq!(observe(&mut others, &there, 2, 5_000), own);

    devices.checkpoint(&here, 9_000).unwrap();
    assert_eq!(devices.len(), 0);
    assert_eq!(devices.export_sessions(&here, &key(1)).unwrap(), copies[0], "from its row");
}

/// Returns the only page of a store with one device.
fn only_page(storage: &Memory) -> (Vec<u8>, Vec<u8>) {
    let [key] = &storage.keys(Table::DevicePages, &[], 9).unwrap()[..] else { panic!() };
    (key.clone(), storage.get(Table::DevicePages, key).unwrap().unwrap())
}

#[test]
fn what_cannot_be_read_of_a_page_counts_as_new() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    (1..=2).for_each(|number| _ = observe(&mut devices, &storage, number, 0));
    devices.checkpoint(&storage, 9_000).unwrap();
    let (page_key, good) = only_page(&storage);
    let sessions_at = 9 + 28;
    let other_sessions = [&good[..sessions_at], &[9], &good[sessions_at + 1..]].concat();
    let cases = [
        (&b""[..], [false, false]),
        (&[9, 0, 0, 0, 0, 0, 0, 0, 0, 1], [false, false]),
        (&good[..good.len() - 1], [true, false]),
        (&other_sessions, [false, true]),
    ];
    for (row, known) in cases {
        storage.put(Table::DevicePages, &page_key, row).unwrap();
        let mut devices = load(&storage, 0);
        for (number, known) in [1, 2].into_iter().zip(known) {
            assert_eq!(devices.contains(&storage, &key(number)).unwrap(), known);
            assert_eq!(devices.export_sessions(&storage, &key(number)).unwrap().is_some(), known);
        }
        assert_eq!(observe(&mut devices, &storage, 1, 9_000).index, 1 + u32::from(known[0]));
        devices.checkpoint(&storage, 18_000).unwrap();
        let devices = load(&storage, 0);
        assert!(devices.contains(&storage, &key(1)).unwrap());
        assert_eq!(devices.contains(&storage, &key(2)).unwrap(), known[1], "it stays as it was");
        storage.keys(Table::Journal, &[], 9).unwrap().iter().for_each(|key| {
            storage.delete(Table::Journal, key).unwrap();
        });
    }
}

/// Returns a key from a number, as evenly spread as hashes are.
fn spread(number: u64) -> DeviceKey {
    let mixed = |number: u64| (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let [high, low] = [mixed(mixed(number + 1)), number];
    DeviceKey::from_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
}

#[test]
fn a_long_page_is_split_and_every_device_found() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    for number in 0..300_u64 {
        let session = (number, 9_000 * number);
        let random = || random_of(number);
        devices
            .observe_any(&storage, spread(number), None, &event(session.1), random, session.1)
            .unwrap();
        devices.checkpoint(&storage, session.1).unwrap();
        assert!(storage.count(Table::DevicePages) >= usize::try_from(number / 6).unwrap());
        assert_eq!(devices.pages, load(&storage, 0).pages);
        assert!(devices.pages.is_sorted());
    }
    for page in storage.keys(Table::DevicePages, &[], 999).unwrap() {
        assert!(storage.get(Table::DevicePages, &page).unwrap().unwrap().len() < 600);
    }
    for number in 0..300 {
        storage.reads.set(0);
        assert!(devices.contains(&storage, &spread(number)).unwrap());
        assert!(!devices.contains(&storage, &spread(number + 300)).unwrap());
        assert!(storage.reads.get() <= 2, "a lookup reads one page");
    }
}

#[test]
fn devices_of_one_place_stay_in_one_page() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    let key =
        |number: u8| DeviceKey::from_bytes([7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, number]);
    for number in 0..40 {
        let now = u64::from(number) * 9_000;
        devices
            .observe_any(&storage, key(number), None, &event(now), || [number; 10], now)
            .unwrap();
        devices.checkpoint(&storage, now).unwrap();
    }
    devices.checkpoint(&storage, 999_000).unwrap();
    assert_eq!(storage.count(Table::DevicePages), 1);
    assert!((0..40).all(|number| devices.contains(&storage, &key(number)).unwrap()));
}

/// Checkpoints four devices that change each time, with `writes` writes each, until the journal is
/// rewritten or one fails. Returns whether one failed.
fn rewrite_with(writes: usize) -> bool {
    let storage = Flaky::default();
    let mut devices = load(&storage, 0);
    let states = |devices: &DeviceStore| {
        [1, 2, 3, 4].map(|n| devices.export_sessions(&storage, &key(n)).unwrap())
    };
    for now in 1..1_000 {
        let durable = states(&load(&storage, 0));
        (1..=4).for_each(|number| _ = observe(&mut devices, &storage, number, now));
        let (states_now, first_row) = (states(&devices), storage.first_row());
        storage.writes_left.set(writes);
        let done = devices.checkpoint(&storage, now);
        let loaded = states(&load(&storage, now));
        for (loaded, may_be) in loaded.iter().zip(durable.iter().zip(&states_now)) {
            assert!(loaded == may_be.0 || loaded == may_be.1, "{writes} writes, at {now}");
        }
        storage.writes_left.set(usize::MAX);
        devices.checkpoint(&storage, now).unwrap();
        assert_eq!(states(&load(&storage, now)), states_now);
        if done.is_err() || (now > 1 && storage.first_row() != first_row) {
            return done.is_err();
        }
    }
    panic!("the journal was never rewritten");
}

#[test]
fn a_checkpoint_that_fails_at_any_write_loses_nothing() {
    let max = (0..100).find(|writes| !rewrite_with(*writes));
    assert!(max.is_some_and(|max| max > 5), "{max:?}");
}

#[test]
fn a_clock_that_was_set_back_keeps_no_device_in_memory() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    observe(&mut devices, &storage, 1, 1_000_000);
    devices.checkpoint(&storage, 1_000_000).unwrap();
    let mut devices = load(&storage, 500);
    devices.checkpoint(&storage, 500).unwrap();
    assert_eq!(devices.len(), 1);
    devices.checkpoint(&storage, 1_501).unwrap();
    assert_eq!(devices.len(), 0);
}

#[test]
fn every_page_is_swept_in_time_and_only_old_devices_go() {
    const DAY: u64 = 86_400_000;
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    let at = |number: u64| if number.is_multiple_of(2) { 6 * DAY } else { 4 * DAY };
    for is_odd in [true, false] {
        for number in (0..400).filter(|number| number % 2 == u64::from(is_odd)) {
            let (now, random) = (at(number), || random_of(number));
            devices.observe_any(&storage, spread(number), None, &event(now), random, now).unwrap();
        }
        devices.checkpoint(&storage, at(u64::from(is_odd)) + 9_000).unwrap();
    }
    // Another version's, of which one is old.
    for (page, last_seen) in [(7, 4 * DAY), (8, 6 * DAY)] {
        let row = [&[7], &u64::to_be_bytes(last_seen)[..], b"another version's"].concat();
        storage.put(Table::DevicePages, &u64::to_be_bytes(page), &row).unwrap();
    }
    let pages = storage.count(Table::DevicePages);
    assert!(pages > 60, "{pages}");
    // A shard that is loaded for a moment at some times.
    for round in 0..5 * pages as u64 {
        let now = 400 * DAY + round * DAY / 5 / pages as u64;
        load(&storage, now).checkpoint(&storage, now).unwrap();
    }
    let devices = load(&storage, 400 * DAY);
    for number in 0..400 {
        let is_known = devices.contains(&storage, &spread(number)).unwrap();
        assert_eq!(is_known, number % 2 == 0, "{number}");
    }
    let others =
        [7, 8].map(|page| storage.get(Table::DevicePages, &u64::to_be_bytes(page)).unwrap());
    assert_eq!(others.map(|row| row.is_some()), [false, true]);
    // Later all are gone, and a new one begins the first page.
    for round in 0..1_000 {
        let now = 500 * DAY + round * 100;
        load(&storage, now).checkpoint(&storage, now).unwrap();
    }
    assert_eq!(storage.count(Table::DevicePages), 0);
    let mut devices = load(&storage, 600 * DAY);
    observe(&mut devices, &storage, 1, 600 * DAY);
    devices.checkpoint(&storage, 601 * DAY).unwrap();
    assert_eq!(storage.count(Table::DevicePages), 1);
}

/// What visits cost: each device has 20 events in some minutes, and then is away.
#[derive(Debug, Default)]
struct VisitCost {
    visits: usize,
    /// Rows written and deleted in checkpoints, but one each.
    rows: usize,
    pages: usize,
    longest: usize,
}

/// Simulates a shard of 200,000 devices, at 25 visits a second.
fn visits(seconds: u64) -> VisitCost {
    const DEVICES: u64 = 200_000;
    let storage = Memory::default();
    let policy = SessionConfig::default();
    let mut devices = DeviceStore::load(&storage, policy, 0).unwrap();
    let mut cost = VisitCost::default();
    let start = 1_795_000_000_000;
    for second in (0..seconds).step_by(4) {
        let now = start + second * 1_000;
        let is_known = |info: SessionInfo| info.index > 1 || info.started_at < now.cast_signed();
        for visit in second * 25..(second + 4) * 25 {
            // At first each device is new, later any of them returns.
            let number = if visit < DEVICES { visit } else { visit * 104_729 % DEVICES };
            // Its 20 events are within the second here; what is counted is the same.
            let random = || random_of(visit);
            let observed =
                devices.observe_any(&storage, spread(number), None, &event(now), random, now);
            assert_eq!(is_known(observed.unwrap()), visit >= DEVICES, "{visit}");
            cost.visits += usize::from(visit >= DEVICES);
        }
        let before = storage.writes.replace(0);
        assert_eq!(before, 0, "memory was full");
        devices.checkpoint(&storage, now).unwrap();
        let writes = storage.writes.replace(0);
        if second * 25 >= DEVICES {
            cost.rows += writes - 1;
            cost.longest = cost.longest.max(writes);
        }
        assert!(devices.len() <= MAX_DEVICES);
    }
    cost.pages = storage.count(Table::DevicePages);
    cost
}

/// The numbers in `www/docs/capacity.md` and `www/docs/sessions.md`.
#[test]
fn a_visit_costs_few_rows() {
    let cost = visits(12_000);
    println!("{cost:?}");
    assert!(cost.rows * 20 < cost.visits, "{cost:?}");
    assert!(cost.longest < 200, "{cost:?}");
}

#[test]
fn memory_of_a_device_is_bounded() {
    let storage = Memory::default();
    let mut devices = DeviceStore::load(&storage, SessionConfig::default(), 0).unwrap();
    let memory = allocation_counter::measure(|| {
        for number in 0..MAX_DEVICES as u64 {
            let random = || random_of(number);
            devices.observe_any(&storage, spread(number), None, &event(0), random, 0).unwrap();
        }
    });
    println!("{} bytes a device", memory.bytes_current / MAX_DEVICES as i64);
    assert!(memory.bytes_current < 9_000_000, "{memory:?}");
}

#[derive(Debug, Clone)]
enum StoreAct {
    Observe { device: u8, previous: Option<u8>, late_ms: u64, starts_session: bool },
    Adopt { device: u8, from: u8 },
    Wait(u64),
    Checkpoint,
    FailingCheckpoint { writes: usize },
    Crash,
}

fn act() -> impl Strategy<Value = StoreAct> {
    let late_ms = prop_oneof![3 => Just(0), 1 => 0_u64..3_000];
    let starts_session = prop_oneof![5 => Just(false), 1 => Just(true)];
    let observe = (0_u8..12, proptest::option::weighted(0.2, 0_u8..12), late_ms, starts_session);
    prop_oneof![
        20 => observe.prop_map(|(device, previous, late_ms, starts_session)| {
            StoreAct::Observe { device, previous, late_ms, starts_session }
        }),
        1 => (0_u8..12, 0_u8..12).prop_map(|(device, from)| StoreAct::Adopt { device, from }),
        4 => (0_u64..1_500).prop_map(StoreAct::Wait),
        4 => Just(StoreAct::Checkpoint),
        1 => (0_usize..6).prop_map(|writes| StoreAct::FailingCheckpoint { writes }),
        1 => Just(StoreAct::Crash),
    ]
}

/// The current entries of four devices with the most sessions.
const MAX_FRESH_BYTES: usize = 4 * 600;

type StoreModel = BTreeMap<u8, DeviceSessions>;

fn state(model: &StoreModel, device: u8) -> Option<Vec<u8>> {
    model.get(&device).map(encode)
}

proptest! {
    #[test]
    fn a_crash_restores_the_sessions_of_the_last_checkpoint(
        acts in proptest::collection::vec(act(), 0..300),
    ) {
        let storage = Flaky::default();
        let mut devices = load(&storage, 10_000);
        let (mut model, mut now) = (StoreModel::new(), 10_000);
        // The possible states of each device after a crash: several after a failed checkpoint.
        let mut durable: Vec<StoreModel> = vec![model.clone()];
        for (number, act) in (1..).zip(acts) {
            storage.memory.writes.set(0);
            let before = model.clone();
            let is_of_event = matches!(act, StoreAct::Observe { .. } | StoreAct::Adopt { .. });
            match act {
                StoreAct::Observe { device, previous, late_ms, starts_session } => {
                    let id = u8::try_from(number % 100).unwrap();
                    let at = (now - late_ms).cast_signed();
                    let event = SessionEvent { at, event_id: event_id(id), starts_session };
                    let earlier = previous.and_then(|previous| model.get(&previous)).cloned();
                    let goes_on = |sessions: &DeviceSessions| sessions.last_at().unwrap() >= at - 1_000;
                    if let (None, Some(sessions)) = (model.get(&device), earlier.filter(goes_on)) {
                        model.insert(device, sessions);
                    }
                    let random = || random_of(number);
                    let sessions = model.entry(device).or_default();
                    let expected = sessions.observe(&event, POLICY, random);
                    let previous = previous.map(key);
                    let session = devices.observe_any(&storage, key(device), previous, &event, random, now);
                    prop_assert_eq!(session.unwrap(), expected);
                    prop_assert!(devices.has_changed());
                }
                StoreAct::Adopt { device, from } => {
                    if let Some(copy) = devices.export_sessions(&storage, &key(from)).unwrap() {
                        devices.import_sessions(&storage, key(device), &copy, now).unwrap();
                        let sessions = model[&from].clone();
                        model.entry(device).or_insert(sessions);
                    }
                }
                StoreAct::Wait(milliseconds) => now += milliseconds,
                StoreAct::Checkpoint => {
                    let (len, first_row) = (devices.len(), storage.first_row());
                    let rows = storage.memory.count(Table::Journal);
                    devices.checkpoint(&storage, now).unwrap();
                    prop_assert!(!devices.has_changed());
                    prop_assert!(devices.len() <= TINY.devices);
                    let left = len - devices.len();
                    let is_rewritten = storage.first_row() != first_row;
                    // Long entries take more than one row, and rows that were rewritten are
                    // deleted. Each page may be split, and one is swept.
                    let after = storage.memory.count(Table::Journal);
                    let journaled = if is_rewritten { rows + after + 4 } else { 1 + after - rows };
                    prop_assert!(storage.memory.writes.get() <= 8 * left + journaled);
                    prop_assert!(storage.journal_bytes() <= TINY.journal.stale_bytes + MAX_FRESH_BYTES);
                    durable = vec![model.clone()];
                }
                StoreAct::FailingCheckpoint { writes } => {
                    storage.writes_left.set(writes);
                    let done = devices.checkpoint(&storage, now);
                    storage.writes_left.set(usize::MAX);
                    if done.is_ok() {
                        durable.clear();
                    }
                    durable.push(model.clone());
                }
                StoreAct::Crash => {
                    storage.memory.crash();
                    devices = load(&storage, now);
                    for device in 0..12 {
                        let loaded = devices.export_sessions(&storage, &key(device)).unwrap();
                        prop_assert!(durable.iter().any(|model| state(model, device) == loaded));
                        match loaded {
                            Some(bytes) => model.insert(device, decode(&bytes).unwrap()),
                            None => model.remove(&device),
                        };
                    }
                    durable = vec![model.clone()];
                }
            }
            // Memory was full, so a checkpoint ran before the act.
            if is_of_event && storage.memory.writes.get() > 0 {
                durable = vec![before];
            }
            storage.memory.commit();
            prop_assert!(devices.len() <= TINY.max_devices());
            for device in 0..12 {
                prop_assert_eq!(devices.export_sessions(&storage, &key(device)).unwrap(), state(&model, device));
            }
        }
    }
}

#[test]
fn another_shard_gets_the_sessions_of_a_device_that_is_not_stored() {
    let (here, there) = (Memory::default(), Memory::default());
    let mut devices = load(&here, 0);
    let [first, second] =
        [0, 1_000].map(|at| SessionEvent { at, event_id: event_id(1), starts_session: false });
    let of = DeviceEvent { key: key(1), previous: None, event: &first };
    let session = devices.assign_session(&here, of, || false, || [1; 10], 0).unwrap();
    let copy = devices.export_sessions(&here, &key(1)).unwrap().unwrap();
    let mut others = load(&there, 0);
    others.import_sessions(&there, key(1), &copy, 1_000).unwrap();
    let of = DeviceEvent { key: key(1), previous: None, event: &second };
    let again = others.assign_session(&there, of, || true, || [2; 10], 1_000).unwrap();
    assert_eq!(again, session);
}
