//! Texts for messages.

/// Returns one step of a JSON Pointer (RFC 6901): a slash and the escaped `key`, cut as by
/// [`truncate_for_display`].
pub fn escape_json_pointer(key: &str) -> String {
    format!("/{}", truncate_for_display(key).replace('~', "~0").replace('/', "~1"))
}

/// Cuts `text` after 100 characters and adds an ellipsis.
pub fn truncate_for_display(text: &str) -> String {
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
        assert_eq!(truncate_for_display(&"ä".repeat(100)), "ä".repeat(100));
        assert_eq!(truncate_for_display(&"ä".repeat(101)), format!("{}…", "ä".repeat(100)));
    }
}
