//! What each tenant may have of a shard.

use proptest::prelude::*;

use super::*;
use crate::shard::protocol::batch_response::TENANT_SHARE_FULL;

const BYTES: usize = 100;

/// Returns a failed event of a tenant, of [`BYTES`], for `to`.
fn of_tenant(tenant: &str, to: &str) -> ShardItem<'static> {
    let line = format!("\"{}\"\n", "x".repeat(BYTES - 3));
    ShardItem {
        to: Cow::Owned(stream(to).into()),
        tenant: Arc::new(ItemTenant { name: tenant.to_owned(), quota: None }),
        record: Record::restore("key", line.as_bytes()).unwrap(),
        ..failed(&json!({}))
    }
}

fn half_each(records_in_memory: usize, records_in_spill: u64) -> ShardConfig {
    ShardConfig {
        tenant_share: TenantShare::of_percent(50),
        buffer_bytes: records_in_memory * BYTES,
        // As stored, a record has 15 bytes more.
        spill: spill::SpillConfig { max_bytes: records_in_spill * 115 },
        ..ShardConfig::default()
    }
}

/// Ends a batch, whether it would be delivered or spilled.
fn end(bench: &mut Bench, batch: BatchId, status: RecordStatus) -> EndedBatch {
    let stream = bench.shard.batches.set_of(batch).unwrap().first().clone();
    let closed = bench.shard.batches.close(batch, stream).unwrap();
    bench.end_batch(batch, closed, status)
}

fn refused(admissions: &[Admission], refusal: Refusal) -> usize {
    admissions.iter().filter(|it| **it == Admission::Refused(refusal)).count()
}

#[test]
fn a_tenant_that_has_its_share_of_memory_leaves_room_to_others() {
    let mut bench = Bench::new(half_each(8, 99));
    let request = |tenant, count| (0..count).map(|_| of_tenant(tenant, EVENTS)).collect::<Vec<_>>();
    assert_eq!(refused(&bench.admissions(request("a", 4)), Refusal::Memory), 0);
    let mixed = [request("a", 1), request("b", 2)].concat();
    let admissions = bench.admissions(mixed);
    assert_eq!(admissions[0], Admission::Refused(Refusal::Memory));
    assert_eq!(refused(&admissions, Refusal::Memory), 1, "the rest is of the other tenant");
    assert_eq!(refused(&bench.admissions(request("c", 1)), Refusal::Memory), 0);
    bench.end(1, RecordStatus::Delivered);
    assert_eq!(refused(&bench.admissions(request("a", 9)), Refusal::Memory), 0, "memory is empty");
}

#[test]
fn a_tenant_that_has_its_share_of_the_spill_is_told_so_and_others_are_spilled() {
    let mut bench = Bench::new(half_each(99, 8));
    bench.sick = vec![stream(EVENTS)];
    for batch in 1..=4 {
        assert_eq!(
            bench.admissions(vec![of_tenant("a", EVENTS)]),
            [Admission::Queued(slots(batch, 0))]
        );
        end(&mut bench, batch, RecordStatus::Pending);
    }
    let request = vec![of_tenant("a", EVENTS), of_tenant("b", EVENTS), of_tenant("a", ORDERS)];
    assert_eq!(
        bench.admissions(request),
        [
            Admission::Refused(Refusal::Spill),
            Admission::Queued(slots(5, 0)),
            Admission::Queued(slots(6, 0))
        ],
        "its other stream accepts records"
    );
    end(&mut bench, 5, RecordStatus::Pending);
    bench.sick.clear();
    bench.admissions(vec![of_tenant("a", EVENTS), of_tenant("b", EVENTS)]);
    let ended = end(&mut bench, 7, RecordStatus::Pending);
    assert_eq!(ended.records, [not_durable(TENANT_SHARE_FULL), durable()]);
    assert_eq!(ended.spilled, 1);
    let [FullTenant { tenant, .. }] = &bench.shard.status(0).full_tenants[..] else { panic!() };
    assert_eq!((tenant.as_str(), bench.spilled(EVENTS)), ("a", 6));
}

#[test]
fn a_refused_event_opens_no_session_and_is_new_when_it_comes_again() {
    let mut bench = Bench::new(half_each(0, 0));
    bench.sick = vec![stream(EVENTS)];
    let admitted = bench.admit(vec![event(1, 1, 0)]);
    assert_eq!(admitted.admissions, [Admission::Refused(Refusal::Spill)]);
    assert_eq!((admitted.sessions, bench.sessions.get()), (vec![None], 0));
    bench.sick.clear();
    assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::Queued(slots(1, 0))]);
}

#[derive(Debug, Clone)]
enum Load {
    /// Items by tenant and stream.
    Request(Vec<(usize, bool)>),
    /// Ends the oldest batch.
    End {
        is_accepted: bool,
    },
    Sick(bool),
    Restart,
}

fn loads() -> impl Strategy<Value = Vec<Load>> {
    let items = proptest::collection::vec((0_usize..4, any::<bool>()), 1..12);
    let load = prop_oneof![
        6 => items.prop_map(Load::Request),
        4 => any::<bool>().prop_map(|is_accepted| Load::End { is_accepted }),
        1 => any::<bool>().prop_map(Load::Sick),
        1 => Just(Load::Restart),
    ];
    proptest::collection::vec(load, 0..40)
}

proptest! {
    /// A tenant whose records stay within half of what others leave free is never refused.
    #[test]
    fn a_tenant_within_its_share_is_never_refused(loads in loads()) {
        const MEMORY: usize = 16;
        const SPILL: u64 = 24;
        let (share, sharding) = (TenantShare::of_percent(50), half_each(MEMORY, SPILL));
        let mut bench = Bench::new(sharding.clone());
        for load in loads {
            match load {
                Load::Request(items) => {
                    let names: Vec<String> =
                        items.iter().map(|(tenant, _)| format!("t{tenant}")).collect();
                    let request: Vec<ShardItem<'static>> = items
                        .iter()
                        .zip(&names)
                        .map(|((_, is_order), name)| of_tenant(name, if *is_order { ORDERS } else { EVENTS }))
                        .collect();
                    let request_bytes = (request.len() * BYTES) as u64;
                    let before: Vec<(u64, u64)> = names
                        .iter()
                        .map(|name| (bench.shard.batches.bytes_of(name).1, bench.shard.spill.bytes_of(name)))
                        .collect();
                    let held = bench.shard.batches.buffer_bytes() as u64;
                    let spilled = bench.shard.spill.fill().bytes;
                    let admissions = bench.admissions(request);
                    for (index, admission) in admissions.iter().enumerate() {
                        let Admission::Refused(refusal) = admission else { continue };
                        let (own_held, own_spilled) = before[index];
                        let of_it = names.iter().filter(|name| **name == names[index]).count();
                        let wanted = (of_it * BYTES) as u64;
                        let of_others = request_bytes - wanted;
                        let may_have = match refusal {
                            Refusal::Memory => share.allows(
                                own_held + wanted,
                                held - own_held + of_others,
                                (MEMORY * BYTES) as u64,
                            ),
                            Refusal::Spill => share.allows(
                                own_spilled + own_held + wanted,
                                held + spilled - own_held - own_spilled + of_others,
                                SPILL * 115,
                            ),
                        };
                        prop_assert!(!may_have, "{} is refused {:?}", names[index], refusal);
                    }
                    let held = bench.shard.batches.buffer_bytes();
                    prop_assert!(held <= MEMORY * BYTES + request_bytes as usize * 2 || !bench.sick.is_empty());
                }
                Load::End { is_accepted } => {
                    let open = bench.shard.batches.due(u64::MAX, 0).0;
                    let Some(batch) = open.first() else { continue };
                    let status =
                        if is_accepted { RecordStatus::Delivered } else { RecordStatus::Pending };
                    let spilled = bench.shard.spill.fill().bytes;
                    let ended = end(&mut bench, *batch, status);
                    let full = not_durable(TENANT_SHARE_FULL);
                    prop_assert!(ended.records.iter().all(|it| *it == durable() || *it == full));
                    prop_assert!(bench.shard.spill.fill().bytes <= (SPILL * 115).max(spilled));
                }
                Load::Sick(is_sick) => {
                    bench.sick = if is_sick { vec![stream(EVENTS)] } else { Vec::new() };
                }
                Load::Restart => {
                    let before = bench.shard.spill.fill().bytes;
                    bench.shard = ShardCore::load(&bench.storage, &sharding, hash_key(), 0).unwrap();
                    prop_assert_eq!(bench.shard.spill.fill().bytes, before);
                }
            }
        }
    }
}

/// Returns an event of a device of a tenant. Its id has no usable time.
fn event_of(tenant: &str, device: u8, number: u8) -> ShardItem<'static> {
    let mut item = event(device, number, 0);
    let mut key = [device; 16];
    key[0] = tenant.bytes().last().unwrap();
    item.event.as_mut().unwrap().key = DeviceKey::from_bytes(key);
    ShardItem { tenant: of_tenant(tenant, EVENTS).tenant, ..item }
}

fn few_ids_and_devices() -> ShardConfig {
    ShardConfig {
        tenant_share: TenantShare::of_percent(50),
        // Of which 30 may be without a usable time.
        dedupe: dedup::DedupConfig { max_ids: 64, ..dedup::DedupConfig::default() },
        new_devices_per_day: 8,
        ..ShardConfig::default()
    }
}

/// Admits an item, and delivers its batch.
fn deliver(bench: &mut Bench, item: ShardItem<'static>) -> (Admission, Option<SessionInfo>) {
    let mut admitted = bench.admit(vec![item]);
    if let [Admission::Queued(slots)] = &admitted.admissions[..] {
        slots.iter().for_each(|slot| {
            bench.end(slot.batch, RecordStatus::Delivered);
        });
    }
    (admitted.admissions.remove(0), admitted.sessions.remove(0))
}

#[test]
fn ids_of_a_tenant_that_floods_displace_only_its_own() {
    let mut bench = Bench::new(few_ids_and_devices());
    for number in 0..7 {
        deliver(&mut bench, event_of("b", 1, number));
    }
    for number in 0..200 {
        deliver(&mut bench, event_of("a", 2, number));
    }
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    let repeat = |bench: &mut Bench, item| deliver(bench, item).0 == Admission::Duplicate;
    assert!((0..7).all(|number| repeat(&mut bench, event_of("b", 1, number))));
    assert!((0..11).all(|number| repeat(&mut bench, event_of("a", 2, number))), "its share");
    assert!(repeat(&mut bench, event_of("a", 2, 199)), "the last one, for some minutes");
    assert!(!repeat(&mut bench, event_of("a", 2, 100)));
    // A new tenant has a share of what is left.
    deliver(&mut bench, event_of("c", 3, 1));
    assert!(repeat(&mut bench, event_of("c", 3, 1)));
}

#[test]
fn new_devices_of_a_tenant_that_floods_are_not_stored_and_others_are() {
    let mut bench = Bench::new(few_ids_and_devices());
    let session = |bench: &mut Bench, tenant, device, number| {
        deliver(bench, event_of(tenant, device, number)).1.unwrap().id
    };
    let first: Vec<_> = (0..20).map(|device| session(&mut bench, "a", device, 1)).collect();
    let of_other = session(&mut bench, "b", 1, 1);
    for device in 0..20 {
        assert_eq!(session(&mut bench, "a", device, 2), first[usize::from(device)]);
    }
    bench.now = 60_000;
    bench.shard.checkpoint(&bench.storage, 60_000).unwrap();
    bench.shard =
        ShardCore::load(&bench.storage, &few_ids_and_devices(), hash_key(), 60_000).unwrap();
    assert_eq!(session(&mut bench, "b", 1, 2), of_other);
    let is_stored =
        |device: &u8| session(&mut bench, "a", *device, 3) == first[usize::from(*device)];
    assert_eq!((0..20).filter(is_stored).count(), 4, "half of eight");
    assert_eq!(bench.shard.status(0).devices, 5, "the counts outlive the object");
}

proptest! {
    /// An id within its tenant's share is known, however many ids others send.
    #[test]
    fn an_id_within_its_tenants_share_stays(
        ids in proptest::collection::vec((0_usize..3, any::<u8>()), 0..120), at in 0_usize..120,
    ) {
        let mut bench = Bench::new(few_ids_and_devices());
        let share = TenantShare::of_percent(50);
        let (mut taken, mut within) = ([0_u64; 3], Vec::new());
        for (index, (tenant, number)) in ids.into_iter().enumerate() {
            let name = ["a", "b", "c"][tenant];
            let (admission, _) = deliver(&mut bench, event_of(name, 1, number));
            if admission != Admission::Duplicate {
                let others = taken.iter().sum::<u64>() - taken[tenant];
                if share.allows(taken[tenant] + 1, others, 30) {
                    taken[tenant] += 1;
                    within.push((name, number));
                }
            }
            if index == at {
                bench.shard.checkpoint(&bench.storage, 60_000).unwrap();
                bench.shard =
                    ShardCore::load(&bench.storage, &few_ids_and_devices(), hash_key(), 60_000).unwrap();
            }
        }
        for (name, number) in within {
            prop_assert_eq!(deliver(&mut bench, event_of(name, 1, number)).0, Admission::Duplicate);
        }
    }
}
