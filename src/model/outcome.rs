//! The outcome of a beacon, and the verdict that reports it. Each beacon has exactly one.

use serde::Serialize;

use crate::model::event::EventId;
use crate::model::violation::{Code, Violation};

/// The one result of a beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its record is in its stream, or in the storage of a shard.
    Accepted(Catalogued),
    /// It is in the stream of failed events, for this reason.
    Failed(Violation),
    /// The same event arrived before, and is durable.
    Duplicate,
    /// It is in no stream, for this reason.
    Dropped(DropReason),
}

/// Whether the catalogue has a schema for the event, so that the event was validated against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catalogued {
    Yes,
    No,
}

/// Why a beacon was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Global Privacy Control, which the operator honours.
    Gpc,
    /// Do Not Track, which the operator honours.
    Dnt,
    Consent,
    /// A bot made it, and the operator drops the events of bots.
    Bot,
    /// Its device is outside the route's sample.
    Sampled,
}

impl From<crate::model::consent::PrivacySignal> for DropReason {
    fn from(reason: crate::model::consent::PrivacySignal) -> Self {
        match reason {
            crate::model::consent::PrivacySignal::Gpc => Self::Gpc,
            crate::model::consent::PrivacySignal::Dnt => Self::Dnt,
            crate::model::consent::PrivacySignal::Consent => Self::Consent,
        }
    }
}

impl DropReason {
    fn message(self) -> &'static str {
        match self {
            Self::Gpc => "dropped, as Sec-GPC asks",
            Self::Dnt => "dropped, as DNT asks",
            Self::Consent => "dropped, for want of consent",
            Self::Bot => "dropped, since a bot made it",
            Self::Sampled => "dropped, since its device is not in the route's sample",
        }
    }
}

/// Why a beacon was not accepted, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum FailureCode {
    Rule(Code),
    Dropped(DropReason),
}

/// The outcome of one beacon in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict<'a> {
    /// The beacon's place in the request, from 0.
    pub index: usize,
    pub event_id: EventId,
    /// `accepted`, `failed`, `duplicate` or `dropped`.
    pub outcome: &'static str,
    /// `null` for an accepted event whose name has no schema: it may be misspelt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<()>,
    /// The first rule that it broke, or why it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<FailureCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

impl Outcome {
    /// Returns the verdict on the beacon at `index`.
    pub fn verdict(&self, index: usize, event_id: EventId) -> Verdict<'_> {
        let plain = |outcome| Verdict {
            index,
            event_id,
            outcome,
            schema: None,
            code: None,
            pointer: None,
            message: None,
        };
        match self {
            Self::Accepted(Catalogued::Yes) => plain("accepted"),
            Self::Accepted(Catalogued::No) => Verdict { schema: Some(()), ..plain("accepted") },
            Self::Duplicate => plain("duplicate"),
            Self::Failed(violation) => Verdict {
                index,
                event_id,
                outcome: "failed",
                schema: None,
                code: Some(FailureCode::Rule(violation.code)),
                pointer: Some(&violation.pointer),
                message: Some(&violation.message),
            },
            Self::Dropped(reason) => Verdict {
                index,
                event_id,
                outcome: "dropped",
                schema: None,
                code: Some(FailureCode::Dropped(*reason)),
                pointer: None,
                message: Some(reason.message()),
            },
        }
    }
}
