//! What each tenant has used of a shard's window of ids and of its new devices, and what it may still use.
//!
//! The counts are written once a minute, so the loss of the object loses those of a minute.

use super::config::ShardConfig;
use super::storage::{Storage, StorageError, Table};
use super::tenant_counts::TenantCounts;
use super::tenant_share::TenantShare;
use crate::base::clock::Milliseconds;

/// The interval between two writes, in milliseconds.
const WRITE_MS: u64 = 60_000;

const DAY_MS: u64 = 86_400_000;

#[derive(Debug)]
pub struct TenantUse {
    share: TenantShare,
    timed: Counted,
    untimed: Counted,
    devices: Counted,
    written_at: Milliseconds,
}

/// The counts of one kind, of which a shard has `capacity`.
#[derive(Debug)]
struct Counted {
    counts: TenantCounts,
    capacity: u64,
    is_behind: bool,
}

/// How an id counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    Timed,
    Untimed,
}

impl Counted {
    fn load(
        storage: &impl Storage,
        key: u8,
        window_ms: u64,
        capacity: u64,
    ) -> Result<Self, StorageError> {
        let row = storage.get(Table::TenantCounts, &[key])?.unwrap_or_default();
        let counts = TenantCounts::decode(&row, window_ms);
        Ok(Self { counts, capacity, is_behind: false })
    }

    fn take(&mut self, tenant: &str, share: TenantShare, now: Milliseconds) -> bool {
        self.is_behind = true;
        self.counts.take(tenant, share, self.capacity, now)
    }
}

impl TenantUse {
    pub fn load(storage: &impl Storage, sharding: &ShardConfig) -> Result<Self, StorageError> {
        let (timed, untimed) = sharding.dedupe.capacities();
        let window_ms = sharding.dedupe.window_ms;
        Ok(Self {
            share: sharding.tenant_share,
            timed: Counted::load(storage, 1, window_ms, timed)?,
            untimed: Counted::load(storage, 2, window_ms, untimed)?,
            devices: Counted::load(storage, 3, DAY_MS, sharding.new_devices_per_day)?,
            written_at: 0,
        })
    }

    /// Whether the window may have a new id of `tenant`, which is counted then.
    pub fn takes_id(&mut self, tenant: &str, kind: IdKind, now: Milliseconds) -> bool {
        let counted = match kind {
            IdKind::Timed => &mut self.timed,
            IdKind::Untimed => &mut self.untimed,
        };
        self.share.is_whole() || counted.take(tenant, self.share, now)
    }

    /// Whether a new device of `tenant` may be stored, which is counted then.
    pub fn takes_device(&mut self, tenant: &str, now: Milliseconds) -> bool {
        self.share.is_whole() || self.devices.take(tenant, self.share, now)
    }

    /// Makes the counts durable, if it is time.
    pub fn checkpoint(
        &mut self,
        storage: &impl Storage,
        now: Milliseconds,
    ) -> Result<(), StorageError> {
        if now.abs_diff(self.written_at) < WRITE_MS {
            return Ok(());
        }
        for (key, counted) in [(1, &mut self.timed), (2, &mut self.untimed), (3, &mut self.devices)]
        {
            if counted.is_behind {
                storage.put(Table::TenantCounts, &[key], &counted.counts.encode())?;
                counted.is_behind = false;
            }
        }
        self.written_at = now;
        Ok(())
    }
}
