//! The stages that turn bytes into records. Each is a pure function of its arguments.
//!
//! A beacon passes `decode`, `clean`, `validate`, `privacy`, `enrich`, `route` and `encode`.
//! [`crate::ingest`] calls them in this order. Data that privacy removes is removed before anything
//! is derived from it.

pub mod clean;
pub mod decode;
pub mod encode;
pub mod enrich;
pub mod privacy;
pub mod route;
pub mod validate;
