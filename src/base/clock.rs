//! Times by the worker's clock, which may be set back.

/// Milliseconds since the epoch.
pub type Milliseconds = u64;

/// Whether `until`, the end of a wait of at most `longest_ms`, is after `now`. If `until` is
/// further ahead than that, the clock was set back. The rest of the wait is then unknown, so the
/// wait is over.
pub const fn is_ahead(until: Milliseconds, now: Milliseconds, longest_ms: u64) -> bool {
    let left_ms = until.saturating_sub(now);
    0 < left_ms && left_ms <= longest_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_on_time_or_when_the_clock_is_set_back() {
        let is_ahead = |now| is_ahead(10_000, now, 5_000);
        assert_eq!(
            [4_999, 5_000, 9_999, 10_000, 10_001].map(is_ahead),
            [false, true, true, false, false]
        );
    }
}
