//! Which member of a stream set a batch goes to.

use super::*;

const SET: &str = "firehose:e-{0..3}";

fn to_set(number: u8) -> ShardItem<'static> {
    ShardItem { to: Cow::Owned(FanOut::parse(SET).unwrap()), ..event(1, number, 0) }
}

fn member(index: u32) -> Stream {
    stream(&format!("firehose:e-{index}"))
}

fn shard(number: ShardNumber) -> Bench {
    let bench = Bench::new(ShardConfig::default());
    Bench { shard: bench.shard.with_number(number), ..bench }
}

/// Returns the actions that start at `now`, if these streams are sick and these accept records.
fn start(bench: &mut Bench, now: u64, sick: &[Stream], well: &[Stream]) -> Vec<BatchAction> {
    let accepting_at = |stream: &Stream| well.contains(stream).then_some(now);
    let is_sick = |stream: &Stream| sick.contains(stream);
    let next = bench.shard.next_actions(now, 100, 6, accepting_at, is_sick);
    next.start.into_iter().map(|(_, action)| action).collect()
}

/// Returns the stream and the number of records of each action; a spilled one has no records.
fn streams(actions: &[BatchAction]) -> Vec<(String, usize)> {
    let of = |action: &BatchAction| match action {
        BatchAction::Deliver(batch) => (batch.stream.to_string(), batch.records.len()),
        BatchAction::Spill(stream, _) => (stream.to_string(), 0),
    };
    actions.iter().map(of).collect()
}

#[test]
fn a_shard_sends_whole_batches_to_its_own_member() {
    for (number, name) in [(0, "firehose:e-0"), (3, "firehose:e-3"), (5, "firehose:e-1")] {
        let mut bench = shard(number);
        bench.admit((1..=5).map(to_set).collect());
        bench.admit((6..=9).map(to_set).collect());
        assert_eq!(streams(&start(&mut bench, 100, &[], &[])), [(name.to_owned(), 9)]);
    }
}

#[test]
fn a_batch_that_is_open_goes_to_another_member_once_its_own_is_sick() {
    let mut bench = shard(1);
    bench.admit(vec![to_set(1)]);
    let first = start(&mut bench, 100, &[], &[]);
    assert_eq!(streams(&first), [("firehose:e-1".to_owned(), 1)]);
    // The first is still under way and has failed once.
    bench.admit(vec![to_set(2), to_set(3)]);
    let second = start(&mut bench, 200, &[member(1)], &[]);
    let [(other, 2)] = &streams(&second)[..] else { panic!("{second:?}") };
    assert_ne!(*other, member(1).to_string());
    let other = other.clone();
    let mut end = |batch, action: BatchAction, status: RecordStatus| {
        let BatchAction::Deliver(closed) = action else { panic!("{action:?}") };
        bench.end_batch(batch, closed, status)
    };
    end(1, first.into_iter().next().unwrap(), RecordStatus::Pending);
    end(2, second.into_iter().next().unwrap(), RecordStatus::Delivered);
    assert_eq!((bench.spilled("firehose:e-1"), bench.shard.spill().records()), (1, 1));
    // It is not known to be sick, but it has records in the spill that come first.
    bench.admit(vec![to_set(4)]);
    assert_eq!(streams(&start(&mut bench, 300, &[], &[])), [(other.clone(), 1)]);
    // It accepts records again.
    bench.shard.spill().stream_accepts(&member(1), 350);
    bench.admit(vec![to_set(5)]);
    let back = start(&mut bench, 400, &[], &[member(1)]);
    assert_eq!(streams(&back), [("firehose:e-1".to_owned(), 1)]);
}

#[test]
fn a_batch_whose_member_is_busy_waits_and_one_whose_member_is_sick_does_not() {
    let mut bench = shard(2);
    for number in 1..=3 {
        bench.admit(vec![to_set(number)]);
        let started = streams(&start(&mut bench, 100, &[], &[]));
        let expected = [("firehose:e-2".to_owned(), 1)];
        assert_eq!(started, expected[..usize::from(number < 3)], "{number}");
    }
    let started = streams(&start(&mut bench, 100, &[member(2)], &[]));
    assert!(started.len() == 1 && started[0].0 != member(2).to_string(), "{started:?}");
}

#[test]
fn if_all_members_are_sick_the_shard_stays_at_its_own() {
    let mut bench = shard(2);
    let all: Vec<Stream> = (0..4).map(member).collect();
    bench.admit(vec![to_set(1)]);
    let started = start(&mut bench, 100, &all, &[]);
    assert_eq!(streams(&started), [("firehose:e-2".to_owned(), 1)]);
    let [BatchAction::Deliver(closed)] = &started[..] else { panic!("{started:?}") };
    bench.end_batch(1, closed.clone(), RecordStatus::Pending);
    bench.admit(vec![to_set(2)]);
    assert_eq!(streams(&start(&mut bench, 200, &all, &[])), [("firehose:e-2".to_owned(), 0)]);
}

#[test]
fn a_full_shard_spills_the_batch_of_a_set_only_if_all_members_are_sick() {
    let limit = to_set(1).record.bytes().len() * 3;
    for (sick, is_admitted) in [(1..2, false), (0..4, true)] {
        let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
        bench.shard = bench.shard.with_number(1);
        bench.admit((1..=3).map(to_set).collect());
        bench.sick = sick.map(member).collect();
        assert_eq!(bench.try_admit(vec![to_set(4)]).is_ok(), is_admitted, "{:?}", bench.sick);
    }
}

#[test]
fn a_record_that_a_member_of_the_failed_set_rejects_is_not_durable() {
    let mut bench = shard(1);
    let destinations = &mut bench.config.destinations;
    destinations.failed = StreamSet::parse("firehose:f-{0..1}").unwrap();
    bench.admit(vec![to_set(1)]);
    let [BatchAction::Deliver(closed)] = &start(&mut bench, 100, &[], &[])[..] else { panic!() };
    bench.end_batch(1, closed.clone(), rejected());
    assert_eq!(bench.opened(), [2]);
    let started = start(&mut bench, 200, &[], &[]);
    assert_eq!(streams(&started), [("firehose:f-1".to_owned(), 1)]);
    let [BatchAction::Deliver(closed)] = &started[..] else { panic!() };
    let refused = bench.end_batch(2, closed.clone(), rejected());
    assert_eq!(refused.records, [not_durable("ValidationException")]);
}
