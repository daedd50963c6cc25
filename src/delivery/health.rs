//! The health of a stream: whether to call it, with how many calls at once, and whether to retry.
//!
//! The retry budget keeps retries from outnumbering successes. The circuit breaker opens if a
//! stream accepts nothing at all, then sends one small real call as a probe. A stream that accepts
//! some records is still called, with fewer calls at once if necessary. All requests to a stream in
//! one isolate share this state. It only delays: records that it blocks are answered with 503 or
//! spilled, never dropped.

use super::limiter::Limiter;
use super::response::AwsError;
use crate::base::clock::{Milliseconds, is_ahead};

#[derive(Debug, Clone, Default)]
pub struct StreamHealth {
    pub budget: RetryBudget,
    pub breaker: Breaker,
    pub limiter: Limiter,
    /// The current failure, until a whole call succeeds; for operators.
    pub trouble: Option<OngoingFailure>,
    /// When the stream last accepted a record, if it ever did. Until then, a rejection of content
    /// may mean that the stream rejects everything, as one that takes no direct puts does.
    pub last_success_at: Option<Milliseconds>,
}

/// The failure of a stream that has not recovered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OngoingFailure {
    /// The latest failure.
    pub problem: DeliveryError,
    /// When the first failure happened since the last recovery.
    pub since: Milliseconds,
    /// When the latest failure happened.
    pub last_at: Milliseconds,
}

impl StreamHealth {
    pub fn problem(&self) -> Option<&DeliveryError> {
        self.trouble.as_ref().map(|trouble| &trouble.problem)
    }

    /// Records a failure at `now`.
    pub fn fails(&mut self, problem: DeliveryError, now: Milliseconds) {
        // If the clock was set back, the failure began no later than now.
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        self.trouble = Some(OngoingFailure { problem, since, last_at: now });
    }

    /// Records that a whole call succeeded.
    pub fn recovers(&mut self) {
        self.trouble = None;
    }

    /// Returns when the stream last accepted a record, or `None` if the breaker has opened since.
    pub fn taking_at(&self) -> Option<Milliseconds> {
        self.last_success_at.filter(|_| self.breaker.open_until().is_none())
    }

    /// Whether more calls would only wait at `now`: the last one failed, or one has been in flight
    /// for longer than a healthy stream needs.
    pub fn is_sick(&self, now: Milliseconds) -> bool {
        const SLOW_MS: u64 = 1_000;
        self.trouble.is_some()
            || self.breaker.open_until().is_some()
            || self.limiter.oldest_ms(now) > SLOW_MS
    }
}

/// Why records were not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The service rejected the call or a record.
    #[error("{}{}{}", .0.code, if .0.message.is_empty() { "" } else { ": " }, .0.message)]
    Refused(AwsError),
    /// The service's response does not say which records it accepted.
    #[error("{0}")]
    Unknown(String),
    #[error("no answer within the deadline")]
    TimedOut,
    /// The deadline passed while the isolate was busy, so the response may have come in time.
    #[error("not waited for in time: the isolate had too much to do")]
    Starved,
    #[error("connection failed: {0}")]
    Unreachable(String),
    /// The call was not sent, for a reason that is ours or the operator's.
    #[error("call not sent: {0}")]
    NotSent(String),
    #[error("paused after repeated failures")]
    BreakerOpen,
}

impl DeliveryError {
    /// Returns the error in one word, for clients, who must not learn of the operator's account.
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.code,
            Self::Unknown(_) => "unknown_answer",
            Self::TimedOut => "timed_out",
            Self::Starved => "starved",
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

/// The cost of a retry, by the result that it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCost {
    Failure,
    Throttle,
    /// At most half of the records of a call were throttled.
    Partial,
}

impl RetryCost {
    const fn tokens(self) -> u32 {
        match self {
            Self::Failure => 14,
            Self::Throttle | Self::Partial => 5,
        }
    }
}

impl RetryBudget {
    const CAPACITY: u32 = 500;

    /// Pays for a retry, if the budget allows it.
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

    /// Adds the cost of one retry after a call that delivered records. AWS's SDKs add one token, so
    /// a stream that fails three calls of ten would have no retries.
    pub fn earn(&mut self) {
        self.tokens = self.tokens.saturating_add(RetryCost::Failure.tokens()).min(Self::CAPACITY);
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
    Call(CallPass),
    /// One small call may be made, as a probe.
    Probe(CallPass),
    /// No call may be made before this time.
    NotBefore(Milliseconds),
}

/// Names the breaker state in which a call was permitted. A result from an earlier state is
/// ignored, and only the holder of the current pass ends a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPass(u64);

/// A circuit breaker, for calls in a row that deliver no record.
///
/// It opens after [`Breaker::FAILURES`] such calls in at least [`Breaker::BARREN_MS`], or after
/// [`Breaker::MANY_FAILURES`] in any time. The first probe follows after 200 to 400 ms. Each failed
/// probe doubles the pause, up to [`Breaker::LONGEST_REST_MS`]. After a probe that delivers records
/// all calls are permitted. It opens again unless half of the first [`Breaker::TRIAL_CALLS`]
/// deliver some.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    /// Changes with each change of state.
    pass: CallPass,
    /// Number of calls in a row that delivered nothing.
    barren: u32,
    /// When the first of those calls ended.
    barren_since: Milliseconds,
    /// Longest duration of the next pause, in milliseconds; the shortest is half of it.
    rest_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    Closed,
    /// No call is permitted before `until`.
    Open {
        until: Milliseconds,
    },
    /// One probe is in flight. If its result is never reported (its request was cancelled), another
    /// probe may go at `until`.
    HalfOpen {
        until: Milliseconds,
    },
    /// A probe delivered records, and all calls are permitted. Counts the calls, and those that
    /// delivered some.
    Trial {
        calls: u32,
        brought: u32,
    },
}

impl Breaker {
    /// Calls in a row without a delivered record, after which the breaker opens.
    pub const FAILURES: u32 = 5;
    /// Shortest time of those calls, in milliseconds: five in a row may fail by chance.
    pub const BARREN_MS: u64 = 1_000;
    /// Calls in a row without a delivered record, after which the breaker opens at once.
    pub const MANY_FAILURES: u32 = 20;
    /// Longest pause, in milliseconds.
    pub const LONGEST_REST_MS: u64 = 10_000;
    /// Calls, the probe included, that decide whether the breaker closes.
    pub const TRIAL_CALLS: u32 = 4;
    /// First pause, in milliseconds.
    const REST_MS: u64 = 400;
    /// Longest pause that is worth a wait for its probe, in milliseconds.
    const SHORT_REST_MS: u64 = 800;
    /// Wait before the next check while a probe is in flight, in milliseconds.
    const ASK_AGAIN_MS: u64 = 50;
    /// Longest time that a probe may be in flight, in milliseconds.
    const PROBE_MS: u64 = 10_000;

    /// Whether a caller with the pass `held` may make a call at `now`.
    pub fn permit(&mut self, now: Milliseconds, held: Option<CallPass>) -> Permit {
        match self.state {
            BreakerState::Closed | BreakerState::Trial { .. } => Permit::Call(self.pass),
            BreakerState::HalfOpen { .. } if held == Some(self.pass) => Permit::Probe(self.pass),
            BreakerState::HalfOpen { until } if waits(now, until) => {
                // The pause before this probe was half of the next one.
                let was_short = self.rest_ms <= Self::SHORT_REST_MS.saturating_mul(2);
                let again = now.saturating_add(Self::ASK_AGAIN_MS);
                Permit::NotBefore(if was_short { again.min(until) } else { until })
            }
            BreakerState::Open { until } if waits(now, until) => Permit::NotBefore(until),
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                self.turn(BreakerState::HalfOpen { until: now.saturating_add(Self::PROBE_MS) });
                Permit::Probe(self.pass)
            }
        }
    }

    /// Records that a call under `pass` delivered records, or showed otherwise that the stream
    /// works. `random` is uniform over `u32`, here and below; it spreads the pauses.
    pub fn brought(&mut self, pass: CallPass, now: Milliseconds, random: u32) {
        if pass != self.pass {
            return;
        }
        self.barren = 0;
        match self.state {
            BreakerState::Open { .. } | BreakerState::Closed => {}
            BreakerState::HalfOpen { .. } => {
                self.turn(BreakerState::Trial { calls: 1, brought: 1 })
            }
            BreakerState::Trial { calls, brought } => {
                self.judge(calls.saturating_add(1), brought.saturating_add(1), now, random);
            }
        }
    }

    /// Records that a call under `pass` delivered nothing.
    pub fn failed(&mut self, pass: CallPass, now: Milliseconds, random: u32) {
        if pass != self.pass {
            return;
        }
        if self.barren == 0 || now < self.barren_since {
            self.barren_since = now;
        }
        self.barren = self.barren.saturating_add(1);
        let barren_ms = now.saturating_sub(self.barren_since);
        let is_dead = self.barren >= Self::MANY_FAILURES
            || (self.barren >= Self::FAILURES && barren_ms >= Self::BARREN_MS);
        match self.state {
            BreakerState::Open { .. } => {}
            BreakerState::HalfOpen { .. } => self.open(now, random),
            BreakerState::Trial { calls, brought } => {
                self.judge(calls.saturating_add(1), brought, now, random);
            }
            BreakerState::Closed if is_dead => self.open(now, random),
            BreakerState::Closed => {}
        }
    }

    /// Ends a probe whose result says nothing about the stream, so that another call may probe.
    pub fn forget(&mut self, pass: CallPass, now: Milliseconds) {
        if pass == self.pass && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.turn(BreakerState::Open { until: now });
        }
    }

    /// Returns the time before which no call is made, if the breaker is open or half-open.
    pub fn open_until(&self) -> Option<Milliseconds> {
        match self.state {
            BreakerState::Closed | BreakerState::Trial { .. } => None,
            BreakerState::Open { until } | BreakerState::HalfOpen { until } => Some(until),
        }
    }

    /// Closes or opens the breaker by the share of calls that delivered records, once there are
    /// enough.
    fn judge(&mut self, calls: u32, brought: u32, now: Milliseconds, random: u32) {
        self.state = BreakerState::Trial { calls, brought };
        if calls < Self::TRIAL_CALLS {
            return;
        }
        if brought.saturating_mul(2) < calls {
            self.open(now, random);
        } else {
            self.turn(BreakerState::Closed);
            self.rest_ms = Self::REST_MS;
        }
    }

    fn turn(&mut self, state: BreakerState) {
        self.state = state;
        self.pass = CallPass(self.pass.0.wrapping_add(1));
    }

    fn open(&mut self, now: Milliseconds, random: u32) {
        // Isolates that saw the same failures must not all call again at the same time.
        let least = self.rest_ms / 2;
        let jitter = least.saturating_add(1).saturating_mul(random.into()) >> u32::BITS;
        self.turn(BreakerState::Open { until: now.saturating_add(least).saturating_add(jitter) });
        self.rest_ms = self.rest_ms.saturating_mul(2).min(Self::LONGEST_REST_MS);
        self.barren = 0;
    }
}

/// Whether `until` is in the future. Ignores a time further away than the longest pause.
const fn waits(now: Milliseconds, until: Milliseconds) -> bool {
    is_ahead(until, now, Breaker::LONGEST_REST_MS)
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            state: BreakerState::Closed,
            pass: CallPass(0),
            barren: 0,
            barren_since: 0,
            rest_ms: Self::REST_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the longest pauses.
    const MOST: u32 = u32::MAX;

    #[test]
    fn a_stream_fails_from_its_first_failure_to_its_recovery() {
        let mut health = StreamHealth::default();
        let fails = |problem: DeliveryError, since, last_at| {
            Some(OngoingFailure { problem, since, last_at })
        };
        health.fails(DeliveryError::TimedOut, 10);
        health.fails(DeliveryError::BreakerOpen, 30);
        assert_eq!(health.trouble, fails(DeliveryError::BreakerOpen, 10, 30));
        health.fails(DeliveryError::TimedOut, 5);
        assert_eq!(health.trouble, fails(DeliveryError::TimedOut, 5, 5), "set back");
        health.recovers();
        assert_eq!(health.problem(), None);
        health.fails(DeliveryError::TimedOut, 40);
        assert_eq!(health.trouble, fails(DeliveryError::TimedOut, 40, 40));
    }

    #[test]
    fn a_stream_is_sick_while_it_fails_or_does_not_answer() {
        let mut health = StreamHealth::default();
        let call = health.limiter.begin(0, 2_000).unwrap();
        assert!(!health.is_sick(1_000) && health.is_sick(1_001));
        health.limiter.end(call);
        assert!(!health.is_sick(1_001));
        health.fails(DeliveryError::TimedOut, 1_002);
        assert!(health.is_sick(1_003));
        health.recovers();
        assert!(!health.is_sick(1_003));
    }

    #[test]
    fn the_budget_stops_retries_until_successes_pay_for_them() {
        let mut budget = RetryBudget::default();
        let retries = (0..1_000).take_while(|_| budget.spend(RetryCost::Failure)).count();
        assert_eq!(retries, 35);
        assert!(budget.spend(RetryCost::Throttle), "ten tokens are left");
        assert!(budget.spend(RetryCost::Partial));
        assert!(!budget.spend(RetryCost::Throttle));
        budget.earn();
        assert!(budget.spend(RetryCost::Failure), "a success pays for a retry");
        assert!(!budget.spend(RetryCost::Throttle));
        (0..10_000).for_each(|_| budget.earn());
        assert_eq!(budget.tokens, RetryBudget::CAPACITY);
    }

    /// A breaker that opened at 1,000.
    fn opened() -> Breaker {
        let mut breaker = Breaker::default();
        (0..4).for_each(|_| breaker.failed(breaker.pass, 0, MOST));
        breaker.failed(breaker.pass, 1_000, MOST);
        assert_eq!(breaker.open_until(), Some(1_400));
        breaker
    }

    fn probe(breaker: &mut Breaker, now: Milliseconds) -> CallPass {
        match breaker.permit(now, None) {
            Permit::Probe(pass) => pass,
            other => panic!("expected a probe, got {other:?}"),
        }
    }

    fn is_closed(breaker: &mut Breaker, now: Milliseconds) -> bool {
        matches!(breaker.permit(now, None), Permit::Call(_))
    }

    #[test]
    fn calls_that_bring_nothing_open_it_when_they_are_no_chance() {
        for (ends, opens) in [
            (vec![0; 19], false),
            (vec![0; 20], true),
            (vec![0, 0, 0, 1_000], false),
            (vec![0, 0, 0, 0, 999], false),
            (vec![0, 0, 0, 0, 1_000], true),
            (vec![5_000, 5_000, 5_000, 5_000, 1_000], false),
        ] {
            let mut breaker = Breaker::default();
            ends.iter().for_each(|now| breaker.failed(breaker.pass, *now, MOST));
            assert_eq!(breaker.open_until().is_some(), opens, "{ends:?}");
            let mut breaker = Breaker::default();
            for now in ends {
                breaker.brought(breaker.pass, now, MOST);
                breaker.failed(breaker.pass, now, MOST);
            }
            assert_eq!(breaker.open_until(), None, "each second call brings records");
        }
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_end_decides() {
        let before = Breaker::default().pass;
        let (mut breaker, mut now) = (opened(), 1_000);
        for rest in [400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            breaker.failed(before, now, MOST);
            assert_eq!(breaker.open_until(), Some(now + rest), "late ends don't lengthen it");
            now += rest;
            let pass = probe(&mut breaker, now);
            let again = if rest <= 800 { now + 50 } else { now + 10_000 };
            assert_eq!(breaker.permit(now, None), Permit::NotBefore(again), "{rest}");
            breaker.failed(pass, now, MOST);
        }
        let pass = probe(&mut breaker, now + 10_000);
        breaker.brought(pass, now, MOST);
        assert!(is_closed(&mut breaker, now));
    }

    #[test]
    fn a_rest_is_spread_over_its_second_half() {
        for (random, until) in [(0, 1_200), (1 << 31, 1_300), (MOST, 1_400)] {
            let mut breaker = Breaker::default();
            (0..4).for_each(|_| breaker.failed(breaker.pass, 0, random));
            breaker.failed(breaker.pass, 1_000, random);
            assert_eq!(breaker.open_until(), Some(until));
        }
    }

    #[test]
    fn the_share_of_calls_that_bring_records_closes_it() {
        for (later, opens) in [
            ([true, true, true], false),
            ([false, true, false], false),
            ([false, false, false], true),
        ] {
            let mut breaker = opened();
            let pass = probe(&mut breaker, 1_400);
            breaker.brought(pass, 1_400, MOST);
            for brings in later {
                assert_eq!(breaker.open_until(), None, "{later:?}");
                match brings {
                    true => breaker.brought(breaker.pass, 1_400, MOST),
                    false => breaker.failed(breaker.pass, 1_400, MOST),
                }
            }
            let rest = opens.then_some(1_400 + 800);
            assert_eq!(breaker.open_until(), rest, "{later:?}");
        }
        let mut breaker = opened();
        let pass = probe(&mut breaker, 1_400);
        (0..4).for_each(|_| breaker.brought(breaker.pass, 1_400, MOST));
        assert_ne!(breaker.pass, pass);
        (0..20).for_each(|_| breaker.failed(breaker.pass, 2_000, MOST));
        assert_eq!(breaker.open_until(), Some(2_400), "it starts from the first rest again");
    }

    #[test]
    fn only_the_probe_ends_the_probing() {
        let before = Breaker::default().pass;
        let mut breaker = opened();
        let pass = probe(&mut breaker, 1_400);
        breaker.failed(before, 1_401, MOST);
        breaker.brought(before, 1_401, MOST);
        assert_eq!(breaker.permit(1_401, None), Permit::NotBefore(1_451));
        assert_eq!(breaker.permit(1_401, Some(pass)), Permit::Probe(pass), "its holder may go on");
        breaker.brought(pass, 1_402, MOST);
        assert!(is_closed(&mut breaker, 1_402));
        breaker.failed(pass, 1_403, MOST);
        assert_eq!(breaker.barren, 0);
    }

    #[test]
    fn a_lost_probe_does_not_keep_the_breaker_open() {
        let mut breaker = opened();
        let lost = probe(&mut breaker, 1_400);
        let pass = probe(&mut breaker, 11_400);
        assert_eq!(breaker.permit(11_401, Some(lost)), Permit::NotBefore(11_451));
        breaker.failed(lost, 11_402, MOST);
        breaker.forget(lost, 11_402);
        breaker.brought(pass, 11_403, MOST);
        assert_eq!(breaker.open_until(), None);
    }

    #[test]
    fn another_probe_goes_in_place_of_one_that_says_nothing() {
        let mut breaker = opened();
        let pass = probe(&mut breaker, 1_400);
        breaker.forget(pass, 1_500);
        assert_ne!(probe(&mut breaker, 1_500), pass);
        let mut closed = Breaker::default();
        closed.forget(closed.pass, 0);
        assert!(is_closed(&mut closed, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_the_stream_shut() {
        let mut breaker = Breaker::default();
        (0..20).for_each(|_| breaker.failed(breaker.pass, 3_600_000, MOST));
        assert!(matches!(breaker.permit(3_600_000, None), Permit::NotBefore(_)));
        probe(&mut breaker, 1_000);
    }
}
