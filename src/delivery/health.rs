//! The health of a stream: whether to call it, with how many calls at once, and whether to retry.
//!
//! The retry budget keeps retries from outnumbering successes. The circuit breaker opens if a
//! stream accepts nothing at all, then sends one small real call as a probe. A stream that accepts
//! some records is still called, with fewer calls at once if necessary. All requests to a stream in
//! one isolate share this state. It only delays: records that it blocks are answered with 503 or
//! spilled, never dropped.

use super::circuit_breaker::CircuitBreaker;
use super::limiter::Limiter;
use super::response::AwsError;
use crate::base::clock::{Milliseconds, is_ahead};

#[derive(Debug, Clone, Default)]
pub struct StreamHealth {
    pub budget: RetryBudget,
    pub breaker: CircuitBreaker,
    pub limiter: Limiter,
    /// The current failure, until a whole call succeeds; for operators.
    pub ongoing: Option<OngoingFailure>,
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
    /// How long a call of a healthy stream may take, in milliseconds.
    const SLOW_MS: u64 = 1_000;
    /// How long after its last failure a member of a stream set is avoided, in milliseconds. It is
    /// longer than a spill waits, so that only a member without spilled records is tried with new
    /// ones.
    const AVOIDED_MS: u64 = 75_000;

    pub fn problem(&self) -> Option<&DeliveryError> {
        self.ongoing.as_ref().map(|ongoing| &ongoing.problem)
    }

    /// Records a failure at `now`.
    pub fn record_failure(&mut self, problem: DeliveryError, now: Milliseconds) {
        // If the clock was set back, the failure began no later than now.
        let since = self.ongoing.as_ref().map_or(now, |ongoing| ongoing.since.min(now));
        self.ongoing = Some(OngoingFailure { problem, since, last_at: now });
    }

    /// Records that a whole call succeeded.
    pub fn record_success(&mut self) {
        self.ongoing = None;
    }

    /// Returns when the stream last accepted a record, or `None` if the breaker has opened since.
    pub fn accepting_at(&self) -> Option<Milliseconds> {
        self.last_success_at.filter(|_| self.breaker.open_until().is_none())
    }

    /// Whether more calls would only wait at `now`: the last one failed, or one has been in flight
    /// for longer than a healthy stream needs.
    pub fn is_sick(&self, now: Milliseconds) -> bool {
        self.ongoing.is_some()
            || self.breaker.open_until().is_some()
            || self.limiter.oldest_ms(now) > Self::SLOW_MS
    }

    /// Whether the batches for a stream set go to other members at `now`: as [`Self::is_sick`], but
    /// not for ever if nothing calls it.
    pub fn is_avoided(&self, now: Milliseconds) -> bool {
        let failed_at = self.ongoing.as_ref().map(|ongoing| ongoing.last_at);
        let until = failed_at.map(|at| at.saturating_add(Self::AVOIDED_MS));
        until.is_some_and(|until| is_ahead(until, now, Self::AVOIDED_MS))
            || self.limiter.oldest_ms(now) > Self::SLOW_MS
    }
}

/// Why records were not delivered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The service rejected the call or a record.
    #[error("{}{}{}", .0.code, if .0.message.is_empty() { "" } else { ": " }, .0.message)]
    Rejected(AwsError),
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
            Self::Rejected(error) => &error.code,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_fails_from_its_first_failure_to_its_recovery() {
        let mut health = StreamHealth::default();
        let ongoing = |problem: DeliveryError, since, last_at| {
            Some(OngoingFailure { problem, since, last_at })
        };
        health.record_failure(DeliveryError::TimedOut, 10);
        health.record_failure(DeliveryError::BreakerOpen, 30);
        assert_eq!(health.ongoing, ongoing(DeliveryError::BreakerOpen, 10, 30));
        health.record_failure(DeliveryError::TimedOut, 5);
        assert_eq!(health.ongoing, ongoing(DeliveryError::TimedOut, 5, 5), "set back");
        health.record_success();
        assert_eq!(health.problem(), None);
        health.record_failure(DeliveryError::TimedOut, 40);
        assert_eq!(health.ongoing, ongoing(DeliveryError::TimedOut, 40, 40));
    }

    #[test]
    fn a_stream_is_sick_while_it_fails_or_does_not_answer() {
        let mut health = StreamHealth::default();
        let call = health.limiter.begin(0, 2_000).unwrap();
        assert!(!health.is_sick(1_000) && health.is_sick(1_001));
        health.limiter.end(call);
        assert!(!health.is_sick(1_001));
        health.record_failure(DeliveryError::TimedOut, 1_002);
        assert!(health.is_sick(1_003));
        health.record_success();
        assert!(!health.is_sick(1_003));
    }

    #[test]
    fn a_member_is_avoided_until_its_failure_is_over_or_long_ago() {
        let mut health = StreamHealth::default();
        assert!(!health.is_avoided(0));
        health.record_failure(DeliveryError::TimedOut, 10);
        health.record_failure(DeliveryError::TimedOut, 1_000);
        assert!(health.is_avoided(1_000) && health.is_avoided(75_999));
        assert!(!health.is_avoided(76_000), "a batch may try it");
        health.record_success();
        assert!(!health.is_avoided(1_001));
        let call = health.limiter.begin(2_000, 2_000).unwrap();
        assert!(!health.is_avoided(3_000) && health.is_avoided(3_001), "it does not answer");
        health.limiter.end(call);
        assert!(!health.is_avoided(3_001));
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
}
