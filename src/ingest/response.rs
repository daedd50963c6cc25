//! The answer to a request, from the outcomes of its beacons or from an error.
//!
//! A success is answered only if the records of all beacons, those of failed events included, are
//! durable.

use serde::Serialize;

use super::error::HttpError;
use crate::model::event::EventId;
use crate::model::outcome::{Outcome, Verdict};
use crate::model::violation::Code;

/// An HTTP answer, before the edge adds its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestResponse {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// A JSON body.
    pub body: Option<String>,
}

/// When the verdicts are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictMode {
    /// When some beacon was not accepted; one that came before was.
    OnFailure,
    /// In any case, as `?verdicts=1` asks.
    Always,
    /// Never, and with the status of an image that is shown, which 204 is not.
    Never,
}

impl VerdictMode {
    /// What the query of a request asks for.
    pub fn of_query(query: &str) -> Self {
        match form_urlencoded::parse(query.as_bytes())
            .any(|(key, value)| key == "verdicts" && value == "1")
        {
            true => Self::Always,
            false => Self::OnFailure,
        }
    }
}

impl IngestResponse {
    /// The answer to a request whose beacons all have a durable outcome.
    pub fn of_outcomes(outcomes: &[(EventId, Outcome)], mode: VerdictMode) -> Self {
        #[derive(Serialize)]
        struct Verdicts<'a> {
            verdicts: Vec<Verdict<'a>>,
        }
        if mode == VerdictMode::Never {
            return Self { status: 200, retry_after_s: None, body: None };
        }
        let is_accepted = |outcome| matches!(outcome, &Outcome::Accepted(_) | &Outcome::Duplicate);
        let all_accepted = outcomes.iter().all(|(_, outcome)| is_accepted(outcome));
        if all_accepted && mode == VerdictMode::OnFailure {
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
    pub fn of_error(error: &impl HttpError, kept_as: Option<EventId>) -> Self {
        #[derive(Serialize)]
        #[serde(untagged)]
        enum ErrorCode {
            Request(&'static str),
            Rule(Code),
        }
        #[derive(Serialize)]
        struct Body<'a> {
            code: ErrorCode,
            #[serde(skip_serializing_if = "Option::is_none")]
            pointer: Option<&'a str>,
            message: String,
            #[serde(skip_serializing_if = "Option::is_none")]
            event_id: Option<EventId>,
        }
        let (code, pointer) = match error.violation() {
            Some(violation) => (ErrorCode::Rule(violation.code), Some(violation.pointer.as_str())),
            None => (ErrorCode::Request(error.code()), None),
        };
        let body = Body { code, pointer, message: error.to_string(), event_id: kept_as };
        Self { status: error.status(), retry_after_s: error.retry_after_s(), body: json(&body) }
    }
}

/// These types hold only texts and numbers, which JSON always takes.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
