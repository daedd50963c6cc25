//! The wire formats of the two AWS services, the credentials and the signer.

pub mod credentials;
pub mod firehose;
pub mod kinesis;
#[cfg(feature = "runtime")]
pub mod sigv4;
