//! The event schemas against sources that know nothing of them: the official test suite of
//! JSON Schema, and the crate `jsonschema`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod compile_errors;
mod cost;
mod official_suite;
mod oracle;
mod properties;
mod repairs;
mod samples;

use headwater::schema::compile;
