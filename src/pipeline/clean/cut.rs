//! Cuts texts and URLs that are over the protocol's limits.
//!
//! Nothing is cut through the middle if its half would be harmful: an e-mail address or a card
//! number at the cut is left out, since scrubbing would miss its half. A URL keeps the parameters
//! that name its campaign.

use crate::model::beacon::max_chars;
use crate::model::campaign;

/// Returns the length of `text` in characters and its first `limit` characters, if it is longer.
/// Leaves out an e-mail address or a card number at the cut.
pub fn cut(text: &str, limit: usize) -> Option<(usize, &str)> {
    // A text never has more characters than bytes.
    if text.len() <= limit {
        return None;
    }
    let (end, _) = text.char_indices().nth(limit)?;
    let (kept, rest) = text.split_at_checked(end)?;
    let ends = [word_at(kept, rest), digits_at(kept, rest)].into_iter().flatten().min();
    Some((text.chars().count(), kept.get(..ends.unwrap_or(end))?))
}

/// Returns the length of a URL in characters and a URL within the limit, if it is longer: without
/// its query but the parameters of its campaign, then without the end of its path.
pub fn url(url: &str) -> Option<(usize, String)> {
    let (length, _) = cut(url, max_chars::URL)?;
    let bare = url.split_once('?').map_or(url, |(bare, _)| bare);
    let bare = match bare.split_once('#') {
        // A route stays; parameters do not.
        Some((page, fragment)) if !fragment.starts_with(['/', '!']) && fragment.contains('=') => {
            page
        }
        _ => bare,
    };
    let kept = campaign_of(url);
    let kept_chars = kept.chars().count();
    let room =
        max_chars::URL.saturating_sub(kept_chars).saturating_sub(usize::from(kept_chars > 0));
    let bare = cut(bare, room).map_or(bare, |(_, short)| without_half_escape(short));
    let mark = if kept.is_empty() { "" } else { "?" };
    Some((length, format!("{bare}{mark}{kept}")))
}

/// Returns the parameters of a URL that name a campaign or a click, each once, without the excess.
fn campaign_of(url: &str) -> String {
    /// Room for one of each, mostly.
    const MAX_CHARS: usize = 4_096;
    /// A longer parameter is written anew, cut to what the campaign's columns hold.
    const MAX_WRITTEN: usize = 1_024;
    let (page, fragment) = url.split_once('#').unwrap_or((url, ""));
    let query = page.split_once('?').map(|(_, query)| query);
    let queries = query.into_iter().chain(campaign::parameters(fragment));
    let (mut kept, mut length, mut seen) = (String::new(), 0_usize, Vec::new());
    for written in queries.flat_map(|query| query.split('&')) {
        let Some(parameter) = campaign::Parameter::read(written) else { continue };
        if seen.contains(&parameter.name) {
            continue;
        }
        let written = match written.len() > MAX_WRITTEN {
            true => {
                let value = parameter.value.trim();
                let value = cut(value, parameter.max_chars).map_or(value, |(_, short)| short);
                let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                format!("{}={encoded}", parameter.name)
            }
            // In a fragment, a `#` needs no encoding.
            false => written.replace('#', "%23"),
        };
        let longer = length.saturating_add(written.chars().count()).saturating_add(1);
        if longer > MAX_CHARS {
            continue;
        }
        if !kept.is_empty() {
            kept.push('&');
        }
        kept.push_str(&written);
        length = longer;
        seen.push(parameter.name);
    }
    kept
}

/// Returns the start of the word that is cut between `kept` and `rest`, if it has the sign of an
/// e-mail address.
fn word_at(kept: &str, rest: &str) -> Option<usize> {
    const ENDS: [char; 14] =
        ['/', '?', '#', '&', '=', ',', ';', '<', '>', '(', ')', '"', ':', '\''];
    /// The longest e-mail address: <https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1>.
    const MAX_CHARS: usize = 320;
    let in_word = |it: &char| !it.is_whitespace() && !ENDS.contains(it);
    let before: Vec<char> = kept.chars().rev().take(MAX_CHARS).take_while(in_word).collect();
    let after = rest.chars().take(MAX_CHARS).take_while(in_word);
    let word: String = before.iter().rev().copied().chain(after).collect();
    let start = || kept.len().checked_sub(before.iter().map(|it| it.len_utf8()).sum());
    (word.contains('@') || word.contains("%40")).then(start)?
}

/// Returns the start of the digits that are cut between `kept` and `rest`, if they may be a card's.
fn digits_at(kept: &str, rest: &str) -> Option<usize> {
    /// A card number has at least these digits, and at most these bytes with a sign between digits.
    const DIGITS: usize = 12;
    const MAX_BYTES: usize = 40;
    let of_card = |it: &u8| it.is_ascii_digit() || matches!(it, b' ' | b'-' | b'.' | b'+');
    let run: Vec<u8> = kept.bytes().rev().take(MAX_BYTES).take_while(of_card).collect();
    let after = rest.bytes().take(MAX_BYTES).take_while(of_card);
    let digits = run.iter().copied().chain(after).filter(u8::is_ascii_digit).count();
    let start = || kept.len().checked_sub(run.len());
    (!run.is_empty() && digits >= DIGITS).then(start)?
}

/// Returns a URL without a percent sign whose digits were cut off.
fn without_half_escape(address: &str) -> &str {
    let last = address.char_indices().rev().take(2).find(|(_, it)| *it == '%');
    last.and_then(|(at, _)| address.get(..at)).unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::campaign::campaign;

    #[test]
    fn a_long_url_keeps_its_campaign() {
        let long = "a".repeat(9_000);
        let escaped = "%C3%A4".repeat(2_000);
        for (sent, expected) in [
            (
                format!("https://a.example/b?x={long}&utm_source=news&gclid=Cj0"),
                "https://a.example/b?utm_source=news&gclid=Cj0".to_owned(),
            ),
            (
                format!("https://a.example/b?utm_source=news&x={long}&utm_medium=e%20mail"),
                "https://a.example/b?utm_source=news&utm_medium=e%20mail".to_owned(),
            ),
            (
                format!("https://a.example/b?x={long}&amp;UTM_Source=news&utm_source=other"),
                "https://a.example/b?amp;UTM_Source=news".to_owned(),
            ),
            (
                format!("https://a.example/b?x={long}#utm_source=news&y={long}"),
                "https://a.example/b?utm_source=news".to_owned(),
            ),
            (
                format!("https://a.example/#/sale?x={long}&utm_source=news"),
                "https://a.example/#/sale?utm_source=news".to_owned(),
            ),
            (
                format!("https://a.example/?x={long}#/sale?utm_source=news"),
                "https://a.example/?utm_source=news".to_owned(),
            ),
            (
                format!("https://a.example/?utm_content={long}&utm_source=news"),
                format!("https://a.example/?utm_content={}&utm_source=news", "a".repeat(255)),
            ),
            (
                format!("https://a.example/?gclid={long}"),
                format!("https://a.example/?gclid={}", "a".repeat(512)),
            ),
            (
                format!("https://a.example/?utm_term={escaped}"),
                format!("https://a.example/?utm_term={}", "%C3%A4".repeat(255)),
            ),
            (
                format!("https://a.example/{long}?utm_source=news"),
                format!("https://a.example/{}?utm_source=news", "a".repeat(8_192 - 18 - 16)),
            ),
            (format!("https://a.example/b?x={long}&utm_source="), "https://a.example/b".to_owned()),
            (format!("/b?x={long}&utm_source=news"), "/b?utm_source=news".to_owned()),
        ] {
            let (length, short) = url(&sent).unwrap();
            assert_eq!((length, short.as_str()), (sent.chars().count(), expected.as_str()));
        }
        let short = format!("https://a.example/?x={}", "a".repeat(8_171));
        assert_eq!(url(&short), None);
    }

    proptest! {
        #[test]
        fn a_cut_url_is_within_the_limit_and_of_the_same_campaign(
            before in "[?#/]{0,2}([a-c&=%]|utm_source=[a-z]{1,9}&){0,20}",
            after in "(&utm_medium=[a-z]{1,300}|&fbclid=[a-z]{1,600}|#[a-c=&]{0,9}){0,3}",
        ) {
            let sent = format!("https://a.example/{before}&x={}{after}", "a".repeat(8_192));
            let (_, short) = url(&sent).unwrap();
            prop_assert!(short.chars().count() <= max_chars::URL);
            let of = |url: &str| {
                let (page, fragment) = url.split_once('#').unwrap_or((url, ""));
                let query = page.split_once('?').map(|(_, query)| query.to_owned());
                let fragment = campaign::parameters(fragment).map(str::to_owned);
                let queries: Vec<String> = query.into_iter().chain(fragment).collect();
                campaign(queries.iter().map(String::as_str))
            };
            prop_assert_eq!(of(&short), of(&sent));
        }
    }
}
