//! Removes data from the text of a body, or of a beacon, that is no readable JSON.
//!
//! Its quotes need not be in pairs, so the text is cut at every quote, and each part is redacted as
//! a text of a beacon is: secrets and sensitive parameters of URLs, the content of `data:` and
//! `javascript:` URLs and, if the tenant scrubs, personal data. Identifiers have no form of their own: if they have to be
//! removed, the text must be withheld instead.

use std::borrow::Cow;
use std::net::IpAddr;

use percent_encoding::percent_decode_str;

use super::scrub::ScrubConfig;
use super::sensitive_params::SensitiveParams;
use super::url_params::{REMOVED, without_sensitive};
use super::values::{SensitiveValues, is_short_without_marks, without_in_text};
use super::{PrivacyPolicy, scrub};
use crate::base::json::splice::Splice;
use crate::model::beacon::FIELDS;
use crate::pipeline::clean::payload;

/// What is removed from a text.
#[derive(Clone, Copy)]
struct TextRules<'a> {
    names: &'a SensitiveParams,
    scrub: ScrubConfig,
}

impl<'a> From<&'a PrivacyPolicy> for TextRules<'a> {
    fn from(privacy: &'a PrivacyPolicy) -> Self {
        Self { names: &privacy.sensitive, scrub: privacy.scrub }
    }
}

/// Returns the rest of `text`; none if there was nothing to remove.
pub fn text(text: &str, privacy: &PrivacyPolicy) -> Option<String> {
    rest(text, privacy.into())
}

/// As [`text`], but removes the values of the parameters in `names` and no personal data.
pub fn without_parameters(text: &str, names: &SensitiveParams) -> Option<String> {
    rest(text, TextRules { names, scrub: ScrubConfig::default() })
}

fn rest(text: &str, rules: TextRules<'_>) -> Option<String> {
    // In UTF-16 every second byte of most texts is zero.
    let bare: Cow<'_, str> = match text.contains('\0') {
        true => text.replace('\0', "").into(),
        false => text.into(),
    };
    // Some clients write the quotes of their own language.
    let quote = if bare.contains('"') { b'"' } else { b'\'' };
    let mut left = Splice::new(&bare);
    let mut at = 0_usize;
    // Most parts are short, so that a search for each quote would cost more.
    for piece in bare.as_bytes().split(|byte| *byte == quote) {
        let escapes = piece.iter().rev().take_while(|byte| **byte == b'\\').count();
        let end = at.saturating_add(piece.len().saturating_sub(escapes));
        let inner = bare.get(at..end).unwrap_or_default();
        if let Some(rid) = part(inner, rules) {
            left.replace(at..end, &rid);
        }
        at = at.saturating_add(piece.len()).saturating_add(1);
    }
    left.finish()
}

/// Returns `text` without IP addresses; none if it has none. Only servers and SDKs state them.
pub fn without_addresses(text: &str) -> Option<String> {
    let is_joint = |byte: &u8| matches!(byte, b'.' | b':');
    let is_digit = |byte: &u8| byte.is_ascii_hexdigit();
    let bytes = text.as_bytes();
    let mut left = Splice::new(text);
    let mut from = 0_usize;
    // Each address has a joint, and few other runs of digits have one.
    while let Some(offset) = bytes.get(from..)?.iter().position(is_joint) {
        let (before, behind) = bytes.get(from..)?.split_at_checked(offset)?;
        let digits = before.iter().rev().take_while(|byte| is_digit(byte)).count();
        let length = behind.iter().take_while(|byte| is_joint(byte) || is_digit(byte)).count();
        let joint = from.saturating_add(offset);
        let run = joint.saturating_sub(digits)..joint.saturating_add(length);
        from = run.end;
        if text.get(run.clone()).is_some_and(is_address) {
            left.replace(run, REMOVED);
        }
    }
    left.finish()
}

/// Whether `run` is an IP address, perhaps with a port or at the end of a sentence.
fn is_address(run: &str) -> bool {
    /// `::` alone stands for no client.
    const MIN_BYTES: usize = 4;
    let run = run.trim_end_matches(['.', ':']).trim_start_matches('.');
    let without_port = run.rsplit_once(':').map_or(run, |(address, _)| address);
    let parses = |text: &str| text.len() >= MIN_BYTES && text.parse::<IpAddr>().is_ok();
    (run.contains(['.', ':']) && parses(run))
        || (without_port.contains('.') && parses(without_port))
}

/// Returns the rest of a pixel's query; none if there was nothing to remove.
pub fn query(query: &str, privacy: &PrivacyPolicy) -> Option<String> {
    let mut left = String::with_capacity(query.len());
    for piece in query.split_inclusive('&') {
        let pair = piece.trim_end_matches('&');
        match parameter(pair, privacy) {
            Some(rid) => left.push_str(&rid),
            None => left.push_str(pair),
        }
        left.push_str(piece.get(pair.len()..).unwrap_or_default());
    }
    (left != query).then_some(left)
}

fn parameter(pair: &str, privacy: &PrivacyPolicy) -> Option<String> {
    let (name, value) = pair.split_once('=')?;
    let decoded = value.replace('+', " ");
    let decoded = percent_decode_str(&decoded).decode_utf8_lossy();
    if let Some(rid) = redacted(&decoded, privacy.into()) {
        let encoded: String = form_urlencoded::byte_serialize(rid.as_bytes()).collect();
        return Some(format!("{name}={encoded}"));
    }
    // `session_id` is a field here, and a secret in a URL.
    let is_field =
        FIELDS.contains(&name) || name.starts_with("props.") || name.starts_with("metadata.");
    let pair = format!("?{pair}");
    let found = without_sensitive(&pair, &privacy.sensitive);
    let Cow::Owned(rid) = found.url else { return None };
    (!is_field).then(|| rid.trim_start_matches('?').to_owned())
}

/// Returns the rest of a part between two quotes; none if there was nothing to remove.
fn part(raw: &str, rules: TextRules<'_>) -> Option<String> {
    if is_harmless(raw) {
        return None;
    }
    let rid = redacted(&unescaped(raw), rules)?;
    let escaped = serde_json::to_string(&rid).ok()?;
    escaped.get(1..escaped.len().checked_sub(1)?).map(str::to_owned)
}

/// Whether a part is too short for a card's number and for a token, and has no character that each
/// address, parameter and e-mail has. A scheme has letters, unlike what is between two texts of a
/// JSON. A text of many quotes has as many such parts.
fn is_harmless(raw: &str) -> bool {
    let has = |of: fn(&u8) -> bool| raw.as_bytes().iter().any(of);
    let may_have_scheme = || has(|byte| *byte == b':') && has(u8::is_ascii_alphabetic);
    let is_escaped = || raw.as_bytes().windows(2).any(|pair| pair == b"\\u");
    is_short_without_marks(raw) && !is_escaped() && !may_have_scheme()
}

/// Redacts a text as a beacon's, then each word of it: outside of quotes, a URL may stand among
/// other text.
fn redacted(text: &str, rules: TextRules<'_>) -> Option<String> {
    let whole = without(text, rules);
    // A text of one word would only be redacted once more.
    let mut left = Splice::new(&whole);
    if whole.contains(char::is_whitespace) {
        let mut at = 0_usize;
        for piece in whole.split_inclusive(char::is_whitespace) {
            let word = piece.trim_end();
            if !is_harmless(word)
                && let Cow::Owned(rid) = without(word, rules)
            {
                left.replace(at..at.saturating_add(word.len()), &rid);
            }
            at = at.saturating_add(piece.len());
        }
    }
    let left = left.finish();
    left.or_else(|| matches!(whole, Cow::Owned(_)).then(|| whole.into_owned()))
        .filter(|left| left != text)
}

fn without<'a>(text: &'a str, rules: TextRules<'_>) -> Cow<'a, str> {
    let payload = payload::left_of_text(text).or_else(|| payload::left_of_script(text));
    let mut left = payload.map_or(Cow::Borrowed(text), Cow::Owned);
    if let Cow::Owned(rid) = without_in_text(&left, rules.names, &mut SensitiveValues::default()) {
        left = Cow::Owned(rid);
    }
    if let Cow::Owned(rid) = scrub::text(&left, rules.scrub).text {
        left = Cow::Owned(rid);
    }
    left
}

/// Decodes the escapes of JSON, if they are whole; a `\u` that is not stays.
fn unescaped(raw: &str) -> Cow<'_, str> {
    if !raw.contains('\\') {
        return Cow::Borrowed(raw);
    }
    if let Ok(text) = serde_json::from_str::<String>(&format!("\"{raw}\"")) {
        return Cow::Owned(text);
    }
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once('\\') {
        text.push_str(before);
        let hex = behind.strip_prefix('u').and_then(|digits| digits.get(..4));
        let code = hex.and_then(|hex| u32::from_str_radix(hex, 16).ok());
        rest = match (code.and_then(char::from_u32), behind.strip_prefix('/')) {
            (Some(character), _) => {
                text.push(character);
                behind.get(5..).unwrap_or_default()
            }
            (None, Some(behind)) => {
                text.push('/');
                behind
            }
            (None, None) => {
                text.push('\\');
                behind
            }
        };
    }
    text.push_str(rest);
    Cow::Owned(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_removed_from_any_text() {
        for (text, left) in [
            (r#"{"ip":"203.0.113.7","#, Some(r#"{"ip":"[removed]","#)),
            ("client 203.0.113.7:443.", Some("client [removed]")),
            ("2001:db8::7, 10.0.0.1", Some("[removed], [removed]")),
            ("::ffff:203.0.113.7", Some("[removed]")),
            ("ä203.0.113.7ä", Some("ä[removed]ä")),
            ("at 12:30:05 of v1.2.3", None),
            ("{\"a\":1.5,\"b\":[1,2]}", None),
            (":: a:b dead:beef", None),
            ("", None),
        ] {
            assert_eq!(without_addresses(text).as_deref(), left, "{text}");
        }
    }

    /// As [`without_addresses`], run by run, whatever is in it.
    fn without_addresses_of_runs(text: &str) -> String {
        let of_address = |it: char| it.is_ascii_hexdigit() || matches!(it, '.' | ':');
        let mut left = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(of_address) {
            let end =
                rest[start..].find(|it| !of_address(it)).map_or(rest.len(), |end| start + end);
            left.push_str(&rest[..start]);
            let run = &rest[start..end];
            left.push_str(if is_address(run) { REMOVED } else { run });
            rest = &rest[end..];
        }
        left + rest
    }

    proptest! {
        #[test]
        fn addresses_are_removed_as_run_by_run(
            text in r"(10\.0|\.0\.7|203\.0\.113\.7|:443|::|1:2|fe80::1|dead|[0-9a-gx.: é]){0,12}"
        ) {
            let left = without_addresses_of_runs(&text);
            prop_assert_eq!(without_addresses(&text), (left != text).then_some(left));
        }
    }

    fn privacy() -> PrivacyPolicy {
        PrivacyPolicy {
            scrub: ScrubConfig { emails: true, cards: true },
            ..PrivacyPolicy::default()
        }
    }

    #[test]
    fn secrets_leave_bytes_that_are_no_json() {
        for (sent, expected) in [
            (
                r#"{"url":"https://a.example/?token=SECRET&b=1","x":}"#,
                r#"{"url":"https://a.example/?token=[removed]&b=1","x":}"#,
            ),
            (
                r#"{"url":"https:\/\/a.example\/?a=1\u0026token=SECRET",}"#,
                r#"{"url":"https://a.example/?a=1&token=[removed]",}"#,
            ),
            (
                r#"{"url":"https://a.example/?token=SECRET,"name":"a"}"#,
                r#"{"url":"https://a.example/?token=[removed]"name":"a"}"#,
            ),
            (
                r#"{"url": https://a.example/?token=SECRET"}"#,
                r#"{"url": https://a.example/?token=[removed]"}"#,
            ),
            (
                r#"{"props":"{\"u\":\"/reset?token=SECRET\"}""#,
                r#"{"props":"{\"u\":\"/reset?token=[removed]\"}""#,
            ),
            (
                r"{'url':'https://a.example/?token=SECRET','x':1}",
                r"{'url':'https://a.example/?token=[removed]','x':1}",
            ),
            ("{url: /reset?token=SECRET, x: 1}", "{url: /reset?token=[removed] x: 1}"),
            (r#"{"url":"https://me:SECRET@a.example/","#, r#"{"url":"https://a.example/","#),
            (r#"{"href":"data:text/csv,SECRET","#, r#"{"href":"data:text/csv","#),
            (r#"{"url":"JavaScript:go('SECRET')","#, r#"{"url":"javascript:","#),
            ("{url: javascript:go(SECRET), x: 1}", "{url: javascript: x: 1}"),
            (
                r#"{"note":"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.dozjgNryP4J3jVmNHl0w5N","#,
                r#"{"note":"[removed]","#,
            ),
            (r#"{"mail":"anna@mail.example","#, r#"{"mail":"[email]","#),
            (r#"{"card":4242424242424242,"#, r#"{"card":[card],"#),
            ("{\0\"\0u\0\"\0:\0\"\0/\0?\0t\0o\0k\0e\0n\0=\0S\0\"\0", r#"{"u":"/?token=[removed]""#),
        ] {
            let left = text(sent, &privacy());
            assert_eq!(left.as_deref(), Some(expected), "{sent}");
            assert_eq!(text(expected, &privacy()), None, "{expected}");
        }
    }

    #[test]
    fn what_has_nothing_to_remove_stays_as_it_was_sent() {
        for sent in [
            "",
            "{",
            r#"{"name":"a","url":"https:\/\/a.example\/?b=1\u0026c","x":}"#,
            r#"{"device_id":"d","user_id":"u","session_id":"s",}"#,
            "not json, it's a sentence",
            r#"{"title":"javascript: a language","url":"javascript:",}"#,
            "{\0\"\0",
        ] {
            assert_eq!(text(sent, &privacy()), None, "{sent}");
        }
    }

    #[test]
    fn secrets_leave_a_query_that_is_no_beacon() {
        let url = "https%3A%2F%2Fa.example%2F%3Ftoken%3DSECRET%26b%3D1";
        for (sent, expected) in [
            (
                format!("name=a&name=b&url={url}"),
                Some(
                    "name=a&name=b&url=https%3A%2F%2Fa.example%2F%3Ftoken%3D%5Bremoved%5D%26b%3D1",
                ),
            ),
            ("name=a&name=b&token=SECRET".to_owned(), Some("name=a&name=b&token=[removed]")),
            ("name=a&name=b&session_id=s&props.a=1".to_owned(), None),
        ] {
            assert_eq!(query(&sent, &privacy()).as_deref(), expected, "{sent}");
            assert_eq!(expected.and_then(|expected| query(expected, &privacy())), None);
        }
    }

    proptest! {
        #[test]
        fn no_token_survives_in_any_text(
            before in r#"[{}\[\]",:a-z \\]{0,20}"#, after in r#"[{}\[\]",:a-z \\]{0,20}"#,
        ) {
            let sent = format!("{before}\"https://a.example/?token=SECRET\"{after}");
            let left = text(&sent, &privacy()).unwrap();
            prop_assert!(!left.contains("SECRET"));
            prop_assert_eq!(text(&left, &privacy()), None);
        }

        #[test]
        fn any_text_is_redacted(sent in r#"(\\u00|["'\\/?&=]|token|data:|javascript:|é|[a-z0-9 ]){0,30}|.{0,60}"#) {
            if let Some(left) = text(&sent, &privacy()) {
                prop_assert_eq!(text(&left, &privacy()), None);
            }
        }
    }
}
