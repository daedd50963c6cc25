//! Plausible's answers: 202 `ok`. Its script never repeats a request, so an error reaches only a
//! console.

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest, object};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

/// Says that an event was taken and is not kept.
const DROPPED: (&str, &str) = ("x-plausible-dropped", "1");

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    (request.is_post && request.path == "/api/event").then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    _request: DialectRequest<'_>,
) -> DialectAnswer {
    let error = match outcomes {
        Ok([(_, Outcome::Dropped(_))]) => return dropped(),
        Ok(_) => return DialectAnswer::text(202, "ok"),
        Err(IngestError::OverQuota) => return dropped(),
        Err(error) => error,
    };
    let status = match error.status() {
        429 => return dropped(),
        413 | 415 => 400,
        status => status,
    };
    let errors = object(vec![("request", vec![error.to_string()].into())]);
    DialectAnswer::object(status, vec![("errors", errors)]).retry_after(error)
}

fn dropped() -> DialectAnswer {
    let (name, value) = DROPPED;
    DialectAnswer { headers: vec![(name, value.to_owned())], ..DialectAnswer::text(202, "ok") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample_errors;
    use super::*;
    use crate::model::outcome::{Catalogued, DropReason};
    use crate::model::violation::{Code, Violation};

    #[test]
    fn only_a_post_to_its_address_is_of_the_protocol() {
        for (is_post, path, expected) in [
            (true, "/api/event", Some(DialectEndpoint::Events)),
            (false, "/api/event", None),
            (true, "/api/events", None),
            (true, "/", None),
        ] {
            let request = DialectRequest { is_post, path, ..DialectRequest::default() };
            assert_eq!(endpoint(request), expected, "{path}");
        }
    }

    #[test]
    fn an_event_with_an_outcome_is_answered_202() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        let violation = Violation::whole(Code::WrongType, "no");
        for (outcome, is_dropped) in [
            (Outcome::Accepted(Catalogued::Yes), false),
            (Outcome::Failed(violation), false),
            (Outcome::Duplicate, false),
            (Outcome::Dropped(DropReason::Bot), true),
        ] {
            let answer = answer(Ok(&[(id, outcome)]), DialectRequest::default());
            assert_eq!((answer.status, &*answer.body), (202, &b"ok"[..]));
            assert_eq!(!answer.headers.is_empty(), is_dropped);
        }
    }

    #[test]
    fn each_error_has_its_status() {
        for (error, status, retry_after_s) in [
            (sample_errors::not_durable(), 503, Some(7)),
            (sample_errors::unreadable(), 400, None),
            (sample_errors::too_large(), 400, None),
            (sample_errors::unsupported(), 400, None),
            (sample_errors::unknown_key(), 401, None),
        ] {
            let answer = answer(Err(&error), DialectRequest::default());
            assert_eq!((answer.status, answer.retry_after_s), (status, retry_after_s), "{error}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body, json!({"errors": {"request": [error.to_string()]}}));
        }
        let over_quota = answer(Err(&sample_errors::over_quota()), DialectRequest::default());
        assert_eq!((over_quota.status, over_quota.retry_after_s), (202, None));
        assert_eq!(over_quota.headers, [("x-plausible-dropped", "1".to_owned())]);
    }
}
