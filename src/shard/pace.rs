//! When a checkpoint is written: with the end of a batch, and seldom enough.
//!
//! Each checkpoint is a few rows, which are billed, and a timer keeps its object awake, which is
//! billed too. So the last batch under way writes one with its end, and no timer stays behind.
//! Where that would be more than one a second for a minute, it is one a second; then the next
//! request is near, and the object awake anyhow.

use crate::base::clock::Milliseconds;

/// How often a checkpoint is written in the long run, in milliseconds.
pub const GAP_MS: u64 = 1_000;

/// How many may be written without that gap, where the object was quiet for as many gaps.
const AT_ONCE: u64 = 60;

/// How far the gaps of what is written may reach ahead.
const AHEAD_MS: u64 = (AT_ONCE - 1) * GAP_MS;

/// When a checkpoint is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Nothing has changed, or a batch that is under way writes it with its end.
    No,
    /// Now, before the batch's callers are answered.
    Now,
    /// In so many milliseconds, `GAP_MS` at most.
    In(u64),
}

/// The pace of the checkpoints.
#[derive(Debug, Default)]
pub struct Pace {
    /// When the gaps of all that were written are over.
    free_at: Milliseconds,
    /// When a batch that ended first left a change to the others.
    left_at: Option<Milliseconds>,
}

impl Pace {
    /// When a change is to be written at a batch's end, while other batches are under way or none
    /// is.
    pub fn due(&mut self, others: bool, now: Milliseconds) -> Due {
        if others {
            let left_at = *self.left_at.get_or_insert(now);
            // Where the clock was set back, it is time as well.
            let is_time = !(left_at..left_at.saturating_add(GAP_MS)).contains(&now);
            return if is_time { Due::Now } else { Due::No };
        }
        match self.free_at.saturating_sub(now).saturating_sub(AHEAD_MS) {
            0 => Due::Now,
            wait_ms => Due::In(wait_ms.min(GAP_MS)),
        }
    }

    /// One is written at `now`.
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
