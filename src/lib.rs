//! Headwater.
#![allow(missing_docs)]
pub mod edge;
