//! The daily quota of a tenant, and what each record says of its tenant.

use std::num::NonZeroU64;

/// The most events of a tenant that are accepted in one UTC day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DailyQuota(NonZeroU64);

impl DailyQuota {
    /// The highest quota: more events than any shard could count in a day.
    pub const MAX: u64 = 1_000_000_000_000;

    /// Returns a quota of `events`, from 1 to [`Self::MAX`].
    pub fn new(events: u64) -> Option<Self> {
        NonZeroU64::new(events).filter(|events| events.get() <= Self::MAX).map(Self)
    }

    pub const fn events(self) -> u64 {
        self.0.get()
    }
}

/// The tenant of a record, for its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTenant {
    pub name: String,
    pub quota: Option<DailyQuota>,
}
