//! The leases of a shard: for each tenant with a quota, how many more events the shard may accept
//! without a question to the tenant's home.
//!
//! A lease is only in memory. It follows the traffic: it doubles as long as it is used up before its
//! time, and is given back, except for as much as was used, at the end of [`LEASE_MS`]. So a shard that
//! loses its memory wastes no more than about twice what it accepts in that time.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::LEASE_MS;
use super::reserve::{QuotaCharge, QuotaReserve, QuotaShortage};
use crate::base::clock::Milliseconds;
use crate::model::placement::ShardNumber;
use crate::model::quota::{DailyQuota, ItemTenant, UtcDay};
use crate::shard::protocol::quota_lease::{LeaseGrant, LeaseRequest, LeaseState};

/// The most tenants in memory. A further one takes the place of the one that was asked for longest ago.
const MAX_LEASES: usize = 10_000;

/// After how long a question counts as lost, in milliseconds. Longer than its call may take, but not always
/// than its wait for a free call: then another question is asked, and the answer to the first one
/// counts no more.
const LOST_MS: u64 = 10_000;

/// How long a home that could not be reached is not asked again for a tenant, in milliseconds.
const PAUSE_MS: u64 = 2_000;

/// The leases of one shard.
#[derive(Debug, Default)]
pub struct QuotaLeases {
    leases: BTreeMap<String, ShardLease>,
}

/// The next step for a request that needs some events of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReserveStep {
    Reserved(QuotaReserve),
    /// Ask the home this, pass its answer to [`QuotaLeases::apply`], and reserve again.
    Ask(LeaseRequest),
    /// Another request asks the home. Reserve again once it has the answer.
    Wait,
}

/// A tenant that is over its quota, for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverQuota {
    pub tenant: String,
    pub events_per_day: u64,
    pub since: Milliseconds,
}

/// The lease of a tenant for one day.
#[derive(Debug)]
struct ShardLease {
    id: u64,
    day: UtcDay,
    quota: DailyQuota,
    /// The number of the last question.
    sequence: u64,
    asked_at: Milliseconds,
    /// Whether the last question has no answer yet.
    is_asking: bool,
    /// Whether it had none: the home may have granted something.
    is_unanswered: bool,
    used: u64,
    /// How many of them the home knows.
    reported: u64,
    left: u64,
    /// What the last question brought.
    last_extra: u64,
    /// When a request last needed it.
    needed_at: Milliseconds,
    /// Since when, and until when it is not worth asking, if the tenant is over its quota.
    over: Option<(Milliseconds, Milliseconds)>,
    /// Until when the home is not asked, since it could not be reached.
    paused_until: Milliseconds,
}

impl ShardLease {
    fn new(id: u64, day: UtcDay, quota: DailyQuota, now: Milliseconds) -> Self {
        Self {
            id,
            day,
            quota,
            sequence: 0,
            asked_at: now,
            is_asking: false,
            is_unanswered: false,
            used: 0,
            reported: 0,
            left: 0,
            last_extra: 0,
            needed_at: now,
            over: None,
            paused_until: 0,
        }
    }

    /// Whether it has something to give back, or may have without its knowledge.
    const fn is_open(&self) -> bool {
        !self.is_asking && (self.left > 0 || self.is_unanswered)
    }

    const fn is_asking(&self, now: Milliseconds) -> bool {
        self.is_asking && now < self.asked_at.saturating_add(LOST_MS)
    }

    const fn ends_at(&self) -> Milliseconds {
        self.asked_at.saturating_add(LEASE_MS)
    }

    /// Takes `need` events, or all that is left.
    fn reserve(
        &mut self,
        tenant: &Arc<ItemTenant>,
        need: u64,
        shortage: QuotaShortage,
    ) -> ReserveStep {
        let count = need.min(self.left);
        self.left = self.left.saturating_sub(count);
        self.used = self.used.saturating_add(count);
        let charge = QuotaCharge { tenant: Arc::clone(tenant), lease: self.id };
        ReserveStep::Reserved(QuotaReserve::new(charge, count, shortage))
    }

    fn ask(
        &mut self,
        tenant: &str,
        shard: ShardNumber,
        need: u64,
        want: u64,
        now: Milliseconds,
    ) -> LeaseRequest {
        self.sequence = self.sequence.saturating_add(1);
        (self.asked_at, self.is_asking, self.reported) = (now, true, self.used);
        let Self { id, sequence, used, left: kept, .. } = *self;
        LeaseRequest {
            tenant: tenant.to_owned(),
            day: self.day,
            quota: self.quota,
            lease: Some(LeaseState { shard, id, sequence, used, kept }),
            need,
            want,
        }
    }
}

impl QuotaLeases {
    /// Reserves `need` events of a tenant's quota for a request of the shard `shard`. `random` is the
    /// id of a new lease.
    pub fn reserve(
        &mut self,
        tenant: &Arc<ItemTenant>,
        need: u64,
        shard: ShardNumber,
        now: Milliseconds,
        random: impl FnOnce() -> u64,
    ) -> ReserveStep {
        let Some(quota) = tenant.quota else {
            let charge = QuotaCharge { tenant: Arc::clone(tenant), lease: 0 };
            return ReserveStep::Reserved(QuotaReserve::new(charge, need, QuotaShortage::Unknown));
        };
        let today = UtcDay::of(now);
        match self.leases.get(&tenant.name) {
            Some(lease) if lease.day != today => drop(self.leases.remove(&tenant.name)),
            Some(_) => {}
            None => self.make_room(),
        }
        let new = || ShardLease::new(random(), today, quota, now);
        let lease = self.leases.entry(tenant.name.clone()).or_insert_with(new);
        lease.needed_at = now;
        if lease.quota != quota {
            // The home decides again, and gets back what the lease has.
            (lease.quota, lease.left, lease.over) = (quota, 0, None);
        }
        if need <= lease.left {
            // An event beyond the need was no duplicate after all.
            return lease.reserve(tenant, need, QuotaShortage::Unknown);
        }
        if lease.is_asking(now) {
            return ReserveStep::Wait;
        }
        if lease.over.is_some_and(|(_, until)| now < until) {
            return lease.reserve(tenant, need, QuotaShortage::Over);
        }
        if now < lease.paused_until {
            return lease.reserve(tenant, need, QuotaShortage::Unknown);
        }
        let missing = need.saturating_sub(lease.left);
        let expected = match now < lease.ends_at() {
            true => lease.last_extra.saturating_mul(2),
            false => lease.used.saturating_sub(lease.reported),
        };
        ReserveStep::Ask(lease.ask(&tenant.name, shard, missing, expected.max(missing), now))
    }

    /// Whether the lease of a tenant has `need` events.
    pub fn covers(&self, tenant: &ItemTenant, need: u64, now: Milliseconds) -> bool {
        self.leases.get(&tenant.name).is_some_and(|lease| {
            lease.day == UtcDay::of(now) && Some(lease.quota) == tenant.quota && need <= lease.left
        })
    }

    /// Applies the answer to `request`, or that there is none.
    pub fn apply(&mut self, request: &LeaseRequest, grant: Option<LeaseGrant>, now: Milliseconds) {
        let asked = |lease: &&mut ShardLease| {
            let Some(state) = request.lease else { return false };
            (lease.id, lease.sequence) == (state.id, state.sequence)
        };
        let Some(lease) = self.leases.get_mut(&request.tenant).filter(asked) else { return };
        (lease.is_asking, lease.is_unanswered) = (false, grant.is_none());
        let Some(LeaseGrant { extra, over_since, retry_after_ms }) = grant else {
            lease.paused_until = now.saturating_add(PAUSE_MS);
            return;
        };
        lease.left = lease.left.saturating_add(extra);
        if request.need > 0 {
            lease.last_extra = extra;
            let until = now.saturating_add(retry_after_ms);
            lease.over = over_since.filter(|_| extra < request.need).map(|since| (since, until));
        }
    }

    /// Returns the questions of leases whose time is over: each gives back what it has, except for as
    /// much as was used in that time. Forgets those of past days.
    pub fn renewals(&mut self, shard: ShardNumber, now: Milliseconds) -> Vec<LeaseRequest> {
        let today = UtcDay::of(now);
        self.leases.retain(|_, lease| lease.day == today);
        let due =
            self.leases.iter_mut().filter(|(_, lease)| lease.is_open() && lease.ends_at() <= now);
        due.map(|(tenant, lease)| {
            let recent = lease.used.saturating_sub(lease.reported);
            (lease.left, lease.last_extra) = (lease.left.min(recent), recent);
            lease.ask(tenant, shard, 0, 0, now)
        })
        .collect()
    }

    /// Returns when the time of the next lease is over.
    pub fn next_renewal(&self) -> Option<Milliseconds> {
        self.leases.values().filter(|lease| lease.is_open()).map(ShardLease::ends_at).min()
    }

    /// Gives `count` events of a charge back to its lease: they were not accepted.
    pub fn refund(&mut self, charge: &QuotaCharge, count: u64) {
        let lease = self.leases.get_mut(&charge.tenant.name);
        let Some(lease) = lease.filter(|lease| lease.id == charge.lease) else { return };
        let count = count.min(lease.used);
        lease.used = lease.used.saturating_sub(count);
        lease.left = lease.left.saturating_add(count);
    }

    /// The tenants that are over their quotas today, in alphabetical order, `max` at most.
    pub fn over_quota(&self, now: Milliseconds, max: usize) -> Vec<OverQuota> {
        let today = UtcDay::of(now);
        let of_today = self.leases.iter().filter(|(_, lease)| lease.day == today);
        let over = of_today.filter_map(|(tenant, lease)| {
            let (tenant, events_per_day) = (tenant.clone(), lease.quota.events());
            lease.over.map(|(since, _)| OverQuota { tenant, events_per_day, since })
        });
        over.take(max).collect()
    }

    /// Forgets the tenant that was needed longest ago, if there are too many.
    fn make_room(&mut self) {
        if self.leases.len() < MAX_LEASES {
            return;
        }
        let oldest = self.leases.iter().min_by_key(|(_, lease)| lease.needed_at);
        if let Some(tenant) = oldest.map(|(tenant, _)| tenant.clone()) {
            self.leases.remove(&tenant);
        }
    }
}
