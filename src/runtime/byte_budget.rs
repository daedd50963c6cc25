//! Limits the bytes of all requests that are under way in this isolate.
//!
//! Wasm's memory never shrinks, and Cloudflare ends an isolate, with every request in it, once it
//! has 128 MB. So a request reserves the bytes of its body before it is read, and then those of its
//! records until they are delivered. If there is no room, it is refused, and its client sends it
//! again.
//!
//! Dropping a reservation frees it, and after a panic the whole instance is replaced. The runtime
//! may also cancel a request without a call into the Wasm, for example if its client leaves. Such a
//! reservation, and one of a client that does not go on with its body, counts no longer after some
//! time. So no client can keep the room for others by sending nothing.
//!
//! Source: <https://developers.cloudflare.com/workers/platform/limits/#memory>

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::bindings::now_ms;
use crate::base::clock::Milliseconds;

/// How long a body may take before its bytes count no longer, in milliseconds.
const BODY_PATIENCE_MS: u64 = 10_000;

/// How long records may be under way before their bytes count no longer: longer than any delivery,
/// in milliseconds.
const RECORDS_PATIENCE_MS: u64 = 180_000;

/// A record is in memory twice while it is delivered: as its line, and in the body of a call or in
/// its shard, which may be in this isolate.
const COPIES: usize = 2;

thread_local! {
    static BUDGET: RefCell<ByteBudget> = RefCell::default();
}

type ReservationId = u64;

/// The bytes that are reserved.
#[derive(Debug, Default)]
struct ByteBudget {
    last: ReservationId,
    reserved: BTreeMap<ReservationId, Reserved>,
    bytes: usize,
}

#[derive(Debug)]
struct Reserved {
    bytes: usize,
    /// When it stops counting.
    until: Milliseconds,
}

impl ByteBudget {
    /// Reserves `bytes`, unless all reservations would then exceed `limit`. A request that is alone
    /// gets what it needs.
    fn reserve(&mut self, bytes: usize, limit: usize, now: Milliseconds) -> Option<ReservationId> {
        self.last = self.last.wrapping_add(1);
        self.set(
            self.last,
            Reserved { bytes, until: now.saturating_add(BODY_PATIENCE_MS) },
            limit,
            now,
        )
    }

    /// Reserves room for records instead of what `id` has so far. What it has stays if there is no
    /// room.
    fn reserve_records(
        &mut self,
        id: ReservationId,
        bytes: usize,
        limit: usize,
        now: Milliseconds,
    ) -> Option<ReservationId> {
        let until = now.saturating_add(RECORDS_PATIENCE_MS);
        self.set(id, Reserved { bytes: bytes.saturating_mul(COPIES), until }, limit, now)
    }

    fn set(
        &mut self,
        id: ReservationId,
        reserved: Reserved,
        limit: usize,
        now: Milliseconds,
    ) -> Option<ReservationId> {
        let fits = |budget: &Self| {
            let own = budget.reserved.get(&id).map_or(0, |own| own.bytes);
            let others = budget.bytes.saturating_sub(own);
            others == 0 || others.saturating_add(reserved.bytes) <= limit
        };
        if !fits(self) {
            self.forget_old(now);
            if !fits(self) {
                return None;
            }
        }
        self.free(id);
        self.bytes = self.bytes.saturating_add(reserved.bytes);
        self.reserved.insert(id, reserved);
        Some(id)
    }

    fn forget_old(&mut self, now: Milliseconds) {
        self.reserved.retain(|_, reserved| reserved.until > now);
        self.bytes = self.reserved.values().map(|reserved| reserved.bytes).sum();
    }

    fn free(&mut self, id: ReservationId) {
        if let Some(reserved) = self.reserved.remove(&id) {
            self.bytes = self.bytes.saturating_sub(reserved.bytes);
        }
    }
}

/// Bytes that a request has reserved. Dropping it frees them.
#[derive(Debug)]
pub struct Reservation(ReservationId);

impl Reservation {
    /// Reserves the bytes of a body that is about to be read; none if there is no room for it
    /// within `limit`.
    pub fn of_body(bytes: usize, limit: usize) -> Option<Self> {
        BUDGET.with_borrow_mut(|budget| budget.reserve(bytes, limit, now_ms())).map(Self)
    }

    /// Reserves room for records that take `bytes` instead of the body, which is no longer in memory.
    /// Returns whether there is room.
    #[must_use]
    pub fn keep_records(&self, bytes: usize, limit: usize) -> bool {
        BUDGET.with_borrow_mut(|budget| {
            budget.reserve_records(self.0, bytes, limit, now_ms()).is_some()
        })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        BUDGET.with_borrow_mut(|budget| budget.free(self.0));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 100;

    #[test]
    fn requests_share_the_budget_and_give_it_back() {
        let mut budget = ByteBudget::default();
        let first = budget.reserve(60, LIMIT, 0).unwrap();
        assert_eq!(budget.reserve(41, LIMIT, 1), None, "no room");
        let second = budget.reserve(40, LIMIT, 1).unwrap();
        assert_eq!(budget.bytes, 100);
        budget.free(first);
        assert!(budget.reserve(60, LIMIT, 2).is_some());
        budget.free(second);
        assert_eq!(budget.bytes, 60);
    }

    #[test]
    fn records_replace_the_body_and_count_twice() {
        let mut budget = ByteBudget::default();
        let first = budget.reserve(10, LIMIT, 0).unwrap();
        let second = budget.reserve(10, LIMIT, 0).unwrap();
        assert!(budget.reserve_records(first, 45, LIMIT, 0).is_some());
        assert_eq!(budget.bytes, 100);
        assert_eq!(budget.reserve_records(second, 6, LIMIT, 0), None);
        assert_eq!(budget.bytes, 100, "its body stays reserved");
        budget.free(first);
        assert!(budget.reserve_records(second, 6, LIMIT, 0).is_some());
        assert_eq!(budget.bytes, 12);
    }

    #[test]
    fn a_request_that_is_alone_gets_what_it_needs() {
        let mut budget = ByteBudget::default();
        let only = budget.reserve(LIMIT + 1, LIMIT, 0).unwrap();
        assert!(budget.reserve_records(only, LIMIT, LIMIT, 0).is_some());
        assert_eq!(budget.reserve(1, LIMIT, 0), None);
    }

    #[test]
    fn a_body_that_does_not_arrive_keeps_no_room() {
        let mut budget = ByteBudget::default();
        let stalled = budget.reserve(LIMIT, LIMIT, 0).unwrap();
        assert_eq!(budget.reserve(1, LIMIT, BODY_PATIENCE_MS - 1), None);
        let next = budget.reserve(LIMIT, LIMIT, BODY_PATIENCE_MS).unwrap();
        // It has to find room again once it arrives.
        assert_eq!(budget.reserve_records(stalled, 1, LIMIT, BODY_PATIENCE_MS), None);
        budget.free(next);
        assert!(budget.reserve_records(stalled, 1, LIMIT, BODY_PATIENCE_MS).is_some());
        budget.free(stalled);
        assert_eq!(budget.bytes, 0);
    }

    #[test]
    fn records_of_a_request_that_was_cancelled_keep_no_room() {
        let mut budget = ByteBudget::default();
        let cancelled = budget.reserve(1, LIMIT, 0).unwrap();
        budget.reserve_records(cancelled, LIMIT, LIMIT, 0).unwrap();
        assert_eq!(budget.reserve(1, LIMIT, RECORDS_PATIENCE_MS - 1), None);
        assert!(budget.reserve(1, LIMIT, RECORDS_PATIENCE_MS).is_some());
    }

    proptest! {
        #[test]
        fn the_sum_is_that_of_the_reservations(
            steps in proptest::collection::vec((0..4_u8, 0..8_usize, 0..60_usize, 0..20_000_u64), 0..60),
        ) {
            let (mut budget, mut ids, mut now) = (ByteBudget::default(), Vec::new(), 0);
            for (step, which, bytes, later) in steps {
                now += later;
                match (step, ids.get(which).copied()) {
                    (0, _) => ids.extend(budget.reserve(bytes, LIMIT, now)),
                    (1, Some(id)) => drop(budget.reserve_records(id, bytes, LIMIT, now)),
                    (2, Some(id)) => budget.free(id),
                    _ => {}
                }
                let sum: usize = budget.reserved.values().map(|it| it.bytes).sum();
                prop_assert_eq!(budget.bytes, sum);
                prop_assert!(sum <= LIMIT || budget.reserved.values().filter(|it| it.bytes > 0).count() == 1);
            }
            ids.into_iter().for_each(|id| budget.free(id));
            prop_assert_eq!(budget.bytes, 0);
        }
    }
}
