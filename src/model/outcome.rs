//! The outcome of a beacon, and the verdict that reports it. Each beacon has exactly one.

use serde::{Deserialize, Serialize};

use crate::model::consent::PrivacySignal;
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
    /// It is in no stream, since its tenant has used up the events of the day.
    OverQuota,
}

/// The outcome of a beacon, or of its whole request, without details: for counters, verdicts and
/// the inspector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// It is durable.
    Accepted,
    Duplicate,
    /// It was delivered to no stream.
    Dropped,
    Failed,
    /// Its tenant is over its quota: it was delivered to no stream, and must not be sent again.
    OverQuota,
    /// Its request was rejected, and the client keeps it.
    Refused,
}

impl OutcomeKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Duplicate => "duplicate",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
            Self::OverQuota => "over_quota",
            Self::Refused => "refused",
        }
    }

    /// Whether there is nothing to fix.
    pub const fn is_good(self) -> bool {
        match self {
            Self::Accepted | Self::Duplicate | Self::Dropped => true,
            Self::Failed | Self::OverQuota | Self::Refused => false,
        }
    }
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

impl From<PrivacySignal> for DropReason {
    fn from(reason: PrivacySignal) -> Self {
        match reason {
            PrivacySignal::Gpc => Self::Gpc,
            PrivacySignal::Dnt => Self::Dnt,
            PrivacySignal::Consent => Self::Consent,
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
    Quota(QuotaCode),
}

/// The code of an event over its tenant's quota.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaCode {
    OverQuota,
}

/// The outcome of one beacon in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict<'a> {
    /// The beacon's place in the request, from 0.
    pub index: usize,
    pub event_id: EventId,
    pub outcome: OutcomeKind,
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
    pub const fn kind(&self) -> OutcomeKind {
        match self {
            Self::Accepted(_) => OutcomeKind::Accepted,
            Self::Failed(_) => OutcomeKind::Failed,
            Self::Duplicate => OutcomeKind::Duplicate,
            Self::Dropped(_) => OutcomeKind::Dropped,
            Self::OverQuota => OutcomeKind::OverQuota,
        }
    }

    /// Returns the verdict on the beacon at `index`.
    pub fn verdict(&self, index: usize, event_id: EventId) -> Verdict<'_> {
        let plain = Verdict {
            index,
            event_id,
            outcome: self.kind(),
            schema: None,
            code: None,
            pointer: None,
            message: None,
        };
        match self {
            Self::Accepted(Catalogued::Yes) | Self::Duplicate => plain,
            Self::Accepted(Catalogued::No) => Verdict { schema: Some(()), ..plain },
            Self::Failed(violation) => Verdict {
                code: Some(FailureCode::Rule(violation.code)),
                pointer: Some(&violation.pointer),
                message: Some(&violation.message),
                ..plain
            },
            Self::Dropped(reason) => Verdict {
                code: Some(FailureCode::Dropped(*reason)),
                message: Some(reason.message()),
                ..plain
            },
            Self::OverQuota => Verdict {
                code: Some(FailureCode::Quota(QuotaCode::OverQuota)),
                message: Some("not kept, since the tenant has used up its events of the day"),
                ..plain
            },
        }
    }
}
