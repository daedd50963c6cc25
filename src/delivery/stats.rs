//! How long records took to be delivered, and how often they were sent.

use serde::Serialize;

/// How records were delivered. They share batches, and so calls, with those of other requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryStats {
    /// How long they waited in their shard for other records, in milliseconds.
    pub wait_ms: u64,
    /// How long the calls to their streams took, retries and the waits before them included, in
    /// milliseconds.
    pub send_ms: u64,
    /// The calls that were made again.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// How many records, anybody's, then waited in the spill of their shard.
    #[serde(skip_serializing_if = "is_zero")]
    pub spill_depth: u64,
}

impl DeliveryStats {
    /// Both, at once.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            wait_ms: self.wait_ms.max(other.wait_ms),
            send_ms: self.send_ms.max(other.send_ms),
            retries: self.retries.saturating_add(other.retries),
            spill_depth: self.spill_depth.max(other.spill_depth),
        }
    }

    /// One after the other.
    #[must_use]
    pub fn then(self, other: Self) -> Self {
        Self {
            wait_ms: self.wait_ms.saturating_add(other.wait_ms),
            send_ms: self.send_ms.saturating_add(other.send_ms),
            ..self.beside(other)
        }
    }
}

pub fn is_zero<T: Default + PartialEq>(count: &T) -> bool {
    *count == T::default()
}
