//! Failed events: what was refused, why, and the bytes as they came.
//!
//! A failed event is kept in a stream of its own so that it can be found by its
//! reason and replayed. It must always carry at least one violation, and enough of
//! the original to send it again.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::clean::Repairs;
use crate::event::EventId;
use crate::privacy::Reason;
use crate::protocol::{self, Beacon, Envelope, Limits, pixel, record};
use crate::schema::Schema;

/// A beacon, or a whole body, that was refused and kept.
#[derive(Debug, Clone)]
pub struct FailedEvent {
    /// The beacon's own id when it had a valid one, else one stamped on receipt.
    pub event_id: EventId,
    /// Whose it is.
    pub tenant: String,
    /// The beacon's name when it was readable.
    pub name: Option<String>,
    /// The schema that it was held to.
    pub schema: Option<&'static Schema>,
    /// Where on its way it was refused.
    pub stage: Stage,
    /// Why.
    pub violations: Violations,
    /// What stood around it in the request.
    pub envelope: Envelope,
    /// What was repaired before it was refused, so that its violations can be told from its
    /// original.
    pub repairs: Repairs,
    /// Why identifiers are left out, where they are.
    pub stripped: Option<Reason>,
    /// The bytes as they came.
    pub original: Original,
}

/// The bytes that were refused, as they came.
#[derive(Debug, Clone)]
pub struct Original {
    /// One beacon's bytes, or a whole body's.
    pub bytes: Vec<u8>,
    /// What the bytes are.
    pub form: Form,
    /// How many bytes were not kept, since nobody can say where in them an identifier stands.
    pub withheld: usize,
}

impl Original {
    /// These bytes.
    pub fn new(bytes: impl Into<Vec<u8>>, form: Form) -> Self {
        Self { bytes: bytes.into(), form, withheld: 0 }
    }

    /// None of its bytes, only how many there were.
    #[must_use]
    pub fn withheld(self) -> Self {
        Self { withheld: self.bytes.len(), bytes: Vec::new(), ..self }
    }

    /// The beacon that the bytes can be read as, if they are one beacon's.
    pub fn beacon(&self, limits: &Limits) -> Option<Beacon> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        match self.form {
            Form::Beacon => protocol::beacon(text, limits).ok(),
            Form::Query => pixel::beacon(text).ok(),
            Form::Record => record::beacon(text, limits).ok(),
            Form::Body | Form::GzipBody => None,
        }
    }
}

/// What the original bytes of a failed event are, and so how to send them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One JSON beacon.
    Beacon,
    /// The query of a pixel request.
    Query,
    /// A whole request body.
    Body,
    /// A whole request body, compressed with gzip.
    GzipBody,
    /// One record as it was made for its stream.
    Record,
}

/// The step that refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The bytes could not be read as beacons.
    Protocol,
    /// A beacon broke the rules of its fields.
    Validate,
    /// The stream refused the record for itself.
    Delivery,
}

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

/// One step of a JSON Pointer (RFC 6901): a slash and `key`, escaped, cut where it is long.
pub fn pointer_step(key: &str) -> String {
    format!("/{}", shown(key).replace('~', "~0").replace('/', "~1"))
}

/// `text` as a message shows it: whole up to 100 characters, then cut with an ellipsis.
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
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
    fn a_long_name_is_shown_cut_at_a_character() {
        assert_eq!(shown(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(shown(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }

    #[test]
    fn ten_violations_are_listed_at_most_and_one_at_least() {
        let many = vec![Violation::whole(Code::BadJson, "no"); 11];
        assert_eq!(Violations::from_list(many).unwrap().iter().count(), 10);
        assert_eq!(Violations::from_list(Vec::new()), None);
    }
}
