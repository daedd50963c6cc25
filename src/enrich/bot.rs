//! Whether a program, not a person, sent a beacon, told from what it says of itself.
//!
//! Known names come from a generated table; besides these a word that ends in `bot`,
//! `crawler` or `spider`, and an address to write to (`+http://…`), give a program away.
//! An ordinary browser must never be taken for one: a miss is the lesser harm. What
//! phone apps send with by default (okhttp, CFNetwork, Dalvik) is therefore no bot.

use std::cmp::Ordering;

use serde::Serialize;

use super::tables::bots::MARKS;
use super::user_agent::{cut, hints};
use crate::context::ClientHints;

/// The most bytes of a name that is told.
const MAX_NAME_BYTES: usize = 64;

/// A program that called itself one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bot {
    /// What kind of program.
    pub reason: Reason,
    /// Its name, as it spells it, up to 64 bytes.
    pub name: Option<String>,
}

impl Bot {
    fn named(reason: Reason, name: &str) -> Self {
        let name = cut(name, MAX_NAME_BYTES);
        Self { reason, name: (!name.is_empty()).then(|| name.to_owned()) }
    }
}

/// The kinds of program, as a query groups by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Fetches pages for a model or an assistant.
    AiCrawler,
    /// Keeps copies of pages.
    Archiver,
    /// A browser driven by a program that says so.
    Automation,
    /// Any other program that fetches pages.
    Crawler,
    /// Fetches feeds.
    FeedReader,
    /// A browser without a window.
    Headless,
    /// A client library or a command; also what a server that sends beacons itself uses.
    HttpLibrary,
    /// Fetches a page to show a card of it in a chat or a network.
    LinkPreview,
    /// Looks whether a site is up, or how fast.
    Monitor,
    /// There was no `User-Agent`, or an empty one.
    NoUserAgent,
    /// Looks for weaknesses or makes surveys.
    Scanner,
    /// Fetches pages for a search engine.
    SearchEngine,
}

impl Reason {
    /// The word that stands in a record.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AiCrawler => "ai_crawler",
            Self::Archiver => "archiver",
            Self::Automation => "automation",
            Self::Crawler => "crawler",
            Self::FeedReader => "feed_reader",
            Self::Headless => "headless",
            Self::HttpLibrary => "http_library",
            Self::LinkPreview => "link_preview",
            Self::Monitor => "monitor",
            Self::NoUserAgent => "no_user_agent",
            Self::Scanner => "scanner",
            Self::SearchEngine => "search_engine",
        }
    }
}

/// A name that programs bear at the start of a word, whatever its case.
pub(super) struct Mark {
    pub text: &'static str,
    pub reason: Reason,
}

/// The program that sent a request with this `User-Agent` and these hints, if it was one.
///
/// Only the first 1,024 bytes of the agent are looked at.
pub fn bot(user_agent: Option<&str>, hints: &ClientHints) -> Option<Bot> {
    let agent = cut(user_agent.unwrap_or_default().trim(), super::user_agent::MAX_AGENT_BYTES);
    if agent.is_empty() {
        return Some(Bot { reason: Reason::NoUserAgent, name: None });
    }
    in_agent(agent).or_else(|| {
        let mut names = hints::brands(hints.ua.as_deref()).map(|brand| brand.name);
        let name = names.find(|name| name.starts_with("Headless"))?;
        Some(Bot::named(Reason::Headless, name))
    })
}

/// The first known name wins; then the first word that only a crawler would bear, or the
/// product before the first address. Toolbars put addresses into old Internet Explorers.
fn in_agent(agent: &str) -> Option<Bot> {
    let mut crawler = None;
    let mut product = None;
    let mut before = b' ';
    for (at, byte) in agent.bytes().enumerate() {
        let starts_word = byte.is_ascii_alphanumeric() && !before.is_ascii_alphanumeric();
        before = byte;
        let Some(rest) = agent.get(at..).filter(|_| starts_word) else { continue };
        if let Some(mark) = mark(rest) {
            return Some(Bot::named(mark.reason, name_at(rest)));
        }
        if crawler.is_some() {
            continue;
        }
        let name = name_at(rest);
        let after = rest.get(name.len()..).unwrap_or_default();
        if is_crawlers(name) {
            crawler = Some(name);
        } else if matches!(name, "http" | "https")
            && after.starts_with("://")
            && !agent.contains("MSIE")
        {
            crawler = Some(product.unwrap_or_default());
        } else if after.starts_with('/') {
            product = Some(name);
        }
    }
    crawler.map(|name| Bot::named(Reason::Crawler, name))
}

/// The mark that `rest` starts with. None is the start of another, so there is one candidate.
fn mark(rest: &str) -> Option<&'static Mark> {
    let after = MARKS.partition_point(|mark| compare(mark.text, rest) != Ordering::Greater);
    let mark = MARKS.get(after.checked_sub(1)?)?;
    let (start, next) = rest.as_bytes().split_at_checked(mark.text.len())?;
    let ends = !mark.text.ends_with(|last: char| last.is_ascii_alphabetic())
        || !next.first().is_some_and(u8::is_ascii_lowercase);
    (start.eq_ignore_ascii_case(mark.text.as_bytes()) && ends).then_some(mark)
}

/// The order of two texts, whatever their case.
fn compare(left: &str, right: &str) -> Ordering {
    lower(left).cmp(lower(right))
}

fn lower(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

/// The word, hyphens and dots included, at the start of `rest`.
fn name_at(rest: &str) -> &str {
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = rest.split(|c| !in_name(c)).next().unwrap_or_default();
    name.trim_end_matches(['-', '_', '.'])
}

/// Whether this is a word that only crawlers bear. Cubot makes phones.
fn is_crawlers(name: &str) -> bool {
    let ends = |part: &str, end: &str| {
        contains(part.get(part.len().saturating_sub(end.len())..).unwrap_or_default(), end)
    };
    ["crawl", "spider", "scrape"].into_iter().any(|part| contains(name, part))
        || name.split(['-', '_', '.']).any(|part| {
            ["bot", "bots", "checker", "fetcher"].into_iter().any(|end| ends(part, end))
                && !ends(part, "cubot")
        })
}

/// Whether `part`, in lower case, stands in `text`, whatever its case.
fn contains(text: &str, part: &str) -> bool {
    text.as_bytes().windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}
