//! How many ids, or new devices, each tenant has added in the last day, or in another window of time.
//!
//! The window moves by an eighth of itself, so a count is that of the window and at most an eighth more.
//! Memory is bounded: of too many tenants, those with few are forgotten, and only the sum has theirs.

use std::collections::BTreeMap;

use super::tenant_share::TenantShare;
use crate::base::clock::Milliseconds;
use crate::base::codec::{ByteReader, ByteWriter, DecodeError};

/// The parts of the window, and one that is being filled.
const PERIODS: usize = 9;

/// The parts of the window.
const PARTS: u64 = 8;

/// The most tenants that are counted apart.
const MAX_TENANTS: usize = 1_024;

type Counts = [u32; PERIODS];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantCounts {
    window_ms: u64,
    /// The number of the period of the last count.
    period: u64,
    by_tenant: BTreeMap<String, Counts>,
    all: Counts,
}

impl TenantCounts {
    const VERSION: u8 = 1;

    pub const fn new(window_ms: u64) -> Self {
        Self { window_ms, period: 0, by_tenant: BTreeMap::new(), all: [0; PERIODS] }
    }

    /// Counts one of `tenant` at `now`, if it stays within its share of `capacity`. Returns whether it
    /// does.
    pub fn take(
        &mut self,
        tenant: &str,
        share: TenantShare,
        capacity: u64,
        now: Milliseconds,
    ) -> bool {
        self.follow_clock(now);
        let own = self.of(tenant);
        let others = sum(&self.all).saturating_sub(own);
        let is_within = share.allows(own.saturating_add(1), others, capacity);
        if is_within {
            self.add(tenant);
        }
        is_within
    }

    fn add(&mut self, tenant: &str) {
        let slot = slot(self.period);
        let add = |counts: &mut Counts| {
            if let Some(count) = counts.get_mut(slot) {
                *count = count.saturating_add(1);
            }
        };
        add(&mut self.all);
        if let Some(counts) = self.by_tenant.get_mut(tenant) {
            return add(counts);
        }
        if self.by_tenant.len() >= MAX_TENANTS {
            self.forget_small();
        }
        add(self.by_tenant.entry(tenant.to_owned()).or_default());
    }

    /// Forgets the half of the tenants that has the least.
    fn forget_small(&mut self) {
        let mut sums: Vec<u64> = self.by_tenant.values().map(sum).collect();
        let middle = sums.len() / 2;
        let (_, median, _) = sums.select_nth_unstable(middle);
        let median = *median;
        let mut excess = self.by_tenant.len().saturating_sub(MAX_TENANTS / 2);
        self.by_tenant.retain(|_, counts| {
            let stays = sum(counts) > median || excess == 0;
            excess = excess.saturating_sub(usize::from(!stays));
            stays
        });
    }

    /// Returns how many `tenant` has added.
    pub fn of(&self, tenant: &str) -> u64 {
        self.by_tenant.get(tenant).map_or(0, sum)
    }

    /// Forgets what is out of the window at `now`. All is forgotten if the clock was set back by more.
    fn follow_clock(&mut self, now: Milliseconds) {
        let period = now.checked_div(self.window_ms / PARTS).unwrap_or_default();
        let is_set_back = period.saturating_add(PERIODS as u64) < self.period;
        if period <= self.period && !is_set_back {
            return;
        }
        let gone = period.saturating_sub(self.period).min(PERIODS as u64);
        if is_set_back || gone == PERIODS as u64 {
            (self.by_tenant, self.all) = (BTreeMap::new(), Counts::default());
        }
        for number in 1..=gone {
            let slot = slot(self.period.saturating_add(number));
            let clear = |counts: &mut Counts| {
                counts.get_mut(slot).into_iter().for_each(|count| *count = 0);
            };
            clear(&mut self.all);
            self.by_tenant.values_mut().for_each(clear);
        }
        self.by_tenant.retain(|_, counts| sum(counts) > 0);
        self.period = period;
    }

    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Self::VERSION];
        bytes.put_u64(self.window_ms);
        bytes.put_u64(self.period);
        for (tenant, counts) in [("", &self.all)]
            .into_iter()
            .chain(self.by_tenant.iter().map(|(tenant, counts)| (tenant.as_str(), counts)))
        {
            bytes.put_bytes(tenant.as_bytes());
            counts.iter().for_each(|count| bytes.put_u32(*count));
        }
        bytes
    }

    /// Reads the counts of a window of `window_ms`; none if they are of another one, or cannot be read.
    pub fn decode(bytes: &[u8], window_ms: u64) -> Self {
        let counts = Self::read(bytes).ok().filter(|counts| counts.window_ms == window_ms);
        counts.unwrap_or(Self::new(window_ms))
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = ByteReader::new(bytes, "the counts of tenants");
        if reader.u8()? != Self::VERSION {
            return Err(reader.malformed());
        }
        let mut counts = Self { period: 0, ..Self::new(reader.u64()?) };
        counts.period = reader.u64()?;
        while !reader.is_at_end() && counts.by_tenant.len() < MAX_TENANTS {
            let tenant = reader.text()?.to_owned();
            let mut of_tenant = Counts::default();
            for count in &mut of_tenant {
                *count = reader.u32()?;
            }
            match tenant.is_empty() {
                true => counts.all = of_tenant,
                false => {
                    counts.by_tenant.insert(tenant, of_tenant);
                }
            }
        }
        Ok(counts)
    }
}

fn sum(counts: &Counts) -> u64 {
    counts.iter().map(|count| u64::from(*count)).fold(0, u64::saturating_add)
}

const fn slot(period: u64) -> usize {
    (period % (PARTS + 1)) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WINDOW_MS: u64 = 8_000;

    #[test]
    fn tenants_share_what_a_window_has() {
        let share = TenantShare::of_percent(50);
        let mut counts = TenantCounts::new(WINDOW_MS);
        let taken = |counts: &mut TenantCounts, tenant: &str, now| {
            (0..100).filter(|_| counts.take(tenant, share, 80, now)).count()
        };
        assert_eq!(taken(&mut counts, "a", 0), 40);
        assert_eq!(taken(&mut counts, "b", 0), 20);
        assert_eq!(taken(&mut counts, "a", 4_000), 0);
        assert_eq!(taken(&mut counts, "c", 4_000), 10);
        assert_eq!(taken(&mut counts, "a", 9_000), 35, "those of the first eighth are gone");
        assert_eq!(taken(&mut counts, "b", 100_000), 40);
        assert_eq!(taken(&mut counts, "c", 0), 40, "the clock was set back");
    }

    #[test]
    fn many_tenants_take_bounded_memory_and_one_that_floods_is_known() {
        let mut counts = TenantCounts::new(WINDOW_MS);
        for number in 0..50_000_u32 {
            counts.take("flood", TenantShare::WHOLE, u64::MAX, 0);
            counts.take(&number.to_string(), TenantShare::WHOLE, u64::MAX, 0);
            assert!(counts.by_tenant.len() <= MAX_TENANTS);
        }
        assert_eq!((counts.of("flood"), sum(&counts.all)), (50_000, 100_000));
    }

    proptest! {
        #[test]
        fn a_count_is_that_of_the_window_and_at_most_an_eighth_more(
            steps in proptest::collection::vec((0_usize..4, 0_u64..900), 0..80),
        ) {
            let (mut counts, mut now, mut taken) = (TenantCounts::new(WINDOW_MS), 0, Vec::new());
            for (tenant, wait_ms) in steps {
                now += wait_ms;
                counts.take(&tenant.to_string(), TenantShare::WHOLE, u64::MAX, now);
                taken.push((tenant, now));
                for tenant in 0..4 {
                    let since = |ms: u64| {
                        taken.iter().filter(|(of, at)| *of == tenant && at + ms > now).count() as u64
                    };
                    let count = counts.of(&tenant.to_string());
                    prop_assert!((since(WINDOW_MS)..=since(WINDOW_MS * 9 / 8)).contains(&count));
                }
                prop_assert_eq!(&TenantCounts::decode(&counts.encode(), WINDOW_MS), &counts);
            }
        }

        #[test]
        fn any_bytes_are_counts(bytes in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = TenantCounts::decode(&bytes, 7);
        }
    }
}
