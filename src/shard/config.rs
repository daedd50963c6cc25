//! The configuration of the shards.

use super::tenant_share::TenantShare;
use super::{dedup, sessions, spill};
use crate::model::placement::{ShardNumber, shard_of};
use crate::model::shard_address::{Jurisdiction, ShardAddress};

#[derive(Debug, Clone, PartialEq)]
pub struct ShardConfig {
    /// The number of shards.
    pub count: ShardNumber,
    /// The number of shards before, while devices still move.
    pub previous_count: Option<ShardNumber>,
    /// Where the shards are, and with them the objects for reports and for the inspector.
    pub jurisdiction: Jurisdiction,
    /// Where they were before, while devices still move.
    pub previous_jurisdiction: Option<Jurisdiction>,
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
    /// decreases or the jurisdiction changes.
    pub fn addresses(&self) -> Vec<ShardAddress> {
        let previous_count = self.previous_count.unwrap_or(self.count);
        let (count, previous) = match self.previous_jurisdiction {
            None => (self.count.max(previous_count), None),
            Some(previous) => (self.count, Some((previous, previous_count))),
        };
        let mut addresses = Vec::new();
        for (jurisdiction, count) in std::iter::once((self.jurisdiction, count)).chain(previous) {
            addresses.extend((0..count).map(|number| ShardAddress { number, jurisdiction }));
        }
        addresses
    }

    /// Returns the jurisdictions of all current and previous shards.
    pub fn jurisdictions(&self) -> impl Iterator<Item = Jurisdiction> {
        std::iter::once(self.jurisdiction).chain(self.previous_jurisdiction)
    }

    /// Returns the number of the shard that may have the sessions of the device with this hash, if
    /// another one had it before.
    pub fn previous_shard(&self, hash: u64) -> Option<ShardNumber> {
        match (self.previous_count, self.previous_jurisdiction) {
            (None, None) => None,
            _ => self.shard_before_change(hash),
        }
    }

    #[cold]
    fn shard_before_change(&self, hash: u64) -> Option<ShardNumber> {
        let number = shard_of(hash, self.previous_count.unwrap_or(self.count));
        let is_moved = self.previous_jurisdiction.is_some();
        (is_moved || number != shard_of(hash, self.count)).then_some(number)
    }

    /// Returns the address of a shard that [`Self::previous_shard`] has returned.
    pub fn previous_address(&self, number: ShardNumber) -> ShardAddress {
        let jurisdiction = self.previous_jurisdiction.unwrap_or(self.jurisdiction);
        ShardAddress { number, jurisdiction }
    }
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            count: 8,
            previous_count: None,
            jurisdiction: Jurisdiction::None,
            previous_jurisdiction: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(config: &ShardConfig) -> Vec<String> {
        config.addresses().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn all_current_and_previous_shards_have_addresses() {
        let (eu, none) = (Jurisdiction::Eu, Jurisdiction::None);
        for (count, previous_count, jurisdiction, previous_jurisdiction, expected) in [
            (2, None, none, None, "0 1"),
            (2, Some(3), none, None, "0 1 2"),
            (3, Some(2), none, None, "0 1 2"),
            (2, None, eu, None, "eu-0 eu-1"),
            (2, Some(3), eu, None, "eu-0 eu-1 eu-2"),
            (2, None, eu, Some(none), "eu-0 eu-1 0 1"),
            (2, Some(1), eu, Some(none), "eu-0 eu-1 0"),
            (1, Some(3), none, Some(eu), "0 eu-0 eu-1 eu-2"),
        ] {
            let config = ShardConfig {
                count,
                previous_count,
                jurisdiction,
                previous_jurisdiction,
                ..ShardConfig::default()
            };
            assert_eq!(texts(&config).join(" "), expected);
            let jurisdictions: Vec<Jurisdiction> = config.jurisdictions().collect();
            assert_eq!(jurisdictions.first(), Some(&jurisdiction));
            assert_eq!(jurisdictions.get(1).copied(), previous_jurisdiction);
        }
    }

    #[test]
    fn a_device_has_a_previous_shard_if_that_was_another_one() {
        let config = ShardConfig { count: 8, ..ShardConfig::default() };
        let grown = ShardConfig { previous_count: Some(2), ..config.clone() };
        let moved = ShardConfig {
            jurisdiction: Jurisdiction::Eu,
            previous_jurisdiction: Some(Jurisdiction::None),
            ..config.clone()
        };
        let both = ShardConfig { previous_count: Some(2), ..moved.clone() };
        for hash in (0..100_u64).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let (now, before) = (shard_of(hash, 8), shard_of(hash, 2));
            assert_eq!(config.previous_shard(hash), None);
            assert_eq!(grown.previous_shard(hash), Some(before).filter(|before| *before != now));
            assert_eq!(moved.previous_shard(hash), Some(now));
            assert_eq!(both.previous_shard(hash), Some(before));
        }
        assert_eq!(grown.previous_address(1).to_string(), "1");
        assert_eq!(both.previous_address(1).to_string(), "1");
        let within = ShardConfig { previous_jurisdiction: None, ..both };
        assert_eq!(within.previous_address(1).to_string(), "eu-1");
    }
}
