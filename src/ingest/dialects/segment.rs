//! The answers of Segment, RudderStack and Jitsu.
//!
//! Their SDKs repeat a 429 and a 5xx, and drop the events of any other error. Segment's count each
//! repeat of a 503 as one of ten, but none of a 429 with `Retry-After`. RudderStack's Python SDK
//! takes every answer but 200 for an error.

use super::answer::{DialectAnswer, DialectEndpoint, DialectRequest, code, message, object};
use crate::ingest::error::IngestError;
use crate::model::event::EventId;
use crate::model::outcome::Outcome;
use crate::model::replay::ReplayError;
use crate::pipeline::decode::protocols::cut::quoted;
use crate::pipeline::decode::protocols::segment::endpoint::{SegmentEndpoint, jitsu};

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    let answer = match SegmentEndpoint::of(request.is_post, request.path)? {
        SegmentEndpoint::Message(_)
        | SegmentEndpoint::Batch
        | SegmentEndpoint::Import
        | SegmentEndpoint::Pixel(_)
        | SegmentEndpoint::DataPixel(_) => return Some(DialectEndpoint::Events),
        SegmentEndpoint::SdkMetrics => accepted(request),
        SegmentEndpoint::Settings { write_key } => settings(write_key, request),
        SegmentEndpoint::SourceConfig => {
            source_config(&request.parameter("writeKey").unwrap_or_default())
        }
        SegmentEndpoint::Health => DialectAnswer::json(200, r#"{"server":"UP"}"#),
        SegmentEndpoint::Version => DialectAnswer::json(200, r#"{"Version":"headwater"}"#),
    };
    Some(DialectEndpoint::Answer(answer))
}

/// The settings of a source without destinations, for RudderStack's SDKs.
const SOURCE_CONFIG: &str = r#"{"source":{"config":{"statsCollection":{"errors":{"enabled":false},"metrics":{"enabled":false}}},"connections":[],"dataplanes":{},"destinations":[],"enabled":true,"id":"headwater","name":"headwater","workspaceId":"headwater","writeKey":WRITE_KEY},"updatedAt":"2026-01-01T00:00:00.000Z"}"#;

/// Returns the settings of a source without destinations, for Segment's SDKs.
fn settings(write_key: &str, request: DialectRequest<'_>) -> DialectAnswer {
    const REST: &str = r#""metrics":{"sampleRate":0},"plan":{"track":{"__default":{"enabled":true}}},"remotePlugins":[]"#;
    let (protocol, host) = request.host.split_once("://").unwrap_or(("https", request.host));
    let segment = object(vec![
        ("apiKey", write_key.into()),
        ("apiHost", format!("{host}/v1").into()),
        ("protocol", protocol.into()),
    ]);
    let text = format!(r#"{{"integrations":{{"Segment.io":{segment}}},{REST}}}"#);
    DialectAnswer::json(200, text)
}

fn source_config(write_key: &str) -> DialectAnswer {
    DialectAnswer::json(200, SOURCE_CONFIG.replace("WRITE_KEY", &quoted(write_key)))
}

/// Returns the answer to a request with events.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    match outcomes {
        Ok(_) => accepted(request),
        Err(error) => {
            let is_jitsu = request.is_post && jitsu(request.path).is_some();
            let done = if is_jitsu { "ok" } else { "success" };
            let body = vec![(done, false.into()), code(error), message(error)];
            DialectAnswer::object(status(error), body).retry_after(error)
        }
    }
}

fn accepted(request: DialectRequest<'_>) -> DialectAnswer {
    match (request.is_post, jitsu(request.path)) {
        (false, _) => DialectAnswer::gif(),
        (true, Some(_)) => DialectAnswer::json(200, r#"{"ok":true}"#),
        (true, None) => DialectAnswer::json(200, r#"{"success":true}"#),
    }
}

fn status(error: &IngestError) -> u16 {
    match error {
        IngestError::UnknownKey(_) | IngestError::BadSignature(_) => 401,
        IngestError::OriginNotAllowed(_)
        | IngestError::OverQuota
        | IngestError::Replay(ReplayError::NotAllowed) => 403,
        IngestError::Replay(ReplayError::Unreadable)
        | IngestError::TruncatedBody
        | IngestError::Protocol(_) => 400,
        IngestError::RateLimited
        | IngestError::TenantsUnavailable
        | IngestError::Overloaded
        | IngestError::NotConfigured(_)
        | IngestError::NotDurable { .. } => 429,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use serde_json::Value;

    use super::*;
    use crate::ingest::error::HttpError;
    use crate::model::outcome::{Catalogued, DropReason};
    use crate::model::violation::{Code, Violation};
    use crate::pipeline::decode::ProtocolError;
    use crate::pipeline::decode::pixel::GIF;

    const HOST: &str = "https://events.shop.example";

    fn post(path: &str) -> DialectRequest<'_> {
        DialectRequest { is_post: true, path, query: "", host: HOST, content_type: "" }
    }

    fn get<'a>(path: &'a str, query: &'a str) -> DialectRequest<'a> {
        DialectRequest { is_post: false, path, query, host: HOST, content_type: "" }
    }

    fn body(asked: Option<DialectEndpoint>) -> Value {
        let Some(DialectEndpoint::Answer(answer)) = asked else { panic!("{asked:?}") };
        assert_eq!((answer.status, answer.content_type), (200, "application/json"));
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[test]
    fn each_address_with_events_is_known() {
        for path in
            "track page screen identify group alias merge batch import t p s i g a b".split(' ')
        {
            for prefix in ["/v1/", "/api/s/", "/api/s/s2s/"] {
                let path = format!("{prefix}{path}");
                assert_eq!(endpoint(post(&path)), Some(DialectEndpoint::Events), "{path}");
                assert_eq!(endpoint(get(&path, "")), None, "{path}");
            }
        }
        assert_eq!(endpoint(post("/beacon/v1/batch")), Some(DialectEndpoint::Events));
        for path in ["/pixel/v1/track", "/pixel/v1/page", "/v1/pixel/identify"] {
            assert_eq!(endpoint(get(path, "")), Some(DialectEndpoint::Events), "{path}");
            assert_eq!(endpoint(post(path)), None, "{path}");
        }
        for path in [
            "/v1/events",
            "/v1/pixel.gif",
            "/v1/",
            "/v1",
            "/",
            "",
            "/v1/tracks",
            "/V1/track",
            "/api/s/",
            "/api/s/s2s",
            "/v1/projects//settings",
            "/v1/projects/a/b/settings",
            "/v1/pixel/batch",
            "/healthz",
            "/readyz",
        ] {
            assert_eq!((endpoint(post(path)), endpoint(get(path, ""))), (None, None), "{path}");
        }
    }

    #[test]
    fn the_sdks_are_served_their_settings() {
        assert_eq!(body(endpoint(post("/v1/m"))), json!({"success": true}));
        let settings = body(endpoint(get("/v1/projects/wk \"/settings", "")));
        let segment = json!({
            "apiKey": "wk \"", "apiHost": "events.shop.example/v1", "protocol": "https",
        });
        assert_eq!(settings["integrations"], json!({"Segment.io": segment}));
        assert_eq!(settings["metrics"], json!({"sampleRate": 0}));
        let config = body(endpoint(get("/sourceConfig", "p=npm&writeKey=wk%22")));
        assert_eq!(config["source"]["writeKey"], "wk\"");
        assert_eq!(config["source"]["destinations"], json!([]));
        assert_eq!(config["source"]["enabled"], true);
        assert_eq!(body(endpoint(get("/health", ""))), json!({"server": "UP"}));
        assert_eq!(body(endpoint(get("/version", ""))), json!({"Version": "headwater"}));
    }

    #[test]
    fn each_outcome_has_the_answer_that_sdks_expect() {
        let id = EventId::parse("26bb0215-7b98-48bb-b44c-ad9bd25f036b").unwrap();
        let failed = || Outcome::Failed(Violation::whole(Code::BadJson, "no"));
        let dropped = Outcome::Dropped(DropReason::Gpc);
        for outcome in [Outcome::Accepted(Catalogued::No), Outcome::Duplicate, dropped, failed()] {
            let outcomes = [(id, outcome), (id, failed())];
            for (path, text) in [
                ("/v1/batch", r#"{"success":true}"#),
                ("/v1/t", r#"{"success":true}"#),
                ("/beacon/v1/batch", r#"{"success":true}"#),
                ("/api/s/track", r#"{"ok":true}"#),
                ("/api/s/s2s/page", r#"{"ok":true}"#),
            ] {
                assert_eq!(answer(Ok(&outcomes), post(path)), DialectAnswer::json(200, text));
            }
            let image = answer(Ok(&outcomes), get("/pixel/v1/track", "writeKey=wk"));
            assert_eq!(
                (image.status, image.content_type, &*image.body),
                (200, "image/gif", &GIF[..])
            );
        }
        assert_eq!(answer(Ok(&[]), post("/v1/batch")).status, 200);
    }

    #[test]
    fn each_error_has_the_status_that_sdks_expect() {
        let not_durable = |retry_after_s| IngestError::NotDurable {
            stream: "firehose:a".to_owned(),
            code: "throttled".to_owned(),
            retry_after_s,
        };
        let undecodable = ProtocolError::Undecodable(Violation::whole(Code::BadJson, "no JSON"));
        for (error, status, retry_after_s) in [
            (not_durable(5), 429, Some(5)),
            (not_durable(900), 429, Some(60)),
            (IngestError::Overloaded, 429, Some(5)),
            (IngestError::NotConfigured(Vec::new()), 429, Some(60)),
            (IngestError::RateLimited, 429, Some(60)),
            (undecodable.into(), 400, None),
            (IngestError::TruncatedBody, 400, None),
            (ProtocolError::BodyTooLarge { limit: 1 }.into(), 400, None),
            (ProtocolError::InflatedTooLarge { limit: 1 }.into(), 400, None),
            (ProtocolError::TooManyBeacons { count: 2, limit: 1 }.into(), 400, None),
            (ProtocolError::UnsupportedEncoding("br".to_owned()).into(), 400, None),
            (IngestError::Replay(ReplayError::Unreadable), 400, None),
            (IngestError::Replay(ReplayError::NotAllowed), 403, None),
            (IngestError::OriginNotAllowed("https://a.example".to_owned()), 403, None),
            (IngestError::UnknownKey("wk".to_owned()), 401, None),
        ] {
            for request in [post("/v1/batch"), post("/api/s/page"), get("/pixel/v1/page", "")] {
                let answer = answer(Err(&error), request);
                assert_eq!(
                    (answer.status, answer.retry_after_s),
                    (status, retry_after_s),
                    "{error:?}"
                );
                let body: Value = serde_json::from_slice(&answer.body).unwrap();
                let done = if request.path == "/api/s/page" { "ok" } else { "success" };
                let sentence = error.to_string();
                assert_eq!(body, json!({done: false, "code": error.code(), "message": sentence}));
            }
        }
    }
}
