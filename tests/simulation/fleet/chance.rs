//! Chance from a seed: the same seed draws the same numbers.

/// Sebastiano Vigna's splitmix64.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    pub fn random(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// Returns a number from 0 to `below` - 1; `below` is positive.
    pub const fn below(&mut self, below: usize) -> usize {
        (self.next() % below as u64) as usize
    }

    /// Returns a number from 0 to 1, without 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub fn is(&mut self, probability: f64) -> bool {
        self.share() < probability
    }

    pub fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.share()
    }

    /// Returns the time until the next of events that come at `rate`.
    pub fn until_next(&mut self, rate: f64) -> f64 {
        -(1.0 - self.share()).ln() / rate
    }

    /// Returns a lognormal number with this median; `deviation` is that of its logarithm.
    pub fn about(&mut self, median: f64, deviation: f64) -> f64 {
        // Box and Muller.
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        let normal = radius * (std::f64::consts::TAU * self.share()).cos();
        median * (deviation * normal).exp()
    }
}

/// Spreads a number over all 64 bits; different numbers stay different.
pub const fn mix(number: u64) -> u64 {
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
