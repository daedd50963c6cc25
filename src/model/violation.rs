//! Violations: the rule that a beacon broke, and the place.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::base::json::{JsonError, JsonErrorKind};
use crate::base::text::escape_json_pointer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not valid gzip.
    BadGzip,
    /// The body is not UTF-8.
    BadUtf8,
    /// The text is not JSON.
    BadJson,
    /// The text is nested deeper than the limit.
    TooDeep,
    /// The beacon, or its record, has more bytes than the limit.
    TooLarge,
    /// A required field is absent.
    MissingField,
    /// An object has a key twice, so that one value would be lost.
    DuplicateField,
    /// Neither the protocol nor the event's schema has the field.
    UnknownField,
    /// A value has the wrong type.
    WrongType,
    /// A text does not have the form of its field.
    BadFormat,
    /// A text is longer than the limit.
    TooLong,
    /// A text is shorter than the limit.
    TooShort,
    /// A number is outside the range, or off the steps.
    OutOfRange,
    /// A value is none of the allowed ones.
    NotAllowed,
    /// There are fewer items or members than the limit.
    TooFew,
    /// There are more items or members than the limit.
    TooMany,
    /// A list has the same item twice.
    NotUnique,
    /// A value matches none of the alternatives, too many of them, or a forbidden schema.
    NoMatch,
    /// A beacon has too many values, or a value needs too many steps to check.
    TooComplex,
    /// The catalogue does not have the event.
    UnknownEvent,
    /// The stream rejected this record, and would again.
    RefusedByStream,
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    pub code: Code,
    /// JSON Pointer (RFC 6901) into the beacon, or the envelope; empty for the whole.
    pub pointer: String,
    /// One sentence that names the field and the limit.
    pub message: String,
    /// The JSON Schema keyword, if a schema was violated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The JSON type of the value there, if a schema was violated and there is a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<&'static str>,
}

impl From<JsonError> for Violation {
    fn from(error: JsonError) -> Self {
        let code = match error.kind {
            JsonErrorKind::Syntax => Code::BadJson,
            JsonErrorKind::TooDeep => Code::TooDeep,
            JsonErrorKind::TooManyValues | JsonErrorKind::TooManyForBytes => Code::TooComplex,
            JsonErrorKind::DuplicateKey => Code::DuplicateField,
            JsonErrorKind::NumberOutOfRange => Code::OutOfRange,
        };
        Self { pointer: error.pointer, ..Self::whole(code, error.message) }
    }
}

impl Violation {
    /// Makes a violation of the whole beacon or body.
    pub fn whole(code: Code, message: impl Into<String>) -> Self {
        Self { code, pointer: String::new(), message: message.into(), rule: None, found: None }
    }

    /// Makes a violation of the top-level field `field`.
    pub fn of_field(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            pointer: escape_json_pointer(field),
            message: message.into(),
            rule: None,
            found: None,
        }
    }
}

/// At least one violation, at most [`Violations::MAX`], in the order found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    /// The violation that a verdict shows.
    pub first: Violation,
    rest: Vec<Violation>,
}

impl Violations {
    /// The most violations that are listed for one beacon.
    pub const MAX: usize = 10;

    /// Keeps `first`, and as many of `rest` as [`Self::MAX`] allows.
    pub fn new(first: Violation, mut rest: Vec<Violation>) -> Self {
        rest.truncate(Self::MAX - 1);
        Self { first, rest }
    }

    /// None if the list is empty.
    pub fn from_list(list: Vec<Violation>) -> Option<Self> {
        let mut list = list.into_iter();
        let first = list.next()?;
        Some(Self::new(first, list.collect()))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Violation> {
        std::iter::once(&mut self.first).chain(&mut self.rest)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        std::iter::once(&self.first).chain(&self.rest)
    }
}

impl Serialize for Violations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

impl From<Violation> for Violations {
    fn from(violation: Violation) -> Self {
        Self::new(violation, Vec::new())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_escapes_as_rfc_6901_says() {
        assert_eq!(Violation::of_field(Code::UnknownField, "a/b~c", "").pointer, "/a~1b~0c");
    }

    #[test]
    fn ten_violations_are_listed_at_most_and_one_at_least() {
        let many = vec![Violation::whole(Code::BadJson, "no"); 11];
        assert_eq!(Violations::from_list(many).unwrap().iter().count(), 10);
        assert_eq!(Violations::from_list(Vec::new()), None);
    }
}
