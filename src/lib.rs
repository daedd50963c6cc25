//! Headwater: an event collector at the CDN edge that writes straight to AWS streams.
//!
//! # The way of a beacon
//!
//! Bytes come in at [`edge`], which knows the request's circumstances ([`context`]) and
//! the operator's wishes ([`config`]). The write key tells whose they are ([`tenant`]).
//! [`protocol`] cuts them into beacons; [`privacy`] says what of each may be told at all;
//! [`clean`] repairs what is known to be bad; [`validate`] holds it to the protocol and to
//! its [`schema`], and makes it an [`event`] or a [`failed`] event; [`enrich`] adds what the
//! edge knows; [`scrub`], [`redact`] and [`salt`] take out what nobody should keep; [`route`]
//! names its stream, and [`sink`] delivers it as a record. [`pipeline`] is that recipe;
//! [`outcome`] is how it ends, for each beacon exactly once, [`tally`] counts that for operators
//! and [`inspect`] shows it to developers. Pages send theirs with the
//! [`snippet`], which the worker serves as well. What failed can be sent again as it came
//! ([`replay`]). [`readiness`] is what operators are told.
//!
//! Sessions and deduplication come between `enrich` and `route`.
//!
//! # Invariants
//!
//! - A success is answered only when every record, failed events included, was accepted
//!   by its stream.
//! - Only `edge` names the runtime. Everything else is a function of its arguments: no
//!   clock, no randomness, no environment, no network, no async.
//! - No panic is reachable from input.

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

pub mod address;
#[cfg(not(target_arch = "wasm32"))]
pub mod check;
pub mod clean;
pub mod clock;
pub mod config;
pub mod context;
pub mod dedupe;
pub mod edge;
pub mod enrich;
pub mod event;
pub mod failed;
pub mod inspect;
pub mod outcome;
pub mod pipeline;
pub mod privacy;
pub mod protocol;
pub mod readiness;
pub mod redact;
pub mod replay;
pub mod route;
pub mod salt;
pub mod schema;
pub mod scrub;
pub mod session;
pub mod shard;
pub mod sink;
pub mod snippet;
pub mod tally;
pub mod tenant;
pub mod validate;
mod verbatim;
