//! Compares a window with a plain map of ids, and counts what a day costs.

use std::collections::BTreeMap;

use allocation_counter::measure;
use proptest::prelude::*;

use super::*;
use crate::base::keyed_hash::tests::hash_key;
use crate::base::secret::Secret;
use crate::model::device_key::{DeviceHasher, DeviceKey};
use crate::model::event::{DeviceId, EventId};
use crate::shard::storage::tests::Memory;

/// Memory keeps ids for 400 ms, ticks have 5 ms, and ids may wait for a run for 100 ms.
const POLICY: DedupConfig = DedupConfig { window_ms: 2_400, max_ids: 1_024 };

/// The longest that an id counts after its last insertion.
const MOST_MS: u64 = 2_400 + 300 + 400 + 200 + 5;

fn load(storage: &Memory, now: Milliseconds) -> DedupWindow {
    DedupWindow::load(storage, POLICY, hash_key(), now).unwrap()
}

fn key(number: u128, made_at: Milliseconds) -> DedupKey {
    DedupKey { number, made_at }
}

fn has(window: &DedupWindow, storage: &Memory, key: DedupKey, now: Milliseconds) -> bool {
    window.contains(storage, &[key], now) == [true]
}

fn rows(storage: &Memory) -> [usize; 3] {
    [Table::SeenJournal, Table::SeenRuns, Table::Seen].map(|table| storage.count(table))
}

/// Inserts `count` timed ids a millisecond from `from` until before `to`, and writes a checkpoint
/// every 50 ms.
fn fill(window: &mut DedupWindow, storage: &Memory, from: u64, to: u64, count: u64) {
    for now in from..to {
        for number in now * count..(now + 1) * count {
            window.insert(key(number.into(), now), now);
        }
        if now % 50 == 49 {
            window.checkpoint(storage, now).unwrap();
        }
    }
}

#[test]
fn a_key_is_of_one_event_of_one_device() {
    let device = |byte: u8| DeviceKey::from_bytes([byte; 16]);
    let event = |last: u8| EventId::parse(&format!("01939b70-6d2a-7c3e-8f00-0000000000{last:02x}"));
    let key = |of: u8, last: u8| DedupKey::of(&device(of), event(last).unwrap(), None);
    assert_eq!(key(1, 1), key(1, 1));
    assert_ne!(key(1, 1), key(1, 2));
    assert_ne!(key(1, 1), key(2, 1));
}

#[test]
fn no_other_tenant_can_choose_an_id_that_counts_as_an_event() {
    let device = |id: &str| DeviceId::parse(id.to_owned()).unwrap();
    let number = |bytes: &[u8; 16]| u128::from_be_bytes(*bytes);
    let event_id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
    let public = DeviceHasher::new(None);
    let keys = |hasher: &DeviceHasher| {
        (hasher.of_device("shop", &device("a")), hasher.of_device("thief", &device("b")))
    };
    let (of_shop, of_thief) = keys(&public);
    let chosen =
        number(of_shop.as_bytes()) ^ number(of_thief.as_bytes()) ^ number(event_id.as_bytes());
    let chosen = EventId::from_bytes(chosen.to_be_bytes()).unwrap();
    let are_equal = |(shop, thief): (DeviceKey, DeviceKey)| {
        DedupKey::of(&shop, event_id, None) == DedupKey::of(&thief, chosen, None)
    };
    assert!(are_equal(keys(&public)), "without a secret");
    let secret = Secret::parse("s".repeat(32));
    assert!(!are_equal(keys(&DeviceHasher::new(secret.as_ref()))));
}

#[test]
fn an_id_has_its_own_time_else_the_clients() {
    let made_at = |id: &str, stated| {
        let event_id = EventId::parse(id).unwrap();
        DedupKey::of(&DeviceKey::from_bytes([1; 16]), event_id, stated).made_at
    };
    assert_eq!(made_at("01939b70-6d2a-7c3e-8f00-000000000001", Some(5)), 0x0193_9b70_6d2a);
    assert_eq!(made_at("01939b70-6d2a-4c3e-8f00-000000000001", Some(5)), 5);
    assert_eq!(made_at("01939b70-6d2a-8c3e-8f00-000000000001", None), 0);
}

#[test]
fn an_id_counts_for_the_window_and_little_longer() {
    for made_at in [10_000, 0, 9_000, 11_000] {
        let storage = Memory::default();
        let mut window = load(&storage, 10_000);
        window.insert(key(1, made_at), 10_000);
        for now in (10_000..10_000 + MOST_MS + 100).step_by(20) {
            // Other events go on, and their checkpoints with them.
            window.insert(key(now.into(), now), now);
            window.checkpoint(&storage, now).unwrap();
            let counts = has(&window, &storage, key(1, made_at), now);
            let expected = match now - 10_000 {
                0..=2_400 => Some(true),
                age if age > MOST_MS => Some(false),
                _ => None,
            };
            assert!(expected.is_none_or(|expected| expected == counts), "{made_at} at {now}");
        }
        assert!(!has(&window, &storage, key(2, made_at), 10_000));
    }
}

#[test]
fn a_fresh_id_reads_no_row_and_a_late_one_a_single_row() {
    let storage = Memory::default();
    let mut window = load(&storage, 10_000);
    fill(&mut window, &storage, 10_000, 12_000, 0);
    // Enough for runs of each kind.
    let policy = DedupConfig { max_ids: 1_000_000, ..POLICY };
    let mut window = DedupWindow { policy, ..window };
    fill(&mut window, &storage, 12_000, 14_000, 50);
    for number in 0..40_000_u64 {
        window.insert(key((1 << 64) + u128::from(number), 5 * number % 7_000), 14_000);
    }
    window.checkpoint(&storage, 14_000).unwrap();
    assert!(window.timed_runs.len() > 2 && window.untimed_runs.len() == 1);

    let reads = |keys: &[DedupKey], is_seen: bool| {
        storage.reads.set(0);
        assert!(window.contains(&storage, keys, 14_000).into_iter().all(|seen| seen == is_seen));
        storage.reads.get()
    };
    assert_eq!(reads(&[key(7, 13_999), key(7, 14_100)], false), 0, "fresh ones");
    assert_eq!(reads(&[key(13_999 * 50, 13_999)], true), 0, "in memory");
    assert_eq!(reads(&[key(12_500 * 50, 12_500)], true), 1, "an old one again");
    assert_eq!(reads(&[key(12_500 * 50 + (1 << 99), 12_500)], false), 1, "a late one");
    assert_eq!(reads(&[key((1 << 64) + 77, 385)], true), 1, "a late one again");
    assert_eq!(reads(&[key((0xabcd_ef01 << 64) + 77, 385)], false), 0, "one of before");
    let of_a_row: Vec<DedupKey> =
        (0..500).map(|n| key(12_500 * 50 + n, 12_500 + n as u64 / 50)).collect();
    assert_eq!(reads(&of_a_row, true), 1, "many of a row");
}

#[test]
fn chosen_ids_read_few_rows_and_never_make_another_seen() {
    let storage = Memory::default();
    let policy = DedupConfig { max_ids: 100_000, ..POLICY };
    let mut window = DedupWindow::load(&storage, policy, hash_key(), 10_000).unwrap();
    // Ids that only differ in bits that the filter mixes into the same place.
    let chosen = |number: u128| key((number << 64) | number, 1);
    for number in 0..60_000 {
        window.insert(chosen(number), 10_000 + u64::try_from(number / 1_000).unwrap());
        window.checkpoint(&storage, 10_000).unwrap();
        if number == 3_000 {
            storage.reads.set(0);
        }
    }
    assert!(window.untimed_runs.len() > 10);
    let others: Vec<DedupKey> = (60_000..60_500).map(chosen).collect();
    storage.reads.set(0);
    assert!(!window.contains(&storage, &others, 10_060).contains(&true));
    let rows = window.untimed_runs.len() * policy.run_ids().div_ceil(id_run::ROW_IDS);
    assert!(storage.reads.get() <= rows.min(500 * MAX_READS), "{}", storage.reads.get());
    let lookups = others.iter().map(|key| window.rows_of(key, 10_060).count());
    assert!(lookups.max().unwrap() <= MAX_READS);
}

#[test]
fn ids_without_a_time_displace_no_timed_ones() {
    let storage = Memory::default();
    let mut window = load(&storage, 10_000);
    fill(&mut window, &storage, 10_000, 10_400, 1);
    for number in 0..5_000 {
        window.insert(key((1 << 64) + number, 0), 10_400);
        window.checkpoint(&storage, 10_400).unwrap();
        assert!(window.len() <= POLICY.max_ids / 2 + 401);
    }
    for made_at in 10_000..10_400 {
        assert!(has(&window, &storage, key(made_at.into(), made_at), 10_400), "{made_at}");
    }
    let held = |number: u128| has(&window, &storage, key((1 << 64) + number, 0), 10_400);
    assert!((5_000 - 448..5_000).all(held));
}

#[test]
fn the_oldest_ids_are_evicted_first() {
    for has_checkpoints in [false, true] {
        let storage = Memory::default();
        let mut window = load(&storage, 10_000);
        for number in 0..5_000_u64 {
            let now = 10_000 + number / 4;
            window.insert(key(number.into(), now), now);
            assert!(window.len() <= POLICY.max_ids);
            if has_checkpoints && number % 100 == 0 {
                window.checkpoint(&storage, now).unwrap();
            }
            let held =
                |number: u64| has(&window, &storage, key(number.into(), 10_000 + number / 4), now);
            // Without a checkpoint only memory has ids.
            let kept = if has_checkpoints { 800 } else { 500 };
            assert!((number.saturating_sub(kept)..=number).all(held), "{number}");
        }
        window.checkpoint(&storage, 11_250).unwrap();
        assert!(!window.has_changed());
        let [journal, runs, ids] = rows(&storage);
        assert!(journal <= 2 && runs <= 40 && ids <= 40, "{:?}", rows(&storage));
    }
}

#[test]
fn a_shard_that_restarts_often_continues_its_journal() {
    let storage = Memory::default();
    for now in 10_000..11_000 {
        let mut window = load(&storage, now);
        let made_at = now / 100 * 100;
        window.insert(key(u128::from(now / 100), made_at), now);
        let writes = storage.writes.replace(0);
        assert!(writes <= 12, "{writes}");
        window.checkpoint(&storage, now).unwrap();
        assert!(!window.has_changed());
        assert!(storage.count(Table::SeenJournal) <= 8);
    }
    let mut window = load(&storage, 20_000);
    assert_eq!(window.len(), 0);
    window.insert(key(1, 20_000), 20_000);
    window.checkpoint(&storage, 20_000).unwrap();
    assert_eq!(rows(&storage)[1..], [0, 0]);
}

/// Writes runs of both kinds with `writes` writes in each checkpoint, and crashes after each that
/// fails. Returns whether any failed.
fn fails_with(writes: usize) -> bool {
    let storage = Memory::default();
    let policy = DedupConfig { max_ids: 640, ..POLICY };
    let load = |now| DedupWindow::load(&storage, policy, hash_key(), now).unwrap();
    let (mut window, mut failed) = (load(10_000), false);
    let mut inserted = Vec::new();
    for now in (10_000..12_000).step_by(10) {
        let keys = [key(now.into(), now), key((1 << 64) + u128::from(now), 0)];
        keys.into_iter().for_each(|key| window.insert(key, now));
        storage.writes.set(0);
        storage.fails_from.set(Some(writes));
        let is_done = window.checkpoint(&storage, now).is_ok();
        storage.fails_from.set(None);
        if is_done {
            inserted.extend(keys);
            continue;
        }
        failed = true;
        // What was written before it failed may be all that remains.
        let mut crashed = load(now);
        assert!(crashed.contains(&storage, &inserted, now).iter().all(|seen| *seen));
        if now % 20 == 0 {
            keys.into_iter().for_each(|key| crashed.insert(key, now));
            window = crashed;
        }
        window.checkpoint(&storage, now).unwrap();
        inserted.extend(keys);
        assert!(window.contains(&storage, &inserted, now).iter().all(|seen| *seen));
        let loaded = load(now).contains(&storage, &inserted, now);
        let lost: Vec<_> = inserted.iter().zip(loaded).filter(|(_, seen)| !seen).collect();
        assert!(lost.is_empty(), "{writes} writes, at {now}: {lost:?}");
    }
    window.checkpoint(&storage, 12_000).unwrap();
    let runs = window.timed_runs.iter().chain(&window.untimed_runs);
    let expected: usize = runs.map(|run| run.row_keys().count()).sum();
    assert_eq!(storage.count(Table::Seen), expected, "no row is left behind");
    failed
}

#[test]
fn a_checkpoint_that_fails_at_any_write_loses_nothing() {
    let most = (0..100).find(|writes| !fails_with(*writes));
    assert!(most.is_some_and(|most| most > 4), "{most:?}");
}

#[test]
fn memory_is_bounded_while_the_storage_fails() {
    let storage = Memory::default();
    let mut window = load(&storage, 10_000);
    storage.full.set(true);
    for number in 0..100_000_u64 {
        let now = 10_000 + number / 100;
        window.insert(key(number.into(), now), now);
        window.insert(key((1 << 64) + u128::from(number), 0), now);
        if number % 100 == 0 {
            assert!(window.checkpoint(&storage, now).is_err());
        }
        assert!(window.len() <= POLICY.max_ids);
        assert!(window.journal.rows.len() <= 18);
    }
    storage.full.set(false);
    window.checkpoint(&storage, 11_000).unwrap();
    assert!(has(&window, &storage, key(99_999, 10_999), 11_000));
    assert!(!window.has_changed());
}

#[test]
fn a_clock_set_back_neither_forgets_nor_keeps_ids_for_ever() {
    for made_at in [1_000_000, 0] {
        for goes_on in [false, true] {
            let storage = Memory::default();
            let mut window = load(&storage, 0);
            let first = key(1, made_at);
            window.insert(first, 1_000_000);
            // A run of each, and ids in memory.
            window.checkpoint(&storage, 1_000_600).unwrap();
            window.insert(key(2, made_at), 1_000_600);
            window.checkpoint(&storage, 1_000_600).unwrap();
            let both = [first, key(2, made_at)];
            assert_eq!(window.contains(&storage, &both, 5_000), [true, true]);
            let mut window = load(&storage, 5_000);
            assert_eq!(window.contains(&storage, &both, 5_000), [true, true]);
            let third = key(3, made_at.min(5_000));
            if goes_on {
                window.insert(third, 5_000);
            }
            window.checkpoint(&storage, 5_000).unwrap();
            let mut window = load(&storage, 5_050);
            for (key, is_in) in [(first, true), (both[1], true), (third, goes_on)] {
                assert_eq!(has(&window, &storage, key, 7_400), is_in);
                assert!(!has(&window, &storage, key, 5_050 + MOST_MS));
            }
            window.insert(key(4, 9_000), 9_000);
            window.checkpoint(&storage, 9_000).unwrap();
            assert_eq!(window.len(), 1);
        }
    }
}

#[test]
fn after_a_clock_was_ahead_new_ids_are_timed_again() {
    let storage = Memory::default();
    let policy = DedupConfig { max_ids: 6_400, ..POLICY };
    let mut window = DedupWindow::load(&storage, policy, hash_key(), 1_000_000).unwrap();
    fill(&mut window, &storage, 1_000_000, 1_001_000, 1);
    fill(&mut window, &storage, 10_000, 11_000, 1);
    assert!(window.recent_len >= 350, "{}", window.recent_len);
    let window = DedupWindow::load(&storage, policy, hash_key(), 11_000).unwrap();
    for made_at in (10_000..11_000).chain(1_000_500..1_001_000) {
        assert!(has(&window, &storage, key(made_at.into(), made_at), 11_000), "{made_at}");
    }
}

#[test]
fn rows_that_cannot_be_read_are_left_out_and_deleted() {
    let storage = Memory::default();
    let mut window = load(&storage, 10_000);
    fill(&mut window, &storage, 10_100, 11_000, 1);
    (0..40).for_each(|number| window.insert(key((1 << 64) + number, 0), 11_000));
    window.checkpoint(&storage, 11_000).unwrap();
    let all: Vec<DedupKey> = (10_100..11_000).map(|at| key(at.into(), at)).collect();
    let counts = |window: &DedupWindow| {
        let seen = window.contains(&storage, &all, 11_000);
        seen.into_iter().filter(|seen| *seen).count()
    };
    assert_eq!(counts(&window), 900);
    let before = rows(&storage);

    // Rows of an older version, of no known key, and of a run without its index.
    let number = |number: u64| number.to_be_bytes();
    let first_run = storage.get(Table::SeenRuns, &number(0)).unwrap().unwrap();
    storage.put(Table::Seen, &number(1 << 40), &[1; 33]).unwrap();
    storage.put(Table::Seen, b"key", b"").unwrap();
    storage.put(Table::SeenRuns, b"key", &first_run).unwrap();
    storage.put(Table::SeenRuns, &number(0), &first_run[..20]).unwrap();
    storage.put(Table::SeenRuns, &number(900), &[&[9], &first_run[1..]].concat()).unwrap();
    let mut window = load(&storage, 11_000);
    assert!(window.has_changed());
    let lost = 900 - counts(&window);
    assert!((1..100).contains(&lost), "{lost}");
    window.checkpoint(&storage, 11_000).unwrap();
    assert!(!window.has_changed());
    let after = rows(&storage);
    assert_eq!([after[0], after[1] + 1, after[2] + 1], before);

    // A row that is missing or cannot be read has no ids; the others count.
    let run = window.timed_runs[0].row_keys().next().unwrap();
    for value in [&b""[..], &[1; 33], &[2; 7]] {
        storage.put(Table::Seen, &run, value).unwrap();
        assert!((800 - lost..900 - lost).contains(&counts(&window)));
    }
    storage.unreadable.set(true);
    assert!((400..500).contains(&counts(&window)), "only memory");
    storage.unreadable.set(false);

    // The entries of the journal before the invalid one count.
    let [.., last] = &storage.keys(Table::SeenJournal, &[], 9).unwrap()[..] else { panic!() };
    let whole = storage.get(Table::SeenJournal, last).unwrap().unwrap();
    storage.put(Table::SeenJournal, last, &whole[..whole.len() - 24 * 20 - 5]).unwrap();
    let mut window = load(&storage, 11_000);
    let before = window.len();
    window.insert(key(7, 11_000), 11_000);
    window.checkpoint(&storage, 11_000).unwrap();
    assert!(has(&load(&storage, 11_000), &storage, key(7, 11_000), 11_000));
    assert_eq!(load(&storage, 11_000).len(), before + 1);
    storage.put(Table::SeenJournal, last, b"?").unwrap();
    assert!(has(&load(&storage, 11_000), &storage, key(7, 11_000), 11_000));
}

#[derive(Debug, Clone)]
enum WindowAct {
    Insert { number: u8, made: Made },
    Wait(u64),
    SetBack(u64),
    Checkpoint,
    FailingCheckpoint { writes: usize },
    Crash,
}

/// When the id of an event was made. All ids of one number are made alike.
#[derive(Debug, Clone, Copy)]
enum Made {
    Now,
    Before(u64),
    Ahead(u64),
    Unknown,
}

fn act() -> impl Strategy<Value = WindowAct> {
    let made = prop_oneof![
        5 => Just(Made::Now),
        2 => (0_u64..3_000).prop_map(Made::Before),
        1 => (0_u64..400).prop_map(Made::Ahead),
        1 => Just(Made::Unknown),
    ];
    prop_oneof![
        16 => (any::<u8>(), made).prop_map(|(number, made)| WindowAct::Insert { number, made }),
        5 => (0_u64..200).prop_map(WindowAct::Wait),
        1 => (0_u64..3_000).prop_map(WindowAct::SetBack),
        4 => Just(WindowAct::Checkpoint),
        1 => (0_usize..8).prop_map(|writes| WindowAct::FailingCheckpoint { writes }),
        1 => Just(WindowAct::Crash),
    ]
}

/// When each id was last inserted, and its key.
type Inserted = BTreeMap<u8, (Milliseconds, DedupKey)>;

proptest! {
    #[test]
    fn the_window_holds_the_ids_of_its_time(
        acts in proptest::collection::vec(act(), 0..150), max_ids in prop_oneof![Just(1_024), Just(1_000_000)],
    ) {
        let policy = DedupConfig { max_ids, ..POLICY };
        let storage = Memory::default();
        let mut window = DedupWindow::load(&storage, policy, hash_key(), 20_000).unwrap();
        let mut now = 20_000;
        let mut keys = BTreeMap::<u8, DedupKey>::new();
        // What must count, and what may: inserted ids, some of which a crash has lost.
        let (mut seen, mut ever) = (Inserted::new(), Inserted::new());
        let mut durable = seen.clone();
        for act in acts {
            match act {
                WindowAct::Insert { number, made } => {
                    let made_at = match made {
                        Made::Now => now,
                        Made::Before(ms) => now - ms.min(now - 1),
                        Made::Ahead(ms) => now + ms,
                        Made::Unknown => 0,
                    };
                    let key = *keys.entry(number).or_insert(key(number.into(), made_at));
                    // As in a shard: only what is new is inserted.
                    if window.contains(&storage, &[key], now) == [false] {
                        prop_assert!(seen.get(&number).is_none_or(|(at, _)| now - at > policy.window_ms));
                        window.insert(key, now);
                        seen.insert(number, (now, key));
                        ever.insert(number, (now, key));
                        prop_assert!(window.has_changed());
                    }
                }
                WindowAct::Wait(milliseconds) => now += milliseconds,
                WindowAct::SetBack(milliseconds) => {
                    // What had left the window does not return.
                    for map in [&mut seen, &mut durable] {
                        map.retain(|_, (at, _)| now - *at <= policy.window_ms);
                    }
                    now -= milliseconds.min(now - 4_000);
                    for map in [&mut seen, &mut ever, &mut durable] {
                        map.values_mut().for_each(|(at, _)| *at = now.min(*at));
                    }
                    // Times are moved back at the next checkpoint.
                    window.checkpoint(&storage, now).unwrap();
                    storage.commit();
                    durable.clone_from(&seen);
                }
                WindowAct::Checkpoint => {
                    window.checkpoint(&storage, now).unwrap();
                    storage.commit();
                    durable.clone_from(&seen);
                    prop_assert!(!window.has_changed());
                    let runs = window.timed_runs.len() + window.untimed_runs.len();
                    prop_assert_eq!(storage.count(Table::SeenRuns), runs);
                    prop_assert_eq!(storage.count(Table::Seen), runs + window.unfinished_rows);
                    prop_assert!(storage.count(Table::SeenJournal) <= 2 + window.len());
                }
                WindowAct::FailingCheckpoint { writes } => {
                    storage.writes.set(0);
                    storage.fails_from.set(Some(writes));
                    let done = window.checkpoint(&storage, now);
                    storage.fails_from.set(None);
                    storage.commit();
                    if done.is_ok() {
                        durable.clone_from(&seen);
                    }
                }
                WindowAct::Crash => {
                    storage.crash();
                    window = DedupWindow::load(&storage, policy, hash_key(), now).unwrap();
                    seen.clone_from(&durable);
                }
            }
            prop_assert!(window.len() <= max_ids);
            let runs = window.timed_runs.iter().chain(&window.untimed_runs).map(|run| run.len);
            let recent = window.recent.values().map(|ids| ids.ids.len());
            prop_assert_eq!(window.recent_len, recent.sum::<usize>());
            prop_assert_eq!(window.run_len, runs.sum::<usize>());
            for number in 0..=u8::MAX {
                let Some(key) = keys.get(&number) else { continue };
                let counts = has(&window, &storage, *key, now);
                let must = seen.get(&number).is_some_and(|(at, _)| now - at <= policy.window_ms);
                let may = ever.get(&number).is_some_and(|(at, _)| now - at <= MOST_MS);
                prop_assert!(counts || !must, "{number} is forgotten");
                prop_assert!(!counts || may, "{number} counts too long");
            }
            prop_assert!(!has(&window, &storage, key(1 << 100, now), now));
        }
    }
}

/// The costs of 500 events a second in a shard of the default configuration.
#[derive(Debug, Default)]
struct DedupCost {
    seconds: u64,
    /// Rows written and deleted.
    rows: usize,
    late: usize,
    late_reads: usize,
    fresh_reads: usize,
    /// The most bytes in memory while it is loaded.
    load_bytes: u64,
}

/// Simulates `seconds` after a day has filled the filters. One of a hundred ids is late.
fn cost_of(seconds: u64) -> DedupCost {
    const START: Milliseconds = 1_795_000_000_000;
    let (storage, policy) = (Memory::default(), DedupConfig::default());
    let mut window = DedupWindow::load(&storage, policy, hash_key(), START).unwrap();
    let id = |number: u64| {
        let spread = u128::from(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        (spread << 64) | u128::from(number.wrapping_mul(0xd6e8_feb8_6659_fd93))
    };
    for number in 0..DedupConfig::MAX_UNTIMED as u64 {
        window.insert(key(id((1 << 40) + number), 0), START);
        if number % 65_536 == 65_535 {
            window.checkpoint(&storage, START).unwrap();
        }
    }
    storage.writes.set(0);
    let mut cost = DedupCost { seconds, ..DedupCost::default() };
    let key_of = |number: u64| {
        let at = START + number * 2;
        let is_late = number % 100 == 37;
        let late_ms =
            if is_late { 700_000 + number * 104_729 % 80_000_000 } else { number % 8_000 };
        (is_late, key(id(number), at - late_ms))
    };
    for second in 0..seconds {
        let now = START + (second + 1) * 1_000;
        for (is_late, key) in (second * 500..(second + 1) * 500).map(key_of) {
            storage.reads.set(0);
            assert!(!has(&window, &storage, key, now));
            if is_late {
                cost.late += 1;
                cost.late_reads += storage.reads.get();
            } else {
                cost.fresh_reads += storage.reads.get();
            }
            window.insert(key, now);
        }
        window.checkpoint(&storage, now).unwrap();
    }
    cost.rows = storage.writes.get();
    let now = START + seconds * 1_000;
    for number in (0..seconds * 500).step_by(97) {
        assert!(has(&window, &storage, key_of(number).1, now), "{number}");
    }
    cost.load_bytes =
        measure(|| drop(DedupWindow::load(&storage, policy, hash_key(), now).unwrap())).bytes_max;
    cost
}

/// The numbers in `www/docs/deduplication.md` and `www/docs/capacity.md`.
#[test]
fn five_hundred_ids_a_second_cost_few_rows_and_a_bounded_memory() {
    let cost = cost_of(1_800);
    // A day has 21,000 rows, of which the index has 16 bytes each.
    assert!(cost.load_bytes + 21_000 * 16 < 16_000_000, "{cost:?}");
    assert_is_cheap(&cost);
}

#[test]
#[ignore = "it takes minutes and 2 GB"]
fn a_day_of_five_hundred_ids_a_second_is_remembered() {
    let cost = cost_of(86_400);
    assert!(cost.load_bytes < 16_000_000, "{cost:?}");
    assert_is_cheap(&cost);
}

fn assert_is_cheap(cost: &DedupCost) {
    println!("{cost:?}");
    let (rows, ids) = (cost.rows as u64, cost.seconds * 500);
    // One for the checkpoint, and one and a half in two seconds for all else.
    assert!(rows < cost.seconds * 7 / 4, "{cost:?}");
    assert!(cost.late_reads <= cost.late + cost.late / 50, "{cost:?}");
    assert!(cost.fresh_reads as u64 * 50 < ids, "{cost:?}");
}
