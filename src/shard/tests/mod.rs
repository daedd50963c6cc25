//! Tests the shard case by case; `properties` tests its guarantees while everything fails.

pub mod fake_streams;
pub mod properties;
pub mod simulation;

use std::borrow::Cow;
use std::cell::Cell;

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::config::{Binding, Config, DeliveryMode, RawConfig};
use crate::delivery::health::DeliveryError;
use crate::delivery::response::{AwsError, ErrorClass};
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::replay::Redelivery;
use crate::shard::sessions::SessionEvent;
use crate::shard::storage::Table;
use crate::shard::storage::tests::Memory;

const EVENTS: &str = "firehose:events";
const ORDERS: &str = "kinesis:orders";
const FAILED: &str = "firehose:events-failed";

fn stream(name: &str) -> Stream {
    Stream::parse(name).unwrap()
}

fn config(sharding: ShardConfig) -> Config {
    let mut settings = RawConfig { shard: Binding::Present, ..crate::config::tests::settings() };
    let headwater = settings.headwater.as_mut().unwrap();
    headwater["routes"] = json!([{"name": "order_*", "to": ORDERS}, {"to": EVENTS}]);
    Config { mode: DeliveryMode::Sharded(sharding), ..Config::parse(settings).unwrap() }
}

fn key(device: u8) -> DeviceKey {
    DeviceKey::from_bytes([device; 16])
}

fn event_id(event: u8) -> EventId {
    EventIdGenerator::new(DateTime::UNIX_EPOCH, [event; 10]).next_id()
}

/// Returns an event of a device, with its id and the time when it occurred.
fn event(device: u8, event: u8, at: i64) -> ShardItem<'static> {
    let session_event = SessionEvent { at, event_id: event_id(event), starts_session: false };
    let (key, known) = (key(device), DeviceIdentity::Known { previous: None });
    let identity = EventIdentity { key, session_event, device: known, redelivery: Redelivery::No };
    let line = json!({"event_id": event_id(event), "event": event, "device": device});
    ShardItem { event: Some(identity), ..failed(&line) }
}

fn failed(line: &Value) -> ShardItem<'static> {
    let record = Record::restore("key", "", format!("{line}\n").as_bytes()).unwrap();
    ShardItem { stream: Cow::Owned(stream(EVENTS)), record, event: None, previous_shard: None }
}

/// Returns the columns of a record.
fn columns(record: &Record) -> Value {
    serde_json::from_slice(record.bytes()).unwrap()
}

fn rejected() -> RecordStatus {
    let code = "ValidationException".to_owned();
    RecordStatus::Rejected(AwsError {
        class: ErrorClass::InvalidRecord,
        code,
        message: String::new(),
    })
}

fn durable() -> SettledRecord {
    ItemStatus::Durable.into()
}

fn not_durable(code: &str) -> SettledRecord {
    ItemStatus::NotDurable { code: code.to_owned(), retry_after_s: 7 }.into()
}

/// A storage whose reads can fail.
#[derive(Default)]
struct Unread {
    memory: Memory,
    reads_fail: Cell<bool>,
}

impl Unread {
    fn read(&self) -> Result<&Memory, StorageError> {
        match self.reads_fail.get() {
            true => Err(StorageError("not read".to_owned())),
            false => Ok(&self.memory),
        }
    }
}

impl Storage for Unread {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        self.read()?.get(table, key)
    }

    fn put(&self, table: Table, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.memory.put(table, key, value)
    }

    fn delete(&self, table: Table, key: &[u8]) -> Result<(), StorageError> {
        self.memory.delete(table, key)
    }

    fn change(
        &self,
        table: Table,
        changes: &[(Vec<u8>, Option<Vec<u8>>)],
    ) -> Result<(), StorageError> {
        self.memory.change(table, changes)
    }

    fn keys(&self, table: Table, after: &[u8], max: usize) -> Result<Vec<Vec<u8>>, StorageError> {
        self.read()?.keys(table, after, max)
    }
}

/// A shard and its surroundings.
struct Bench {
    shard: ShardCore,
    storage: Unread,
    config: Config,
    sessions: Cell<u8>,
    /// The streams that fail.
    sick: Vec<Stream>,
}

impl Bench {
    fn new(sharding: ShardConfig) -> Self {
        let storage = Unread::default();
        let shard = ShardCore::load(&storage, &sharding, 0).unwrap();
        Self { shard, storage, config: config(sharding), sessions: Cell::new(0), sick: Vec::new() }
    }

    fn try_admit(&mut self, items: Vec<ShardItem<'static>>) -> Result<AdmitResult, AdmitError> {
        let random = || {
            self.sessions.set(self.sessions.get() + 1);
            [self.sessions.get(); 10]
        };
        let sick = self.sick.clone();
        let is_sick = |of: &Stream| sick.contains(of);
        self.shard.admit(items, &self.storage, &self.config.destinations, 0, random, is_sick)
    }

    fn admit(&mut self, items: Vec<ShardItem<'static>>) -> AdmitResult {
        self.try_admit(items).unwrap()
    }

    fn admissions(&mut self, items: Vec<ShardItem<'static>>) -> Vec<Admission> {
        self.admit(items).admissions
    }

    /// Closes a batch, which is then in flight, and returns its records.
    fn close(&mut self, batch: BatchId) -> StreamBatch {
        match self.shard.close(batch, |_| None) {
            Some(BatchAction::Deliver(closed)) => closed,
            other => panic!("{other:?}"),
        }
    }

    fn apply_report(
        &mut self,
        batch: BatchId,
        closed: StreamBatch,
        status: RecordStatus,
    ) -> ApplyResult {
        let records = closed.records.into_iter().map(|record| (record, status.clone())).collect();
        let report = DeliveryReport { records, retry_after_s: 7, ..DeliveryReport::default() };
        self.shard.apply_report(
            batch,
            &closed.stream,
            report,
            &self.storage,
            &self.config.destinations,
            0,
        )
    }

    /// Closes a batch, and ends it with this status for all of its records.
    fn end(&mut self, batch: BatchId, status: RecordStatus) -> ApplyResult {
        let closed = self.close(batch);
        self.apply_report(batch, closed, status)
    }

    /// Returns how many records of a stream are queued in the spill.
    fn spilled(&self, name: &str) -> u64 {
        let depth = self.shard.status(0).spill.into_iter().find(|it| it.stream == stream(name));
        depth.map_or(0, |depth| depth.records)
    }
}

fn slot(batch: BatchId, index: usize) -> Slot {
    Slot { batch, index }
}

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
        bench.admit(vec![ShardItem { stream: Cow::Owned(stream(FAILED)), ..failed(&json!({})) }]);
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
fn a_request_may_contain_repeats() {
    let no_device = |number| {
        let mut item = event(1, number, 0);
        let identity = item.event.as_mut().unwrap();
        identity.key = DeviceKey::of_event("a", event_id(number));
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
                .map(|_| ShardItem { stream: Cow::Owned(stream(ORDERS)), ..filler(1) })
                .collect(),
            vec![1],
            vec![1],
        ),
        ((0..502).map(|_| filler(1)).collect(), vec![1], vec![]),
        (
            vec![filler(1), ShardItem { stream: Cow::Owned(stream(ORDERS)), ..filler(1) }],
            vec![1, 2],
            vec![],
        ),
    ] {
        let mut bench = Bench::new(ShardConfig::default());
        assert_eq!(bench.admit(items).events, BatchEvents { opened, full });
    }
}

#[test]
fn a_batch_closes_once_and_settles_once() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    let closed = bench.close(1);
    assert!(bench.shard.close(1, |_| None).is_none() && bench.shard.close(2, |_| None).is_none());
    let again = StreamBatch { stream: closed.stream.clone(), records: closed.records.clone() };
    assert_eq!(bench.apply_report(1, closed, RecordStatus::Pending).records, [durable()]);
    assert_eq!(bench.apply_report(1, again, RecordStatus::Pending), ApplyResult::default());
    assert_eq!(bench.spilled(EVENTS), 1);
}

#[test]
fn records_of_a_stream_with_a_spill_go_behind_it() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    bench.end(1, RecordStatus::Pending);
    bench.admit(vec![
        event(1, 2, 0),
        ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(1, 3, 0) },
    ]);
    assert_eq!(bench.close(3).stream, stream(ORDERS), "it has none");
    let Some(BatchAction::Spill(to, report)) = bench.shard.close(2, |_| None) else {
        panic!("not spilled")
    };
    assert_eq!(to, stream(EVENTS));
    let settled =
        bench.shard.apply_report(2, &to, report, &bench.storage, &bench.config.destinations, 0);
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
        (ShardConfig::default(), true, not_durable("storage"), Admission::Queued(slot(2, 0))),
        (tight, false, not_durable("spill_full"), Admission::Queued(slot(2, 0))),
    ] {
        let mut bench = Bench::new(sharding);
        bench.admit(vec![event(1, 1, 0)]);
        let closed = bench.close(1);
        bench.storage.memory.full.set(storage_is_full);
        let settled = bench.apply_report(1, closed, RecordStatus::Pending);
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
        bench.shard.apply_report(1, &stream, report, &bench.storage, &bench.config.destinations, 0);
    let refused = || "ValidationException".to_owned();
    let expected = [
        durable(),
        SettledRecord { status: ItemStatus::Rejected(refused()), failed: vec![slot(2, 0)] },
        not_durable("storage"),
        durable(),
    ];
    assert_eq!(settled.records, expected);
    assert_eq!((settled.spilled, settled.events.opened), (0, vec![2]));
    let admissions = bench.admissions((1..=4).map(|number| event(1, number, 0)).collect());
    let events = |index| Admission::Queued(slot(3, index));
    assert_eq!(admissions, [Admission::Duplicate, events(0), events(1), Admission::Duplicate]);
}

#[test]
fn poison_becomes_a_failed_event_in_the_failed_stream() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![event(1, 1, 0)]);
    let settled = bench.end(1, rejected());
    let status = ItemStatus::Rejected("ValidationException".to_owned());
    assert_eq!(settled.records, [SettledRecord { status, failed: vec![slot(2, 0)] }]);
    assert_eq!(settled.events, BatchEvents { opened: vec![2], full: vec![] });
    assert!(bench.shard.status(0).buffer_bytes > 0);
    let closed = bench.close(2);
    assert_eq!(closed.stream, bench.config.destinations.failed);
    let line = columns(&closed.records[0]);
    assert_eq!(line["event_id"], json!(event_id(1)));
    assert!(line["original"].as_str().unwrap().contains("session_id"));
    assert_eq!(
        bench.apply_report(2, closed, rejected()).records,
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
    bench.apply_report(1, closed, RecordStatus::Delivered);
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
    let orders = |number| ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(1, number, 0) };
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
    assert!(!bench.shard.batches.is_blocked(1) && bench.shard.goes_to_spill(1, |_| Some(9)));
    let Some(BatchAction::Spill(to, report)) = bench.shard.close(1, |_| Some(9)) else { panic!() };
    let settled =
        bench.shard.apply_report(1, &to, report, &bench.storage, &bench.config.destinations, 0);
    assert_eq!((settled.records.len(), settled.spilled, bench.spilled(EVENTS)), (4, 4, 4));
    assert_eq!(bench.close(2).stream, stream(ORDERS));
}

#[test]
fn new_batches_of_a_failing_stream_leave_memory_at_once() {
    let limit = event(1, 1, 0).record.bytes().len() * 3;
    let mut bench = Bench::new(ShardConfig { buffer_bytes: limit, ..ShardConfig::default() });
    bench.sick = vec![stream(EVENTS)];
    let request =
        |number| vec![ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(1, number, 0) }];
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
    bench.shard.apply_report(1, &stream, report, &bench.storage, &bench.config.destinations, 50);
    assert_eq!((bench.spilled(EVENTS), bench.shard.spill().due(50).len()), (1, 1), "at once");
    bench.admit(vec![event(1, 3, 0), event(1, 4, 0)]);
    assert!(bench.shard.goes_to_spill(2, |_| None), "its breaker is open");
    assert!(!bench.shard.goes_to_spill(2, |_| Some(49)));
    let Some(BatchAction::Deliver(closed)) = bench.shard.close(2, |_| Some(49)) else { panic!() };
    let records =
        closed.records.into_iter().map(|record| (record, RecordStatus::Pending)).collect();
    let report = DeliveryReport {
        records,
        problem: Some(DeliveryError::TimedOut),
        ..DeliveryReport::default()
    };
    bench.shard.apply_report(2, &stream, report, &bench.storage, &bench.config.destinations, 60);
    bench.admit(vec![event(1, 5, 0)]);
    assert!(bench.shard.goes_to_spill(3, |_| Some(49)), "it takes nothing since");
    assert!(!bench.shard.goes_to_spill(3, |_| Some(61)));
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
    bench.admit(vec![ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(1, 3, 1) }]);
    let after = columns(&bench.close(1).records[0]);
    assert_eq!(after["session_id"], before["session_id"]);
}

#[test]
fn the_last_batch_in_flight_writes_the_checkpoint() {
    let mut bench = Bench::new(ShardConfig::default());
    let of_orders = ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(2, 2, 0) };
    bench.admit(vec![event(1, 1, 0), of_orders]);
    bench.end(1, RecordStatus::Delivered);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::No, "another batch is under way");
    bench.end(2, RecordStatus::Delivered);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::Now);
    bench.shard.checkpoint(&bench.storage, 0).unwrap();
    assert_eq!(bench.admissions(vec![event(1, 1, 0)]), [Admission::Duplicate]);
    assert_eq!(bench.shard.checkpoint_due(0), CheckpointDue::No, "a repeat changes nothing");
}

/// Returns the batches that start at `now`, when to look again, and whether any is blocked.
fn next(bench: &mut Bench, now: u64, calls: usize) -> (Vec<BatchId>, Option<u64>, bool) {
    let next = bench.shard.next_actions(now, 100, calls, |_| None);
    (next.start.iter().map(|(batch, _)| *batch).collect(), next.wake_at, next.is_blocked)
}

#[test]
fn a_batch_starts_once_it_has_lingered_and_a_call_is_free() {
    let mut bench = Bench::new(ShardConfig::default());
    bench.admit(vec![
        event(1, 1, 0),
        ShardItem { stream: Cow::Owned(stream(ORDERS)), ..event(1, 2, 0) },
    ]);
    assert_eq!(next(&mut bench, 0, 6), (vec![], Some(100), false));
    assert_eq!(next(&mut bench, 99, 6), (vec![], Some(100), false));
    assert_eq!(next(&mut bench, 100, 0), (vec![], None, true));
    assert_eq!(next(&mut bench, 100, 1), (vec![1], None, true), "oldest first");
    assert_eq!(next(&mut bench, 100, 1), (vec![2], None, false));
    assert_eq!(next(&mut bench, 100, 1), (vec![], None, false));
}

#[test]
fn a_full_batch_starts_before_it_has_lingered() {
    let mut bench = Bench::new(ShardConfig::default());
    let half = failed(&json!({"x": "x".repeat(400_000)}));
    bench.admit(vec![half.clone()]);
    assert_eq!(next(&mut bench, 1, 6), (vec![], Some(100), false));
    bench.admit(vec![half]);
    assert_eq!(next(&mut bench, 1, 6), (vec![1], None, false));
}

#[test]
fn a_clock_that_is_set_back_lets_no_batch_linger_on() {
    let mut bench = Bench::new(ShardConfig::default());
    let (random, is_sick) = (|| [0; 10], |_: &Stream| false);
    let destinations = &bench.config.destinations;
    let admitted = bench.shard.admit(
        vec![event(1, 1, 0)],
        &bench.storage,
        destinations,
        9_000,
        random,
        is_sick,
    );
    assert!(admitted.is_ok());
    assert_eq!(next(&mut bench, 9_000, 6), (vec![], Some(9_100), false));
    assert_eq!(next(&mut bench, 1_000, 6), (vec![1], None, false));
}

#[test]
fn a_third_batch_of_a_stream_starts_after_the_end_of_one() {
    let mut bench = Bench::new(ShardConfig::default());
    let mut started = Vec::new();
    for number in 1..=3 {
        bench.admit(vec![event(1, number, 0)]);
        started.extend(bench.shard.next_actions(100, 100, 6, |_| None).start);
    }
    let Some((1, BatchAction::Deliver(first))) = started.into_iter().next() else { panic!() };
    assert_eq!(next(&mut bench, 200, 6), (vec![], None, true));
    bench.apply_report(1, first, RecordStatus::Delivered);
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
