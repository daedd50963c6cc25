//! Strings as they are written, in which half of a surrogate pair may have been cut off.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Returns the text of a JSON string with its quotes, with U+FFFD for each lone surrogate, and
/// whether there was one.
pub fn unquoted(quoted: &str) -> Result<(String, bool), serde_json::Error> {
    if let Ok(whole) = serde_json::from_str(quoted) {
        return Ok((whole, false));
    }
    let Wtf8(bytes) = serde_json::from_str(quoted)?;
    Ok((without_lone_surrogates(bytes), true))
}

/// Replaces each lone surrogate, three bytes in WTF-8, by U+FFFD. A script that cuts a text inside
/// a character leaves one.
pub fn without_lone_surrogates(bytes: Vec<u8>) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Only the first of the three bytes counts: each makes a chunk of its own.
        if chunk.invalid().first() == Some(&0xed) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// The bytes of a JSON text, in which escapes may be lone surrogates.
pub struct Wtf8(pub Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Wtf8;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Wtf8(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}
