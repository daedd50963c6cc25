//! The answers to the Measurement Protocol and to gtag: 204. The address for tests lists what is wrong
//! with each event.

use serde_json::Value;

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest, object};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

const DEBUG: &str = "/debug/mp/collect";

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    let is_known = match request.path {
        "/mp/collect" | DEBUG => request.is_post,
        "/g/collect" => true,
        _ => false,
    };
    is_known.then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    match outcomes {
        Ok(outcomes) if request.path == DEBUG => {
            let messages = validation_messages(outcomes);
            DialectAnswer::object(200, vec![("validationMessages", messages)])
        }
        Ok(_) => DialectAnswer::empty(204),
        Err(error) => DialectAnswer::error(error.status(), error),
    }
}

/// Lists the failed events, in the form of Google's own validation.
///
/// Source: <https://developers.google.com/analytics/devguides/collection/protocol/ga4/validating-events>
fn validation_messages(outcomes: &[(EventId, Outcome)]) -> Value {
    let messages = outcomes.iter().enumerate().filter_map(|(index, (_, outcome))| match outcome {
        Outcome::Failed(violation) => Some(object(vec![
            ("fieldPath", format!("events/{index}").into()),
            ("description", violation.message.as_str().into()),
            ("validationCode", "VALUE_INVALID".into()),
        ])),
        Outcome::Accepted(_) | Outcome::Duplicate | Outcome::Dropped(_) | Outcome::OverQuota => {
            None
        }
    });
    messages.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::sample_errors;
    use super::*;
    use crate::model::outcome::Catalogued;
    use crate::model::violation::{Code, Violation};

    #[test]
    fn each_address_has_its_methods() {
        for (path, is_posted, is_got) in [
            ("/mp/collect", true, false),
            (DEBUG, true, false),
            ("/g/collect", true, true),
            ("/collect", false, false),
            ("/j/collect", false, false),
        ] {
            for (is_post, expected) in [(true, is_posted), (false, is_got)] {
                let request = DialectRequest { is_post, path, ..DialectRequest::default() };
                assert_eq!(
                    endpoint(request),
                    expected.then_some(DialectEndpoint::Events),
                    "{path}"
                );
            }
        }
    }

    #[test]
    fn only_the_address_for_tests_lists_what_is_wrong() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        let failed = Outcome::Failed(Violation::whole(Code::MissingField, "name is missing"));
        let outcomes = [(id, Outcome::Accepted(Catalogued::Yes)), (id, failed)];
        for path in ["/mp/collect", "/g/collect"] {
            let request = DialectRequest { path, ..DialectRequest::default() };
            assert_eq!(answer(Ok(&outcomes), request), DialectAnswer::empty(204));
        }
        let request = DialectRequest { path: DEBUG, ..DialectRequest::default() };
        let body: Value = serde_json::from_slice(&answer(Ok(&outcomes), request).body).unwrap();
        let message = json!({
            "fieldPath": "events/1", "description": "name is missing",
            "validationCode": "VALUE_INVALID",
        });
        assert_eq!(body, json!({"validationMessages": [message]}));
    }

    #[test]
    fn each_error_has_its_status() {
        for (error, status, retry_after_s) in [
            (sample_errors::not_durable(), 503, Some(7)),
            (sample_errors::over_quota(), 429, Some(60)),
            (sample_errors::unreadable(), 400, None),
            (sample_errors::too_large(), 413, None),
            (sample_errors::unsupported(), 415, None),
            (sample_errors::unknown_key(), 401, None),
        ] {
            for path in ["/mp/collect", DEBUG, "/g/collect"] {
                let answer =
                    answer(Err(&error), DialectRequest { path, ..DialectRequest::default() });
                assert_eq!(
                    (answer.status, answer.retry_after_s),
                    (status, retry_after_s),
                    "{error}"
                );
            }
        }
    }
}
