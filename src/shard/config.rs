//! The configuration of the shards.

use std::ops::Range;

use super::tenant_share::TenantShare;
use super::{dedup, sessions, spill};
use crate::model::placement::ShardNumber;

#[derive(Debug, Clone, PartialEq)]
pub struct ShardConfig {
    /// The number of shards.
    pub count: ShardNumber,
    /// The number of shards before, while devices still move.
    pub previous_count: Option<ShardNumber>,
    /// The linger time of a batch, in milliseconds.
    pub linger_ms: u64,
    /// The most bytes of records that a shard holds in memory.
    pub buffer_bytes: usize,
    /// The share of a tenant in each shard.
    pub tenant_share: TenantShare,
    /// The new devices of a shard in a day, of which each tenant has a share.
    pub new_devices_per_day: u64,
    /// The most events of a device in a minute; those above it overflow.
    pub device_events_per_minute: u32,
    /// When sessions end.
    pub session: sessions::SessionConfig,
    /// Session-start events, in addition to those marked in their schema.
    pub session_start_events: Vec<String>,
    /// How long duplicates are recognized.
    pub dedupe: dedup::DedupConfig,
    /// The limits of the spill.
    pub spill: spill::SpillConfig,
}

impl ShardConfig {
    /// Returns all current and previous shards: spilled records stay in theirs if the number
    /// decreases.
    pub fn numbers(&self) -> Range<ShardNumber> {
        0..self.count.max(self.previous_count.unwrap_or(0))
    }
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            count: 8,
            previous_count: None,
            linger_ms: 100,
            // Several shards may share the 128 MB of one isolate.
            buffer_bytes: 4_194_304,
            tenant_share: TenantShare::WHOLE,
            new_devices_per_day: 1_000_000,
            device_events_per_minute: 3_000,
            session: sessions::SessionConfig::default(),
            session_start_events: Vec::new(),
            dedupe: dedup::DedupConfig::default(),
            spill: spill::SpillConfig::default(),
        }
    }
}
