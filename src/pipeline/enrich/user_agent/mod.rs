//! Finds the browser, the system and the device of a request in its client hints and `User-Agent`.
//!
//! Hints override the text: Chromium froze most of it (`Chrome/126.0.0.0`, `Android 10; K`). A
//! frozen value is left out rather than reported wrongly; the text itself stays in the record. An
//! iPad that claims to be a Macintosh, Safari's default there, is not detected. Nor is Windows 11
//! without a hint, which claims to be 10.
//!
//! Names are grouped as analysts count them: Chrome is Chrome on a phone, on iOS and on a desktop,
//! since `os` and `device_class` separate these. Ubuntu and the like are Linux.

pub mod browser;
pub(super) mod device;
pub(super) mod hints;
pub(super) mod os;
pub(super) mod tokens;

use std::borrow::Cow;

use serde::Serialize;

use crate::base::text::truncate_to_bytes;
use crate::model::request::ClientHints;
use hints::Hints;

/// A `User-Agent` is read up to here; real ones are far shorter.
pub(super) const MAX_AGENT_BYTES: usize = 1_024;

/// The most bytes of a version in a record.
const MAX_VERSION_BYTES: usize = 32;

/// The most bytes of a browser's or a model's name in a record.
const MAX_NAME_BYTES: usize = 64;

/// The facts about a client; each is absent if it is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAgent {
    /// The browser, or the app that shows pages itself, up to 64 bytes.
    pub browser: Option<Cow<'static, str>>,
    /// Digits and points, no `.0` at the end, up to 32 bytes.
    pub browser_version: Option<String>,
    pub os: Option<&'static str>,
    /// In the same form; for Windows, the version that it is sold as.
    pub os_version: Option<String>,
    /// Up to 64 bytes; for Apple's only `iPhone`, `iPad` or `iPod`.
    pub device_model: Option<String>,
    pub device_class: Option<DeviceClass>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceClass {
    /// A computer with a keyboard, notebooks included.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet or a reader.
    Tablet,
    /// A television, or a box that feeds one.
    Tv,
    Console,
    /// A watch.
    Wearable,
    /// Worn over the eyes.
    Headset,
    /// Built into a car.
    Car,
}

impl DeviceClass {
    /// Returns the word that records use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Tablet => "tablet",
            Self::Tv => "tv",
            Self::Console => "console",
            Self::Wearable => "wearable",
            Self::Headset => "headset",
            Self::Car => "car",
        }
    }
}

/// Reads `user_agent` and `hints`; of the text, only the first 1,024 bytes.
pub fn agent(user_agent: Option<&str>, hints: &ClientHints) -> UserAgent {
    let text = truncate_to_bytes(user_agent.unwrap_or_default(), MAX_AGENT_BYTES);
    let hints = Hints::parse(hints);
    let os = os::of(text);
    let found = browser::of(text, os.name);
    let class = device::class(text, os.name, found.name);
    let (os_name, os_version) = match hints.platform {
        // A television says Linux in the hint, and its own name in the text.
        Some("Linux") if os.name.is_some() => (os.name, os.version(text)),
        Some(platform) if Some(platform) != os.name => (Some(platform), hints.platform_version()),
        _ => (os.name, hints.platform_version().or_else(|| os.version(text))),
    };
    let (browser, browser_version) = match hints.browser(found.name) {
        Some((name, version)) => (Some(name), version),
        None => (found.name.map(Cow::Borrowed), found.version),
    };
    UserAgent {
        browser,
        browser_version,
        os: os_name,
        os_version,
        device_model: hints.model().or_else(|| device::model(text, os.name)),
        device_class: hints.class(os_name, class).or(class),
    }
}

/// Returns the version that `text` starts with, in the form that all versions have here.
fn version(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '_');
    let digits = truncate_to_bytes(text.get(..end.unwrap_or(text.len()))?, MAX_VERSION_BYTES);
    let mut digits = digits.trim_matches(['.', '_']);
    while let Some(start) = digits.strip_suffix(".0").or_else(|| digits.strip_suffix("_0")) {
        digits = start;
    }
    digits.starts_with(|c: char| c.is_ascii_digit()).then(|| digits.replace('_', "."))
}

#[cfg(test)]
mod tests;
