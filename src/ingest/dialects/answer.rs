//! The parts of a dialect.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::response::VerdictMode;
use crate::pipeline::decode::pixel::GIF;
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::translation::ObjectFields;

/// The longest wait that an SDK is asked for, in seconds. Some ignore longer waits.
const MAX_WAIT_S: u64 = 60;

/// A request to an address of a protocol, without its body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DialectRequest<'a> {
    pub is_post: bool,
    /// Such as `/v1/track`.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
    /// As sent; empty if absent.
    pub content_type: &'a str,
    /// The scheme and host of this worker, such as `https://events.shop.example`.
    pub host: &'a str,
}

impl<'a> DialectRequest<'a> {
    /// Returns the first parameter `name` of the query.
    pub fn parameter(self, name: &str) -> Option<Cow<'a, str>> {
        parts::parameter(self.query, name)
    }

    /// Whether it asks for a verdict on each event. No SDK does; an import of old events does.
    pub fn asks_for_verdicts(self) -> bool {
        self.is_post && VerdictMode::of_query(self.query) == VerdictMode::Always
    }
}

/// What a request to an address of a protocol asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DialectEndpoint {
    /// It has events: in its body, or in the query of a `GET`.
    Events,
    /// It has none, and is answered at once.
    Answer(DialectAnswer),
}

/// An answer in the form that an SDK expects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DialectAnswer {
    pub status: u16,
    pub retry_after_s: Option<u64>,
    /// Empty if there is no body.
    pub content_type: &'static str,
    pub body: Cow<'static, [u8]>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Makes a JSON object. The macro `json` would be compiled for each of its members.
pub fn object(members: Vec<(&str, Value)>) -> Value {
    let mut object = Map::new();
    for (name, value) in members {
        object.put(name, value);
    }
    Value::Object(object)
}

/// The member `code` of an error.
pub fn code(error: &IngestError) -> (&'static str, Value) {
    ("code", error.code().into())
}

/// The member `message` of an error.
pub fn message(error: &IngestError) -> (&'static str, Value) {
    ("message", error.to_string().into())
}

impl DialectAnswer {
    /// Makes an answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn text(status: u16, text: impl Into<String>) -> Self {
        let body = Cow::Owned(text.into().into_bytes());
        Self { status, content_type: "text/plain; charset=utf-8", body, ..Self::default() }
    }

    pub fn json(status: u16, text: impl Into<String>) -> Self {
        let body = Cow::Owned(text.into().into_bytes());
        Self { status, content_type: "application/json", body, ..Self::default() }
    }

    /// Makes an answer of a JSON object's members.
    pub fn object(status: u16, members: Vec<(&str, Value)>) -> Self {
        Self::json(status, object(members).to_string())
    }

    /// Makes an answer of the code and the message of an error.
    pub fn error(status: u16, error: &IngestError) -> Self {
        let code_and_message = vec![code(error), message(error)];
        Self::object(status, code_and_message).retry_after(error)
    }

    /// Makes an answer to a pixel.
    pub fn gif() -> Self {
        Self { status: 200, content_type: "image/gif", body: Cow::Borrowed(GIF), ..Self::default() }
    }

    /// Sets when the client may send again, as `error` says.
    #[must_use]
    pub fn retry_after(self, error: &IngestError) -> Self {
        let retry_after_s = error.retry_after_s().map(|seconds| seconds.min(MAX_WAIT_S));
        Self { retry_after_s, ..self }
    }

    /// Asks for a wait of at most `seconds`, if for any.
    #[must_use]
    pub fn retry_within(self, seconds: u64) -> Self {
        let retry_after_s = self.retry_after_s.map(|after| after.min(seconds));
        Self { retry_after_s, ..self }
    }
}
