//! Derives where a visitor came from: the kind of site, its owner, and the search term.
//!
//! The kinds are those of Snowplow's referer-parser, so that its users find the same words, and one
//! more for assistants that answer with links. A host is looked up from its full name to its last
//! two labels; the longest that is known decides. An unknown site is reported as such, never
//! guessed.
//!
//! Source of the kinds: <https://github.com/snowplow-referer-parser/referer-parser#refererymls>.

use std::borrow::Cow;
use std::cmp::Ordering;

use table::{HOSTS, PATHS, SOURCES};

use super::tables::referrers as table;
use crate::base::url;
use crate::base::url::UrlParts;
use crate::pipeline::enrich::tables::entry::{Medium, Source};

/// Longer terms are cut.
const MAX_TERM_CHARS: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Referrer {
    pub medium: Medium,
    /// The site's owner, such as `Google`; absent if it is unknown or the operator.
    pub source: Option<&'static str>,
    /// The search term, up to 255 characters; most engines withhold it.
    pub term: Option<String>,
    /// The site's host in lower case, or an app's id; none if only the campaign shows the source.
    pub host: Option<String>,
}

/// Reads a referrer. It is internal if its host and the page's are equal, or if one is a subdomain
/// of the other. It is also internal if its host is within a domain in `internal`. Returns none
/// without a valid referrer.
pub fn referrer(
    referrer: Option<&str>,
    page_host: Option<&str>,
    internal: &[String],
) -> Option<Referrer> {
    let page = url::parse(referrer?)?;
    let host = &*page.host;
    let own = page_host.is_some_and(|own| is_within(host, own) || is_within(own, host))
        || internal.iter().any(|domain| is_within(host, &url::ascii(domain)));
    let known = match own {
        true => None,
        false => source(&page),
    };
    let medium = match (own, known) {
        (true, _) => Medium::Internal,
        (false, Some(source)) => source.medium,
        (false, None) => Medium::Unknown,
    };
    Some(Referrer {
        medium,
        source: known.map(|source| source.name),
        term: known.and_then(|source| term(source.parameters, &page)),
        host: Some(page.host.into_owned()),
    })
}

/// Derives the source of a visitor without a referrer from the campaign: assistants put their host
/// or their name into `utm_source`. Paid and mailed links are excluded: they may use such a name.
pub fn of_campaign(source: Option<&str>, medium: Option<&str>) -> Option<Referrer> {
    const PAID: [&str; 11] = [
        "affiliate",
        "banner",
        "cpc",
        "cpm",
        "display",
        "email",
        "e-mail",
        "influencer",
        "newsletter",
        "ppc",
        "sms",
    ];
    let medium = medium.unwrap_or_default().trim().to_ascii_lowercase();
    if PAID.contains(&&*medium) || medium.starts_with("paid") {
        return None;
    }
    let text = source?.trim().to_ascii_lowercase();
    let text = text.split_once("://").map_or(&*text, |(_, rest)| rest);
    let text = text.trim_end_matches('/');
    let (host, path) =
        text.find('/').and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    let host = bare(host);
    let letters = |text: &str| -> String {
        text.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
    };
    let of_ai = |source: &&'static Source| source.medium == Medium::Ai;
    let by_host = || SOURCES.get(usize::from(suffixes(host).find_map(|host| row(host, path))?));
    let by_name = || {
        let alias = AI_ALIASES.iter().find(|(alias, _)| *alias == host);
        let wanted = letters(alias.map_or(host, |(_, name)| name));
        SOURCES.iter().find(|source| of_ai(source) && letters(source.name) == wanted)
    };
    let known = by_host().filter(of_ai).or_else(by_name)?;
    Some(Referrer { medium: Medium::Ai, source: Some(known.name), term: None, host: None })
}

/// Names that assistants have or are given, with their names in the table.
const AI_ALIASES: [(&str, &str); 9] = [
    ("chat-gpt", "ChatGPT"),
    ("openai", "ChatGPT"),
    ("openai.com", "ChatGPT"),
    ("copilot.com", "Copilot"),
    ("bing-copilot", "Copilot"),
    ("microsoft-copilot", "Copilot"),
    ("mistral", "Le Chat"),
    ("mistral.ai", "Le Chat"),
    ("google-gemini", "Gemini"),
];

/// Whether `host` is `domain` or below it, regardless of case, `www.` and a final dot.
fn is_within(host: &str, domain: &str) -> bool {
    let (host, domain) = (bare(host), bare(domain));
    let Some(start) = host.len().checked_sub(domain.len()) else {
        return false;
    };
    let same = host.get(start..).is_some_and(|end| end.eq_ignore_ascii_case(domain));
    let at_a_label =
        start == 0 || start.checked_sub(1).and_then(|at| host.as_bytes().get(at)) == Some(&b'.');
    // A country's domain, or an empty name, belongs to no operator.
    same && at_a_label && !domain.is_empty() && (start == 0 || domain.contains('.'))
}

fn bare(host: &str) -> &str {
    let host = host.strip_suffix('.').unwrap_or(host);
    match host.split_at_checked(4) {
        Some((www, rest)) if www.eq_ignore_ascii_case("www.") => rest,
        _ => host,
    }
}

fn source(page: &UrlParts<'_>) -> Option<&'static Source> {
    let host = bare(&page.host);
    let number = match &*page.scheme {
        "http" | "https" => suffixes(host).find_map(|suffix| row(suffix, page.path)),
        // An app's id is reversed: its end says nothing.
        _ => exact(host),
    };
    SOURCES.get(usize::from(number?))
}

/// Returns `host`, then `host` without its first label, its first two, and so on.
fn suffixes(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(host), |host| host.split_once('.').map(|(_, rest)| rest))
        .take_while(|suffix| suffix.contains('.'))
}

/// Returns the row of exactly this host, or of its form for all countries.
fn row(host: &str, path: &str) -> Option<u16> {
    let stem = stem(host);
    let is_here = |known: &str| {
        known == host || stem.is_some_and(|stem| known.strip_suffix('*') == Some(stem))
    };
    let by_path = PATHS.iter().find(|(known, start, _)| path.starts_with(start) && is_here(known));
    by_path.map(|(_, _, number)| *number).or_else(|| exact(host)).or_else(|| {
        let stem = stem?;
        number(|known| {
            let known = known.as_bytes();
            let (start, rest) = known.split_at_checked(stem.len()).unwrap_or((known, &[]));
            start.cmp(stem.as_bytes()).then_with(|| rest.cmp(b"*"))
        })
    })
}

fn exact(host: &str) -> Option<u16> {
    number(|known| known.cmp(host))
}

fn number(order: impl Fn(&str) -> Ordering) -> Option<u16> {
    let position = HOSTS.binary_search_by(|(known, _)| order(known)).ok()?;
    HOSTS.get(position).map(|(_, number)| *number)
}

/// Returns `google.` for `google.ch`, `google.com` and `google.co.uk`; none for other endings.
fn stem(host: &str) -> Option<&str> {
    let is_country = |label: &str| {
        matches!(label, "com" | "cat")
            || (label.len() == 2 && label.bytes().all(|byte| byte.is_ascii_alphabetic()))
    };
    let (rest, last) = host.rsplit_once('.')?;
    if !is_country(last) {
        return None;
    }
    let rest = match rest.rsplit_once('.') {
        Some((rest, "com" | "co" | "org" | "net" | "ne" | "or" | "it" | "edu")) => rest,
        _ => rest,
    };
    host.get(..rest.len().saturating_add(1))
}

/// Returns the first of `parameters` that has a value in the query or, for engines that are one
/// page, in the fragment.
fn term(parameters: &[&str], page: &UrlParts<'_>) -> Option<String> {
    let value = |text: &str, parameter: &str| -> Option<String> {
        form_urlencoded::parse(text.as_bytes())
            .find(|(name, value)| name == parameter && !value.trim().is_empty())
            .map(|(_, value)| cut(value))
    };
    let texts = [page.query, page.fragment];
    parameters
        .iter()
        .find_map(|parameter| texts.into_iter().flatten().find_map(|text| value(text, parameter)))
}

fn cut(value: Cow<'_, str>) -> String {
    value.trim().chars().take(MAX_TERM_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(url: &str) -> (Medium, Option<&'static str>, Option<String>) {
        let found = referrer(Some(url), Some("shop.example"), &["sister.example".to_owned()]);
        let Referrer { medium, source, term, .. } = found.unwrap();
        (medium, source, term)
    }

    #[test]
    fn sites_are_found_by_their_host() {
        use Medium::*;
        let cases = [
            ("https://www.google.com/", Search, Some("Google"), None),
            ("https://ya.ru/", Search, Some("Yandex"), None),
            ("https://yandex.com.tr/search/?text=x", Search, Some("Yandex"), Some("x")),
            ("https://yandex.kz/", Search, Some("Yandex"), None),
            ("https://m.yandex.uz/", Search, Some("Yandex"), None),
            ("https://www.yandex.com/", Search, Some("Yandex"), None),
            ("https://yandex.co.il/images", Search, Some("Yandex"), None),
            ("https://images.yandex.fr/", Search, Some("Yandex Images"), None),
            ("https://mail.yandex.uz/", Email, Some("Yandex"), None),
            ("https://maps.yandex.uz/", Unknown, Some("Yandex Maps"), None),
            ("https://www.sogou.com/web?query=x", Search, Some("Sogou"), Some("x")),
            ("https://m.sogou.com/", Search, Some("Sogou"), None),
            ("https://www.baidu.co.th/", Search, Some("Baidu"), None),
            ("https://www.baidu.jp/s?wd=x", Search, Some("Baidu"), Some("x")),
            ("https://yep.com/web?q=x", Search, Some("Yep"), Some("x")),
            ("https://www.bilibili.com/video/x", Social, Some("bilibili"), None),
            ("https://discord.gg/x", Social, Some("Discord"), None),
            ("https://soundcloud.com/x", Social, Some("SoundCloud"), None),
            ("https://mp.weixin.qq.com/s/x", Social, Some("WeChat"), None),
            ("https://chaos.social/@x", Social, Some("Mastodon"), None),
            ("https://www.seznam.cz/", Search, Some("Seznam"), None),
            ("https://search.seznam.cz/?q=x", Search, Some("Seznam"), Some("x")),
            ("https://email.seznam.cz/", Email, Some("Seznam Mail"), None),
            ("https://www.naver.com/", Search, Some("Naver"), None),
            ("https://m.naver.com/", Search, Some("Naver"), None),
            ("https://m.search.naver.com/search.naver?query=x", Search, Some("Naver"), Some("x")),
            ("https://blog.naver.com/x", Social, Some("Naver Blog"), None),
            ("https://n.news.naver.com/x", Unknown, Some("Naver"), None),
            ("https://www.daum.net/", Search, Some("Daum"), None),
            ("https://m.daum.net/", Search, Some("Daum"), None),
            ("https://cafe.daum.net/x", Social, Some("Daum Cafe"), None),
            ("https://www.rambler.ru/", Search, Some("Rambler"), None),
            ("https://nova.rambler.ru/search?query=x", Search, Some("Rambler"), Some("x")),
            ("https://news.rambler.ru/x", Unknown, Some("Rambler"), None),
            ("https://vk.ru/x", Social, Some("Vkontakte"), None),
            ("https://m.vk.ru/", Social, Some("Vkontakte"), None),
            ("https://dzen.ru/a/x", Social, Some("Dzen"), None),
            ("https://www.nate.com/", Search, Some("Nate"), None),
            ("https://m.weibo.cn/x", Social, Some("Weibo"), None),
            ("https://www.xiaohongshu.com/x", Social, Some("Xiaohongshu"), None),
            ("https://tieba.baidu.com/p/1", Social, Some("Baidu Tieba"), None),
            (
                "https://www.google.ch/search?q=blue+shoes",
                Search,
                Some("Google"),
                Some("blue shoes"),
            ),
            ("https://google.com.au/?q=%C3%A4", Search, Some("Google"), Some("ä")),
            ("https://www.google.co.uk/imgres?q=x", Search, Some("Google Images"), Some("x")),
            ("https://images.google.de/", Search, Some("Google Images"), None),
            ("https://mail.google.com/mail/u/0/", Email, Some("Gmail"), None),
            ("https://docs.google.com/document", Unknown, Some("Google"), None),
            ("https://gemini.google.com/app", Ai, Some("Gemini"), None),
            ("https://chatgpt.com/", Ai, Some("ChatGPT"), None),
            ("https://www.perplexity.ai/search?q=x", Ai, Some("Perplexity"), Some("x")),
            ("https://copilot.microsoft.com/", Ai, Some("Copilot"), None),
            ("https://www.bing.com/chat?q=x", Ai, Some("Copilot"), Some("x")),
            ("https://www.bing.com/search?q=&Q=y", Search, Some("Bing"), Some("y")),
            ("https://kagi.com/search?q=x", Search, Some("Kagi"), Some("x")),
            ("https://duckduckgo.com/", Search, Some("DuckDuckGo"), None),
            ("https://x.com/a", Social, Some("Twitter"), None),
            ("https://x.com/i/grok?q=x", Ai, Some("Grok"), Some("x")),
            ("https://l.instagram.com/?u=x", Social, Some("Instagram"), None),
            ("https://old.reddit.com/r/rust", Social, Some("Reddit"), None),
            ("https://www.pinterest.co.uk/pin", Social, Some("Pinterest"), None),
            ("https://bsky.app/", Social, Some("Bluesky"), None),
            ("https://ad.doubleclick.net/x", Paid, Some("Doubleclick"), None),
            ("android-app://com.google.android.gm/", Email, Some("Gmail"), None),
            ("android-app://com.slack", Social, Some("Slack"), None),
            ("android-app://example.google.com/", Unknown, None, None),
            ("https://notgoogle.com/", Unknown, None, None),
            ("https://google.com.evil.example/", Unknown, None, None),
            ("https://google.evil/", Unknown, None, None),
            ("https://bucket.s3.amazonaws.com/", Unknown, None, None),
            ("https://127.0.0.1/", Unknown, None, None),
            ("https://shop.example/a?q=x", Internal, None, None),
            ("https://WWW.shop.example:8443/", Internal, None, None),
            ("https://blog.shop.example/", Internal, None, None),
            ("https://pay.sister.example/", Internal, None, None),
            ("https://myshop.example/", Unknown, None, None),
        ];
        for (url, medium, source, term) in cases {
            assert_eq!(found(url), (medium, source, term.map(str::to_owned)), "{url}");
        }
    }

    #[test]
    fn a_subdomain_of_the_page_is_an_internal_referrer() {
        let medium = |from: &str, page: &str| {
            referrer(Some(from), Some(page), &[]).map(|found| found.medium)
        };
        let cases = [
            ("https://shop.example/", "checkout.shop.example", Medium::Internal),
            ("https://shop.example./", "www.shop.example", Medium::Internal),
            ("http://localhost:3000/", "localhost", Medium::Internal),
            ("https://example/", "shop.example", Medium::Unknown),
            ("https://a.co.uk/", "b.co.uk", Medium::Unknown),
            ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", Medium::Internal),
            ("https://BÜCHER.example/", "xn--bcher-kva.example", Medium::Internal),
            ("https://laden.bücher.example/", "xn--bcher-kva.example", Medium::Internal),
            ("https://bu\u{308}cher.example/", "xn--bcher-kva.example", Medium::Internal),
            ("https://b%C3%BCcher.example/", "xn--bcher-kva.example", Medium::Internal),
            ("https://www.google.com/", "mail.google.com", Medium::Internal),
        ];
        for (from, page, expected) in cases {
            assert_eq!(medium(from, page), Some(expected), "{from} {page}");
        }
        let all = referrer(Some("https://a.example/"), None, &[String::new(), "www.".to_owned()]);
        assert_eq!(all.unwrap().medium, Medium::Unknown);
    }

    #[test]
    fn an_assistant_names_itself_as_the_campaigns_source() {
        let found = |source: &str, medium: &str| {
            let medium = Some(medium).filter(|medium| !medium.is_empty());
            of_campaign(Some(source), medium).map(|found| (found.medium, found.source.unwrap()))
        };
        for (source, name) in [
            ("chatgpt.com", "ChatGPT"),
            ("ChatGPT", "ChatGPT"),
            ("chat.openai.com", "ChatGPT"),
            ("https://chatgpt.com/", "ChatGPT"),
            ("openai", "ChatGPT"),
            ("perplexity", "Perplexity"),
            ("perplexity.ai", "Perplexity"),
            ("www.perplexity.ai", "Perplexity"),
            ("copilot.com", "Copilot"),
            ("copilot", "Copilot"),
            ("gemini", "Gemini"),
            ("gemini.google.com", "Gemini"),
            ("claude.ai", "Claude"),
            ("Claude", "Claude"),
            ("deepseek", "DeepSeek"),
            ("grok.com", "Grok"),
            ("le_chat", "Le Chat"),
            ("meta.ai", "Meta AI"),
            ("you.com", "You.com"),
        ] {
            for medium in ["", "referral", "ai"] {
                assert_eq!(found(source, medium), Some((Medium::Ai, name)), "{source} {medium}");
            }
            for medium in ["cpc", "Email", "paid_social", "newsletter"] {
                assert_eq!(found(source, medium), None, "{source} {medium}");
            }
        }
        for source in [
            "",
            "google",
            "google.com",
            "news",
            "facebook.com",
            "chatgpt.evil",
            "notchatgpt",
            "ai",
            "/",
        ] {
            assert_eq!(found(source, ""), None, "{source}");
        }
        assert_eq!(of_campaign(None, None), None);
    }

    #[test]
    fn an_invalid_address_has_no_referrer() {
        for url in [None, Some(""), Some("shop.example"), Some("about:blank"), Some("https://")] {
            assert_eq!(referrer(url, None, &[]), None);
        }
    }

    #[test]
    fn the_tables_are_in_order_and_count_right() {
        assert!(HOSTS.is_sorted_by(|(before, _), (after, _)| before < after));
        for number in HOSTS.iter().map(|(_, n)| n).chain(PATHS.iter().map(|(_, _, n)| n)) {
            assert!(usize::from(*number) < SOURCES.len());
        }
        for (host, ..) in PATHS {
            assert!(!host.starts_with("www."), "{host}");
        }
    }

    proptest! {
            #[test]
            fn any_text_is_read_within_the_limits(
                url in "(https?://(www\\.)?(google|yahoo|a)\\.[a-z.]{0,8}[/?#](q|p)=)?.{0,400}",
                page in "[a-zA-Z.ä]{0,12}",
            ) {
                if let Some(found) = referrer(Some(&url), Some(&page), std::slice::from_ref(&page)) {
    let chars = found.term.map(|term| term.chars().count());
                    prop_assert!(chars.is_none_or(|chars| (1..=MAX_TERM_CHARS).contains(&chars)));
                }
            }
        }
}
