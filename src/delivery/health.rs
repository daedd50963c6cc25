//! How a stream does: whether to call it at all, how many calls at once, and whether to retry.
//!
//! The budget keeps retries from outnumbering successes. The breaker closes the door to a stream
//! that takes nothing at all, then sends one small real call to see; a stream that takes some
//! records is called on, by fewer at once if need be. All are shared by all requests to a stream
//! in one isolate, and all only ever delay: what they hold back is answered 503 or spilled, never
//! dropped.

use super::limiter::Limiter;
use super::response::AwsError;
use crate::base::clock::{Milliseconds, is_ahead};

/// The state of one stream.
#[derive(Debug, Clone, Default)]
pub struct StreamHealth {
    /// Pays for retries.
    pub budget: RetryBudget,
    /// Decides whether to call.
    pub breaker: Breaker,
    /// Decides how many call at once.
    pub limiter: Limiter,
    /// What goes wrong, until all is well again; for operators.
    pub trouble: Option<OngoingFailure>,
    /// When the stream last took a record, if it ever did. Until it has, a refusal of bytes may
    /// as well be a refusal of everything, as by a stream that takes no direct puts.
    pub last_taken_at: Option<Milliseconds>,
}

/// What goes wrong with a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OngoingFailure {
    /// The last thing that did.
    pub problem: DeliveryError,
    /// When the first thing did, of those after which nothing went well.
    pub since: Milliseconds,
    /// When the last thing did.
    pub last_at: Milliseconds,
}

impl StreamHealth {
    /// The last problem, of a stream that has one.
    pub fn problem(&self) -> Option<&DeliveryError> {
        self.trouble.as_ref().map(|trouble| &trouble.problem)
    }

    /// Something went wrong at `now`.
    pub fn fails(&mut self, problem: DeliveryError, now: Milliseconds) {
        // Where the clock was set back, it has failed for no longer than since now.
        let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since.min(now));
        self.trouble = Some(OngoingFailure { problem, since, last_at: now });
    }

    /// All of a call went well.
    pub fn recovers(&mut self) {
        self.trouble = None;
    }

    /// When the stream last took a record, unless the breaker has closed its door since.
    pub fn taking_at(&self) -> Option<Milliseconds> {
        self.last_taken_at.filter(|_| self.breaker.open_until().is_none())
    }

    /// Whether more calls would only wait at `now`: the last one had trouble, or one is under way
    /// for longer than a stream that is well takes.
    pub fn is_sick(&self, now: Milliseconds) -> bool {
        const SLOW_MS: u64 = 1_000;
        self.trouble.is_some()
            || self.breaker.open_until().is_some()
            || self.limiter.oldest_ms(now) > SLOW_MS
    }
}

/// Why records were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The service refused.
    #[error("{}{}{}", .0.code, if .0.message.is_empty() { "" } else { ": " }, .0.message)]
    Refused(AwsError),
    /// The service's answer proved nothing.
    #[error("{0}")]
    Unknown(String),
    /// No answer in time.
    #[error("no answer within the deadline")]
    TimedOut,
    /// The time was over while nothing of ours ran, so nobody knows whether the answer was late.
    #[error("not waited for in time: the isolate had too much to do")]
    Starved,
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

impl DeliveryError {
    /// The problem in one word for those outside, who must not learn of our account.
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

/// After what a retry comes, and so what it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryCost {
    /// A failure.
    Failure,
    /// A throttle.
    Throttle,
    /// A throttle of half of a call's records or fewer.
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

    /// Takes in that a call brought records: that pays for a retry, whatever that follows. AWS's
    /// SDKs give a token, so that a stream which fails three calls of ten would have no retries.
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
    /// Go on.
    Call(CallPass),
    /// One small call, to see.
    Probe(CallPass),
    /// Not before this time.
    NotBefore(Milliseconds),
}

/// Tells in which state of the breaker a call was let through: the end of a call from
/// before the breaker changed its state says nothing new, and only its holder ends a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallPass(u64);

/// Opens when [`Breaker::FAILURES`] calls in a row have brought nothing, no record at all, for
/// [`Breaker::BARREN_MS`], or [`Breaker::MANY_FAILURES`] have in a shorter time. Its first probe
/// comes after 200 to 400 ms, and each that brings nothing doubles the rest, up to
/// [`Breaker::LONGEST_REST_MS`]. After one that brings records all may call, and of the first
/// [`Breaker::TRIAL_CALLS`] half have to bring some.
#[derive(Debug, Clone)]
pub struct Breaker {
    state: BreakerState,
    /// The pass of this state; each change of state makes a new one.
    pass: CallPass,
    /// Calls in a row that brought nothing.
    barren: u32,
    /// When the first of them ended.
    barren_since: Milliseconds,
    /// The most that the next opening lasts, and half of it the least.
    rest_ms: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreakerState {
    Closed,
    /// No call before then.
    Open {
        until: Milliseconds,
    },
    /// One probe is under way. If its end is never heard of (its request was cancelled),
    /// another may go then.
    HalfOpen {
        until: Milliseconds,
    },
    /// A probe has brought records, and all may call; counts their calls and those that do.
    Trial {
        calls: u32,
        brought: u32,
    },
}

impl Breaker {
    /// Calls in a row that bring nothing before it opens.
    pub const FAILURES: u32 = 5;
    /// How long they have to, in milliseconds: five in a row come by chance.
    pub const BARREN_MS: u64 = 1_000;
    /// As many are no chance.
    pub const MANY_FAILURES: u32 = 20;
    /// The longest rest, in milliseconds.
    pub const LONGEST_REST_MS: u64 = 10_000;
    /// The calls after a probe, which is the first of them, that decide whether all is well.
    pub const TRIAL_CALLS: u32 = 4;
    /// The first rest, in milliseconds.
    const REST_MS: u64 = 400;
    /// The longest rest that is short to wait for, and for the probe behind it, in milliseconds.
    const SHORT_REST_MS: u64 = 800;
    /// When to ask again while a probe is under way, in milliseconds.
    const ASK_AGAIN_MS: u64 = 50;
    /// How long a probe may be under way, in milliseconds.
    const PROBE_MS: u64 = 10_000;

    /// Whether a call may be made at `now` by who holds the pass `held`.
    pub fn permit(&mut self, now: Milliseconds, held: Option<CallPass>) -> Permit {
        match self.state {
            BreakerState::Closed | BreakerState::Trial { .. } => Permit::Call(self.pass),
            BreakerState::HalfOpen { .. } if held == Some(self.pass) => Permit::Probe(self.pass),
            BreakerState::HalfOpen { until } if waits(now, until) => {
                // The rest before this probe was half of the next one.
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

    /// A call under `pass` brought records, or shows in another way that the stream works. `random`
    /// is drawn evenly from all of `u32`, here and below; it spreads the rests.
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

    /// A call under `pass` brought nothing.
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

    /// What came of a call under `pass` says nothing of the stream: another may go in its place.
    pub fn forget(&mut self, pass: CallPass, now: Milliseconds) {
        if pass == self.pass && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.turn(BreakerState::Open { until: now });
        }
    }

    /// When it is open, the time before which no call is made.
    pub fn open_until(&self) -> Option<Milliseconds> {
        match self.state {
            BreakerState::Closed | BreakerState::Trial { .. } => None,
            BreakerState::Open { until } | BreakerState::HalfOpen { until } => Some(until),
        }
    }

    /// Closes by the share of the calls that brought records, once there are enough.
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
        // Isolates that have seen the same must not all call again at the same time.
        let least = self.rest_ms / 2;
        let jitter = least.saturating_add(1).saturating_mul(random.into()) >> u32::BITS;
        self.turn(BreakerState::Open { until: now.saturating_add(least).saturating_add(jitter) });
        self.rest_ms = self.rest_ms.saturating_mul(2).min(Self::LONGEST_REST_MS);
        self.barren = 0;
    }
}

/// Whether `until` is still to come; no rest is longer than the longest.
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

    /// Draws the longest rests.
    const MOST: u32 = u32::MAX;

    #[test]
    fn a_stream_fails_since_its_first_failure_and_until_all_is_well() {
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

    /// A breaker that has opened at 1,000.
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
    fn a_probe_that_is_never_heard_of_does_not_hold_the_stream_shut() {
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
