//! What each tenant has in the spill, and what it may have.

use super::*;
use proptest::prelude::*;

const MAX_BYTES: u64 = 4_000;
const SHARE: u64 = 50;
const STREAMS: [&str; 2] = ["firehose:events", "firehose:failed"];

fn load(storage: &Memory) -> Spill {
    Spill::load(storage, SpillConfig { max_bytes: MAX_BYTES }, 0).unwrap()
}

/// Returns the bytes of each tenant, by the records in the storage. Their text begins with their tenant.
fn stored(storage: &Memory) -> TenantTotals {
    let mut totals = TenantTotals::default();
    for key in storage.keys(Table::Spill, &[], 9_999).unwrap() {
        let Ok(row) = SpillRow::read(&key) else { continue };
        let value = storage.get(Table::Spill, &key).unwrap().unwrap();
        for (record, name) in row.records(&value).unwrap().iter().zip(row.tenant_names()) {
            assert!(of_record(record).starts_with(name) && !name.is_empty(), "{name}");
            totals.add(name, record_len(record) as u64);
        }
    }
    totals
}

fn of_record(record: &Record) -> String {
    let line: serde_json::Value = serde_json::from_slice(record.bytes()).unwrap();
    match line.get("original") {
        Some(original) => serde_json::from_str(original.as_str().unwrap()).unwrap(),
        None => line.as_str().unwrap().to_owned(),
    }
}

fn record(tenant: &str, number: usize, padding: usize) -> Record {
    let line = format!("\"{tenant}:{number}:{}\"\n", "x".repeat(padding));
    Record::restore("key", line.as_bytes()).unwrap()
}

#[derive(Debug, Clone)]
enum ShareDeed {
    /// Records by tenant, with their padding.
    Push {
        stream: usize,
        records: Vec<(usize, usize)>,
    },
    /// Delivers the oldest rows; records whose number has one of these remainders by 3 are accepted,
    /// rejected for their content, or left.
    Drain {
        stream: usize,
        outcomes: [u8; 3],
    },
    /// Quarantines the oldest rows of a stream.
    Withdraw {
        stream: usize,
    },
    Move,
    Crash,
}

fn deeds() -> impl Strategy<Value = Vec<ShareDeed>> {
    let records = proptest::collection::vec((0_usize..20, 0_usize..90), 1..30);
    let deed = prop_oneof![
        5 => (0_usize..2, records).prop_map(|(stream, records)| ShareDeed::Push { stream, records }),
        3 => (0_usize..2, any::<[u8; 3]>())
            .prop_map(|(stream, outcomes)| ShareDeed::Drain { stream, outcomes }),
        1 => (0_usize..2).prop_map(|stream| ShareDeed::Withdraw { stream }),
        1 => Just(ShareDeed::Move),
        1 => Just(ShareDeed::Crash),
    ];
    proptest::collection::vec(deed, 0..25)
}

fn status(outcome: u8) -> RecordStatus {
    match outcome % 3 {
        0 => RecordStatus::Delivered,
        1 => RecordStatus::Pending,
        _ => rejected(),
    }
}

proptest! {
    /// A tenant is refused only if its records exceed its share, whatever others have sent.
    #[test]
    fn totals_by_tenant_are_those_of_the_rows_and_none_exceeds_its_share(deeds in deeds()) {
        let share = TenantShare::of_percent(SHARE);
        let storage = Memory::default();
        let (mut spill, mut made) = (load(&storage), 0);
        for deed in deeds {
            match deed {
                ShareDeed::Push { stream, records } => {
                    let of = |(tenant, padding): &(usize, usize)| {
                        made += 1;
                        let tenant = format!("t{tenant}");
                        let record = record(&tenant, made, *padding);
                        (tenant, record)
                    };
                    let records: Vec<(String, Record)> = records.iter().map(of).collect();
                    let records: Vec<TenantRecord<'_>> = records
                        .iter()
                        .map(|(tenant, record)| TenantRecord { tenant, record })
                        .collect();
                    let before = spill.tenants.clone();
                    let all_before = spill.bytes();
                    let within = spill.within_shares(&records, share, 7);
                    let mut wanted = TenantTotals::default();
                    for it in &records {
                        wanted.add(it.tenant, record_len(it.record) as u64);
                    }
                    let all_wanted: u64 = wanted.iter().map(|(_, bytes)| bytes).sum();
                    for (it, is_within) in records.iter().zip(&within) {
                        let (own, wanted) = (before.of(it.tenant), wanted.of(it.tenant));
                        let others = all_before - own;
                        let most = others + all_wanted - wanted;
                        if *is_within {
                            prop_assert!(share.allows(own + wanted, others, MAX_BYTES));
                        } else {
                            prop_assert!(!share.allows(own + wanted, most, MAX_BYTES));
                        }
                    }
                    let fitting: Vec<TenantRecord<'_>> =
                        records.iter().zip(&within).filter(|(_, is)| **is).map(|(it, _)| *it).collect();
                    if !fitting.is_empty() {
                        let pushed = spill.push(&storage, &super::stream(STREAMS[stream]), &fitting, 0);
                        prop_assert_eq!(pushed, Ok(()), "there is room for all within their shares");
                    }
                    // Failed events are longer than what they were.
                    prop_assert!(spill.bytes() <= MAX_BYTES.max(all_before));
                }
                ShareDeed::Drain { stream, outcomes } => {
                    let stream = super::stream(STREAMS[stream]);
                    let begun = spill.begin_attempt(&storage, &stream, MIB, 0).unwrap();
                    if let Some(batch) = begun {
                        let records = batch.batch.records.into_iter().enumerate();
                        let records =
                            records.map(|(index, record)| (record, status(outcomes[index % 3])));
                        let records = records.collect();
                        let report = DeliveryReport { records, ..DeliveryReport::default() };
                        spill.end_attempt(&storage, batch.token, report, &failed(), 0, 0).unwrap();
                    }
                }
                ShareDeed::Withdraw { stream } => {
                    spill.withdraw(&storage, &super::stream(STREAMS[stream]), 500, 0).unwrap();
                }
                ShareDeed::Move => {
                    let home = |record: &Record| {
                        (!record.bytes().len().is_multiple_of(3)).then(|| super::stream("kinesis:new"))
                    };
                    spill.move_oldest(&storage, &events(), 500, home, 0).unwrap();
                }
                ShareDeed::Crash => spill = load(&storage),
            }
            prop_assert_eq!(&spill.tenants, &stored(&storage));
            prop_assert_eq!(&load(&storage).tenants, &spill.tenants);
        }
    }
}

#[test]
fn a_row_has_few_tenants_whatever_a_batch_has() {
    let storage = Memory::default();
    let mut spill = load(&storage);
    let of = |number: usize| (format!("t{:02}", number % 40), number);
    let records: Vec<(String, Record)> = (0..80)
        .map(of)
        .map(|(tenant, number)| {
            let record = record(&tenant, number, 0);
            (tenant, record)
        })
        .collect();
    let records: Vec<TenantRecord<'_>> =
        records.iter().map(|(tenant, record)| TenantRecord { tenant, record }).collect();
    spill.push(&storage, &events(), &records, 0).unwrap();
    let keys = storage.keys(Table::Spill, &[], 99).unwrap();
    let rows: Vec<SpillRow> = keys.iter().map(|key| SpillRow::read(key).unwrap()).collect();
    assert_eq!(rows.iter().map(|row| row.tenants.len()).collect::<Vec<_>>(), [16, 16, 8]);
    let (rows, drained) =
        spill.read_oldest(&storage, &events(), RetryCursor::OLDEST, &[], MIB).unwrap();
    assert_eq!((rows.len(), drained.len()), (3, 80));
}

#[test]
fn a_row_of_an_earlier_version_is_delivered_and_counts_for_no_tenant() {
    let storage = Memory::default();
    let record = numbered(1, 0);
    let value = row::value(&refs(std::slice::from_ref(&record)));
    let mut row = SpillRow::new(RowState::Queued, events(), 3, 0);
    (row.records, row.bytes) = (1, row::count(value.len()));
    storage.put(Table::Spill, &row.key(), &value).unwrap();
    let mut spill = load(&storage);
    assert_eq!(
        (spill.tenants.clone(), spill.bytes()),
        (TenantTotals::default(), value.len() as u64)
    );
    let batch = take(&mut spill, &storage, &events());
    assert_eq!(end_attempt(&mut spill, &storage, batch, |_| rejected()).failed, 1);
    let batch = take(&mut spill, &storage, &failed());
    end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered);
    assert_eq!((spill.bytes(), storage.count(Table::Spill)), (0, 0));
}

#[test]
fn a_full_tenant_is_named_until_one_of_its_records_leaves() {
    let storage = Memory::default();
    let mut spill = load(&storage);
    let share = TenantShare::of_percent(SHARE);
    let (big, small) = (record("a", 1, 1_900), record("b", 2, 10));
    let records = [
        TenantRecord { tenant: "a", record: &big },
        TenantRecord { tenant: "a", record: &small },
        TenantRecord { tenant: "b", record: &small },
    ];
    assert_eq!(spill.within_shares(&records, share, 5), [true; 3]);
    spill.push(&storage, &events(), &records[..1], 0).unwrap();
    let more = [records[0], records[2]];
    assert_eq!(spill.within_shares(&more, share, 7), [false, true]);
    let [FullTenant { tenant, since: 7, .. }] = &spill.full_tenants()[..] else { panic!() };
    assert_eq!(tenant, "a");
    assert_eq!(spill.within_shares(&more, TenantShare::WHOLE, 8), [true, true]);
    let batch = take(&mut spill, &storage, &events());
    let records = batch.batch.records.into_iter().map(|it| (it, RecordStatus::Delivered)).collect();
    let report = DeliveryReport { records, ..DeliveryReport::default() };
    spill.end_attempt(&storage, batch.token, report, &failed(), 0, 0).unwrap();
    assert_eq!(spill.full_tenants(), []);
}
