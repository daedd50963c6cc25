//! What the tables have of a thing: a site, a program, a browser.

use serde::Serialize;

/// The kind of site that a visitor came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// An assistant that answers with links.
    Ai,
    /// A webmail.
    Email,
    /// The operator's own site.
    Internal,
    /// A network of advertisements.
    Paid,
    /// A search engine.
    Search,
    /// A social network.
    Social,
    /// None of these, as far as is known.
    Unknown,
}

/// Who runs sites, in the table.
pub struct Source {
    /// Its kind.
    pub medium: Medium,
    /// What it is called.
    pub name: &'static str,
    /// Which parameters carry the term; the first that has one counts.
    pub parameters: &'static [&'static str],
}

/// The kinds of program, as a query groups by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BotReason {
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

impl BotReason {
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
pub struct BotPattern {
    pub text: &'static str,
    pub reason: BotReason,
}

/// A product token that stands for a browser.
pub struct Product {
    /// The token, in lower case.
    pub token: &'static str,
    /// The browser that bears it.
    pub name: &'static str,
    /// The least of an agent's ranks wins.
    pub rank: u8,
}
