//! LZ-string in base64, which old versions of posthog-js send.
//!
//! It is LZ78 over UTF-16 units: each phrase is an earlier one and the unit that follows it. So every
//! phrase is a part of what was already written, and the dictionary has only its place.
//!
//! Source: <https://github.com/pieroxy/lz-string>

use crate::pipeline::decode::{ProtocolError, native};

const UNIT_OF_8_BITS: u32 = 0;
const UNIT_OF_16_BITS: u32 = 1;
const END: u32 = 2;
/// The codes before the dictionary's.
const RESERVED: usize = 3;

/// Returns the text, which may have `limit` bytes.
pub fn decompress(digits: &str, limit: usize) -> Result<String, ProtocolError> {
    let mut text = LzText { limit, ..LzText::default() };
    text.read(&mut Bits { digits: digits.bytes(), digit: 0, left: 0 })?;
    let text = String::from_utf16_lossy(&text.units);
    match text.len() <= limit {
        true => Ok(text),
        false => Err(ProtocolError::InflatedTooLarge { limit }),
    }
}

/// A part of the text: its first unit, and how many it has.
type Phrase = (usize, usize);

#[derive(Default)]
struct LzText {
    units: Vec<u16>,
    phrases: Vec<Phrase>,
    limit: usize,
}

impl LzText {
    fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), ProtocolError> {
        let mut code_bits = CodeBits { bits: 2, until_longer: 1 };
        let mut last: Option<Phrase> = None;
        loop {
            let code = bits.number(code_bits.bits)?;
            let start = self.units.len();
            if code == END {
                return Ok(());
            }
            let is_new_unit = matches!(code, UNIT_OF_8_BITS | UNIT_OF_16_BITS);
            if is_new_unit {
                let unit = bits.number(if code == UNIT_OF_8_BITS { 8 } else { 16 })?;
                self.units.push(u16::try_from(unit).map_err(|_| malformed())?);
                self.phrases.push((start, 1));
                code_bits.count();
            }
            if let Some((first, count)) = last {
                // The unit that follows is the first one of what this code writes.
                self.phrases.push((first, count.saturating_add(1)));
                code_bits.count();
            }
            if !is_new_unit {
                let place = usize::try_from(code).unwrap_or(usize::MAX).checked_sub(RESERVED);
                let phrase = place.and_then(|place| self.phrases.get(place));
                self.repeat(*phrase.ok_or_else(malformed)?)?;
            }
            if self.units.len() > self.limit {
                return Err(ProtocolError::InflatedTooLarge { limit: self.limit });
            }
            last = Some((start, self.units.len().saturating_sub(start)));
        }
    }

    /// Writes a phrase again. It may end in the first unit that this writes.
    fn repeat(&mut self, (first, count): Phrase) -> Result<(), ProtocolError> {
        if self.units.len().saturating_add(count) > self.limit {
            return Err(ProtocolError::InflatedTooLarge { limit: self.limit });
        }
        for place in first..first.saturating_add(count) {
            self.units.push(*self.units.get(place).ok_or_else(malformed)?);
        }
        Ok(())
    }
}

/// How long a code is: one bit more each time that the dictionary doubles.
struct CodeBits {
    bits: u32,
    until_longer: u32,
}

impl CodeBits {
    fn count(&mut self) {
        self.until_longer = self.until_longer.saturating_sub(1);
        if self.until_longer == 0 {
            self.until_longer = 1_u32.checked_shl(self.bits).unwrap_or(u32::MAX);
            self.bits = self.bits.saturating_add(1);
        }
    }
}

struct Bits<'a> {
    digits: std::str::Bytes<'a>,
    digit: u32,
    /// Bits of `digit` that are still to be read.
    left: u32,
}

impl Bits<'_> {
    fn bit(&mut self) -> Result<u32, ProtocolError> {
        if self.left == 0 {
            self.digit = self.digits.next().and_then(value).ok_or_else(malformed)?;
            self.left = 6;
        }
        self.left = self.left.saturating_sub(1);
        Ok(self.digit.checked_shr(self.left).unwrap_or_default() & 1)
    }

    /// Reads a number, its lowest bit first.
    fn number(&mut self, bits: u32) -> Result<u32, ProtocolError> {
        let mut number = 0;
        for place in 0..bits {
            number |= self.bit()?.checked_shl(place).ok_or_else(malformed)?;
        }
        Ok(number)
    }
}

/// Returns the value of a base64 digit. A blank is a `+` that a form decoded.
fn value(digit: u8) -> Option<u32> {
    let (first, offset) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' | b' ' => (digit, 62),
        b'/' => (digit, 63),
        _ => return None,
    };
    Some(u32::from(digit.saturating_sub(first)).saturating_add(offset))
}

fn malformed() -> ProtocolError {
    native::undecodable("body is neither JSON, a form, base64, gzip nor LZ-string")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_the_library_are_read() {
        for (digits, text) in [
            ("Q===", ""),
            ("Q", ""),
            ("IZA=", "a"),
            ("IbI=", "aa"),
            ("N4XyA===", "{}"),
            ("NoXSA===", "[]"),
            ("N4IghiBcIEYgvkA=", r#"{"a":"b"}"#),
            (
                "N4IgpgbmB2AuIC4QEMQBoQA9EuX/BhRxqAvkA===",
                r#"{"event":"a","x":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}"#,
            ),
            (
                "NobwRApgbhB2AuYBcYDiAnAbwfYmANGAA7oD2RE68AlhAM7LjykDWcyxAFgMYD6AJhAC2pAmH7U6NWN3i9q/DoB+YwKaKAWkC8G4AA9sQEMOugEZGTxs0bABfSwF0gA=",
                r#"[{"event":"Größe","properties":{"token":"phc_demo","distinct_id":"購入-😀","a":"ababababababab"}}]"#,
            ),
        ] {
            assert_eq!(decompress(digits, 1_000).as_deref(), Ok(text), "{digits}");
            assert_eq!(decompress(&digits.replace('+', " "), 1_000).as_deref(), Ok(text));
            let too_large = Err(ProtocolError::InflatedTooLarge { limit: 0 });
            assert_eq!(
                decompress(digits, 0),
                if text.is_empty() { Ok(String::new()) } else { too_large }
            );
        }
    }

    #[test]
    fn a_text_may_have_as_many_bytes_as_the_limit() {
        let digits = "N4IghiBcIEYgvkA=";
        assert_eq!(decompress(digits, 9).unwrap().len(), 9);
        assert_eq!(decompress(digits, 8), Err(ProtocolError::InflatedTooLarge { limit: 8 }));
    }

    #[test]
    fn a_text_that_is_cut_or_no_base64_is_malformed() {
        let whole = "N4IghiBcIEYgvkA";
        for cut in 0..whole.len() - 1 {
            assert_eq!(decompress(&whole[..cut], 1_000), Err(malformed()), "{cut}");
        }
        for broken in ["%", "====", "w", "é", "////"] {
            assert_eq!(decompress(broken, 1_000), Err(malformed()), "{broken}");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_within_the_limit(digits in "[A-Za-z0-9+/]{0,200}") {
            if let Ok(text) = decompress(&digits, 500) {
                prop_assert!(text.len() <= 500);
            }
        }
    }
}
