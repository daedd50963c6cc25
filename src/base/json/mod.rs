//! Reads JSON without loss: it keeps every digit of a number and rejects duplicate keys. A text
//! that was cut inside a character is repaired.
//!
//! The first byte of each value decides its type. So no text can pass for one of serde_json's
//! private representations of numbers and raw values. Depth and the number of values are checked
//! before each descent.
//!
//! A text is read once, whatever is in it. Only a text with an error is read a second time, for
//! serde_json's message.

pub mod body_shape;
pub mod cursor;
mod error;
mod fields;
pub mod from_json;
#[cfg(test)]
mod level_by_level;
mod place;
mod reader;
pub mod scan;
pub mod splice;
mod strings;
#[cfg(test)]
mod tests;

use serde_json::Value;

pub use error::{JsonError, JsonErrorKind};
pub use fields::JsonFields;
pub use reader::{JsonReader, MAX_POINTER_BYTES, check_syntax, number_of};

/// Returns the JSON type of `value`, with its article.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The largest integer that JavaScript represents exactly, like all those below it.
pub const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;
