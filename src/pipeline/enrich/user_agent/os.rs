//! Finds the operating system in a `User-Agent`.

use super::tokens::{behind, has, items};
use super::version;

#[derive(Debug, Default, Clone, Copy)]
pub struct Os<'a> {
    pub name: Option<&'static str>,
    version: &'a str,
}

/// How specific a mark is; a greater one replaces a lesser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Weight {
    #[default]
    None,
    /// A family, which systems with a name of their own also state.
    Family,
    /// The system's own name.
    Own,
    /// A system that also claims to be another.
    Posing,
}

pub fn of(agent: &str) -> Os<'_> {
    let mut best = (Weight::None, Os::default());
    for item in items(agent) {
        let Some((weight, name, version)) = mark(item) else { continue };
        let (held, os) = &mut best;
        if weight > *held {
            *held = weight;
            os.name = Some(name);
            os.version = version;
        } else if os.version.is_empty()
            && (weight == *held || (os.name, name) == (Some("iPadOS"), "iOS"))
        {
            os.version = version;
        }
    }
    let os = match best.1.name {
        // KaiOS names itself after the browser; Amazon's Silk does not name Android at all.
        None => named_behind(agent, "KAIOS/", "KaiOS")
            .or_else(|| named_behind(agent, "KaiOS/", "KaiOS")),
        Some("Linux" | "macOS") => {
            named_behind(agent, "Silk/", "Android").map(|os| Os { version: "", ..os })
        }
        _ => None,
    };
    os.unwrap_or(best.1)
}

fn named_behind<'a>(agent: &'a str, token: &str, name: &'static str) -> Option<Os<'a>> {
    behind(agent, token).map(|version| Os { name: Some(name), version })
}

/// Returns the weight, the name and the version text of the system that a comment's item names.
fn mark(item: &str) -> Option<(Weight, &'static str, &str)> {
    use Weight::{Family, Own, Posing};
    let end = item.find([' ', '/', '-', '.']).unwrap_or(item.len());
    let (first, rest) = item.split_at_checked(end)?;
    let rest = rest.get(1..).unwrap_or_default();
    Some(match first {
        "Windows" if rest.starts_with("Phone") => {
            (Posing, "Windows Phone", rest.trim_start_matches(|c: char| !c.is_ascii_digit()))
        }
        "WindowsCE" => (Posing, "Windows Mobile", ""),
        "Windows" if rest.starts_with("CE") || rest.starts_with("Mobile") => {
            (Posing, "Windows Mobile", "")
        }
        "Windows" => (Own, "Windows", rest),
        "WinNT" | "Win98" | "Win95" | "Win16" | "Win32" | "WinNT4" => (Own, "Windows", ""),
        _ if first.starts_with("Xbox") || first.starts_with("XBOX") => (Posing, "Xbox OS", ""),
        "GoogleTV" => (Own, "Android", ""),
        "Android" | "Adr" => (Own, "Android", rest),
        "HarmonyOS" | "OpenHarmony" | "ArkWeb" => (Posing, "HarmonyOS", rest),
        "iPhone" | "iPod" | "CPU" | "iOS" | "iPhone3" => (Own, "iOS", apple(item)),
        "iPad" => (Posing, "iPadOS", apple(item)),
        "iPadOS" => (Posing, "iPadOS", rest),
        "tvOS" | "AppleTV" | "Apple" if item != "Apple" && (has(item, "TV") || has(item, "tv")) => {
            (Posing, "tvOS", apple(item))
        }
        "watchOS" => (Posing, "watchOS", rest),
        "Macintosh" => (Family, "macOS", ""),
        "Intel" | "PPC" | "Mac" | "Mac_PowerPC" | "macOS" | "U"
            if has(item, "Mac") || first == "macOS" =>
        {
            (Family, "macOS", item.trim_start_matches(|c: char| !c.is_ascii_digit()))
        }
        "CrOS" => (Own, "ChromeOS", rest.split_once(' ').map_or("", |(_, version)| version)),
        "Tizen" => (Own, "Tizen", rest),
        "Web0S" | "WebOS" | "webOS" | "webOSTV" | "webOS.TV" | "hpwOS" => (Own, "webOS", rest),
        "PLAYSTATION" => (Posing, "PlayStation", ""),
        _ if first.starts_with("PlayStation") || first.starts_with("Playstation") => {
            (Posing, "PlayStation", "")
        }
        "New" if rest.starts_with("Nintendo") => (Posing, "Nintendo", ""),
        "Nintendo" => (Posing, "Nintendo", ""),
        "Roku" => (Posing, "Roku OS", ""),
        "BlackBerry" | "BB10" | "PlayBook" | "RIM" | "Blackberry" => (Own, "BlackBerry OS", ""),
        "Symbian" | "SymbianOS" | "SymbOS" | "Series60" | "Series40" | "S60" | "S60V3"
        | "S60V5" => (Own, "Symbian", ""),
        "Linux" | "X11" | "MeeGo" | "Ubuntu" | "Fedora" | "Debian" | "linux"
            if !has(item, "Mac") =>
        {
            (Family, "Linux", "")
        }
        "FreeBSD" | "OpenBSD" | "NetBSD" | "DragonFly" => (Own, "BSD", ""),
        "Sailfish" => (Own, "Sailfish OS", rest),
        "Bada" => (Own, "Bada", rest),
        "SunOS" => (Own, "Solaris", ""),
        "Fuchsia" => (Own, "Fuchsia", rest),
        _ => return None,
    })
}

/// Returns `17_5 like Mac OS X` of `CPU iPhone OS 17_5 like Mac OS X`.
fn apple(item: &str) -> &str {
    behind(item, "OS ").unwrap_or_default()
}

impl Os<'_> {
    /// Returns the version, if the agent states the true one.
    pub fn version(self, agent: &str) -> Option<String> {
        match self.name? {
            "Windows" => windows(self.version).map(str::to_owned),
            // Since macOS 11 every browser says 10.15.7, and Firefox 10.15.
            "macOS" => version(self.version)
                .filter(|version| !matches!(version.as_str(), "10.15" | "10.15.7")),
            // Chromium's reduced agent: https://www.chromium.org/updates/ua-reduction/
            "Android" if has(agent, "Android 10; K)") => None,
            // Safari 26 always says iOS 18; since then both have the same version.
            "iOS" | "iPadOS" if has(agent, " Version/") => {
                let system = version(self.version);
                let safari = behind(agent, " Version/").and_then(version);
                let major = |version: &Option<String>| {
                    version.as_deref()?.split('.').next()?.parse::<u16>().ok()
                };
                match (major(&system), major(&safari)) {
                    (Some(18), Some(26..)) => safari,
                    _ => system,
                }
            }
            _ => version(self.version),
        }
    }
}

/// Returns the version that a Windows is sold as, by the number that it gives itself.
fn windows(version: &str) -> Option<&'static str> {
    let (kind, number) = version.split_once(' ').unwrap_or((version, ""));
    Some(match (kind, number) {
        ("NT", "10.0" | "11.0") => "10",
        ("NT", "6.4") => "10",
        ("NT", "6.3") => "8.1",
        ("NT", "6.2") => "8",
        ("NT", "6.1") => "7",
        ("NT", "6.0") => "Vista",
        ("NT", "5.1" | "5.2") | ("XP", _) => "XP",
        ("NT", "5.0" | "5.01") | ("2000", _) => "2000",
        ("98", _) => "98",
        ("95", _) => "95",
        ("Me", _) | ("ME", _) => "ME",
        _ => return None,
    })
}
