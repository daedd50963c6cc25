//! The event schemas against sources that know nothing of them: the official test suite of
//! JSON Schema, and the crate `jsonschema`.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

mod cost;
mod fit;
mod laws;
mod oracle;
mod refusals;
mod samples;
mod suite;

use headwater::schema::compile;
