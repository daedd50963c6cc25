//! The daily quota of a tenant, and what each record says of its tenant.

use std::num::NonZeroU64;

use crate::base::clock::Milliseconds;

/// The most events of a tenant that are accepted in one UTC day, failed events included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DailyQuota(NonZeroU64);

impl DailyQuota {
    /// The highest quota: more events than all shards could take in a day.
    pub const MAX: u64 = 1_000_000_000_000;

    /// Returns a quota of `events`, from 1 to [`Self::MAX`].
    pub fn new(events: u64) -> Option<Self> {
        NonZeroU64::new(events).filter(|events| events.get() <= Self::MAX).map(Self)
    }

    pub const fn events(self) -> u64 {
        self.0.get()
    }
}

/// A day in UTC, as the number of days since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UtcDay(u32);

impl UtcDay {
    pub fn of(now: Milliseconds) -> Self {
        const DAY_MS: u64 = 86_400_000;
        Self(u32::try_from(now / DAY_MS).unwrap_or(u32::MAX))
    }

    pub const fn from_number(number: u32) -> Self {
        Self(number)
    }

    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether it is `today`, or the day before or after it.
    pub const fn is_near(self, today: Self) -> bool {
        self.0.abs_diff(today.0) <= 1
    }
}

/// The tenant of a record, for its shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemTenant {
    pub name: String,
    pub quota: Option<DailyQuota>,
}

/// What a record takes of its tenant's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaUse {
    /// One event.
    One,
    /// Nothing: it is another record of the failed event before it, whose fate it shares.
    WithPrevious,
    /// Nothing: its event is a replay, or was counted with a record that its stream rejected.
    Nothing,
}
