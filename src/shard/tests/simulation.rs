//! A shard between callers, which retry until they get an answer, and streams that fail. The
//! test drives it as the runtime does, one turn at a time.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::fake_streams::{
    FakeStream, Fault, NO_EVENT, Refuses, STREAMS, TO_FAILED, Where, event_of, is_poison, number,
};
use super::*;
use crate::delivery::health::StreamHealth;
use crate::delivery::stream_delivery::{Action, DeliveryConfig, StreamDelivery};
use crate::model::replay::Redelivery;
use crate::shard::spill::row::SpillRow;
use crate::shard::spill::{DrainResult, DrainToken};

type Checked<T = ()> = Result<T, TestCaseError>;

/// Whether the object's writes were durable before it was lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kept {
    Yes,
    No,
}

#[derive(Debug, Clone)]
pub enum ShardAct {
    Post(Vec<u64>),
    /// A caller without an answer, or with a failure, sends again.
    Retry,
    Close {
        which: usize,
        kept: Kept,
    },
    /// A delivery continues to its next call, or to its end.
    Drive {
        which: usize,
        fault: Fault,
        kept: Kept,
    },
    /// Deliveries of spilled records that are due begin.
    Drain,
    /// A stream begins or ends to answer each call with an error.
    Outage {
        stream: usize,
        is_down: bool,
    },
    Sleep,
    Checkpoint,
    StorageIsFull(bool),
    Crash,
}

/// A caller that waits for its answer.
struct Asked {
    request: Vec<u64>,
    admissions: Vec<Admission>,
}

/// A delivery in flight.
struct Running {
    stream: usize,
    delivery: StreamDelivery,
    from: From,
    /// Events that it knows to be accepted.
    reported: Vec<Where>,
}

enum From {
    Batch(BatchId),
    Spill(DrainToken),
}

pub struct ShardWorld {
    config: Config,
    storage: Memory,
    pub shard: ShardCore,
    pub now: Milliseconds,
    health: [StreamHealth; 3],
    pub service: FakeStream,
    /// The streams with an outage.
    down: [bool; 3],
    /// Events that were removed from the spill in this turn.
    written_off: Vec<Where>,
    open: Vec<BatchId>,
    running: Vec<Running>,
    ended: BTreeMap<BatchId, Vec<SettledRecord>>,
    asked: Vec<Asked>,
    again: Vec<Vec<u64>>,
    sessions: Cell<u64>,
    pub crashes: usize,
    /// Events that callers need not keep any more.
    pub durable: BTreeSet<u64>,
    /// How often an event was put into a batch.
    pub admitted: BTreeMap<u64, usize>,
    /// How often its content was rejected.
    pub refused: BTreeMap<u64, usize>,
    /// Copies that a stream may have besides the first.
    pub excused: BTreeMap<Where, usize>,
}

/// Returns the streams of an event. Some go to two.
pub fn route(number: u64) -> &'static [usize] {
    match (number, number.is_multiple_of(3)) {
        (NO_EVENT.., _) => &[TO_FAILED],
        _ if number % 5 == 2 => &[0, 1],
        (_, false) => &[0],
        (_, true) => &[1],
    }
}

/// Returns an event of one of five devices. Each device has the same ids. Device 3 was device 2 the
/// day before, and number 4 is not a device.
fn item(number: u64) -> ShardItem<'static> {
    let (device, event) = ((number / 16) as u8, (number % 16) as u8);
    let key = match device {
        4 => DeviceHasher::new(None).of_event("a", event_id(event)),
        _ => key(device),
    };
    let device = match device {
        4 => DeviceIdentity::Unknown,
        3 => DeviceIdentity::Known { previous: Some(super::key(2)) },
        _ => DeviceIdentity::Known { previous: None },
    };
    let session_event = SessionEvent {
        at: (number * 7_919 % 97 * 240_000).cast_signed(),
        event_id: event_id(event),
        starts_session: number % 11 == 3,
    };
    let identity = EventIdentity {
        key,
        session_event,
        stated_time: None,
        device,
        redelivery: Redelivery::No,
        sender: Sender::default(),
    };
    let event = Some(identity).filter(|_| number < NO_EVENT);
    let line = json!({"n": number, "x": "x".repeat((number % 7 * 20) as usize)});
    let streams = FanOut::of_texts(&mut route(number).iter().map(|index| STREAMS[*index]));
    ShardItem { to: Cow::Owned(streams.unwrap()), event, ..failed(&line) }
}

impl ShardWorld {
    pub fn new(sharding: ShardConfig, call_bytes: usize, refuses: Refuses) -> Self {
        let mut config = config(sharding.clone());
        config.destinations.policy = DeliveryConfig { call_bytes, ..config.destinations.policy };
        let (storage, now) = (Memory::default(), 1_795_000_000_000);
        Self {
            shard: ShardCore::load(&storage, &sharding, hash_key(), now).unwrap(),
            config,
            storage,
            now,
            health: Default::default(),
            service: FakeStream { refuses, accepted: BTreeMap::new() },
            down: [false; 3],
            written_off: Vec::new(),
            open: Vec::new(),
            running: Vec::new(),
            ended: BTreeMap::new(),
            asked: Vec::new(),
            again: Vec::new(),
            sessions: Cell::new(0),
            crashes: 0,
            durable: BTreeSet::new(),
            admitted: BTreeMap::new(),
            refused: BTreeMap::new(),
            excused: BTreeMap::new(),
        }
    }

    pub fn act(&mut self, act: &ShardAct) -> Checked {
        let mut kept = Kept::Yes;
        self.written_off.clear();
        match act {
            ShardAct::Post(request) => self.post(request.clone())?,
            ShardAct::Retry if self.again.is_empty() => {}
            ShardAct::Retry => {
                let request = self.again.remove(0);
                self.post(request)?;
            }
            ShardAct::Close { which, kept: is_kept } if !self.open.is_empty() => {
                let batch = self.open.swap_remove(which % self.open.len());
                self.close(batch)?;
                kept = *is_kept;
            }
            ShardAct::Drive { which, fault, kept: is_kept } if !self.running.is_empty() => {
                let running = self.running.swap_remove(which % self.running.len());
                self.drive(running, *fault)?;
                kept = *is_kept;
            }
            ShardAct::Close { .. } | ShardAct::Drive { .. } => {}
            ShardAct::Drain => self.drain(),
            ShardAct::Outage { stream, is_down } => self.down[*stream] = *is_down,
            ShardAct::Sleep => {
                self.now = self.shard.spill().wake_at().unwrap_or(self.now).max(self.now);
            }
            ShardAct::Checkpoint => {
                let written = self.shard.checkpoint(&self.storage, self.now);
                prop_assert_eq!(
                    written.is_err() || self.shard.has_changed(),
                    self.record_failure(&written)
                );
            }
            ShardAct::StorageIsFull(full) => self.storage.full.set(*full),
            ShardAct::Crash => kept = Kept::No,
        }
        match kept {
            Kept::No => self.crash(),
            Kept::Yes => self.storage.commit(),
        }
        self.answer()
    }

    /// Checks for a failure that is allowed only while the storage is full.
    fn record_failure<T, E>(&self, result: &Result<T, E>) -> bool {
        self.storage.full.get() && result.is_err()
    }

    fn post(&mut self, request: Vec<u64>) -> Checked {
        let items: Vec<ShardItem<'_>> = request.iter().map(|number| item(*number)).collect();
        let random = || {
            self.sessions.set(self.sessions.get() + 1);
            let [.., a, b] = self.sessions.get().to_be_bytes();
            [0, 0, 0, 0, 0, 0, 0, 0, a, b]
        };
        let (health, now) = (&self.health, self.now);
        let is_sick = |stream: &Stream| health[index(stream)].is_sick(now);
        let admitted = self.shard.admit(
            items.into(),
            &self.storage,
            &self.config.destinations,
            now,
            random,
            is_sick,
        );
        let Ok(AdmitResult { admissions, .. }) = admitted else {
            self.again.push(request);
            return Ok(());
        };
        for (number, admission) in request.iter().zip(&admissions) {
            if let Admission::Queued(_) = admission {
                *self.admitted.entry(*number).or_default() += 1;
            }
        }
        self.asked.push(Asked { request, admissions });
        self.wait()
    }

    fn wait(&mut self) -> Checked {
        self.open.extend(self.shard.batches.take_opened());
        for batch in self.shard.batches.full() {
            prop_assert!(self.open.contains(&batch), "full before it was opened");
        }
        Ok(())
    }

    fn close(&mut self, batch: BatchId) -> Checked {
        let accepting_at = |stream: &Stream| self.health[index(stream)].accepting_at();
        let to = self.shard.batches.set_of(batch).map(|set| set.first().clone());
        match self.shard.close_at(batch, to.unwrap(), accepting_at) {
            Some(BatchAction::Deliver(closed)) => {
                let policy = self.config.destinations.policy_of(&closed.stream);
                let (stream, from) = (index(&closed.stream), From::Batch(batch));
                let delivery = StreamDelivery::new(closed, policy, self.now);
                self.running.push(Running { stream, delivery, from, reported: Vec::new() });
                Ok(())
            }
            Some(BatchAction::Spill(stream, report)) => self.end_batch(batch, &stream, report),
            None => Err(TestCaseError::fail("open, and not closed")),
        }
    }

    fn drain(&mut self) {
        let max = BatchLimits { bytes: 786_432, records: 500 };
        for stream in self.shard.spill().due(self.now) {
            // If the storage is full, unreadable rows are not quarantined: there are none.
            let take =
                |spill: &mut Spill| spill.begin_attempt(&self.storage, &stream, max, self.now);
            while let Some(batch) = take(self.shard.spill()).unwrap() {
                let policy = DeliveryConfig {
                    delivery_timeout_ms: 10_000,
                    ..self.config.destinations.policy_of(&stream)
                };
                let delivery = StreamDelivery::new(batch.batch, policy, self.now);
                let (stream, from) = (index(&stream), From::Spill(batch.token));
                self.running.push(Running { stream, delivery, from, reported: Vec::new() });
            }
        }
    }

    fn drive(&mut self, mut running: Running, fault: Fault) -> Checked {
        let stream = running.stream;
        let fault = match self.down[stream] {
            true => Fault::Whole { status: 500, code: "InternalFailure" },
            false => fault,
        };
        loop {
            let health = &mut self.health[stream];
            let (reply, reported, untold) = match running.delivery.step(self.now, health) {
                Action::Send { records, .. } => self.service.call(stream, &records, fault),
                Action::Wait { milliseconds } => {
                    self.now += milliseconds;
                    continue;
                }
                Action::GiveUp | Action::Done => return self.end(running),
            };
            running.reported.extend(reported);
            self.excuse(untold);
            self.now += 5;
            running.delivery.reply(reply, self.now, 1 << 31, &mut self.health[stream]);
            self.running.push(running);
            return Ok(());
        }
    }

    fn end(&mut self, running: Running) -> Checked {
        let Running { stream: index, delivery, from, reported } = running;
        let report = delivery.finish(self.now, &self.health[index]);
        for (record, status) in &report.records {
            if let RecordStatus::Rejected(_) = status {
                *self.refused.entry(number(&event_of(columns(record)))).or_default() += 1;
            }
        }
        let token = match from {
            From::Batch(batch) => return self.end_batch(batch, &stream(STREAMS[index]), report),
            From::Spill(token) => token,
        };
        let (failed, now) = (self.config.destinations.failed.first(), self.now);
        let settled =
            self.shard.spill().end_attempt(&self.storage, token, report, failed, now, 1 << 30);
        match settled {
            // Another attempt has begun meanwhile.
            Ok(progress) if progress == DrainResult::default() => self.excuse(reported),
            Ok(_) => self.written_off = reported,
            Err(_) => {
                prop_assert!(self.record_failure(&settled));
                self.excuse(reported);
            }
        }
        Ok(())
    }

    fn end_batch(&mut self, batch: BatchId, stream: &Stream, report: DeliveryReport) -> Checked {
        let Self { storage, config, now, .. } = self;
        let count = report.records.len();
        let settled =
            self.shard.end_batch(batch, stream, report, storage, &config.destinations, *now);
        prop_assert_eq!(settled.records.len(), count);
        prop_assert!(self.ended.insert(batch, settled.records).is_none());
        self.wait()
    }

    fn excuse(&mut self, places: Vec<Where>) {
        for slot in places {
            *self.excused.entry(slot).or_default() += 1;
        }
    }

    /// Loses the object, with all that was not durable.
    fn crash(&mut self) {
        self.crashes += 1;
        self.storage.crash();
        let written_off = std::mem::take(&mut self.written_off);
        self.excuse(written_off);
        for running in std::mem::take(&mut self.running) {
            if let From::Spill(_) = running.from {
                self.excuse(running.reported);
            }
        }
        let sharding = self.config.sharding().unwrap();
        self.shard = ShardCore::load(&self.storage, sharding, hash_key(), self.now).unwrap();
        self.health = Default::default();
        self.open.clear();
        self.ended.clear();
        self.again.extend(self.asked.drain(..).map(|asked| asked.request));
        let numbers: Vec<u64> = self.admitted.keys().copied().collect();
        for number in numbers {
            let seen_key = item(number).event.as_ref().map(EventIdentity::seen_key);
            for index in route(number) {
                let to = stream(STREAMS[*index]).into();
                let keys: Vec<DedupKey> =
                    seen_key.into_iter().flat_map(|key| [key, key.of_copy(&to)]).collect();
                let is_seen = self.shard.seen.contains(&self.storage, &keys, self.now);
                if !is_seen.contains(&true) && self.is_safe_for(*index, number) {
                    self.excuse(vec![(*index, number)]);
                }
            }
        }
    }

    /// Answers the callers whose items all have a result.
    fn answer(&mut self) -> Checked {
        let mut held_open = Vec::new();
        for Asked { request, admissions } in std::mem::take(&mut self.asked) {
            let statuses: Checked<Vec<_>> =
                admissions.iter().map(|admission| self.status(admission)).collect();
            let Some(statuses) = statuses?.into_iter().collect::<Option<Vec<ItemStatus>>>() else {
                held_open.push(Asked { request, admissions });
                continue;
            };
            for (number, status) in request.iter().zip(&statuses) {
                match status {
                    ItemStatus::NotDurable { .. } => continue,
                    ItemStatus::Durable => prop_assert!(self.is_safe(*number), "{number} durable"),
                    ItemStatus::Duplicate => {
                        prop_assert!(*number < NO_EVENT);
                        prop_assert!(self.is_safe(*number), "{number} duplicate");
                    }
                    ItemStatus::Rejected(_) => {
                        prop_assert!(is_poison(*number) && self.is_safe(*number));
                    }
                    ItemStatus::OverQuota | ItemStatus::NotAdmitted => {
                        prop_assert!(false, "there is one tenant")
                    }
                }
                self.durable.insert(*number);
            }
            if statuses.iter().any(|status| matches!(status, ItemStatus::NotDurable { .. })) {
                self.again.push(request);
            }
        }
        self.asked = held_open;
        Ok(())
    }

    /// Returns the result of an item, if it is known, as the runtime does.
    fn status(&self, admission: &Admission) -> Checked<Option<ItemStatus>> {
        if let Admission::Short(_) | Admission::Refused(_) | Admission::PartlyRefused(_) = admission
        {
            return Ok(Some(ItemStatus::OverQuota));
        }
        let (mut item, slots) = admission.progress();
        for slot in slots.into_iter().flat_map(Slots::iter) {
            match self.status_in(slot)? {
                Some(of_slot) => item = item.and(of_slot),
                None => return Ok(None),
            }
        }
        Ok(Some(item.status()))
    }

    /// Returns the result of one record of an item, if it is known.
    fn status_in(&self, slot: Slot) -> Checked<Option<ItemStatus>> {
        let lost = || TestCaseError::fail("a place without a fate");
        let find = |slot: &Slot| match self.ended.get(&slot.batch) {
            None => Ok(None),
            Some(statuses) => statuses.get(slot.index).map(Some).ok_or_else(lost),
        };
        let Some(SettledRecord { status, failed }) = find(&slot)? else { return Ok(None) };
        for slot in failed {
            match find(slot)? {
                None => return Ok(None),
                Some(SettledRecord { status: ItemStatus::Durable, .. }) => {}
                Some(SettledRecord { status: status @ ItemStatus::NotDurable { .. }, .. }) => {
                    return Ok(Some(status.clone()));
                }
                Some(_) => return Err(lost()),
            }
        }
        match status {
            ItemStatus::Duplicate => Err(lost()),
            other => Ok(Some(other.clone())),
        }
    }

    /// Whether each of its streams has the event, or the storage for it.
    fn is_safe(&self, number: u64) -> bool {
        route(number).iter().all(|stream| self.is_safe_for(*stream, number))
    }

    /// Whether a stream has the event, or the storage for it, or one of them has its failed event.
    fn is_safe_for(&self, stream: usize, number: u64) -> bool {
        let in_stream = |stream| self.service.copies(&(stream, number)) > 0;
        let texts = [format!("\"n\":{number},"), format!("\\\"n\\\":{number},")];
        let holds = |value: &[u8]| {
            let has = |text: &String| value.windows(text.len()).any(|it| it == text.as_bytes());
            texts.iter().any(has)
        };
        let keys = || self.storage.keys(Table::Spill, &[], usize::MAX).unwrap();
        let value = |key: &[u8]| self.storage.get(Table::Spill, key).unwrap().unwrap();
        let is_for = |key: &[u8]| {
            let name = SpillRow::read(key).map(|row| row.stream.to_string());
            name.is_ok_and(|name| name == STREAMS[stream] || name == FAILED)
        };
        in_stream(stream)
            || in_stream(TO_FAILED)
            || keys().iter().any(|key| is_for(key) && holds(&value(key)))
    }

    /// Closes all batches, and drives all deliveries to their ends.
    pub fn come_to_rest(&mut self) -> Checked {
        while !self.open.is_empty() {
            self.act(&ShardAct::Close { which: 0, kept: Kept::Yes })?;
        }
        while !self.running.is_empty() {
            self.act(&ShardAct::Drive { which: 0, fault: Fault::None, kept: Kept::Yes })?;
        }
        Ok(())
    }

    /// Stops all failures, and drives the shard until nothing is left to do.
    pub fn recover(&mut self) -> Checked {
        self.act(&ShardAct::StorageIsFull(false))?;
        self.down = [false; 3];
        // Poison is known only beside records that the stream accepts, here those of another shard.
        self.health.iter_mut().for_each(|health| health.last_success_at = Some(0));
        for _ in 0..500 {
            for _ in 0..self.again.len() {
                self.act(&ShardAct::Retry)?;
            }
            self.come_to_rest()?;
            self.act(&ShardAct::Drain)?;
            self.come_to_rest()?;
            let events = [self.again.len(), self.asked.len(), self.open.len()];
            if events == [0; 3] && self.shard.spill().wake_at().is_none() {
                return self.act(&ShardAct::Checkpoint);
            }
            self.act(&ShardAct::Sleep)?;
            // Clients wait at least this long before they send again.
            self.now += 1_000;
        }
        let status = self.shard.status(self.now);
        Err(TestCaseError::fail(format!("does not come to rest: {status:?}")))
    }

    /// Returns the keys of all events that were ever put into a batch.
    pub fn seen_keys(&self) -> impl Iterator<Item = DedupKey> {
        let identity = |number: &u64| item(*number).event;
        self.admitted.keys().filter_map(identity).map(|event| event.seen_key())
    }
}

fn index(stream: &Stream) -> usize {
    STREAMS.iter().position(|name| *name == stream.to_string()).unwrap()
}
