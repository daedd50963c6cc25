//! The device that a `User-Agent` names: its class and its model.

use std::ops::Range;

use super::words::{behind, has, is_gap};
use super::{DeviceClass, MAX_NAME_BYTES, cut};

/// The class, where the agent tells one.
pub fn class(agent: &str, os: Option<&str>, browser: Option<&str>) -> Option<DeviceClass> {
    use DeviceClass::{Console, Desktop, Mobile, Tablet, Tv, Wearable};
    let phone = || has(agent, "Mobi") || has(agent, "Phone");
    if let Some(class) = agent.split(|c| is_gap(c) || c == '/').find_map(of_word) {
        return Some(class);
    }
    Some(match os.unwrap_or_default() {
        "PlayStation" | "Xbox OS" | "Nintendo" => Console,
        "tvOS" | "Roku OS" | "webOS" => Tv,
        "watchOS" => Wearable,
        "iOS" | "KaiOS" | "Windows Phone" | "Windows Mobile" | "Symbian" => Mobile,
        "iPadOS" => Tablet,
        "Tizen" if phone() => Mobile,
        "Tizen" => Tv,
        "BlackBerry OS" if has(agent, "PlayBook") => Tablet,
        "BlackBerry OS" => Mobile,
        "Android" if browser == Some("Amazon Silk") => Tablet,
        "Android" | "HarmonyOS" if has(agent, "Tablet") => Tablet,
        "Android" | "HarmonyOS" if phone() => Mobile,
        "Android" if agent.starts_with("Mozilla/") && has(agent, "AppleWebKit/") => Tablet,
        "Android" | "HarmonyOS" => Mobile,
        "Linux" if has(agent, "Mobi") => Mobile,
        "Windows" | "macOS" | "Linux" | "ChromeOS" | "BSD" | "Solaris" => Desktop,
        "" if phone() => Mobile,
        "" if agent.starts_with("Mozilla/5.0 (Tablet") => Tablet,
        _ => return None,
    })
}

/// What single words tell, whatever the system.
fn of_word(word: &str) -> Option<DeviceClass> {
    use DeviceClass::{Car, Headset, Tablet, Tv, Wearable};
    match word {
        "BRAVIA" | "CrKey" | "Roku" | "NetCast" | "NetCast.TV" | "NETTV" | "HbbTV" | "Viera"
        | "VIDAA" | "SmartHub" | "DLNADOC" | "Chromecast" | "OpenTV" | "SmartTV" | "SMART-TV" => {
            Some(Tv)
        }
        "QtCarBrowser" | "Tesla" | "AndroidAuto" => Some(Car),
        "OculusBrowser" | "Quest" | "Pico" | "VisionOS" => Some(Headset),
        "Kindle" | "PlayBook" | "Kobo" => Some(Tablet),
        "Watch" | "watchOS" => Some(Wearable),
        _ if word.ends_with("TV") && word.len() > 2 || word == "TV" => Some(Tv),
        _ if word.starts_with("AFT") && word.len() <= 8 => Some(Tv),
        _ if word.starts_with("Watch") && word.ends_with(|c: char| c.is_ascii_digit()) => {
            Some(Wearable)
        }
        _ => None,
    }
}

/// The model: the item behind Android's version, or Apple's own word.
pub fn model(agent: &str, os: Option<&str>) -> Option<String> {
    let told = match os? {
        "iPadOS" => "iPad",
        "iOS" if has(agent, "iPod") => "iPod",
        "iOS" if has(agent, "iPhone") => "iPhone",
        "Android" | "HarmonyOS" => within(behind(agent, "Android")?)
            .split(';')
            .skip(1)
            .map(str::trim)
            .find(|item| !is_no_model(item))?,
        _ => return None,
    };
    let told = told.split(" Build/").next()?.split(" MIUI/").next()?.trim();
    let is_model = !told.is_empty() && !told.starts_with("Build/") && !has(told, "AppleWebKit");
    is_model.then(|| cut(told, MAX_NAME_BYTES).to_owned())
}

/// The bytes of `agent` in which an Android names its device, whose maker may call it anything:
/// what follows `Android` in the same brackets, or in those behind it, up to the first product
/// or address.
pub fn named_by_android(agent: &str) -> Range<usize> {
    let Some(rest) = behind(agent, "Android") else { return 0..0 };
    let start = agent.len().saturating_sub(rest.len());
    let inside = rest.strip_prefix(" (").unwrap_or(rest);
    let mut end = agent.len().saturating_sub(inside.len());
    for item in within(inside).split_inclusive(';') {
        let model = item.split("Build/").next().unwrap_or_default();
        // Instagram writes `Android (33/13; 420dpi; …)`.
        let is_product = model.match_indices('/').any(|(at, _)| {
            let name = model.get(..at).unwrap_or_default();
            name.ends_with(|last: char| !last.is_ascii_digit())
        });
        if is_product || model.contains('@') || model.trim() == "compatible;" {
            break;
        }
        end = end.saturating_add(item.len());
    }
    start..end
}

/// `text` up to the bracket that closes what it stands in: `moto g(7) power` is a model.
fn within(text: &str) -> &str {
    let mut depth = 0_usize;
    let end = text.find(|c| {
        match c {
            '(' => depth = depth.saturating_add(1),
            ')' if depth == 0 => return true,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        false
    });
    text.get(..end.unwrap_or(text.len())).unwrap_or(text)
}

/// What stands between Android's version and the model, or in its place.
fn is_no_model(item: &str) -> bool {
    let is_language = || {
        let mut parts = item.split(['-', '_']);
        let letters = |part: Option<&str>, length| {
            part.is_some_and(|part| {
                part.len() == length && part.bytes().all(|b| b.is_ascii_alphabetic())
            })
        };
        letters(parts.next(), 2) && (letters(parts.next(), 2) || item.len() == 2)
    };
    matches!(
        item,
        "U" | "K" | "wv" | "Mobile" | "Tablet" | "HarmonyOS" | "N" | "I" | "TV" | "unknown"
    ) || item.starts_with("rv:")
        || item.starts_with("HMSCore")
        || is_language()
}
