//! The inspector: what became of the last beacons, told while they pass. For development and
//! staging; where the operator sets no token there is none.
//!
//! A request's [`Watch`] remembers what came and what was sent, and makes a [`story`] of each
//! beacon; the [`ring`], in an object of its own, keeps the last of them and answers who asks,
//! within a [`filter`]; its [`rows`] outlast the object. What it knows began with an epoch, which
//! each answer names: who asks about one gets an answer about that one, or none. A story holds no more than what is delivered: what privacy leaves out of
//! an event and of a failed event is left out of it, too.

pub mod filter;
pub mod ring;
pub mod rows;
pub mod story;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::clock::Milliseconds;
use crate::outcome::Outcome;
pub use filter::Filter;
pub use ring::Ring;
pub use rows::Rows;
pub use story::{About, Watch};

/// Below this is all that the inspector serves.
pub const ROOT: &str = "/_/inspect";

/// What is asked of the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked<'a> {
    /// Its page.
    Page,
    /// A file of its page, by its name.
    File(&'a str),
    /// What it was told, as JSON.
    Api(Api),
}

/// What is answered in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// How many beacons ended in which way.
    All,
    /// The stories of those that were accepted, were duplicates or were dropped.
    Good,
    /// The stories of those that failed, or were refused.
    Bad,
    /// All that is new, and how many there were in each of the last seconds.
    Live,
    /// Forgets everything, and begins an epoch.
    Reset,
}

impl<'a> Asked<'a> {
    /// What `path` asks, if it is an address of the inspector's.
    pub fn of(path: &'a str) -> Option<Self> {
        let name = match path.strip_prefix(ROOT)? {
            "" => return Some(Self::Page),
            below => below.strip_prefix('/')?,
        };
        if let Some(api) = Api::of(name) {
            return Some(Self::Api(api));
        }
        let (stem, extension) = name.rsplit_once('.')?;
        let is_plain = !stem.is_empty() && stem.bytes().all(|byte| byte.is_ascii_lowercase());
        (is_plain && matches!(extension, "js" | "css")).then_some(Self::File(name))
    }
}

impl Api {
    /// What `name` asks.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "good" => Some(Self::Good),
            "bad" => Some(Self::Bad),
            "live" => Some(Self::Live),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }

    /// Its name in an address.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Live => "live",
            Self::Reset => "reset",
        }
    }
}

/// What the inspector is told of one request.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// All of its beacons; one for the request itself where it was refused before they were read.
    pub counts: Vec<Count>,
    /// The stories of the first of them, each a JSON object.
    pub stories: Vec<Box<RawValue>>,
    /// The requests before it that the inspector may know nothing of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<Untold>,
}

/// Requests that the inspector may know nothing of, since it did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// How many.
    pub requests: u64,
    /// When the last of them came.
    pub last_at: Milliseconds,
}

/// The client's: a question about an epoch that can't be answered with certainty. What is
/// answered all the same would let a check pass that has seen nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{message}")]
pub struct Unproven {
    /// The reason in one word.
    pub doubt: Doubt,
    message: String,
}

/// Why a question about an epoch can't be answered with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Another one has begun since.
    EpochGone,
    /// No beacon came since it began.
    NothingCame,
    /// Some of its stories are not kept.
    StoriesMissing,
}

impl Doubt {
    /// The doubt in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EpochGone => "epoch_gone",
            Self::NothingCame => "nothing_came",
            Self::StoriesMissing => "stories_missing",
        }
    }
}

/// What the inspector's object answers, before its JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Preface {
    /// The epoch that it has.
    pub epoch: String,
    /// How many stories of the kinds that were asked for are not kept.
    pub missing: u64,
    /// Why it answers nothing else, where it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Unproven>,
}

/// How many beacons ended in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Where they went, as far as they went anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// How they ended.
    pub outcome: Ending,
    /// How many.
    pub count: u64,
}

/// How a beacon ended, or its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It is durable.
    Accepted,
    /// It came before.
    Duplicate,
    /// It is nowhere, on purpose.
    Dropped,
    /// It is a failed event.
    Failed,
    /// Its request was refused, and the client has it.
    Refused,
}

impl Ending {
    /// The ending in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::Refused => "refused",
        }
    }

    /// Whether nothing has to be mended.
    pub const fn is_good(self) -> bool {
        match self {
            Self::Accepted | Self::Duplicate | Self::Dropped => true,
            Self::Failed | Self::Refused => false,
        }
    }
}

impl From<&Outcome> for Ending {
    fn from(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted(_) => Self::Accepted,
            Outcome::Failed(_) => Self::Failed,
            Outcome::Duplicate => Self::Duplicate,
            Outcome::Dropped(_) => Self::Dropped,
        }
    }
}

/// Adds `count` to `counts`.
fn add(counts: &mut Vec<Count>, count: &Count) {
    let of_its_kind =
        |other: &&mut Count| other.outcome == count.outcome && other.stream == count.stream;
    match counts.iter_mut().find(of_its_kind) {
        Some(known) => known.count = known.count.saturating_add(count.count),
        None => counts.push(count.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_below_the_inspector_asks_for_one_thing_or_none() {
        for (path, asked) in [
            ("/_/inspect", Some(Asked::Page)),
            ("/_/inspect/all", Some(Asked::Api(Api::All))),
            ("/_/inspect/reset", Some(Asked::Api(Api::Reset))),
            ("/_/inspect/page.js", Some(Asked::File("page.js"))),
            ("/_/inspect/inspect.css", Some(Asked::File("inspect.css"))),
            ("/_/inspect/", None),
            ("/_/inspect/all/", None),
            ("/_/inspect/.js", None),
            ("/_/inspect/../t.js", None),
            ("/_/inspect/index.html", None),
            ("/_/inspector", None),
            ("/_/", None),
        ] {
            assert_eq!(Asked::of(path), asked, "{path}");
        }
    }

    #[test]
    fn each_question_is_asked_by_its_name() {
        for api in [Api::All, Api::Good, Api::Bad, Api::Live, Api::Reset] {
            assert_eq!(Api::of(api.name()), Some(api));
        }
    }
}
