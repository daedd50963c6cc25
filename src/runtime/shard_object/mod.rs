//! The Durable Object around a shard: its requests, the timers of its batches, its alarm.
//!
//! Requests wait until their batches have ended. Each batch is driven by a task of its own, so that
//! a request that is aborted takes no records with it. Nothing here is borrowed across an await:
//! other requests of the object run in between.

pub mod drain;
pub mod quota;
pub mod report;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use futures_channel::oneshot;
use futures_channel::oneshot::Canceled;
use futures_util::future::{FutureExt, LocalBoxFuture, Shared, join_all};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;
use worker::{Env, console_log};

use super::bindings::{now_ms, random};
use super::gate::{CallSlot, Gate};
use super::io::{self, Caller};
use super::log::{self, Component};
use super::shard_client::ShardMethod;
use super::storage::Sqlite;
use super::{bindings, deliver, health, shard_client, stream_health, tasks};
use crate::base::clock::Milliseconds;
use crate::base::keyed_hash::HashKey;
use crate::config::Config;
use crate::delivery::call_slots::CallPurpose;
use crate::delivery::stats::DeliveryStats;
use crate::delivery::stream_delivery::DeliveryReport;
use crate::model::placement::ShardNumber;
use crate::model::shard_address::ShardAddress;
use crate::model::stream::Stream;
use crate::ops::health::report::Reporter;
use crate::shard;
use crate::shard::alarm::Alarm;
use crate::shard::batcher::{BatchId, Slot};
use crate::shard::checkpoint_schedule::{CheckpointDue, GAP_MS};
use crate::shard::item_progress::ItemProgress;
use crate::shard::protocol::batch_request::ShardItem;
use crate::shard::protocol::batch_response::{BatchResponse, ItemStatus};
use crate::shard::protocol::error::ShardError;
use crate::shard::protocol::{batch_request, quarantine, session_transfer};
use crate::shard::storage::StorageError;
use crate::shard::{Admission, AdmitRequest, BatchAction, EndedBatch, NextActions, SettledRecord};

/// Fallback alarm set before each drain, so that a crashed drain is retried after this many
/// milliseconds. It does not interrupt a drain that is still running.
pub const NEXT_ALARM_MS: u64 = 15_000;

/// When the next alarm goes off after one that failed, in milliseconds.
const ALARM_AGAIN_MS: u64 = 10_000;

/// How long another shard may take to transfer sessions, in milliseconds.
pub const EXPORT_SESSIONS_MS: u64 = 2_000;

/// The bytes after which a call to quarantine records stops, and leaves the rest to the next call.
const WITHDRAWN_BYTES: u64 = 4_194_304;

/// The result of a batch, once it has ended.
type BatchFuture = Shared<LocalBoxFuture<'static, Rc<BatchResult>>>;

/// The result of a batch.
#[derive(Default)]
struct BatchResult {
    /// The status of each record, in their order.
    statuses: Vec<ItemStatus>,
    sending: DeliveryStats,
}

/// Batches that may not have ended, each once.
struct AwaitedBatches(Vec<(BatchId, BatchFuture)>);

/// The results of batches.
struct BatchResults(Vec<(BatchId, Rc<BatchResult>)>);

impl AwaitedBatches {
    /// Waits for all of them.
    async fn results(self) -> BatchResults {
        let mut results = Vec::with_capacity(self.0.len());
        for (batch, result) in self.0 {
            results.push((batch, result.await));
        }
        BatchResults(results)
    }
}

impl BatchResults {
    fn status_of(&self, Slot { batch, index }: Slot) -> ItemStatus {
        let result = self.0.iter().find(|(of, _)| *of == batch);
        let status = result.and_then(|(_, result)| result.statuses.get(index)).cloned();
        // Unreachable unless there is a bug; treat unknown as not durable.
        status.unwrap_or_else(|| ItemStatus::NotDurable {
            code: "lost".to_owned(),
            retry_after_s: DeliveryReport::RETRY_AFTER_S,
        })
    }

    fn sending(&self) -> DeliveryStats {
        let each = self.0.iter().map(|(_, result)| result.sending);
        each.fold(DeliveryStats::default(), DeliveryStats::beside)
    }
}

/// The Durable Object of a shard.
#[wasm_bindgen]
pub struct Shard {
    inner: Rc<ShardObject>,
}

struct ShardObject {
    /// Its tables, open or not.
    storage: Sqlite,
    /// The name by which it is called.
    name: String,
    /// Its address, if its name has one.
    address: Option<ShardAddress>,
    env: Env,
    /// Loaded at the first request.
    loaded: RefCell<Option<(Rc<Config>, Sqlite)>>,
    shard: RefCell<Option<shard::ShardCore>>,
    batches: RefCell<HashMap<BatchId, BatchDelivery>>,
    /// When the batches are driven next, if a timer is set.
    drives_at: Cell<Option<Milliseconds>>,
    /// Whether a task waits for a free call, to drive the batches.
    waits_for_call: Cell<bool>,
    /// Whether a delayed checkpoint is scheduled.
    checkpoint_waits: Cell<bool>,
    /// The time of the alarm, if it is known.
    alarm: RefCell<Alarm>,
    /// Limits the calls of all requests of the object. Batches wait here for a free call, too.
    gate: Rc<Gate>,
    /// The trouble that the shard has reported.
    reporter: RefCell<Reporter>,
    /// Whether a report is being sent.
    reports: Cell<bool>,
    /// Whether a task waits for the end of a lease.
    renews_quotas: Cell<bool>,
    /// The requests that wait for the answer of a tenant's home to another request.
    quota_waiters: RefCell<Vec<oneshot::Sender<()>>>,
}

/// A batch that has not ended, and its result once it has.
struct BatchDelivery {
    result: BatchFuture,
    sender: oneshot::Sender<Rc<BatchResult>>,
}

#[wasm_bindgen]
impl Shard {
    #[wasm_bindgen(constructor)]
    pub fn new(storage: JsValue, name: String, env: Env) -> Self {
        Self {
            inner: Rc::new(ShardObject {
                storage: Sqlite::of(storage),
                address: ShardAddress::of_object(&name),
                name,
                env,
                loaded: RefCell::default(),
                shard: RefCell::default(),
                batches: RefCell::default(),
                drives_at: Cell::default(),
                waits_for_call: Cell::default(),
                checkpoint_waits: Cell::default(),
                alarm: RefCell::default(),
                gate: Rc::new(Gate::of_object()),
                reporter: RefCell::default(),
                reports: Cell::new(false),
                renews_quotas: Cell::default(),
                quota_waiters: RefCell::default(),
            }),
        }
    }

    /// Calls a [`ShardMethod`].
    pub fn call(&self, method: &str, body: Vec<u8>, caller: JsValue) {
        let (inner, caller) = (Rc::clone(&self.inner), Caller::new(caller));
        let method = ShardMethod::of(method);
        tasks::spawn(async move {
            let answer = match method {
                Some(ShardMethod::Batch) => match inner.admit_batch(body).await {
                    Ok(response) => match response.number() {
                        Some(number) => return caller.number(number),
                        None => Ok(response.encode()),
                    },
                    Err(error) => Err(error),
                },
                Some(ShardMethod::ExportSessions) => inner.export_sessions(&body),
                Some(ShardMethod::LeaseQuota) => inner.grant_quota(&body).await,
                Some(ShardMethod::HandOverQuota) => inner.hand_over_quota(&body),
                Some(ShardMethod::Status) => inner.status(),
                Some(ShardMethod::Quarantine) => inner.quarantined(&body),
                Some(ShardMethod::DeleteQuarantined) => inner.delete_quarantined(&body),
                Some(ShardMethod::Withdraw) => inner.withdraw(&body),
                Some(ShardMethod::Report) => inner.store_report(&body),
                Some(ShardMethod::Reports) => inner.stored_reports(),
                None => Err(ShardError::UnknownMethod),
            };
            match answer {
                Ok(bytes) => caller.bytes(&bytes),
                Err(error) => caller.fail(&error.encode()),
            }
        });
    }

    /// Runs the alarm. It never fails: the runtime would retry only a few times.
    pub fn alarm(&self, caller: JsValue) {
        let (inner, caller) = (Rc::clone(&self.inner), Caller::new(caller));
        tasks::spawn(async move {
            // The next alarm is set first, in case that this one fails.
            inner.alarm.borrow_mut().forget();
            inner.wake_at(now_ms().saturating_add(NEXT_ALARM_MS));
            if let Err(why) = inner.drain().await {
                log::error(Component::Shard, format_args!("the spill was not drained: {why}"));
                inner.wake_at(now_ms().saturating_add(ALARM_AGAIN_MS));
            }
            caller.number(0.0);
        });
    }
}

impl ShardObject {
    /// Loads the configuration and the storage at the first call.
    fn load(&self) -> Result<(Rc<Config>, Sqlite), ShardError> {
        if let Some((config, storage)) = &*self.loaded.borrow() {
            return Ok((Rc::clone(config), storage.clone()));
        }
        let config = bindings::config(&self.env)
            .map_err(|error| ShardError::NotConfigured(error.to_string()))?;
        let load = || -> Result<_, StorageError> {
            let storage = self.storage.clone();
            storage.open()?;
            let (sharding, hash_key) = (config.shard_config(), HashKey::new(random()));
            let mut shard = shard::ShardCore::load(&storage, sharding, hash_key, now_ms())?
                .with_number(self.own_number());
            let was_troubled = report::was_troubled(&storage)?;
            *self.reporter.borrow_mut() = Reporter::resumed(was_troubled);
            // The alarm also reports changes from while the shard was not loaded.
            self.wake_by(shard.spill().wake_at().or(was_troubled.then(now_ms)));
            Ok((shard, storage))
        };
        let (shard, storage) = load()?;
        *self.shard.borrow_mut() = Some(shard);
        *self.loaded.borrow_mut() = Some((Rc::clone(&config), storage.clone()));
        Ok((config, storage))
    }

    /// Ensures that the alarm goes off at `at` or earlier, if `at` is given.
    fn wake_by(&self, at: Option<Milliseconds>) {
        let at = at.and_then(|at| self.alarm.borrow_mut().by(at, now_ms()));
        at.into_iter().for_each(|at| self.set_alarm(at));
    }

    /// Ensures that the alarm goes off at `at` and not earlier.
    fn wake_at(&self, at: Milliseconds) {
        let at = self.alarm.borrow_mut().at(at, now_ms());
        at.into_iter().for_each(|at| self.set_alarm(at));
    }

    fn set_alarm(&self, at: Milliseconds) {
        if let Err(error) = self.storage.wake_at(at) {
            self.alarm.borrow_mut().forget();
            log::error(Component::Shard, format_args!("the alarm was not set: {error}"));
        }
    }

    /// Deletes the alarm: an object with nothing to do may sleep.
    fn wake_never(&self) {
        match self.storage.wake_never() {
            Ok(()) => self.alarm.borrow_mut().forget(),
            Err(error) => {
                log::error(Component::Shard, format_args!("the alarm was not taken back: {error}"))
            }
        }
    }

    /// Calls `act` with the shard, which [`ShardObject::load`] has loaded.
    fn with<T>(&self, act: impl FnOnce(&mut shard::ShardCore) -> T) -> Result<T, ShardError> {
        self.shard.borrow_mut().as_mut().map(act).ok_or(ShardError::NotLoaded)
    }

    /// Admits a batch request, and answers once the status of each item is known.
    async fn admit_batch(self: &Rc<Self>, body: Vec<u8>) -> Result<BatchResponse, ShardError> {
        let began = now_ms();
        let (config, storage) = self.load()?;
        let items = batch_request::decode(&body)?;
        // If it were kept until the answer, it would take as much memory again as the records.
        drop(body);
        self.fetch_previous_sessions(&items, &config, &storage).await?;
        let reserves = self.reserve_quotas(&items, &config, &storage).await?;
        let request = AdmitRequest { items, reserves };
        let now = now_ms();
        let is_sick = |stream: &Stream| stream_health::of(stream).borrow().is_sick(now);
        let admit = |shard: &mut shard::ShardCore| {
            let admitted =
                shard.admit(request, &storage, &config.destinations, now, random, is_sick);
            (admitted, shard.spill().wake_at())
        };
        let (admitted, wake_at) = self.with(admit)?;
        // Any request sets a lost alarm again.
        self.wake_by(wake_at);
        // Even a rejected request may have sent batches to the spill.
        self.drive_batches(&config, &storage);
        let admitted = admitted?;
        // Running batches write the changes when they end.
        if self.batches.borrow().is_empty() {
            self.checkpoint(&storage);
        }
        let batches = self.batches_of(admitted.admissions.iter().flat_map(Admission::slots));
        let results = batches.results().await;
        let mut answer = BatchResponse::default();
        let mut refunds = Vec::with_capacity(admitted.admissions.len());
        for admission in &admitted.admissions {
            let records = admission.slots().map(|slot| results.status_of(slot));
            let item = records.fold(admission.progress().0, ItemProgress::and);
            refunds.push(item.is_refunded());
            answer.statuses.push(item.status());
        }
        self.settle_quotas(&refunds, &admitted.charges, &config, &storage);
        answer.sending = results.sending();
        let took_ms = now_ms().saturating_sub(began);
        answer.sending.wait_ms = took_ms.saturating_sub(answer.sending.send_ms);
        // A statistic must not turn known statuses into an error.
        answer.sending.spill_depth = self.with(|shard| shard.spill_depth()).unwrap_or_default();
        answer.overflowing = admitted.overflowing;
        if config.has_inspector {
            answer.sessions = admitted.sessions;
        }
        Ok(answer)
    }

    /// Returns the batches of `slots`, before any await: a batch that has ended is removed.
    fn batches_of(&self, slots: impl Iterator<Item = Slot>) -> AwaitedBatches {
        let (mut awaited, batches) = (Vec::new(), self.batches.borrow());
        for Slot { batch, .. } in slots {
            if awaited.iter().all(|(known, _)| *known != batch) {
                awaited.extend(batches.get(&batch).map(|it| (batch, it.result.clone())));
            }
        }
        AwaitedBatches(awaited)
    }

    /// Starts the batches that may start now, after anything that may have changed that.
    fn drive_batches(self: &Rc<Self>, config: &Rc<Config>, storage: &Sqlite) {
        let linger_ms = config.sharding().map_or(0, |sharding| sharding.linger_ms);
        let (now, free_calls) = (now_ms(), self.gate.free_calls());
        let accepting_at = |stream: &Stream| stream_health::of(stream).borrow().accepting_at();
        let is_avoided = |stream: &Stream| stream_health::is_avoided(stream, now);
        let next = self
            .with(|shard| shard.next_actions(now, linger_ms, free_calls, accepting_at, is_avoided));
        let NextActions { opened, start, wake_at, is_blocked } = next.unwrap_or_default();
        for id in opened {
            let (sender, result) = oneshot::channel();
            let result = result.map(|result: Result<_, Canceled>| result.unwrap_or_default());
            let batch = BatchDelivery { result: result.boxed_local().shared(), sender };
            self.batches.borrow_mut().insert(id, batch);
        }
        for (id, action) in start {
            // The core started no more than there are free calls.
            let call_slot = match action {
                BatchAction::Deliver(_) => self.gate.try_enter(CallPurpose::Caller),
                BatchAction::Spill(..) => None,
            };
            let (object, config, storage) = (Rc::clone(self), Rc::clone(config), storage.clone());
            tasks::spawn(async move {
                let result = Rc::new(object.run(id, action, call_slot, &config, &storage).await);
                let batch = object.batches.borrow_mut().remove(&id);
                // Its caller may have left.
                let _ = batch.map(|batch| batch.sender.send(result));
            });
        }
        if let Some(at) = wake_at {
            self.drive_at(at, config, storage);
        }
        if is_blocked && !self.waits_for_call.replace(true) {
            let (object, config, storage) = (Rc::clone(self), Rc::clone(config), storage.clone());
            tasks::spawn(async move {
                object.gate.changed().await;
                object.waits_for_call.set(false);
                object.drive_batches(&config, &storage);
            });
        }
    }

    /// Drives the batches again at `at`, unless that happens earlier anyway.
    fn drive_at(self: &Rc<Self>, at: Milliseconds, config: &Rc<Config>, storage: &Sqlite) {
        let now = now_ms();
        let planned = self.drives_at.get();
        if planned.is_some_and(|planned| planned <= at && planned > now) {
            return;
        }
        self.drives_at.set(Some(at));
        let (object, config, storage) = (Rc::clone(self), Rc::clone(config), storage.clone());
        tasks::spawn(async move {
            io::wait(at.saturating_sub(now)).await;
            // An earlier time may have been set meanwhile.
            if object.drives_at.get() == Some(at) {
                object.drives_at.set(None);
            }
            object.drive_batches(&config, &storage);
        });
    }

    /// Delivers or spills a batch, and returns its result.
    async fn run(
        self: &Rc<Self>,
        id: BatchId,
        action: BatchAction,
        call_slot: Option<CallSlot>,
        config: &Rc<Config>,
        storage: &Sqlite,
    ) -> BatchResult {
        let began = now_ms();
        let (stream, report) = match action {
            BatchAction::Deliver(batch) => {
                let stream = batch.stream.clone();
                let policy = config.destinations.policy_of(&stream);
                let call_slot = match call_slot {
                    Some(call_slot) => call_slot,
                    None => self.gate.enter(CallPurpose::Caller).await,
                };
                (stream, deliver::deliver_batch(batch, config, policy, call_slot).await)
            }
            BatchAction::Spill(stream, report) => (stream, report),
        };
        let send_ms = now_ms().saturating_sub(began);
        let sending =
            DeliveryStats { send_ms, retries: report.retries, ..DeliveryStats::default() };
        let end_batch = |shard: &mut shard::ShardCore| {
            let settled =
                shard.end_batch(id, &stream, report, storage, &config.destinations, now_ms());
            (settled, shard.spill().wake_at())
        };
        let Ok((EndedBatch { records, spilled }, wake_at)) = self.with(end_batch) else {
            return BatchResult::default();
        };
        self.gate.notify();
        if spilled > 0 {
            console_log!("{{\"stream\":\"{stream}\",\"spilled\":{spilled}}}");
            // The first drain reports only at its end, which a stream that does not answer delays.
            self.report_soon();
        }
        self.wake_by(wake_at);
        self.drive_batches(config, storage);
        self.checkpoint(storage);
        let failed = self.batches_of(records.iter().flat_map(|it| it.failed.iter().copied()));
        let failed = failed.results().await;
        let statuses = records.into_iter().map(|SettledRecord { status, failed: slots }| {
            let failed = slots.into_iter().map(|slot| failed.status_of(slot));
            failed.fold(status, |status, failed| status.with_failed_event(&failed))
        });
        BatchResult { statuses: statuses.collect(), sending }
    }

    /// Writes a checkpoint if one is due.
    fn checkpoint(self: &Rc<Self>, storage: &Sqlite) {
        let now = now_ms();
        match self.with(|shard| shard.checkpoint_due(now)).unwrap_or(CheckpointDue::No) {
            CheckpointDue::No => {}
            CheckpointDue::Now => {
                let written = self.with(|shard| shard.checkpoint(storage, now));
                if let Ok(Err(error)) = written {
                    log::error(
                        Component::Shard,
                        format_args!("no checkpoint was written: {error}"),
                    );
                    self.checkpoint_in(GAP_MS, storage);
                }
            }
            CheckpointDue::In(wait_ms) => self.checkpoint_in(wait_ms, storage),
        }
    }

    /// Writes a checkpoint after `wait_ms`.
    fn checkpoint_in(self: &Rc<Self>, wait_ms: u64, storage: &Sqlite) {
        if self.checkpoint_waits.replace(true) {
            return;
        }
        let (inner, storage) = (Rc::clone(self), storage.clone());
        tasks::spawn(async move {
            io::wait(wait_ms).await;
            inner.checkpoint_waits.set(false);
            inner.checkpoint(&storage);
        });
    }

    /// Asks the previous shards of the devices in `items` for their sessions.
    async fn fetch_previous_sessions(
        &self,
        items: &[ShardItem<'_>],
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), ShardError> {
        let unknown_devices = self.with(|shard| shard.unknown_devices(items, storage))?;
        let unknown_devices = unknown_devices?;
        let question =
            |(number, keys): &(_, Vec<_>)| (*number, session_transfer::encode_question(keys));
        let asked: Vec<(ShardNumber, Vec<u8>)> = unknown_devices.iter().map(question).collect();
        let answers = join_all(asked.iter().map(async |(number, body)| {
            let _slot = self.gate.enter(CallPurpose::Caller).await;
            shard_client::shard(
                config.shard_config().previous_address(*number),
                ShardMethod::ExportSessions,
                body,
                EXPORT_SESSIONS_MS,
                &self.env,
                config,
            )
            .await
        }));
        let answers = answers.await;
        for ((_, keys), answer) in unknown_devices.into_iter().zip(answers) {
            let answer =
                answer.map_err(|error| ShardError::NoPreviousSessions(error.to_string()))?;
            let sessions =
                session_transfer::decode_answer(&answer, keys.len()).unwrap_or_else(|error| {
                    log::error(
                        Component::Shard,
                        format_args!("what another one knows can't be read: {error}"),
                    );
                    Vec::new()
                });
            for (key, sessions) in keys.into_iter().zip(sessions) {
                // A device that neither shard knows is new.
                let Some(sessions) = sessions else { continue };
                let import_sessions = |shard: &mut shard::ShardCore| {
                    shard.devices().import_sessions(storage, key, &sessions, now_ms())
                };
                if let Err(error) = self.with(import_sessions)? {
                    log::error(
                        Component::Shard,
                        format_args!("a device's sessions were not taken over: {error}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// Returns the sessions of devices that now belong to another shard.
    fn export_sessions(&self, body: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (_, storage) = self.load()?;
        let keys = session_transfer::decode_question(body)?;
        let copies = self.with(|shard| {
            keys.iter()
                .map(|key| shard.devices().export_sessions(&storage, key))
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(session_transfer::encode_answer(&copies?))
    }

    /// Returns the state of the shard as JSON.
    fn status(&self) -> Result<Vec<u8>, ShardError> {
        let (config, storage) = self.load()?;
        let now = now_ms();
        if let Err(error) = self.with(|shard| shard.store_counts(&storage, now))? {
            // The counts are then those of the last time.
            log::error(Component::Shard, format_args!("no counts were stored: {error}"));
        }
        let status = self.with(|shard| shard.status(now))?;
        serde_json::to_vec(&health::of_shard(status, &config))
            .map_err(|error| ShardError::Other(error.to_string()))
    }

    /// Returns the next quarantined row.
    fn quarantined(&self, after: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (config, storage) = self.load()?;
        let is_named = |stream: &Stream| config.names(stream);
        let row = self.with(|shard| shard.spill().quarantined_after(&storage, after, is_named))?;
        Ok(quarantine::QuarantineRow::encode(row?))
    }

    /// Deletes a quarantined row.
    fn delete_quarantined(self: &Rc<Self>, key: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (_, storage) = self.load()?;
        let forgotten = self.with(|shard| shard.spill().forget(&storage, key))?;
        self.report_soon();
        forgotten?;
        Ok(Vec::new())
    }
}

impl ShardObject {
    /// Quarantines some of the records stored for a stream. Returns whether more are left.
    fn withdraw(self: &Rc<Self>, stream: &[u8]) -> Result<Vec<u8>, ShardError> {
        let (_, storage) = self.load()?;
        let stream = Stream::parse(&String::from_utf8_lossy(stream));
        let stream =
            stream.map_err(|error| ShardError::Malformed(format!("its stream {error}")))?;
        let withdraw = |shard: &mut shard::ShardCore| {
            shard.spill().withdraw(&storage, &stream, WITHDRAWN_BYTES, now_ms())
        };
        self.report_soon();
        match self.with(withdraw)?? {
            Some((_, more)) => Ok(vec![u8::from(more)]),
            None => Err(ShardError::InDelivery(stream.to_string())),
        }
    }
}
