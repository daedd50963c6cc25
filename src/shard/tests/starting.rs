//! When a batch starts.

use super::*;

/// Returns the batches that start at `now`, when to look again, and whether any is blocked.
fn next(bench: &mut Bench, now: u64, calls: usize) -> (Vec<BatchId>, Option<u64>, bool) {
    let next = bench.shard.next_actions(now, 100, calls, |_| None, |_| false);
    (next.start.iter().map(|(batch, _)| *batch).collect(), next.wake_at, next.is_blocked)
}

/// Returns an event of the first device for another stream.
fn order(number: u8) -> ShardItem<'static> {
    ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, number, 0) }
}

/// Returns a shard whose streams each received five requests in this second, and the number of the
/// last batch that has ended.
fn busy() -> (Bench, BatchId) {
    let mut bench = Bench::new(ShardConfig::default());
    for number in 100..105 {
        let order = ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(2, number, 0) };
        bench.admit(vec![event(1, number, 0), order]);
    }
    for batch in [1, 2] {
        bench.end(batch, RecordStatus::Delivered);
    }
    (bench, 2)
}

#[test]
fn a_batch_lingers_only_if_another_request_is_likely() {
    let mut bench = Bench::new(ShardConfig::default());
    for number in 0..8_u8 {
        bench.admit(vec![event(1, number, 0), event(2, number, 0)]);
        let started = next(&mut bench, 0, 6);
        match number {
            0..5 => {
                assert_eq!(started, (vec![u64::from(number) + 1], None, false), "{number}");
                bench.shard.batches.end(u64::from(number) + 1);
            }
            _ => assert_eq!(started, (vec![], Some(100), false), "{number}"),
        }
    }
}

#[test]
fn a_batch_is_full_at_an_aggregated_record() {
    let (mut bench, ended) = busy();
    let line = |bytes| failed(&json!({"x": "x".repeat(bytes)}));
    bench.admit(vec![line(40_000)]);
    assert_eq!(next(&mut bench, 1, 6), (vec![], Some(100), false));
    bench.admit(vec![line(11_200)]);
    assert_eq!(next(&mut bench, 1, 6), (vec![ended + 1], None, false));
}

#[test]
fn a_batch_starts_once_it_has_lingered_and_a_call_is_free() {
    let (mut bench, ended) = busy();
    bench.admit(vec![
        event(1, 1, 0),
        ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, 2, 0) },
    ]);
    assert_eq!(next(&mut bench, 0, 6), (vec![], Some(100), false));
    assert_eq!(next(&mut bench, 99, 6), (vec![], Some(100), false));
    assert_eq!(next(&mut bench, 100, 0), (vec![], None, true));
    assert_eq!(next(&mut bench, 100, 1), (vec![ended + 1], None, true), "oldest first");
    assert_eq!(next(&mut bench, 100, 1), (vec![ended + 2], None, false));
    assert_eq!(next(&mut bench, 100, 1), (vec![], None, false));
}

#[test]
fn batches_that_linger_together_start_together() {
    let (mut bench, ended) = busy();
    bench.admit(vec![event(1, 1, 0)]);
    assert_eq!(next(&mut bench, 0, 6), (vec![], Some(100), false));
    bench.now = 60;
    bench.admit(vec![order(2), event(1, 3, 0)]);
    assert_eq!(next(&mut bench, 60, 6), (vec![], Some(100), false));
    assert_eq!(next(&mut bench, 100, 6), (vec![ended + 1, ended + 2], None, false));
}

#[test]
fn a_full_batch_starts_the_others() {
    let (mut bench, ended) = busy();
    bench.admit(vec![order(1)]);
    bench.now = 60;
    bench.admit(vec![failed(&json!({"x": "x".repeat(60_000)}))]);
    assert_eq!(next(&mut bench, 60, 6), (vec![ended + 1, ended + 2], None, false));
    bench.admit(vec![order(2)]);
    assert_eq!(next(&mut bench, 60, 6), (vec![], Some(160), false));
}

#[test]
fn a_full_batch_that_is_blocked_starts_no_later_ones() {
    let (mut bench, ended) = busy();
    bench.admit(vec![failed(&json!({"x": "x".repeat(60_000)}))]);
    assert_eq!(next(&mut bench, 0, 0), (vec![], None, true));
    bench.now = 60;
    bench.admit(vec![order(1), event(1, 2, 0)]);
    assert_eq!(next(&mut bench, 60, 0), (vec![], Some(160), true));
    assert_eq!(next(&mut bench, 60, 6), (vec![ended + 1], Some(160), false));
}

#[test]
fn a_batch_that_has_lingered_and_is_blocked_starts_no_later_ones() {
    let (mut bench, ended) = busy();
    bench.admit(vec![event(1, 1, 0)]);
    bench.now = 100;
    bench.admit(vec![order(2)]);
    assert_eq!(next(&mut bench, 100, 0), (vec![], Some(200), true));
    assert_eq!(next(&mut bench, 100, 6), (vec![ended + 1], Some(200), false));
}

#[test]
fn a_full_batch_starts_before_it_has_lingered() {
    let (mut bench, ended) = busy();
    let half = failed(&json!({"x": "x".repeat(400_000)}));
    let half = ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..half };
    bench.admit(vec![half.clone()]);
    assert_eq!(next(&mut bench, 1, 6), (vec![], Some(100), false));
    bench.admit(vec![half]);
    assert_eq!(next(&mut bench, 1, 6), (vec![ended + 1], None, false));
}

#[test]
fn a_clock_that_is_set_back_lets_no_batch_linger_on() {
    let mut bench = Bench::new(ShardConfig::default());
    let (random, is_sick) = (|| [0; 10], |_: &Stream| false);
    let destinations = &bench.config.destinations;
    for number in 1..=6 {
        let items = vec![event(1, number, 0)];
        let admitted =
            bench.shard.admit(items.into(), &bench.storage, destinations, 9_000, random, is_sick);
        assert!(admitted.is_ok());
        if number < 6 {
            bench.shard.batches.close(number.into(), stream(EVENTS));
            bench.shard.batches.end(number.into());
        }
    }
    assert_eq!(next(&mut bench, 9_000, 6), (vec![], Some(9_100), false));
    assert_eq!(next(&mut bench, 1_000, 6), (vec![6], None, false));
}

#[test]
fn a_third_batch_of_a_stream_starts_after_the_end_of_one() {
    let mut bench = Bench::new(ShardConfig::default());
    let mut started = Vec::new();
    for number in 1..=3 {
        bench.admit(vec![event(1, number, 0)]);
        started.extend(bench.shard.next_actions(100, 100, 6, |_| None, |_| false).start);
    }
    let Some((1, BatchAction::Deliver(first))) = started.into_iter().next() else { panic!() };
    assert_eq!(next(&mut bench, 200, 6), (vec![], None, true));
    bench.end_batch(1, first, RecordStatus::Delivered);
    assert_eq!(next(&mut bench, 200, 6), (vec![3], None, false));
}

#[test]
fn a_batch_needs_a_call_if_the_spill_is_full() {
    for (max_bytes, without_call) in
        [(1 << 20, (vec![2], None, false)), (300, (vec![], None, true))]
    {
        let spill = spill::SpillConfig { max_bytes };
        let mut bench = Bench::new(ShardConfig { spill, ..ShardConfig::default() });
        bench.admit(vec![event(1, 1, 0)]);
        bench.end(1, RecordStatus::Pending);
        assert_eq!(bench.spilled(EVENTS), 1, "{max_bytes}");
        bench.admit(vec![failed(&json!({"x": "x".repeat(200)}))]);
        assert_eq!(next(&mut bench, 100, 0), without_call, "{max_bytes}");
        let with_call = next(&mut bench, 100, 1).0;
        assert_eq!([without_call.0, with_call].concat(), [2], "{max_bytes}");
    }
}
