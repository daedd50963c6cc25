//! Tests the shard case by case; `properties` tests its guarantees while everything fails.

mod admission;
mod batches;
pub mod fake_streams;
mod fan_out;
mod overload;
pub mod properties;
mod shares;
pub mod simulation;
mod starting;
mod stream_sets;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

use chrono::DateTime;
use serde_json::{Value, json};

use super::*;
use crate::base::keyed_hash::tests::hash_key;
use crate::config::{Binding, Config, DeliveryMode, RawConfig};
use crate::delivery::health::DeliveryError;
use crate::delivery::response::{AwsError, ErrorClass};
use crate::model::device_key::{DeviceHasher, DeviceKey};
use crate::model::event::{EventId, EventIdGenerator};
use crate::model::fan_out::FanOut;
use crate::model::quota::{ItemTenant, QuotaUse};
use crate::model::replay::Redelivery;
use crate::model::session::SessionInfo;
use crate::shard::copies::Slots;
use crate::shard::dedup::DedupKey;
use crate::shard::protocol::batch_request::{DeviceIdentity, EventIdentity, Sender, ShardItem};
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
    let identity = EventIdentity {
        key,
        session_event,
        stated_time: None,
        device: known,
        redelivery: Redelivery::No,
        sender: Sender::default(),
    };
    let line = json!({"event_id": event_id(event), "event": event, "device": device});
    ShardItem { event: Some(identity), ..failed(&line) }
}

fn failed(line: &Value) -> ShardItem<'static> {
    let record = Record::restore("key", format!("{line}\n").as_bytes()).unwrap();
    let tenant = Arc::new(ItemTenant { name: "a".to_owned(), quota: None });
    let to = Cow::Owned(stream(EVENTS).into());
    let quota_use = QuotaUse::One;
    ShardItem { to, tenant, quota_use, record, event: None, previous_shard: None }
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

impl ShardCore {
    fn goes_to_spill(
        &self,
        batch: BatchId,
        stream: &Stream,
        accepting_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> bool {
        self.exit_of(batch, stream, accepting_at(stream)) != BatchExit::ToStream
    }

    /// Closes a batch, whether or not it has to wait for others.
    fn close_at(
        &mut self,
        batch: BatchId,
        stream: Stream,
        accepting_at: impl FnOnce(&Stream) -> Option<Milliseconds>,
    ) -> Option<BatchAction> {
        let exit = self.exit_of(batch, &stream, accepting_at(&stream));
        self.close(batch, stream, exit)
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
    now: u64,
}

impl Bench {
    fn new(sharding: ShardConfig) -> Self {
        let storage = Unread::default();
        let shard = ShardCore::load(&storage, &sharding, hash_key(), 0).unwrap();
        let (sessions, sick) = (Cell::new(0), Vec::new());
        Self { shard, storage, config: config(sharding), sessions, sick, now: 0 }
    }

    fn try_admit(&mut self, items: Vec<ShardItem<'static>>) -> Result<AdmitResult, AdmitError> {
        let random = || {
            self.sessions.set(self.sessions.get() + 1);
            [self.sessions.get(); 10]
        };
        let sick = self.sick.clone();
        let is_sick = |of: &Stream| sick.contains(of);
        self.shard.admit(
            items.into(),
            &self.storage,
            &self.config.destinations,
            self.now,
            random,
            is_sick,
        )
    }

    fn admit(&mut self, items: Vec<ShardItem<'static>>) -> AdmitResult {
        self.try_admit(items).unwrap()
    }

    fn admissions(&mut self, items: Vec<ShardItem<'static>>) -> Vec<Admission> {
        self.admit(items).admissions
    }

    /// Returns the batches that were opened since this was asked, or one was closed.
    fn opened(&mut self) -> Vec<BatchId> {
        self.shard.batches.take_opened()
    }

    /// Closes a batch, which is then in flight, and returns its records.
    fn close(&mut self, batch: BatchId) -> StreamBatch {
        self.opened();
        let stream = self.shard.batches.set_of(batch).unwrap().first().clone();
        match self.shard.close_at(batch, stream, |_| None) {
            Some(BatchAction::Deliver(closed)) => closed,
            other => panic!("{other:?}"),
        }
    }

    fn end_batch(
        &mut self,
        batch: BatchId,
        closed: StreamBatch,
        status: RecordStatus,
    ) -> EndedBatch {
        let records = closed.records.into_iter().map(|record| (record, status.clone())).collect();
        let report = DeliveryReport { records, retry_after_s: 7, ..DeliveryReport::default() };
        self.shard.end_batch(
            batch,
            &closed.stream,
            report,
            &self.storage,
            &self.config.destinations,
            0,
        )
    }

    /// Closes a batch, and ends it with this status for all of its records.
    fn end(&mut self, batch: BatchId, status: RecordStatus) -> EndedBatch {
        let closed = self.close(batch);
        self.end_batch(batch, closed, status)
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

fn slots(batch: BatchId, index: usize) -> Slots {
    slot(batch, index).into()
}
