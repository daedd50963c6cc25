//! The key of an event: its id with that of its device, and when the id was made.

use std::hash::{Hash, Hasher};

use crate::base::clock::Milliseconds;
use crate::model::device_key::DeviceKey;
use crate::model::event::EventId;
use crate::model::stream_set::StreamSet;

/// An event of a device: its id, combined with the device's key. Two of them are equal if they have
/// the same number.
#[derive(Debug, Clone, Copy)]
pub struct DedupKey {
    pub(super) number: u128,
    /// When the id was made; 0 if that is unknown.
    pub(super) made_at: Milliseconds,
}

impl DedupKey {
    /// Combines an id with the key of its device. `stated_time` is the client's time of the event,
    /// which counts if the id has none.
    pub fn of(device: &DeviceKey, event_id: EventId, stated_time: Option<Milliseconds>) -> Self {
        let number = |bytes: &[u8; 16]| u128::from_be_bytes(*bytes);
        Self {
            number: number(device.as_bytes()) ^ number(event_id.as_bytes()),
            made_at: event_id.made_at().or(stated_time).unwrap_or_default(),
        }
    }

    /// Returns the key of the event's copy for `to`. No client can choose an id that makes it the key of
    /// an event: it depends on all bits of the device's key, which is secret.
    pub fn of_copy(&self, to: &StreamSet) -> Self {
        /// The offset and the prime of FNV-1a with 128 bits.
        /// Source: <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let step = |hash: u128, byte: u8| (hash ^ u128::from(byte)).wrapping_mul(PRIME);
        let name = to.to_string();
        let hash = name.bytes().fold(OFFSET, step);
        Self { number: self.number.to_be_bytes().into_iter().fold(hash, step), ..*self }
    }
}

impl PartialEq for DedupKey {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for DedupKey {}

impl Hash for DedupKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        hasher.write_u128(self.number);
    }
}

impl PartialOrd for DedupKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for DedupKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.number.cmp(&other.number)
    }
}
