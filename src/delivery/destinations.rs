//! The streams that records may go to, and how they are delivered to each.

use super::aggregate::Aggregation;
use super::stream_delivery::DeliveryConfig;
use crate::model::stream::Stream;

/// How records are delivered, whatever their stream, and what differs between streams.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// Where failed events go.
    pub failed: Stream,
    /// How a delivery waits and packs.
    pub policy: DeliveryConfig,
    /// The streams of which each record stays alone.
    pub unpacked: Vec<Stream>,
}

impl Destinations {
    /// How a delivery to `stream` waits and packs.
    pub fn policy_of(&self, stream: &Stream) -> DeliveryConfig {
        match self.unpacked.contains(stream) {
            true => DeliveryConfig { packing: Aggregation::Off, ..self.policy },
            false => self.policy,
        }
    }
}
