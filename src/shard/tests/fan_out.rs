//! Events of a route to several streams: each gets a copy, and none gets it twice.

use proptest::prelude::*;

use super::fake_streams::Refuses;
use super::simulation::{ShardAct, ShardWorld, route};
use super::*;
use crate::model::quota::DailyQuota;
use crate::shard::quotas::reserve::{ItemCharge, QuotaCharge, QuotaReserve, QuotaShortage};
use crate::shard::tenant_share::TenantShare;

const BOTH: &str = "firehose:events, kinesis:orders";

fn to(streams: &str, item: ShardItem<'static>) -> ShardItem<'static> {
    ShardItem { to: Cow::Owned(FanOut::parse(streams).unwrap()), ..item }
}

/// Returns an event of a device for both streams.
fn to_both(number: u8) -> ShardItem<'static> {
    to(BOTH, event(1, number, 0))
}

fn two_slots(slots: [Slot; 2]) -> Slots {
    let mut found = None;
    slots.into_iter().for_each(|slot| Slots::add(&mut found, slot));
    found.unwrap()
}

fn with_a_full_spill() -> ShardConfig {
    ShardConfig { spill: spill::SpillConfig { max_bytes: 10 }, ..ShardConfig::default() }
}

#[test]
fn each_stream_gets_a_copy_that_shares_the_bytes() {
    let mut bench = Bench::new(ShardConfig::default());
    let admitted = bench.admit(vec![to_both(1), event(1, 2, 0)]);
    assert_eq!(
        admitted.admissions,
        [Admission::Queued(two_slots([slot(1, 0), slot(2, 0)])), Admission::Queued(slots(1, 1))]
    );
    let (events, orders) = (bench.close(1), bench.close(2));
    assert_eq!((&events.stream, &orders.stream), (&stream(EVENTS), &stream(ORDERS)));
    assert_eq!((events.records.len(), orders.records.len()), (2, 1));
    assert_eq!(events.records[0], orders.records[0], "its session is in both");
    assert_eq!(events.records[0].bytes().as_ptr(), orders.records[0].bytes().as_ptr());
    assert_eq!(columns(&orders.records[0])["session_index"], 1);
}

#[test]
fn a_failing_stream_has_its_copy_spilled_and_the_other_is_not_concerned() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![to_both(1)]);
    assert_eq!(bench.end(1, RecordStatus::Delivered).records, [durable()]);
    assert_eq!(bench.shard.status(0).seen, 0, "the other copy is not durable yet");
    assert_eq!(bench.end(2, RecordStatus::Pending).records, [durable()]);
    assert_eq!((bench.spilled(EVENTS), bench.spilled(ORDERS)), (0, 1));
    assert_eq!(bench.shard.status(0).seen, 1, "the event, not its copies");
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Duplicate]);
    // What comes next waits behind the spill of its own stream only.
    bench.admit(vec![to_both(2)]);
    let next = bench.shard.next_actions(9_000, 0, 9, |_| None, |_| false).start;
    let starts: Vec<bool> =
        next.iter().map(|(_, action)| matches!(action, BatchAction::Deliver(_))).collect();
    assert_eq!(starts, [true, false]);
}

#[test]
fn an_event_that_one_stream_lacks_goes_only_there_when_it_is_sent_again() {
    for crashes in [false, true] {
        let mut bench = Bench::new(with_a_full_spill());
        bench.admit(vec![to_both(1)]);
        assert_eq!(bench.end(2, RecordStatus::Pending).records, [not_durable("spill_full")]);
        assert_eq!(bench.end(1, RecordStatus::Delivered).records, [durable()]);
        if crashes {
            bench.shard.checkpoint(&bench.storage, 0).unwrap();
            bench.shard =
                ShardCore::load(&bench.storage, &with_a_full_spill(), hash_key(), 1).unwrap();
        }
        for _ in 0..2 {
            let admitted = bench.admit(vec![to_both(1)]);
            let [batch] = bench.opened()[..] else { panic!("{admitted:?}") };
            assert_eq!(admitted.admissions, [Admission::Queued(slots(batch, 0))]);
            assert_eq!(bench.close(batch).stream, stream(ORDERS));
            let lost = vec![(record_of(&to_both(1)), RecordStatus::Pending)];
            assert_eq!(end(&mut bench, batch, lost).records, [not_durable("spill_full")]);
        }
        bench.admit(vec![to_both(1)]);
        let opened = bench.opened();
        bench.end(opened[0], RecordStatus::Delivered);
        assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Duplicate], "{crashes}");
    }
}

fn record_of(item: &ShardItem<'_>) -> Record {
    item.record.clone()
}

/// Ends a batch for the second stream that is in flight.
fn end(bench: &mut Bench, batch: BatchId, records: Vec<(Record, RecordStatus)>) -> EndedBatch {
    let report = DeliveryReport { records, retry_after_s: 7, ..DeliveryReport::default() };
    let Bench { shard, storage, config, .. } = bench;
    shard.end_batch(batch, &stream(ORDERS), report, storage, &config.destinations, 0)
}

#[test]
fn an_event_in_flight_is_sent_again_only_to_the_stream_that_has_lost_it() {
    let mut bench = Bench::new(with_a_full_spill());
    bench.admit(vec![to_both(1)]);
    let both = two_slots([slot(1, 0), slot(2, 0)]);
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::DuplicateOf(both)]);
    bench.end(2, RecordStatus::Pending);
    // The first copy is still in memory, and the second is queued anew.
    let again = two_slots([slot(1, 0), slot(3, 0)]);
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Queued(again)]);
    bench.end(1, RecordStatus::Delivered);
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::DuplicateOf(slots(3, 0))]);
    bench.end(3, RecordStatus::Delivered);
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Duplicate]);
}

#[test]
fn what_one_stream_rejects_is_a_failed_event_and_its_repeat_goes_to_no_other() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![to_both(1)]);
    bench.end(1, RecordStatus::Delivered);
    let settled = bench.end(2, rejected());
    let status = ItemStatus::Rejected("ValidationException".to_owned());
    assert_eq!(
        settled.records,
        [SettledRecord { status: status.clone(), failed: vec![slot(3, 0)] }]
    );
    assert_eq!(ItemStatus::Durable.and(status.clone()), status, "the fate of the event");
    bench.end(3, RecordStatus::Delivered);
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Queued(slots(4, 0))]);
    assert_eq!(bench.close(4).stream, stream(ORDERS));
}

#[test]
fn an_event_of_a_route_that_has_changed_goes_to_what_has_not_got_it() {
    let mut bench = Bench::new(with_a_full_spill());
    bench.admit(vec![event(1, 1, 0), to_both(2)]);
    bench.end(1, RecordStatus::Delivered);
    bench.end(2, RecordStatus::Pending);
    let with_third = |number| to("kinesis:third, firehose:events", event(1, number, 0));
    // An event that was durable for its route stays a duplicate.
    assert_eq!(
        bench.admissions(vec![to_both(1), with_third(1)]),
        [const { Admission::Duplicate }; 2]
    );
    assert_eq!(bench.admissions(vec![with_third(2)]), [Admission::Queued(slots(3, 0))]);
    assert_eq!(bench.close(3).stream, stream("kinesis:third"));
}

#[test]
fn a_tenant_without_a_share_of_the_spill_loses_nothing_of_its_other_stream() {
    let sharding = ShardConfig { tenant_share: TenantShare::of_percent(50), ..with_a_full_spill() };
    let mut bench = Bench::new(sharding);
    bench.sick = vec![stream(ORDERS)];
    let admitted = bench.admit(vec![to_both(1)]);
    assert_eq!(admitted.admissions, [Admission::PartlyRefused(slots(1, 0))]);
    assert!(admitted.sessions[0].is_some());
    assert_eq!(bench.close(1).stream, stream(EVENTS));
    let records = vec![(record_of(&to_both(1)), RecordStatus::Delivered)];
    end(&mut bench, 1, records);
    // It has it now, and nothing is left to queue.
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Refused(Refusal::Spill)]);
    bench.sick.clear();
    assert_eq!(bench.admissions(vec![to_both(1)]), [Admission::Queued(slots(2, 0))]);
    assert_eq!(bench.close(2).stream, stream(ORDERS));
}

#[test]
fn a_copy_counts_as_one_record_in_memory_and_in_the_spill() {
    let mut bench = Bench::new(ShardConfig::default());
    let bytes = {
        bench.admit(vec![event(1, 1, 0)]);
        bench.shard.status(0).buffer_bytes
    };
    bench.end(1, RecordStatus::Pending);
    let spilled = bench.shard.status(0).fill.bytes;
    bench.admit(vec![to_both(2)]);
    assert_eq!(bench.shard.status(0).buffer_bytes, bytes * 2);
    let at_once = bench.shard.next_actions(9_000, 0, 9, |_| None, |_| false).start;
    for (batch, action) in at_once {
        let (stream, report) = match action {
            BatchAction::Spill(stream, report) => (stream, report),
            BatchAction::Deliver(StreamBatch { stream, records }) => {
                let records = records.into_iter().map(|it| (it, RecordStatus::Pending)).collect();
                (stream, DeliveryReport { records, ..DeliveryReport::default() })
            }
        };
        let Bench { shard, storage, config, .. } = &mut bench;
        shard.end_batch(batch, &stream, report, storage, &config.destinations, 0);
    }
    assert_eq!(bench.shard.status(0).fill.bytes, spilled * 3);
}

#[test]
fn an_event_is_charged_once_though_it_becomes_durable_in_two_requests() {
    let tenant = Arc::new(ItemTenant { name: "a".to_owned(), quota: DailyQuota::new(10) });
    let limited = || ShardItem { tenant: Arc::clone(&tenant), ..to_both(1) };
    let mut bench = Bench::new(with_a_full_spill());
    let admit = |bench: &mut Bench, reserved: u64| {
        let charge = QuotaCharge { tenant: Arc::clone(&tenant), lease: 1 };
        let reserve = QuotaReserve::new(charge, reserved, QuotaShortage::Over);
        let request = AdmitRequest { items: vec![limited()], reserves: vec![reserve] };
        let Bench { shard, storage, config, .. } = bench;
        shard.admit(request, storage, &config.destinations, 0, || [7; 10], |_| false).unwrap()
    };
    assert!(matches!(admit(&mut bench, 1).charges[..], [ItemCharge::One(_)]));
    bench.end(1, RecordStatus::Delivered);
    // One copy is durable, and the other in memory: the charge is kept.
    assert!(matches!(admit(&mut bench, 0).charges[..], [ItemCharge::Free]));
    bench.end(2, RecordStatus::Pending);
    assert_eq!(bench.shard.quota_needs(&[limited()], &bench.storage, 0), []);
    let admitted = admit(&mut bench, 0);
    assert!(matches!(admitted.charges[..], [ItemCharge::Free]));
    assert_eq!(admitted.admissions, [Admission::Queued(slots(3, 0))]);
}

/// Numbers of events for both streams, which no stream rejects.
const FOR_BOTH: [u64; 4] = [2, 7, 12, 22];

proptest! {
    /// The first stream has each event once, however long the second one fails, however full the spill
    /// is, and however often the client sends it again.
    #[test]
    fn a_stream_that_fails_takes_nothing_from_the_other(
        rounds in proptest::collection::vec(0_usize..FOR_BOTH.len(), 1..24),
        max_bytes in prop_oneof![Just(10_u64), Just(400), Just(1 << 30)],
        sick in 0_usize..2,
    ) {
        let spill = spill::SpillConfig { max_bytes };
        let sharding = ShardConfig { spill, ..ShardConfig::default() };
        let mut world = ShardWorld::new(sharding, 1_048_576, Refuses::Entry);
        let (mut posted, well) = (std::collections::BTreeSet::new(), 1 - sick);
        world.act(&ShardAct::Outage { stream: sick, is_down: true })?;
        for round in rounds {
            let number = FOR_BOTH[round];
            prop_assert_eq!(route(number), [0, 1]);
            posted.insert(number);
            world.act(&ShardAct::Post(vec![number]))?;
            world.act(&ShardAct::Retry)?;
            world.come_to_rest()?;
        }
        for number in &posted {
            prop_assert_eq!(world.service.copies(&(well, *number)), 1, "during the outage");
            prop_assert_eq!(world.service.copies(&(sick, *number)), 0);
            // Between, the spill has room for some.
            let expected = [(10, false), (1 << 30, true)].into_iter().find(|it| it.0 == max_bytes);
            let is_durable = world.durable.contains(number);
            prop_assert!(expected.is_none_or(|(_, expected)| expected == is_durable));
        }
        world.recover()?;
        for number in &posted {
            for stream in [0, 1] {
                prop_assert_eq!(world.service.copies(&(stream, *number)), 1, "after it");
            }
            prop_assert!(world.durable.contains(number));
        }
    }
}
