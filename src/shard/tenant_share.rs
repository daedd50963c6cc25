//! The share of a tenant in what a shard has: memory, spill, ids and new devices.
//!
//! A tenant may take a percentage of what the others leave free. So a tenant that takes all it can leaves
//! the rest to others, and so do several: with 50 %, `n` such tenants leave a part in `n + 1`. The next
//! one may take half of that.

use std::collections::BTreeMap;

use crate::base::order::ascending;

/// The percentage of what others leave free that a tenant may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TenantShare(u64);

impl TenantShare {
    /// Everything: there is one tenant.
    pub const WHOLE: Self = Self(100);
    pub const DEFAULT_PERCENT: u64 = 50;
    pub const MIN_PERCENT: u64 = 10;

    /// Returns the share of `percent`, which is at most 100.
    pub fn of_percent(percent: u64) -> Self {
        Self(percent.min(100))
    }

    pub fn is_whole(self) -> bool {
        self == Self::WHOLE
    }

    /// Returns the most that a tenant may have of `capacity` if others have `others` of it.
    pub const fn limit(self, others: u64, capacity: u64) -> u64 {
        capacity.saturating_sub(others).saturating_mul(self.0) / 100
    }

    /// Whether a tenant may have `own` of `capacity` if others have `others` of it.
    pub const fn allows(self, own: u64, others: u64, capacity: u64) -> bool {
        own <= self.limit(others, capacity)
    }
}

/// An amount for each tenant that has any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantTotals(BTreeMap<String, u64>);

impl TenantTotals {
    pub fn add(&mut self, tenant: &str, amount: u64) {
        match self.0.get_mut(tenant) {
            Some(total) => *total = total.saturating_add(amount),
            None => {
                self.0.insert(tenant.to_owned(), amount);
            }
        }
    }

    pub fn subtract(&mut self, tenant: &str, amount: u64) {
        let Some(total) = self.0.get_mut(tenant) else { return };
        *total = total.saturating_sub(amount);
        if *total == 0 {
            self.0.remove(tenant);
        }
    }

    pub fn of(&self, tenant: &str) -> u64 {
        self.0.get(tenant).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(tenant, total)| (tenant.as_str(), *total))
    }

    /// Returns the tenants with their totals, the smallest first, and equal ones by name.
    pub fn smallest_first(&self) -> Vec<(&str, u64)> {
        let tenants: Vec<(&str, u64)> = self.iter().collect();
        let order = ascending(&mut tenants.iter().map(|(_, total)| *total));
        order.iter().filter_map(|(_, at)| tenants.get(*at).copied()).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tenants_that_take_all_they_can_leave_a_part_to_the_next() {
        const CAPACITY: u64 = 1_200;
        let share = TenantShare::of_percent(50);
        assert_eq!(share.limit(0, CAPACITY), 600, "alone");
        let mut taken = [0_u64; 3];
        for _ in 0..100 {
            for tenant in 0..taken.len() {
                let others = taken.iter().sum::<u64>() - taken[tenant];
                taken[tenant] = share.limit(others, CAPACITY).min(taken[tenant].max(1) * 2);
            }
        }
        assert_eq!(taken, [300; 3], "a fourth of it is free");
        assert_eq!(TenantShare::WHOLE.limit(0, CAPACITY), CAPACITY);
    }

    proptest! {
        #[test]
        fn tenants_in_their_shares_never_exceed_the_capacity(
            percent in 10_u64..=100, takes in proptest::collection::vec((0_usize..5, 0_u64..500), 0..60),
        ) {
            const CAPACITY: u64 = 1_000;
            let (share, mut taken) = (TenantShare::of_percent(percent), [0_u64; 5]);
            for (tenant, more) in takes {
                let others = taken.iter().sum::<u64>() - taken[tenant];
                if share.allows(taken[tenant] + more, others, CAPACITY) {
                    taken[tenant] += more;
                }
                prop_assert!(taken.iter().sum::<u64>() <= CAPACITY);
            }
            let others = taken.iter().sum::<u64>();
            prop_assert!(percent == 100 || others == CAPACITY || share.limit(others, CAPACITY * 10) > 0);
        }

        #[test]
        fn totals_are_sums(changes in proptest::collection::vec((0_usize..3, 0_u64..9), 0..40)) {
            let (mut totals, mut sums) = (TenantTotals::default(), [0_u64; 3]);
            for (tenant, amount) in changes {
                let name = tenant.to_string();
                match amount % 2 {
                    0 => { totals.add(&name, amount); sums[tenant] += amount; }
                    _ => { totals.subtract(&name, amount); sums[tenant] = sums[tenant].saturating_sub(amount); }
                }
                prop_assert_eq!(totals.of(&name), sums[tenant]);
            }
            let all: u64 = totals.iter().map(|(_, total)| total).sum();
            prop_assert_eq!(all, sums.iter().sum::<u64>());
        }
    }
}
