//! Why a JSON text is rejected.

use crate::base::text::truncate_for_display;

/// Why a text is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub kind: JsonErrorKind,
    /// JSON Pointer (RFC 6901) to the place; empty for the whole text.
    pub pointer: String,
    pub message: String,
}

impl JsonError {
    /// Whether the text would cost too much to read.
    pub const fn is_of_cost(&self) -> bool {
        matches!(self.kind, JsonErrorKind::TooManyValues | JsonErrorKind::TooManyForBytes)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    Syntax,
    TooDeep,
    TooManyValues,
    TooManyForBytes,
    DuplicateKey,
    /// A number exceeds the range of a double.
    NumberOutOfRange,
}

pub fn too_large(pointer: String) -> JsonError {
    let message = "a number is past the range of a double".to_owned();
    JsonError { kind: JsonErrorKind::NumberOutOfRange, pointer, message }
}

pub fn too_many_values(max: usize) -> JsonError {
    let message = format!("beacon has more than {max} values");
    JsonError { kind: JsonErrorKind::TooManyValues, pointer: String::new(), message }
}

pub fn too_many_for_bytes() -> JsonError {
    let message = "beacon has more values than its bytes allow".to_owned();
    JsonError { kind: JsonErrorKind::TooManyForBytes, pointer: String::new(), message }
}

pub fn comes_twice(key: &str, pointer: String) -> JsonError {
    let message = format!("{} comes twice", truncate_for_display(key));
    JsonError { kind: JsonErrorKind::DuplicateKey, pointer, message }
}

pub fn not_json(error: serde_json::Error) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Syntax,
        pointer: String::new(),
        message: format!("beacon is not JSON: {error}"),
    }
}
