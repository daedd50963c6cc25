//! What a request has reserved of its tenant's quota, and how its items are charged.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::quota::{ItemTenant, QuotaUse};
use crate::shard::protocol::batch_request::{EventIdentity, ShardItem};

/// One event of a quota, taken from a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaCharge {
    pub tenant: Arc<ItemTenant>,
    /// The id of the lease.
    pub lease: u64,
}

/// Why a reserve has less than its request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuotaShortage {
    Over,
    /// The home could not be asked.
    Unknown,
}

/// Events of a quota for one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaReserve {
    charge: QuotaCharge,
    left: u64,
    /// What happens to events for which nothing is left.
    shortage: QuotaShortage,
}

/// How an item is charged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemCharge {
    Free,
    One(QuotaCharge),
    Short(QuotaShortage),
}

impl QuotaReserve {
    pub const fn new(charge: QuotaCharge, left: u64, shortage: QuotaShortage) -> Self {
        Self { charge, left, shortage }
    }

    /// Returns what it still has.
    pub fn rest(self) -> (QuotaCharge, u64) {
        (self.charge, self.left)
    }

    fn take(&mut self) -> ItemCharge {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                ItemCharge::One(self.charge.clone())
            }
            None => ItemCharge::Short(self.shortage),
        }
    }
}

/// Returns how many events of each tenant with a quota are in `items`.
pub fn needs<'a>(
    items: impl IntoIterator<Item = &'a ShardItem<'a>>,
) -> Vec<(Arc<ItemTenant>, u64)> {
    let mut needs: Vec<(Arc<ItemTenant>, u64)> = Vec::new();
    for item in items {
        if item.tenant.quota.is_none() || item.quota_use != QuotaUse::One {
            continue;
        }
        match needs.iter_mut().find(|(tenant, _)| *tenant == item.tenant) {
            Some((_, need)) => *need = need.saturating_add(1),
            None => needs.push((Arc::clone(&item.tenant), 1)),
        }
    }
    needs
}

/// Charges each item to the reserve of its tenant, except duplicates and those of an event that was
/// charged before in `items`; nothing if no tenant has a quota.
pub fn charge(
    items: &[ShardItem<'_>],
    reserves: &mut [QuotaReserve],
    is_duplicate: impl Fn(usize, &ShardItem<'_>) -> bool,
) -> Vec<ItemCharge> {
    if items.iter().all(|item| item.tenant.quota.is_none()) {
        return Vec::new();
    }
    let mut charges: Vec<ItemCharge> = Vec::with_capacity(items.len());
    let mut charged = BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let charge = match item.quota_use {
            _ if item.tenant.quota.is_none() => ItemCharge::Free,
            QuotaUse::Nothing => ItemCharge::Free,
            QuotaUse::WithPrevious => match charges.last() {
                Some(ItemCharge::Short(shortage)) => ItemCharge::Short(*shortage),
                Some(ItemCharge::Free | ItemCharge::One(_)) | None => ItemCharge::Free,
            },
            QuotaUse::One if is_duplicate(index, item) => ItemCharge::Free,
            QuotaUse::One => {
                let key = item.event.as_ref().map(EventIdentity::seen_key);
                match key {
                    Some(key) if charged.contains(&key) => ItemCharge::Free,
                    _ => {
                        let of_tenant = |it: &&mut QuotaReserve| it.charge.tenant == item.tenant;
                        let reserve = reserves.iter_mut().find(of_tenant);
                        let unknown = ItemCharge::Short(QuotaShortage::Unknown);
                        let charge = reserve.map_or(unknown, QuotaReserve::take);
                        charged.extend(key.filter(|_| matches!(charge, ItemCharge::One(_))));
                        charge
                    }
                }
            }
        };
        charges.push(charge);
    }
    charges
}
