//! Decides when a checkpoint is written: at the end of a batch, and not too often.
//!
//! Each checkpoint writes a few rows, which are billed. A timer keeps the object awake, which is
//! billed too. So the last batch in flight writes a checkpoint at its end, and no timer remains. If
//! that were more than one a second for a minute, it is one a second. Then the next request is
//! near, and the object stays awake anyway.

use crate::base::clock::Milliseconds;

/// Average time between two checkpoints, in milliseconds.
pub const GAP_MS: u64 = 1_000;

/// Checkpoints that may be written without that gap, if the object was quiet for as many gaps.
const AT_ONCE: u64 = 60;

/// The furthest that the gaps of written checkpoints may reach ahead, in milliseconds.
const AHEAD_MS: u64 = (AT_ONCE - 1) * GAP_MS;

/// When a checkpoint is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Not now: nothing has changed, or a batch in flight writes it at its end.
    No,
    /// Now, before the batch's callers are answered.
    Now,
    /// In this many milliseconds, `GAP_MS` at most.
    In(u64),
}

#[derive(Debug, Default)]
pub struct Pace {
    /// When the gaps of all written checkpoints are over.
    free_at: Milliseconds,
    /// When a batch first ended without a checkpoint because others were in flight.
    left_at: Option<Milliseconds>,
}

impl Pace {
    /// Returns when a change is written at a batch's end, with or without `others` in flight.
    pub fn due(&mut self, others: bool, now: Milliseconds) -> Due {
        if others {
            let left_at = *self.left_at.get_or_insert(now);
            // If the clock was set back, it is time as well.
            let is_time = !(left_at..left_at.saturating_add(GAP_MS)).contains(&now);
            return if is_time { Due::Now } else { Due::No };
        }
        match self.free_at.saturating_sub(now).saturating_sub(AHEAD_MS) {
            0 => Due::Now,
            wait_ms => Due::In(wait_ms.min(GAP_MS)),
        }
    }

    /// Records a checkpoint at `now`.
    pub fn written(&mut self, now: Milliseconds) {
        let most = now.saturating_add(AHEAD_MS);
        self.free_at = self.free_at.clamp(now, most).saturating_add(GAP_MS);
        self.left_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Milliseconds = 1_000_000;

    #[test]
    fn the_last_batch_writes_at_once_up_to_a_minutes_worth() {
        let mut pace = Pace::default();
        for number in 0..AT_ONCE {
            assert_eq!(pace.due(false, NOW), Due::Now, "{number}");
            pace.written(NOW);
        }
        assert_eq!(pace.due(false, NOW), Due::In(GAP_MS));
        assert_eq!(pace.due(false, NOW + 400), Due::In(GAP_MS - 400));
        assert_eq!(pace.due(false, NOW + GAP_MS), Due::Now);
    }

    #[test]
    fn others_under_way_leave_a_second_between_two() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(true, NOW), Due::No);
        assert_eq!(pace.due(true, NOW + GAP_MS - 1), Due::No);
        assert_eq!(pace.due(true, NOW + GAP_MS), Due::Now);
        pace.written(NOW + GAP_MS);
        assert_eq!(pace.due(true, NOW + GAP_MS), Due::No);
        assert_eq!(pace.due(false, NOW + GAP_MS), Due::Now);
    }

    #[test]
    fn a_busy_hour_has_one_a_second_and_a_minutes_worth_more() {
        let mut pace = Pace::default();
        let mut written = 0;
        for now in (NOW..NOW + 3_600_000).step_by(100) {
            if pace.due(false, now) == Due::Now {
                pace.written(now);
                written += 1;
            }
        }
        assert!((3_600..=3_600 + AT_ONCE).contains(&written), "{written}");
    }

    #[test]
    fn a_clock_set_back_delays_none_by_more_than_the_gap() {
        let mut pace = Pace::default();
        (0..=AT_ONCE).for_each(|_| pace.written(NOW));
        assert_eq!(pace.due(false, 0), Due::In(GAP_MS));
        pace.written(0);
        assert_eq!(pace.due(false, GAP_MS), Due::Now);
    }
}
