#![doc = include_str!("docs/architecture.md")]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::arithmetic_side_effects,
        reason = "a panic resets the isolate, and with it other people's requests"
    )
)]

pub mod base;
pub mod config;
pub mod delivery;
pub mod ingest;
pub mod model;
pub mod ops;
pub mod pipeline;
#[cfg(feature = "runtime")]
pub mod runtime;
pub mod schema;
pub mod shard;
