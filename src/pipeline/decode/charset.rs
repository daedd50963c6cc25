//! Decodes texts in UTF-8 and other charsets.
//!
//! A byte order mark overrides the content type. ISO 8859-1 is read as windows-1252, as browsers
//! do.
//! Source: <https://encoding.spec.whatwg.org/#names-and-labels>

use std::borrow::Cow;
use std::fmt::Write as _;

use super::ProtocolError;
use crate::base::text::truncate_for_display;
use crate::model::violation::{Code, Violation};

/// The encoding of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Includes ASCII.
    Utf8,
    /// Includes the printable part of ISO 8859-1.
    Windows1252,
    Utf16Be,
    Utf16Le,
    /// UTF-16 of unstated byte order, which the text shows.
    Utf16,
}

impl Charset {
    /// Reads the charset from a `Content-Type` header; UTF-8 if it states none.
    pub fn stated(content_type: &str) -> Result<Self, ProtocolError> {
        let parameters = content_type.split(';').skip(1).filter_map(|it| it.split_once('='));
        let mut charsets =
            parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        let Some((_, label)) = charsets.next() else { return Ok(Self::Utf8) };
        // A header that was sent twice is joined by a comma.
        let label = label.split(',').next().unwrap_or_default();
        let label = label.trim().trim_matches(['"', '\'']).trim();
        match label.to_ascii_lowercase().replace('_', "-").as_str() {
            "" | "utf-8" | "utf8" | "us-ascii" | "ascii" => Ok(Self::Utf8),
            "iso-8859-1" | "iso8859-1" | "iso88591" | "latin1" | "latin-1" | "l1"
            | "windows-1252" | "cp1252" | "cp-1252" | "x-cp1252" => Ok(Self::Windows1252),
            "utf-16" | "utf16" => Ok(Self::Utf16),
            "utf-16le" | "utf16le" | "utf-16-le" => Ok(Self::Utf16Le),
            "utf-16be" | "utf16be" | "utf-16-be" => Ok(Self::Utf16Be),
            _ => Err(ProtocolError::UnsupportedCharset(truncate_for_display(label))),
        }
    }

    /// Decodes `bytes`. Half of a surrogate pair becomes its JSON escape, which the JSON reader
    /// replaces.
    pub fn decode<'a>(self, bytes: Cow<'a, [u8]>) -> Result<Cow<'a, str>, Violation> {
        match self.marked(&bytes) {
            Self::Utf8 => utf_8(bytes),
            Self::Windows1252 if bytes.is_ascii() => utf_8(bytes),
            Self::Windows1252 => Ok(bytes.iter().copied().map(windows_1252).collect()),
            Self::Utf16Be => utf_16(&bytes, u16::from_be_bytes).map(Cow::Owned),
            // JSON starts with an ASCII character, whose high byte is zero.
            Self::Utf16 if bytes.first() == Some(&0) => {
                utf_16(&bytes, u16::from_be_bytes).map(Cow::Owned)
            }
            Self::Utf16 | Self::Utf16Le => utf_16(&bytes, u16::from_le_bytes).map(Cow::Owned),
        }
    }

    /// Returns the charset of the byte order mark, or `self` if there is none.
    fn marked(self, bytes: &[u8]) -> Self {
        match bytes {
            [0xef, 0xbb, 0xbf, ..] => Self::Utf8,
            [0xfe, 0xff, ..] => Self::Utf16Be,
            [0xff, 0xfe, ..] => Self::Utf16Le,
            _ => self,
        }
    }
}

fn utf_8(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Violation> {
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => {
            String::from_utf8(bytes).map(Cow::Owned).map_err(|error| error.utf8_error())
        }
    };
    text.map_err(|error| {
        let message = format!("body is not UTF-8 from byte {} on", error.valid_up_to());
        Violation::whole(Code::BadUtf8, message)
    })
}

fn utf_16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Violation> {
    let (units, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        let message = "body is not UTF-16: its number of bytes is odd";
        return Err(Violation::whole(Code::BadUtf8, message));
    }
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units.iter().map(|pair| unit(*pair))) {
        match character {
            Ok(character) => text.push(character),
            // Writing to a string does not fail.
            Err(half) => write!(text, "\\u{:04x}", half.unpaired_surrogate()).unwrap_or_default(),
        }
    }
    Ok(text)
}

/// Source: <https://encoding.spec.whatwg.org/index-windows-1252.txt>
fn windows_1252(byte: u8) -> char {
    /// The characters of the bytes from 0x80 to 0x9f.
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    let high = byte.checked_sub(0x80).and_then(|index| HIGH.get(usize::from(index)));
    high.copied().unwrap_or(char::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content_type: &str, bytes: &[u8]) -> Result<String, String> {
        let charset = Charset::stated(content_type).map_err(|error| error.to_string())?;
        let text = charset.decode(Cow::Borrowed(bytes)).map_err(|violation| violation.message)?;
        Ok(text.into_owned())
    }

    fn utf_16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn stated_charsets_are_decoded() {
        let text = "{\"title\":\"Zürich € 😀\"}";
        let little = utf_16(text, u16::to_le_bytes);
        let big = utf_16(text, u16::to_be_bytes);
        for (content_type, bytes) in [
            ("text/plain", text.as_bytes()),
            ("text/plain; charset=UTF8", text.as_bytes()),
            ("text/plain; charset=us-ascii", text.as_bytes()),
            ("text/plain; charset=", text.as_bytes()),
            ("text/plain; charset=utf-8, text/plain; charset=utf-8", text.as_bytes()),
            ("application/json; charset=utf-16", &little),
            ("application/json;charset=\"UTF-16\"", &big),
            ("application/json; a=b; Charset = utf-16le", &little),
            ("application/json; charset=utf-16BE", &big),
        ] {
            assert_eq!(read(content_type, bytes).as_deref(), Ok(text), "{content_type}");
        }
        for label in ["iso-8859-1", "ISO_8859-1", "latin1", "windows-1252", "cp1252"] {
            let content_type = format!("text/plain; charset={label}");
            let read = read(&content_type, b"Z\xfcrich \x80 \x9f\xff");
            assert_eq!(read.as_deref(), Ok("Zürich € Ÿÿ"), "{label}");
        }
    }

    #[test]
    fn a_byte_order_mark_outweighs_the_label() {
        let text = "\u{feff}{\"title\":\"ü\"}";
        for label in ["", "; charset=utf-8", "; charset=utf-16", "; charset=latin1"] {
            let content_type = format!("text/plain{label}");
            let encodings = [
                text.as_bytes().to_vec(),
                utf_16(text, u16::to_le_bytes),
                utf_16(text, u16::to_be_bytes),
            ];
            for bytes in encodings {
                assert_eq!(read(&content_type, &bytes).as_deref(), Ok(text), "{label}");
            }
        }
    }

    #[test]
    fn an_unknown_charset_is_named() {
        for label in ["koi8-r", "utf-32", "utf-7", "shift_jis", "x"] {
            let message = read(&format!("text/plain; charset={label}"), b"{}").unwrap_err();
            assert!(message.starts_with(&format!("charset {label:?} is not taken")), "{message}");
        }
    }

    #[test]
    fn half_a_pair_of_utf_16_becomes_its_escape() {
        let bytes: Vec<u8> = [0x22, 0xd83d, 0x22].into_iter().flat_map(u16::to_be_bytes).collect();
        assert_eq!(read("text/plain; charset=utf-16be", &bytes).as_deref(), Ok("\"\\ud83d\""));
    }

    #[test]
    fn an_odd_byte_of_utf_16_is_refused() {
        let message = read("text/plain; charset=utf-16", b"{\0}").unwrap_err();
        assert_eq!(message, "body is not UTF-16: its number of bytes is odd");
    }
}
