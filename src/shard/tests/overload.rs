//! A full buffer, and streams that do not accept.

use super::*;

#[test]
fn a_request_over_the_limit_needs_an_empty_buffer() {
    let limit = event(1, 1, 0).record.bytes().len() * 3;
    let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
    let request = |first, count| (first..first + count).map(|number| event(1, number, 0)).collect();
    bench.admit(request(1, 9));
    let held = bench.shard.status(0).buffer_bytes;
    assert!(held > limit);
    let refused = bench.try_admit(request(10, 1));
    assert_eq!(refused, Err(AdmitError::BufferFull { held, limit }));
    assert_eq!(bench.shard.status(0).buffer_bytes, held);
    let closed = bench.close(1);
    assert_eq!(bench.try_admit(request(10, 1)), Err(AdmitError::BufferFull { held, limit }));
    bench.end_batch(1, closed, RecordStatus::Delivered);
    assert_eq!(bench.shard.status(0).buffer_bytes, 0);
    // Exactly the bytes that memory may hold.
    let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
    let filler = || ShardItem { event: None, ..event(1, 1, 0) };
    bench.admit(vec![filler()]);
    assert!(bench.try_admit(vec![filler(), filler(), filler()]).is_err());
    bench.admit(vec![filler(), filler()]);
    assert_eq!(bench.shard.status(0).buffer_bytes, limit);
}

#[test]
fn a_full_shard_spills_the_batches_of_a_failing_stream() {
    let limit = event(1, 1, 0).record.bytes().len() * 3;
    let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
    let orders =
        |number| ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, number, 0) };
    let events = |from, to| (from..to).map(|number| event(1, number, 0)).collect();
    bench.admit(events(1, 4));
    assert!(bench.try_admit(events(4, 5)).is_err(), "nothing is known to be wrong");
    assert!(
        bench.try_admit(vec![orders(5)]).is_err()
            && bench.shard.batches.marked_for_spill().is_empty()
    );
    bench.sick = vec![stream(EVENTS)];
    bench.admit(vec![event(1, 4, 0), orders(5)]);
    assert_eq!(bench.shard.batches.marked_for_spill(), [1]);
    let events = stream(EVENTS);
    assert!(!bench.shard.batches.is_blocked(1, &events));
    assert!(bench.shard.goes_to_spill(1, &events, |_| Some(9)));
    let Some(BatchAction::Spill(to, report)) = bench.shard.close_at(1, events, |_| Some(9)) else {
        panic!()
    };
    let settled =
        bench.shard.end_batch(1, &to, report, &bench.storage, &bench.config.destinations, 0);
    assert_eq!((settled.records.len(), settled.spilled, bench.spilled(EVENTS)), (4, 4, 4));
    assert_eq!(bench.close(2).stream, stream(ORDERS));
}

#[test]
fn new_batches_of_a_failing_stream_leave_memory_at_once() {
    let limit = event(1, 1, 0).record.bytes().len() * 3;
    let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
    bench.sick = vec![stream(EVENTS)];
    let request =
        |number| vec![ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, number, 0) }];
    bench.admit((1..=3).map(|number| event(1, number, 0)).collect());
    bench.close(1);
    assert!(bench.try_admit(request(4)).is_err(), "what is under way stays");
    bench.admit(vec![event(1, 5, 0)]);
    assert_eq!(bench.shard.batches.marked_for_spill(), [2], "and what comes for it does not");
}

#[test]
fn a_full_shard_whose_spill_is_full_refuses() {
    let bytes = event(1, 1, 0).record.bytes().len();
    let spill = spill::SpillConfig { max_bytes: bytes as u64 };
    let mut bench =
        Bench::new(ShardConfig { buffer_bytes: bytes, spill, ..ShardConfig::default() });
    bench.sick = vec![stream(EVENTS)];
    bench.admit(vec![event(1, 1, 0)]);
    assert!(bench.try_admit(vec![event(1, 2, 0)]).is_err());
    assert!(bench.shard.batches.marked_for_spill().is_empty());
}

#[test]
fn new_records_bypass_the_spill_of_a_recovered_stream() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0), event(1, 2, 0)]);
    let StreamBatch { stream, records } = bench.close(1);
    let statuses = [RecordStatus::Delivered, RecordStatus::Pending];
    let report = DeliveryReport {
        records: records.into_iter().zip(statuses).collect(),
        problem: Some(DeliveryError::TimedOut),
        ..DeliveryReport::default()
    };
    bench.shard.end_batch(1, &stream, report, &bench.storage, &bench.config.destinations, 50);
    assert_eq!((bench.spilled(EVENTS), bench.shard.spill().due(50).len()), (1, 1), "at once");
    bench.admit(vec![event(1, 3, 0), event(1, 4, 0)]);
    assert!(bench.shard.goes_to_spill(2, &stream, |_| None), "its breaker is open");
    assert!(!bench.shard.goes_to_spill(2, &stream, |_| Some(49)));
    let closed = bench.shard.close_at(2, stream.clone(), |_| Some(49));
    let Some(BatchAction::Deliver(closed)) = closed else { panic!() };
    let records =
        closed.records.into_iter().map(|record| (record, RecordStatus::Pending)).collect();
    let report = DeliveryReport {
        records,
        problem: Some(DeliveryError::TimedOut),
        ..DeliveryReport::default()
    };
    bench.shard.end_batch(2, &stream, report, &bench.storage, &bench.config.destinations, 60);
    bench.admit(vec![event(1, 5, 0)]);
    assert!(bench.shard.goes_to_spill(3, &stream, |_| Some(49)), "it takes nothing since");
    assert!(!bench.shard.goes_to_spill(3, &stream, |_| Some(61)));
}
