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
    leaving: 2,
    swept: 4,
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
    devices.observe(storage, key(number), None, &event(now), random, now).unwrap()
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
fn a_quiet_device_moves_to_its_row_and_back() {
    let storage = Memory::default();
    let mut devices = load(&storage, 0);
    let first = observe(&mut devices, &storage, 1, 0);
    devices.checkpoint(&storage, 1_000).unwrap();
    assert_eq!((devices.len(), storage.count(Table::Devices)), (1, 0));
    devices.checkpoint(&storage, 1_100).unwrap();
    assert_eq!((devices.len(), storage.count(Table::Devices)), (0, 1));
    assert!(devices.contains(&storage, &key(1)).unwrap());
    assert!(!devices.contains(&storage, &key(2)).unwrap());
    for devices in [&mut devices, &mut load(&storage, 1_100)] {
        assert_eq!(devices.len(), 0);
        assert_eq!(observe(devices, &storage, 1, 900), first);
        assert_eq!(observe(devices, &storage, 1, 9_000).index, 2);
    }
}

#[test]
fn of_too_many_devices_the_least_recently_seen_leave() {
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
    assert_eq!(in_memory, [key(2), key(4), key(5), key(6)]);
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
                devices.observe(&storage, key, previous, &event(at), random, at).unwrap()
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

#[test]
fn an_unreadable_device_counts_as_new() {
    let storage = Memory::default();
    for (number, row) in [(1, &[][..]), (2, &[9; 40]), (3, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 99])] {
        storage.put(Table::Devices, key(number).as_bytes(), row).unwrap();
        let mut devices = load(&storage, 0);
        assert!(!devices.contains(&storage, &key(number)).unwrap());
        assert_eq!(devices.export_sessions(&storage, &key(number)).unwrap(), None);
        assert_eq!(observe(&mut devices, &storage, number, 0).trigger, SessionTrigger::First);
        devices.checkpoint(&storage, 9_000).unwrap();
        assert!(load(&storage, 0).contains(&storage, &key(number)).unwrap());
    }
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
fn every_row_is_swept_in_time_and_only_the_old_ones_go() {
    const DAY: u64 = 86_400_000;
    let storage = Memory::default();
    let hash = |number: u64| DeviceKey::of_event("t", event_id(u8::try_from(number).unwrap()));
    let now = 400 * DAY;
    let row = |last_seen: u64| [&[7], &last_seen.to_be_bytes()[..], b"another version's"].concat();
    for number in 0..200 {
        let last_seen = if number % 2 == 0 { now - 394 * DAY } else { now - 396 * DAY };
        storage.put(Table::Devices, hash(number).as_bytes(), &row(last_seen)).unwrap();
    }
    // A shard that is loaded for a moment each hour, and has 50 times the rows that it checks.
    for hour in 0..150 {
        let now = now + hour * DAY / 24 / 10;
        load(&storage, now).checkpoint(&storage, now).unwrap();
    }
    for number in 0..200 {
        let row = storage.get(Table::Devices, hash(number).as_bytes()).unwrap();
        assert_eq!(row.is_some(), number % 2 == 0, "{number}");
    }
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
                    let session = devices.observe(&storage, key(device), previous, &event, random, now);
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
                    // deleted.
                    let after = storage.memory.count(Table::Journal);
                    let journaled = if is_rewritten { rows + after + 4 } else { 1 + after - rows };
                    prop_assert!(storage.memory.writes.get() <= left + journaled);
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
