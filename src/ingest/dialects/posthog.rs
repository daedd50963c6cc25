//! PostHog's answers: one status for a request of version 0, a result for each event of version 1.
//! Also what its SDKs ask besides, answered so that they are quiet: there are no flags, no replays
//! and no surveys.
//!
//! posthog-js drops its events after a 429, so version 0 has 503 for it. A 204 is repeated, unless
//! the request asks for it.

use serde_json::{Map, Value};

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest, object};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::{FailureCode, Outcome, QuotaCode};
use crate::pipeline::decode::protocols::translation::ObjectFields;

const EVENTS_V1: &str = "/i/v1/analytics/events";

/// The longest wait that is asked for, in seconds. An SDK tries three times, and waits at shutdown.
const MAX_WAIT_S: u64 = 5;

const STATUS: &str = r#"{"status":1}"#;

/// PostHog's own answer for a project over its limit: posthog-js sends no event for a minute.
const QUOTA_LIMITED: &str = r#"{"status":1,"quota_limited":["events"]}"#;

/// The SDKs then report each flag as missing.
const FLAGS: &str = r#"{"flags":{},"featureFlags":{},"featureFlagPayloads":{},"errorsWhileComputingFlags":false,"supportedCompression":["gzip-js"],"requestId":"none"}"#;

const CONFIG: &str = r#"{"supportedCompression":["gzip-js"],"hasFeatureFlags":false,"analytics":{"endpoint":"/i/v0/e/"},"sessionRecording":false,"heatmaps":false,"surveys":false,"captureDeadClicks":false,"capturePerformance":false,"autocaptureExceptions":false,"siteApps":[],"elementsChainAsString":true,"defaultIdentifiedOnly":true}"#;

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    match request.path {
        "/e" | "/i/v0/e" | "/capture" | "/track" | "/engage" | "/batch" | "/i/v0/ai/batch" => {
            (request.is_post || request.parameter("data").is_some())
                .then_some(DialectEndpoint::Events)
        }
        EVENTS_V1 => request.is_post.then_some(DialectEndpoint::Events),
        _ => besides(request).map(DialectEndpoint::Answer),
    }
}

/// Returns the answer to a request for anything but events.
fn besides(request: DialectRequest<'_>) -> Option<DialectAnswer> {
    match request.path {
        // A replay is not kept. An error would be repeated.
        "/s" => Some(DialectAnswer::json(200, STATUS)),
        "/flags" | "/decide" => Some(DialectAnswer::json(200, FLAGS)),
        // An SDK with a personal key stops asking.
        "/flags/definitions" | "/api/feature_flag/local_evaluation" => {
            Some(DialectAnswer::json(401, error_v1("unauthorized", "flags are not served")))
        }
        path => {
            let (folder, file) = path.strip_prefix('/')?.split_once('/')?;
            match (folder, file.split_once('/')) {
                ("array", Some((_key, "config"))) => Some(DialectAnswer::json(200, CONFIG)),
                ("array" | "static", _) if path.ends_with(".js") => Some(DialectAnswer::empty(404)),
                _ => None,
            }
        }
    }
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    match (outcomes, request.path) {
        (Ok(outcomes), EVENTS_V1) => {
            DialectAnswer::object(200, vec![("results", results(outcomes))])
        }
        (Ok(_), _) if request.parameter("beacon").is_some_and(|value| value == "1") => {
            DialectAnswer::empty(204)
        }
        (Ok(outcomes), _) if super::over_quota(outcomes) > 0 => {
            DialectAnswer::json(200, QUOTA_LIMITED)
        }
        (Ok(_), _) => DialectAnswer::json(200, STATUS),
        (Err(error), path) => {
            let is_v1 = path == EVENTS_V1;
            let status = match error.status() {
                404 | 415 => 400,
                429 if !is_v1 => 503,
                status => status,
            };
            let answer = match is_v1 {
                true => DialectAnswer::json(status, error_v1(error.code(), &error.to_string())),
                false => DialectAnswer::text(status, error.to_string()),
            };
            answer.retry_after(error).retry_within(MAX_WAIT_S)
        }
    }
}

/// Returns the result of each event in version 1.
fn results(outcomes: &[(EventId, Outcome)]) -> Value {
    let mut results = Map::new();
    for (id, outcome) in outcomes {
        results.put(&id.to_string(), result(outcome));
    }
    Value::Object(results)
}

/// A failed event is kept, so its sender need not repeat it.
fn result(outcome: &Outcome) -> Value {
    let (result, details) = match outcome {
        Outcome::Accepted(_) | Outcome::Duplicate => ("ok", None),
        Outcome::Failed(violation) => ("warning", Some(FailureCode::Rule(violation.code))),
        Outcome::Dropped(reason) => ("drop", Some(FailureCode::Dropped(*reason))),
        Outcome::OverQuota => ("drop", Some(FailureCode::Quota(QuotaCode::OverQuota))),
    };
    let details = details.and_then(|code| serde_json::to_value(code).ok());
    let mut members = vec![("result", result.into())];
    members.extend(details.map(|details| ("details", details)));
    object(members)
}

fn error_v1(code: &str, message: &str) -> String {
    object(vec![("error", code.into()), ("error_description", message.into())]).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::outcome::{Catalogued, DropReason};
    use crate::model::violation::{Code, Violation};
    use crate::pipeline::decode::ProtocolError;

    const V0: [&str; 7] =
        ["/e", "/i/v0/e", "/capture", "/track", "/engage", "/batch", "/i/v0/ai/batch"];

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
    fn events_have_addresses_of_both_versions() {
        for path in V0 {
            assert_eq!(endpoint(head("POST", path, "")), Some(DialectEndpoint::Events), "{path}");
            assert_eq!(
                endpoint(head("GET", path, "data=e30")),
                Some(DialectEndpoint::Events),
                "{path}"
            );
            assert_eq!(endpoint(head("GET", path, "ip=1")), None, "{path}");
        }
        assert_eq!(endpoint(head("POST", EVENTS_V1, "")), Some(DialectEndpoint::Events));
        assert_eq!(endpoint(head("GET", EVENTS_V1, "data=e30")), None);
        for path in ["/", "/ee", "/i/v0/ai", "/i/v1/logs", "/batches", "/array", "/static"] {
            assert_eq!(endpoint(head("POST", path, "data=e30")), None, "{path}");
        }
    }

    #[test]
    fn what_an_sdk_asks_besides_is_answered_quietly() {
        for (method, path, status, body) in [
            ("POST", "/s", 200, json!({"status": 1})),
            ("POST", "/flags", 200, serde_json::from_str(FLAGS).unwrap()),
            ("POST", "/decide", 200, serde_json::from_str(FLAGS).unwrap()),
            ("GET", "/flags", 200, serde_json::from_str(FLAGS).unwrap()),
            ("GET", "/array/phc_demo/config", 200, serde_json::from_str(CONFIG).unwrap()),
            ("GET", "/array/phc_demo/config.js", 404, json!(null)),
            ("GET", "/array/phc_demo/array.js", 404, json!(null)),
            ("GET", "/static/surveys.js", 404, json!(null)),
            ("GET", "/static/1.449.2/surveys.js", 404, json!(null)),
        ] {
            let Some(DialectEndpoint::Answer(answer)) = endpoint(head(method, path, "v=2")) else {
                panic!("{path} has no answer");
            };
            assert_eq!(answer.status, status, "{path}");
            let shown: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            assert_eq!(body, shown, "{path}");
        }
        for path in ["/flags/definitions", "/api/feature_flag/local_evaluation"] {
            let Some(DialectEndpoint::Answer(answer)) = endpoint(head("GET", path, "")) else {
                panic!("{path}")
            };
            assert_eq!(answer.status, 401, "{path}");
        }
        let config: serde_json::Value = serde_json::from_str(CONFIG).unwrap();
        let path = config["analytics"]["endpoint"].as_str().unwrap().trim_end_matches('/');
        assert_eq!(endpoint(head("POST", path, "")), Some(DialectEndpoint::Events));
    }

    fn outcomes() -> Vec<(EventId, Outcome)> {
        let outcomes = [
            Outcome::Accepted(Catalogued::No),
            Outcome::Duplicate,
            Outcome::Failed(Violation::of_field(Code::WrongType, "props", "no")),
            Outcome::Dropped(DropReason::Consent),
        ];
        (1_u8..).map(|id| EventId::from_bytes([id; 16]).unwrap()).zip(outcomes).collect()
    }

    #[test]
    fn version_0_has_one_status_for_all_events() {
        for path in V0 {
            for outcomes in [outcomes(), Vec::new()] {
                let plain = answer(Ok(&outcomes), head("POST", path, "ip=1"));
                assert_eq!(plain, DialectAnswer::json(200, r#"{"status":1}"#));
                let beacon = answer(Ok(&outcomes), head("POST", path, "ip=1&beacon=1"));
                assert_eq!(beacon, DialectAnswer::empty(204));
                let no_beacon = answer(Ok(&outcomes), head("POST", path, "beacon=0"));
                assert_eq!(no_beacon.status, 200);
            }
        }
    }

    #[test]
    fn version_1_has_a_result_for_each_event() {
        let answer = answer(Ok(&outcomes()), head("POST", EVENTS_V1, "beacon=1"));
        assert_eq!((answer.status, answer.content_type), (200, "application/json"));
        let shown: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        let expected = json!({"results": {
            "01010101-0101-0101-0101-010101010101": {"result": "ok"},
            "02020202-0202-0202-0202-020202020202": {"result": "ok"},
            "03030303-0303-0303-0303-030303030303": {"result": "warning", "details": "wrong_type"},
            "04040404-0404-0404-0404-040404040404": {"result": "drop", "details": "consent"},
        }});
        assert_eq!(shown, expected);
        let empty = super::answer(Ok(&[]), head("POST", EVENTS_V1, ""));
        assert_eq!(&*empty.body, br#"{"results":{}}"#);
    }

    #[test]
    fn an_error_has_the_status_that_loses_no_event() {
        let not_durable = |retry_after_s| IngestError::NotDurable {
            stream: "firehose:events".to_owned(),
            code: "timed_out".to_owned(),
            retry_after_s,
        };
        let undecodable = ProtocolError::Undecodable(Violation::whole(Code::BadJson, "no"));
        for (error, v0, v1, retry_after_s) in [
            (not_durable(1), 503, 503, Some(1)),
            (not_durable(3_600), 503, 503, Some(5)),
            (IngestError::Overloaded, 503, 503, Some(5)),
            (IngestError::NotConfigured(Vec::new()), 503, 503, Some(5)),
            (IngestError::RateLimited, 503, 429, Some(5)),
            (IngestError::UnknownKey("phc_demo".to_owned()), 401, 401, None),
            (IngestError::OriginNotAllowed("https://a.example".to_owned()), 403, 403, None),
            (IngestError::TruncatedBody, 400, 400, None),
            (undecodable.into(), 400, 400, None),
            (ProtocolError::UnsupportedEncoding("zstd".to_owned()).into(), 400, 400, None),
            (ProtocolError::UnsupportedMediaType("a/b".to_owned()).into(), 400, 400, None),
            (ProtocolError::BodyTooLarge { limit: 1 }.into(), 413, 413, None),
            (ProtocolError::InflatedTooLarge { limit: 1 }.into(), 413, 413, None),
            (ProtocolError::TooManyBeacons { count: 2, limit: 1 }.into(), 413, 413, None),
            (ProtocolError::RecordsTooLarge { limit: 1 }.into(), 413, 413, None),
        ] {
            for query in ["", "beacon=1"] {
                let answer = answer(Err(&error), head("POST", "/batch", query));
                assert_eq!((answer.status, answer.retry_after_s), (v0, retry_after_s), "{error}");
                assert_eq!(answer.body, error.to_string().into_bytes());
            }
            let answer = answer(Err(&error), head("POST", EVENTS_V1, ""));
            assert_eq!((answer.status, answer.retry_after_s), (v1, retry_after_s), "{error}");
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            let expected = json!({"error": error.code(), "error_description": error.to_string()});
            assert_eq!(body, expected);
        }
    }
}
