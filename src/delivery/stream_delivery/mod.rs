//! Delivers some records to one stream: a state machine that the runtime drives, so that a native
//! test can replay every fault.
//!
//! ```text
//! loop {
//!     match delivery.step(now, health) {
//!         Send { records, timeout_ms } => delivery.reply(send(records), now, random, health),
//!         Wait { milliseconds } => sleep(milliseconds),
//!         GiveUp | Done => break delivery.finish(now, health),
//!     }
//! }
//! ```
//!
//! A record counts as delivered only by its own entry in a response. Only rejected records are sent
//! again, and those with an unknown result (a timeout, a lost connection, an invalid response). The
//! latter is the one way to a duplicate. A call or an aggregated record that is rejected for its
//! content is halved until the poison record is alone. Aggregated records exist only here: each
//! record that is passed in has a status of its own at the end.

use std::collections::VecDeque;

use super::aggregate::{AggregatedRecord, Aggregation, Group};
use super::circuit_breaker::{Generation, Permit};
use super::health::{DeliveryError, RetryCost, StreamHealth};
use super::limiter::CallId;
use super::request::RequestLimits;
use super::response::{AwsError, CallResult, ErrorClass, PutResult};
use super::{StreamBatch, aggregate, request};
use crate::base::clock::Milliseconds;
use crate::model::record::Record;
use crate::model::stream::{Service, Stream};

/// Waits and sizes of a delivery. The waits have full jitter.
/// Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryConfig {
    /// Longest wait of the caller, in milliseconds.
    pub delivery_timeout_ms: u64,
    /// Bytes of a full call.
    pub call_bytes: usize,
    /// Whether events are aggregated, if the stream's service allows it.
    pub aggregation: Aggregation,
}

impl DeliveryConfig {
    const BASE_MS: u64 = 50;
    const THROTTLED_BASE_MS: u64 = 500;
    const PARTIAL_BASE_MS: u64 = 100;
    const CAP_MS: u64 = 1_000;
    /// One wait takes at most the remaining time divided by this, so that there are several
    /// attempts.
    const WAIT_SHARE: u64 = 3;
    /// Shortest time for a retry, in milliseconds: less proves nothing.
    const LEAST_CALL_MS: u64 = 100;
    /// Wait before the next check of the limit of calls, in milliseconds.
    const BLOCKED_MS: u64 = 20;
    /// Longest wait that a service may ask for, and that is passed on to clients, in milliseconds.
    const MAX_RETRY_AFTER_MS: u64 = 60_000;
    /// Records rejected alone, with none accepted, after which the stream is to blame.
    const MAX_SUSPECT_RECORDS: usize = 3;
    /// The most records of a probe, which may split aggregated records.
    const PROBE_RECORDS: usize = 25;
}

impl Default for DeliveryConfig {
    fn default() -> Self {
        // Hashing 4 MiB costs 12 to 20 ms of CPU in Wasm, so calls are closed far below that size.
        Self {
            delivery_timeout_ms: 2_000,
            call_bytes: 1_048_576,
            aggregation: Aggregation::default(),
        }
    }
}

/// The driver's next action.
#[derive(Debug, PartialEq)]
pub enum Action<'a> {
    /// Send one call with these records, signed now, and pass its result to
    /// [`StreamDelivery::reply`].
    Send {
        /// In the order of the response's entries.
        records: Vec<AggregatedRecord<'a>>,
        timeout_ms: u64,
    },
    Wait {
        milliseconds: u64,
    },
    /// Stop: [`RecordStatus::Pending`] records are not durable.
    GiveUp,
    /// Stop: every record is delivered or rejected.
    Done,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStatus {
    /// Not known to be delivered; the worker or the client must send it again.
    Pending,
    Delivered,
    /// The service rejects its content, and always will.
    Rejected(AwsError),
}

/// The groups of one call, as indices into a delivery's records.
type CallGroups = Vec<Group>;

/// The records of a delivery to one stream, and their progress.
#[derive(Debug)]
pub struct StreamDelivery {
    service: Service,
    /// The limits of a call, without its envelope.
    limits: RequestLimits,
    records: Vec<Record>,
    statuses: Vec<RecordStatus>,
    /// Not sent yet, in order.
    calls: VecDeque<CallGroups>,
    in_flight: CallGroups,
    /// When it was last driven.
    driven_at: Milliseconds,
    deadline: Milliseconds,
    /// How much the deadline may still be extended, in milliseconds.
    grace_ms: u64,
    /// No call is made before this time.
    resume_at: Milliseconds,
    /// Failures since a record was last delivered.
    failures: u32,
    /// The cost that was paid for the next call, if it is a retry.
    paid: Option<RetryCost>,
    retries: u32,
    /// The call in flight.
    call_id: Option<CallId>,
    load: LoadSignal,
    clock: Signing,
    /// The breaker's pass of the last call.
    generation: Option<Generation>,
    /// The time before which the service last asked for no call.
    not_before: Milliseconds,
    /// Rejected alone for their content, while no record is known to be accepted.
    suspect_records: Vec<(Group, AwsError)>,
    gave_up: Option<DeliveryError>,
}

/// Whether the stream rejected the last call, or a part of it, because of load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LoadSignal {
    Unknown,
    TooMuch,
}

/// Whether this delivery has signed again because of a clock error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Signing {
    First,
    Repeated,
}

/// The result of a delivery.
#[derive(Debug, Default)]
pub struct DeliveryReport {
    /// Each record with its status, in their order.
    pub records: Vec<(Record, RecordStatus)>,
    /// Why the delivery gave up, if it did.
    pub problem: Option<DeliveryError>,
    /// Number of retries, after failures or throttles.
    pub retries: u32,
    /// Seconds until the client may send again, if the delivery gave up.
    pub retry_after_s: u64,
    /// How long the circuit breaker or the service pauses the calls, in milliseconds.
    pub cooldown_ms: u64,
}

impl DeliveryReport {
    /// Splits the report of several batches that were joined, of `counts` records each. A part has
    /// the problem only if one of its records was not delivered because of it.
    pub fn split(self, counts: &[usize]) -> Vec<Self> {
        let Self { records, problem, retries, retry_after_s, cooldown_ms } = self;
        let mut records = records.into_iter();
        let part = |count: &usize| {
            let records: Vec<_> = records.by_ref().take(*count).collect();
            let is_pending = records.iter().any(|(_, status)| *status == RecordStatus::Pending);
            let problem = problem.clone().filter(|_| is_pending);
            Self { records, problem, retries, retry_after_s, cooldown_ms }
        };
        counts.iter().map(part).collect()
    }

    /// Returns the report of a delivery whose end is not known.
    pub fn lost() -> Self {
        let (problem, retry_after_s) = (Some(DeliveryError::TimedOut), Self::RETRY_AFTER_S);
        Self { problem, retry_after_s, ..Self::default() }
    }

    /// Seconds until the client may send again, if the stream is not paused.
    pub const RETRY_AFTER_S: u64 = 5;
}

impl StreamDelivery {
    /// Prepares a delivery of `batch` that starts at `now`.
    pub fn new(batch: StreamBatch, policy: DeliveryConfig, now: Milliseconds) -> Self {
        let StreamBatch { stream, records } = batch;
        let service = stream.service;
        let limits = limits(&stream, policy);
        let lines = records.iter().map(|record| record.bytes().len());
        let groups =
            aggregate::groups(lines, service.aggregation(policy.aggregation, limits.bytes));
        let mut delivery = Self {
            service,
            limits,
            statuses: vec![RecordStatus::Pending; records.len()],
            records,
            calls: VecDeque::new(),
            in_flight: CallGroups::new(),
            driven_at: now,
            deadline: now.saturating_add(policy.delivery_timeout_ms),
            grace_ms: policy.delivery_timeout_ms,
            resume_at: now,
            failures: 0,
            paid: None,
            retries: 0,
            call_id: None,
            load: LoadSignal::Unknown,
            clock: Signing::First,
            generation: None,
            not_before: now,
            suspect_records: Vec::new(),
            gave_up: None,
        };
        delivery.send_next(groups);
        delivery
    }

    /// Returns the next action at `now`. A call whose result was never reported counts as unknown.
    pub fn step(&mut self, now: Milliseconds, health: &mut StreamHealth) -> Action<'_> {
        self.adjust_for_clock_reset(now);
        if !self.in_flight.is_empty() {
            self.calls.push_front(std::mem::take(&mut self.in_flight));
        }
        self.end_call(health);
        if self.gave_up.is_some() {
            return Action::GiveUp;
        }
        let resolve = self.calls.is_empty()
            || self.suspect_records.len() >= DeliveryConfig::MAX_SUSPECT_RECORDS;
        if let Some(problem) = resolve.then(|| self.resolve_suspects(health)).flatten() {
            self.fail(problem, health);
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
        // Before the breaker: a probe is only for a caller that can make it.
        let Some(call_id) = health.limiter.begin(now, timeout_ms) else {
            return Action::Wait { milliseconds: DeliveryConfig::BLOCKED_MS.min(timeout_ms) };
        };
        let (generation, max) = match health.breaker.permit(now, self.generation) {
            Permit::Call(generation) => (generation, usize::MAX),
            Permit::Probe(generation) => (generation, DeliveryConfig::PROBE_RECORDS),
            Permit::NotBefore(at) => {
                health.limiter.end(call_id);
                // If the pause ends before the deadline, wait for it.
                if at.saturating_add(DeliveryConfig::LEAST_CALL_MS) >= self.deadline {
                    return self.give_up(DeliveryError::BreakerOpen);
                }
                let milliseconds = at.saturating_sub(now).clamp(1, DeliveryConfig::CAP_MS);
                return Action::Wait { milliseconds };
            }
        };
        self.call_id = Some(call_id);
        let Some(mut call) = self.calls.pop_front() else {
            return Action::Done;
        };
        let rest = aggregate::split_after(&mut call, max);
        if !rest.is_empty() {
            self.calls.push_front(rest);
        }
        self.generation = Some(generation);
        self.retries = self.retries.saturating_add(u32::from(self.paid.is_some()));
        self.in_flight = call;
        let records = self.in_flight.iter().filter_map(|group| self.aggregated(group)).collect();
        Action::Send { records, timeout_ms }
    }

    /// Applies the result of the call that the last [`Action::Send`] asked for. `random` is uniform
    /// over `u32`; it spreads the wait before a retry.
    pub fn reply(
        &mut self,
        reply: CallResult,
        now: Milliseconds,
        random: u32,
        health: &mut StreamHealth,
    ) {
        self.adjust_for_clock_reset(now);
        self.end_call(health);
        let call = std::mem::take(&mut self.in_flight);
        self.paid = None;
        self.load = LoadSignal::Unknown;
        let retry = match reply {
            CallResult::Answered(http) => {
                let retry_after_ms =
                    http.retry_after_ms.unwrap_or(0).min(DeliveryConfig::MAX_RETRY_AFTER_MS);
                self.not_before = now.saturating_add(retry_after_ms);
                match self.service.put_result(&http, call.len()) {
                    PutResult::PerRecord(answers) => {
                        self.apply_results(call, answers, random, health)
                    }
                    PutResult::Failed(error) => self.rejected(call, error, random, health),
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
                if let Some(generation) = self.generation {
                    health.breaker.forget(generation, now);
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
                self.fail(DeliveryError::NotSent(why), health);
                None
            }
        };
        if let Some(cost) = retry {
            self.schedule(cost, now, random, health);
        }
    }

    /// If the clock was set back, moves all times back with it.
    fn adjust_for_clock_reset(&mut self, now: Milliseconds) {
        let back = self.driven_at.saturating_sub(now);
        for time in [&mut self.deadline, &mut self.resume_at, &mut self.not_before] {
            *time = time.saturating_sub(back);
        }
        self.driven_at = now;
    }

    /// Ends the delivery at `now`, in any state.
    pub fn finish(self, now: Milliseconds, health: &StreamHealth) -> DeliveryReport {
        let until = health.breaker.open_until().unwrap_or(now).max(self.not_before);
        let paused_ms = until.saturating_sub(now).min(DeliveryConfig::MAX_RETRY_AFTER_MS);
        let come_back_s = paused_ms.div_ceil(1_000);
        DeliveryReport {
            records: self.records.into_iter().zip(self.statuses).collect(),
            problem: self.gave_up,
            retries: self.retries,
            retry_after_s: if come_back_s > 0 {
                come_back_s
            } else {
                DeliveryReport::RETRY_AFTER_S
            },
            cooldown_ms: paused_ms,
        }
    }

    /// Extends the deadline by the time that the delivery waited for a connection of ours: its time
    /// is meant for the stream. In total it extends by at most `delivery_timeout_ms`, since a caller waits.
    pub fn extend_deadline(&mut self, milliseconds: u64) {
        let more = milliseconds.min(self.grace_ms);
        self.grace_ms = self.grace_ms.saturating_sub(more);
        self.deadline = self.deadline.saturating_add(more);
    }

    fn end_call(&mut self, health: &mut StreamHealth) {
        if let Some(call_id) = self.call_id.take() {
            health.limiter.end(call_id);
        }
    }

    /// Applies the response's entries to the groups of `call`.
    fn apply_results(
        &mut self,
        call: CallGroups,
        answers: Vec<Result<(), AwsError>>,
        random: u32,
        health: &mut StreamHealth,
    ) -> Option<RetryCost> {
        let mut again = CallGroups::new();
        let (mut accepted, mut rejected) = (0_usize, 0_usize);
        let mut errors = Vec::new();
        for (group, answer) in call.into_iter().zip(answers) {
            match answer {
                Ok(()) => {
                    accepted = accepted.saturating_add(group.len());
                    self.set_status(group, &RecordStatus::Delivered);
                }
                Err(error) if error.class == ErrorClass::InvalidRecord => {
                    match aggregate::split_in_half(group) {
                        Ok(split_in_half) => again.extend(split_in_half),
                        Err(alone) => self.set_status(alone, &RecordStatus::Rejected(error)),
                    }
                }
                Err(error) => {
                    rejected = rejected.saturating_add(group.len());
                    again.push(group);
                    errors.push(error);
                }
            }
        }
        if accepted > 0 {
            health.last_success_at = Some(self.driven_at);
            self.failures = 0;
            health.budget.earn();
            health.limiter.raise();
        }
        // If the service rejects only content, it works.
        match accepted > 0 || errors.is_empty() {
            true => self.report_success(random, health),
            false => self.report_failure(random, health),
        }
        self.send_next(again);
        if errors.is_empty() {
            health.record_success();
            return None;
        }
        let first_of = |class| errors.iter().find(|error| error.class == class).cloned();
        if let Some(error) = first_of(ErrorClass::Config) {
            self.fail(DeliveryError::Rejected(error), health);
            return None;
        }
        self.load = LoadSignal::TooMuch;
        let throttled = first_of(ErrorClass::Throttled);
        let cost = match throttled {
            Some(_) if accepted >= rejected => RetryCost::Partial,
            Some(_) => RetryCost::Throttle,
            None => RetryCost::Failure,
        };
        if let Some(error) = throttled.or_else(|| errors.into_iter().next()) {
            health.record_failure(DeliveryError::Rejected(error), self.driven_at);
        }
        Some(cost)
    }

    /// Applies the rejection of a whole call.
    fn rejected(
        &mut self,
        mut call: CallGroups,
        error: AwsError,
        random: u32,
        health: &mut StreamHealth,
    ) -> Option<RetryCost> {
        match error.class {
            ErrorClass::InvalidRecord => {
                // The service works; the content is at fault.
                self.report_success(random, health);
                if call.len() > 1 {
                    let second_half = call.split_off(call.len() / 2);
                    self.calls.push_front(second_half);
                    self.calls.push_front(call);
                    return None;
                }
                for group in call {
                    match aggregate::split_in_half(group) {
                        Ok([first, second]) => {
                            self.calls.push_front(vec![second]);
                            self.calls.push_front(vec![first]);
                        }
                        Err(alone) => self.suspect_records.push((alone, error.clone())),
                    }
                }
                None
            }
            ErrorClass::ClockSkew if self.clock == Signing::First => {
                self.clock = Signing::Repeated;
                self.calls.push_front(call);
                None
            }
            ErrorClass::ClockSkew | ErrorClass::Config => {
                self.calls.push_front(call);
                self.report_failure(random, health);
                self.fail(DeliveryError::Rejected(error), health);
                None
            }
            ErrorClass::Throttled => {
                self.failed(call, DeliveryError::Rejected(error), random, health);
                self.load = LoadSignal::TooMuch;
                Some(RetryCost::Throttle)
            }
            ErrorClass::Transient => {
                Some(self.failed(call, DeliveryError::Rejected(error), random, health))
            }
        }
    }

    /// Records the temporary failure of a whole call.
    fn failed(
        &mut self,
        call: CallGroups,
        problem: DeliveryError,
        random: u32,
        health: &mut StreamHealth,
    ) -> RetryCost {
        self.calls.push_front(call);
        self.report_failure(random, health);
        health.record_failure(problem, self.driven_at);
        RetryCost::Failure
    }

    fn report_success(&self, random: u32, health: &mut StreamHealth) {
        if let Some(generation) = self.generation {
            health.breaker.succeeded(generation, self.driven_at, random);
        }
    }

    fn report_failure(&self, random: u32, health: &mut StreamHealth) {
        if let Some(generation) = self.generation {
            health.breaker.failed(generation, self.driven_at, random);
        }
    }

    /// Sets the time of the next attempt, or gives up if there is no time or budget for it.
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
        self.resume_at = now.saturating_add(wait).max(self.not_before);
        let is_too_late =
            self.resume_at.saturating_add(DeliveryConfig::LEAST_CALL_MS) >= self.deadline;
        if is_too_late || !health.budget.spend(cost) {
            self.give_up_late(now, health);
        } else {
            self.paid = Some(cost);
        }
    }

    /// Gives up for lack of time or budget.
    fn give_up_late(&mut self, now: Milliseconds, health: &mut StreamHealth) -> Action<'static> {
        if self.load == LoadSignal::TooMuch {
            health.limiter.lower(now);
        }
        self.give_up(health.problem().cloned().unwrap_or(DeliveryError::TimedOut))
    }

    /// Rejects the suspects if the stream has accepted other records. If it never accepted any, the
    /// stream is at fault, and the operator has to act.
    fn resolve_suspects(&mut self, health: &StreamHealth) -> Option<DeliveryError> {
        let suspect_records = std::mem::take(&mut self.suspect_records);
        if health.last_success_at.is_none() {
            let (_, error) = suspect_records.into_iter().next()?;
            return Some(DeliveryError::Rejected(AwsError { class: ErrorClass::Config, ..error }));
        }
        for (group, error) in suspect_records {
            self.set_status(group, &RecordStatus::Rejected(error));
        }
        None
    }

    fn set_status(&mut self, group: Group, status: &RecordStatus) {
        for index in group {
            if let Some(slot) = self.statuses.get_mut(index) {
                *slot = status.clone();
            }
        }
    }

    /// Puts `groups` before all other calls, in as many calls as they need.
    fn send_next(&mut self, mut groups: CallGroups) {
        let encoded = groups.iter().filter_map(|group| self.aggregated(group));
        let lengths: Vec<usize> = encoded.map(|record| self.service.encoded_len(&record)).collect();
        for call in request::calls(lengths, self.limits).into_iter().rev() {
            let first = groups.len().saturating_sub(call.len());
            self.calls.push_front(groups.split_off(first));
        }
    }

    fn aggregated(&self, group: &Group) -> Option<AggregatedRecord<'_>> {
        AggregatedRecord::new(group.iter().filter_map(|index| self.records.get(*index)))
    }

    fn fail(&mut self, problem: DeliveryError, health: &mut StreamHealth) {
        health.record_failure(problem.clone(), self.driven_at);
        self.give_up(problem);
    }

    fn give_up(&mut self, problem: DeliveryError) -> Action<'static> {
        self.gave_up = Some(problem);
        Action::GiveUp
    }
}

/// Full jitter: uniform from 0 to `min(cap, base * 2^failures, longest)` milliseconds.
fn backoff_ms(cost: RetryCost, failures: u32, random: u32, longest_ms: u64) -> u64 {
    let base = match cost {
        RetryCost::Failure => DeliveryConfig::BASE_MS,
        RetryCost::Throttle => DeliveryConfig::THROTTLED_BASE_MS,
        RetryCost::Partial => DeliveryConfig::PARTIAL_BASE_MS,
    };
    let max =
        base.saturating_mul(1 << failures.min(16)).min(DeliveryConfig::CAP_MS).min(longest_ms);
    max.saturating_add(1).saturating_mul(u64::from(random)) >> u32::BITS
}

fn limits(stream: &Stream, policy: DeliveryConfig) -> RequestLimits {
    let RequestLimits { records, bytes } = stream.service.limits();
    let envelope = stream.service.envelope_len(&stream.name);
    RequestLimits { records, bytes: policy.call_bytes.min(bytes).saturating_sub(envelope) }
}

#[cfg(test)]
mod tests;
