//! The messages between the runtime and a shard, and between shards.

pub mod batch_request;
pub mod batch_response;
pub mod error;
pub mod quarantine;
pub mod quota_lease;
pub mod session_transfer;
