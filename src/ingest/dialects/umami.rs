//! Umami's answers. Its script parses each as JSON, and repeats no request.

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest, code, message, object};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

/// The answer to events. The script sends `cache` back with its next event, and uses no id.
const TAKEN: &str = r#"{"cache":"headwater","sessionId":"00000000-0000-4000-8000-000000000000","visitId":"00000000-0000-4000-8000-000000000000"}"#;

/// Umami's own answer to an event that it does not keep.
const DROPPED: &str = r#"{"beep":"boop"}"#;

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    let is_known = matches!(request.path, "/api/send" | "/api/batch");
    (request.is_post && is_known).then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    _request: DialectRequest<'_>,
) -> DialectAnswer {
    let error = match outcomes {
        Ok(_) => return DialectAnswer::json(200, TAKEN),
        Err(IngestError::OverQuota) => return DialectAnswer::json(202, DROPPED),
        Err(error) => error,
    };
    let status = match error.status() {
        429 => return DialectAnswer::json(202, DROPPED),
        413 | 415 => 400,
        status => status,
    };
    let members = vec![code(error), message(error), ("status", u64::from(status).into())];
    DialectAnswer::object(status, vec![("error", object(members))]).retry_after(error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use serde_json::Value;

    use super::super::sample_errors;
    use super::*;
    use crate::model::outcome::{Catalogued, DropReason};

    #[test]
    fn only_a_post_to_its_addresses_is_of_the_protocol() {
        for (is_post, path, expected) in [
            (true, "/api/send", Some(DialectEndpoint::Events)),
            (true, "/api/batch", Some(DialectEndpoint::Events)),
            (false, "/api/send", None),
            (true, "/api/event", None),
            (true, "/api", None),
        ] {
            let request = DialectRequest { is_post, path, ..DialectRequest::default() };
            assert_eq!(endpoint(request), expected, "{path}");
        }
    }

    #[test]
    fn events_are_answered_by_json_with_the_three_names() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        let outcomes =
            [(id, Outcome::Accepted(Catalogued::No)), (id, Outcome::Dropped(DropReason::Gpc))];
        let answer = answer(Ok(&outcomes), DialectRequest::default());
        assert_eq!((answer.status, answer.content_type), (200, "application/json"));
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        let names: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(names, ["cache", "sessionId", "visitId"]);
    }

    #[test]
    fn each_error_has_its_status() {
        for (error, status, retry_after_s, code) in [
            (sample_errors::not_durable(), 503, Some(7), "not_durable"),
            (sample_errors::unreadable(), 400, None, "undecodable"),
            (sample_errors::too_large(), 400, None, "body_too_large"),
            (sample_errors::unsupported(), 400, None, "unsupported_encoding"),
            (sample_errors::unknown_key(), 401, None, "unknown_key"),
        ] {
            let answer = answer(Err(&error), DialectRequest::default());
            assert_eq!((answer.status, answer.retry_after_s), (status, retry_after_s), "{error}");
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(
                (&body["error"]["code"], &body["error"]["status"]),
                (&json!(code), &json!(status))
            );
        }
        let over_quota = answer(Err(&sample_errors::over_quota()), DialectRequest::default());
        assert_eq!((over_quota.status, &*over_quota.body), (202, DROPPED.as_bytes()));
    }
}
