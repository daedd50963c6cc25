//! The share of devices that a route takes.

use crate::model::event::Event;

/// A share of the devices: more than none, less than all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SampleRate(f64);

impl SampleRate {
    /// Takes a share above 0 and below 1.
    pub fn parse(share: f64) -> Option<Self> {
        (share > 0.0 && share < 1.0).then_some(Self(share))
    }

    /// The share, as records tell it.
    pub fn share(self) -> f64 {
        self.0
    }

    /// Whether the device of `event` is among those taken; an event of no device stands
    /// for itself.
    pub fn takes(self, event: &Event) -> bool {
        let place = match &event.device_id {
            Some(device_id) => hash(device_id.as_str().as_bytes()),
            None => hash(event.id.as_bytes()),
        };
        // 53 bits are what a double holds without rounding.
        ((place >> 11) as f64) < self.0 * (1_u64 << 53) as f64
    }
}

/// FNV-1a, whose upper bits are then mixed as splitmix64 does it. It must never change: a
/// device that was taken would be left out, and another taken.
/// Sources: <http://www.isthe.com/chongo/tech/comp/fnv/>, <https://prng.di.unimi.it/splitmix64.c>
fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (fnv ^ (fnv >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
