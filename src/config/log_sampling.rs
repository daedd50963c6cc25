//! Which requests are logged.

/// The shares of requests that are logged, from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSampling {
    /// Of requests whose beacons were all accepted.
    pub usual: f64,
    /// Of all other requests.
    pub exceptions: f64,
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { usual: 0.01, exceptions: 1.0 }
    }
}
