//! Headwater ingests analytics beacons at the edge and delivers them to Amazon Data Firehose and Kinesis.
//!
//! # Path of a beacon
//!
//! 1. [`runtime`] receives the request, and [`ingest`] resolves its tenant.
//! 2. [`pipeline`] runs for each beacon: decode, clean, validate, privacy, enrich, route, encode. What
//!    fails becomes a failed event with its reason.
//! 3. [`ingest`] groups the records by shard and sends each group to a Durable Object. In direct delivery it
//!    groups them by stream, and step 4 is left out.
//! 4. [`shard`] deduplicates, assigns the session and batches for up to `linger_ms`.
//! 5. [`delivery`] signs and sends a batch, retries, and reports on each record. Records that the stream does
//!    not accept in time are spilled to the shard's storage.
//! 6. The shard answers when each record is delivered or spilled, and the worker answers 204, 200 or 503.
//!
//! # Layers
//!
//! A module imports only from its own layer and from those before it. `tests/layering.rs` holds this.
//!
//! | layer | what it has |
//! |---|---|
//! | [`base`] | JSON, addresses, times, secrets, bytes; no domain knowledge |
//! | [`model`] | events, records, streams, violations: data and invariants |
//! | [`schema`] | JSON Schema 2020-12, compiled ahead into one catalogue |
//! | [`pipeline`] | the stages of a beacon |
//! | [`delivery`] | getting records into AWS, as a state machine without I/O |
//! | [`shard`] | the stateful core of the Durable Object, still pure |
//! | [`config`] | the `HEADWATER` table as typed configuration |
//! | [`ingest`] | one request from its body to its answer |
//! | [`ops`] | health, the inspector, the check of a configuration |
//! | [`runtime`] | everything that names Cloudflare |
//!
//! # Invariants
//!
//! - A 2xx is sent only if every record, those of failed events included, is in its stream or in the storage
//!   of a shard.
//! - Only `runtime` names the platform. Everything else is a function of its arguments: no clock, no
//!   randomness, no environment, no network, no async.
//! - No input can panic; lints deny what could.

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
pub mod runtime;
pub mod schema;
pub mod shard;
