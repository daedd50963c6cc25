//! The inspector: shows what happened to the last beacons, for development and staging. It exists
//! only if the operator sets its token.
//!
//! A [`RequestTrace`](crate::ingest::trace::RequestTrace) records what a request received and sent,
//! and [`entry`] makes an entry of each beacon. The [`buffer`], in an object of its own, keeps the
//! last entries and answers queries with a [`filter`]; its [`rows`] outlast the object. Each answer
//! names the epoch that its counts began with. A query about an epoch gets an answer about that
//! one, or none. An entry contains no more than is delivered: privacy removes the same from it as
//! from events and failed events.

pub mod buffer;
pub mod entry;
pub mod filter;
pub mod rows;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::base::clock::Milliseconds;
use crate::base::json::from_json::from_json;
use crate::model::outcome::OutcomeKind;
pub use buffer::EntryBuffer;
pub use entry::RequestInfo;
pub use filter::Filter;
pub use rows::InspectorRows;

/// The report of one request to the inspector.
#[derive(Debug, Default, Serialize)]
pub struct InspectorReport {
    /// The outcomes of all its beacons; a single one if the request was rejected before they were
    /// read.
    pub counts: Vec<OutcomeCount>,
    /// The entries of its first beacons, each a JSON object.
    pub entries: Vec<Box<RawValue>>,
    /// Earlier requests that the inspector may not know of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_kept: Option<Unreported>,
}

/// Requests that the inspector may not know of, because it did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Unreported {
    pub requests: u64,
    /// When the last of them arrived.
    pub last_at: Milliseconds,
}

/// A query about an epoch that can't be answered with certainty; the client's error. Any other
/// answer would let a check pass that has seen nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize)]
#[error("{message}")]
pub struct Unproven {
    pub doubt: Doubt,
    message: String,
}

/// Why a query about an epoch can't be answered with certainty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Another epoch has begun since.
    EpochGone,
    /// No beacon arrived since it began.
    NothingCame,
    /// Some of its entries are not kept.
    EntriesMissing,
}

impl Doubt {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EpochGone => "epoch_gone",
            Self::NothingCame => "nothing_came",
            Self::EntriesMissing => "entries_missing",
        }
    }
}

/// The first line of the object's answer, before its JSON.
#[derive(Debug, Serialize)]
pub struct Preface {
    /// The current epoch.
    pub epoch: String,
    /// How many entries of the requested kinds are not kept.
    pub missing: u64,
    /// Why there is no other answer, if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unproven: Option<Unproven>,
}

/// The number of beacons with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// Their stream, if they have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    pub outcome: OutcomeKind,
    pub count: u64,
}

from_json!(InspectorReport { counts, entries, not_kept });
from_json!(Unreported { requests, last_at });
from_json!(Unproven { doubt, message });
from_json!(Preface { epoch, missing, unproven });
from_json!(OutcomeCount { stream, outcome, count });
from_json!(Doubt, OutcomeKind);

/// Adds `count` to the count of the same outcome and stream in `counts`.
fn add(counts: &mut Vec<OutcomeCount>, count: &OutcomeCount) {
    let of_its_kind =
        |other: &&mut OutcomeCount| other.outcome == count.outcome && other.stream == count.stream;
    match counts.iter_mut().find(of_its_kind) {
        Some(known) => known.count = known.count.saturating_add(count.count),
        None => counts.push(count.clone()),
    }
}
