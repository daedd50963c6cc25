//! The messages between an edge and a shard, and between shards.

pub mod batch_request;
pub mod batch_response;
pub mod quarantine;
pub mod session_transfer;
