//! Tests the spill case by case; `properties` tests it against a model while everything fails.

pub mod moves;
pub mod properties;
pub mod quarantine;
pub mod shares;

use super::*;
use crate::delivery::aggregate::AggregatedRecord;
use crate::delivery::health::{DeliveryError, StreamHealth};
use crate::delivery::response::{AwsError, CallResult, ErrorClass, HttpResponse};
use crate::delivery::stream_delivery;
use crate::delivery::stream_delivery::{Action, StreamDelivery};
use crate::shard::storage::tests::Memory;

const MIB: BatchLimits = BatchLimits { bytes: 1_048_576, records: 500 };

fn stream(name: &str) -> Stream {
    Stream::parse(name).unwrap()
}

fn events() -> Stream {
    stream("firehose:events")
}

fn failed() -> Stream {
    stream("firehose:failed")
}

fn spill(storage: &Memory) -> Spill {
    Spill::load(storage, SpillConfig::default(), 0).unwrap()
}

/// Returns a record with this number, and with `padding` more bytes.
fn numbered(number: usize, padding: usize) -> Record {
    let line = format!("\"{number}:{}\"\n", "x".repeat(padding));
    Record::restore(&number.to_string(), line.as_bytes()).unwrap()
}

/// Returns the records as those of one tenant.
fn refs(records: &[Record]) -> Vec<TenantRecord<'_>> {
    records.iter().map(|record| TenantRecord { tenant: "a", record }).collect()
}

fn numbers(records: &[Record]) -> Vec<usize> {
    records.iter().map(number).collect()
}

/// Returns the number of a record, or of the one that became this failed event.
fn number(record: &Record) -> usize {
    let line: serde_json::Value = serde_json::from_slice(record.bytes()).unwrap();
    let text = match line.get("original") {
        Some(original) => serde_json::from_str(original.as_str().unwrap()).unwrap(),
        None => line.as_str().unwrap().to_owned(),
    };
    text.split(':').next().unwrap().parse().unwrap()
}

fn push(spill: &mut Spill, storage: &Memory, stream: &Stream, numbers: std::ops::Range<usize>) {
    let records: Vec<Record> = numbers.map(|number| numbered(number, 0)).collect();
    spill.push(storage, stream, &refs(&records), 0).unwrap();
}

fn take(spill: &mut Spill, storage: &Memory, stream: &Stream) -> SpilledBatch {
    spill.begin_attempt(storage, stream, MIB, 0).unwrap().unwrap()
}

fn report(records: Vec<Record>, status: impl Fn(usize) -> RecordStatus) -> DeliveryReport {
    let fated = records.into_iter().map(|record| (number(&record), record));
    let records = fated.map(|(number, record)| (record, status(number))).collect();
    DeliveryReport { records, ..DeliveryReport::default() }
}

fn rejected() -> RecordStatus {
    let code = "ValidationException".to_owned();
    RecordStatus::Rejected(AwsError {
        class: ErrorClass::InvalidRecord,
        code,
        message: String::new(),
    })
}

fn end_attempt(
    spill: &mut Spill,
    storage: &Memory,
    batch: SpilledBatch,
    status: impl Fn(usize) -> RecordStatus,
) -> DrainResult {
    let report = report(batch.batch.records, status);
    spill.end_attempt(storage, batch.token, report, &failed(), 0, 0).unwrap()
}

/// Returns how many records of a stream are queued, and how many are quarantined.
fn depth(spill: &Spill, stream: &Stream) -> (u64, u64) {
    let depth = spill.depth(0).into_iter().find(|depth| depth.stream == *stream);
    depth.map_or((0, 0), |depth| (depth.records, depth.quarantined))
}

#[test]
fn a_row_is_described_by_a_key_of_its_version() {
    let row = SpillRow {
        state: RowState::Queued,
        stream: stream(&format!("kinesis:{}", "k".repeat(128))),
        sequence: 7,
        spilled_at: 1_795_000_000_123,
        records: 500,
        bytes: 1_048_576,
        tenants: vec![
            RowTenant { name: "shop".to_owned(), records: 499, bytes: 1_048_575 },
            RowTenant { name: "n".repeat(64), records: 1, bytes: 1 },
        ],
    };
    for row in [SpillRow { state: RowState::Quarantined, ..row.clone() }, row] {
        let key = row.key();
        assert_eq!(SpillRow::read(&key), Ok(row.clone()));
        assert!(key.starts_with(&SpillRow::prefix(row.state, &row.stream)));
        let of_0_1 = SpillRow { tenants: Vec::new(), ..row.clone() };
        for length in 0..key.len() {
            match SpillRow::read(&key[..length]) {
                Ok(read) => assert_eq!(read, of_0_1),
                Err(_) => assert_ne!(length, of_0_1.key().len()),
            }
        }
        let longer = [key.as_slice(), &[0]].concat();
        let mut other = key;
        other[0] = 3;
        assert!(SpillRow::read(&longer).is_err() && SpillRow::read(&other).is_err());
    }
}

#[test]
fn the_oldest_rows_come_first_and_as_many_as_fit() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    for (first, count, padding) in
        [(0, 300, 0), (300, 200, 0), (500, 1, 0), (501, 2, 600_000), (503, 501, 0)]
    {
        let records: Vec<Record> =
            (first..first + count).map(|number| numbered(number, padding)).collect();
        spill.push(&storage, &events(), &refs(&records), 0).unwrap();
    }
    assert_eq!(storage.count(Table::Spill), 7, "a row a push, and more where it is too long");
    assert_eq!(depth(&spill, &events()), (1_004, 0));
    for (from, to) in [(0, 500), (500, 502), (502, 503), (503, 1_003), (1_003, 1_004)] {
        let batch = take(&mut spill, &storage, &events());
        assert_eq!(numbers(&batch.batch.records), (from..to).collect::<Vec<_>>());
        end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered);
    }
    assert!(!spill.must_queue(&events(), None) && spill.wake_at().is_none());
    assert_eq!(storage.count(Table::Spill), 0);
}

#[test]
fn pending_records_keep_their_place_and_age() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..4);
    let late = [numbered(4, 0)];
    spill.push(&storage, &events(), &refs(&late), 50).unwrap();
    let batch = take(&mut spill, &storage, &events());
    let pending = |number| {
        if number == 1 || number == 3 { RecordStatus::Pending } else { RecordStatus::Delivered }
    };
    let progress = end_attempt(&mut spill, &storage, batch, pending);
    assert_eq!(progress, DrainResult { accepted: 3, left: 2, ..DrainResult::default() });
    push(&mut spill, &storage, &events(), 5..6);
    let batch = take(&mut spill, &storage, &events());
    assert_eq!(numbers(&batch.batch.records), [1, 3, 5]);
    assert_eq!(spill.depth(100)[0].oldest_ms, 100);
    end_attempt(&mut spill, &storage, batch, |number| match number {
        5 => RecordStatus::Pending,
        _ => RecordStatus::Delivered,
    });
    assert_eq!(spill.depth(100)[0].oldest_ms, 100, "of the row that is left");
    assert_eq!(depth(&spill, &events()), (1, 0));
}

#[test]
fn a_full_spill_writes_nothing() {
    let storage = Memory::default();
    let records: Vec<Record> = (0..10).map(|number| numbered(number, 0)).collect();
    let limit = row::value(&refs(&records)).len() as u64;
    for (max_bytes, fits) in [(limit - 1, false), (limit, true)] {
        let storage = Memory::default();
        let mut spill = Spill::load(&storage, SpillConfig { max_bytes }, 0).unwrap();
        let pushed = spill.push(&storage, &events(), &refs(&records), 0);
        let full = Err(SpillError::Full { limit: max_bytes });
        assert_eq!(pushed, if fits { Ok(()) } else { full });
        assert_eq!(
            (spill.must_queue(&events(), None), storage.count(Table::Spill)),
            (fits, fits.into())
        );
    }
    let mut spill = Spill::load(&storage, SpillConfig { max_bytes: limit }, 0).unwrap();
    spill.push(&storage, &events(), &refs(&records), 0).unwrap();
    let more = spill.push(&storage, &failed(), &refs(&records[..1]), 0);
    assert_eq!(more, Err(SpillError::Full { limit }), "the limit is of all streams together");
    let batch = take(&mut spill, &storage, &events());
    assert_eq!(end_attempt(&mut spill, &storage, batch, |_| rejected()).failed, 10);
    assert_eq!(depth(&spill, &failed()), (10, 0), "what becomes a failed event stays");
}

#[test]
fn a_full_spill_is_reported_until_there_is_room() {
    let storage = Memory::default();
    let record = numbered(1, 0);
    let max_bytes = row::value(&refs(std::slice::from_ref(&record))).len() as u64;
    let mut spill = Spill::load(&storage, SpillConfig { max_bytes }, 0).unwrap();
    spill.push(&storage, &events(), &refs(std::slice::from_ref(&record)), 0).unwrap();
    assert_eq!(spill.fill(), SpillUsage { bytes: max_bytes, max_bytes, full_since: None });
    for now in [5, 7] {
        spill.push(&storage, &events(), &refs(std::slice::from_ref(&record)), now).unwrap_err();
        assert_eq!(spill.fill(), SpillUsage { bytes: max_bytes, max_bytes, full_since: Some(now) });
    }
    let batch = take(&mut spill, &storage, &events());
    end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered);
    assert_eq!(spill.fill(), SpillUsage { bytes: 0, max_bytes, full_since: None });
}

#[test]
fn a_backlog_has_its_last_progress_and_its_next_attempt() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..3);
    let mut step = |status: &dyn Fn(usize) -> RecordStatus, now| {
        let batch = spill.begin_attempt(&storage, &events(), MIB, now).unwrap().unwrap();
        let report = report(batch.batch.records, status);
        spill.end_attempt(&storage, batch.token, report, &failed(), now, u32::MAX).unwrap();
        let depth = spill.depth(now).pop().unwrap();
        (depth.last_drained_at, depth.next_try_at)
    };
    assert_eq!(step(&|_| RecordStatus::Pending, 5_000), (None, Some(6_000)));
    let but_the_first =
        |number| if number == 0 { RecordStatus::Delivered } else { RecordStatus::Pending };
    assert_eq!(step(&but_the_first, 6_000), (Some(6_000), Some(6_000)));
    assert_eq!(step(&|_| RecordStatus::Pending, 7_000), (Some(6_000), Some(8_000)));
}

#[test]
fn a_storage_that_fails_loses_nothing() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    let record = numbered(9, 0);
    storage.full.set(true);
    let pushed = spill.push(&storage, &events(), &refs(std::slice::from_ref(&record)), 0);
    assert!(matches!(pushed, Err(SpillError::Storage(_))) && !spill.must_queue(&events(), None));
    storage.full.set(false);
    push(&mut spill, &storage, &events(), 0..2);
    let batch = take(&mut spill, &storage, &events());
    storage.full.set(true);
    let report =
        report(
            batch.batch.records,
            |number| if number == 0 { RecordStatus::Delivered } else { rejected() },
        );
    spill.end_attempt(&storage, batch.token, report, &failed(), 0, u32::MAX).unwrap_err();
    storage.full.set(false);
    assert_eq!((depth(&spill, &events()), depth(&spill, &failed())), ((2, 0), (0, 0)));
    assert_eq!(spill.wake_at(), Some(1_000), "not at once");
    assert_eq!(numbers(&take(&mut spill, &storage, &events()).batch.records), [0, 1]);
}

#[test]
fn an_unreadable_row_is_kept_and_blocks_no_other() {
    let storage = Memory::default();
    push(&mut spill(&storage), &storage, &events(), 0..2);
    let key = storage.keys(Table::Spill, &[], 1).unwrap().remove(0);
    storage.put(Table::Spill, &key, b"not a row").unwrap();
    let unknown = [&[9], key.get(1..).unwrap()].concat();
    let short = &key[..key.len() - 1];
    for key in [&unknown, short] {
        storage.put(Table::Spill, key, b"of another version").unwrap();
    }
    let mut spill = spill(&storage);
    assert_eq!((spill.unreadable(), depth(&spill, &events())), (2, (2, 0)));
    push(&mut spill, &storage, &events(), 2..3);
    let batch = take(&mut spill, &storage, &events());
    assert_eq!(numbers(&batch.batch.records), [2]);
    assert_eq!(depth(&spill, &events()), (1, 2));
    end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered);
    assert_eq!((depth(&spill, &events()), spill.wake_at()), ((0, 2), None));
    assert_eq!(storage.count(Table::Spill), 3);
    let quarantine_row =
        SpillRow { state: RowState::Quarantined, ..SpillRow::read(&key).unwrap() }.key();
    assert_eq!(storage.get(Table::Spill, &quarantine_row).unwrap().unwrap(), b"not a row");
    for key in [&unknown, short] {
        assert_eq!(storage.get(Table::Spill, key).unwrap().unwrap(), b"of another version");
    }
}

#[test]
fn a_backlog_of_unreadable_rows_yields_nothing() {
    let storage = Memory::default();
    push(&mut spill(&storage), &storage, &events(), 0..2);
    let key = storage.keys(Table::Spill, &[], 1).unwrap().remove(0);
    storage.put(Table::Spill, &key, &[]).unwrap();
    let mut spill = spill(&storage);
    storage.full.set(true);
    for wait_ms in [1_000, 2_000, 4_000] {
        spill.begin_attempt(&storage, &events(), MIB, 0).unwrap_err();
        assert_eq!((depth(&spill, &events()), spill.wake_at()), ((2, 0), Some(wait_ms)));
    }
    storage.full.set(false);
    assert!(spill.begin_attempt(&storage, &events(), MIB, 0).unwrap().is_none());
    assert_eq!((depth(&spill, &events()), spill.due(0).len()), ((0, 2), 0));
    push(&mut spill, &storage, &events(), 2..3);
    assert_eq!(spill.due(1_000), [events()]);
}

#[test]
fn a_missing_counted_row_blocks_nothing() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    let key = storage.keys(Table::Spill, &[], 1).unwrap().remove(0);
    storage.delete(Table::Spill, &key).unwrap();
    assert!(spill.begin_attempt(&storage, &events(), MIB, 0).unwrap().is_none());
    assert!(!spill.must_queue(&events(), None) && spill.depth(0).is_empty());
}

#[test]
fn poison_becomes_a_failed_event_and_then_is_quarantined() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..3);
    let batch = take(&mut spill, &storage, &events());
    let second = |number| if number == 1 { rejected() } else { RecordStatus::Delivered };
    let progress = end_attempt(&mut spill, &storage, batch, second);
    assert_eq!(progress, DrainResult { accepted: 2, failed: 1, ..DrainResult::default() });
    assert_eq!((spill.must_queue(&events(), None), spill.due(0)), (false, vec![failed()]));
    push(&mut spill, &storage, &failed(), 7..8);
    let batch = take(&mut spill, &storage, &failed());
    assert_eq!(numbers(&batch.batch.records), [1, 7]);
    let progress = end_attempt(&mut spill, &storage, batch, second);
    assert_eq!(progress, DrainResult { accepted: 1, quarantined: 1, ..DrainResult::default() });
    assert_eq!((depth(&spill, &failed()), spill.wake_at()), ((0, 1), None));
    let again = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
    assert_eq!((depth(&again, &failed()), again.wake_at()), ((0, 1), None));
}

#[test]
fn one_attempt_of_a_stream_runs_at_a_time() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    let lost = take(&mut spill, &storage, &events());
    assert!(spill.begin_attempt(&storage, &events(), MIB, 59_999).unwrap().is_none());
    assert_eq!((spill.due(59_999), spill.wake_at()), (vec![], Some(60_000)));
    assert_eq!(spill.due(60_000), [events()]);
    let batch = spill.begin_attempt(&storage, &events(), MIB, 60_000).unwrap().unwrap();
    let late = end_attempt(&mut spill, &storage, lost, |_| RecordStatus::Delivered);
    assert_eq!(late, DrainResult::default());
    assert_eq!(end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered).accepted, 2);
}

#[test]
fn each_record_has_its_own_status_after_another_report() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..3);
    push(&mut spill, &storage, &events(), 3..6);
    let batch = take(&mut spill, &storage, &events());
    let RecordStatus::Rejected(error) = rejected() else { panic!() };
    let problem = DeliveryError::Rejected(AwsError { class: ErrorClass::Config, ..error });
    let report = DeliveryReport {
        problem: Some(problem),
        ..report(batch.batch.records, |_| RecordStatus::Pending)
    };
    spill.end_attempt(&storage, batch.token, report, &failed(), 0, 0).unwrap();
    let batch = take(&mut spill, &storage, &events());
    assert_eq!(numbers(&batch.batch.records), [3, 4, 5, 0, 1, 2]);
    let second = |number| if number < 3 { RecordStatus::Pending } else { RecordStatus::Delivered };
    assert_eq!(end_attempt(&mut spill, &storage, batch, second).accepted, 3);
    assert_eq!(numbers(&take(&mut spill, &storage, &events()).batch.records), [0, 1, 2]);
}

#[test]
fn a_report_of_other_records_removes_nothing() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    let SpilledBatch { token, .. } = take(&mut spill, &storage, &events());
    let report = report(vec![numbered(0, 0)], |_| RecordStatus::Delivered);
    let progress = spill.end_attempt(&storage, token, report, &failed(), 0, 0).unwrap();
    assert_eq!((progress.left, depth(&spill, &events())), (2, (2, 0)));
}

#[test]
fn a_long_backlog_is_not_read_for_the_stream_behind_it() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    for number in 0..2_500 {
        push(&mut spill, &storage, &events(), number..number + 1);
    }
    push(&mut spill, &storage, &failed(), 7..8);
    let again = Spill::load(&storage, SpillConfig::default(), 0).unwrap();
    assert_eq!((depth(&again, &events()), depth(&again, &failed())), ((2_500, 0), (1, 0)));
    assert_eq!(again.next_sequence, spill.next_sequence);
    let batch = take(&mut spill, &storage, &failed());
    assert_eq!(numbers(&batch.batch.records), [7]);
    assert_eq!(end_attempt(&mut spill, &storage, batch, |_| RecordStatus::Delivered).accepted, 1);
}

#[test]
fn parallel_attempts_of_a_stream_have_different_rows() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    for first in (0..50).step_by(10) {
        push(&mut spill, &storage, &events(), first..first + 10);
    }
    let max = BatchLimits { records: 10, ..MIB };
    let take = |spill: &mut Spill| spill.begin_attempt(&storage, &events(), max, 0).unwrap();
    let first = take(&mut spill).unwrap();
    assert!(take(&mut spill).is_none(), "one, until it takes something");
    let but_nine =
        |number| if number == 9 { RecordStatus::Pending } else { RecordStatus::Delivered };
    end_attempt(&mut spill, &storage, first, but_nine);
    let attempts: Vec<SpilledBatch> = (0..3).map(|_| take(&mut spill).unwrap()).collect();
    assert!(take(&mut spill).is_none());
    let token: Vec<Vec<usize>> =
        attempts.iter().map(|batch| numbers(&batch.batch.records)).collect();
    let rows = [vec![9], (10..20).collect(), (20..30).collect()];
    assert_eq!(token, rows);
    let mut attempts = attempts.into_iter();
    end_attempt(&mut spill, &storage, attempts.next().unwrap(), |_| RecordStatus::Pending);
    end_attempt(&mut spill, &storage, attempts.next().unwrap(), |_| RecordStatus::Delivered);
    let again: Vec<usize> = take(&mut spill).map(|batch| numbers(&batch.batch.records)).unwrap();
    assert_eq!(again, [9], "the oldest first");
    let last = take(&mut spill).unwrap();
    assert_eq!(numbers(&last.batch.records), (30..40).collect::<Vec<_>>(), "past those under way");
    assert_eq!(depth(&spill, &events()), (31, 0));
}

#[test]
fn rows_in_flight_leave_nothing_to_attempt() {
    let storage = Memory::default();
    let mut spill = spill(&storage);
    push(&mut spill, &storage, &events(), 0..2);
    spill.stream_accepts(&events(), 0);
    let only = take(&mut spill, &storage, &events());
    assert_eq!(spill.due(0), [events()]);
    assert!(spill.begin_attempt(&storage, &events(), MIB, 0).unwrap().is_none());
    assert!(spill.due(0).is_empty(), "until one ends, or more comes");
    push(&mut spill, &storage, &events(), 2..3);
    assert_eq!(numbers(&take(&mut spill, &storage, &events()).batch.records), [2]);
    end_attempt(&mut spill, &storage, only, |_| RecordStatus::Delivered);
    assert_eq!(depth(&spill, &events()), (1, 0));
}

/// Whether the object outlasts the wait before an attempt.
#[derive(Debug, Clone, Copy, PartialEq)]
enum ObjectFate {
    Stays,
    /// It gets no request, and so it is lost with all that it has in memory.
    IsLost,
}

/// If a stream is not known to accept anything, a delivery blames it for three rejected records in
/// a row. After a restart, an attempt may begin with three of them.
#[test]
fn records_that_always_fail_do_not_block_those_behind_them() {
    for (row, max_bytes) in [(40, MIB.bytes), (10, MIB.bytes), (10, 1), (1, 1)] {
        for object in [ObjectFate::Stays, ObjectFate::IsLost] {
            let storage = Memory::default();
            let mut spill = spill(&storage);
            for first in (0..40).step_by(row) {
                push(&mut spill, &storage, &events(), first..first + row);
            }
            let what = format!("rows of {row}, {max_bytes} bytes at once, the object {object:?}");
            drain_past_poison(&mut spill, &storage, max_bytes, object, &what);
            let depths = (depth(&spill, &events()), depth(&spill, &failed()));
            assert_eq!(depths, ((0, 0), (20, 0)), "{what}");
            let is_place = |key: &Vec<u8>| RetryCursor::is_key(key);
            assert!(!storage.keys(Table::Spill, &[], 99).unwrap().iter().any(is_place), "{what}");
        }
    }
}

/// Delivers the events until none is queued. The stream accepts those from 20 on, and nothing else.
fn drain_past_poison(
    spill: &mut Spill,
    storage: &Memory,
    max_bytes: usize,
    object: ObjectFate,
    what: &str,
) {
    let (mut now, mut health, mut token) = (0, StreamHealth::default(), 0);
    for _ in 0..100 {
        if object == ObjectFate::IsLost && !spill.is_due(&events(), now) {
            health = StreamHealth::default();
            *spill = Spill::load(storage, SpillConfig::default(), now).unwrap();
        }
        now = now.max(spill.wake_at().unwrap_or(now));
        let max = BatchLimits { bytes: max_bytes, ..MIB };
        let Some(batch) = spill.begin_attempt(storage, &events(), max, now).unwrap() else { break };
        let policy = stream_delivery::DeliveryConfig::default();
        let mut delivery = StreamDelivery::new(batch.batch, policy, now);
        while let Action::Send { records, .. } = delivery.step(now, &mut health) {
            let poison =
                |record: &AggregatedRecord<'_>| record.lines().any(|line| number(line) < 20);
            let (status, body) = match records.iter().any(poison) {
                true => (400, r#"{"__type":"ValidationException"}"#.to_owned()),
                false => {
                    let entries = vec![r#"{"RecordId":"r"}"#; records.len()].join(",");
                    (200, format!(r#"{{"FailedPutCount":0,"RequestResponses":[{entries}]}}"#))
                }
            };
            let answer = HttpResponse { status, retry_after_ms: None, body: body.into_bytes() };
            delivery.reply(CallResult::Answered(answer), now, 0, &mut health);
        }
        let report = delivery.finish(now, &health);
        let settled = spill.end_attempt(storage, batch.token, report, &failed(), now, 0).unwrap();
        token += settled.accepted;
    }
    assert_eq!(token, 20, "{what}");
}
