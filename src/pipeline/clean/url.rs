//! Normalizes URLs, so that a page has one spelling.

use std::borrow::Cow;

use crate::base::url::{RawUrl, is_plain, lower, raw, split_authority, trim};
use crate::model::campaign::stands_in;

/// Returns `url` with scheme and host in lower case, without the scheme's own port (`:80`, `:443`)
/// and without its fragment. A fragment stays if it is a route of a single-page app (`#/…`, `#!…`)
/// or names a campaign (`#utm_source=x`), which is read later.
///
/// URLs that are not of the web keep their spelling. So do path and query, whose case and order can
/// matter. Idempotent.
pub fn normalized(url: &str) -> Cow<'_, str> {
    /// Removing a part of an odd URL can expose more to remove; one that does not settle keeps its
    /// spelling.
    const MAX_ROUNDS: usize = 8;
    let Cow::Owned(mut current) = once(url) else { return Cow::Borrowed(url) };
    for _ in 0..MAX_ROUNDS {
        match once(&current) {
            Cow::Borrowed(_) => return Cow::Owned(current),
            Cow::Owned(next) => current = next,
        }
    }
    Cow::Borrowed(url)
}

fn once(url: &str) -> Cow<'_, str> {
    if is_plain(url) {
        return Cow::Borrowed(url);
    }
    let Some(RawUrl { scheme, authority, path, query, fragment }) = raw(url) else {
        return Cow::Borrowed(url);
    };
    let scheme = lower(scheme);
    if scheme != "http" && scheme != "https" {
        return Cow::Borrowed(url);
    }
    let (user, host, port) = split_authority(authority);
    // Without one port, another would remain.
    if host.ends_with(':') {
        return Cow::Borrowed(url);
    }
    let host = lower(host);
    let port = port.filter(|port| !is_own_port(&scheme, port));
    let fragment = fragment.filter(|fragment| is_route(fragment) || stands_in(fragment));

    let mut normal = String::with_capacity(url.len());
    normal.push_str(&scheme);
    normal.push_str("://");
    if let Some(user) = user {
        normal.push_str(user);
        normal.push('@');
    }
    normal.push_str(&host);
    for (mark, part) in [(':', port), ('?', query), ('#', fragment)] {
        if mark == '?' {
            normal.push_str(path);
        }
        if let Some(part) = part {
            normal.push(mark);
            normal.push_str(part);
        }
    }
    // Without its fragment, the URL may end in a blank.
    let length = trim(&normal).len();
    normal.truncate(length);
    match normal == url {
        true => Cow::Borrowed(url),
        false => Cow::Owned(normal),
    }
}

/// Returns a web URL without its fragment, unless that is a route.
pub fn without_anchor(url: &str) -> Cow<'_, str> {
    let is_of_web =
        |url| raw(url).is_some_and(|raw| matches!(&*lower(raw.scheme), "http" | "https"));
    match url.split_once('#') {
        Some((address, fragment)) if !is_route(fragment) && is_of_web(url) => {
            Cow::Owned(trim(address).to_owned())
        }
        _ => Cow::Borrowed(url),
    }
}

fn is_route(fragment: &str) -> bool {
    fragment.starts_with(['/', '!'])
}

fn is_own_port(scheme: &str, port: &str) -> bool {
    let own = match scheme {
        "http" => "80",
        _ => "443",
    };
    port.is_empty() || port.trim_start_matches('0') == own
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spellings_of_one_page_become_one() {
        let cases = [
            ("https://shop.example/", "https://shop.example/"),
            ("HTTPS://Shop.Example:443/A?B=c", "https://shop.example/A?B=c"),
            ("http://shop.example:80", "http://shop.example"),
            ("http://shop.example:443/", "http://shop.example:443/"),
            ("https://shop.example:0443/", "https://shop.example/"),
            ("https://shop.example:/", "https://shop.example/"),
            ("https://shop.example:8443/", "https://shop.example:8443/"),
            ("http://[::1]:80/", "http://[::1]/"),
            ("https://shop.example/a#top", "https://shop.example/a"),
            ("https://shop.example/a#", "https://shop.example/a"),
            ("https://shop.example/#/cart", "https://shop.example/#/cart"),
            ("https://shop.example/#!cart", "https://shop.example/#!cart"),
            ("https://shop.example/#utm_source=x", "https://shop.example/#utm_source=x"),
            ("https://shop.example/#gclid=x", "https://shop.example/#gclid=x"),
            ("https://shop.example/#source=x", "https://shop.example/"),
            ("https://Me:Pw@shop.example/", "https://Me:Pw@shop.example/"),
            (" https://shop.example/ ", "https://shop.example/"),
            ("Android-App://com.Example/x", "Android-App://com.Example/x"),
            ("/Path#top", "/Path#top"),
            ("", ""),
        ];
        for (url, normal) in cases {
            assert_eq!(normalized(url), normal, "{url}");
        }
        assert!(matches!(normalized("https://shop.example/a?b#/c"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn twice_is_once(url in "([hH]ttps?://)?[a-zA-Z@:\\[\\]/\\\\?#!.0-9 ]{0,40}|.{0,60}") {
            let once = normalized(&url).into_owned();
            prop_assert_eq!(&normalized(&once), &once);
            prop_assert!(once.len() <= url.len());
        }
    }
}
