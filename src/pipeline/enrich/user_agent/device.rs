//! Finds the device in a `User-Agent`: its class and its model.

use std::ops::Range;

use super::tokens::{behind, has, is_gap};
use super::{DeviceClass, MAX_NAME_BYTES};
use crate::base::text::truncate_to_bytes;

/// Returns the class, if the agent shows one.
pub fn class(agent: &str, os: Option<&str>, browser: Option<&str>) -> Option<DeviceClass> {
    use DeviceClass::{Console, Desktop, Mobile, Tablet, Tv, Wearable};
    let os = os.unwrap_or_default();
    let phone = || has(agent, "Mobi") || has(agent, "Phone");
    // `PlayStation 5/SmartTV` and `New Nintendo 3DS like iPhone` are consoles all the same.
    if matches!(os, "PlayStation" | "Xbox OS" | "Nintendo") {
        return Some(Console);
    }
    if let Some(class) = of_words(agent, os) {
        return Some(class);
    }
    Some(match os {
        "tvOS" | "Roku OS" => Tv,
        "webOS" if has(agent, "hpwOS") => Tablet,
        // Palm's; LG's televisions write `Web0S; Linux/SmartTV`.
        "webOS" if has(agent, "(webOS/") => Mobile,
        "webOS" => Tv,
        "watchOS" => Wearable,
        "iOS" | "KaiOS" | "Windows Phone" | "Windows Mobile" | "Symbian" => Mobile,
        "iPadOS" => Tablet,
        "Tizen" if phone() => Mobile,
        "Tizen" => Tv,
        "BlackBerry OS" if has(agent, "PlayBook") => Tablet,
        "BlackBerry OS" => Mobile,
        "HarmonyOS" if has(agent, "OpenHarmony") => of_open_harmony(agent),
        "Android" if browser == Some("Amazon Silk") => Tablet,
        "Android" | "HarmonyOS" if has(agent, "Tablet") => Tablet,
        "Android" | "HarmonyOS" if phone() => Mobile,
        "Android" | "HarmonyOS" if agent.starts_with("Mozilla/") && has(agent, "AppleWebKit/") => {
            Tablet
        }
        "Android" | "HarmonyOS" => Mobile,
        "Linux" if has(agent, "Mobi") => Mobile,
        "Windows" | "macOS" | "Linux" | "ChromeOS" | "BSD" | "Solaris" => Desktop,
        "" if phone() => Mobile,
        "" if agent.starts_with("Mozilla/5.0 (Tablet") => Tablet,
        _ => return None,
    })
}

/// Returns the class of an OpenHarmony device, whose agent names it first.
///
/// Source: <https://developer.huawei.com/consumer/en/doc/harmonyos-guides/web-default-useragent>
fn of_open_harmony(agent: &str) -> DeviceClass {
    let items = behind(agent, "(").unwrap_or_default();
    match items.split([';', ')']).next().unwrap_or_default().trim() {
        "Phone" => DeviceClass::Mobile,
        "Tablet" => DeviceClass::Tablet,
        "TV" => DeviceClass::Tv,
        "Wearable" => DeviceClass::Wearable,
        "Car" => DeviceClass::Car,
        _ if has(agent, "Mobile") => DeviceClass::Mobile,
        // `PC`, `2in1` and others that are not used mainly by touch.
        _ => DeviceClass::Desktop,
    }
}

/// Returns the class that single words show, on any system. The name of an Android device may
/// contain another maker's: `QUMO Quest 402` and `Tesla SMARTPHONE 3` are phones.
fn of_words(agent: &str, os: &str) -> Option<DeviceClass> {
    let device = named_by_android(agent);
    let words = |part: Range<usize>| {
        let part = agent.get(part).unwrap_or_default();
        part.split(|c| is_gap(c) || c == '/')
    };
    let is_mobile = os == "Android" && has(agent, "Mobile");
    let is_headset = || !is_mobile || has(agent, " VR ");
    let of_any = |word| {
        let class = of_word(word)?;
        (class != DeviceClass::Headset || is_pico(word) || is_headset()).then_some(class)
    };
    let of_model = |word| of_any(word).filter(|class| *class != DeviceClass::Car);
    // Phones that receive television said so before televisions ran Android.
    let is_phone = || is_mobile && behind(agent, "Android ").is_some_and(is_before_5);
    let rest = || words(0..device.start).chain(words(device.end..agent.len()));
    words(device.clone()).find_map(of_model).or_else(|| rest().find_map(of_any)).or_else(|| {
        let of_device = |word: &str| !word.ends_with("DTV") && is_television(word);
        let is_tv = (has(agent, "TV") || has(agent, "tv"))
            && (words(device.clone()).any(of_device) || rest().any(is_television));
        (is_tv && !is_phone()).then_some(DeviceClass::Tv)
    })
}

fn is_pico(word: &str) -> bool {
    word.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("pico"))
}

fn is_before_5(version: &str) -> bool {
    matches!(version.as_bytes(), [b'1'..=b'4', b'.', ..])
}

/// Whether `word` ends in `TV`, or has it as a part of its own: `GoogleTV`, `Sky_TV_T962X3`.
fn is_television(word: &str) -> bool {
    word.ends_with("TV") || word.split(['-', '_', '.']).any(|part| matches!(part, "TV" | "tv"))
}

/// The beginnings of words for televisions and their boxes.
#[rustfmt::skip]
const TELEVISIONS: &[&str] = &[
    "BrightSign", "GW-Device", "InettvBrowser", "MIBOX", "MR-Device", "MiBOX", "MiTV", "NETRANGE", "NetCast", "Roku",
    "Sky_OTT", "Sky_STB", "Sky_TV", "TiVo", "VIDAA", "VIZIO", "Vidaa", "VirginMedia_STB", "ViziOS", "Vizio", "YouView",
];

/// Returns the class of a word that means one thing only.
fn of_word(word: &str) -> Option<DeviceClass> {
    use DeviceClass::{Car, Headset, Tablet, Tv, Wearable};
    let begins = |start: &str| {
        word.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    // Most words begin with a digit, and the checks below are many.
    if word.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    match word {
        "BRAVIA" | "CrKey" | "NETTV" | "Viera" | "SmartHub" | "DLNADOC" | "Chromecast"
        | "OpenTV" | "OMI" | "STB" | "stbapp" | "SonyCEBrowser" | "CE-HTML" | "AQUOS-AS"
        | "Hybridcast" | "DuneHD" => Some(Tv),
        "QtCarBrowser" | "Tesla" | "AndroidAuto" => Some(Car),
        "OculusBrowser" | "PicoBrowser" | "Quest" | "Pico" | "PICO" | "VisionOS" => Some(Headset),
        "Kindle" | "PlayBook" | "Kobo" => Some(Tablet),
        "Watch" | "watchOS" => Some(Wearable),
        // Televisions end in `(MAKER, MODEL, wireless)`.
        _ if word.eq_ignore_ascii_case("wired") || word.eq_ignore_ascii_case("wireless") => {
            Some(Tv)
        }
        _ if begins("smarttv") || begins("smart-tv") || begins("hbbtv") => Some(Tv),
        _ if word.len() > 3 && TELEVISIONS.iter().any(|start| word.starts_with(start)) => Some(Tv),
        _ if word.starts_with("AFT")
            && word.len() <= 10
            && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()) =>
        {
            Some(Tv)
        }
        _ if word.starts_with("Watch") && word.ends_with(|c: char| c.is_ascii_digit()) => {
            Some(Wearable)
        }
        _ => None,
    }
}

/// Returns the model: the item after Android's version, or Apple's own word.
pub fn model(agent: &str, os: Option<&str>) -> Option<String> {
    let found = match os? {
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
    let found = found.split(" Build/").next()?.split(" MIUI/").next()?.trim();
    let is_model = !found.is_empty() && !found.starts_with("Build/") && !has(found, "AppleWebKit");
    is_model.then(|| truncate_to_bytes(found, MAX_NAME_BYTES).to_owned())
}

/// Returns the bytes of `agent` that name an Android device, which may have any name. They follow
/// `Android` in the same brackets, or in the next ones, up to the first product or address.
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

/// Returns `text` up to the bracket that closes it: `moto g(7) power` is a model.
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

/// Whether `item` is between Android's version and the model, or in the model's place.
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
