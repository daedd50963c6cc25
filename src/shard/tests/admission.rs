//! Which events are new, and their sessions.

use super::*;

#[test]
fn a_repeat_shares_the_status_of_the_event_in_flight() {
    for (status, then) in [
        (RecordStatus::Delivered, Admission::Duplicate),
        (RecordStatus::Pending, Admission::Duplicate),
        (rejected(), Admission::Queued(slot(3, 0))),
    ] {
        let mut bench = Bench::new(ShardConfig::default());
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::Queued(slot(1, 0))]);
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::DuplicateOf(slot(1, 0))]);
        let closed = bench.close(1);
        assert_eq!(bench.admissions(vec![event(1, 1, 5)]), [Admission::DuplicateOf(slot(1, 0))]);
        bench.apply_report(1, closed, status);
        bench
            .admit(vec![ShardItem { to: Cow::Owned(stream(FAILED).into()), ..failed(&json!({})) }]);
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [then]);
    }
}

#[test]
fn a_lost_event_is_accepted_once_more_though_seen() {
    let lost = || {
        let mut item = event(1, 1, 0);
        item.event.as_mut().unwrap().redelivery = Redelivery::Lost;
        item
    };
    let mut bench = Bench::new(ShardConfig::default());
    bench.admissions(vec![event(1, 1, 0)]);
    bench.end(1, RecordStatus::Delivered);
    let both = [Admission::Queued(slot(2, 0)), Admission::DuplicateOf(slot(2, 0))];
    assert_eq!(bench.admissions(vec![lost(), lost()]), both);
    bench.end(2, RecordStatus::Delivered);
    assert_eq!(
        bench.admissions(vec![lost(), event(1, 1, 0)]),
        [Admission::Duplicate, Admission::Duplicate]
    );
}

#[test]
fn the_event_of_a_server_is_no_duplicate_of_anyones() {
    let of_server = || {
        let mut item = event(1, 1, 0);
        item.event.as_mut().unwrap().sender = Sender::Server;
        item
    };
    let mut bench = Bench::new(ShardConfig::default());
    bench.admissions(vec![event(1, 1, 0)]);
    bench.end(1, RecordStatus::Delivered);
    assert_eq!(bench.admissions(vec![of_server()]), [Admission::Queued(slot(2, 0))]);
    bench.end(2, RecordStatus::Delivered);
    assert_eq!(
        bench.admissions(vec![of_server(), event(1, 1, 0)]),
        [Admission::Duplicate, Admission::Duplicate]
    );
}

#[test]
fn a_request_may_contain_repeats() {
    let no_device = |number| {
        let mut item = event(1, number, 0);
        let identity = item.event.as_mut().unwrap();
        identity.key = DeviceHasher::new(None).of_event("a", event_id(number));
        identity.device = DeviceIdentity::Unknown;
        item
    };
    let failed = || failed(&json!({"event_id": event_id(1)}));
    let events = |index| Admission::Queued(slot(1, index));
    for (items, admissions) in [
        (vec![event(1, 1, 0), event(1, 1, 0)], vec![events(0), Admission::DuplicateOf(slot(1, 0))]),
        (vec![event(1, 1, 0), event(1, 2, 0)], vec![events(0), events(1)]),
        (vec![event(1, 1, 0), event(2, 1, 0)], vec![events(0), events(1)]),
        (vec![no_device(1), no_device(1)], vec![events(0), Admission::DuplicateOf(slot(1, 0))]),
        (vec![no_device(1), event(1, 1, 0)], vec![events(0), events(1)]),
        (vec![failed(), failed(), event(1, 1, 0)], vec![events(0), events(1), events(2)]),
    ] {
        let mut bench = Bench::new(ShardConfig::default());
        assert_eq!(bench.admissions(items.clone()), admissions);
        let again = bench.admissions(items.clone());
        bench.end(1, RecordStatus::Delivered);
        let seen = bench.admissions(items.clone());
        for ((item, again), seen) in items.iter().zip(again).zip(seen) {
            let is_event = item.event.is_some();
            assert_eq!(matches!(again, Admission::DuplicateOf(_)), is_event);
            assert_eq!(seen == Admission::Duplicate, is_event);
        }
    }
}

#[test]
fn events_of_a_request_join_sessions_in_order_of_time() {
    let hour = 3_600_000;
    let mut bench = Bench::new(ShardConfig::default());
    let items = vec![event(1, 1, 2 * hour), event(2, 2, 0), event(1, 3, 0), event(1, 4, 1)];
    bench.admit(items);
    let lines: Vec<Value> = bench.close(1).records.iter().map(columns).collect();
    let reported = lines.iter().map(|line| {
        let [index, started_at, trigger] =
            ["session_index", "session_started_at", "session_trigger"].map(|name| &line[name]);
        (index.as_u64().unwrap(), started_at.as_str().unwrap(), trigger.as_str().unwrap())
    });
    let (epoch, later) = ("1970-01-01T00:00:00.000Z", "1970-01-01T02:00:00.000Z");
    let expected =
        [(2, later, "timeout"), (1, epoch, "first"), (1, epoch, "first"), (1, epoch, "first")];
    assert!(reported.eq(expected), "{lines:?}");
    assert_eq!(lines[2]["session_id"], lines[3]["session_id"]);
    for other in [0, 1] {
        assert_ne!(lines[2]["session_id"], lines[other]["session_id"]);
    }
    assert_eq!(
        lines.iter().map(|line| line["event"].as_u64()).collect::<Vec<_>>(),
        [1, 2, 3, 4].map(Some)
    );
}

#[test]
fn a_repeat_keeps_no_session_going() {
    let minute = 60_000;
    for ends_first in [true, false] {
        let mut bench = Bench::new(ShardConfig::default());
        bench.admit(vec![event(1, 1, 0)]);
        if ends_first {
            bench.end(1, RecordStatus::Delivered);
        }
        bench.admit(vec![event(1, 1, 20 * minute)]);
        let admitted = bench.admit(vec![event(1, 2, 40 * minute)]);
        let Some(Admission::Queued(slot)) = admitted.admissions.first() else {
            panic!("{admitted:?}")
        };
        let line = columns(&bench.close(slot.batch).records[slot.index]);
        assert_eq!(line["session_index"], 2);
    }
}

#[test]
fn only_an_event_of_a_device_gets_the_columns_of_a_session() {
    let mut bench = Bench::new(ShardConfig::default());
    let mut no_device = event(1, 1, 0);
    no_device.event.as_mut().unwrap().device = DeviceIdentity::Unknown;
    let failed = failed(&json!({"event_id": event_id(1)}));
    bench.admit(vec![no_device.clone(), failed.clone()]);
    assert_eq!(bench.close(1).records, [no_device.record, failed.record]);
    assert_eq!(bench.shard.status(0).devices, 0);
}

#[test]
fn an_unreadable_session_refuses_the_whole_request() {
    let mut bench = Bench::new(ShardConfig::default());
    let items = || vec![failed(&json!({})), event(1, 1, 0), event(2, 2, 0)];
    bench.storage.reads_fail.set(true);
    let unread = StorageError("not read".to_owned());
    assert_eq!(bench.try_admit(items()), Err(AdmitError::Storage(unread.clone())));
    let unknown_device = ShardItem { previous_shard: Some(0), ..event(1, 1, 0) };
    assert_eq!(bench.shard.unknown_devices(&[unknown_device], &bench.storage), Err(unread));
    assert_eq!(bench.shard.status(0).buffer_bytes, 0);
    bench.storage.reads_fail.set(false);
    let admitted = bench.admit(items());
    assert_eq!(admitted.admissions, [0, 1, 2].map(|index| Admission::Queued(slot(1, index))));
    assert_eq!(admitted.events.opened, [1]);
}

#[test]
fn unknown_devices_of_another_shard_are_listed_once() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    let from = |previous_shard, item: ShardItem<'static>| ShardItem {
        previous_shard: Some(previous_shard),
        ..item
    };
    let mut no_device = event(7, 9, 0);
    no_device.event.as_mut().unwrap().device = DeviceIdentity::Unknown;
    let items = [
        from(4, event(1, 2, 0)),
        event(2, 3, 0),
        from(4, event(3, 4, 0)),
        from(5, event(4, 5, 0)),
        from(4, event(3, 6, 0)),
        from(4, event(5, 4, 0)),
        from(4, no_device),
        from(4, failed(&json!({}))),
    ];
    let unknown_devices = bench.shard.unknown_devices(&items, &bench.storage).unwrap();
    assert_eq!(unknown_devices, [(4, vec![key(3), key(5)]), (5, vec![key(4)])]);
}

#[test]
fn seen_ids_spill_and_sessions_outlive_the_object() {
    let mut bench = Bench::new(ShardConfig::default());
    assert!(!bench.shard.has_changed());
    bench.admit(vec![event(1, 1, 0)]);
    assert!(bench.shard.has_changed());
    assert_eq!(bench.storage.memory.writes.get(), 0, "nothing is written on the good path");
    let closed = bench.close(1);
    let before = columns(&closed.records[0]);
    bench.apply_report(1, closed, RecordStatus::Delivered);
    bench.admit(vec![event(1, 2, 0)]);
    bench.end(2, RecordStatus::Pending);
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    assert!(!bench.shard.has_changed());
    bench.shard = ShardCore::load(&bench.storage, &ShardConfig::default(), 1).unwrap();
    let status = bench.shard.status(1);
    assert_eq!((status.devices, status.seen, status.buffer_bytes), (1, 2, 0));
    assert_eq!(bench.spilled(EVENTS), 1);
    let admissions = bench.admissions(vec![event(1, 1, 0), event(1, 2, 0)]);
    assert_eq!(admissions, [Admission::Duplicate; 2]);
    bench.admit(vec![ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, 3, 1) }]);
    let after = columns(&bench.close(1).records[0]);
    assert_eq!(after["session_id"], before["session_id"]);
}
