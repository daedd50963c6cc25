//! The answers of Amplitude's HTTP API.
//!
//! Its SDKs read `code` in the body rather than the status. They repeat a 429 and a 5xx, halve an
//! upload after a 413, and stop at an unknown key only if the error begins as Amplitude's does. They
//! repeat a 400, too, unless it names a missing field.

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;
use crate::pipeline::decode::ProtocolError;

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    (request.is_post && matches!(request.path, "/2/httpapi" | "/batch"))
        .then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    _request: DialectRequest<'_>,
) -> DialectAnswer {
    let error = match outcomes {
        Ok(outcomes) => {
            // The Java SDK needs the last two, and reads neither.
            let body = vec![
                ("code", 200_u64.into()),
                ("events_ingested", outcomes.len().into()),
                ("payload_size_bytes", 0_u64.into()),
                ("server_upload_time", 0_u64.into()),
            ];
            return DialectAnswer::object(200, body);
        }
        Err(error) => error,
    };
    let status = status(error);
    let is_unknown_key = matches!(error, IngestError::UnknownKey(_));
    let before = if status == 400 && is_unknown_key { "Invalid API key: " } else { "" };
    let mut body =
        vec![("code", u64::from(status).into()), ("error", format!("{before}{error}").into())];
    if matches!(status, 400 | 403) && !is_unknown_key {
        body.push(("missing_field", "events".into()));
    }
    DialectAnswer::object(status, body).retry_after(error)
}

fn status(error: &IngestError) -> u16 {
    match error {
        // Amplitude's own status: the Kotlin SDK repeats a 401.
        IngestError::UnknownKey(_) | IngestError::BadSignature(_) => 400,
        IngestError::Protocol(
            ProtocolError::UnsupportedMediaType(_)
            | ProtocolError::UnsupportedEncoding(_)
            | ProtocolError::UnsupportedCharset(_)
            | ProtocolError::Undecodable(_),
        ) => 400,
        IngestError::Protocol(
            ProtocolError::BodyTooLarge { .. }
            | ProtocolError::InflatedTooLarge { .. }
            | ProtocolError::TooManyBeacons { .. }
            | ProtocolError::RecordsTooLarge { .. },
        )
        | IngestError::OriginNotAllowed(_)
        | IngestError::OverQuota
        | IngestError::TenantsUnavailable
        | IngestError::RateLimited
        | IngestError::Replay(_)
        | IngestError::TruncatedBody
        | IngestError::Overloaded
        | IngestError::NotConfigured(_)
        | IngestError::NotDurable { .. } => error.status(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::outcome::Catalogued;
    use crate::model::replay::ReplayError;
    use crate::model::violation::{Code, Violation};

    fn head(is_post: bool, path: &str) -> DialectRequest<'_> {
        DialectRequest {
            is_post,
            path,
            query: "",
            host: "https://events.shop.example",
            content_type: "",
        }
    }

    #[test]
    fn its_two_addresses_take_uploads() {
        for (is_post, path, expected) in [
            (true, "/2/httpapi", Some(DialectEndpoint::Events)),
            (true, "/batch", Some(DialectEndpoint::Events)),
            (false, "/2/httpapi", None),
            (false, "/batch", None),
            (true, "/httpapi", None),
            (true, "/2/httpapi/x", None),
            (true, "/", None),
        ] {
            assert_eq!(endpoint(head(is_post, path)), expected, "{is_post} {path}");
        }
    }

    #[test]
    fn events_that_are_kept_are_counted() {
        let id = EventId::parse("26bb0215-7b98-48bb-b44c-ad9bd25f036b").unwrap();
        let failed = Outcome::Failed(Violation::whole(Code::BadJson, "no"));
        let outcomes =
            [(id, Outcome::Accepted(Catalogued::No)), (id, failed), (id, Outcome::Duplicate)];
        let expected = DialectAnswer::json(
            200,
            r#"{"code":200,"events_ingested":3,"payload_size_bytes":0,"server_upload_time":0}"#,
        );
        assert_eq!(answer(Ok(&outcomes), head(true, "/2/httpapi")), expected);
    }

    #[test]
    fn each_error_has_the_answer_that_sdks_expect() {
        let not_durable = IngestError::NotDurable {
            stream: "firehose:a".to_owned(),
            code: "throttled".to_owned(),
            retry_after_s: 90,
        };
        let undecodable = ProtocolError::Undecodable(Violation::whole(Code::BadJson, "no JSON"));
        for (error, status, retry_after_s, missing_field) in [
            (not_durable, 503, Some(60), None),
            (IngestError::Overloaded, 503, Some(5), None),
            (IngestError::NotConfigured(Vec::new()), 503, Some(60), None),
            (IngestError::RateLimited, 429, Some(60), None),
            (ProtocolError::BodyTooLarge { limit: 1 }.into(), 413, None, None),
            (ProtocolError::TooManyBeacons { count: 2, limit: 1 }.into(), 413, None, None),
            (undecodable.into(), 400, None, Some("events")),
            (ProtocolError::UnsupportedEncoding("br".to_owned()).into(), 400, None, Some("events")),
            (IngestError::TruncatedBody, 400, None, Some("events")),
            (IngestError::Replay(ReplayError::NotAllowed), 403, None, Some("events")),
            (
                IngestError::OriginNotAllowed("https://a.example".to_owned()),
                403,
                None,
                Some("events"),
            ),
            (IngestError::UnknownKey("wk".to_owned()), 400, None, None),
        ] {
            let answer = answer(Err(&error), head(true, "/2/httpapi"));
            assert_eq!((answer.status, answer.retry_after_s), (status, retry_after_s), "{error:?}");
            let body: Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["code"], status, "{error:?}");
            assert_eq!(
                body.get("missing_field").and_then(Value::as_str),
                missing_field,
                "{error:?}"
            );
            let sentence = body["error"].as_str().unwrap();
            assert!(sentence.ends_with(&error.to_string()), "{sentence}");
            let is_key = matches!(error, IngestError::UnknownKey(_));
            assert_eq!(sentence.starts_with("Invalid API key: "), is_key, "{sentence}");
        }
    }
}
