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
pub enum CheckpointDue {
    /// Not now: nothing has changed, or a batch in flight writes it at its end.
    No,
    /// Now, before the batch's callers are answered.
    Now,
    /// In this many milliseconds, `GAP_MS` at most.
    In(u64),
}

#[derive(Debug, Default)]
pub struct CheckpointSchedule {
    /// When the gaps of all written checkpoints are over.
    free_at: Milliseconds,
    /// When a batch first ended without a checkpoint because others were in flight.
    left_at: Option<Milliseconds>,
}

impl CheckpointSchedule {
    /// Returns when a change is written at a batch's end, with or without `others` in flight.
    pub fn due(&mut self, others: bool, now: Milliseconds) -> CheckpointDue {
        if others {
            let left_at = *self.left_at.get_or_insert(now);
            // If the clock was set back, it is time as well.
            let is_time = !(left_at..left_at.saturating_add(GAP_MS)).contains(&now);
            return if is_time { CheckpointDue::Now } else { CheckpointDue::No };
        }
        match self.free_at.saturating_sub(now).saturating_sub(AHEAD_MS) {
            0 => CheckpointDue::Now,
            wait_ms => CheckpointDue::In(wait_ms.min(GAP_MS)),
        }
    }

    /// Records a checkpoint at `now`.
    pub fn written(&mut self, now: Milliseconds) {
        let max = now.saturating_add(AHEAD_MS);
        self.free_at = self.free_at.clamp(now, max).saturating_add(GAP_MS);
        self.left_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Milliseconds = 1_000_000;

    #[test]
    fn the_last_batch_writes_at_once_up_to_a_minutes_worth() {
        let mut checkpoint_schedule = CheckpointSchedule::default();
        for number in 0..AT_ONCE {
            assert_eq!(checkpoint_schedule.due(false, NOW), CheckpointDue::Now, "{number}");
            checkpoint_schedule.written(NOW);
        }
        assert_eq!(checkpoint_schedule.due(false, NOW), CheckpointDue::In(GAP_MS));
        assert_eq!(checkpoint_schedule.due(false, NOW + 400), CheckpointDue::In(GAP_MS - 400));
        assert_eq!(checkpoint_schedule.due(false, NOW + GAP_MS), CheckpointDue::Now);
    }

    #[test]
    fn others_under_way_leave_a_second_between_two() {
        let mut checkpoint_schedule = CheckpointSchedule::default();
        assert_eq!(checkpoint_schedule.due(true, NOW), CheckpointDue::No);
        assert_eq!(checkpoint_schedule.due(true, NOW + GAP_MS - 1), CheckpointDue::No);
        assert_eq!(checkpoint_schedule.due(true, NOW + GAP_MS), CheckpointDue::Now);
        checkpoint_schedule.written(NOW + GAP_MS);
        assert_eq!(checkpoint_schedule.due(true, NOW + GAP_MS), CheckpointDue::No);
        assert_eq!(checkpoint_schedule.due(false, NOW + GAP_MS), CheckpointDue::Now);
    }

    #[test]
    fn a_busy_hour_has_one_a_second_and_a_minutes_worth_more() {
        let mut checkpoint_schedule = CheckpointSchedule::default();
        let mut written = 0;
        for now in (NOW..NOW + 3_600_000).step_by(100) {
            if checkpoint_schedule.due(false, now) == CheckpointDue::Now {
                checkpoint_schedule.written(now);
                written += 1;
            }
        }
        assert!((3_600..=3_600 + AT_ONCE).contains(&written), "{written}");
    }

    #[test]
    fn a_clock_set_back_delays_none_by_more_than_the_gap() {
        let mut checkpoint_schedule = CheckpointSchedule::default();
        (0..=AT_ONCE).for_each(|_| checkpoint_schedule.written(NOW));
        assert_eq!(checkpoint_schedule.due(false, 0), CheckpointDue::In(GAP_MS));
        checkpoint_schedule.written(0);
        assert_eq!(checkpoint_schedule.due(false, GAP_MS), CheckpointDue::Now);
    }
}
