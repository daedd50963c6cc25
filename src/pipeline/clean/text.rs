//! Repairs any text: white space around it, control characters in it, and characters that a
//! server's log escaped as `\xHH`.
//!
//! Line feeds and tabs inside a text are content and stay. Cleaning a clean text changes nothing:
//! an escape is decoded only if the result can't form another escape.

use std::borrow::Cow;

pub const TRIM: &str = "trim";
pub const CONTROL_CHARACTERS: &str = "control_characters";
/// Escapes such as `\x22` were decoded.
pub const HEX_QUOTE: &str = "hex_quote";

/// Shows that a web server's log escaped a text. Without it, `\x2d` may belong to a path or a
/// pattern, and only characters of several escapes are decoded.
const LOGGED_QUOTE: &str = r"\x22";

/// A repaired text, and its repairs in order.
#[derive(Debug, PartialEq, Eq)]
pub struct Cleaned {
    pub text: String,
    pub repairs: Cow<'static, [&'static str]>,
}

/// Returns the clean form of `text`, if it differs.
pub fn cleaned(text: &str) -> Option<Cleaned> {
    if is_plain(text) {
        return None;
    }
    // The most frequent repair is the only one of such a text.
    let bare = text.trim_matches([' ', '\n', '\t']);
    if is_plain(bare) {
        return Some(Cleaned { text: bare.to_owned(), repairs: Cow::Borrowed(&[TRIM]) });
    }
    let mut repairs = Vec::new();
    // The order matters: no step leaves work for an earlier one.
    let mut current = text;
    let stripped: String;
    if current.contains(is_unwanted) {
        stripped = current.replace(is_unwanted, "");
        current = &stripped;
        repairs.push(CONTROL_CHARACTERS);
    }
    let unescaped = current.contains('\\').then(|| unescaped(current)).flatten();
    if let Some(unescaped) = &unescaped {
        current = unescaped;
        repairs.push(HEX_QUOTE);
    }
    let trimmed = current.trim();
    if trimmed.len() < current.len() {
        repairs.push(TRIM);
    }
    (!repairs.is_empty()).then(|| Cleaned { text: trimmed.to_owned(), repairs: repairs.into() })
}

/// Whether `text` certainly needs no repair, as most don't. Checks eight bytes at a time, since
/// every text of every beacon is checked.
fn is_plain(text: &str) -> bool {
    let space = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let odd = |byte: &u8| *byte < b' ' || *byte == b'\\' || *byte > b'~';
    let bytes = text.as_bytes();
    let (eights, rest) = bytes.as_chunks::<8>();
    // The last eight bytes may be a part of two.
    let has_odd_end = match bytes.last_chunk::<8>() {
        Some(eight) => holds_odd(u64::from_ne_bytes(*eight)),
        None => rest.iter().any(odd),
    };
    !space(bytes.first())
        && !space(bytes.last())
        && !has_odd_end
        && !eights.iter().any(|eight| holds_odd(u64::from_ne_bytes(*eight)))
}

/// Whether one of eight bytes is below a space, a backslash, or above a tilde.
/// Source: <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>
fn holds_odd(eight: u64) -> bool {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(each(limit)) & !bytes;
    let found = eight
        | below(eight, b' ')
        | below(eight ^ each(b'\\'), 1)
        | below(eight ^ each(b'\x7f'), 1);
    found & each(0x80) != 0
}

/// C0 and C1 without line feed and tab, the byte order mark and its byte-swapped form.
fn is_unwanted(character: char) -> bool {
    (character.is_control() && !matches!(character, '\n' | '\t'))
        || matches!(character, '\u{feff}' | '\u{fffe}')
}

/// Decodes each `\xHH` in `text`, if any can be.
fn unescaped(text: &str) -> Option<String> {
    let is_logged = text.contains(LOGGED_QUOTE);
    let mut output = String::new();
    let (mut done, mut from) = (0, 0);
    while let Some(found) = text.get(from..)?.find("\\x") {
        let at = from.saturating_add(found);
        from = match escaped(text.as_bytes().get(at..)?) {
            Some((character, length)) if is_logged || !character.is_ascii() => {
                output.push_str(text.get(done..at)?);
                output.push(character);
                done = at.saturating_add(length);
                done
            }
            _ => at.saturating_add(2),
        };
    }
    if done == 0 {
        return None;
    }
    output.push_str(text.get(done..)?);
    Some(output)
}

/// Returns the character whose escaped UTF-8 starts `bytes`, and the length of its escapes.
///
/// Letters, digits and the backslash stay escaped, since they could form an escape with their
/// neighbours; so do characters that would be removed.
fn escaped(bytes: &[u8]) -> Option<(char, usize)> {
    const ESCAPE: usize = r"\xHH".len();
    let mut encoded = [0; 4];
    let mut length = 0_usize;
    for (index, escape) in bytes.chunks(ESCAPE).take(encoded.len()).enumerate() {
        let &[b'\\', b'x', high, low] = escape else { return None };
        let (high, low) = (char::from(high).to_digit(16)?, char::from(low).to_digit(16)?);
        let byte = u8::try_from(high.saturating_mul(16).saturating_add(low)).ok()?;
        *encoded.get_mut(index)? = byte;
        length = length.saturating_add(ESCAPE);
        let read = std::str::from_utf8(encoded.get(..=index)?).ok();
        if let Some(character) = read.and_then(|text| text.chars().next()) {
            let stays =
                character == '\\' || character.is_ascii_alphanumeric() || is_unwanted(character);
            return (!stays).then_some((character, length));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_is_repaired_and_each_repair_is_named() {
        let cases: [(&str, &str, &[&str]); 22] = [
            ("  a b \n", "a b", &[TRIM]),
            ("\u{a0}a\u{3000}", "a", &[TRIM]),
            (" ", "", &[TRIM]),
            ("a\0b\u{7f}c\u{85}", "abc", &[CONTROL_CHARACTERS]),
            ("\u{feff}a\u{fffe}", "a", &[CONTROL_CHARACTERS]),
            ("a\r\n\tb", "a\n\tb", &[CONTROL_CHARACTERS]),
            (" \0 a", "a", &[CONTROL_CHARACTERS, TRIM]),
            (r"say \x22hi\x22", "say \"hi\"", &[HEX_QUOTE]),
            (r"\xC3\xBCber", "über", &[HEX_QUOTE]),
            (r"\xc3\xbc\x3c", r"ü\x3c", &[HEX_QUOTE]),
            (r"\xc3\xbc\x3c\x22", "ü<\"", &[HEX_QUOTE]),
            (r"\xF0\x9F\x98\x80", "😀", &[HEX_QUOTE]),
            (r"\x22a\x0Ab", "\"a\nb", &[HEX_QUOTE]),
            (r"\x22a\x20", "\"a", &[HEX_QUOTE, TRIM]),
            (r"\x22\xC3\x22", "\"\\xC3\"", &[HEX_QUOTE]),
            (r"\x22\xE2\x82", "\"\\xE2\\x82", &[HEX_QUOTE]),
            ("\\\0x22", "\"", &[CONTROL_CHARACTERS, HEX_QUOTE]),
            (r"\x5Cx22 \x22", r#"\x5Cx22 ""#, &[HEX_QUOTE]),
            (r"\x41\x22", r#"\x41""#, &[HEX_QUOTE]),
            (r"\x00\x22", r#"\x00""#, &[HEX_QUOTE]),
            (r"\xC2\x85\x22", r#"\xC2\x85""#, &[HEX_QUOTE]),
            (r"\\x22", r#"\""#, &[HEX_QUOTE]),
        ];
        for (text, expected, repairs) in cases {
            let expected = Cleaned { text: expected.to_owned(), repairs: repairs.to_vec().into() };
            assert_eq!(cleaned(text), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn a_clean_text_is_unchanged() {
        for text in [
            "",
            "a",
            "two\nlines\tand a tab",
            "zero\u{200b}width\u{200d}",
            "grüezi 😀",
            r"C:\x86\x",
            r"C:\x2dir",
            r"corp\x2bob",
            r"[\x20-\x7e]+",
            r"\x5Cx22",
            r"\X22",
            r"\x2",
            r"\x2\x32",
            r"\u0022",
            r"\xFF\xFE",
            r"\xEF\xBB\xBF",
        ] {
            assert_eq!(cleaned(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn a_text_with_white_space_around_it_is_repaired_as_any_other(
            text in "[ \n\t\r\x0b\x0c\u{85}\u{a0}]{0,3}[ a~\\\\é\n\x00]{0,10}[ \n\t\r\x0b\u{3000}]{0,3}",
        ) {
            let bare: String = text.chars().filter(|it| !is_unwanted(*it)).collect();
            let trimmed = bare.trim();
            let mut repairs = Vec::new();
            if bare.len() < text.len() {
                repairs.push(CONTROL_CHARACTERS);
            }
            if trimmed.len() < bare.len() {
                repairs.push(TRIM);
            }
            let expected = Cleaned { text: trimmed.to_owned(), repairs: repairs.into() };
            let expected = (!expected.repairs.is_empty()).then_some(expected);
            prop_assert_eq!(cleaned(&text), expected);
        }

        #[test]
        fn a_text_is_plain_only_when_nothing_in_it_is_odd(text in "[ -~\\\\é\x00\x1f\x7f\n]{0,20}") {
            let odd = text.chars().any(|it| !(' '..='~').contains(&it) || it == '\\');
            prop_assert_eq!(is_plain(&text), !odd && text.trim() == text);
        }

        #[test]
        fn cleaning_is_idempotent(
            text in r"(\\|\\x|x|2|C3|BC|E2|82|5C|\\x(22|5C|78|32|C3|BC|E2|82|AC|00|20|C2|85|A0)|\x00|\u{85}| |\n|ü|[a-z])*"
        ) {
            if let Some(Cleaned { text: once, repairs }) = cleaned(&text) {
                prop_assert!(!repairs.is_empty() && once != text);
                prop_assert_eq!(cleaned(&once), None);
            }
        }
    }
}
