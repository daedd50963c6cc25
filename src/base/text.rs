//! Texts for messages.

/// Returns one step of a JSON Pointer (RFC 6901): a slash and the escaped `key`, cut as by
/// [`shown`].
pub fn escape_json_pointer(key: &str) -> String {
    format!("/{}", shown(key).replace('~', "~0").replace('/', "~1"))
}

/// Cuts `text` after 100 characters and adds an ellipsis.
pub fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 100;
    match text.char_indices().nth(MAX_CHARS) {
        None => text.to_owned(),
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_shown_cut_at_a_character() {
        assert_eq!(shown(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(shown(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }
}
