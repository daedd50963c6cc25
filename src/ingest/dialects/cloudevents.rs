//! The answers to `CloudEvents`, as their webhooks want them: 204, or 429 with `Retry-After` if the
//! sender must keep its events.
//!
//! Source: <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md>

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    (request.is_post && request.path == "/v1/cloudevents").then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    _request: DialectRequest<'_>,
) -> DialectAnswer {
    let error = match outcomes {
        Ok(_) => return DialectAnswer::empty(204),
        Err(error) => error,
    };
    // The specification names `Retry-After` only beside 429.
    let status = if error.retry_after_s().is_some() { 429 } else { error.status() };
    DialectAnswer::error(status, error)
}

#[cfg(test)]
mod tests {
    use super::super::sample_errors;
    use super::*;
    use crate::model::outcome::{Catalogued, DropReason};
    use crate::model::violation::{Code, Violation};

    #[test]
    fn only_a_post_to_its_address_is_of_the_protocol() {
        for (is_post, path, expected) in [
            (true, "/v1/cloudevents", Some(DialectEndpoint::Events)),
            (false, "/v1/cloudevents", None),
            (true, "/v1/cloudevent", None),
            (true, "/events", None),
        ] {
            let request = DialectRequest { is_post, path, ..DialectRequest::default() };
            assert_eq!(endpoint(request), expected, "{path}");
        }
    }

    #[test]
    fn events_are_answered_204() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        let outcomes = [
            (id, Outcome::Accepted(Catalogued::Yes)),
            (id, Outcome::Failed(Violation::whole(Code::WrongType, "no"))),
            (id, Outcome::Duplicate),
            (id, Outcome::Dropped(DropReason::Consent)),
        ];
        assert_eq!(answer(Ok(&outcomes), DialectRequest::default()), DialectAnswer::empty(204));
    }

    #[test]
    fn each_error_has_its_status() {
        for (error, status, retry_after_s) in [
            (sample_errors::not_durable(), 429, Some(7)),
            (sample_errors::over_quota(), 429, Some(60)),
            (sample_errors::unreadable(), 400, None),
            (sample_errors::too_large(), 413, None),
            (sample_errors::unsupported(), 415, None),
            (sample_errors::unknown_key(), 401, None),
        ] {
            let answer = answer(Err(&error), DialectRequest::default());
            assert_eq!((answer.status, answer.retry_after_s), (status, retry_after_s), "{error}");
            assert!(!answer.body.is_empty());
        }
    }
}
