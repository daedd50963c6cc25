//! Which requests are logged.

/// The shares of requests that are logged, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSampling {
    /// Of requests whose beacons were all accepted.
    pub success: f64,
    /// Of all other requests.
    pub failure: f64,
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { success: 0.01, failure: 1.0 }
    }
}
