//! User agent client hints, which Chromium sends since it froze its `User-Agent`.
//!
//! Each brand list has an invented brand, so that sites do not rely on the list's order or length.
//! It is skipped, and `Chromium` counts only if there is no other.
//!
//! Source: <https://wicg.github.io/ua-client-hints/>

use std::borrow::Cow;

use super::{DeviceClass, MAX_NAME_BYTES, version};
use crate::base::text::truncate_to_bytes;
use crate::model::request::ClientHints;

/// The most brands of a list that are read.
const MAX_BRANDS: usize = 8;

/// The hints, parsed if needed.
pub struct Hints<'a> {
    sent: &'a ClientHints,
    /// The system, by its name in records.
    pub platform: Option<&'static str>,
}

/// One entry of a brand list.
pub struct Brand<'a> {
    /// As sent, with its escapes.
    pub name: &'a str,
    version: &'a str,
}

impl<'a> Hints<'a> {
    /// Parses the platform; the rest is parsed if needed.
    pub fn parse(sent: &'a ClientHints) -> Self {
        let platform = match unquoted(sent.platform.as_deref()) {
            "Windows" => Some("Windows"),
            "macOS" | "Mac OS X" => Some("macOS"),
            "Android" => Some("Android"),
            "Chrome OS" | "Chromium OS" | "ChromeOS" => Some("ChromeOS"),
            "iOS" => Some("iOS"),
            "Linux" => Some("Linux"),
            "Fuchsia" => Some("Fuchsia"),
            "HarmonyOS" | "OpenHarmony" => Some("HarmonyOS"),
            _ => None,
        };
        Self { sent, platform }
    }

    /// Returns the browser, unless `found`, that of the `User-Agent`, is more specific. An app that
    /// shows pages in Android's view puts its name there.
    pub fn browser(&self, found: Option<&str>) -> Option<(Cow<'static, str>, Option<String>)> {
        let full = self.sent.full_version_list.as_deref();
        let best = best(full).or_else(|| best(self.sent.ua.as_deref()))?;
        let version = version(best.version);
        let name: Cow<'static, str> = match best.name {
            "Google Chrome" | "HeadlessChrome" => "Chrome".into(),
            "Microsoft Edge" => "Edge".into(),
            "YaBrowser" | "Yandex" => "Yandex Browser".into(),
            "Opera Mobile" | "OperaMobile" => "Opera".into(),
            other => truncate_to_bytes(other, MAX_NAME_BYTES).to_owned().into(),
        };
        let is_plain =
            found.is_none_or(|found| matches!(found, "Chrome" | "Chromium" | "Android WebView"));
        let says_little = matches!(&*name, "Chromium" | "Chrome" | "Android WebView");
        match found {
            Some("Chrome") if name == "Chromium" => Some(("Chrome".into(), version)),
            _ if says_little && !is_plain => None,
            _ => Some((name, version)),
        }
    }

    /// Returns the system's version; for Windows, the version that it is sold as.
    ///
    /// Source: <https://learn.microsoft.com/en-us/microsoft-edge/web-platform/how-to-detect-win11>
    pub fn platform_version(&self) -> Option<String> {
        let text = unquoted(self.sent.platform_version.as_deref());
        if self.platform != Some("Windows") {
            return version(text);
        }
        let mut parts = text.split('.').map(str::parse::<u16>);
        let sold = match (parts.next()?.ok()?, parts.next()) {
            (13.., _) => "11",
            (1..=12, _) => "10",
            (0, Some(Ok(3))) => "8.1",
            (0, Some(Ok(2))) => "8",
            (0, Some(Ok(1))) => "7",
            _ => return None,
        };
        Some(sold.to_owned())
    }

    pub fn model(&self) -> Option<String> {
        let model = unquoted(self.sent.model.as_deref());
        (!model.is_empty()).then(|| truncate_to_bytes(model, MAX_NAME_BYTES).to_owned())
    }

    /// Returns the class, unless `found`, that of the `User-Agent`, is more specific.
    pub fn class(&self, os: Option<&str>, found: Option<DeviceClass>) -> Option<DeviceClass> {
        use DeviceClass::{Desktop, Mobile, Tablet};
        if !matches!(found, None | Some(Desktop | Mobile | Tablet)) {
            return None;
        }
        match (self.sent.mobile.as_deref()?.trim(), os?) {
            ("?1", _) => Some(Mobile),
            ("?0", "Android") => Some(Tablet),
            ("?0", "Windows" | "macOS" | "Linux" | "ChromeOS") => Some(Desktop),
            _ => None,
        }
    }
}

/// Returns the most specific brand: any before Chromium, but no invented one.
fn best(list: Option<&str>) -> Option<Brand<'_>> {
    let mut chromium = None;
    for brand in brands(list) {
        match brand.name {
            "Chromium" => chromium = Some(brand),
            name if name.trim().is_empty() || is_made_up(name) => {}
            _ => return Some(brand),
        }
    }
    chromium
}

/// Returns the entries of a brand list in order, at most eight.
pub fn brands(list: Option<&str>) -> impl Iterator<Item = Brand<'_>> {
    let mut rest = list.unwrap_or_default();
    let entries = std::iter::from_fn(move || {
        let (_, entry) = rest.split_once('"')?;
        let (name, after) = quoted(entry)?;
        let parameters = after.split_once(',').map_or(after, |(parameters, _)| parameters);
        rest = after.get(parameters.len()..)?;
        let version = parameters.split_once("v=\"").map_or("", |(_, version)| version);
        Some(Brand { name, version })
    });
    entries.take(MAX_BRANDS)
}

/// Splits a text at its closing quote, after escaped ones.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mut escaped = false;
    let end = text.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    Some((text.get(..end)?, text.get(end.saturating_add(1)..)?))
}

/// Whether `name` is `Not/A)Brand` in any of its spellings.
fn is_made_up(name: &str) -> bool {
    let letters = name.bytes().filter(u8::is_ascii_alphabetic).map(|b| b.to_ascii_lowercase());
    letters.eq(*b"notabrand")
}

/// Returns the text between the quotes of a header's value.
fn unquoted(value: Option<&str>) -> &str {
    value.unwrap_or_default().trim().trim_matches('"').trim()
}
