//! The answer to a request, built from the outcomes of its beacons or from an error.
//!
//! A success requires that the records of all beacons, failed events included, are durable.

use serde::Serialize;

use super::error::HttpError;
use crate::model::event::EventId;
use crate::model::outcome::{Outcome, Verdict};
use crate::model::violation::Code;

/// An HTTP answer, before the runtime adds its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestResponse {
    pub status: u16,
    pub retry_after_s: Option<u64>,
    /// A JSON body.
    pub body: Option<String>,
}

/// When an answer contains the verdicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictMode {
    /// If some beacon was neither accepted nor a duplicate.
    OnFailure,
    /// Always, for `?verdicts=1`.
    Always,
    /// Never, and with the status 200, since browsers show no image that comes with 204.
    Never,
}

impl VerdictMode {
    /// Parses the mode from a request's query.
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
    /// Builds the answer to a request whose beacons all have a durable outcome.
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

    /// Builds the answer to a request without verdicts. `kept_as` is the id of the failed event
    /// that an undecodable body was kept as.
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

/// These types contain only texts and numbers, which JSON can always represent.
fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}
