//! A deterministic simulation of a whole fleet over the pure core: edges, shards, streams, faults.
//!
//! One thread, one queue of events, a clock of its own, and chance from a seed. The core is the real one: the batch wire,
//! `by_shard`, `ShardCore` with its spill and its checkpoints, `StreamDelivery`, the health of streams. Beside it
//! are mirrors of what `runtime` does around it ([`shard`], [`edge`], [`delivery`]), models of what is not ours
//! ([`stream`], [`storage`], [`traffic`]), and the [`ledger`], which judges. FoundationDB's and TigerBeetle's simulators are the model.
//!
//! # Scale
//!
//! A day of 350,000 events a second has 30 billion events. The simulation makes it smaller in count and not in
//! shape, by two divisions:
//!
//! - *The fleet* is divided by `scale`: 256 shards of 350,000 events a second become 4 shards of 5,469. Shards share nothing but
//!   streams, and a stream belongs to the shards with its number, so a part of the shards with their streams works as it
//!   does in the whole. Rates of a shard and of a stream, sizes, quotas, latencies and the processor time of a thread are true.
//! - *The day* is divided into phases, spread over its hours: in each so many seconds of traffic at the rate of that hour. In
//!   between the clock runs on without requests: timers and alarms go on, sessions end, idle objects are evicted.
//!
//! Not true to scale: how many ids a day has (set `--max-ids` lower to see the end of the window), how many of
//! the fleet's objects a request with several devices asks, and rows of devices that fall quiet, which a phase shorter
//! than their visits exaggerates.
//!
//! # Time
//!
//! A shard is one thread. A batch request of n events occupies it for the measured `shard_request + shard_event * n`
//! microseconds, so overload is real: requests queue, answers are late, the edge gives up and delivers directly. All else
//! that the thread does waits in the same queue, and takes no time of its own, since the measure includes it; a call of
//! the drain takes the time of a request once more.
//!
//! After each turn of a shard its writes are committed, and only then do its answers and calls leave, as the platform's output gate
//! does. A crash comes between two turns: before the commit of the last one, or after.

pub mod chance;
pub mod constants;
pub mod delivery;
pub mod edge;
pub mod ledger;
pub mod line;
pub mod report;
pub mod settings;
pub mod shard;
pub mod storage;
pub mod stream;
pub mod traffic;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use headwater::base::clock::{Milliseconds, is_ahead};
use headwater::delivery::StreamBatch;
use headwater::delivery::call_slots::CallPurpose;
use headwater::delivery::destinations::Destinations;
use headwater::delivery::stream_delivery::{DeliveryConfig, RecordStatus};
use headwater::ingest::{DestinationRecords, PendingRecord, by_destination, by_shard};
use headwater::model::placement::ShardNumber;
use headwater::model::stream::Stream;
use headwater::model::stream_set::StreamSet;
use headwater::runtime::deliver::{PAUSE_MS, SHARD_SLACK_MS};
use headwater::shard::config::ShardConfig;
use headwater::shard::protocol::batch_request;
use headwater::shard::protocol::batch_response::ItemStatus;

use chance::Chance;
use constants::Constants;
use delivery::{Delivery, Step};
use edge::{
    CallFailure, CallResponse, DirectDelivery, Isolate, Request, RequestId, ShardCall, StreamSets,
};
use ledger::{Ledger, Window};
use report::{Counts, Report, Times};
use settings::{Fault, FaultKind, SECOND, Settings};
use shard::{CallId, Output, ShardObject, Task, Turn};
use storage::RowCounts;
use stream::{CallTimes, Quota, Sickness, SimulatedStream, StreamCounts};
use traffic::Traffic;

/// Microseconds since the day began.
pub type Micros = u64;

pub fn micros(seconds: f64) -> Micros {
    (seconds * 1e6) as Micros
}

pub fn seconds(micros: Micros) -> f64 {
    micros as f64 / 1e6
}

/// The worker's clock when the day begins.
const MIDNIGHT_MS: Milliseconds = 1_795_000_000_000;
/// How often shards are inspected while there is traffic.
const SAMPLE: Micros = SECOND / 4;
/// Isolates that serve the simulated part of the fleet.
const ISOLATES: usize = 64;
/// How long an object has no requests until it is evicted.
const EVICTED: Micros = 70 * SECOND;

#[derive(Debug)]
enum Event {
    /// A client makes a request.
    Traffic,
    Attempt(RequestId),
    /// A task arrives at a shard: of any object, or only of this one.
    Arrives(ShardNumber, Option<u64>, Task),
    /// The shard's thread has done the work of a task.
    Turn(ShardNumber, u64, Task),
    Ring(ShardNumber, Milliseconds),
    /// A shard's response arrives at the edge, or the edge's patience ends.
    Responded(CallId, CallResponse),
    DirectStep(u64),
    DirectReply(u64, headwater::delivery::response::CallResult),
    FaultBegins(usize),
    FaultEnds(usize),
    MustHaveRecovered(usize),
    MustBeAtRest,
    PhaseBegins(usize),
    Sample,
}

struct Queued {
    at: Micros,
    order: u64,
    event: Event,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Queued {}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

/// A shard and what the world knows of it.
#[derive(Debug, Default)]
struct ShardWorld {
    object: ShardObject,
    last_turn: Micros,
    was_idle: bool,
}

/// The simulated fleet and its world.
pub struct Fleet {
    settings: Settings,
    constants: Constants,
    chance: Chance,
    now: Micros,
    queue: BinaryHeap<Reverse<Queued>>,
    order: u64,
    destinations: Destinations,
    sharding: ShardConfig,
    sets: StreamSets,
    streams: Vec<SimulatedStream>,
    stream_numbers: BTreeMap<String, usize>,
    shards: Vec<ShardWorld>,
    isolates: Vec<Isolate>,
    requests: BTreeMap<RequestId, Request>,
    calls: BTreeMap<CallId, ShardCall>,
    direct: BTreeMap<u64, DirectDelivery>,
    next_id: u64,
    traffic: Traffic,
    ledger: Ledger,
    counts: Counts,
    first_answers: Times,
    crash_chance: f64,
    phase: usize,
    is_sampling: bool,
    /// Faults that have ended, and whose traces were still there when last looked.
    recovering: Vec<usize>,
    recovered: Vec<(String, f64)>,
}

impl Fleet {
    pub fn new(settings: Settings) -> Self {
        let constants = Constants::read();
        let sharding = ShardConfig {
            count: settings.shards_here(),
            linger_ms: settings.linger_ms,
            dedupe: headwater::shard::dedup::DedupConfig {
                max_ids: settings.max_ids,
                ..Default::default()
            },
            ..ShardConfig::default()
        };
        let destinations = Destinations {
            failed: StreamSet::parse("firehose:events-failed").unwrap(),
            policy: DeliveryConfig::default(),
            unpacked: Vec::new(),
        };
        let sets = StreamSets::new(constants.level_shares().len(), settings.streams_here());
        // Ids without a time have half of the room, less the two runs that may have just gone.
        let window =
            Window { window_ms: sharding.dedupe.window_ms, ids: settings.max_ids as u64 * 7 / 16 };
        let mut ledger = Ledger::new(window, sharding.session.timeout_ms);
        let traffic = Traffic::new(&settings, &constants, &mut ledger);
        let mut fleet = Self {
            chance: Chance::new(settings.seed),
            now: 0,
            queue: BinaryHeap::new(),
            order: 0,
            destinations,
            shards: Vec::new(),
            sharding,
            sets,
            streams: Vec::new(),
            stream_numbers: BTreeMap::new(),
            isolates: (0..ISOLATES).map(|_| Isolate::default()).collect(),
            requests: BTreeMap::new(),
            calls: BTreeMap::new(),
            direct: BTreeMap::new(),
            next_id: 0,
            traffic,
            ledger,
            counts: Counts::default(),
            first_answers: Times::default(),
            crash_chance: 0.0,
            phase: 0,
            is_sampling: false,
            recovering: Vec::new(),
            recovered: Vec::new(),
            constants,
            settings,
        };
        fleet.make_streams();
        fleet.grow();
        fleet
    }

    fn make_streams(&mut self) {
        let number = |key: &str| self.constants.number(key);
        let mib = self.settings.quota_mib;
        let share = mib / number("firehose.large.mib");
        let quota = Quota {
            bytes: mib * f64::from(1 << 20),
            calls: number("firehose.large.calls") * share,
            records: number("firehose.large.records") * share,
            raised_after_s: number("firehose.raised_after_s"),
            raised_by: number("firehose.raised_by"),
        };
        let times = CallTimes {
            call_s: number("time.call_s"),
            deviation: number("time.call_deviation"),
            upload_bytes_s: number("time.upload_bytes_s"),
        };
        let failed = self.destinations.failed.to_string();
        let streams = self.sets.all().into_iter();
        let names = streams.map(|(_, stream)| stream.to_string()).chain([failed]);
        for (index, name) in names.enumerate() {
            self.stream_numbers.insert(name, index);
            let mut stream = SimulatedStream::new(quota, times);
            stream.flaws = self.settings.flaws;
            stream.loses_each = self.settings.loses_each;
            self.streams.push(stream);
        }
    }

    /// Adds shards up to their configured number.
    fn grow(&mut self) {
        for number in self.shards.len()..self.sharding.addresses().len() {
            let object = ShardObject::new(number as ShardNumber);
            self.shards.push(ShardWorld { object, was_idle: true, ..ShardWorld::default() });
        }
    }

    /// Runs the day, and then until nothing is under way.
    pub fn run(mut self) -> Report {
        for index in 0..self.settings.phases {
            let (begin, _) = self.settings.phase(index);
            self.push(begin, Event::PhaseBegins(index));
        }
        for (index, fault) in self.settings.faults.clone().iter().enumerate() {
            self.push(fault.at, Event::FaultBegins(index));
            self.push(fault.ends, Event::FaultEnds(index));
            let must = fault.ends + micros(self.settings.recovery_s);
            self.push(must, Event::MustHaveRecovered(index));
        }
        let (_, last) = self.settings.phase(self.settings.phases - 1);
        self.push(last + micros(self.settings.recovery_s), Event::MustBeAtRest);
        // The last clients that come back do so after six hours.
        let end = last + 7 * 3_600 * SECOND;
        let mut is_calm = false;
        while let Some(Reverse(Queued { at, event, .. })) = self.queue.pop() {
            self.now = at;
            if !is_calm && at > last {
                is_calm = true;
                self.calm();
            }
            if at > end {
                let requests = self.requests.len();
                self.ledger
                    .violate(format!("{requests} requests have no answer after seven hours"));
                break;
            }
            self.handle(event);
            if !self.ledger.violations().is_empty() {
                break;
            }
        }
        if self.ledger.violations().is_empty() {
            self.ledger.finish();
        }
        self.report()
    }

    /// Ends all that is sick by itself.
    fn calm(&mut self) {
        for stream in &mut self.streams {
            (stream.sickness, stream.flaws) = (None, 0.0);
        }
        self.crash_chance = 0.0;
        self.settings.leaving = 0.0;
    }

    fn now_ms(&self) -> Milliseconds {
        MIDNIGHT_MS + self.now / 1_000
    }

    fn push(&mut self, at: Micros, event: Event) {
        self.order += 1;
        self.queue.push(Reverse(Queued { at, order: self.order, event }));
    }

    fn after(&mut self, wait: Micros, event: Event) {
        self.push(self.now + wait, event);
    }

    /// Returns the time of half a round trip between the edge and an object.
    fn hop(&mut self) -> Micros {
        let half = self.constants.number("time.round_trip_s") / 2.0;
        let deviation = self.constants.number("time.round_trip_deviation");
        micros(self.chance.about(half, deviation))
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::PhaseBegins(index) => self.begin_phase(index),
            Event::Traffic => self.make_request(),
            Event::Attempt(request) => self.attempt(request),
            Event::Arrives(number, incarnation, task) => self.arrives(number, incarnation, task),
            Event::Turn(number, incarnation, task) => self.turn(number, incarnation, task),
            Event::Ring(number, at) => {
                let object = &mut self.shards[number as usize].object;
                if object.disk.alarm_at() == Some(at) {
                    object.disk.set_alarm(None);
                    object.disk.commit();
                    self.counts.alarms += 1;
                    self.arrives(number, None, Task::Alarm);
                }
            }
            Event::Responded(call, response) => self.responded(call, response),
            Event::DirectStep(id) => self.direct_step(id),
            Event::DirectReply(id, result) => self.direct_reply(id, result),
            Event::FaultBegins(index) => self.begin_fault(index),
            Event::FaultEnds(index) => self.end_fault(index),
            Event::MustHaveRecovered(index) => {
                if self.recovering.contains(&index) {
                    let (fault, spilled) = (self.settings.faults[index].kind, self.spilled());
                    let bound = self.settings.recovery_s;
                    self.ledger.violate(format!(
                        "{spilled} records are spilled {bound} s after {fault:?}"
                    ));
                }
            }
            Event::MustBeAtRest => {
                let (calls, spilled) = (self.calls.len(), self.spilled());
                if calls > 0 || spilled > 0 {
                    let bound = self.settings.recovery_s;
                    self.ledger.violate(format!(
                        "{calls} calls of shards and {spilled} spilled records {bound} s after the last request"
                    ));
                }
            }
            Event::Sample => self.sample(),
        }
    }

    // The day.

    fn begin_phase(&mut self, index: usize) {
        self.phase = index;
        for number in 0..self.shards.len() {
            let ShardWorld { object, last_turn, .. } = &mut self.shards[number];
            if self.now - *last_turn < EVICTED || !object.is_idle() {
                continue;
            }
            if object.has_unwritten_changes() {
                self.ledger
                    .violate(format!("shard {number} sleeps with changes that it has not written"));
            }
            object.crash(&mut self.ledger);
        }
        self.next_traffic();
        self.sample_soon();
    }

    fn next_traffic(&mut self) {
        let wait_s = self.traffic.wait_s(Settings::shape(self.now), &mut self.chance);
        let at = self.now + micros(wait_s);
        let (_, end) = self.settings.phase(self.phase);
        if at < end {
            self.push(at, Event::Traffic);
        }
    }

    fn make_request(&mut self) {
        self.next_traffic();
        let now = self.now_ms();
        let events = self.traffic.request(now, &mut self.ledger, &mut self.chance);
        let id = self.new_id();
        let request = Request {
            events,
            isolate: 0,
            attempt: 0,
            began: self.now,
            open: 0,
            direct: Vec::new(),
            retry_after_s: None,
            leaves: false,
        };
        self.requests.insert(id, request);
        self.attempt(id);
    }

    // The edge.

    fn attempt(&mut self, id: RequestId) {
        let isolate = self.chance.below(ISOLATES);
        let leaves = self.chance.is(self.settings.leaving);
        let random = self.chance.next();
        let Some(request) = self.requests.get_mut(&id) else { return };
        (request.isolate, request.leaves) = (isolate, leaves);
        (request.began, request.retry_after_s) = (self.now, None);
        request.attempt += 1;
        let count = request.events.len() as f64;
        self.counts.attempts += 1;
        let number = |key: &str| self.constants.number(key);
        let cpu = number("processor.edge_request_us") + number("processor.edge_event_us") * count;
        self.counts.edge_cpu_us += cpu;
        let records = self.pending(&self.requests[&id].events);
        let mut called = Vec::new();
        let mut direct = Vec::new();
        for (number, records) in by_shard(records, &self.sharding, random) {
            let until = self.isolates[isolate].paused.get(&number).copied().unwrap_or(0);
            match is_ahead(until, self.now_ms(), PAUSE_MS) {
                true => direct.extend(numbers(&records)),
                false => called.push((number, records)),
            }
        }
        let request = self.requests.get_mut(&id).unwrap();
        (request.open, request.direct) = (called.len(), direct);
        let round_ms = self.destinations.policy.delivery_timeout_ms + self.sharding.linger_ms;
        let timeout = (round_ms * 2 + SHARD_SLACK_MS) * 1_000;
        let nothing_called = called.is_empty();
        for (number, records) in called {
            let call = self.new_id();
            let body = batch_request::encode(records.iter().map(|pending| &pending.item));
            self.calls.insert(call, ShardCall { request: id, number, events: numbers(&records) });
            self.counts.shard_calls += 1;
            let hop = self.hop();
            let arrives = Event::Arrives(number, None, Task::Admit(call, body));
            self.after(cpu as Micros + hop, arrives);
            self.after(timeout, Event::Responded(call, Err(CallFailure::Unreachable)));
        }
        if nothing_called {
            self.deliver_directly(id);
        }
    }

    fn pending(&self, events: &[u64]) -> Vec<PendingRecord<'static>> {
        let failed = &self.destinations.failed;
        let pending = |number: &u64| {
            edge::pending(*number, self.ledger.event(*number), &self.sharding, &self.sets, failed)
        };
        events.iter().map(pending).collect()
    }

    fn responded(&mut self, call: CallId, response: CallResponse) {
        // It may have been late.
        let Some(ShardCall { request: id, number, events }) = self.calls.remove(&call) else {
            return;
        };
        let now = self.now_ms();
        let request = self.requests.get_mut(&id).unwrap();
        request.open -= 1;
        match response {
            Ok(response) => {
                let not_durable = response.statuses.into_iter().find_map(|status| match status {
                    ItemStatus::NotDurable { retry_after_s, .. } => Some(retry_after_s),
                    ItemStatus::Durable
                    | ItemStatus::Duplicate
                    | ItemStatus::Rejected(_)
                    | ItemStatus::OverQuota
                    | ItemStatus::NotAdmitted => None,
                });
                request.retry_after_s = not_durable.or(request.retry_after_s);
            }
            Err(failure) => {
                if failure == CallFailure::Unreachable {
                    let isolate = &mut self.isolates[request.isolate];
                    isolate.paused.insert(number, now + PAUSE_MS);
                    self.counts.unreachable += 1;
                }
                request.direct.extend(events);
            }
        }
        if request.open == 0 {
            match request.retry_after_s {
                Some(_) => self.answer(id),
                None => self.deliver_directly(id),
            }
        }
    }

    fn deliver_directly(&mut self, id: RequestId) {
        let request = self.requests.get_mut(&id).unwrap();
        let (events, isolate) = (std::mem::take(&mut request.direct), request.isolate);
        if events.is_empty() {
            return self.answer(id);
        }
        self.counts.direct_events += events.len() as u64;
        self.counts.edge_cpu_us += self.constants.number("processor.direct_request_us");
        let records = self.pending(&events).into_iter().map(PendingRecord::direct).collect();
        let destinations = by_destination(records);
        self.requests.get_mut(&id).unwrap().open = destinations.len();
        for DestinationRecords { to, records, .. } in destinations {
            let (random, now) = (self.chance.random(), self.now_ms());
            let health = &self.isolates[isolate].health;
            let is_avoided = |stream: &Stream| {
                health.get(&stream.to_string()).is_some_and(|it| it.is_avoided(now))
            };
            let stream = to.member_for(random, is_avoided).into_owned();
            let batch = StreamBatch { stream, records };
            let policy = self.destinations.policy_of(&batch.stream);
            let delivery = Delivery::new(batch, policy, CallPurpose::Caller, self.now_ms());
            let direct = self.new_id();
            self.direct.insert(direct, DirectDelivery { request: id, isolate, delivery });
            self.direct_step(direct);
        }
    }

    fn direct_step(&mut self, id: u64) {
        let now = self.now_ms();
        let DirectDelivery { isolate, delivery, .. } = self.direct.get_mut(&id).unwrap();
        let health = self.isolates[*isolate].health.entry(delivery.stream.to_string()).or_default();
        match delivery.step(now, health) {
            Ok(Step::Call(call)) => {
                let stream = self.stream_numbers[&delivery.stream.to_string()];
                let answered = self.streams[stream].call(call, self.now, &mut self.chance);
                for line in &answered.taken {
                    self.ledger.excuse(line.number);
                    if answered.is_lost {
                        self.ledger.excuse(line.number);
                    }
                    self.ledger.taken(*line);
                }
                self.after(answered.after, Event::DirectReply(id, answered.result));
            }
            Ok(Step::Wait { milliseconds }) => {
                self.after(milliseconds * 1_000, Event::DirectStep(id))
            }
            Ok(Step::Ended) => {
                let DirectDelivery { request: of, isolate, delivery } =
                    self.direct.remove(&id).unwrap();
                let health = &self.isolates[isolate].health[&delivery.stream.to_string()];
                let report = delivery.finish(now, health);
                let request = self.requests.get_mut(&of).unwrap();
                request.open -= 1;
                let is_delivered =
                    |(_, status): &(_, RecordStatus)| *status == RecordStatus::Delivered;
                if report.problem.is_some() || !report.records.iter().all(is_delivered) {
                    request.retry_after_s = Some(report.retry_after_s);
                }
                if request.open == 0 {
                    self.answer(of);
                }
            }
            Err(limit) => self.ledger.violate(limit),
        }
    }

    fn direct_reply(&mut self, id: u64, result: headwater::delivery::response::CallResult) {
        let (now, random) = (self.now_ms(), self.chance.random());
        let DirectDelivery { isolate, delivery, .. } = self.direct.get_mut(&id).unwrap();
        let health = self.isolates[*isolate].health.entry(delivery.stream.to_string()).or_default();
        delivery.reply(result, now, random, health);
        self.direct_step(id);
    }

    /// Answers a request, unless its client has left: that one sends it again.
    fn answer(&mut self, id: RequestId) {
        let now = self.now_ms();
        let request = &self.requests[&id];
        if request.attempt == 1 {
            self.first_answers.add(self.now - request.began);
        }
        let retry_after_s = request.retry_after_s;
        if retry_after_s.is_none() {
            for number in &request.events {
                self.ledger.acknowledge(*number, now);
            }
        } else {
            self.counts.refused += 1;
        }
        let wait_s = match (retry_after_s, request.leaves) {
            (Some(seconds), _) => seconds as f64 * self.chance.between(1.0, 1.5),
            (None, false) => {
                self.requests.remove(&id);
                return;
            }
            // Some come back after hours.
            (None, true) if self.chance.is(0.2) => self.chance.between(60.0, 6.0 * 3_600.0),
            (None, true) => self.chance.between(1.0, 60.0),
        };
        self.after(micros(wait_s), Event::Attempt(id));
    }

    // The shards.

    fn arrives(&mut self, number: ShardNumber, incarnation: Option<u64>, task: Task) {
        let overloaded = micros(self.constants.number("object.overloaded_s"));
        let object = &mut self.shards[number as usize].object;
        if incarnation.is_some_and(|incarnation| incarnation != object.incarnation) {
            return;
        }
        let mut cost = 0;
        if let Task::Admit(call, _) = &task {
            // The edge may have given up.
            let count = self.calls.get(call).map_or(0, |call| call.events.len());
            cost = shard_us(&self.constants, count);
            if object.busy_until > self.now + overloaded {
                let call = *call;
                let hop = self.hop();
                return self.after(hop, Event::Responded(call, Err(CallFailure::Unreachable)));
            }
        }
        self.counts.busy_us += cost;
        let incarnation = object.incarnation;
        if cost == 0 && object.busy_until <= self.now {
            return self.turn(number, incarnation, task);
        }
        object.busy_until = object.busy_until.max(self.now) + cost;
        let at = object.busy_until;
        self.push(at, Event::Turn(number, incarnation, task));
    }

    fn turn(&mut self, number: ShardNumber, incarnation: u64, task: Task) {
        let now_ms = self.now_ms();
        let ShardWorld { object, last_turn, was_idle } = &mut self.shards[number as usize];
        if incarnation != object.incarnation {
            if let Task::Admit(call, _) = task {
                let hop = self.hop();
                self.after(hop, Event::Responded(call, Err(CallFailure::Unreachable)));
            }
            return;
        }
        let is_alarm = matches!(task, Task::Alarm);
        let call = if let Task::Admit(call, _) = &task { Some(*call) } else { None };
        if !*was_idle {
            self.counts.awake_us += self.now - *last_turn;
        }
        let Self { destinations, sharding, chance, ledger, .. } = self;
        let mut turn = Turn::new(now_ms, destinations, sharding, chance, ledger);
        object.run(task, &mut turn);
        let outputs = turn.out;
        (*last_turn, *was_idle) = (self.now, object.is_idle());
        let (crashes, is_kept) = (self.chance.is(self.crash_chance), self.chance.is(0.5));
        if !crashes || is_kept {
            let committed = object.commit();
            committed.stored.into_iter().for_each(|number| self.ledger.stored(number));
            committed.removed.into_iter().for_each(|number| self.ledger.removed(number));
            outputs.into_iter().for_each(|output| self.output(number, incarnation, output));
        } else if is_alarm {
            // The platform retries an alarm that has failed.
            self.after(2 * SECOND, Event::Arrives(number, None, Task::Alarm));
        }
        if crashes {
            self.crash(number, call);
        }
    }

    fn output(&mut self, number: ShardNumber, incarnation: u64, output: Output) {
        match output {
            Output::After(wait, task) => {
                self.after(wait, Event::Arrives(number, Some(incarnation), task));
            }
            Output::Call(id, stream, purpose, call) => {
                let lines = call.records.iter().map(|record| record.lines.len()).sum();
                let stream = self.stream_numbers[&stream.to_string()];
                let answered = self.streams[stream].call(call, self.now, &mut self.chance);
                for line in &answered.taken {
                    if answered.is_lost {
                        self.ledger.excuse(line.number);
                    }
                    self.ledger.taken(*line);
                }
                let object = &mut self.shards[number as usize].object;
                object.note_taken(id, answered.taken.iter().map(|line| line.number));
                if purpose == CallPurpose::Spill {
                    let cost = shard_us(&self.constants, lines);
                    object.busy_until = object.busy_until.max(self.now) + cost;
                    self.counts.busy_us += cost;
                }
                let reply = Task::Reply(id, answered.result);
                self.after(answered.after, Event::Arrives(number, Some(incarnation), reply));
            }
            Output::Answer(call, response) => {
                let hop = self.hop();
                let response = response.map_err(|_| CallFailure::Rejected);
                self.after(hop, Event::Responded(call, response));
            }
            Output::Ask { number: asked, ask, question } => {
                let hop = self.hop();
                self.counts.exports += 1;
                self.after(hop, Event::Arrives(asked, None, Task::Export(number, ask, question)));
            }
            Output::Exported { number: asker, ask, answer } => {
                let hop = self.hop();
                self.after(hop, Event::Arrives(asker, None, Task::Exported(ask, Some(answer))));
            }
            Output::Alarm(at) => {
                let due = at.saturating_sub(MIDNIGHT_MS) * 1_000;
                self.push(due.max(self.now), Event::Ring(number, at));
            }
        }
    }

    /// Loses an object; `call` is the one that it has just taken in.
    fn crash(&mut self, number: ShardNumber, call: Option<CallId>) {
        self.counts.crashes += 1;
        let object = &mut self.shards[number as usize].object;
        let unanswered = object.crash(&mut self.ledger);
        self.shards[number as usize].was_idle = true;
        for call in unanswered.into_iter().chain(call) {
            let hop = self.hop();
            self.after(hop, Event::Responded(call, Err(CallFailure::Unreachable)));
        }
    }

    // Faults.

    fn begin_fault(&mut self, index: usize) {
        let Fault { kind, .. } = self.settings.faults[index];
        self.sample_soon();
        match kind {
            FaultKind::Stream(number, sickness) => self.make_sick(number, Some(sickness)),
            FaultKind::Crashes(chance) => self.crash_chance = chance,
            FaultKind::Deployment(count) => {
                if let Some(count) = count {
                    self.sharding.previous_count = Some(self.sharding.count);
                    self.sharding.count = count;
                    self.grow();
                }
                for number in 0..self.shards.len() {
                    self.crash(number as ShardNumber, None);
                }
                for isolate in &mut self.isolates {
                    *isolate = Isolate::default();
                }
            }
        }
    }

    fn end_fault(&mut self, index: usize) {
        match self.settings.faults[index].kind {
            FaultKind::Stream(number, _) => self.make_sick(number, None),
            FaultKind::Crashes(_) => self.crash_chance = 0.0,
            FaultKind::Deployment(_) => {}
        }
        self.recovering.push(index);
    }

    fn make_sick(&mut self, number: Option<usize>, sickness: Option<Sickness>) {
        for (of, stream) in self.sets.all() {
            if number.is_none_or(|number| number == of) {
                self.streams[self.stream_numbers[&stream.to_string()]].sickness = sickness;
            }
        }
    }

    // Inspection.

    fn spilled(&mut self) -> u64 {
        let now = self.now_ms();
        self.shards.iter_mut().map(|shard| shard.object.held(now).spilled).sum()
    }

    fn sample_soon(&mut self) {
        if !std::mem::replace(&mut self.is_sampling, true) {
            self.after(SAMPLE, Event::Sample);
        }
    }

    fn sample(&mut self) {
        let (now, mut spilled) = (self.now_ms(), 0);
        let limit = self.sharding.buffer_bytes;
        for ShardWorld { object, .. } in &mut self.shards {
            let held = object.held(now);
            spilled += held.spilled;
            let counts = &mut self.counts;
            counts.most_buffer_bytes = counts.most_buffer_bytes.max(held.buffer_bytes);
            counts.most_devices = counts.most_devices.max(held.devices);
            counts.most_ids = counts.most_ids.max(held.ids);
            counts.most_spilled = counts.most_spilled.max(held.spilled);
            // Sessions are added when a request was let in already.
            let columns = limit / 4;
            if held.buffer_bytes > limit + columns {
                let (number, bytes) = (object.number, held.buffer_bytes);
                self.ledger
                    .violate(format!("shard {number} holds {bytes} bytes, the limit is {limit}"));
            }
            if held.devices > headwater::shard::device_store::MAX_DEVICES * 5 / 4 {
                let (number, devices) = (object.number, held.devices);
                self.ledger.violate(format!("shard {number} holds {devices} devices"));
            }
        }
        if spilled == 0 {
            for index in std::mem::take(&mut self.recovering) {
                let Fault { ends, kind, .. } = self.settings.faults[index];
                self.recovered.push((format!("{kind:?}"), seconds(self.now - ends)));
            }
        }
        let (_, end) = self.settings.phase(self.phase);
        self.is_sampling = false;
        let is_busy = spilled > 0 || !self.calls.is_empty();
        if self.now < end || is_busy || !self.recovering.is_empty() {
            self.sample_soon();
        }
    }

    fn report(mut self) -> Report {
        let mut streams = StreamCounts::default();
        for SimulatedStream { counts, .. } in &self.streams {
            streams.calls += counts.calls;
            streams.throttled_calls += counts.throttled_calls;
            streams.refused_records += counts.refused_records;
            streams.records += counts.records;
            streams.lines += counts.lines;
            streams.bytes_sent += counts.bytes_sent;
            streams.bytes_billed += counts.bytes_billed;
            streams.raises += counts.raises;
        }
        let mut rows = RowCounts::default();
        for ShardWorld { object, .. } in &self.shards {
            let counts = object.disk.counts();
            rows.read += counts.read;
            rows.written += counts.written;
            rows.deleted += counts.deleted;
            self.counts.batches_spilled += object.batches_spilled;
        }
        Report {
            traffic_s: self.settings.seconds * self.settings.phases as f64,
            shards: self.shards.len() as u32,
            counts: self.counts,
            streams,
            rows,
            first_answers: self.first_answers,
            events: self.ledger.events() as u64,
            acknowledged: self.ledger.acknowledged,
            delivered: self.ledger.delivered,
            copies: self.ledger.copies,
            repeats: self.ledger.repeats,
            devices: self.ledger.checked_devices(),
            recovered_s: self.recovered,
            violations: self.ledger.violations().to_vec(),
            settings: self.settings,
        }
    }
}

fn shard_us(constants: &Constants, events: usize) -> Micros {
    let number = |key: &str| constants.number(key);
    let us =
        number("processor.shard_request_us") + number("processor.shard_event_us") * events as f64;
    us as Micros
}

fn numbers(records: &[PendingRecord<'_>]) -> Vec<u64> {
    delivery::numbers(records.iter().map(|pending| &pending.item.record))
}
