//! Splits the URL of a page into its parts.
//!
//! This reads the URLs that browsers and apps put into `url` and `referrer`. It is not a validator:
//! it decodes nothing but the host, never panics and never rejects an event. An unreadable URL has no parts.

pub mod ascii;
mod compositions;

use std::borrow::Cow;

pub use ascii::ascii;
use percent_encoding::percent_decode_str;

/// The longest host name, in bytes: <https://www.rfc-editor.org/rfc/rfc1035#section-2.3.4>.
const MAX_HOST_BYTES: usize = 253;

/// The parts of a URL of the form `SCHEME://HOST…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UrlParts<'a> {
    /// In lower case, without the colon.
    pub scheme: Cow<'a, str>,
    /// In lower case and Punycode, without a final dot; IPv6 in brackets.
    pub host: Cow<'a, str>,
    /// None if the URL does not name one.
    pub port: Option<u16>,
    /// With its slash; empty if there is none.
    pub path: &'a str,
    /// Without the question mark.
    pub query: Option<&'a str>,
    /// Without the hash.
    pub fragment: Option<&'a str>,
}

/// Parses an absolute URL with a host, of a site or an app (`android-app://com.example`). Returns
/// `None` for anything else.
pub fn parse(url: &str) -> Option<UrlParts<'_>> {
    let RawUrl { scheme, authority, path, query, fragment } = raw(url)?;
    let (_, host, port) = split_authority(authority);
    let host = match is_plain_host(host) {
        true => Cow::Borrowed(host),
        false => ascii_host(host)?,
    };
    let port = match port {
        None | Some("") => None,
        Some(digits) => Some(digits.parse().ok()?),
    };
    Some(UrlParts { scheme: lower(scheme), host, port, path, query, fragment })
}

/// Whether `url` is of the web and certainly in its normal form, as most are: without a capital in its
/// host, a user, a port, a fragment, and a blank at its ends.
pub fn is_plain(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return false;
    };
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'\\' | b'?'));
    let host = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
    is_plain_host(host) && !rest.contains('#') && !rest.ends_with(|last: char| last <= ' ')
}

/// Whether a host has its final form already, as most have.
fn is_plain_host(host: &str) -> bool {
    let of_host = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
    !host.starts_with('.')
        && !host.ends_with('.')
        && (1..=MAX_HOST_BYTES).contains(&host.len())
        && host.bytes().all(of_host)
}

/// Returns the final form of a host; none if it is none.
fn ascii_host(host: &str) -> Option<Cow<'_, str>> {
    let host = decoded(host)?;
    let bare = host.strip_suffix('.').unwrap_or(&host);
    if !is_host(bare) {
        return None;
    }
    let ascii_host = match &host {
        Cow::Borrowed(host) => ascii(host.strip_suffix('.').unwrap_or(host)),
        Cow::Owned(_) => Cow::Owned(ascii(bare).into_owned()),
    };
    Some(ascii_host).filter(|host| host.len() <= MAX_HOST_BYTES)
}

/// Removes the percent-encoding of a host, as browsers do; none if the host is too long or no UTF-8.
fn decoded(host: &str) -> Option<Cow<'_, str>> {
    match host.contains('%') {
        // Each byte may be encoded with three; marks that compose letters are no more.
        _ if host.len() > MAX_HOST_BYTES.saturating_mul(3) => None,
        true => percent_decode_str(host).decode_utf8().ok(),
        false => Some(Cow::Borrowed(host)),
    }
}

/// The parts as written, before the host is checked.
pub struct RawUrl<'a> {
    pub scheme: &'a str,
    pub authority: &'a str,
    pub path: &'a str,
    pub query: Option<&'a str>,
    pub fragment: Option<&'a str>,
}

/// Splits `url` into its scheme and what is behind the two slashes; none if it has no scheme.
pub fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let of_scheme = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
    let end = url.bytes().position(|byte| !of_scheme(byte))?;
    let (scheme, rest) = url.split_at_checked(end)?;
    let rest = rest.strip_prefix("://")?;
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()).then_some((scheme, rest))
}

pub fn raw(url: &str) -> Option<RawUrl<'_>> {
    let (scheme, rest) = split_scheme(trim(url))?;
    // Browsers read a backslash as a slash, so that a host can't hide behind one:
    // https://url.spec.whatwg.org/#relative-slash-state
    let end = rest.bytes().position(|byte| matches!(byte, b'/' | b'\\' | b'?' | b'#'));
    let (authority, rest) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
    let (rest, fragment) = cut(rest, '#');
    let (path, query) = cut(rest, '?');
    Some(RawUrl { scheme, authority, path, query, fragment })
}

/// Splits `authority` into its user, its host and its port, without the colon.
pub fn split_authority(authority: &str) -> (Option<&str>, &str, Option<&str>) {
    let (user, rest) = match cut_at_last(authority, b'@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, authority),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match cut_at_last(rest, b':') {
        Some((host, port)) if digits(port) => (user, host, Some(port)),
        _ => (user, rest, None),
    }
}

/// Splits a short `text` at the last `mark`, in half the time of `rsplit_once`.
fn cut_at_last(text: &str, mark: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|byte| byte == mark)?;
    Some((text.get(..at)?, text.get(at.saturating_add(1)..)?))
}

fn is_host(host: &str) -> bool {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match bracketed {
        Some(address) => {
            address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'))
        }
        None => {
            let of_host = |byte: u8| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') || byte >= 0x80
            };
            !host.starts_with('.')
                && (1..=MAX_HOST_BYTES).contains(&host.len())
                && host.bytes().all(of_host)
        }
    }
}

/// Removes blanks and control characters at both ends, as browsers do.
pub fn trim(url: &str) -> &str {
    url.trim_matches(|edge: char| edge <= ' ')
}

/// Splits `text` at the first `mark`.
pub fn cut(text: &str, mark: char) -> (&str, Option<&str>) {
    match text.split_once(mark) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

pub fn lower(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => Cow::Owned(text.to_ascii_lowercase()),
        false => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_is_cut_into_its_parts() {
        let page = parse(" HTTPS://me:pw@Shop.Example.:8443/a/b;c=1?x=1&y=/?z#/top?w ").unwrap();
        assert_eq!((&*page.scheme, &*page.host, page.port), ("https", "shop.example", Some(8443)));
        assert_eq!(page.path, "/a/b;c=1");
        assert_eq!((page.query, page.fragment), (Some("x=1&y=/?z"), Some("/top?w")));
    }

    #[test]
    fn hosts_are_read_as_browsers_read_them() {
        let cases = [
            ("https://a.example", Some("a.example")),
            ("https://a.example?x", Some("a.example")),
            ("https://a.example#x", Some("a.example")),
            ("https://a.example:", Some("a.example")),
            ("https://a@b@c.example/", Some("c.example")),
            ("https://evil.example\\@good.example/", Some("evil.example")),
            ("https://good.example/@evil.example", Some("good.example")),
            ("https://good.example?@evil.example", Some("good.example")),
            ("http://[2001:DB8::1]:80/", Some("[2001:db8::1]")),
            ("http://127.0.0.1/", Some("127.0.0.1")),
            ("https://Bücher.example/", Some("xn--bcher-kva.example")),
            ("android-app://com.google.android.gm/", Some("com.google.android.gm")),
            ("app://localhost", Some("localhost")),
            ("", None),
            ("/only/a/path", None),
            ("a.example/", None),
            ("//a.example/", None),
            ("about:blank", None),
            ("data:text/html,x://y", None),
            ("file:///etc/passwd", None),
            ("https://", None),
            ("https://.", None),
            ("https://.example", None),
            ("https://a b.example/", None),
            ("https://a%2eexample/", Some("a.example")),
            ("https://b%C3%BCcher.example/", Some("xn--bcher-kva.example")),
            ("https://b%c3%bccher.example:8443/", Some("xn--bcher-kva.example")),
            ("https://bu%CC%88cher.example./", Some("xn--bcher-kva.example")),
            ("https://bu\u{308}cher.example/", Some("xn--bcher-kva.example")),
            ("https://b%FCcher.example/", None),
            ("https://a%2Fb.example/", None),
            ("https://a%40b.example/", None),
            ("https://a%3A80/", None),
            ("https://a%25b.example/", None),
            ("https://a%zz.example/", None),
            ("https://%00.example/", None),
            ("https://a.example:99999/", None),
            ("https://a.example:8x/", None),
            ("://a.example", None),
            ("1http://a.example", None),
        ];
        for (url, host) in cases {
            assert_eq!(parse(url).map(|page| page.host).as_deref(), host, "{url}");
        }
        assert_eq!(parse(&format!("https://{}/", "a".repeat(254))), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_has_no_parts(url in "(https?://)?[a-zA-Z@:\\[\\]/\\\\?#.%ä ]{0,40}|.{0,60}") {
            if let Some(page) = parse(&url) {
                prop_assert!(!page.host.is_empty() && page.host.len() <= MAX_HOST_BYTES);
                prop_assert!(page.path.is_empty() || page.path.starts_with(['/', '\\']));
            }
        }
    }
}
