//! The parts of a dialect.

use std::borrow::Cow;

use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::response::VerdictMode;
use crate::pipeline::decode::pixel::GIF;
use crate::pipeline::decode::protocols::cut::quoted;
use crate::pipeline::decode::protocols::parts;

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
    pub body: Vec<u8>,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
}

/// Writes the members `code` and `message` of an error, as JSON.
pub fn code_and_message(error: &IngestError) -> String {
    format!(r#""code":"{}","message":{}"#, error.code(), sentence(error))
}

/// Writes the sentence of an error, as JSON.
#[inline(never)]
pub fn sentence(error: &IngestError) -> String {
    quoted(&error.to_string())
}

impl DialectAnswer {
    /// Makes an answer without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self::new(status, "text/plain; charset=utf-8", text)
    }

    pub fn json(status: u16, text: &str) -> Self {
        Self::new(status, "application/json", text)
    }

    // Compiled once, not for each of some thirty answers.
    #[inline(never)]
    fn new(status: u16, content_type: &'static str, text: &str) -> Self {
        Self { status, content_type, body: text.as_bytes().to_vec(), ..Self::default() }
    }

    /// Makes an answer of the code and the message of an error.
    pub fn error(status: u16, error: &IngestError) -> Self {
        Self::json(status, &format!("{{{}}}", code_and_message(error))).retry_after(error)
    }

    /// Makes an answer to a pixel.
    pub fn gif() -> Self {
        Self { status: 200, content_type: "image/gif", body: GIF.to_vec(), ..Self::default() }
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
