//! How long an id counts as seen, and the sizes that follow from it.

use crate::base::clock::Milliseconds;

/// How long an id counts as seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DedupConfig {
    /// Milliseconds after which the same id counts as a new event.
    pub window_ms: u64,
    /// The most ids of a shard; this limit takes precedence over the window.
    pub max_ids: usize,
}

impl DedupConfig {
    /// The most ids that are not timed. Their filters take 4 MB.
    pub(super) const MAX_UNTIMED: usize = 1_048_576;
    /// The ids of a run: 32 rows.
    const RUN_IDS: usize = 65_536;
    /// The most timed ids in memory after a checkpoint, 8 to 12 MB.
    const MAX_RECENT: usize = 393_216;
    /// Ids may wait for a run for a 24th of the window.
    const SPANS: u64 = 24;

    pub(super) fn run_ids(self) -> usize {
        (self.max_ids / 32).clamp(1, Self::RUN_IDS)
    }

    pub(super) fn max_recent(self) -> usize {
        (self.max_ids / 2).clamp(1, Self::MAX_RECENT)
    }

    pub(super) fn max_untimed(self) -> usize {
        (self.max_ids / 2).clamp(1, Self::MAX_UNTIMED)
    }

    /// The most ids of tenants that have their share, in each of two sets.
    pub(super) fn max_passing(self) -> usize {
        (self.max_recent() / 8).max(1)
    }

    /// Returns how many timed ids, and how many others, never displace one another.
    pub fn capacities(self) -> (u64, u64) {
        let timed = self.max_ids.saturating_sub(self.max_untimed());
        let untimed = self.max_untimed().saturating_sub(self.run_ids());
        (timed as u64, untimed as u64)
    }

    pub(super) const fn span_ms(self) -> u64 {
        self.window_ms / Self::SPANS
    }

    /// How long timed ids stay in memory at least: 10 minutes, or a sixth of the window.
    pub(super) fn grace_ms(self) -> u64 {
        (self.window_ms / 6).min(600_000)
    }

    /// How far ahead of the shard's clock the time of a timed id may be.
    pub(super) fn ahead_ms(self) -> u64 {
        self.grace_ms() / 2
    }

    /// Timed ids leave memory together with others of the same tick.
    pub(super) fn tick_ms(self) -> u64 {
        (self.grace_ms() / 75).max(1)
    }

    pub(super) fn tick_of(self, made_at: Milliseconds) -> u64 {
        made_at.checked_div(self.tick_ms()).unwrap_or_default()
    }
}

impl Default for DedupConfig {
    fn default() -> Self {
        Self { window_ms: 86_400_000, max_ids: 48_000_000 }
    }
}
