//! The one fate of each beacon, and the answer that tells it.
//!
//! Two exhaustive matches live here: from a refusal of a request to its HTTP status,
//! and from the outcomes of a request's beacons to its answer. A success is answered
//! only for beacons whose records, failed ones included, are durable.

use serde::Serialize;

use crate::config::ConfigError;
use crate::event::EventId;
use crate::failed::{Code, Violation};
use crate::inspect::Unproven;
use crate::inspect::filter::FilterError;
use crate::privacy;
use crate::protocol::ProtocolError;
use crate::replay::ReplayError;
use crate::shard::aside::{NoSuchName, NoSuchStream};
use crate::shard::placement::ShardNumber;

/// The fate of one beacon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its record is in its stream.
    Accepted(Catalogued),
    /// It is in the stream of failed events, for this reason.
    Failed(Violation),
    /// Its event came before, and is durable.
    Duplicate,
    /// It is in no stream, for this reason.
    Dropped(DropReason),
}

/// Whether the catalogue has an event's name, so that the event was held to a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Catalogued {
    /// It was.
    Yes,
    /// There is none.
    No,
}

/// Why a beacon was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// Global Privacy Control asks for it, and the operator obeys.
    Gpc,
    /// Do Not Track asks for it, and the operator obeys.
    Dnt,
    /// There is no consent.
    Consent,
    /// A bot made it, and the operator wants none.
    Bot,
    /// Its device is not in the share that its route takes.
    Sampled,
}

impl From<privacy::Reason> for DropReason {
    fn from(reason: privacy::Reason) -> Self {
        match reason {
            privacy::Reason::Gpc => Self::Gpc,
            privacy::Reason::Dnt => Self::Dnt,
            privacy::Reason::Consent => Self::Consent,
        }
    }
}

impl DropReason {
    /// The reason in words.
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
pub enum Cause {
    /// The rule that it broke.
    Rule(Code),
    /// Why it was dropped.
    Dropped(DropReason),
}

/// What is told of one beacon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict<'a> {
    /// Its place in the request.
    pub index: usize,
    /// The id that it is known by.
    pub event_id: EventId,
    /// `accepted`, `failed`, `duplicate` or `dropped`.
    pub outcome: &'static str,
    /// `null` of an accepted event whose name has no schema: it may be misspelt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<()>,
    /// The first rule that it broke, or why it was dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<Cause>,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<&'a str>,
    /// In words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<&'a str>,
}

impl Outcome {
    /// The verdict on the beacon at `index`.
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
                code: Some(Cause::Rule(violation.code)),
                pointer: Some(&violation.pointer),
                message: Some(&violation.message),
            },
            Self::Dropped(reason) => Verdict {
                index,
                event_id,
                outcome: "dropped",
                schema: None,
                code: Some(Cause::Dropped(*reason)),
                pointer: None,
                message: Some(reason.message()),
            },
        }
    }
}

/// Why a whole request got no verdicts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The client's: no such address.
    #[error("no such address; beacons go to POST /v1/events")]
    NotFound,
    /// The client's: another method.
    #[error("method not taken here; allowed: {0}")]
    MethodNotAllowed(&'static str),
    /// The client's: a write key that is nobody's, or none.
    #[error("{} of HEADWATER.keys; name one in ?key= or X-Write-Key", which_key(.0))]
    UnknownKey(String),
    /// The client's: a site that may not send here.
    #[error("origin {0:?} is not one of HEADWATER.origins")]
    OriginNotAllowed(String),
    /// The client's: the body.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The client's: it says to be a replay.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The client's: it does not bear the inspector's token.
    #[error("the inspector needs HEADWATER_INSPECT_TOKEN in Authorization")]
    InspectToken,
    /// The client's: a filter of the inspector.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// The client's: an epoch of the inspector about which nothing is certain.
    #[error(transparent)]
    Unproven(Unproven),
    /// Ours: the inspector does not answer.
    #[error("the inspector does not answer; ask again")]
    InspectorAway,
    /// The operator's: a row of what is set aside that can't be.
    #[error(transparent)]
    Row(#[from] NoSuchName),
    /// The operator's: a stream whose records can't be taken out.
    #[error(transparent)]
    Stream(#[from] NoSuchStream),
    /// Ours: a shard does not answer.
    #[error("shard {0} does not answer; ask again")]
    ShardAway(ShardNumber),
    /// The client's: the body broke off.
    #[error("body could not be read to its end")]
    BodyCutShort,
    /// The operator's: no event could be delivered.
    #[error("{}", sentences(.0))]
    NotConfigured(Vec<ConfigError>),
    /// The stream's: the data is not durable; the client must keep it.
    #[error("{stream} did not take every record ({code}); send again")]
    NotDurable {
        /// The stream.
        stream: String,
        /// The problem in one word.
        code: String,
        /// When to try again.
        retry_after_s: u64,
    },
}

fn which_key(key: &str) -> String {
    match key {
        "" => "no write key; the request needs one".to_owned(),
        key => format!("write key {key:?} is not one"),
    }
}

fn sentences(errors: &[ConfigError]) -> String {
    errors.iter().map(ConfigError::to_string).collect::<Vec<_>>().join("; ")
}

impl Refusal {
    /// The HTTP status, as the contract has it.
    pub fn status(&self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::MethodNotAllowed(_) => 405,
            Self::UnknownKey(_) | Self::InspectToken => 401,
            Self::OriginNotAllowed(_) | Self::Replay(ReplayError::NotAllowed) => 403,
            Self::Replay(ReplayError::Unreadable)
            | Self::BodyCutShort
            | Self::Filter(_)
            | Self::Row(_)
            | Self::Stream(_)
            | Self::Protocol(ProtocolError::Undecodable(_)) => 400,
            Self::Unproven(_) => 409,
            Self::Protocol(
                ProtocolError::UnsupportedMediaType(_)
                | ProtocolError::UnsupportedEncoding(_)
                | ProtocolError::UnsupportedCharset(_),
            ) => 415,
            Self::Protocol(
                ProtocolError::BodyTooLarge { .. }
                | ProtocolError::InflatedTooLarge { .. }
                | ProtocolError::TooManyBeacons { .. },
            ) => 413,
            Self::NotConfigured(_)
            | Self::NotDurable { .. }
            | Self::InspectorAway
            | Self::ShardAway(_) => 503,
        }
    }

    /// The reason in one word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::UnknownKey(_) => "unknown_key",
            Self::OriginNotAllowed(_) => "origin_not_allowed",
            Self::Replay(ReplayError::NotAllowed) => "replay_not_allowed",
            Self::Replay(ReplayError::Unreadable) => "replay_unreadable",
            Self::BodyCutShort => "body_cut_short",
            Self::InspectToken => "inspect_token",
            Self::Filter(_) => "bad_filter",
            Self::Unproven(unproven) => unproven.doubt.as_str(),
            Self::InspectorAway => "inspector_away",
            Self::Row(_) => "bad_row",
            Self::Stream(_) => "bad_stream",
            Self::ShardAway(_) => "shard_away",
            Self::Protocol(ProtocolError::Undecodable(_)) => "undecodable",
            Self::Protocol(ProtocolError::UnsupportedMediaType(_)) => "unsupported_media_type",
            Self::Protocol(ProtocolError::UnsupportedEncoding(_)) => "unsupported_encoding",
            Self::Protocol(ProtocolError::UnsupportedCharset(_)) => "unsupported_charset",
            Self::Protocol(ProtocolError::BodyTooLarge { .. }) => "body_too_large",
            Self::Protocol(ProtocolError::InflatedTooLarge { .. }) => "inflated_too_large",
            Self::Protocol(ProtocolError::TooManyBeacons { .. }) => "too_many_beacons",
            Self::NotConfigured(_) => "not_configured",
            Self::NotDurable { .. } => "not_durable",
        }
    }

    /// When the client may try again, in seconds, where trying again can help.
    pub fn retry_after_s(&self) -> Option<u64> {
        /// A configuration is mended by a person.
        const UNTIL_MENDED_S: u64 = 60;
        match self {
            Self::NotDurable { retry_after_s, .. } => Some(*retry_after_s),
            Self::NotConfigured(_) => Some(UNTIL_MENDED_S),
            Self::InspectorAway | Self::ShardAway(_) => Some(1),
            Self::NotFound
            | Self::MethodNotAllowed(_)
            | Self::UnknownKey(_)
            | Self::OriginNotAllowed(_)
            | Self::Replay(_)
            | Self::Protocol(_)
            | Self::InspectToken
            | Self::Filter(_)
            | Self::Unproven(_)
            | Self::Row(_)
            | Self::Stream(_)
            | Self::BodyCutShort => None,
        }
    }
}

/// An HTTP answer, before the edge adds its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// A JSON body.
    pub body: Option<String>,
}

/// When the verdicts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Telling {
    /// When some beacon was not accepted; one that came before was.
    Exceptions,
    /// In any case, as `?verdicts=1` asks.
    Always,
    /// Never, and with the status of an image that is shown, which 204 is not.
    Never,
}

impl Telling {
    /// What the query of a request asks for.
    pub fn of_query(query: &str) -> Self {
        match form_urlencoded::parse(query.as_bytes())
            .any(|(key, value)| key == "verdicts" && value == "1")
        {
            true => Self::Always,
            false => Self::Exceptions,
        }
    }
}

impl Answer {
    /// The answer to a request whose beacons all have a durable outcome.
    pub fn of_outcomes(outcomes: &[(EventId, Outcome)], telling: Telling) -> Self {
        #[derive(Serialize)]
        struct Verdicts<'a> {
            verdicts: Vec<Verdict<'a>>,
        }
        if telling == Telling::Never {
            return Self { status: 200, retry_after_s: None, body: None };
        }
        let is_accepted = |outcome| matches!(outcome, &Outcome::Accepted(_) | &Outcome::Duplicate);
        let all_accepted = outcomes.iter().all(|(_, outcome)| is_accepted(outcome));
        if all_accepted && telling == Telling::Exceptions {
            return Self { status: 204, retry_after_s: None, body: None };
        }
        let verdicts = outcomes
            .iter()
            .enumerate()
            .map(|(index, (event_id, outcome))| outcome.verdict(index, *event_id))
            .collect();
        Self { status: 200, retry_after_s: None, body: json(&Verdicts { verdicts }) }
    }

    /// The answer to a request that got no verdicts. `kept_as` is the failed event that
    /// an undecodable body was kept as.
    pub fn of_refusal(refusal: &Refusal, kept_as: Option<EventId>) -> Self {
        /// A word of the request's, or the rule that the body broke.
        #[derive(Serialize)]
        #[serde(untagged)]
        enum Reason {
            Refusal(&'static str),
            Rule(Code),
        }
        #[derive(Serialize)]
        struct Error<'a> {
            code: Reason,
            #[serde(skip_serializing_if = "Option::is_none")]
            pointer: Option<&'a str>,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            event_id: Option<EventId>,
        }
        let (code, pointer) = match refusal {
            Refusal::Protocol(ProtocolError::Undecodable(violation)) => {
                (Reason::Rule(violation.code), Some(violation.pointer.as_str()))
            }
            refusal => (Reason::Refusal(refusal.code()), None),
        };
        let body = Error { code, pointer, message: refusal.to_string(), event_id: kept_as };
        Self { status: refusal.status(), retry_after_s: refusal.retry_after_s(), body: json(&body) }
    }
}

/// These types hold only texts and numbers, which JSON always takes.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
