//! Strings as they are written, in which half of a surrogate pair may have been cut off.

use super::scan::unescaped_prefix_len;

/// Returns the length of the escape that `text` begins with.
/// Source: <https://www.rfc-editor.org/rfc/rfc8259#section-7>
pub fn escape_len(text: &[u8]) -> Option<usize> {
    match text {
        [b'\\', b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Some(2),
        [b'\\', b'u', digits @ ..] => {
            let is_hex = digits.get(..4)?.iter().all(u8::is_ascii_hexdigit);
            is_hex.then_some(6)
        }
        _ => None,
    }
}

/// Returns the text of a string whose content is `content`, with U+FFFD for each lone surrogate, and
/// whether there was one. A script that cuts a text inside a character leaves one. None if an escape
/// is not valid.
pub fn unescaped(content: &str) -> Option<(String, bool)> {
    let mut text = String::with_capacity(content.len());
    let mut is_repaired = false;
    let mut rest = content;
    loop {
        let (plain, behind) = rest.split_at_checked(unescaped_prefix_len(rest.as_bytes()))?;
        text.push_str(plain);
        if behind.is_empty() {
            return Some((text, is_repaired));
        }
        let (escape, behind) = behind.split_at_checked(escape_len(behind.as_bytes())?)?;
        rest = behind;
        let character = match *escape.as_bytes().get(1)? {
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = code_unit(escape)?;
                let low = || code_unit(rest.get(..6).filter(|next| next.starts_with("\\u"))?);
                match char::from_u32(unit).or_else(|| joined(unit, low()?)) {
                    Some(character) => {
                        if character > '\u{ffff}' {
                            rest = rest.get(6..)?;
                        }
                        character
                    }
                    None => {
                        is_repaired = true;
                        char::REPLACEMENT_CHARACTER
                    }
                }
            }
            byte => char::from(byte),
        };
        text.push(character);
    }
}

/// Returns the code unit of a `\uXXXX`.
fn code_unit(escape: &str) -> Option<u32> {
    u32::from_str_radix(escape.get(2..6)?, 16).ok()
}

/// Returns the character of a surrogate pair.
fn joined(high: u32, low: u32) -> Option<char> {
    let pair = [u16::try_from(high).ok()?, u16::try_from(low).ok()?];
    let mut characters = char::decode_utf16(pair);
    characters.next()?.ok()
}
