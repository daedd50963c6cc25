//! Finds the part of a text that a JSON string holds unescaped, eight bytes at a time. Each text of
//! a beacon is scanned once when read and once when written.

/// Returns how many bytes of `text` come before the first quote, backslash or control character.
/// Source: <https://www.rfc-editor.org/rfc/rfc8259#section-7>
pub fn unescaped_prefix_len(text: &[u8]) -> usize {
    let (eights, rest) = text.as_chunks::<8>();
    let mut length = 0_usize;
    for eight in eights {
        match special(u64::from_le_bytes(*eight)) {
            0 => length = length.saturating_add(8),
            found => {
                let before = found.trailing_zeros() / 8;
                return length.saturating_add(usize::try_from(before).unwrap_or_default());
            }
        }
    }
    let is_special = |byte: &u8| *byte < b' ' || matches!(byte, b'"' | b'\\');
    length.saturating_add(rest.iter().position(is_special).unwrap_or(rest.len()))
}

/// Whether a JSON string holds all of `text` unescaped.
pub fn is_unescaped(text: &[u8]) -> bool {
    // The last eight bytes may be a part of two.
    match text.last_chunk::<8>() {
        Some(last) => {
            let (eights, _) = text.as_chunks::<8>();
            let is_plain = |eight: &[u8; 8]| special(u64::from_le_bytes(*eight)) == 0;
            is_plain(last) && eights.iter().all(is_plain)
        }
        None => unescaped_prefix_len(text) == text.len(),
    }
}

/// Sets the top bit of each special byte. Only the lowest set bit is reliable.
/// Source: <https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord>
fn special(eight: u64) -> u64 {
    const fn each(byte: u8) -> u64 {
        u64::from_ne_bytes([byte; 8])
    }
    let below = |bytes: u64, limit: u8| bytes.wrapping_sub(each(limit)) & !bytes;
    let found = below(eight, b' ') | below(eight ^ each(b'"'), 1) | below(eight ^ each(b'\\'), 1);
    found & each(0x80)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_that_serde_json_does_not_escape_is_verbatim(text in "[ -~é😀\"\\\\\x00\x1f\x7f\n]{0,30}") {
            let as_is = |end: &usize| {
                let start = text.get(..*end).unwrap_or("\"");
                serde_json::to_string(start).unwrap() == format!("\"{start}\"")
            };
            let longest = (0..=text.len()).filter(as_is).max();
            prop_assert_eq!(Some(unescaped_prefix_len(text.as_bytes())), longest);
        }
    }
}
