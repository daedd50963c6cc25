//! The delivery of one request's records to one stream: a state machine that the edge
//! drives, so that every fault can be replayed in a native test.
//!
//! ```text
//! loop {
//!     match delivery.step(now, health) {
//!         Send { records, timeout_ms } => delivery.reply(send(records), now, random, health),
//!         Wait { milliseconds } => sleep(milliseconds),
//!         Spill | Done => break delivery.finish(),
//!     }
//! }
//! ```
//!
//! A record leaves as accepted only on its own entry in an answer. What was refused, and
//! only that, is sent again; what is unknown (a time-out, a lost connection, an answer
//! that does not parse) is sent again too, and is the one way to a duplicate. A call, or
//! a pack in it, that is refused for its bytes is halved until the record that poisons it
//! stands alone. Packs live only here: a record goes in, and its own fate comes out.

use std::collections::VecDeque;

use super::aggregate;
use super::aggregate::{AggregatedRecord, Aggregation, Group, LineInfo};
use super::health::{CallPass, DeliveryError, Permit, RetryCost, StreamHealth};
use super::limiter::Ticket;
use super::request;
use super::request::RequestLimits;
use super::response::{AwsError, CallResult, ErrorClass, PutResult};
use crate::base::clock::Milliseconds;
use crate::model::record::Record;
use crate::model::stream::Service;
use crate::model::stream::Stream;

/// Waits and sizes of a delivery inside of a request.
/// Source of the waits: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/> (full jitter).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// How long the caller waits at most.
    pub deadline_ms: u64,
    /// Bytes at which a call is closed.
    pub call_bytes: usize,
    /// Whether events share records, where the stream's service allows it.
    pub packing: Aggregation,
}

impl DeliveryConfig {
    const BASE_MS: u64 = 50;
    const THROTTLED_BASE_MS: u64 = 500;
    const PARTIAL_BASE_MS: u64 = 100;
    const CAP_MS: u64 = 1_000;
    /// The share of what is left of the deadline that one wait may take: so that several tries are.
    const WAIT_SHARE: u64 = 3;
    /// What a call that is made again has to have at least: a shorter one proves nothing.
    const LEAST_CALL_MS: u64 = 100;
    /// When to ask again for room under the limit of calls.
    const NO_ROOM_MS: u64 = 20;
    /// The longest wait that a service may ask for, and that is handed on to clients.
    const MAX_ASKED_MS: u64 = 60_000;
    /// The records refused alone, with none taken, after which the stream is to blame.
    const MAX_SUSPECTS: usize = 3;
    /// The most records of a probe, which are taken out of their packs for it.
    const PROBE_RECORDS: usize = 25;
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        // Hashing 4 MiB costs 12 to 20 ms of CPU in Wasm, so calls are closed far below it.
        Self { deadline_ms: 2_000, call_bytes: 1_048_576, packing: Aggregation::default() }
    }
}

/// What the driver does next.
#[derive(Debug, PartialEq)]
pub enum Action<'a> {
    /// Send one call with these records, sign it now, and hand the reply to [`StreamDelivery::reply`].
    Send {
        /// In the order in which the answer's entries are paired with them.
        records: Vec<AggregatedRecord<'a>>,
        /// How long to wait for the answer.
        timeout_ms: u64,
    },
    /// Come back after this many milliseconds.
    Wait {
        /// Milliseconds.
        milliseconds: u64,
    },
    /// Give up for this request: what is [`RecordStatus::Pending`] is not durable.
    GiveUp,
    /// Every record is accepted or poisoned.
    Done,
}

/// What became of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStatus {
    /// Not known to be accepted; it must be sent again, by us or by the client.
    Pending,
    /// The stream has it.
    Delivered,
    /// The service refuses it for itself, and always will.
    Rejected(AwsError),
}

/// One call's packs of indices into a delivery's records.
type OpenCall = Vec<Group>;

/// The records of one request for one stream, and how far they are.
#[derive(Debug)]
pub struct StreamDelivery {
    service: Service,
    /// What a call may hold besides its envelope.
    limits: RequestLimits,
    records: Vec<Record>,
    fates: Vec<RecordStatus>,
    /// Yet to be sent, in order.
    calls: VecDeque<OpenCall>,
    in_flight: OpenCall,
    /// The time when it was last driven.
    seen: Milliseconds,
    deadline: Milliseconds,
    /// By how much the deadline may still be put off.
    grace_ms: u64,
    /// Not before this time.
    resume_at: Milliseconds,
    /// Failures since a record was last accepted.
    failures: u32,
    /// What the next call was paid for as a retry.
    paid: Option<RetryCost>,
    retries: u32,
    /// The call that is under way.
    ticket: Option<Ticket>,
    /// Whether the last call was refused as too much, in part or whole.
    load: Load,
    clock: ClockTrust,
    /// Under which the last call went.
    pass: Option<CallPass>,
    /// Not before this time, as the service asked last.
    asked: Milliseconds,
    /// Refused alone for their bytes, while no record is known to be taken.
    suspects: Vec<(Group, AwsError)>,
    gave_up: Option<DeliveryError>,
}

/// What the last call says of how much the stream takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// Nothing.
    Unknown,
    /// That this is too much.
    TooMuch,
}

/// Whether a signature was already refused for its time in this delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClockTrust {
    Untried,
    SignedAgain,
}

/// How a delivery ended.
#[derive(Debug, Default)]
pub struct DeliveryReport {
    /// Each record with its fate, in their order.
    pub records: Vec<(Record, RecordStatus)>,
    /// Why it gave up, when it did.
    pub problem: Option<DeliveryError>,
    /// How many of its calls were made again, after a failure or a throttle.
    pub retries: u32,
    /// When the client may send again, in seconds, where it gave up.
    pub retry_after_s: u64,
    /// How long the breaker, or the service itself, wants the stream to be left alone.
    pub left_alone_ms: u64,
}

impl DeliveryReport {
    /// When to come back to a stream that is not left alone, in seconds.
    pub const RETRY_AFTER_S: u64 = 5;
}

impl StreamDelivery {
    /// A delivery of `records` to `stream` that starts at `now`.
    pub fn new(
        stream: &Stream,
        records: Vec<Record>,
        policy: DeliveryConfig,
        now: Milliseconds,
    ) -> Self {
        let service = stream.service;
        let limits = limits(stream, policy);
        let lines = records
            .iter()
            .map(|record| LineInfo { bytes: record.bytes().len(), partition: record.partition() });
        let packs = aggregate::packs(lines, service.packing(policy.packing, limits.bytes));
        let mut delivery = Self {
            service,
            limits,
            fates: vec![RecordStatus::Pending; records.len()],
            records,
            calls: VecDeque::new(),
            in_flight: OpenCall::new(),
            seen: now,
            deadline: now.saturating_add(policy.deadline_ms),
            grace_ms: policy.deadline_ms,
            resume_at: now,
            failures: 0,
            paid: None,
            retries: 0,
            ticket: None,
            load: Load::Unknown,
            clock: ClockTrust::Untried,
            pass: None,
            asked: now,
            suspects: Vec::new(),
            gave_up: None,
        };
        delivery.send_next(packs);
        delivery
    }

    /// What to do at `now`. A call whose reply was never handed in counts as unknown.
    pub fn step(&mut self, now: Milliseconds, health: &mut StreamHealth) -> Action<'_> {
        self.follow_clock(now);
        if !self.in_flight.is_empty() {
            self.calls.push_front(std::mem::take(&mut self.in_flight));
        }
        self.end_call(health);
        if self.gave_up.is_some() {
            return Action::GiveUp;
        }
        let judge = self.calls.is_empty() || self.suspects.len() >= DeliveryConfig::MAX_SUSPECTS;
        if let Some(problem) = judge.then(|| self.judge_suspects(health)).flatten() {
            self.fail_for_good(problem, health);
            return Action::GiveUp;
        }
        if self.calls.is_empty() {
            return Action::Done;
        }
        if now < self.resume_at {
            return Action::Wait { milliseconds: self.resume_at.saturating_sub(now) };
        }
        if now >= self.deadline {
            return self.give_up_late(now, health);
        }
        let timeout_ms = self.deadline.saturating_sub(now);
        // Before the breaker: its probe is for who can make it.
        let Some(ticket) = health.limiter.begin(now, timeout_ms) else {
            return Action::Wait { milliseconds: DeliveryConfig::NO_ROOM_MS.min(timeout_ms) };
        };
        let (pass, most) = match health.breaker.permit(now, self.pass) {
            Permit::Call(pass) => (pass, usize::MAX),
            Permit::Probe(pass) => (pass, DeliveryConfig::PROBE_RECORDS),
            Permit::NotBefore(at) => {
                health.limiter.end(ticket);
                // Whose door opens in time is waited for.
                if at.saturating_add(DeliveryConfig::LEAST_CALL_MS) >= self.deadline {
                    return self.give_up(DeliveryError::BreakerOpen);
                }
                let milliseconds = at.saturating_sub(now).clamp(1, DeliveryConfig::CAP_MS);
                return Action::Wait { milliseconds };
            }
        };
        self.ticket = Some(ticket);
        let Some(mut call) = self.calls.pop_front() else {
            return Action::Done;
        };
        let rest = aggregate::split_off(&mut call, most);
        if !rest.is_empty() {
            self.calls.push_front(rest);
        }
        self.pass = Some(pass);
        self.retries = self.retries.saturating_add(u32::from(self.paid.is_some()));
        self.in_flight = call;
        let records = self.in_flight.iter().filter_map(|pack| self.packed(pack)).collect();
        Action::Send { records, timeout_ms }
    }

    /// Takes in what came of the call that the last [`Action::Send`] asked for. `random` is
    /// drawn evenly from all of `u32`; it spreads the wait before a retry.
    pub fn reply(
        &mut self,
        reply: CallResult,
        now: Milliseconds,
        random: u32,
        health: &mut StreamHealth,
    ) {
        self.follow_clock(now);
        self.end_call(health);
        let call = std::mem::take(&mut self.in_flight);
        self.paid = None;
        self.load = Load::Unknown;
        let retry = match reply {
            CallResult::Answered(http) => {
                let asked_ms = http.retry_after_ms.unwrap_or(0).min(DeliveryConfig::MAX_ASKED_MS);
                self.asked = now.saturating_add(asked_ms);
                match self.service.answer(&http, call.len()) {
                    PutResult::PerRecord(answers) => self.pair(call, answers, random, health),
                    PutResult::Failed(refusal) => self.refused(call, refusal, random, health),
                    PutResult::Unparseable(why) => {
                        Some(self.failed(call, DeliveryError::Unknown(why), random, health))
                    }
                }
            }
            CallResult::TimedOut => {
                Some(self.failed(call, DeliveryError::TimedOut, random, health))
            }
            CallResult::Starved => {
                self.calls.push_front(call);
                if let Some(pass) = self.pass {
                    health.breaker.forget(pass, now);
                }
                if now >= self.deadline {
                    self.give_up(DeliveryError::Starved);
                }
                None
            }
            CallResult::Unreachable(how) => {
                Some(self.failed(call, DeliveryError::Unreachable(how), random, health))
            }
            CallResult::NotSent(why) => {
                self.calls.push_front(call);
                self.fail_for_good(DeliveryError::NotSent(why), health);
                None
            }
        };
        if let Some(cost) = retry {
            self.schedule(cost, now, random, health);
        }
    }

    /// Where the clock was set back, what is to come is as far away as before.
    fn follow_clock(&mut self, now: Milliseconds) {
        let back = self.seen.saturating_sub(now);
        for time in [&mut self.deadline, &mut self.resume_at, &mut self.asked] {
            *time = time.saturating_sub(back);
        }
        self.seen = now;
    }

    /// Ends the delivery at `now`, at whatever point it is.
    pub fn finish(self, now: Milliseconds, health: &StreamHealth) -> DeliveryReport {
        let until = health.breaker.open_until().unwrap_or(now).max(self.asked);
        let away_ms = until.saturating_sub(now).min(DeliveryConfig::MAX_ASKED_MS);
        let come_back_s = away_ms.div_ceil(1_000);
        DeliveryReport {
            records: self.records.into_iter().zip(self.fates).collect(),
            problem: self.gave_up,
            retries: self.retries,
            retry_after_s: if come_back_s > 0 {
                come_back_s
            } else {
                DeliveryReport::RETRY_AFTER_S
            },
            left_alone_ms: away_ms,
        }
    }

    /// Puts the deadline off, by as long as the delivery waited for a connection of ours: its time
    /// is the stream's. In all by as much again as it had, since a caller waits.
    pub fn queued(&mut self, milliseconds: u64) {
        let more = milliseconds.min(self.grace_ms);
        self.grace_ms = self.grace_ms.saturating_sub(more);
        self.deadline = self.deadline.saturating_add(more);
    }

    fn end_call(&mut self, health: &mut StreamHealth) {
        if let Some(ticket) = self.ticket.take() {
            health.limiter.end(ticket);
        }
    }

    /// Pairs each pack of `call` with its own entry of the answer.
    fn pair(
        &mut self,
        call: OpenCall,
        answers: Vec<Result<(), AwsError>>,
        random: u32,
        health: &mut StreamHealth,
    ) -> Option<RetryCost> {
        let mut again = OpenCall::new();
        let (mut accepted, mut refused) = (0_usize, 0_usize);
        let mut refusals = Vec::new();
        for (pack, answer) in call.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    accepted = accepted.saturating_add(pack.len());
                    self.settle(pack, &RecordStatus::Delivered);
                }
                Err(refusal) if refusal.blame == ErrorClass::InvalidRecord => {
                    match aggregate::halves(pack) {
                        Ok(halves) => again.extend(halves),
                        Err(alone) => self.settle(alone, &RecordStatus::Rejected(refusal)),
                    }
                }
                Err(refusal) => {
                    refused = refused.saturating_add(pack.len());
                    again.push(pack);
                    refusals.push(refusal);
                }
            }
        }
        if accepted > 0 {
            health.last_taken_at = Some(self.seen);
            self.failures = 0;
            health.budget.earn();
            health.limiter.raise();
        }
        // What is refused for itself alone says that the service works.
        match accepted > 0 || refusals.is_empty() {
            true => self.works(random, health),
            false => self.brings_nothing(random, health),
        }
        self.send_next(again);
        if refusals.is_empty() {
            health.recovers();
            return None;
        }
        let first_of = |blame| refusals.iter().find(|refusal| refusal.blame == blame).cloned();
        if let Some(refusal) = first_of(ErrorClass::Config) {
            self.fail_for_good(DeliveryError::Refused(refusal), health);
            return None;
        }
        self.load = Load::TooMuch;
        let throttled = first_of(ErrorClass::Throttled);
        let cost = match throttled {
            Some(_) if accepted >= refused => RetryCost::Partial,
            Some(_) => RetryCost::Throttle,
            None => RetryCost::Failure,
        };
        if let Some(refusal) = throttled.or_else(|| refusals.into_iter().next()) {
            health.fails(DeliveryError::Refused(refusal), self.seen);
        }
        Some(cost)
    }

    /// Takes in the refusal of a whole call.
    fn refused(
        &mut self,
        mut call: OpenCall,
        refusal: AwsError,
        random: u32,
        health: &mut StreamHealth,
    ) -> Option<RetryCost> {
        match refusal.blame {
            ErrorClass::InvalidRecord => {
                // The service works; it is the bytes.
                self.works(random, health);
                if call.len() > 1 {
                    let second_half = call.split_off(call.len() / 2);
                    self.calls.push_front(second_half);
                    self.calls.push_front(call);
                    return None;
                }
                for pack in call {
                    match aggregate::halves(pack) {
                        Ok([first, second]) => {
                            self.calls.push_front(vec![second]);
                            self.calls.push_front(vec![first]);
                        }
                        Err(alone) => self.suspects.push((alone, refusal.clone())),
                    }
                }
                None
            }
            ErrorClass::ClockSkew if self.clock == ClockTrust::Untried => {
                self.clock = ClockTrust::SignedAgain;
                self.calls.push_front(call);
                None
            }
            ErrorClass::ClockSkew | ErrorClass::Config => {
                self.calls.push_front(call);
                self.brings_nothing(random, health);
                self.fail_for_good(DeliveryError::Refused(refusal), health);
                None
            }
            ErrorClass::Throttled => {
                self.failed(call, DeliveryError::Refused(refusal), random, health);
                self.load = Load::TooMuch;
                Some(RetryCost::Throttle)
            }
            ErrorClass::Transient => {
                Some(self.failed(call, DeliveryError::Refused(refusal), random, health))
            }
        }
    }

    /// A whole call failed in a way that may pass.
    fn failed(
        &mut self,
        call: OpenCall,
        problem: DeliveryError,
        random: u32,
        health: &mut StreamHealth,
    ) -> RetryCost {
        self.calls.push_front(call);
        self.brings_nothing(random, health);
        health.fails(problem, self.seen);
        RetryCost::Failure
    }

    fn works(&self, random: u32, health: &mut StreamHealth) {
        if let Some(pass) = self.pass {
            health.breaker.brought(pass, self.seen, random);
        }
    }

    fn brings_nothing(&self, random: u32, health: &mut StreamHealth) {
        if let Some(pass) = self.pass {
            health.breaker.failed(pass, self.seen, random);
        }
    }

    /// Sets the time of the next try, or gives up where there is no time or budget for it.
    fn schedule(
        &mut self,
        cost: RetryCost,
        now: Milliseconds,
        random: u32,
        health: &mut StreamHealth,
    ) {
        let left_ms = self.deadline.saturating_sub(now);
        let longest_ms = left_ms.saturating_div(DeliveryConfig::WAIT_SHARE);
        let wait = backoff_ms(cost, self.failures, random, longest_ms);
        self.failures = self.failures.saturating_add(1);
        self.resume_at = now.saturating_add(wait).max(self.asked);
        let is_too_late =
            self.resume_at.saturating_add(DeliveryConfig::LEAST_CALL_MS) >= self.deadline;
        if is_too_late || !health.budget.spend(cost) {
            self.give_up_late(now, health);
        } else {
            self.paid = Some(cost);
        }
    }

    /// Gives up for want of time, or of a budget.
    fn give_up_late(&mut self, now: Milliseconds, health: &mut StreamHealth) -> Action<'static> {
        if self.load == Load::TooMuch {
            health.limiter.lower(now);
        }
        self.give_up(health.problem().cloned().unwrap_or(DeliveryError::TimedOut))
    }

    /// A record is poison only beside one that the stream takes; where it takes none, it is
    /// the stream that is wrong, and the operator's to mend.
    fn judge_suspects(&mut self, health: &StreamHealth) -> Option<DeliveryError> {
        let suspects = std::mem::take(&mut self.suspects);
        if health.last_taken_at.is_none() {
            let (_, refusal) = suspects.into_iter().next()?;
            return Some(DeliveryError::Refused(AwsError { blame: ErrorClass::Config, ..refusal }));
        }
        for (pack, refusal) in suspects {
            self.settle(pack, &RecordStatus::Rejected(refusal));
        }
        None
    }

    fn settle(&mut self, pack: Group, fate: &RecordStatus) {
        for index in pack {
            if let Some(slot) = self.fates.get_mut(index) {
                *slot = fate.clone();
            }
        }
    }

    /// Puts `packs` before all other calls, in as many calls as they need.
    fn send_next(&mut self, mut packs: OpenCall) {
        let encoded = packs.iter().filter_map(|pack| self.packed(pack));
        let lengths: Vec<usize> = encoded.map(|record| self.service.encoded_len(&record)).collect();
        for call in request::calls(lengths, self.limits).into_iter().rev() {
            let first = packs.len().saturating_sub(call.len());
            self.calls.push_front(packs.split_off(first));
        }
    }

    fn packed(&self, pack: &Group) -> Option<AggregatedRecord<'_>> {
        AggregatedRecord::new(pack.iter().filter_map(|index| self.records.get(*index)))
    }

    fn fail_for_good(&mut self, problem: DeliveryError, health: &mut StreamHealth) {
        health.fails(problem.clone(), self.seen);
        self.give_up(problem);
    }

    fn give_up(&mut self, problem: DeliveryError) -> Action<'static> {
        self.gave_up = Some(problem);
        Action::GiveUp
    }
}

/// Full jitter: evenly from 0 to `min(cap, base * 2^failures, longest)` milliseconds.
fn backoff_ms(cost: RetryCost, failures: u32, random: u32, longest_ms: u64) -> u64 {
    let base = match cost {
        RetryCost::Failure => DeliveryConfig::BASE_MS,
        RetryCost::Throttle => DeliveryConfig::THROTTLED_BASE_MS,
        RetryCost::Partial => DeliveryConfig::PARTIAL_BASE_MS,
    };
    let most =
        base.saturating_mul(1 << failures.min(16)).min(DeliveryConfig::CAP_MS).min(longest_ms);
    most.saturating_add(1).saturating_mul(u64::from(random)) >> u32::BITS
}

fn limits(stream: &Stream, policy: DeliveryConfig) -> RequestLimits {
    let RequestLimits { records, bytes } = stream.service.limits();
    let envelope = stream.service.envelope_len(&stream.name);
    RequestLimits { records, bytes: policy.call_bytes.min(bytes).saturating_sub(envelope) }
}

#[cfg(test)]
mod tests;
