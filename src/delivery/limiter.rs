//! Limits how many calls to one stream may be in flight at once.
//!
//! There is no limit until a delivery reaches its deadline while the stream still rejects records
//! because of load. Then the limit is halved, at most once a second. Each call that delivers
//! records raises it by a fraction: additive increase, multiplicative decrease. A rejection that a
//! second attempt fixes changes nothing.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc5681#section-3.1>

use crate::base::clock::{Milliseconds, is_ahead};

/// The calls to one stream that are in flight, and their limit.
#[derive(Debug, Clone, Default)]
pub struct Limiter {
    /// In thousandths of a call; `None` if there is no limit.
    limit: Option<u64>,
    in_flight: Vec<CallInFlight>,
    next_call_id: u64,
    lowered_at: Option<Milliseconds>,
}

/// The id of a call that is in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallId(u64);

#[derive(Debug, Clone, Copy)]
struct CallInFlight {
    call_id: CallId,
    since: Milliseconds,
    timeout_ms: u64,
}

impl Limiter {
    const ONE: u64 = 1_000;
    /// A higher limit counts as none.
    const MAX: u64 = 64 * Self::ONE;
    /// Shortest time between two decreases, in milliseconds: calls that were in flight at the first
    /// say nothing about the lower limit.
    const INTERVAL_MS: u64 = 1_000;
    /// Time after its timeout that a call still counts as in flight, in milliseconds. The end of a
    /// call whose request was lost is never reported.
    const UNREPORTED_MS: u64 = 5_000;

    /// Begins a call that may take `timeout_ms`. Returns `None` at the limit.
    pub fn begin(&mut self, now: Milliseconds, timeout_ms: u64) -> Option<CallId> {
        self.in_flight.retain(|call| call.is_alive(now));
        let count = (self.in_flight.len() as u64).saturating_mul(Self::ONE);
        if self.limit.is_some_and(|limit| count.saturating_add(Self::ONE) > limit) {
            return None;
        }
        let call_id = CallId(self.next_call_id);
        self.next_call_id = self.next_call_id.wrapping_add(1);
        self.in_flight.push(CallInFlight { call_id, since: now, timeout_ms });
        Some(call_id)
    }

    pub fn end(&mut self, call_id: CallId) {
        self.in_flight.retain(|call| call.call_id != call_id);
    }

    /// Raises the limit, after a call that delivered records.
    pub fn raise(&mut self) {
        let raised = self.limit.map(|limit| {
            let more = (Self::ONE * Self::ONE).checked_div(limit).unwrap_or(Self::ONE);
            limit.saturating_add(more)
        });
        self.limit = raised.filter(|limit| *limit <= Self::MAX);
    }

    /// Halves the limit, after a delivery that reached its deadline with rejected records.
    pub fn lower(&mut self, now: Milliseconds) {
        let rests = |at: Milliseconds| {
            is_ahead(at.saturating_add(Self::INTERVAL_MS), now, Self::INTERVAL_MS)
        };
        if self.lowered_at.is_some_and(rests) {
            return;
        }
        self.lowered_at = Some(now);
        // The call that failed last has ended already.
        let used = (self.in_flight.len() as u64).saturating_add(1).saturating_mul(Self::ONE);
        let limit = self.limit.unwrap_or(used).min(used);
        self.limit = Some((limit / 2).max(Self::ONE));
    }

    /// Returns how long the oldest call has been in flight at `now`, in milliseconds.
    pub fn oldest_ms(&self, now: Milliseconds) -> u64 {
        let alive = self.in_flight.iter().filter(|call| call.is_alive(now));
        alive.map(|call| now.saturating_sub(call.since)).max().unwrap_or_default()
    }
}

impl CallInFlight {
    const fn is_alive(&self, now: Milliseconds) -> bool {
        let longest_ms = self.timeout_ms.saturating_add(Limiter::UNREPORTED_MS);
        is_ahead(self.since.saturating_add(longest_ms), now, longest_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns how many calls may begin at `now` in addition to those in flight.
    fn room(limiter: &Limiter, now: Milliseconds) -> usize {
        let mut limiter = limiter.clone();
        (0..1_000).take_while(|_| limiter.begin(now, 2_000).is_some()).count()
    }

    fn with_calls(count: usize) -> (Limiter, Vec<CallId>) {
        let mut limiter = Limiter::default();
        let call_ids = (0..count).map(|_| limiter.begin(0, 2_000).unwrap()).collect();
        (limiter, call_ids)
    }

    #[test]
    fn a_stream_has_no_limit_until_a_delivery_fails() {
        let (mut limiter, call_ids) = with_calls(31);
        assert_eq!(room(&limiter, 0), 1_000);
        limiter.lower(0);
        call_ids.into_iter().for_each(|call_id| limiter.end(call_id));
        assert_eq!(room(&limiter, 0), 16, "half of the 32 that were used");
    }

    #[test]
    fn a_limit_falls_once_a_second_and_to_one_call_at_least() {
        let (mut limiter, _) = with_calls(15);
        for (now, limit) in [(0, 8), (999, 8), (1_000, 4), (2_000, 2), (3_000, 1), (9_000, 1)] {
            limiter.lower(now);
            assert_eq!(limiter.limit, Some(limit * 1_000), "{now}");
        }
    }

    #[test]
    fn as_many_calls_as_the_limit_has_raise_it_by_one() {
        let (mut limiter, _) = with_calls(7);
        limiter.lower(0);
        let before = limiter.limit.unwrap();
        (0..4).for_each(|_| limiter.raise());
        let raised = limiter.limit.unwrap() - before;
        assert!((850..=1_000).contains(&raised), "{raised}");
        (0..10_000).for_each(|_| limiter.raise());
        assert_eq!(limiter.limit, None, "at last there is no limit");
    }

    #[test]
    fn a_call_without_a_reported_end_frees_its_place() {
        let (mut limiter, _) = with_calls(3);
        limiter.lower(0);
        assert_eq!((room(&limiter, 6_999), room(&limiter, 7_000)), (0, 2));
        assert_eq!((limiter.oldest_ms(6_000), limiter.oldest_ms(7_000)), (6_000, 0));
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_limit_low() {
        let (mut limiter, _) = with_calls(1);
        limiter.lower(3_600_000);
        limiter.lower(1_000);
        assert_eq!(limiter.lowered_at, Some(1_000));
    }
}
