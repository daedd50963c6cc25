//! The share of devices that a route keeps.

use crate::model::event::Event;

/// A share of the devices: above 0 and below 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    pub fn parse(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Self(share))
    }

    /// The share, as records state it.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Whether the sample keeps the device of `event`. An event without a device is sampled by its
    /// own id.
    pub fn takes(self, event: &Event) -> bool {
        let place = match &event.device_id {
            Some(device_id) => hash(device_id.as_str().as_bytes()),
            None => hash(event.id.as_bytes()),
        };
        // A double holds 53 bits without rounding.
        ((place >> 11) as f64) < self.0 * (1_u64 << 53) as f64
    }
}

/// Hashes with FNV-1a, and mixes the upper bits as splitmix64 does. It must never change, as the
/// samples would then change too.
/// Sources: <http://www.isthe.com/chongo/tech/comp/fnv/>, <https://prng.di.unimi.it/splitmix64.c>
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
