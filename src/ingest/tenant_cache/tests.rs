use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

type Cache = TenantCache<u32, ()>;

const MINUTE_MS: u64 = 60_000;

/// What a look-up shows to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Observed {
    Known(TenantEntry<u32>),
    Read,
    Wait,
}

fn look_up(cache: &mut Cache, entry: &str, now: Milliseconds) -> Observed {
    match cache.look_up(entry, now) {
        EntryLookup::Known(known) => Observed::Known(known),
        EntryLookup::Read(_) => Observed::Read,
        EntryLookup::Wait(_) => Observed::Wait,
    }
}

fn found(value: u32) -> Observed {
    Observed::Known(TenantEntry::Found(value))
}

const UNKNOWN: Observed = Observed::Known(TenantEntry::Unknown);
const UNAVAILABLE: Observed = Observed::Known(TenantEntry::Unavailable);
const INVALID: Observed = Observed::Known(TenantEntry::Invalid);

fn value(value: u32) -> EntryRead<u32> {
    EntryRead::Found { value, bytes: 1_000 }
}

fn bytes_of<V>(generation: &HashMap<String, KnownEntry<V>>) -> usize {
    generation.iter().map(|(entry, known)| memory(entry, known)).sum()
}

#[test]
fn a_value_holds_for_a_minute_and_a_missing_entry_for_ten_seconds() {
    let mut cache = Cache::default();
    assert_eq!(look_up(&mut cache, "a", 1_000), Observed::Read);
    assert_eq!(cache.complete("a", value(1), 1_000), TenantEntry::Found(1));
    assert_eq!(look_up(&mut cache, "a", 60_999), found(1));
    assert_eq!(look_up(&mut cache, "a", 61_000), Observed::Read);
    assert_eq!(look_up(&mut cache, "a", 61_001), found(1), "while one request reads it anew");
    assert_eq!(cache.complete("a", EntryRead::Missing, 61_002), TenantEntry::Unknown);
    assert_eq!(look_up(&mut cache, "a", 71_001), UNKNOWN);
    assert_eq!(look_up(&mut cache, "a", 71_002), Observed::Read);
    assert_eq!(look_up(&mut cache, "a", 71_003), Observed::Wait);
    cache.complete("a", value(2), 71_004);
    assert_eq!(look_up(&mut cache, "a", 71_005), found(2));
}

#[test]
fn an_old_value_holds_if_a_read_fails_and_without_one_the_entry_is_unavailable() {
    let mut cache = Cache::default();
    look_up(&mut cache, "a", 0);
    assert_eq!(cache.complete("a", EntryRead::Failed, 0), TenantEntry::Unavailable);
    assert_eq!(look_up(&mut cache, "a", UNAVAILABLE_MS - 1), UNAVAILABLE);
    assert_eq!(look_up(&mut cache, "a", UNAVAILABLE_MS), Observed::Read);
    cache.complete("a", value(1), 2_000);
    let stale = 2_000 + MINUTE_MS;
    assert_eq!(look_up(&mut cache, "a", stale), Observed::Read);
    assert_eq!(cache.complete("a", EntryRead::Failed, stale), TenantEntry::Found(1));
    assert_eq!(look_up(&mut cache, "a", stale + RETRY_MS - 1), found(1));
    assert_eq!(look_up(&mut cache, "a", stale + RETRY_MS), Observed::Read, "once in ten seconds");
}

#[test]
fn an_invalid_value_is_another_thing_than_a_read_that_failed() {
    let mut cache = Cache::default();
    look_up(&mut cache, "a", 0);
    assert_eq!(cache.complete("a", EntryRead::Invalid, 0), TenantEntry::Invalid);
    assert_eq!(look_up(&mut cache, "a", UNAVAILABLE_MS - 1), INVALID);
    assert_eq!(look_up(&mut cache, "a", UNAVAILABLE_MS), Observed::Read);
    assert_eq!(cache.complete("a", EntryRead::Failed, 2_000), TenantEntry::Unavailable);
    cache.complete("a", value(1), 4_000);
    assert_eq!(cache.complete("a", EntryRead::Invalid, 4_001), TenantEntry::Found(1));
}

#[test]
fn a_read_that_never_ends_is_begun_again() {
    let mut cache = Cache::default();
    assert_eq!(look_up(&mut cache, "a", 1_000), Observed::Read);
    assert_eq!(look_up(&mut cache, "a", 1_000 + LOST_READ_MS - 1), Observed::Wait);
    assert_eq!(look_up(&mut cache, "a", 1_000 + LOST_READ_MS), Observed::Read);
    for entry in 0..MAX_READS {
        look_up(&mut cache, &entry.to_string(), 9_000);
    }
    assert_eq!(look_up(&mut cache, "b", 9_000), UNAVAILABLE, "as many are read already");
    assert_eq!(look_up(&mut cache, "b", 9_000 + LOST_READ_MS), Observed::Read);
    assert!(cache.reads.len() <= MAX_READS);
}

#[test]
fn failures_are_logged_once_a_minute_with_their_number() {
    let mut cache = Cache::default();
    assert_eq!(cache.failures_to_log(1_000), None);
    for entry in ["a", "b", "c"] {
        cache.complete(entry, EntryRead::Failed, 1_000);
    }
    assert_eq!(cache.failures_to_log(1_000), Some(3));
    cache.complete("a", EntryRead::Failed, 2_000);
    assert_eq!(cache.failures_to_log(60_999), None);
    assert_eq!(cache.failures_to_log(61_000), Some(1));
    assert_eq!(cache.failures_to_log(200_000), None);
}

#[test]
fn ten_thousand_tenants_are_each_read_once_a_minute() {
    let mut cache = Cache::default();
    let keys: Vec<String> = (0..10_000).map(|tenant| format!("pk_{tenant}")).collect();
    for key in &keys {
        assert_eq!(look_up(&mut cache, key, 5_000), Observed::Read, "{key}");
        cache.complete(key, value(7), 5_000);
    }
    for round in 1..10 {
        for key in &keys {
            assert_eq!(look_up(&mut cache, key, 5_000 + round * 6_000), found(7), "{key}");
        }
    }
}

#[test]
fn values_are_bounded_by_number_and_by_bytes() {
    for bytes in [1, 100_000] {
        let mut cache = Cache::default();
        for key in 0..50_000_u32 {
            cache.complete(&key.to_string(), EntryRead::Found { value: key, bytes }, 0);
            // This one is asked for again and again, so it stays.
            let kept = if key == 0 { found(0) } else { look_up(&mut cache, "0", 1) };
            assert_eq!(kept, found(0));
        }
        for generation in [&cache.values.young, &cache.values.old] {
            assert!(generation.len() <= MAX_VALUES);
            assert!(bytes_of(generation) <= MAX_GENERATION_BYTES);
        }
    }
}

/// A minute of a flood: keys that do not exist, a thousand a second.
#[test]
fn a_flood_of_invented_keys_costs_few_reads_and_no_value() {
    let mut cache = Cache::default();
    let keys: Vec<String> = (0..100).map(|tenant| format!("pk_{tenant}")).collect();
    for key in &keys {
        look_up(&mut cache, key, 1_000);
        cache.complete(key, value(1), 1_000);
    }
    let (mut reads, mut refused) = (0, 0);
    for number in 0..59_000_u64 {
        let (entry, now) = (format!("invented-{number}"), 1_000 + number);
        match look_up(&mut cache, &entry, now) {
            Observed::Read => {
                reads += 1;
                cache.complete(&entry, EntryRead::Missing, now);
            }
            seen => {
                assert_eq!(seen, UNAVAILABLE);
                refused += 1;
            }
        }
        let key = &keys[usize::try_from(number % 100).unwrap()];
        assert_eq!(look_up(&mut cache, key, now), found(1));
    }
    assert!(reads <= RESERVE + 59 * RESERVE_PER_S + 1, "{reads}");
    assert_eq!(reads + refused, 59_000);
    for generation in [&cache.unknown.young, &cache.unknown.old] {
        assert!(generation.len() <= MAX_UNKNOWN);
    }
    assert!(cache.reads.is_empty());
    // The values are read anew in the middle of it.
    assert_eq!(look_up(&mut cache, "pk_1", 61_000), Observed::Read);
}

#[derive(Debug, Clone)]
enum CacheStep {
    Ask(u8),
    /// Ends the oldest read.
    End(EntryRead<u32>),
    /// The request of the oldest read ends, and its read with it.
    Lose,
    Wait(u64),
}

fn step() -> impl Strategy<Value = CacheStep> {
    let end = prop_oneof![
        any::<u32>().prop_map(value),
        Just(EntryRead::Missing),
        Just(EntryRead::Failed),
        Just(EntryRead::Invalid),
    ];
    prop_oneof![
        6 => (0_u8..5).prop_map(CacheStep::Ask),
        4 => end.prop_map(CacheStep::End),
        1 => Just(CacheStep::Lose),
        2 => prop_oneof![0_u64..3_000, 0_u64..120_000].prop_map(CacheStep::Wait),
    ]
}

/// What a test knows of an entry.
#[derive(Debug, Clone, Copy, Default)]
struct Model {
    /// The last good value and its time; none after the entry was missing.
    good: Option<(u32, u64)>,
    missing_at: Option<u64>,
    failed_at: Option<u64>,
    /// What that read made known of an entry without a value.
    failed_as: Option<TenantEntry<u32>>,
    /// Since when a read runs.
    reads: Option<u64>,
}

proptest! {
    #[test]
    fn no_answer_is_older_than_it_may_be_and_no_failure_makes_an_entry_unknown(
        steps in prop::collection::vec(step(), 1..200)
    ) {
        let mut cache = Cache::default();
        let (mut now, mut running) = (1_000_u64, Vec::<u8>::new());
        let mut models = BTreeMap::<u8, Model>::new();
        let within = |at: Option<u64>, ms: u64, now: u64| at.is_some_and(|at| now < at + ms);
        for step in steps {
            match step {
                CacheStep::Wait(ms) => now += ms,
                CacheStep::Lose if running.is_empty() => {}
                CacheStep::Lose => {
                    running.remove(0);
                }
                CacheStep::End(_) if running.is_empty() => {}
                CacheStep::End(read) => {
                    let number = running.remove(0);
                    let model = models.entry(number).or_default();
                    model.reads = None;
                    let known = cache.complete(&number.to_string(), read, now);
                    match read {
                        EntryRead::Found { value, .. } => {
                            *model = Model { good: Some((value, now)), ..Model::default() };
                            prop_assert_eq!(known, TenantEntry::Found(value));
                        }
                        EntryRead::Missing => {
                            *model = Model { missing_at: Some(now), ..Model::default() };
                            prop_assert_eq!(known, TenantEntry::Unknown);
                        }
                        EntryRead::Failed | EntryRead::Invalid => {
                            model.failed_at = Some(now);
                            let without = match read {
                                EntryRead::Invalid => TenantEntry::Invalid,
                                _ => TenantEntry::Unavailable,
                            };
                            model.failed_as = Some(without);
                            let expected = model.good.map_or(without, |(value, _)| TenantEntry::Found(value));
                            prop_assert_eq!(known, expected);
                        }
                    }
                }
                CacheStep::Ask(number) => {
                    let model = models.entry(number).or_default();
                    let is_read = within(model.reads, LOST_READ_MS, now);
                    match (look_up(&mut cache, &number.to_string(), now), model.good) {
                        (Observed::Known(TenantEntry::Found(value)), Some((good, at))) => {
                            prop_assert_eq!(value, good);
                            prop_assert!(
                                now < at + FOUND_MS || is_read || within(model.failed_at, RETRY_MS, now)
                            );
                        }
                        (Observed::Known(TenantEntry::Unknown), None) => {
                            prop_assert!(within(model.missing_at, UNKNOWN_MS, now));
                        }
                        (Observed::Known(entry @ (TenantEntry::Unavailable | TenantEntry::Invalid)), None) => {
                            prop_assert!(within(model.failed_at, UNAVAILABLE_MS, now));
                            prop_assert_eq!(Some(entry), model.failed_as);
                        }
                        (Observed::Wait, None) => prop_assert!(is_read),
                        (Observed::Read, _) => {
                            prop_assert!(!is_read, "one read of an entry at a time");
                            running.retain(|other| *other != number);
                            running.push(number);
                            model.reads = Some(now);
                        }
                        (seen, good) => prop_assert!(false, "{seen:?} with {good:?}"),
                    }
                }
            }
        }
    }

    #[test]
    fn a_map_holds_what_was_used_last_within_its_bounds(
        uses in prop::collection::vec((0_u8..40, 1_usize..40), 1..300)
    ) {
        let mut map = Generations::<u8>::new(8, 200);
        for (index, (number, bytes)) in uses.iter().enumerate() {
            let known = KnownEntry::new(TenantEntry::Found(*number), *bytes, 0, 1);
            map.remove(&number.to_string());
            map.add(number.to_string(), known);
            let mut last = BTreeSet::new();
            let mut used = 0;
            for (recent, bytes) in uses[..=index].iter().rev() {
                used += bytes + 2;
                if last.len() == 8 || used > 100 {
                    break;
                }
                last.insert(*recent);
            }
            prop_assert_eq!(bytes_of(&map.young), map.bytes);
            for generation in [&map.young, &map.old] {
                prop_assert!(generation.len() <= 8 && bytes_of(generation) <= 200);
            }
            for recent in last {
                let key = recent.to_string();
                let is_there = map.young.contains_key(&key) || map.old.contains_key(&key);
                prop_assert!(is_there, "{recent}");
            }
        }
    }
}
