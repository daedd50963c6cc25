//! The object around a shard: a mirror of `runtime::shard_object`, function by function, in which each
//! await is a [`Task`] that the world delivers later.
//!
//! Left out are operators' calls, the report of trouble, and records that move because no route names their stream.
//! Each shard has the health of its streams for itself, as if no two objects shared an isolate.

use std::collections::{BTreeMap, VecDeque};

use headwater::base::clock::Milliseconds;
use headwater::base::keyed_hash::HashKey;
use headwater::delivery::StreamBatch;
use headwater::delivery::call_slots::{CallPurpose, CallSlots};
use headwater::delivery::destinations::Destinations;
use headwater::delivery::health::StreamHealth;
use headwater::delivery::response::CallResult;
use headwater::delivery::stream_delivery::{DeliveryConfig, DeliveryReport};
use headwater::model::device_key::DeviceKey;
use headwater::model::placement::ShardNumber;
use headwater::model::stream::Stream;
use headwater::runtime::shard_object::drain::{ALARM_MS, DRAIN_DEADLINE_MS, LOOK_AGAIN_MS};
use headwater::runtime::shard_object::{EXPORT_SESSIONS_MS, NEXT_ALARM_MS};
use headwater::shard::alarm::Alarm;
use headwater::shard::batcher::BatchId;
use headwater::shard::checkpoint_schedule::{CheckpointDue, GAP_MS};
use headwater::shard::config::ShardConfig;
use headwater::shard::protocol::batch_request::{self, ShardItem};
use headwater::shard::protocol::batch_response::{BatchResponse, ItemStatus};
use headwater::shard::protocol::error::ShardError;
use headwater::shard::protocol::session_transfer;
use headwater::shard::spill::{DrainResult, DrainToken, SpilledBatch};
use headwater::shard::{self, Admission, AdmitResult, BatchAction, EndedBatch, ShardCore};

use super::Micros;
use super::chance::Chance;
use super::delivery::{Delivery, Step, numbers};
use super::ledger::Ledger;
use super::storage::Disk;
use super::stream::StreamCall;

pub type CallId = u64;
pub type DeliveryId = u64;
pub type AskId = u64;

/// What the shard's thread does in one turn.
#[derive(Debug)]
pub enum Task {
    /// A batch request arrives.
    Admit(CallId, Vec<u8>),
    /// Another shard asks for sessions: its number and its question.
    Export(ShardNumber, AskId, Vec<u8>),
    /// The answer to a question of this shard, or none.
    Exported(AskId, Option<Vec<u8>>),
    Drive(Milliseconds),
    Resume(DeliveryId),
    Reply(DeliveryId, CallResult),
    Checkpoint,
    Alarm,
    /// The drain with this number looks for streams that have become due.
    LookAgain(u64),
}

/// What leaves the object once its writes are durable.
#[derive(Debug)]
pub enum Output {
    After(Micros, Task),
    Call(DeliveryId, Stream, CallPurpose, StreamCall),
    Answer(CallId, Result<BatchResponse, ShardError>),
    Ask {
        number: ShardNumber,
        ask: AskId,
        question: Vec<u8>,
    },
    Exported {
        number: ShardNumber,
        ask: AskId,
        answer: Vec<u8>,
    },
    /// The alarm is set for this time.
    Alarm(Milliseconds),
}

/// What a turn needs besides the object.
pub struct Turn<'a> {
    pub now: Milliseconds,
    pub destinations: &'a Destinations,
    pub sharding: &'a ShardConfig,
    pub chance: &'a mut Chance,
    pub ledger: &'a mut Ledger,
    pub out: Vec<Output>,
    /// Tasks that are ready, in their order.
    ready: VecDeque<Ready>,
}

impl<'a> Turn<'a> {
    pub const fn new(
        now: Milliseconds,
        destinations: &'a Destinations,
        sharding: &'a ShardConfig,
        chance: &'a mut Chance,
        ledger: &'a mut Ledger,
    ) -> Self {
        Self {
            now,
            destinations,
            sharding,
            chance,
            ledger,
            out: Vec::new(),
            ready: VecDeque::new(),
        }
    }
}

/// A task of the object that can go on in the same turn.
#[derive(Debug)]
enum Ready {
    /// A batch that was started, with a slot or without.
    Run(BatchId, BatchAction, bool),
    Woken(Waiter),
}

/// A task that waits for a slot, or for any change of them.
#[derive(Debug)]
enum Waiter {
    Start(BatchId, StreamBatch),
    Delivery(DeliveryId),
    Ask(AskId),
    Drive,
    Drain,
}

#[derive(Debug)]
enum Origin {
    Batch(BatchId),
    Spill(DrainToken),
}

/// A request that waits for its statuses.
#[derive(Debug)]
struct WaitingCall {
    statuses: Vec<Option<ItemStatus>>,
}

/// An item that waits for the end of its batch.
#[derive(Debug)]
struct WaitingItem {
    call: CallId,
    item: usize,
    index: usize,
    if_durable: ItemStatus,
}

/// A question to another shard.
#[derive(Debug)]
struct Asked {
    call: CallId,
    number: ShardNumber,
    keys: Vec<DeviceKey>,
    answer: Option<Option<Vec<u8>>>,
    has_slot: bool,
}

/// A request that waits for sessions of other shards.
#[derive(Debug)]
struct Asking {
    items: Vec<ShardItem<'static>>,
    asks: Vec<AskId>,
}

/// An alarm that runs.
#[derive(Debug)]
struct Drain {
    number: u64,
    until: Milliseconds,
    under_way: usize,
}

#[derive(Debug, Default)]
pub struct ShardObject {
    pub number: ShardNumber,
    pub disk: Disk,
    core: Option<ShardCore>,
    alarm: Alarm,
    slots: CallSlots,
    waiters: Vec<Waiter>,
    waits_for_call: bool,
    drives_at: Option<Milliseconds>,
    checkpoint_waits: bool,
    health: BTreeMap<String, StreamHealth>,
    deliveries: BTreeMap<DeliveryId, (Delivery, Origin)>,
    next_id: u64,
    batches: BTreeMap<BatchId, Vec<WaitingItem>>,
    calls: BTreeMap<CallId, WaitingCall>,
    asking: BTreeMap<CallId, Asking>,
    asked: BTreeMap<AskId, Asked>,
    drain: Option<Drain>,
    /// Events whose ids, and devices whose sessions, are in memory only; and how many of them the
    /// checkpoint of this turn has written.
    unwritten_ids: Vec<u64>,
    unwritten_devices: Vec<u32>,
    written: Option<(usize, usize)>,
    /// Events of attempts that ended in this turn, and whose rows are there until it is committed.
    attempted: Vec<u64>,
    /// Which object this is: the next one knows nothing of the tasks of the one before.
    pub incarnation: u64,
    /// When its thread is free.
    pub busy_until: Micros,
    pub batches_spilled: u64,
}

/// What a shard holds in memory, and in its spill.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    pub buffer_bytes: usize,
    pub devices: usize,
    pub ids: usize,
    pub spilled: u64,
}

impl ShardObject {
    pub fn new(number: ShardNumber) -> Self {
        Self { number, ..Self::default() }
    }

    /// Runs one task, and all that it makes ready.
    pub fn run(&mut self, task: Task, turn: &mut Turn<'_>) {
        self.load(turn);
        match task {
            Task::Admit(call, body) => self.begin_admission(call, &body, turn),
            Task::Export(number, ask, question) => self.export(number, ask, &question, turn),
            Task::Exported(ask, answer) => self.exported(ask, answer, turn),
            Task::Drive(at) => {
                if self.drives_at == Some(at) {
                    self.drives_at = None;
                }
                self.drive_batches(turn);
            }
            Task::Resume(id) => {
                if let Some((delivery, _)) = self.deliveries.get_mut(&id) {
                    delivery.waited_until = Some(turn.now);
                    turn.ready.push_back(Ready::Woken(Waiter::Delivery(id)));
                }
            }
            Task::Reply(id, result) => self.reply(id, result, turn),
            Task::Checkpoint => {
                self.checkpoint_waits = false;
                self.checkpoint(turn);
            }
            Task::Alarm => self.begin_drain(turn),
            Task::LookAgain(number) => {
                if self.drain.as_ref().is_some_and(|drain| drain.number == number) {
                    self.go_on_draining(turn);
                }
            }
        }
        while let Some(ready) = turn.ready.pop_front() {
            match ready {
                Ready::Run(id, action, has_slot) => self.run_batch(id, action, has_slot, turn),
                Ready::Woken(waiter) => self.wake(waiter, turn),
            }
        }
    }

    /// Makes the writes of the turn durable. Returns the events that are stored now, and those that left.
    pub fn commit(&mut self) -> super::storage::Committed {
        if let Some((ids, devices)) = self.written.take() {
            self.unwritten_ids.drain(..ids);
            self.unwritten_devices.drain(..devices);
        }
        self.attempted.clear();
        self.disk.commit()
    }

    /// Loses the object, with what it has not committed. Returns the calls that get no answer.
    pub fn crash(&mut self, ledger: &mut Ledger) -> Vec<CallId> {
        let under_way = self.deliveries.values().flat_map(|(delivery, _)| &delivery.taken);
        under_way.chain(&self.attempted).for_each(|number| ledger.excuse(*number));
        self.unwritten_ids.iter().for_each(|number| ledger.forget_id(*number));
        self.unwritten_devices.iter().for_each(|device| ledger.forget_sessions(*device));
        let unanswered = self.calls.keys().chain(self.asking.keys()).copied().collect();
        let mut disk = std::mem::take(&mut self.disk);
        disk.crash();
        *self = Self {
            disk,
            incarnation: self.incarnation + 1,
            next_id: self.next_id,
            batches_spilled: self.batches_spilled,
            ..Self::new(self.number)
        };
        unanswered
    }

    /// Whether nothing is under way, so that the platform may evict the object.
    pub fn is_idle(&self) -> bool {
        self.calls.is_empty()
            && self.asking.is_empty()
            && self.deliveries.is_empty()
            && self.batches.is_empty()
            && self.drain.is_none()
            && !self.checkpoint_waits
    }

    /// Whether it would lose something if it were evicted now.
    pub fn has_unwritten_changes(&self) -> bool {
        self.core.as_ref().is_some_and(ShardCore::has_changed)
    }

    pub fn held(&mut self, now: Milliseconds) -> Held {
        let Some(core) = &mut self.core else { return Held::default() };
        let status = core.status(now);
        Held {
            buffer_bytes: status.buffer_bytes,
            devices: status.devices,
            ids: status.seen,
            spilled: core.spill_depth(),
        }
    }

    /// A stream took these events by a call of a delivery.
    pub fn note_taken(&mut self, id: DeliveryId, taken: impl Iterator<Item = u64>) {
        if let Some((delivery, _)) = self.deliveries.get_mut(&id) {
            delivery.taken.extend(taken);
        }
    }

    fn core(&mut self) -> &mut ShardCore {
        self.core.as_mut().unwrap()
    }

    fn load(&mut self, turn: &mut Turn<'_>) {
        if self.core.is_none() {
            let hash_key = HashKey::new([7; HashKey::BYTES]);
            let core = ShardCore::load(&self.disk, turn.sharding, hash_key, turn.now).unwrap();
            let mut core = core.with_number(self.number);
            let wake_at = core.spill().wake_at();
            self.core = Some(core);
            self.wake_by(wake_at, turn);
        }
    }

    // The alarm.

    fn wake_by(&mut self, at: Option<Milliseconds>, turn: &mut Turn<'_>) {
        let at = at.and_then(|at| self.alarm.by(at, turn.now));
        self.set_alarm(at, turn);
    }

    fn wake_at(&mut self, at: Milliseconds, turn: &mut Turn<'_>) {
        let at = self.alarm.at(at, turn.now);
        self.set_alarm(at, turn);
    }

    fn set_alarm(&mut self, at: Option<Milliseconds>, turn: &mut Turn<'_>) {
        if let Some(at) = at {
            self.disk.set_alarm(Some(at));
            turn.out.push(Output::Alarm(at));
        }
    }

    // `admit_batch`.

    fn begin_admission(&mut self, call: CallId, body: &[u8], turn: &mut Turn<'_>) {
        let items = match batch_request::decode(body) {
            Ok(items) => items,
            Err(error) => return turn.out.push(Output::Answer(call, Err(error.into()))),
        };
        let Self { core, disk, .. } = self;
        let unknown = core.as_ref().unwrap().unknown_devices(&items, disk).unwrap();
        if unknown.is_empty() {
            return self.admit(call, items, turn);
        }
        let mut asks = Vec::new();
        for (number, keys) in unknown {
            self.next_id += 1;
            asks.push(self.next_id);
            let asked = Asked { call, number, keys, answer: None, has_slot: false };
            self.asked.insert(self.next_id, asked);
            turn.ready.push_back(Ready::Woken(Waiter::Ask(self.next_id)));
        }
        self.asking.insert(call, Asking { items, asks });
    }

    fn exported(&mut self, ask: AskId, answer: Option<Vec<u8>>, turn: &mut Turn<'_>) {
        let Some(asked) = self.asked.get_mut(&ask) else { return };
        if asked.answer.is_none() {
            asked.answer = Some(answer);
        }
        let call = asked.call;
        if std::mem::take(&mut asked.has_slot) {
            self.free(CallPurpose::Caller, turn);
        }
        let Some(asking) = self.asking.get(&call) else { return };
        if asking.asks.iter().any(|ask| self.asked[ask].answer.is_none()) {
            return;
        }
        let Asking { items, asks } = self.asking.remove(&call).unwrap();
        for ask in asks {
            let Asked { keys, answer, .. } = self.asked.remove(&ask).unwrap();
            let Some(answer) = answer.flatten() else {
                let error = ShardError::NoPreviousSessions("no answer".to_owned());
                return turn.out.push(Output::Answer(call, Err(error)));
            };
            let sessions = session_transfer::decode_answer(&answer, keys.len()).unwrap();
            for (key, sessions) in keys.into_iter().zip(sessions) {
                let Some(sessions) = sessions else { continue };
                let Self { core, disk, .. } = self;
                let devices = core.as_mut().unwrap().devices();
                devices.import_sessions(disk, key, &sessions, turn.now).unwrap();
            }
        }
        self.admit(call, items, turn);
    }

    fn export(&mut self, number: ShardNumber, ask: AskId, question: &[u8], turn: &mut Turn<'_>) {
        let keys = session_transfer::decode_question(question).unwrap();
        let Self { core, disk, .. } = self;
        let devices = core.as_mut().unwrap().devices();
        let copies: Vec<_> =
            keys.iter().map(|key| devices.export_sessions(disk, key).unwrap()).collect();
        let answer = session_transfer::encode_answer(&copies);
        turn.out.push(Output::Exported { number, ask, answer });
    }

    fn admit(&mut self, call: CallId, items: Vec<ShardItem<'static>>, turn: &mut Turn<'_>) {
        let numbers = numbers(items.iter().map(|item| &item.record));
        let Self { core, disk, health, .. } = self;
        let core = core.as_mut().unwrap();
        let now = turn.now;
        let drawn = std::cell::RefCell::new(&mut *turn.chance);
        let random = || {
            let mut chance = drawn.borrow_mut();
            let (a, b) = (chance.next().to_be_bytes(), chance.next().to_be_bytes());
            [a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], b[0], b[1]]
        };
        let is_sick =
            |stream: &Stream| health.get(&stream.to_string()).is_some_and(|it| it.is_sick(now));
        let admitted = core.admit(items.into(), disk, turn.destinations, now, random, is_sick);
        let wake_at = core.spill().wake_at();
        self.wake_by(wake_at, turn);
        if let Ok(AdmitResult { admissions, sessions, .. }) = &admitted {
            self.note_admitted(&numbers, admissions, sessions, turn);
        }
        self.drive_batches(turn);
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => return turn.out.push(Output::Answer(call, Err(error.into()))),
        };
        if self.batches.is_empty() && !admitted.admissions.iter().any(is_queued) {
            self.checkpoint(turn);
        }
        let mut statuses = Vec::new();
        for (item, admission) in admitted.admissions.into_iter().enumerate() {
            let (slots, if_durable) = match admission {
                Admission::Duplicate => {
                    statuses.push(Some(ItemStatus::Duplicate));
                    continue;
                }
                Admission::Queued(slots) => (slots, ItemStatus::Durable),
                Admission::DuplicateOf(slots) => (slots, ItemStatus::Duplicate),
                Admission::Short(_) | Admission::Refused(_) | Admission::PartlyRefused(_) => {
                    panic!("there is one tenant")
                }
            };
            let Ok([slot]) = <[_; 1]>::try_from(slots.iter().collect::<Vec<_>>()) else {
                panic!("each route has one stream set")
            };
            statuses.push(None);
            let waiting = WaitingItem { call, item, index: slot.index, if_durable };
            self.batches.entry(slot.batch).or_default().push(waiting);
        }
        self.calls.insert(call, WaitingCall { statuses });
        self.answer_if_complete(call, turn);
    }

    /// Records what the shard has seen.
    fn note_admitted(
        &mut self,
        numbers: &[u64],
        admissions: &[Admission],
        sessions: &[Option<headwater::model::session::SessionInfo>],
        turn: &mut Turn<'_>,
    ) {
        let shard = self.number as u16;
        let mut observed = Vec::new();
        for ((number, admission), session) in numbers.iter().zip(admissions).zip(sessions) {
            match admission {
                Admission::Queued(_) => turn.ledger.queued(*number, shard, turn.now),
                Admission::Duplicate | Admission::DuplicateOf(_) => turn.ledger.repeated(),
                Admission::Short(_) | Admission::Refused(_) | Admission::PartlyRefused(_) => {
                    panic!("there is one tenant")
                }
            }
            if session.is_some() {
                observed.push(*number);
            }
        }
        observed.sort_by_key(|number| turn.ledger.event(*number).at);
        for number in observed {
            turn.ledger.observed(number);
            self.unwritten_devices.push(turn.ledger.event(number).device);
        }
    }

    fn answer_if_complete(&mut self, call: CallId, turn: &mut Turn<'_>) {
        let is_complete = |waiting: &WaitingCall| waiting.statuses.iter().all(Option::is_some);
        if self.calls.get(&call).is_some_and(is_complete) {
            let statuses = self.calls.remove(&call).unwrap().statuses;
            let count = statuses.len();
            let response = BatchResponse {
                statuses: statuses.into_iter().flatten().collect(),
                ..BatchResponse::default()
            };
            let response = match response.number() {
                Some(number) => BatchResponse::of_number(number, count),
                None => BatchResponse::decode(&response.encode(), count).unwrap(),
            };
            turn.out.push(Output::Answer(call, Ok(response)));
        }
    }

    // `drive_batches`, `run` and `checkpoint`.

    fn drive_batches(&mut self, turn: &mut Turn<'_>) {
        let free_calls = self.slots.free_calls();
        let (now, linger_ms) = (turn.now, turn.sharding.linger_ms);
        let Self { core, health, .. } = self;
        let accepting_at =
            |stream: &Stream| health.get(&stream.to_string()).and_then(StreamHealth::accepting_at);
        let is_avoided =
            |stream: &Stream| health.get(&stream.to_string()).is_some_and(|it| it.is_avoided(now));
        let core = core.as_mut().unwrap();
        let next = core.next_actions(now, linger_ms, free_calls, accepting_at, is_avoided);
        for (id, action) in next.start {
            let has_slot = match action {
                BatchAction::Deliver(_) => self.slots.take(CallPurpose::Caller),
                BatchAction::Spill(..) => false,
            };
            turn.ready.push_back(Ready::Run(id, action, has_slot));
        }
        if let Some(at) = next.wake_at {
            self.drive_at(at, turn);
        }
        if next.is_blocked && !std::mem::replace(&mut self.waits_for_call, true) {
            self.waiters.push(Waiter::Drive);
        }
    }

    fn drive_at(&mut self, at: Milliseconds, turn: &mut Turn<'_>) {
        let planned = self.drives_at;
        if planned.is_some_and(|planned| planned <= at && planned > turn.now) {
            return;
        }
        self.drives_at = Some(at);
        let wait = at.saturating_sub(turn.now) * 1_000;
        turn.out.push(Output::After(wait, Task::Drive(at)));
    }

    fn run_batch(&mut self, id: BatchId, action: BatchAction, has_slot: bool, turn: &mut Turn<'_>) {
        // The results of a batch can be awaited from its start on.
        self.batches.entry(id).or_default();
        match action {
            BatchAction::Deliver(batch) if has_slot => self.start(id, batch, turn),
            BatchAction::Deliver(batch) => self.waiters.push(Waiter::Start(id, batch)),
            BatchAction::Spill(stream, report) => self.end_batch(id, &stream, report, turn),
        }
    }

    fn start(&mut self, id: BatchId, batch: StreamBatch, turn: &mut Turn<'_>) {
        let policy = turn.destinations.policy_of(&batch.stream);
        let delivery = Delivery::new(batch, policy, CallPurpose::Caller, turn.now);
        self.begin_delivery(delivery, Origin::Batch(id), turn);
    }

    fn begin_delivery(&mut self, delivery: Delivery, origin: Origin, turn: &mut Turn<'_>) {
        self.next_id += 1;
        self.deliveries.insert(self.next_id, (delivery, origin));
        self.step(self.next_id, turn);
    }

    fn step(&mut self, id: DeliveryId, turn: &mut Turn<'_>) {
        let Some((delivery, _)) = self.deliveries.get_mut(&id) else { return };
        let health = self.health.entry(delivery.stream.to_string()).or_default();
        let purpose = delivery.purpose;
        match delivery.step(turn.now, health) {
            Ok(Step::Call(call)) => {
                turn.out.push(Output::Call(id, delivery.stream.clone(), purpose, call));
            }
            Ok(Step::Wait { milliseconds }) => {
                self.free(purpose, turn);
                turn.out.push(Output::After(milliseconds * 1_000, Task::Resume(id)));
            }
            Ok(Step::Ended) => {
                let (delivery, origin) = self.deliveries.remove(&id).unwrap();
                self.free(purpose, turn);
                let (stream, taken) = (delivery.stream.clone(), delivery.taken.clone());
                let report = delivery.finish(turn.now, &self.health[&stream.to_string()]);
                match origin {
                    Origin::Batch(batch) => self.end_batch(batch, &stream, report, turn),
                    Origin::Spill(token) => self.end_attempt(token, report, &taken, turn),
                }
            }
            Err(limit) => turn.ledger.violate(limit),
        }
    }

    fn reply(&mut self, id: DeliveryId, result: CallResult, turn: &mut Turn<'_>) {
        let Some((delivery, _)) = self.deliveries.get_mut(&id) else { return };
        let health = self.health.entry(delivery.stream.to_string()).or_default();
        delivery.reply(result, turn.now, turn.chance.random(), health);
        self.step(id, turn);
    }

    fn end_batch(
        &mut self,
        id: BatchId,
        stream: &Stream,
        report: DeliveryReport,
        turn: &mut Turn<'_>,
    ) {
        let numbers = numbers(report.records.iter().map(|(record, _)| record));
        let Self { core, disk, .. } = self;
        let core = core.as_mut().unwrap();
        let settled = core.end_batch(id, stream, report, disk, turn.destinations, turn.now);
        let wake_at = core.spill().wake_at();
        let EndedBatch { records, spilled, .. } = settled;
        self.batches_spilled += u64::from(spilled > 0);
        for (number, record) in numbers.iter().zip(&records) {
            if record.status == ItemStatus::Durable {
                turn.ledger.durable(*number, self.number as u16, turn.now);
                self.unwritten_ids.push(*number);
            }
        }
        self.notify(turn);
        self.wake_by(wake_at, turn);
        self.drive_batches(turn);
        let ended = self.batches.remove(&id).unwrap_or_default();
        self.checkpoint(turn);
        for WaitingItem { call, item, index, if_durable } in ended {
            let status = match &records[index].status {
                ItemStatus::Durable => if_durable,
                other => other.clone(),
            };
            if let Some(waiting) = self.calls.get_mut(&call) {
                waiting.statuses[item] = Some(status);
                self.answer_if_complete(call, turn);
            }
        }
    }

    fn checkpoint(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now;
        match self.core().checkpoint_due(now) {
            CheckpointDue::No => {}
            CheckpointDue::Now => {
                let Self { core, disk, .. } = self;
                core.as_mut().unwrap().checkpoint(disk, now).unwrap();
                self.written = Some((self.unwritten_ids.len(), self.unwritten_devices.len()));
            }
            CheckpointDue::In(wait_ms) => {
                if !std::mem::replace(&mut self.checkpoint_waits, true) {
                    assert!(wait_ms <= GAP_MS, "a checkpoint waits for {wait_ms} ms");
                    turn.out.push(Output::After(wait_ms * 1_000, Task::Checkpoint));
                }
            }
        }
    }

    // `gate`.

    fn free(&mut self, purpose: CallPurpose, turn: &mut Turn<'_>) {
        self.slots.free(purpose);
        self.notify(turn);
    }

    fn notify(&mut self, turn: &mut Turn<'_>) {
        turn.ready.extend(std::mem::take(&mut self.waiters).into_iter().map(Ready::Woken));
    }

    fn wake(&mut self, waiter: Waiter, turn: &mut Turn<'_>) {
        let purpose = match &waiter {
            Waiter::Drive => {
                self.waits_for_call = false;
                return self.drive_batches(turn);
            }
            Waiter::Start(..) | Waiter::Ask(_) => CallPurpose::Caller,
            Waiter::Drain => CallPurpose::Spill,
            Waiter::Delivery(id) => match self.deliveries.get(id) {
                Some((delivery, _)) => delivery.purpose,
                None => return,
            },
        };
        if !self.slots.take(purpose) {
            return self.waiters.push(waiter);
        }
        match waiter {
            Waiter::Start(id, batch) => self.start(id, batch, turn),
            Waiter::Delivery(id) => {
                if let Some((delivery, _)) = self.deliveries.get_mut(&id) {
                    delivery.resume(turn.now);
                }
                self.step(id, turn);
            }
            Waiter::Ask(ask) => {
                let Some(asked) = self.asked.get_mut(&ask) else {
                    return self.free(purpose, turn);
                };
                asked.has_slot = true;
                let (number, question) =
                    (asked.number, session_transfer::encode_question(&asked.keys));
                turn.out.push(Output::Ask { number, ask, question });
                let late = Task::Exported(ask, None);
                turn.out.push(Output::After(EXPORT_SESSIONS_MS * 1_000, late));
            }
            Waiter::Drain => {
                self.free(purpose, turn);
                self.go_on_draining(turn);
            }
            Waiter::Drive => {}
        }
    }

    // `drain`.

    fn begin_drain(&mut self, turn: &mut Turn<'_>) {
        self.alarm.forget();
        self.wake_at(turn.now + NEXT_ALARM_MS, turn);
        if self.drain.is_some() {
            // The platform runs one alarm at a time. This one sets the next when it ends.
            return;
        }
        self.next_id += 1;
        self.drain = Some(Drain { number: self.next_id, until: turn.now + ALARM_MS, under_way: 0 });
        self.go_on_draining(turn);
    }

    fn go_on_draining(&mut self, turn: &mut Turn<'_>) {
        let Some(Drain { until, .. }) = self.drain else { return };
        let now = turn.now;
        if now < until {
            for stream in self.core().spill().due(now) {
                while let Some(batch) = self.take(&stream, turn) {
                    self.drain.as_mut().unwrap().under_way += 1;
                    let SpilledBatch { batch, token } = batch;
                    let policy = DeliveryConfig {
                        delivery_timeout_ms: DRAIN_DEADLINE_MS,
                        ..turn.destinations.policy_of(&stream)
                    };
                    let delivery = Delivery::new(batch, policy, CallPurpose::Spill, now);
                    self.begin_delivery(delivery, Origin::Spill(token), turn);
                }
            }
        }
        let Some(Drain { under_way, number, .. }) = self.drain else { return };
        if under_way > 0 {
            let again = Task::LookAgain(number);
            return turn.out.push(Output::After(LOOK_AGAIN_MS * 1_000, again));
        }
        if self.core().spill().due(now).is_empty() || now >= until {
            self.drain = None;
            match self.core().spill().wake_at() {
                Some(at) => self.wake_at(at, turn),
                None => {
                    self.disk.set_alarm(None);
                    self.alarm.forget();
                }
            }
            return;
        }
        self.waiters.push(Waiter::Drain);
    }

    fn take(&mut self, stream: &Stream, turn: &Turn<'_>) -> Option<SpilledBatch> {
        if !self.core().spill().is_due(stream, turn.now) || !self.slots.take(CallPurpose::Spill) {
            return None;
        }
        let max = shard::batch_limits(stream, turn.destinations);
        let Self { core, disk, .. } = self;
        let spill = core.as_mut().unwrap().spill();
        let batch = spill.begin_attempt(disk, stream, max, turn.now).unwrap();
        if batch.is_none() {
            self.slots.free(CallPurpose::Spill);
        }
        batch
    }

    fn end_attempt(
        &mut self,
        token: DrainToken,
        report: DeliveryReport,
        taken: &[u64],
        turn: &mut Turn<'_>,
    ) {
        let random = turn.chance.random();
        let Self { core, disk, .. } = self;
        let spill = core.as_mut().unwrap().spill();
        let failed = turn.destinations.failed.first();
        let result = spill.end_attempt(disk, token, report, failed, turn.now, random).unwrap();
        if result == DrainResult::default() {
            // Another attempt has its rows, since this one took too long.
            taken.iter().for_each(|number| turn.ledger.excuse(*number));
        }
        self.attempted.extend_from_slice(taken);
        if let Some(drain) = &mut self.drain {
            drain.under_way = drain.under_way.saturating_sub(1);
        }
        self.go_on_draining(turn);
    }
}

const fn is_queued(admission: &Admission) -> bool {
    !matches!(admission, Admission::Duplicate)
}
