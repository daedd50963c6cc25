//! Violations: the rule that a beacon broke, and where.

use crate::base::json::{JsonError, JsonErrorKind};
use crate::base::text::pointer_step;
use serde::{Serialize, Serializer};
use std::fmt;

/// The rule that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The body is not the gzip that it says to be.
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
    /// A field that comes twice, so that one of its values would be lost.
    DuplicateField,
    /// A field that the protocol, or the event's schema, does not have.
    UnknownField,
    /// A field of another type than it must be.
    WrongType,
    /// A text that does not have its field's form.
    BadFormat,
    /// A text longer than its field's limit.
    TooLong,
    /// A text shorter than its field's limit.
    TooShort,
    /// A number outside of its field's range, or off its steps.
    OutOfRange,
    /// A value that is none of those that may stand here.
    NotAllowed,
    /// Fewer items or members than the limit.
    TooFew,
    /// More items or members than the limit.
    TooMany,
    /// A list that has the same item twice.
    NotUnique,
    /// A value that has none of the forms, several of them, or one that is ruled out.
    NoMatch,
    /// A value that takes too many steps to check.
    TooComplex,
    /// An event that the catalogue does not have.
    UnknownEvent,
    /// The stream's service refused this record, and would again.
    RefusedByStream,
}

/// One rule broken at one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule.
    pub code: Code,
    /// JSON Pointer (RFC 6901) into the beacon, or the envelope; empty for the whole.
    pub pointer: String,
    /// One sentence that names the field and the limit.
    pub message: String,
    /// The JSON Schema keyword, where a schema is what was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<&'static str>,
    /// The JSON type of the value there, where a schema is what was broken and there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<&'static str>,
}

impl From<JsonError> for Violation {
    fn from(error: JsonError) -> Self {
        let code = match error.kind {
            JsonErrorKind::Syntax => Code::BadJson,
            JsonErrorKind::TooDeep => Code::TooDeep,
            JsonErrorKind::DuplicateKey => Code::DuplicateField,
            JsonErrorKind::NumberOutOfRange => Code::OutOfRange,
        };
        Self { pointer: error.pointer, ..Self::whole(code, error.message) }
    }
}

impl Violation {
    /// A violation of the whole beacon or body.
    pub fn whole(code: Code, message: impl Into<String>) -> Self {
        Self { code, pointer: String::new(), message: message.into(), rule: None, found: None }
    }

    /// A violation of the top-level field `field`.
    pub fn of_field(code: Code, field: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            pointer: pointer_step(field),
            message: message.into(),
            rule: None,
            found: None,
        }
    }
}

/// At least one violation, at most [`Violations::MAX`], in the order found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violations {
    /// Stands for all of them in a verdict.
    pub first: Violation,
    rest: Vec<Violation>,
}

impl Violations {
    /// The most violations that are listed for one beacon.
    pub const MAX: usize = 10;

    /// `first` and those of `rest` that fit under [`Self::MAX`].
    pub fn new(first: Violation, mut rest: Vec<Violation>) -> Self {
        rest.truncate(Self::MAX - 1);
        Self { first, rest }
    }

    /// None when the list is empty.
    pub fn from_list(list: Vec<Violation>) -> Option<Self> {
        let mut list = list.into_iter();
        let first = list.next()?;
        Some(Self::new(first, list.collect()))
    }

    /// All of them, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Violation> {
        std::iter::once(&mut self.first).chain(&mut self.rest)
    }

    /// All of them.
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
