//! Detects beacons that a program sent instead of a person, by its `User-Agent` and its hints.
//!
//! Known names are in a generated table. Other signs are a word that ends in `bot`, `crawler` or
//! `spider`, and a contact URL (`+http://…`). An ordinary browser must never count as a bot: to
//! miss one does less harm. So the name of an Android device is no sign, nor is another URL in a
//! browser's agent. The default agents of phone apps (okhttp, CFNetwork, Dalvik) are no bots.

use std::cmp::Ordering;

use super::tables::bots::MARKS;
use super::user_agent::tokens::has;
use super::user_agent::{device, hints, os};
use crate::base::text::truncate_to_bytes;
use crate::model::request::ClientHints;
use crate::pipeline::enrich::tables::entry::{BotPattern, BotReason};

/// The most bytes of a bot's name in a record.
const MAX_NAME_BYTES: usize = 64;

/// The program that sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    pub reason: BotReason,
    /// As the program spells it, up to 64 bytes.
    pub name: Option<String>,
}

impl Bot {
    fn named(reason: BotReason, name: &str) -> Self {
        let name = truncate_to_bytes(name, MAX_NAME_BYTES);
        Self { reason, name: (!name.is_empty()).then(|| name.to_owned()) }
    }
}

/// Returns the program that sent a request with this `User-Agent` and these hints, if it was one.
///
/// Reads only the first 1,024 bytes of the agent.
pub fn bot(user_agent: Option<&str>, hints: &ClientHints) -> Option<Bot> {
    let agent = truncate_to_bytes(
        user_agent.unwrap_or_default().trim(),
        super::user_agent::MAX_AGENT_BYTES,
    );
    if agent.is_empty() {
        return Some(Bot { reason: BotReason::NoUserAgent, name: None });
    }
    in_agent(agent).or_else(|| {
        let mut names = hints::brands(hints.ua.as_deref()).map(|brand| brand.name);
        let name = names.find(|name| name.starts_with("Headless"))?;
        Some(Bot::named(BotReason::Headless, name))
    })
}

/// Returns the first known name. Otherwise returns the first word that only crawlers use, or the
/// product before the first URL that only a program states.
fn in_agent(agent: &str) -> Option<Bot> {
    let bytes = agent.as_bytes();
    let device = device::named_by_android(agent);
    let mut crawler = None;
    let mut product = "";
    let mut word = bytes;
    let mut before_word = b' ';
    let mut before = b' ';
    for (at, &byte) in bytes.iter().enumerate() {
        let Some(rest) = bytes.get(at..) else { break };
        // A device may have any name: `GOT-AL19`, `C Bot Tab 70`.
        let is_device = device.contains(&at);
        if byte.is_ascii_alphanumeric() && !before.is_ascii_alphanumeric() {
            let known = mark(rest).filter(|mark| stands_for_itself(mark, at));
            if let Some(mark) = known.filter(|mark| !is_device || is_monitors(mark, rest)) {
                return Some(Bot::named(mark.reason, name_at(rest)));
            }
            if !is_in_name(before) {
                word = rest;
                before_word = before;
            }
        }
        if byte == b'/' && is_in_name(before) {
            product = name_at(word);
        }
        if crawler.is_none() && !is_device {
            if is_crawlers(rest) && !is_phone(word) {
                crawler = Some(name_at(word));
            } else if byte == b':' && is_address(word) && states_addresses(agent, before_word) {
                crawler = Some(product);
            }
        }
        before = byte;
    }
    crawler.map(|name| Bot::named(BotReason::Crawler, name))
}

fn is_address(word: &[u8]) -> bool {
    word.starts_with(b"http://") || word.starts_with(b"https://")
}

/// Whether a URL in `agent`, after the byte `before`, indicates a program.
///
/// Crawlers state theirs as `+http://…`. In the agent of a browser or of an app for people, any
/// other URL is a toolbar's, a page's or a maker's.
fn states_addresses(agent: &str, before: u8) -> bool {
    let system = os::of(agent).name;
    if !agent.starts_with("Mozilla/") && !agent.starts_with("Opera/") {
        // A podcast app writes `Overcast/3.0 (+http://overcast.fm/; iOS podcast app)`.
        let is_phones = ["Android", "iOS", "iPhone", "iPad", "AppleTV", "Apple Watch"]
            .iter()
            .any(|word| has(agent, word));
        let is_desktops = matches!(system, Some("Windows" | "macOS"));
        return !(is_phones || is_desktops && before != b'+');
    }
    let is_explorer = has(agent, "MSIE") || has(agent, "Trident/");
    let has_engine = has(agent, "AppleWebKit/") || has(agent, "Gecko/") || has(agent, "Presto/");
    let is_browser = is_explorer || (has_engine && !has(agent, "compatible;"));
    before == b'+' && !is_explorer || !(is_browser && system.is_some())
}

/// Whether `mark`, found at the byte `at`, can only be the program. Ambiguous words are programs
/// only at the start of an agent, where browsers have `Mozilla/5.0`.
fn stands_for_itself(mark: &BotPattern, at: usize) -> bool {
    let is_word =
        matches!(mark.text, "got" | "insomnia" | "needle" | "node" | "Ruby" | "superagent");
    !is_word || at == 0
}

/// Whether a monitor's name is the whole item that `rest` starts with: some replace a device's
/// name.
fn is_monitors(mark: &BotPattern, rest: &[u8]) -> bool {
    let next = rest.get(mark.text.len());
    mark.reason == BotReason::Monitor && next.is_none_or(|next| matches!(next, b';' | b')'))
}

/// Cubot makes phones.
fn is_phone(word: &[u8]) -> bool {
    starts_with(word, b"cubot")
}

/// Whether `rest` starts with a part of a word that only crawlers use, such as a final `bot`.
fn is_crawlers(rest: &[u8]) -> bool {
    let starts = |with: &[u8]| starts_with(rest, with);
    let ends = |with: &[u8]| {
        let next = rest.get(with.len());
        starts(with) && !next.is_some_and(u8::is_ascii_alphanumeric)
    };
    match rest.first().map(u8::to_ascii_lowercase) {
        Some(b'b') => ends(b"bot") || ends(b"bots"),
        Some(b'c') => starts(b"crawl") || ends(b"checker"),
        Some(b'f') => ends(b"fetcher"),
        Some(b's') => starts(b"spider") || starts(b"scrape"),
        _ => false,
    }
}

/// Returns the pattern that `rest` starts with. No pattern starts another, so there is one
/// candidate.
fn mark(rest: &[u8]) -> Option<&'static BotPattern> {
    let marks = match rest.first()?.to_ascii_lowercase() {
        digit @ b'0'..=b'9' => MARKS.get(usize::from(digit.wrapping_sub(b'0')))?,
        letter => MARKS.get(usize::from(letter.wrapping_sub(b'a')).saturating_add(10))?,
    };
    let after = marks.partition_point(|mark| compare(mark.text, rest) != Ordering::Greater);
    let mark = marks.get(after.checked_sub(1)?)?;
    let (start, next) = rest.split_at_checked(mark.text.len())?;
    // `SogouMSE` and `SogouMobileBrowser` are no `Sogou`.
    let ends = !mark.text.ends_with(|last: char| last.is_ascii_alphabetic())
        || !next.first().is_some_and(u8::is_ascii_alphabetic);
    (start.eq_ignore_ascii_case(mark.text.as_bytes()) && ends).then_some(mark)
}

/// Compares two texts, regardless of case.
fn compare(left: &str, right: &[u8]) -> Ordering {
    for (left, right) in left.bytes().zip(right) {
        let order = left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase());
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// Whether `text` starts with `start`, regardless of case.
fn starts_with(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

/// Returns the word at the start of `rest`, with its hyphens and dots.
fn name_at(rest: &[u8]) -> &str {
    let name = rest.split(|byte| !is_in_name(*byte)).next().unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default().trim_end_matches(['-', '_', '.'])
}

fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::browsers::PRODUCTS;
    use super::*;

    fn found(agent: &str) -> Option<(&'static str, Option<String>)> {
        bot(Some(agent), &ClientHints::default()).map(|bot| (bot.reason.as_str(), bot.name))
    }

    #[test]
    fn programs_are_found_by_their_names() {
        let cases = [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "search_engine",
                "Googlebot",
            ),
            (
                "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.126 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "search_engine",
                "Googlebot",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm) Chrome/116.0.1938.76 Safari/537.36",
                "search_engine",
                "bingbot",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                "ai_crawler",
                "GPTBot",
            ),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
                "ai_crawler",
                "ClaudeBot",
            ),
            (
                "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
                "link_preview",
                "facebookexternalhit",
            ),
            (
                "Mozilla/5.0 (compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
                "monitor",
                "UptimeRobot",
            ),
            ("curl/8.7.1", "http_library", "curl"),
            ("python-requests/2.32.3", "http_library", "python-requests"),
            ("Python/3.12 aiohttp/3.9.5", "http_library", "Python"),
            ("Go-http-client/2.0", "http_library", "Go-http-client"),
            ("axios/1.7.2", "http_library", "axios"),
            ("node", "http_library", "node"),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.6478.126 Safari/537.36",
                "headless",
                "HeadlessChrome",
            ),
            ("Mozilla/5.0 (compatible; NeverSeenBefore-Bot/1.0)", "crawler", "NeverSeenBefore-Bot"),
            (
                "Mozilla/5.0 (compatible; Fresh/0.1; +https://fresh.example/about)",
                "crawler",
                "Fresh",
            ),
        ];
        for (agent, reason, name) in cases {
            assert_eq!(found(agent), Some((reason, Some(name.to_owned()))), "{agent}");
        }
    }

    #[test]
    fn people_and_their_apps_are_not_bots() {
        for agent in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (Linux; Android 9; CUBOT NOTE 20) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
            "Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1; SV1; http://bsalsa.com)",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 [FBAN/FBIOS;FBAV/469.0.0.32.112]",
            "okhttp/4.12.0",
            "MyApp/7 CFNetwork/1496.0.7 Darwin/23.5.0",
            "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)",
        ] {
            assert_eq!(found(agent), None, "{agent}");
        }
    }

    #[test]
    fn a_device_may_have_the_name_of_a_program() {
        let systems =
            ["Linux; Android 13", "Linux; U; Android 4.0.3; fr-ca", "Linux; arm; Android 12"];
        let models = [
            "GOT-AL19",
            "GOT-W09",
            "GOT",
            "Ruby",
            "RUBY",
            "Forward Ruby",
            "Speedy",
            "curl",
            "Wget 7",
            "SMART_4G_Speedy_5inch",
            "C Bot Tab 70",
            "M_bot_tab_71",
            "M bot 51",
            "VR BOT 552 PLUS",
            "XBot_Senior",
            "Spider 8",
            "SpiderMan X",
            "CUBOT NOTE 20",
            "Crawler 4x4",
            "node",
            "Slurp S1",
            "Checker",
            "moto g(7) Bot",
        ];
        let engines =
            "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Mobile Safari/537.36";
        for (system, model) in systems.iter().flat_map(|s| models.iter().map(move |m| (s, m))) {
            for device in [
                (*model).to_owned(),
                format!("{model} Build/TP1A.220905.001"),
                format!("{model}; wv"),
            ] {
                let agent = format!("Mozilla/5.0 ({system}; {device}) {engines}");
                assert_eq!(found(&agent), None, "{agent}");
                let agent = format!("Dalvik/2.1.0 ({system}; {device})");
                assert_eq!(found(&agent), None, "{agent}");
            }
        }
        let agent = "Instagram 275.0.0.27.98 Android (33/13; 420dpi; 1080x2340; Spider; C Bot Tab 70; a53x; s5e8825; en_US; 458229258)";
        assert_eq!(found(agent), None);
    }

    #[test]
    fn an_android_that_is_a_program_is_found_by_the_rest() {
        let device = "Mozilla/5.0 (Linux; Android 13; GOT-AL19";
        let engines =
            "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/121.0.0.0 Mobile Safari/537.36";
        for (agent, reason) in [
            (
                format!(
                    "{device}) {engines} (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
                ),
                "search_engine",
            ),
            (format!("{device}; DuplexWeb-Google/1.0) {engines}"), "automation"),
            (format!("{device}; +http://fresh.example/) {engines}"), "crawler"),
            (format!("{device}) {engines} CloudflareObservatory/1.0"), "monitor"),
            (
                format!("Mozilla/5.0 (Linux; U; Android 4.0.2; en-us; Catchpoint) {engines}"),
                "monitor",
            ),
        ] {
            assert_eq!(found(&agent).map(|(reason, _)| reason), Some(reason), "{agent}");
        }
    }

    #[test]
    fn a_browser_may_begin_with_the_name_of_a_bot() {
        let chrome = "Mozilla/5.0 (Linux; Android 10; ZTE A2020 SP; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/68.0.3440.106 Mobile Safari/537.36";
        for name in [
            "AWP/2.0 SogouMSE,SogouMobileBrowser/6.5.11",
            "SogouSearch Android1.0 version3.0 AppVersion/7966 NoHead",
            "SogouExplorer/2.0",
            "WhatsAppElectron/1.0.3",
            "whatsapp-linux-app/1.0.0 Electron/28.1.4",
            "CocCoc/33.0",
            "Freespoke/2.0.0",
            "baiduboxapp/13.1",
            "YandexSearch/21.10",
            "DaumApps/4.6.5",
        ] {
            let agent = format!("{chrome} {name}");
            assert_eq!(found(&agent), None, "{agent}");
        }
        for (agent, reason) in [
            ("Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)", "crawler"),
            ("coccocbot-web/1.0 (+http://help.coccoc.com/searchengine)", "crawler"),
            ("WhatsApp/2.23.20.0", "link_preview"),
            ("Ruby", "http_library"),
            ("got (https://github.com/sindresorhus/got)", "http_library"),
            ("node-fetch/1.0 (+https://github.com/bitinn/node-fetch)", "http_library"),
        ] {
            assert_eq!(found(agent).map(|(reason, _)| reason), Some(reason), "{agent}");
        }
    }

    #[test]
    fn only_a_crawlers_own_address_gives_a_browser_away() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/127.0.0.0 Safari/537.36";
        for agent in [
            format!("{chrome} ||| Initiator: https://shop.example"),
            format!("{chrome} http://www.example.com/"),
            format!("{chrome} (https://shop.example/app)"),
            "Mozilla/5.0 (Windows; U; Windows NT 5.1; es-CO) AppleWebKit/527+ (KHTML, like Gecko) QtWeb Internet Browser/1.7 http://www.QtWeb.net".to_owned(),
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 https://app.example".to_owned(),
            "Mozilla/5.0 (X11; Linux x86_64; rv:128.0; http://distro.example) Gecko/20100101 Firefox/128.0".to_owned(),
            "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; http://bsalsa.com)".to_owned(),
            "Opera/9.80 (Windows NT 6.1; http://toolbar.example) Presto/2.12 Version/12.16".to_owned(),
            "Overcast/3.0 (+http://overcast.fm/; iOS podcast app)".to_owned(),
            "Podbean/Android App 8.3.2 (http://podbean.com)".to_owned(),
        ] {
            assert_eq!(found(&agent), None, "{agent}");
        }
        for agent in [
            format!("{chrome} (compatible; Fresh/0.1; +https://fresh.example/about)"),
            format!("{chrome} +http://fresh.example/"),
            "Fresh/0.1 (https://fresh.example/about)".to_owned(),
            "Fresh/0.1 (Linux; https://fresh.example/about)".to_owned(),
            "Mozilla/5.0 (compatible; Fresh/0.1; https://fresh.example/about)".to_owned(),
            "Mozilla/5.0 (https://fresh.example/about)".to_owned(),
        ] {
            assert_eq!(found(&agent).map(|(reason, _)| reason), Some("crawler"), "{agent}");
        }
    }

    #[test]
    fn monitors_and_test_drivers_are_labelled() {
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.106";
        for (agent, reason) in [
            (format!("{chrome} Cypress/13.6.0 Electron/25.8.4 Safari/537.36"), "automation"),
            (format!("{chrome} Safari/537.36 SyntheticsAgent/1670084315573"), "monitor"),
            (format!("{chrome} Safari/537.36 DatadogSynthetics"), "monitor"),
            (format!("{chrome} Safari/537.36 CloudflareObservatory/1.0"), "monitor"),
            (format!("{chrome} Safari/537.36 TestCafe/3.5"), "automation"),
            ("Mozilla/5.0 (X11; Linux x86_64; Rigor) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/80.0.3987.106 Safari/537.36".to_owned(), "monitor"),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:45.0; Rigor) Gecko/20100101 Firefox/45.0".to_owned(), "monitor"),
            ("Mozilla/5.0 (Windows NT 6.1; WOW64; rv:38.0; GomezAgent 3.0) Gecko/20100101 Firefox/38.0".to_owned(), "monitor"),
            ("Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko; Google Search Console) Chrome/41.0.2272.118 Safari/537.36".to_owned(), "monitor"),
            ("Cloudinary/1.0".to_owned(), "link_preview"),
        ] {
            assert_eq!(found(&agent).map(|(reason, _)| reason), Some(reason), "{agent}");
        }
    }

    #[test]
    fn an_absent_agent_is_not_a_browser() {
        let hints = ClientHints::default();
        let silent = Some(Bot { reason: BotReason::NoUserAgent, name: None });
        assert_eq!(bot(None, &hints), silent);
        assert_eq!(bot(Some(" "), &hints), silent);
    }

    #[test]
    fn a_hidden_window_shows_in_the_hints() {
        let agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
        let ua = Some(r#""HeadlessChrome";v="126", "Chromium";v="126""#.to_owned());
        let found = bot(Some(agent), &ClientHints { ua, ..ClientHints::default() });
        assert_eq!(found.map(|bot| bot.reason), Some(BotReason::Headless));
    }

    #[test]
    fn the_tables_are_as_the_lookups_need_them() {
        assert_eq!(MARKS.len(), 36);
        for (marks, first) in MARKS.iter().zip(('0'..='9').chain('a'..='z')) {
            assert!(marks.iter().all(|mark| mark.text.to_ascii_lowercase().starts_with(first)));
        }
        for pair in MARKS.iter().flat_map(|marks| marks.windows(2)) {
            let [left, right] = [pair[0].text, pair[1].text].map(str::to_ascii_lowercase);
            assert!(left < right && !right.starts_with(&left), "{left} {right}");
        }
        for pair in PRODUCTS.windows(2) {
            assert!(pair[0].token < pair[1].token, "{}", pair[1].token);
        }
        for product in PRODUCTS {
            assert!(!product.token.bytes().any(|byte| byte.is_ascii_uppercase()));
        }
    }

    proptest! {
        #[test]
        fn any_agent_has_a_short_name(agent in ".*|([A-Za-z+/. -]{0,90}(bot|curl/|http://).{0,90}){1,20}") {
            let found = bot(Some(&agent), &ClientHints::default());
            let name = found.and_then(|bot| bot.name);
            prop_assert!(name.is_none_or(|name| !name.is_empty() && name.len() <= MAX_NAME_BYTES));
        }
    }
}
