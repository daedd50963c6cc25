//! The stages that turn bytes into records. Each is a pure function of its arguments.
//!
//! A beacon passes `decode`, `privacy`, `clean`, `validate`, `enrich`, `route` and `encode`;
//! `ingest::process_beacon` calls them in this order. A cleaning rule may reveal a refused consent,
//! so `privacy` decides once more after `clean`. Data that privacy removes is removed before
//! anything is derived from it.

pub mod clean;
pub mod decode;
pub mod encode;
pub mod enrich;
pub mod privacy;
pub mod route;
pub mod validate;
