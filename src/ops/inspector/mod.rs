//! The inspector: what became of the last beacons, told while they pass. For development and
//! staging; where the operator sets no token there is none.
//!
//! A request's [`Watch`](crate::ingest::trace::RequestTrace) remembers what came and what was sent, and [`entry`] makes an entry of each
//! beacon; the [`buffer`], in an object of its own, keeps the last of them and answers who asks,
//! within a [`filter`]; its [`rows`] outlast the object. What it knows began with an epoch, which
//! each answer names: who asks about one gets an answer about that one, or none. A story holds no more than what is delivered: what privacy leaves out of
//! an event and of a failed event is left out of it, too.

pub mod buffer;
pub mod entry;
pub mod filter;
pub mod rows;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::clock::Milliseconds;
use crate::model::outcome::Outcome;
pub use buffer::EntryBuffer;
pub use entry::RequestInfo;
pub use filter::Filter;
pub use rows::InspectorRows;

/// What the inspector is told of one request.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct InspectorReport {
    /// All of its beacons; one for the request itself where it was refused before they were read.
    pub counts: Vec<OutcomeCount>,
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
pub struct OutcomeCount {
    /// Where they went, as far as they went anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    /// How they ended.
    pub outcome: OutcomeKind,
    /// How many.
    pub count: u64,
}

/// How a beacon ended, or its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
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

impl OutcomeKind {
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

impl From<&Outcome> for OutcomeKind {
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
fn add(counts: &mut Vec<OutcomeCount>, count: &OutcomeCount) {
    let of_its_kind =
        |other: &&mut OutcomeCount| other.outcome == count.outcome && other.stream == count.stream;
    match counts.iter_mut().find(of_its_kind) {
        Some(known) => known.count = known.count.saturating_add(count.count),
        None => counts.push(count.clone()),
    }
}
