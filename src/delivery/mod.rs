//! Delivers records to AWS: a state machine without I/O.
//!
//! [`stream_delivery`] decides which records are sent, retried or given back. [`aggregate`] joins
//! several events into one billed record, and [`request`] groups records into calls. [`service`]
//! and [`aws`] write the two wire formats and sign; [`response`] reads the result of each record.
//! [`health`] tracks the state of a stream, and [`limiter`] bounds its calls; [`call_slots`] bounds
//! those of an object. [`destinations`] holds the delivery settings of each stream. [`rejected`]
//! makes the failed event of a record that its stream will never accept. [`stats`] counts.

pub mod aggregate;
pub mod aws;
pub mod call_slots;
pub mod circuit_breaker;
pub mod destinations;
pub mod health;
pub mod limiter;
pub mod rejected;
pub mod request;
pub mod response;
pub mod service;
pub mod stats;
pub mod stream_delivery;

use crate::model::record::Record;
use crate::model::stream::Stream;

/// Records of one stream, in the order in which they are delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamBatch {
    pub stream: Stream,
    pub records: Vec<Record>,
}
