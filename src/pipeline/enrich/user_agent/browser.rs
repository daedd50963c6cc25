//! Finds the browser in a `User-Agent`.
//!
//! Browsers also name others, to be served like them. A generated table ranks the products, and the
//! most specific one counts.

use std::cmp::Ordering;

use super::tokens::{Token, has, tokens};
use super::version;
use crate::pipeline::enrich::tables::browsers::PRODUCTS;
use crate::pipeline::enrich::tables::entry::Product;

#[derive(Debug, Default)]
pub struct BrowserMatch {
    pub name: Option<&'static str>,
    pub version: Option<String>,
}

/// Finds the browser in `agent`; `os` distinguishes Apple's web views from Android's.
pub fn of(agent: &str, os: Option<&str>) -> BrowserMatch {
    let mut best: Option<(&Product, &str)> = None;
    let mut seen = Seen::default();
    for token in tokens(agent) {
        seen.note(token);
        let Some((product, version)) = product(token, seen.webkit) else { continue };
        if best.is_none_or(|(other, _)| product.rank < other.rank) {
            best = Some((product, version));
        }
    }
    let Some((product, text)) = best else {
        return match os {
            Some("iOS" | "iPadOS") if seen.webkit => {
                BrowserMatch { name: Some("Apple WebView"), version: None }
            }
            _ => BrowserMatch::default(),
        };
    };
    let found = |name, text| BrowserMatch { name: Some(name), version: version(text) };
    match (product.name, os) {
        ("Safari", Some("Android")) => found("Android Browser", seen.version),
        ("Safari", Some("BlackBerry OS")) => found("BlackBerry Browser", seen.version),
        ("Safari", Some("webOS")) => found("webOS Browser", seen.version),
        ("Safari", _) => found("Safari", seen.version),
        // From version 10 on, Opera says 9.80, since sites read 10 as version 1.
        ("Opera", _) if text == "9.80" && !seen.version.is_empty() => found("Opera", seen.version),
        ("Chrome", Some("Android")) if !seen.version.is_empty() || has(agent, "; wv)") => {
            found("Android WebView", text)
        }
        ("Facebook", _)
            if has(agent, "MESSENGER")
                || has(agent, "Orca-Android")
                || has(agent, "MessengerForiOS")
                || has(agent, "MessengerLite") =>
        {
            found("Messenger", text)
        }
        ("Internet Explorer", _) => BrowserMatch {
            name: Some(product.name),
            version: seen.trident().or_else(|| version(text)),
        },
        (name, _) => found(name, text),
    }
}

/// Tokens that qualify others.
#[derive(Default)]
struct Seen<'a> {
    version: &'a str,
    trident: &'a str,
    webkit: bool,
}

impl<'a> Seen<'a> {
    fn note(&mut self, token: Token<'a>) {
        match token.name {
            "Version" => self.version = token.version,
            "Trident" => self.trident = token.version,
            "AppleWebKit" => self.webkit = true,
            _ => {}
        }
    }

    /// Returns the version by the engine: an Internet Explorer may claim an older one.
    fn trident(&self) -> Option<String> {
        let version = match self.trident.split('.').next()? {
            "4" => "8",
            "5" => "9",
            "6" => "10",
            "7" | "8" => "11",
            _ => return None,
        };
        Some(version.to_owned())
    }
}

/// Returns the product of a token, and its version. Without a version, a word counts only if it is
/// an app that is known to omit it. Some of these count only `behind_engine`, after all names of
/// devices.
fn product(token: Token<'_>, behind_engine: bool) -> Option<(&'static Product, &str)> {
    if token.version.is_empty() {
        if is_bare(token.name) || (behind_engine && is_bare_app(token.name)) {
            return lookup(token.name).map(|product| (product, ""));
        }
        // TikTok writes `musical_ly_34.5.0`.
        let (name, version) = token.name.rsplit_once('_')?;
        let product = version.starts_with(|c: char| c.is_ascii_digit()).then(|| lookup(name))?;
        return product.map(|product| (product, version));
    }
    let wide = if token.wide.len() > token.name.len() { lookup(token.wide) } else { None };
    wide.or_else(|| lookup(token.name)).map(|product| (product, token.version))
}

fn is_bare(name: &str) -> bool {
    matches!(name, "Twitter" | "TwitterAndroid" | "NAVER" | "Ecosia" | "LinkedInApp" | "MetaIAB")
}

/// Names that mean an app and nothing else.
fn is_bare_app(name: &str) -> bool {
    [
        "barcelona",
        "bytedancewebview",
        "duckduckgo",
        "facebook",
        "flipboard",
        "instagram",
        "kakaotalk",
        "messenger",
        "micromessenger",
        "musical_ly",
        "pinterest",
        "reddit",
        "snapchat",
        "threads",
        "tiktok",
        "wechat",
    ]
    .iter()
    .any(|app| name.eq_ignore_ascii_case(app))
}

fn lookup(name: &str) -> Option<&'static Product> {
    let at = PRODUCTS.binary_search_by(|product| compare(product.token, name)).ok()?;
    PRODUCTS.get(at)
}

fn compare(token: &str, name: &str) -> Ordering {
    token.bytes().cmp(name.bytes().map(|byte| byte.to_ascii_lowercase()))
}
