//! The circuit breaker of a stream.
//!
//! It opens if a stream accepts nothing at all, then permits one small real call as a probe. It is
//! closed, open, half-open (a probe is in flight) or on trial (a probe delivered records).

use crate::base::clock::{Milliseconds, is_ahead};

/// Whether a call may be made now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    Call(Generation),
    /// One small call may be made, as a probe.
    Probe(Generation),
    /// No call may be made before this time.
    NotBefore(Milliseconds),
}

/// Names the breaker state in which a call was permitted. A result from an earlier state is
/// ignored, and only the caller of the current one ends a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generation(u64);

/// A circuit breaker, for calls in a row that deliver no record.
///
/// It opens after [`CircuitBreaker::FAILURES`] such calls in at least [`CircuitBreaker::FAILING_MS`], or after
/// [`CircuitBreaker::MANY_FAILURES`] in any time. The first probe follows after 200 to 400 ms. Each failed
/// probe doubles the pause, up to [`CircuitBreaker::LONGEST_OPEN_MS`]. After a probe that delivers records
/// all calls are permitted. It opens again unless half of the first [`CircuitBreaker::TRIAL_CALLS`]
/// deliver some.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    state: BreakerState,
    /// Changes with each change of state.
    generation: Generation,
    /// Number of calls in a row that delivered nothing.
    failures_in_row: u32,
    /// When the first of those calls ended.
    failing_since: Milliseconds,
    /// Longest duration of the next pause, in milliseconds; the shortest is half of it.
    open_ms: u64,
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
        succeeded: u32,
    },
}

impl CircuitBreaker {
    /// Calls in a row without a delivered record, after which the breaker opens.
    pub const FAILURES: u32 = 5;
    /// Shortest time of those calls, in milliseconds: five in a row may fail by chance.
    pub const FAILING_MS: u64 = 1_000;
    /// Calls in a row without a delivered record, after which the breaker opens at once.
    pub const MANY_FAILURES: u32 = 20;
    /// Longest pause, in milliseconds.
    pub const LONGEST_OPEN_MS: u64 = 10_000;
    /// Calls, the probe included, that decide whether the breaker closes.
    pub const TRIAL_CALLS: u32 = 4;
    /// First pause, in milliseconds.
    const FIRST_OPEN_MS: u64 = 400;
    /// Longest pause that is worth a wait for its probe, in milliseconds.
    const SHORT_OPEN_MS: u64 = 800;
    /// Wait before the next check while a probe is in flight, in milliseconds.
    const ASK_AGAIN_MS: u64 = 50;
    /// Longest time that a probe may be in flight, in milliseconds.
    const PROBE_MS: u64 = 10_000;

    /// Whether a caller of generation `held` may make a call at `now`.
    pub fn permit(&mut self, now: Milliseconds, held: Option<Generation>) -> Permit {
        match self.state {
            BreakerState::Closed | BreakerState::Trial { .. } => Permit::Call(self.generation),
            BreakerState::HalfOpen { .. } if held == Some(self.generation) => {
                Permit::Probe(self.generation)
            }
            BreakerState::HalfOpen { until } if waits(now, until) => {
                // The pause before this probe was half of the next one.
                let was_short = self.open_ms <= Self::SHORT_OPEN_MS.saturating_mul(2);
                let again = now.saturating_add(Self::ASK_AGAIN_MS);
                Permit::NotBefore(if was_short { again.min(until) } else { until })
            }
            BreakerState::Open { until } if waits(now, until) => Permit::NotBefore(until),
            BreakerState::Open { .. } | BreakerState::HalfOpen { .. } => {
                self.transition(BreakerState::HalfOpen {
                    until: now.saturating_add(Self::PROBE_MS),
                });
                Permit::Probe(self.generation)
            }
        }
    }

    /// Records that a call under `generation` delivered records, or showed otherwise that the stream
    /// works. `random` is uniform over `u32`, here and below; it spreads the pauses.
    pub fn succeeded(&mut self, generation: Generation, now: Milliseconds, random: u32) {
        if generation != self.generation {
            return;
        }
        self.failures_in_row = 0;
        match self.state {
            BreakerState::Open { .. } | BreakerState::Closed => {}
            BreakerState::HalfOpen { .. } => {
                self.transition(BreakerState::Trial { calls: 1, succeeded: 1 })
            }
            BreakerState::Trial { calls, succeeded } => {
                self.resolve(calls.saturating_add(1), succeeded.saturating_add(1), now, random);
            }
        }
    }

    /// Records that a call under `generation` delivered nothing.
    pub fn failed(&mut self, generation: Generation, now: Milliseconds, random: u32) {
        if generation != self.generation {
            return;
        }
        if self.failures_in_row == 0 || now < self.failing_since {
            self.failing_since = now;
        }
        self.failures_in_row = self.failures_in_row.saturating_add(1);
        let failing_ms = now.saturating_sub(self.failing_since);
        let is_dead = self.failures_in_row >= Self::MANY_FAILURES
            || (self.failures_in_row >= Self::FAILURES && failing_ms >= Self::FAILING_MS);
        match self.state {
            BreakerState::Open { .. } => {}
            BreakerState::HalfOpen { .. } => self.open(now, random),
            BreakerState::Trial { calls, succeeded } => {
                self.resolve(calls.saturating_add(1), succeeded, now, random);
            }
            BreakerState::Closed if is_dead => self.open(now, random),
            BreakerState::Closed => {}
        }
    }

    /// Ends a probe whose result says nothing about the stream, so that another call may probe.
    pub fn forget(&mut self, generation: Generation, now: Milliseconds) {
        if generation == self.generation && matches!(self.state, BreakerState::HalfOpen { .. }) {
            self.transition(BreakerState::Open { until: now });
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
    fn resolve(&mut self, calls: u32, succeeded: u32, now: Milliseconds, random: u32) {
        self.state = BreakerState::Trial { calls, succeeded };
        if calls < Self::TRIAL_CALLS {
            return;
        }
        if succeeded.saturating_mul(2) < calls {
            self.open(now, random);
        } else {
            self.transition(BreakerState::Closed);
            self.open_ms = Self::FIRST_OPEN_MS;
        }
    }

    fn transition(&mut self, state: BreakerState) {
        self.state = state;
        self.generation = Generation(self.generation.0.wrapping_add(1));
    }

    fn open(&mut self, now: Milliseconds, random: u32) {
        // Isolates that saw the same failures must not all call again at the same time.
        let least = self.open_ms / 2;
        let jitter = least.saturating_add(1).saturating_mul(random.into()) >> u32::BITS;
        self.transition(BreakerState::Open {
            until: now.saturating_add(least).saturating_add(jitter),
        });
        self.open_ms = self.open_ms.saturating_mul(2).min(Self::LONGEST_OPEN_MS);
        self.failures_in_row = 0;
    }
}

/// Whether `until` is in the future. Ignores a time further away than the longest pause.
const fn waits(now: Milliseconds, until: Milliseconds) -> bool {
    is_ahead(until, now, CircuitBreaker::LONGEST_OPEN_MS)
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            state: BreakerState::Closed,
            generation: Generation(0),
            failures_in_row: 0,
            failing_since: 0,
            open_ms: Self::FIRST_OPEN_MS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws the longest pauses.
    const MAX: u32 = u32::MAX;

    /// A breaker that opened at 1,000.
    fn opened() -> CircuitBreaker {
        let mut breaker = CircuitBreaker::default();
        (0..4).for_each(|_| breaker.failed(breaker.generation, 0, MAX));
        breaker.failed(breaker.generation, 1_000, MAX);
        assert_eq!(breaker.open_until(), Some(1_400));
        breaker
    }

    fn probe(breaker: &mut CircuitBreaker, now: Milliseconds) -> Generation {
        match breaker.permit(now, None) {
            Permit::Probe(generation) => generation,
            other => panic!("expected a probe, got {other:?}"),
        }
    }

    fn is_closed(breaker: &mut CircuitBreaker, now: Milliseconds) -> bool {
        matches!(breaker.permit(now, None), Permit::Call(_))
    }

    #[test]
    fn repeated_failures_open_it() {
        for (ends, opens) in [
            (vec![0; 19], false),
            (vec![0; 20], true),
            (vec![0, 0, 0, 1_000], false),
            (vec![0, 0, 0, 0, 999], false),
            (vec![0, 0, 0, 0, 1_000], true),
            (vec![5_000, 5_000, 5_000, 5_000, 1_000], false),
        ] {
            let mut breaker = CircuitBreaker::default();
            ends.iter().for_each(|now| breaker.failed(breaker.generation, *now, MAX));
            assert_eq!(breaker.open_until().is_some(), opens, "{ends:?}");
            let mut breaker = CircuitBreaker::default();
            for now in ends {
                breaker.succeeded(breaker.generation, now, MAX);
                breaker.failed(breaker.generation, now, MAX);
            }
            assert_eq!(breaker.open_until(), None, "each second call delivers records");
        }
    }

    #[test]
    fn one_probe_goes_at_a_time_and_its_end_decides() {
        let before = CircuitBreaker::default().generation;
        let (mut breaker, mut now) = (opened(), 1_000);
        for pause in [400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            breaker.failed(before, now, MAX);
            assert_eq!(breaker.open_until(), Some(now + pause), "late ends don't lengthen it");
            now += pause;
            let generation = probe(&mut breaker, now);
            let again = if pause <= 800 { now + 50 } else { now + 10_000 };
            assert_eq!(breaker.permit(now, None), Permit::NotBefore(again), "{pause}");
            breaker.failed(generation, now, MAX);
        }
        let generation = probe(&mut breaker, now + 10_000);
        breaker.succeeded(generation, now, MAX);
        assert!(is_closed(&mut breaker, now));
    }

    #[test]
    fn a_pause_is_jittered_over_its_second_half() {
        for (random, until) in [(0, 1_200), (1 << 31, 1_300), (MAX, 1_400)] {
            let mut breaker = CircuitBreaker::default();
            (0..4).for_each(|_| breaker.failed(breaker.generation, 0, random));
            breaker.failed(breaker.generation, 1_000, random);
            assert_eq!(breaker.open_until(), Some(until));
        }
    }

    #[test]
    fn the_share_of_calls_that_deliver_closes_it() {
        for (later, opens) in [
            ([true, true, true], false),
            ([false, true, false], false),
            ([false, false, false], true),
        ] {
            let mut breaker = opened();
            let generation = probe(&mut breaker, 1_400);
            breaker.succeeded(generation, 1_400, MAX);
            for delivers in later {
                assert_eq!(breaker.open_until(), None, "{later:?}");
                match delivers {
                    true => breaker.succeeded(breaker.generation, 1_400, MAX),
                    false => breaker.failed(breaker.generation, 1_400, MAX),
                }
            }
            let pause = opens.then_some(1_400 + 800);
            assert_eq!(breaker.open_until(), pause, "{later:?}");
        }
        let mut breaker = opened();
        let generation = probe(&mut breaker, 1_400);
        (0..4).for_each(|_| breaker.succeeded(breaker.generation, 1_400, MAX));
        assert_ne!(breaker.generation, generation);
        (0..20).for_each(|_| breaker.failed(breaker.generation, 2_000, MAX));
        assert_eq!(breaker.open_until(), Some(2_400), "it starts from the first pause again");
    }

    #[test]
    fn only_the_probe_ends_the_probing() {
        let before = CircuitBreaker::default().generation;
        let mut breaker = opened();
        let generation = probe(&mut breaker, 1_400);
        breaker.failed(before, 1_401, MAX);
        breaker.succeeded(before, 1_401, MAX);
        assert_eq!(breaker.permit(1_401, None), Permit::NotBefore(1_451));
        assert_eq!(
            breaker.permit(1_401, Some(generation)),
            Permit::Probe(generation),
            "its holder may go on"
        );
        breaker.succeeded(generation, 1_402, MAX);
        assert!(is_closed(&mut breaker, 1_402));
        breaker.failed(generation, 1_403, MAX);
        assert_eq!(breaker.failures_in_row, 0);
    }

    #[test]
    fn a_lost_probe_does_not_keep_the_breaker_open() {
        let mut breaker = opened();
        let lost = probe(&mut breaker, 1_400);
        let generation = probe(&mut breaker, 11_400);
        assert_eq!(breaker.permit(11_401, Some(lost)), Permit::NotBefore(11_451));
        breaker.failed(lost, 11_402, MAX);
        breaker.forget(lost, 11_402);
        breaker.succeeded(generation, 11_403, MAX);
        assert_eq!(breaker.open_until(), None);
    }

    #[test]
    fn another_probe_goes_in_place_of_one_that_says_nothing() {
        let mut breaker = opened();
        let generation = probe(&mut breaker, 1_400);
        breaker.forget(generation, 1_500);
        assert_ne!(probe(&mut breaker, 1_500), generation);
        let mut closed = CircuitBreaker::default();
        closed.forget(closed.generation, 0);
        assert!(is_closed(&mut closed, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_hold_the_stream_shut() {
        let mut breaker = CircuitBreaker::default();
        (0..20).for_each(|_| breaker.failed(breaker.generation, 3_600_000, MAX));
        assert!(matches!(breaker.permit(3_600_000, None), Permit::NotBefore(_)));
        probe(&mut breaker, 1_000);
    }
}
