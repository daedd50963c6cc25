//! Snowplow's answers: `ok`, or the GIF to a `GET`.
//!
//! A tracker's queue goes on only after a success, or after 400, 401, 403, 410 or 422. So no answer
//! may be 404, 413 or 415: the tracker would repeat the request for ever, and send nothing else.

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

const COLLECTOR: &str = "/com.snowplowanalytics.snowplow/tp2";

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    match (request.is_post, request.path) {
        (true, COLLECTOR) => Some(DialectEndpoint::Events),
        (false, COLLECTOR | "/i" | "/ice.png") => match request.query.is_empty() {
            true => Some(DialectEndpoint::Answer(pixel())),
            false => Some(DialectEndpoint::Events),
        },
        _ => None,
    }
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    match outcomes {
        Ok(_) if request.is_post => DialectAnswer::text(200, "ok"),
        Ok(_) => pixel(),
        Err(error) => {
            let status = match error.status() {
                404 | 413 | 415 => 400,
                status => status,
            };
            DialectAnswer::text(status, &error.to_string()).retry_after(error)
        }
    }
}

fn pixel() -> DialectAnswer {
    DialectAnswer {
        headers: vec![("cache-control", "no-cache, no-store, must-revalidate".to_owned())],
        ..DialectAnswer::gif()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::{Catalogued, DropReason};
    use crate::model::violation::{Code, Violation};
    use crate::pipeline::decode::ProtocolError;
    use crate::pipeline::decode::pixel::GIF;

    fn head<'a>(method: &str, path: &'a str, query: &'a str) -> DialectRequest<'a> {
        DialectRequest {
            is_post: method == "POST",
            path,
            query,
            host: "https://events.shop.example",
            content_type: "",
        }
    }

    #[test]
    fn only_addresses_of_the_collector_are_its_own() {
        for (method, path, query, expected) in [
            ("POST", COLLECTOR, "", Some(DialectEndpoint::Events)),
            ("POST", COLLECTOR, "key=pk_1", Some(DialectEndpoint::Events)),
            ("GET", COLLECTOR, "e=pv", Some(DialectEndpoint::Events)),
            ("GET", "/i", "e=pv", Some(DialectEndpoint::Events)),
            ("GET", "/ice.png", "e=pv", Some(DialectEndpoint::Events)),
            ("GET", COLLECTOR, "", Some(DialectEndpoint::Answer(pixel()))),
            ("GET", "/i", "", Some(DialectEndpoint::Answer(pixel()))),
            ("GET", "/ice.png", "", Some(DialectEndpoint::Answer(pixel()))),
            ("POST", "/i", "e=pv", None),
            ("POST", "/ice.png", "", None),
            ("GET", "/r/tp2", "u=https://shop.example/", None),
            ("GET", "/com.snowplowanalytics.snowplow/tp1", "e=pv", None),
            ("GET", "/", "e=pv", None),
        ] {
            assert_eq!(endpoint(head(method, path, query)), expected, "{method} {path}?{query}");
        }
    }

    #[test]
    fn every_outcome_is_a_success() {
        let violation = Violation::whole(Code::BadJson, "no");
        let id = EventId::from_bytes([7; 16]).unwrap();
        let outcomes = [
            Outcome::Accepted(Catalogued::Yes),
            Outcome::Failed(violation),
            Outcome::Duplicate,
            Outcome::Dropped(DropReason::Bot),
        ]
        .map(|outcome| (id, outcome));
        for outcomes in [&outcomes[..], &[]] {
            let post = answer(Ok(outcomes), head("POST", COLLECTOR, ""));
            assert_eq!(post, DialectAnswer::text(200, "ok"));
            for path in ["/i", "/ice.png", COLLECTOR] {
                let get = answer(Ok(outcomes), head("GET", path, "e=pv"));
                assert_eq!(
                    (get.status, get.content_type, &*get.body),
                    (200, "image/gif", &GIF[..])
                );
                assert_eq!(get.headers.len(), 1);
            }
        }
    }

    #[test]
    fn an_error_never_blocks_a_trackers_queue() {
        let not_durable = |retry_after_s| IngestError::NotDurable {
            stream: "firehose:events".to_owned(),
            code: "timed_out".to_owned(),
            retry_after_s,
        };
        let undecodable = ProtocolError::from(Violation::whole(Code::BadJson, "no"));
        for (error, status, retry_after_s) in [
            (not_durable(7), 503, Some(7)),
            (not_durable(3_600), 503, Some(60)),
            (IngestError::Overloaded, 503, Some(5)),
            (IngestError::NotConfigured(Vec::new()), 503, Some(60)),
            (IngestError::RateLimited, 429, Some(60)),
            (IngestError::UnknownKey("shop".to_owned()), 401, None),
            (IngestError::OriginNotAllowed("https://a.example".to_owned()), 403, None),
            (IngestError::TruncatedBody, 400, None),
            (undecodable.into(), 400, None),
            (ProtocolError::UnsupportedEncoding("br".to_owned()).into(), 400, None),
            (ProtocolError::UnsupportedMediaType("a/b".to_owned()).into(), 400, None),
            (ProtocolError::BodyTooLarge { limit: 1 }.into(), 400, None),
            (ProtocolError::InflatedTooLarge { limit: 1 }.into(), 400, None),
            (ProtocolError::TooManyBeacons { count: 2, limit: 1 }.into(), 400, None),
            (ProtocolError::RecordsTooLarge { limit: 1 }.into(), 400, None),
        ] {
            for request in [head("POST", COLLECTOR, ""), head("GET", "/i", "e=pv")] {
                let answer = answer(Err(&error), request);
                assert_eq!((answer.status, answer.retry_after_s), (status, retry_after_s));
                assert_eq!(answer.body, error.to_string().into_bytes());
            }
        }
    }
}
