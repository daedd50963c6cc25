//! Splits a `User-Agent` into products with a version, and the items of comments.
//!
//! Source: <https://www.rfc-editor.org/rfc/rfc9110#name-user-agent>

/// A product token: `Chrome/126.0` or, as some write it, `Instagram 300.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'a> {
    /// The name, after the word before it if that has no version: `Opera Mini`.
    pub wide: &'a str,
    pub name: &'a str,
    /// The text after the slash or the space; empty if there is none.
    pub version: &'a str,
}

/// Returns the products of `agent` in order, also those in comments.
pub fn tokens(agent: &str) -> impl Iterator<Item = Token<'_>> {
    let mut rest = agent;
    let mut wide_from = None;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(is_gap);
        let end = rest.find(is_gap).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(end).filter(|(word, _)| !word.is_empty())?;
        let start = wide_from.unwrap_or(rest);
        rest = after;
        let (name, version) = product(word).unwrap_or_else(|| {
            // `[LinkedInApp]/9.29`
            let behind = after.strip_prefix([']', ')']).and_then(|rest| rest.strip_prefix('/'));
            if let Some(version) = behind {
                return (word, version.split(is_gap).next().unwrap_or_default());
            }
            let next = after.strip_prefix(' ').unwrap_or_default();
            let next = next.split(is_gap).next().unwrap_or_default();
            (word, if next.starts_with(|c: char| c.is_ascii_digit()) { next } else { "" })
        });
        let before = start.len().saturating_sub(word.len()).saturating_sub(after.len());
        let wide = match before {
            0 => name,
            _ => start.get(..before.saturating_add(name.len())).unwrap_or(name),
        };
        let goes_on = after.strip_prefix(' ').is_some_and(|next| !next.starts_with(is_gap));
        wide_from = start.get(before..).filter(|_| version.is_empty() && goes_on);
        Some(Token { wide, name, version })
    })
}

/// Splits `Name/1.0` and `Maker/Name/1.0` into name and version.
fn product(word: &str) -> Option<(&str, &str)> {
    let (name, version) = word.split_once('/')?;
    match version.split_once('/') {
        Some(inner) if version.starts_with(|c: char| c.is_ascii_alphabetic()) => Some(inner),
        _ => Some((name, version)),
    }
}

/// Returns the text after the first `part` of `text`.
///
/// Never inlined: the search is long, and there are many callers.
#[inline(never)]
pub fn behind<'a>(text: &'a str, part: &str) -> Option<&'a str> {
    text.split_once(part).map(|(_, rest)| rest)
}

pub fn has(text: &str, part: &str) -> bool {
    behind(text, part).is_some()
}

/// Returns the items of `agent` in order: the texts between brackets, semicolons and commas.
pub fn items(agent: &str) -> impl Iterator<Item = &str> {
    agent.split([';', '(', ')', '[', ']', ',']).map(str::trim).filter(|item| !item.is_empty())
}

/// Whether `c` separates words.
pub fn is_gap(c: char) -> bool {
    matches!(c, ' ' | ';' | '(' | ')' | '[' | ']' | ',' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_found_wherever_they_stand() {
        let agent = "Opera/9.80 (J2ME/MIDP; Opera Mini/7.1; U; en) [FBAV/3.2;] Instagram 300.1 (x)";
        let found: Vec<_> = tokens(agent).map(|token| (token.wide, token.version)).collect();
        let expected = [
            ("Opera", "9.80"),
            ("J2ME", "MIDP"),
            ("Opera", ""),
            ("Opera Mini", "7.1"),
            ("U", ""),
            ("en", ""),
            ("FBAV", "3.2"),
            ("Instagram", "300.1"),
            ("300.1", ""),
            ("x", ""),
        ];
        assert_eq!(found, expected);
    }
}
