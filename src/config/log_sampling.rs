//! Which requests are logged.

/// Which requests are logged, as shares from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSampling {
    /// Of those whose beacons were all accepted.
    pub usual: f64,
    /// Of the others.
    pub exceptions: f64,
}

impl Default for LogSampling {
    fn default() -> Self {
        Self { usual: 0.01, exceptions: 1.0 }
    }
}
