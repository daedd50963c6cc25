//! The two wire formats of AWS, and the signer.

pub mod firehose;
pub mod kinesis;
pub mod sigv4;
