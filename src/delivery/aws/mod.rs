//! The wire formats of the two AWS services, and the signer.

pub mod firehose;
pub mod kinesis;
pub mod sigv4;
