//! The way of a batch to the status of its records.

use super::*;

#[test]
fn a_batch_opens_once_and_is_reported_full_once() {
    let filler = |bytes: usize| failed(&json!({"x": "x".repeat(bytes)}));
    let mebibyte = 1_048_576;
    for (items, opened, full) in [
        (vec![filler(1), filler(1)], vec![1], vec![]),
        (vec![filler(mebibyte / 2), filler(mebibyte / 2), filler(1)], vec![1], vec![1]),
        // One record may fill a batch alone, which is opened all the same.
        (vec![filler(mebibyte * 7 / 8), filler(1)], vec![1], vec![1]),
        (
            (0..502)
                .map(|_| ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..filler(1) })
                .collect(),
            vec![1],
            vec![1],
        ),
        ((0..502).map(|_| filler(1)).collect(), vec![1], vec![]),
        (
            vec![filler(1), ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..filler(1) }],
            vec![1, 2],
            vec![],
        ),
    ] {
        let mut bench = Bench::new(ShardConfig::default());
        bench.admit(items);
        assert_eq!((bench.opened(), bench.shard.batches.full()), (opened, full));
    }
}

#[test]
fn a_batch_closes_once_and_settles_once() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    let closed = bench.close(1);
    let mut close = |batch| bench.shard.close_at(batch, stream(EVENTS), |_| None);
    assert!(close(1).is_none() && close(2).is_none());
    let again = StreamBatch { stream: closed.stream.clone(), records: closed.records.clone() };
    assert_eq!(bench.end_batch(1, closed, RecordStatus::Pending).records, [durable()]);
    assert_eq!(bench.end_batch(1, again, RecordStatus::Pending), EndedBatch::default());
    assert_eq!(bench.spilled(EVENTS), 1);
}

#[test]
fn records_of_a_stream_with_a_spill_go_behind_it() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    bench.end(1, RecordStatus::Pending);
    bench.admit(vec![
        event(1, 2, 0),
        ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, 3, 0) },
    ]);
    assert_eq!(bench.close(3).stream, stream(ORDERS), "it has none");
    let Some(BatchAction::Spill(to, report)) = bench.shard.close_at(2, stream(EVENTS), |_| None)
    else {
        panic!("not spilled")
    };
    assert_eq!(to, stream(EVENTS));
    let settled =
        bench.shard.end_batch(2, &to, report, &bench.storage, &bench.config.destinations, 0);
    assert_eq!((settled.records, settled.spilled), (vec![durable()], 1));
    assert_eq!(bench.admissions(vec![event(1, 2, 0)]), [Admission::Duplicate]);
    let max = BatchLimits { bytes: 1_000_000, records: 500 };
    let token =
        bench.shard.spill().begin_attempt(&bench.storage, &to, max, 9_000).unwrap().unwrap();
    let spilled: Vec<Value> =
        token.batch.records.iter().map(|record| columns(record)["event"].clone()).collect();
    assert_eq!(spilled, [1, 2]);
}

#[test]
fn only_spilled_events_are_durable_and_seen() {
    let tight =
        ShardConfig { spill: spill::SpillConfig { max_bytes: 10 }, ..ShardConfig::default() };
    for (sharding, storage_is_full, status, admission) in [
        (ShardConfig::default(), false, durable(), Admission::Duplicate),
        (ShardConfig::default(), true, not_durable("storage"), Admission::Queued(slots(2, 0))),
        (tight, false, not_durable("spill_full"), Admission::Queued(slots(2, 0))),
    ] {
        let mut bench = Bench::new(sharding);
        bench.admit(vec![event(1, 1, 0)]);
        let closed = bench.close(1);
        bench.storage.memory.full.set(storage_is_full);
        let settled = bench.end_batch(1, closed, RecordStatus::Pending);
        bench.storage.memory.full.set(false);
        let spilled = u64::from(status == durable());
        assert_eq!((settled.records, settled.spilled as u64), (vec![status], spilled));
        assert_eq!(bench.spilled(EVENTS), spilled);
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [admission]);
    }
}

#[test]
fn each_record_of_a_batch_has_its_own_status() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit((1..=4).map(|number| event(1, number, 0)).collect());
    let StreamBatch { stream, records } = bench.close(1);
    let statuses =
        [RecordStatus::Delivered, rejected(), RecordStatus::Pending, RecordStatus::Delivered];
    let records = records.into_iter().zip(statuses).collect();
    let report = DeliveryReport { records, retry_after_s: 7, ..DeliveryReport::default() };
    bench.storage.memory.full.set(true);
    let settled =
        bench.shard.end_batch(1, &stream, report, &bench.storage, &bench.config.destinations, 0);
    let refused = || "ValidationException".to_owned();
    let expected = [
        durable(),
        SettledRecord { status: ItemStatus::Rejected(refused()), failed: vec![slot(2, 0)] },
        not_durable("storage"),
        durable(),
    ];
    assert_eq!(settled.records, expected);
    assert_eq!((settled.spilled, bench.opened()), (0, vec![2]));
    let admissions = bench.admissions((1..=4).map(|number| event(1, number, 0)).collect());
    let events = |index| Admission::Queued(slots(3, index));
    assert_eq!(admissions, [Admission::Duplicate, events(0), events(1), Admission::Duplicate]);
}

#[test]
fn poison_becomes_a_failed_event_in_the_failed_stream() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    let settled = bench.end(1, rejected());
    let status = ItemStatus::Rejected("ValidationException".to_owned());
    assert_eq!(settled.records, [SettledRecord { status, failed: vec![slot(2, 0)] }]);
    assert_eq!((bench.opened(), bench.shard.batches.full()), (vec![2], vec![]));
    assert!(bench.shard.status(0).buffer_bytes > 0);
    let closed = bench.close(2);
    assert_eq!(closed.stream, *bench.config.destinations.failed.first());
    let line = columns(&closed.records[0]);
    assert_eq!(line["event_id"], json!(event_id(1)));
    assert!(line["original"].as_str().unwrap().contains("session_id"));
    assert_eq!(
        bench.end_batch(2, closed, rejected()).records,
        [not_durable("ValidationException")]
    );
    let status = bench.shard.status(0);
    assert_eq!((status.buffer_bytes, status.seen, status.spill.len()), (0, 0, 0));
}

#[test]
fn poison_of_many_parts_waits_for_all_of_them() {
    let mut bench = Bench::new(ShardConfig::default());
    let item = failed(&json!({"event_id": event_id(1), "x": "x".repeat(600_000)}));
    bench.admit(vec![item]);
    let settled = bench.end(1, rejected());
    let places = (0..3).map(|index| slot(2, index)).collect();
    let status = ItemStatus::Rejected("ValidationException".to_owned());
    assert_eq!(settled.records, [SettledRecord { status, failed: places }]);
    assert_eq!(bench.close(2).records.len(), 3);
}

#[test]
fn the_last_batch_in_flight_writes_the_checkpoint() {
    let mut bench = Bench::new(ShardConfig::default());
    let of_orders = ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(2, 2, 0) };
    bench.admit(vec![event(1, 1, 0), of_orders]);
    bench.end(1, RecordStatus::Delivered);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::No, "another batch is under way");
    bench.end(2, RecordStatus::Delivered);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::Now);
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::Duplicate]);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::No, "a repeat changes nothing");
}

#[test]
fn each_record_is_counted_once_by_its_result() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0), event(1, 2, 0), event(1, 1, 0)]);
    bench.end(1, RecordStatus::Delivered);
    bench.admit(vec![event(1, 3, 0), event(1, 1, 0)]);
    bench.end(2, rejected());
    bench.end(3, RecordStatus::Delivered);
    bench.admit(vec![event(1, 4, 0)]);
    bench.end(4, RecordStatus::Pending);
    assert_eq!(bench.shard.status(0).records, RecordCounts::default(), "none is stored yet");
    bench.shard.store_counts(&bench.storage, 0).unwrap();
    let mut counted = RecordCounts::default();
    for (result, count) in [
        (RecordResult::Delivered, 3),
        (RecordResult::Spilled, 1),
        (RecordResult::Duplicate, 2),
        (RecordResult::Rejected, 1),
    ] {
        (0..count).for_each(|_| counted.add(result));
    }
    assert_eq!(bench.shard.status(0).records, counted);
    let again = ShardCore::load(&bench.storage, &ShardConfig::default(), hash_key(), 0).unwrap();
    assert_eq!(again.status(0).records, counted, "a shard that is loaded goes on from them");
}

#[test]
fn counts_that_an_operator_reads_are_a_reason_for_a_checkpoint() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    bench.end(1, RecordStatus::Delivered);
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    bench.shard.store_counts(&bench.storage, 1).unwrap();
    bench.admit(vec![event(1, 1, 0)]);
    assert_eq!(bench.shard.checkpoint_due(2), CheckpointDue::Now);
    bench.shard.checkpoint(&bench.storage, 2).unwrap();
    assert_eq!(bench.shard.checkpoint_due(3), CheckpointDue::No);
    let stored = serde_json::to_value(bench.shard.status(3).records).unwrap();
    assert_eq!(stored["duplicate"], 1);
}
