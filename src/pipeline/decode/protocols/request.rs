//! A request of another collector's SDK, and the items that it is cut into.

use std::borrow::Cow;

use serde_json::Value;

use super::parts;
use crate::pipeline::decode::ProtocolError;

/// A request to an address of another collector.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProtocolRequest<'a> {
    /// The path, such as `/v1/track`; empty for a replay, whose body decides.
    pub path: &'a str,
    /// Without its question mark.
    pub query: &'a str,
    /// As sent; empty if absent.
    pub content_type: &'a str,
    /// The names, in lower case, and values of all headers.
    pub headers: &'a [(String, String)],
    /// Inflated. Empty for a `GET`.
    pub body: &'a [u8],
}

impl<'a> ProtocolRequest<'a> {
    /// Returns the value of the header `name`, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }

    /// Returns the first parameter `name` of the query.
    pub fn parameter(&self, name: &str) -> Option<Cow<'a, str>> {
        parts::parameter(self.query, name)
    }

    /// Returns the body's text.
    pub fn text(&self) -> Result<&'a str, ProtocolError> {
        parts::text(self.body)
    }
}

/// The items of a request. Each is the JSON text of one object that can be translated, and sent
/// again, without the others.
#[derive(Debug, Default, PartialEq)]
pub struct ProtocolItems<'a> {
    pub texts: Vec<Cow<'a, str>>,
    /// The bytes at the beginning of each text that are members which its neighbours may have too, without
    /// the comma after them; none if the protocol shares nothing.
    pub heads: Vec<usize>,
    /// When the request was sent, by the client's clock, in any form that a beacon's `time` accepts.
    pub sent_at: Option<Value>,
    /// The write key, if the body names it.
    pub write_key: Option<String>,
}

impl ProtocolItems<'_> {
    /// Copies the texts, so that they do without the body.
    pub fn into_owned<'o>(self) -> ProtocolItems<'o> {
        let texts = self.texts.into_iter().map(|text| Cow::Owned(text.into_owned()));
        let (heads, sent_at, write_key) = (self.heads, self.sent_at, self.write_key);
        ProtocolItems { texts: texts.collect(), heads, sent_at, write_key }
    }
}
