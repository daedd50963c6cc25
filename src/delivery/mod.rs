//! Getting records into AWS: a state machine without I/O.
//!
//! [`stream_delivery`] decides what is sent, retried or given back. [`aggregate`] puts several lines into one
//! billed record, [`request`] groups records into calls, [`service`] and [`aws`] know the two wire formats and
//! sign, [`response`] reads what became of each record. [`health`] remembers how a stream is, [`limiter`]
//! bounds its calls, [`destinations`] says how each stream is delivered to. [`rejected`] makes the failed
//! event of a record that its stream will never take, and [`stats`] counts.

pub mod aggregate;
pub mod aws;
pub mod destinations;
pub mod health;
pub mod limiter;
pub mod rejected;
pub mod request;
pub mod response;
pub mod service;
pub mod stats;
pub mod stream_delivery;
