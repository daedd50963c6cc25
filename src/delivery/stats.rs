//! Delivery statistics: latency, retries and spill depth.

use serde::Serialize;

/// Delivery statistics of some records. They share batches, and so calls, with other requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeliveryStats {
    /// Time that they waited in their shard for other records, in milliseconds.
    pub wait_ms: u64,
    /// Duration of the calls to their streams, in milliseconds, with retries and the waits before
    /// them.
    pub send_ms: u64,
    /// Number of calls that were retries.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: u32,
    /// Number of records in the spill of their shard afterwards, those of other requests included.
    #[serde(skip_serializing_if = "is_zero")]
    pub spill_depth: u64,
}

impl DeliveryStats {
    /// Combines two deliveries that ran in parallel.
    #[must_use]
    pub fn beside(self, other: Self) -> Self {
        Self {
            wait_ms: self.wait_ms.max(other.wait_ms),
            send_ms: self.send_ms.max(other.send_ms),
            retries: self.retries.saturating_add(other.retries),
            spill_depth: self.spill_depth.max(other.spill_depth),
        }
    }

    /// Combines two deliveries that ran one after the other.
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
