//! Which events are new, and their sessions.

use super::*;
use crate::model::quota::DailyQuota;
use crate::shard::protocol::quota_lease::LeaseGrant;
use crate::shard::quotas::leases::ReserveStep;
use crate::shard::quotas::reserve::{ItemCharge, QuotaCharge, QuotaReserve, QuotaShortage};

#[test]
fn a_repeat_shares_the_status_of_the_event_in_flight() {
    for (status, then) in [
        (RecordStatus::Delivered, Admission::Duplicate),
        (RecordStatus::Pending, Admission::Duplicate),
        (rejected(), Admission::Queued(slots(3, 0))),
    ] {
        let mut bench = Bench::new(ShardConfig::default());
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::Queued(slots(1, 0))]);
        assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::DuplicateOf(slots(1, 0))]);
        let closed = bench.close(1);
        assert_eq!(bench.admissions(vec![event(1, 1, 5)]), [Admission::DuplicateOf(slots(1, 0))]);
        bench.end_batch(1, closed, status);
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
    let both = [Admission::Queued(slots(2, 0)), Admission::DuplicateOf(slots(2, 0))];
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
    assert_eq!(bench.admissions(vec![of_server()]), [Admission::Queued(slots(2, 0))]);
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
    let events = |index| Admission::Queued(slots(1, index));
    for (items, admissions) in [
        (
            vec![event(1, 1, 0), event(1, 1, 0)],
            vec![events(0), Admission::DuplicateOf(slots(1, 0))],
        ),
        (vec![event(1, 1, 0), event(1, 2, 0)], vec![events(0), events(1)]),
        (vec![event(1, 1, 0), event(2, 1, 0)], vec![events(0), events(1)]),
        (vec![no_device(1), no_device(1)], vec![events(0), Admission::DuplicateOf(slots(1, 0))]),
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
        let Some(Admission::Queued(slots)) = admitted.admissions.first() else {
            panic!("{admitted:?}")
        };
        let slot = slots.iter().next().unwrap();
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
    assert_eq!(admitted.admissions, [0, 1, 2].map(|index| Admission::Queued(slots(1, index))));
    assert_eq!(bench.opened(), [1]);
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
    bench.end_batch(1, closed, RecordStatus::Delivered);
    bench.admit(vec![event(1, 2, 0)]);
    bench.end(2, RecordStatus::Pending);
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    assert!(!bench.shard.has_changed());
    bench.shard = ShardCore::load(&bench.storage, &ShardConfig::default(), hash_key(), 1).unwrap();
    let status = bench.shard.status(1);
    assert_eq!((status.devices, status.seen, status.buffer_bytes), (1, 2, 0));
    assert_eq!(bench.spilled(EVENTS), 1);
    let admissions = bench.admissions(vec![event(1, 1, 0), event(1, 2, 0)]);
    assert_eq!(admissions, [const { Admission::Duplicate }; 2]);
    bench.admit(vec![ShardItem { to: Cow::Owned(stream(ORDERS).into()), ..event(1, 3, 1) }]);
    let after = columns(&bench.close(1).records[0]);
    assert_eq!(after["session_id"], before["session_id"]);
}

/// The quota of the tenant of `with_quota`.
fn quota() -> Arc<ItemTenant> {
    Arc::new(ItemTenant { name: "a".to_owned(), quota: DailyQuota::new(10) })
}

fn with_quota(item: ShardItem<'static>, quota_use: QuotaUse) -> ShardItem<'static> {
    ShardItem { tenant: quota(), quota_use, ..item }
}

/// Admits items with what the tenant's lease has.
fn admit_within(bench: &mut Bench, items: Vec<ShardItem<'static>>, left: u64) -> AdmitResult {
    let charge = QuotaCharge { tenant: quota(), lease: 1 };
    let reserves = vec![QuotaReserve::new(charge, left, QuotaShortage::Over)];
    let request = AdmitRequest { items, reserves };
    let destinations = &bench.config.destinations;
    let admit =
        bench.shard.admit(request, &bench.storage, destinations, bench.now, || [7; 10], |_| false);
    admit.unwrap()
}

fn is_over(admission: &Admission) -> bool {
    *admission == Admission::Short(QuotaShortage::Over)
}

#[test]
fn events_beyond_a_reserve_are_over_the_quota_and_join_no_session() {
    let mut bench = Bench::new(ShardConfig::default());
    let limited = |number| with_quota(event(1, number, 0), QuotaUse::One);
    let items = vec![limited(1), limited(2), limited(3), event(2, 9, 0), limited(1)];
    let admitted = admit_within(&mut bench, items, 2);
    let over: Vec<bool> = admitted.admissions.iter().map(is_over).collect();
    assert_eq!(over, [false, false, true, false, false]);
    assert!(matches!(admitted.admissions[4], Admission::DuplicateOf(_)));
    let in_session: Vec<bool> = admitted.sessions.iter().map(Option::is_some).collect();
    // A repeat is observed as it is without a quota.
    assert_eq!(in_session, [true, true, false, true, true]);
    // A repeat of what is queued costs nothing.
    let again = admit_within(&mut bench, vec![limited(1), limited(2), limited(3)], 0);
    assert_eq!(again.admissions.iter().map(is_over).collect::<Vec<_>>(), [false, false, true]);
}

#[test]
fn an_event_that_a_request_has_twice_is_charged_once() {
    let limited = |number| with_quota(event(1, number, 0), QuotaUse::One);
    let items = vec![limited(1), limited(1), limited(2)];
    // What the request needs is enough, and what it does not use goes back to the lease.
    for reserved in [2, 3] {
        let mut bench = Bench::new(ShardConfig::default());
        assert_eq!(bench.shard.quota_needs(&items, &bench.storage, bench.now), [(quota(), 2)]);
        let (leases, now) = (bench.shard.quotas(), bench.now);
        let reserve = |leases: &mut QuotaLeases| leases.reserve(&quota(), reserved, 0, now, || 1);
        let ReserveStep::Ask(request) = reserve(leases) else { panic!() };
        let grant = LeaseGrant { extra: reserved, over_since: None, retry_after_ms: 0 };
        leases.apply(&request, Some(grant), now);
        let ReserveStep::Reserved(reserve) = reserve(leases) else { panic!() };
        let request = AdmitRequest { items: items.clone(), reserves: vec![reserve] };
        let destinations = &bench.config.destinations;
        let admit =
            bench.shard.admit(request, &bench.storage, destinations, now, || [7; 10], |_| false);
        assert!(matches!(
            admit.unwrap().charges.as_slice(),
            [ItemCharge::One(_), ItemCharge::Free, ItemCharge::One(_)]
        ));
        let next = bench.shard.quotas().reserve(&quota(), 9, 0, now, || 1);
        let ReserveStep::Ask(request) = next else { panic!() };
        assert_eq!(request.need, 9 - (reserved - 2));
    }
}

#[test]
fn the_records_of_one_failed_event_are_kept_or_refused_together() {
    let part = |quota_use| with_quota(failed(&json!({})), quota_use);
    let (first, more) = (QuotaUse::One, QuotaUse::WithPrevious);
    let items = || [first, more, first, more, more, QuotaUse::Nothing].map(part).to_vec();
    let over = |left| {
        let admitted = admit_within(&mut Bench::new(ShardConfig::default()), items(), left);
        admitted.admissions.iter().map(is_over).collect::<Vec<_>>()
    };
    assert_eq!(over(2), [false; 6]);
    assert_eq!(over(1), [false, false, true, true, true, false]);
    assert_eq!(over(0), [true, true, true, true, true, false]);
}

#[test]
fn without_a_reserve_nothing_is_known_of_a_quota() {
    let mut bench = Bench::new(ShardConfig::default());
    let items = vec![with_quota(event(1, 1, 0), QuotaUse::One), event(1, 2, 0)];
    let admitted = bench.admit(items);
    let unknown = Admission::Short(QuotaShortage::Unknown);
    assert_eq!(
        admitted.admissions.iter().map(|it| *it == unknown).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn repeats_need_nothing_of_a_quota() {
    let mut bench = Bench::new(ShardConfig::default());
    let limited = |number| with_quota(event(1, number, 0), QuotaUse::One);
    admit_within(&mut bench, vec![limited(1)], 1);
    let needs =
        |items: &[ShardItem<'static>]| bench.shard.quota_needs(items, &bench.storage, bench.now);
    assert_eq!(needs(&[limited(1), limited(1)]), []);
    assert_eq!(needs(&[limited(1), limited(2), event(1, 3, 0)]), [(quota(), 1)]);
    let failed = with_quota(failed(&json!({})), QuotaUse::One);
    assert_eq!(needs(&[failed.clone(), failed]), [(quota(), 2)]);
}
