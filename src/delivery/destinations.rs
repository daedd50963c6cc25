//! The streams that records may go to, and the delivery settings of each.

use super::aggregate::Aggregation;
use super::stream_delivery::DeliveryConfig;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;

/// Delivery settings: those of all streams, and the exceptions of some.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// The stream of failed events.
    pub failed: StreamSet,
    pub policy: DeliveryConfig,
    /// The streams whose events are not aggregated.
    pub unpacked: Vec<StreamSet>,
}

impl Destinations {
    /// Returns the delivery settings of `stream`.
    pub fn policy_of(&self, stream: &Stream) -> DeliveryConfig {
        match self.unpacked.iter().any(|set| set.contains(stream)) {
            true => DeliveryConfig { aggregation: Aggregation::Off, ..self.policy },
            false => self.policy,
        }
    }
}
