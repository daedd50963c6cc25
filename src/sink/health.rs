//! How a stream has been of late: whether to call it at all, and whether to retry.
//!
//! The budget keeps retries from outnumbering successes; the breaker leaves a stream
//! that fails alone for a while, then sends one small real call to see. Both are
//! shared by all requests to a stream in one isolate, and both only ever delay: what
//! they hold back is answered 503 or spilled, never dropped.

use super::answer::Refusal;
use crate::clock::{Milliseconds, is_ahead};

/// The state of one stream.
#[derive(Debug, Clone, Default)]
pub struct Health {
    /// Pays for retries.
    pub budget: RetryBudget,
    /// Decides whether to call.
    pub breaker: Breaker,
    /// What goes wrong, until all is well again; for operators.
    pub trouble: Option<Trouble>,
    /// When the stream last took a record, if it ever did. Until it has, a refusal of bytes may
    /// as well be a refusal of everything, as by a stream that takes no direct puts.
    pub last_taken_at: Option<Milliseconds>,
}

/// What goes wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The last thing that did.
    pub problem: Problem,
    /// When the first thing did, of those after which nothing went well.
    pub since: Milliseconds,
    /// When the last thing did.
    pub last_at: Milliseconds,
}

impl Health {
    /// The last problem, of a stream that has one.
    pub fn problem(&self) -> Option<&Problem> {
        self.trouble.as_ref().map(|trouble| &trouble.problem)
    }

    /// Something went wrong at `now`.
    pub fn fails(&mut self, problem: Problem, now: Milliseconds) {
        // Where the clock was set back, it has failed for no longer than since now.
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        self.trouble = Some(Trouble { problem, since, last_at: now });
    }

    /// All of a call went well.
    pub fn recovers(&mut self) {
        self.trouble = None;
    }
}

/// Why records were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The service refused.
    #[error("{}{}{}", .0.code, if .0.message.is_empty() { "" } else { ": " }, .0.message)]
    Refused(Refusal),
    /// The service's answer proved nothing.
    #[error("{0}")]
    Unknown(String),
    /// No answer in time.
    #[error("no answer within the deadline")]
    TimedOut,
    /// No connection.
    #[error("connection failed: {0}")]
    Unreachable(String),
    /// Not sent, for a reason of ours or the operator's.
    #[error("call not sent: {0}")]
    NotSent(String),
    /// The breaker is open.
    #[error("left alone after repeated failures")]
    BreakerOpen,
}

impl Problem {
    /// The problem in one word for those outside, who must not learn of our account.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::Unknown(_) => "unknown_answer",
            Self::TimedOut => "timed_out",
            Self::Unreachable(_) => "unreachable",
            Self::NotSent(_) => "not_sent",
            Self::BreakerOpen => "breaker_open",
        }
    }
}

/// A token bucket that retries draw from and successes fill.
/// Source: <https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html>
#[derive(Debug, Clone)]
pub struct RetryBudget {
    tokens: u32,
}

/// What a retry costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCost {
    /// After a failure.
    Failure,
    /// After a throttle.
    Throttle,
}

impl RetryCost {
    const fn tokens(self) -> u32 {
        match self {
            Self::Failure => 14,
            Self::Throttle => 5,
        }
    }
}

impl RetryBudget {
    const CAPACITY: u32 = 500;

    /// Pays for a retry, when there is enough.
    #[must_use]
    pub fn spend(&mut self, cost: RetryCost) -> bool {
        match self.tokens.checked_sub(cost.tokens()) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }

    /// Gives back what a successful call paid for being a retry; a token when it was none.
    pub fn refund(&mut self, paid: Option<RetryCost>) {
        let tokens = paid.map_or(1, RetryCost::tokens);
        self.tokens = self.tokens.saturating_add(tokens).min(Self::CAPACITY);
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self { tokens: Self::CAPACITY }
    }
}

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// Go on.
    Call(Pass),
    /// One small call, to see.
    Probe(Pass),
    /// Not before this time.
    NotBefore(Milliseconds),
}

/// Tells in which state of the breaker a call was let through: the end of a call from
/// before the breaker changed its state says nothing new, and only its holder ends a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass(u64);

/// Opens after [`Breaker::FAILURES`] whole calls failed in a row, or when half of the
/// records of the last [`Breaker::CALLS`] calls were refused.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: State,
    /// The pass of this state; each change of state makes a new one.
    pass: Pass,
    failures_in_a_row: u32,
    recent: Tally,
    /// How long the next opening lasts.
    rest_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    /// No call before then.
    Open {
        until: Milliseconds,
    },
    /// One probe is under way. If its end is never heard of (its request was cancelled),
    /// another may go then.
    Probing {
        until: Milliseconds,
    },
}

/// The records of the calls since the tally was last judged.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    calls: u32,
    records: usize,
    refused: usize,
}

impl Breaker {
    /// Whole calls that fail in a row before it opens.
    pub const FAILURES: u32 = 5;
    /// Calls over which refused records are counted.
    pub const CALLS: u32 = 10;
    /// The first opening, and how far its doubling goes.
    const REST_MS: u64 = 10_000;
    const MAX_REST_MS: u64 = 60_000;

    /// Whether a call may be made at `now` by who holds the pass `held`.
    pub fn permit(&mut self, now: Milliseconds, held: Option<Pass>) -> Permit {
        match self.state {
            State::Closed => Permit::Call(self.pass),
            State::Probing { .. } if held == Some(self.pass) => Permit::Probe(self.pass),
            State::Open { until } | State::Probing { until } if waits(now, until) => {
                Permit::NotBefore(until)
            }
            State::Open { .. } | State::Probing { .. } => {
                self.turn(State::Probing { until: now.saturating_add(Self::REST_MS) });
                Permit::Probe(self.pass)
            }
        }
    }

    /// A call of `records` under `pass` was answered and `refused` of them were not taken.
    pub fn answered(&mut self, pass: Pass, now: Milliseconds, records: usize, refused: usize) {
        if pass != self.pass {
            return;
        }
        self.failures_in_a_row = 0;
        match self.state {
            State::Open { .. } => {}
            State::Probing { .. } if half(refused, records) => self.open(now),
            State::Probing { .. } => {
                self.turn(State::Closed);
                self.recent = Tally::default();
                self.rest_ms = Self::REST_MS;
            }
            State::Closed => {
                self.recent.calls = self.recent.calls.saturating_add(1);
                self.recent.records = self.recent.records.saturating_add(records);
                self.recent.refused = self.recent.refused.saturating_add(refused);
                if self.recent.calls >= Self::CALLS {
                    let tally = std::mem::take(&mut self.recent);
                    if half(tally.refused, tally.records) {
                        self.open(now);
                    }
                }
            }
        }
    }

    /// A whole call under `pass` failed.
    pub fn failed(&mut self, pass: Pass, now: Milliseconds) {
        if pass != self.pass {
            return;
        }
        self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
        match self.state {
            State::Open { .. } => {}
            State::Probing { .. } => self.open(now),
            State::Closed if self.failures_in_a_row >= Self::FAILURES => self.open(now),
            State::Closed => {}
        }
    }

    /// When it is open, the time before which no call is made.
    pub fn open_until(&self) -> Option<Milliseconds> {
        match self.state {
            State::Closed => None,
            State::Open { until } | State::Probing { until } => Some(until),
        }
    }

    fn turn(&mut self, state: State) {
        self.state = state;
        self.pass = Pass(self.pass.0.wrapping_add(1));
    }

    fn open(&mut self, now: Milliseconds) {
        self.turn(State::Open { until: now.saturating_add(self.rest_ms) });
        self.rest_ms = self.rest_ms.saturating_mul(2).min(Self::MAX_REST_MS);
        self.failures_in_a_row = 0;
        self.recent = Tally::default();
    }
}

/// Whether `until` is still to come; no rest is longer than the longest.
const fn waits(now: Milliseconds, until: Milliseconds) -> bool {
    is_ahead(until, now, Breaker::MAX_REST_MS)
}

const fn half(refused: usize, records: usize) -> bool {
    records > 0 && refused.saturating_mul(2) >= records
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: State::Closed,
            pass: Pass(0),
            failures_in_a_row: 0,
            recent: Tally::default(),
            rest_ms: Self::REST_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_fails_since_its_first_failure_and_until_all_is_well() {
        let mut health = Health::default();
        let fails = |problem: Problem, since, last_at| Some(Trouble { problem, since, last_at });
        health.fails(Problem::TimedOut, 10);
        health.fails(Problem::BreakerOpen, 30);
        assert_eq!(health.trouble, fails(Problem::BreakerOpen, 10, 30));
        health.fails(Problem::TimedOut, 5);
        assert_eq!(health.trouble, fails(Problem::TimedOut, 5, 5), "set back");
        health.recovers();
        assert_eq!(health.problem(), None);
        health.fails(Problem::TimedOut, 40);
        assert_eq!(health.trouble, fails(Problem::TimedOut, 40, 40));
    }

    #[test]
    fn the_budget_stops_retries_until_successes_pay_for_them() {
        let mut budget = RetryBudget::default();
        let retries = (0..1_000).take_while(|_| budget.spend(RetryCost::Failure)).count();
        assert_eq!(retries, 35);
        assert!(budget.spend(RetryCost::Throttle), "ten tokens are left");
        assert!(budget.spend(RetryCost::Throttle));
        assert!(!budget.spend(RetryCost::Throttle));
        budget.refund(Some(RetryCost::Throttle));
        assert!(budget.spend(RetryCost::Throttle));
        (0..10_000).for_each(|_| budget.refund(None));
        assert_eq!(budget.tokens, RetryBudget::CAPACITY);
    }

    /// A breaker that has opened at 0.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.failed(breaker.pass, 0));
        breaker
    }

    fn probe(breaker: &mut Breaker, now: Milliseconds) -> Pass {
        match breaker.permit(now, None) {
            Permit::Probe(pass) => pass,
            other => panic!("expected a probe, got {other:?}"),
        }
    }

    #[test]
    fn five_failed_calls_in_a_row_open_it_and_an_answer_starts_the_count_again() {
        let mut breaker = Breaker::default();
        let Permit::Call(pass) = breaker.permit(0, None) else { panic!() };
        (0..4).for_each(|_| breaker.failed(pass, 0));
        breaker.answered(pass, 0, 1, 0);
        (0..4).for_each(|_| breaker.failed(pass, 0));
        assert_eq!(breaker.permit(0, None), Permit::Call(pass));
        breaker.failed(pass, 0);
        assert_eq!(breaker.permit(9_999, None), Permit::NotBefore(10_000));
        probe(&mut breaker, 10_000);
    }

    #[test]
    fn half_of_the_records_refused_over_ten_calls_open_it() {
        for (refused, opens) in [(4, false), (5, true)] {
            let mut breaker = Breaker::default();
            (0..10).for_each(|_| breaker.answered(breaker.pass, 0, 10, refused));
            assert_eq!(breaker.open_until().is_some(), opens);
        }
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_end_decides() {
        let before = Breaker::default().pass;
        let (mut breaker, mut now) = (opened(), 0);
        for rest in [10_000, 20_000, 40_000, 60_000, 60_000] {
            breaker.failed(before, now);
            assert_eq!(breaker.open_until(), Some(now + rest), "late ends don't lengthen it");
            now += rest;
            let pass = probe(&mut breaker, now);
            assert_eq!(breaker.permit(now + 9_999, None), Permit::NotBefore(now + 10_000));
            breaker.failed(pass, now);
        }
        now += 60_000;
        let pass = probe(&mut breaker, now);
        breaker.answered(pass, now, 5, 0);
        assert!(matches!(breaker.permit(now, None), Permit::Call(_)));
        (0..5).for_each(|_| breaker.failed(breaker.pass, now));
        assert_eq!(breaker.open_until(), Some(now + 10_000), "it starts from the first rest again");
    }

    #[test]
    fn only_the_probe_ends_the_probing() {
        let before = Breaker::default().pass;
        let mut breaker = opened();
        let pass = probe(&mut breaker, 10_000);
        breaker.failed(before, 10_001);
        breaker.answered(before, 10_001, 5, 5);
        breaker.answered(before, 10_001, 5, 0);
        assert_eq!(breaker.permit(10_001, None), Permit::NotBefore(20_000));
        assert_eq!(breaker.permit(10_001, Some(pass)), Permit::Probe(pass), "its holder may go on");
        breaker.answered(pass, 10_002, 5, 0);
        assert!(matches!(breaker.permit(10_002, None), Permit::Call(_)));
        breaker.failed(pass, 10_003);
        assert_eq!(breaker.failures_in_a_row, 0);
    }

    #[test]
    fn a_probe_that_is_never_heard_of_does_not_hold_the_stream_shut() {
        let mut breaker = opened();
        let lost = probe(&mut breaker, 10_000);
        let pass = probe(&mut breaker, 20_000);
        assert_eq!(breaker.permit(20_001, Some(lost)), Permit::NotBefore(30_000));
        breaker.failed(lost, 20_002);
        breaker.answered(pass, 20_003, 1, 0);
        assert_eq!(breaker.open_until(), None);
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_the_stream_shut() {
        let mut breaker = Breaker::default();
        (0..5).for_each(|_| breaker.failed(breaker.pass, 3_600_000));
        assert!(matches!(breaker.permit(3_600_000, None), Permit::NotBefore(_)));
        probe(&mut breaker, 1_000);
    }
}
