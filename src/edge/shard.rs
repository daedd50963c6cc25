//! The object around a shard: its requests, its batches' timers, its alarm.
//!
//! Callers are held open until their batches have ended. A batch is driven by a task of its
//! own, so that a caller who goes away takes nobody's records along. Nothing here is borrowed
//! across an await: other requests of the object run in between.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use futures_channel::oneshot;
use futures_util::future::{FutureExt, LocalBoxFuture, Shared, join_all, select};
use js_sys::futures::spawn_local;
use worker::{
    Delay, DurableObject, Env, Request, Response, State, console_error, console_log, durable_object,
};

use super::ask::{self, Question};
use super::environment::{self, now_ms, random};
use super::storage::Sqlite;
use super::{deliver, ready};
use crate::config::Config;
use crate::shard::batches::{BatchId, Closed, Place};
use crate::shard::parcel::{self, Item, ItemFate};
use crate::shard::storage::StorageError;
use crate::shard::{self, BatchFate, Claim, Dispatch, Settled, Waits, handover};
use crate::sink::Stream;
use crate::sink::delivery::{Policy, Report};

/// How soon what has changed is written, in milliseconds.
const CHECKPOINT_MS: u64 = 1_000;

/// How long a delivery out of the spill may take, in milliseconds: nobody waits for it.
const DRAIN_DEADLINE_MS: u64 = 10_000;

/// How long one alarm goes on, in milliseconds; what is then left has the next.
const ALARM_MS: u64 = 30_000;

/// When the next alarm comes after one that could do nothing, in milliseconds.
const ALARM_AGAIN_MS: u64 = 10_000;

/// How long another shard may take to say what it knows of a device, in milliseconds.
const HANDOVER_MS: u64 = 2_000;

/// The most bytes that are read out of the spill for one delivery.
const DRAIN_BYTES: usize = 786_432;

/// The fates of a batch's records, once they are known.
type Ended = Shared<LocalBoxFuture<'static, Rc<Vec<ItemFate>>>>;

/// The object.
#[durable_object(alarm)]
pub struct Shard {
    inner: Rc<Inner>,
}

struct Inner {
    state: State,
    env: Env,
    /// Loaded when it is first needed.
    loaded: RefCell<Option<(Rc<Config>, Sqlite)>>,
    shard: RefCell<Option<shard::Shard>>,
    batches: RefCell<HashMap<BatchId, Batch>>,
    checkpoint_is_due: Cell<bool>,
}

/// A batch that has not ended.
struct Batch {
    ended: Ended,
    /// Ends its lingering.
    full: Option<oneshot::Sender<()>>,
}

impl DurableObject for Shard {
    fn new(state: State, env: Env) -> Self {
        Self {
            inner: Rc::new(Inner {
                state,
                env,
                loaded: RefCell::default(),
                shard: RefCell::default(),
                batches: RefCell::default(),
                checkpoint_is_due: Cell::new(false),
            }),
        }
    }

    async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let path = request.path();
        let body = request.bytes().await?;
        let inner = &self.inner;
        let answer = match path.as_str() {
            path if path == Question::Parcel.path() => inner.parcel(body).await,
            path if path == Question::Handover.path() => inner.handover(&body),
            path if path == Question::Status.path() => inner.status(),
            _ => Err("no such question".to_owned()),
        };
        match answer {
            Ok(bytes) => Response::from_bytes(bytes),
            Err(why) => Response::error(why, 503),
        }
    }

    /// Never fails: the runtime would try again a few times only.
    async fn alarm(&self) -> worker::Result<Response> {
        if let Err(why) = self.inner.drain().await {
            console_error!("shard: the spill was not drained: {why}");
            let again = now_ms().saturating_add(ALARM_AGAIN_MS);
            if let Err(error) = self.inner.storage().wake_at(again) {
                console_error!("shard: the alarm was not set: {error}");
            }
        }
        Response::empty()
    }
}

impl Inner {
    /// The configuration and the storage, once what was stored is loaded.
    fn load(&self) -> Result<(Rc<Config>, Sqlite), String> {
        if let Some((config, storage)) = &*self.loaded.borrow() {
            return Ok((Rc::clone(config), storage.clone()));
        }
        let config = environment::config(&self.env).map_err(|refusal| refusal.to_string())?;
        let sharding = config.sharding().cloned().unwrap_or_default();
        let load = || {
            let storage = self.storage();
            storage.open()?;
            let mut shard = shard::Shard::load(&storage, &sharding, now_ms())?;
            if let Some(at) = shard.spill().wake_at() {
                storage.wake_at(at)?;
            }
            Ok((shard, storage))
        };
        let (shard, storage) = load().map_err(|error: StorageError| error.to_string())?;
        *self.shard.borrow_mut() = Some(shard);
        *self.loaded.borrow_mut() = Some((Rc::clone(&config), storage.clone()));
        Ok((config, storage))
    }

    /// The storage, whether or not anything can be read from it.
    fn storage(&self) -> Sqlite {
        Sqlite::of(self.state.storage().as_raw().into())
    }

    /// Does something with the shard, which [`Inner::load`] has loaded.
    fn with<T>(&self, act: impl FnOnce(&mut shard::Shard) -> T) -> Result<T, String> {
        self.shard.borrow_mut().as_mut().map(act).ok_or_else(|| "shard is not loaded".to_owned())
    }

    /// Takes a parcel, and answers when the fate of each of its items is known.
    async fn parcel(self: &Rc<Self>, body: Vec<u8>) -> Result<Vec<u8>, String> {
        let (config, storage) = self.load()?;
        let items = parcel::decode(&body).map_err(|error| error.to_string())?;
        // Held until the answer, it would take as much again as the records do.
        drop(body);
        self.adopt_strangers(&items, &config, &storage).await?;
        let admitted =
            self.with(|shard| shard.admit(items, &storage, &config, now_ms(), random))?;
        let admitted = admitted.map_err(|error| error.to_string())?;
        self.start(admitted.waits, &config, &storage);
        self.checkpoint_soon(&storage);
        let fates = admitted.claims.into_iter().map(|claim| match claim {
            Claim::Seen => Err(ItemFate::Duplicate),
            Claim::Waits(place) => self.ended(place).map(|ended| (ended, ItemFate::Durable)),
            Claim::Repeats(place) => self.ended(place).map(|ended| (ended, ItemFate::Duplicate)),
        });
        let fates: Vec<_> = fates.collect();
        let fates = join_all(fates.into_iter().map(async |fate| match fate {
            Err(known) => known,
            Ok(((ended, index), durable)) => match ended.await.get(index) {
                Some(ItemFate::Durable) => durable,
                Some(other) => other.clone(),
                None => not_durable("lost"),
            },
        }));
        Ok(parcel::encode_fates(&fates.await))
    }

    /// When the batch of a place has ended, and the record's index there. A record of whose
    /// batch nothing is known is nowhere.
    fn ended(&self, place: Place) -> Result<(Ended, usize), ItemFate> {
        match self.batches.borrow().get(&place.batch) {
            Some(batch) => Ok((batch.ended.clone(), place.index)),
            None => Err(not_durable("lost")),
        }
    }

    /// Starts the task of each new batch, and ends the lingering of those that are full.
    fn start(self: &Rc<Self>, waits: Waits, config: &Rc<Config>, storage: &Sqlite) {
        let linger_ms = config.sharding().map_or(0, |sharding| sharding.linger_ms);
        for id in waits.opened {
            let (full, is_full) = oneshot::channel();
            let (inner, config, storage) = (Rc::clone(self), Rc::clone(config), storage.clone());
            let ended = async move {
                select(Delay::from(Duration::from_millis(linger_ms)), is_full).await;
                let fates = inner.run(id, &config, &storage).await;
                inner.batches.borrow_mut().remove(&id);
                Rc::new(fates)
            };
            let ended = ended.boxed_local().shared();
            spawn_local(ended.clone().map(drop));
            self.batches.borrow_mut().insert(id, Batch { ended, full: Some(full) });
        }
        for id in waits.full {
            let full = self.batches.borrow_mut().get_mut(&id).and_then(|batch| batch.full.take());
            if let Some(full) = full {
                // Whoever lingers no more need not be told.
                let _ = full.send(());
            }
        }
    }

    /// Brings a batch to its end.
    async fn run(
        self: &Rc<Self>,
        id: BatchId,
        config: &Rc<Config>,
        storage: &Sqlite,
    ) -> Vec<ItemFate> {
        let (stream, report) = match self.with(|shard| shard.close(id)) {
            Ok(Some(Dispatch::Deliver(Closed { stream, records }))) => {
                let policy = config.policy_of(&stream);
                let report = deliver::one(&stream, records, config, policy).await;
                (stream, report)
            }
            Ok(Some(Dispatch::Spill(stream, report))) => (stream, report),
            Ok(None) | Err(_) => return Vec::new(),
        };
        let settle = |shard: &mut shard::Shard| {
            let settled = shard.settle(id, &stream, report, storage, config, now_ms());
            (settled, shard.spill().wake_at())
        };
        let Ok((Settled { fates, spilled, waits }, wake_at)) = self.with(settle) else {
            return Vec::new();
        };
        if spilled > 0 {
            console_log!("{{\"stream\":\"{stream}\",\"spilled\":{spilled}}}");
            if let Some(Err(error)) = wake_at.map(|at| storage.wake_at(at)) {
                console_error!("shard: the alarm was not set: {error}");
            }
        }
        self.start(waits, config, storage);
        self.checkpoint_soon(storage);
        join_all(fates.into_iter().map(|fate| self.landed(fate))).await
    }

    /// The fate of a record, whose failed event has to land first where there is one.
    async fn landed(&self, fate: BatchFate) -> ItemFate {
        match fate {
            BatchFate::Durable => ItemFate::Durable,
            BatchFate::NotDurable { code, retry_after_s } => {
                ItemFate::NotDurable { code, retry_after_s }
            }
            BatchFate::Refused { code, failed } => {
                for place in failed {
                    let (ended, index) = match self.ended(place) {
                        Ok(ended) => ended,
                        Err(lost) => return lost,
                    };
                    match ended.await.get(index) {
                        Some(ItemFate::Durable) => {}
                        Some(other) => return other.clone(),
                        None => return not_durable("lost"),
                    }
                }
                ItemFate::Refused(code)
            }
        }
    }

    /// Writes what has changed a little later, all that changes until then at once.
    fn checkpoint_soon(self: &Rc<Self>, storage: &Sqlite) {
        let has_changed = self.with(|shard| shard.has_changed()).unwrap_or_default();
        if !has_changed || self.checkpoint_is_due.replace(true) {
            return;
        }
        let (inner, storage) = (Rc::clone(self), storage.clone());
        spawn_local(async move {
            Delay::from(Duration::from_millis(CHECKPOINT_MS)).await;
            inner.checkpoint_is_due.set(false);
            let written = inner.with(|shard| shard.checkpoint(&storage, now_ms()));
            if let Ok(Err(error)) = written {
                console_error!("shard: no checkpoint was written: {error}");
                inner.checkpoint_soon(&storage);
            }
        });
    }

    /// Asks the shards that `items`' devices had before for what they know of them.
    async fn adopt_strangers(
        &self,
        items: &[Item],
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), String> {
        let strangers = self.with(|shard| shard.strangers(items, storage))?;
        let strangers = strangers.map_err(|error| error.to_string())?;
        let answers = join_all(strangers.into_iter().map(async |(former, keys)| {
            let question = handover::encode_question(&keys);
            let answer =
                ask::shard(former, Question::Handover, &question, HANDOVER_MS, &self.env, config);
            let sessions = handover::decode_answer(&answer.await?, keys.len())
                .map_err(|error| error.to_string())?;
            Ok::<_, String>((keys, sessions))
        }));
        for answer in answers.await {
            let (keys, sessions) = answer?;
            for (key, sessions) in keys.into_iter().zip(sessions) {
                // Whom neither knows is new.
                let Some(sessions) = sessions else { continue };
                let adopt = |shard: &mut shard::Shard| {
                    shard.devices().adopt(storage, key, &sessions, now_ms())
                };
                self.with(adopt)?.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// Says what is known of devices that are another shard's now.
    fn handover(&self, body: &[u8]) -> Result<Vec<u8>, String> {
        let (_, storage) = self.load()?;
        let keys = handover::decode_question(body).map_err(|error| error.to_string())?;
        let copies = self.with(|shard| {
            keys.iter()
                .map(|key| shard.devices().copy_of(&storage, key))
                .collect::<Result<Vec<_>, _>>()
        })?;
        Ok(handover::encode_answer(&copies.map_err(|error| error.to_string())?))
    }

    /// Says how the shard is, as JSON.
    fn status(&self) -> Result<Vec<u8>, String> {
        let (config, _) = self.load()?;
        let status = self.with(|shard| shard.status(now_ms()))?;
        serde_json::to_vec(&ready::ShardState::of(status, &config))
            .map_err(|error| error.to_string())
    }

    /// Delivers what is in the spill, as far as its streams take it, and sets the next alarm.
    async fn drain(self: &Rc<Self>) -> Result<(), String> {
        let (config, storage) = self.load()?;
        let until = now_ms().saturating_add(ALARM_MS);
        loop {
            let due = self.with(|shard| shard.spill().due(now_ms()))?;
            if due.is_empty() || now_ms() >= until {
                break;
            }
            for drained in
                join_all(due.iter().map(|it| self.drain_one(it, &config, &storage))).await
            {
                // Whose turn has failed comes again later, and holds nobody else up.
                if let Err(why) = drained {
                    console_error!("shard: the spill was not drained: {why}");
                }
            }
        }
        match self.with(|shard| shard.spill().wake_at())? {
            Some(at) => storage.wake_at(at).map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    async fn drain_one(
        self: &Rc<Self>,
        stream: &Stream,
        config: &Config,
        storage: &Sqlite,
    ) -> Result<(), String> {
        let take =
            |shard: &mut shard::Shard| shard.spill().take(storage, stream, DRAIN_BYTES, now_ms());
        let Some(batch) = self.with(take)?.map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let policy = Policy { deadline_ms: DRAIN_DEADLINE_MS, ..config.policy_of(stream) };
        let report = deliver::one(stream, batch.records, config, policy).await;
        let settle = |shard: &mut shard::Shard| {
            let random = u32::from_ne_bytes(random());
            let taken = batch.taken;
            shard.spill().settle(storage, taken, report, &config.failed, now_ms(), random)
        };
        self.with(settle)?.map_err(|error| error.to_string())?;
        Ok(())
    }
}

fn not_durable(code: &str) -> ItemFate {
    ItemFate::NotDurable { code: code.to_owned(), retry_after_s: Report::RETRY_AFTER_S }
}
