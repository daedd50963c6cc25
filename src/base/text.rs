//! Texts for messages, and digits.

use std::borrow::Cow;

/// Returns two lower-case digits for each byte.
pub fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |half: u8| match half {
        0..=9 => half.wrapping_add(b'0'),
        _ => half.wrapping_sub(10).wrapping_add(b'a'),
    };
    let mut text = Vec::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        text.extend([digit(byte >> 4), digit(byte & 15)]);
    }
    String::from_utf8(text).unwrap_or_default()
}

/// Returns the 32 bytes that 64 hexadecimal digits write; none for another text.
pub fn bytes_of_hexadecimal(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, []) = digits.as_bytes().as_chunks::<2>() else { return None };
    if pairs.len() != bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        *byte = u8::try_from((high? << 4) | low?).ok()?;
    }
    Some(bytes)
}

/// Returns one step of a JSON Pointer (RFC 6901): a slash and the escaped `key`, cut as by
/// [`truncate_for_display`].
pub fn escape_json_pointer(key: &str) -> String {
    ["/", &pointer_step(&truncate_for_display(key))].concat()
}

/// Escapes `key` as a step of a JSON Pointer.
pub fn pointer_step(key: &str) -> Cow<'_, str> {
    match key.bytes().any(|byte| matches!(byte, b'~' | b'/')) {
        true => key.replace('~', "~0").replace('/', "~1").into(),
        false => key.into(),
    }
}

/// Returns where three bytes are first in `text`. To prepare a search, as `str::find` does, takes longer than
/// to read a short text.
pub fn find_three(text: &str, three: &[u8; 3]) -> Option<usize> {
    text.as_bytes().windows(3).position(|window| window == three)
}

/// Cuts `text` after 100 characters and adds an ellipsis.
pub fn truncate_for_display(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    if text.len() <= MAX_CHARS {
        return text.to_owned();
    }
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
    }
}

/// Cuts `text` to at most `bytes` bytes, between characters.
pub fn truncate_to_bytes(text: &str, bytes: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes)).unwrap_or(text)
}

/// Returns how many characters `text` has, if there are more than `max`. Counts them only if there
/// are more bytes.
pub fn chars_above(text: &str, max: usize) -> Option<usize> {
    (text.len() > max).then(|| text.chars().count()).filter(|chars| *chars > max)
}

/// Whether one letter was changed, added or left out, or two neighbours were swapped.
pub fn is_one_letter_off(wanted: &str, found: &str) -> bool {
    let (wanted, found) = (wanted.as_bytes(), found.as_bytes());
    let same = wanted.iter().zip(found).take_while(|(a, b)| a == b).count();
    let after = |text: &'_ [u8], skipped: usize| -> Vec<u8> {
        text.iter().skip(same.saturating_add(skipped)).copied().collect()
    };
    let swapped = |text: &[u8]| match text.get(same..) {
        Some([first, second, rest @ ..]) => Some([&[*second, *first], rest].concat()),
        _ => None,
    };
    after(wanted, 1) == after(found, 1)
        || after(wanted, 0) == after(found, 1)
        || after(wanted, 1) == after(found, 0)
        || swapped(wanted).is_some_and(|wanted| wanted == after(found, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_has_two_digits() {
        assert_eq!(hexadecimal(&[]), "");
        assert_eq!(hexadecimal(&[0, 1, 0x9a, 0xff]), "00019aff");
        let bytes = std::array::from_fn(|index| (index as u8).wrapping_mul(37));
        let digits = hexadecimal(&bytes);
        assert_eq!(bytes_of_hexadecimal(&digits), Some(bytes));
        assert_eq!(bytes_of_hexadecimal(&digits.to_uppercase()), Some(bytes));
        let cut = digits.get(1..).unwrap();
        for broken in
            ["", cut, &format!("{digits}0"), &format!("+{cut}"), &format!("ä{}", &cut[1..])]
        {
            assert_eq!(bytes_of_hexadecimal(broken), None, "{broken}");
        }
    }

    #[test]
    fn three_bytes_are_found_where_str_finds_them() {
        for text in ["", "//", "://", "a://b://", "a:/b:/", "::///", "é://", "x:"] {
            assert_eq!(find_three(text, b"://"), text.find("://"), "{text}");
        }
    }

    #[test]
    fn characters_are_counted_above_a_limit_only() {
        for (text, max, expected) in
            [("", 0, None), ("abc", 3, None), ("äöü", 3, None), ("äöü", 2, Some(3))]
        {
            assert_eq!(chars_above(text, max), expected, "{text}");
        }
    }

    #[test]
    fn a_long_name_is_shown_cut_at_a_character() {
        assert_eq!(truncate_for_display(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(truncate_for_display(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }
}
