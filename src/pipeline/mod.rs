//! The stages that turn bytes into records. Each is a pure function of its arguments.
//!
//! A beacon passes `decode`, `clean`, `validate`, `privacy`, `enrich`, `route` and `encode`; what privacy
//! removes is removed before anything is derived from it. [`crate::ingest`] calls them in their order.

pub mod clean;
pub mod decode;
pub mod encode;
pub mod enrich;
pub mod privacy;
pub mod route;
pub mod validate;
