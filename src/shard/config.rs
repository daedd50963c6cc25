//! What shards do, as their operator wants it.

use std::ops::Range;

use super::{dedup, sessions, spill};
use crate::model::placement::ShardNumber;

/// The shards and what they do.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardConfig {
    /// How many there are.
    pub count: ShardNumber,
    /// How many there were before, while devices still move.
    pub former_count: Option<ShardNumber>,
    /// How long a batch waits for more records.
    pub linger_ms: u64,
    /// The most bytes of records that a shard holds in memory.
    pub held_bytes: usize,
    /// When sessions end.
    pub session: sessions::SessionConfig,
    /// The events that open a session, besides those whose schema says so.
    pub opening_events: Vec<String>,
    /// How long repeats are known.
    pub dedupe: dedup::DedupConfig,
    /// How much is kept of what a stream does not take.
    pub spill: spill::SpillConfig,
}

impl ShardConfig {
    /// Every shard that there is or was: what is spilled stays where it is when there are fewer.
    pub fn numbers(&self) -> Range<ShardNumber> {
        0..self.count.max(self.former_count.unwrap_or(0))
    }
}

impl Default for ShardConfig {
    fn default() -> Self {
        Self {
            count: 8,
            former_count: None,
            linger_ms: 100,
            // Several shards may share the 128 MB of one isolate.
            held_bytes: 4_194_304,
            session: sessions::SessionConfig::default(),
            opening_events: Vec::new(),
            dedupe: dedup::DedupConfig::default(),
            spill: spill::SpillConfig::default(),
        }
    }
}
