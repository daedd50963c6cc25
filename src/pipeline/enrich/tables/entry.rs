//! The types of the tables' entries: sites, programs and browsers.

use serde::Serialize;

/// The kind of site that a visitor came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Medium {
    /// An assistant that answers with links.
    Ai,
    /// A webmail service.
    Email,
    /// The operator's own site.
    Internal,
    /// An advertising network.
    Paid,
    Search,
    Social,
    /// None of the known kinds.
    Unknown,
}

/// An owner of sites.
pub struct Source {
    pub medium: Medium,
    pub name: &'static str,
    /// The parameters that carry the search term; the first that has one counts.
    pub parameters: &'static [&'static str],
}

/// The kinds of program, by which queries group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BotReason {
    /// Fetches pages for a model or an assistant.
    AiCrawler,
    /// Keeps copies of pages.
    Archiver,
    /// A browser that a program controls, and that says so.
    Automation,
    /// Any other program that fetches pages.
    Crawler,
    FeedReader,
    /// A browser without a window.
    Headless,
    /// A client library or a command. Servers that send beacons use these too.
    HttpLibrary,
    /// Fetches a page to preview it in a chat or a social network.
    LinkPreview,
    /// Checks whether a site is up, or how fast it is.
    Monitor,
    /// No `User-Agent`, or an empty one.
    NoUserAgent,
    /// Searches for weaknesses, or makes surveys.
    Scanner,
    /// Fetches pages for a search engine.
    SearchEngine,
}

impl BotReason {
    /// Returns the word that records use.
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

/// A name that programs have at the start of a word, in any case.
pub struct BotPattern {
    pub text: &'static str,
    pub reason: BotReason,
}

/// A product token that identifies a browser.
pub struct Product {
    /// In lower case.
    pub token: &'static str,
    pub name: &'static str,
    /// The lowest rank in an agent wins.
    pub rank: u8,
}
