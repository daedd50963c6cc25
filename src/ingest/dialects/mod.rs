//! The answers that other collectors' SDKs expect, and the addresses that they ask.
//!
//! An SDK repeats a request or drops its events by what is answered, each in its own way; so each
//! protocol has a dialect. [`crate::pipeline::decode::protocols`] decodes the requests.

pub mod amplitude;
pub mod answer;
pub mod cloudevents;
pub mod ga4;
pub mod otlp;
pub mod plausible;
pub mod posthog;
#[cfg(test)]
mod sample_errors;
pub mod segment;
pub mod snowplow;
pub mod umami;

pub use answer::{DialectAnswer, DialectEndpoint, DialectRequest};

use std::collections::BTreeMap;

use crate::ingest::error::IngestError;
use crate::ingest::response::{IngestResponse, VerdictMode};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;
use crate::model::protocol::Protocol;

/// An address of a protocol that a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedAddress<'a> {
    pub protocol: Protocol,
    /// The request with the path that its collector has.
    pub request: DialectRequest<'a>,
    /// None if the address has another method.
    pub endpoint: Option<DialectEndpoint>,
}

/// Returns the first address that a request asks for. `own_paths` are addresses of the operator, each
/// for a protocol; the longest one that a path begins with comes first.
pub fn served<'a>(
    protocols: &[Protocol],
    own_paths: &BTreeMap<String, Protocol>,
    request: DialectRequest<'a>,
) -> Option<ServedAddress<'a>> {
    let at_own_path = own_paths.iter().rev().find_map(|(own, protocol)| {
        let path = match request.path.strip_prefix(own.as_str())? {
            "" => main_path(*protocol),
            below if below.starts_with('/') => below,
            _ => return None,
        };
        served_by(*protocol, DialectRequest { path, ..request })
    });
    at_own_path.or_else(|| protocols.iter().find_map(|protocol| served_by(*protocol, request)))
}

/// Returns the address of `protocol` that a request asks for.
#[inline(never)]
fn served_by(protocol: Protocol, request: DialectRequest<'_>) -> Option<ServedAddress<'_>> {
    let by_other_method = DialectRequest { is_post: !request.is_post, ..request };
    let endpoint = self::endpoint(protocol, request);
    let is_known = endpoint.is_some() || self::endpoint(protocol, by_other_method).is_some();
    is_known.then_some(ServedAddress { protocol, request, endpoint })
}

/// Returns the path to which most SDKs of a protocol post their events.
pub const fn main_path(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Segment => "/v1/batch",
        Protocol::Snowplow => "/com.snowplowanalytics.snowplow/tp2",
        Protocol::Posthog => "/e",
        Protocol::CloudEvents => "/v1/cloudevents",
        Protocol::Otlp => "/v1/logs",
        Protocol::Plausible => "/api/event",
        Protocol::Umami => "/api/send",
        Protocol::Ga4 => "/g/collect",
        Protocol::Amplitude => "/2/httpapi",
    }
}

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(protocol: Protocol, request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    match protocol {
        Protocol::Segment => segment::endpoint(request),
        Protocol::Snowplow => snowplow::endpoint(request),
        Protocol::Posthog => posthog::endpoint(request),
        Protocol::CloudEvents => cloudevents::endpoint(request),
        Protocol::Otlp => otlp::endpoint(request),
        Protocol::Plausible => plausible::endpoint(request),
        Protocol::Umami => umami::endpoint(request),
        Protocol::Ga4 => ga4::endpoint(request),
        Protocol::Amplitude => amplitude::endpoint(request),
    }
}

/// Returns the answer to a request with events: once all its records are durable, or by its error. A
/// server that asks for verdicts gets them, since the answers of most protocols name no event.
pub fn answer(
    protocol: Protocol,
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    if let (true, Ok(outcomes)) = (request.asks_for_verdicts(), outcomes) {
        let answer = IngestResponse::of_outcomes(outcomes, VerdictMode::Always);
        return DialectAnswer::json(answer.status, answer.body.unwrap_or_default());
    }
    let over = outcomes.map_or(0, over_quota);
    // These two say it in a success.
    let has_words = matches!(protocol, Protocol::Posthog | Protocol::Otlp);
    let outcomes = match outcomes {
        Ok(outcomes) if over > 0 && over == outcomes.len() && !has_words => Err(&OVER_QUOTA),
        outcomes => outcomes,
    };
    let mut answer = of_protocol(protocol, outcomes, request);
    if over > 0 {
        answer.headers.push((OVER_QUOTA_HEADER, over.to_string()));
    }
    answer
}

/// Says how many events of a request are not kept, since their tenant is over its quota.
pub const OVER_QUOTA_HEADER: &str = "x-headwater-over-quota";

/// The answer of a protocol if nothing of a request is kept: no SDK may send it again.
static OVER_QUOTA: IngestError = IngestError::OverQuota;

/// Returns how many events are over the quota of their tenant.
pub fn over_quota(outcomes: &[(EventId, Outcome)]) -> usize {
    outcomes.iter().filter(|(_, outcome)| *outcome == Outcome::OverQuota).count()
}

fn of_protocol(
    protocol: Protocol,
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    match protocol {
        Protocol::Segment => segment::answer(outcomes, request),
        Protocol::Snowplow => snowplow::answer(outcomes, request),
        Protocol::Posthog => posthog::answer(outcomes, request),
        Protocol::CloudEvents => cloudevents::answer(outcomes, request),
        Protocol::Otlp => otlp::answer(outcomes, request),
        Protocol::Plausible => plausible::answer(outcomes, request),
        Protocol::Umami => umami::answer(outcomes, request),
        Protocol::Ga4 => ga4::answer(outcomes, request),
        Protocol::Amplitude => amplitude::answer(outcomes, request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Catalogued;

    /// The addresses of events that have no part of their own, such as a key.
    const PATHS: [&str; 31] = [
        "/v1/track",
        "/v1/batch",
        "/v1/import",
        "/v1/t",
        "/v1/b",
        "/v1/m",
        "/beacon/v1/batch",
        "/pixel/v1/track",
        "/api/s/track",
        "/sourceConfig",
        "/health",
        "/version",
        "/com.snowplowanalytics.snowplow/tp2",
        "/i",
        "/ice.png",
        "/e",
        "/i/v0/e",
        "/capture",
        "/track",
        "/engage",
        "/batch",
        "/i/v0/ai/batch",
        "/i/v1/analytics/events",
        "/s",
        "/flags",
        "/decide",
        "/v1/cloudevents",
        "/v1/logs",
        "/api/event",
        "/api/send",
        "/api/batch",
    ];

    fn has(protocol: Protocol, path: &str) -> bool {
        [true, false].into_iter().any(|is_post| {
            let request =
                DialectRequest { is_post, path, query: "data=e30", ..DialectRequest::default() };
            endpoint(protocol, request).is_some()
        })
    }

    #[test]
    fn the_shared_addresses_are_all_that_two_protocols_have() {
        let mains = Protocol::ALL.map(main_path);
        for path in PATHS.into_iter().chain(mains).chain(["/mp/collect", "/debug/mp/collect"]) {
            let found: Vec<Protocol> =
                Protocol::ALL.into_iter().filter(|protocol| has(*protocol, path)).collect();
            let shared = Protocol::SHARED.iter().find(|(shared, _)| *shared == path);
            match shared {
                Some((_, protocols)) => assert_eq!(found, protocols, "{path}"),
                None => assert_eq!(found.len(), 1, "{path}: {found:?}"),
            }
        }
    }

    #[test]
    fn a_post_that_asks_for_verdicts_gets_those_of_its_events() {
        let id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
        let outcomes = [(id, Outcome::Duplicate)];
        let error = IngestError::RateLimited;
        for protocol in Protocol::ALL {
            let path = main_path(protocol);
            let request = DialectRequest { is_post: true, path, ..DialectRequest::default() };
            let asking = DialectRequest { query: "verdicts=1", ..request };
            let answer = super::answer(protocol, Ok(&outcomes), asking);
            let body = format!(
                r#"{{"verdicts":[{{"index":0,"event_id":"{id}","outcome":"duplicate"}}]}}"#
            );
            assert_eq!(answer, DialectAnswer::json(200, body));
            let pixel = DialectRequest { is_post: false, ..asking };
            for (outcomes, request, asking) in [
                (Ok(&outcomes[..]), request, DialectRequest { query: "verdicts=0", ..asking }),
                (Ok(&outcomes[..]), DialectRequest { query: "", ..pixel }, pixel),
                (Err(&error), request, asking),
            ] {
                let usual = super::answer(protocol, outcomes, request);
                assert_eq!(super::answer(protocol, outcomes, asking), usual, "{protocol:?}");
            }
        }
    }

    /// No SDK repeats what is over a quota, and no answer says that it was taken.
    #[test]
    fn an_event_over_its_quota_is_refused_for_good() {
        let id = EventId::parse("01939b70-6d2a-7c3e-8f00-000000000001").unwrap();
        let accepted = (id, Outcome::Accepted(Catalogued::No));
        let over = (id, Outcome::OverQuota);
        let segment = r#"{"code":"over_quota","message":"the tenant has used up its events of the day; do not send again","success":false}"#;
        let amplitude = r#"{"code":403,"error":"the tenant has used up its events of the day; do not send again","missing_field":"events"}"#;
        let otlp = r#"{"partialSuccess":{"errorMessage":"2 log records are over the tenant's quota, and not kept","rejectedLogRecords":"2"}}"#;
        let json = r#"{"code":"over_quota","message":"the tenant has used up its events of the day; do not send again"}"#;
        let limited = r#"{"status":1,"quota_limited":["events"]}"#;
        for (protocol, status, body) in [
            (Protocol::Segment, 403, segment),
            (
                Protocol::Snowplow,
                403,
                "the tenant has used up its events of the day; do not send again",
            ),
            (Protocol::Posthog, 200, limited),
            (Protocol::CloudEvents, 403, json),
            (Protocol::Otlp, 200, otlp),
            (Protocol::Plausible, 202, "ok"),
            (Protocol::Umami, 202, r#"{"beep":"boop"}"#),
            (Protocol::Ga4, 403, json),
            (Protocol::Amplitude, 403, amplitude),
        ] {
            let path = main_path(protocol);
            let request = DialectRequest { is_post: true, path, ..DialectRequest::default() };
            let all = [over.clone(), over.clone()];
            let answer = super::answer(protocol, Ok(&all), request);
            assert_eq!((answer.status, answer.retry_after_s), (status, None), "{protocol:?}");
            assert_eq!(String::from_utf8_lossy(&answer.body), body, "{protocol:?}");
            assert!(answer.headers.contains(&(OVER_QUOTA_HEADER, "2".to_owned())), "{protocol:?}");
            // What is accepted must not be sent again either.
            let some = [accepted.clone(), over.clone()];
            let answer = super::answer(protocol, Ok(&some), request);
            assert!((200..300).contains(&answer.status), "{protocol:?}");
            assert!(answer.headers.contains(&(OVER_QUOTA_HEADER, "1".to_owned())), "{protocol:?}");
            let verdicts = DialectRequest { query: "verdicts=1", ..request };
            let answer = super::answer(protocol, Ok(&all), verdicts);
            let body = String::from_utf8_lossy(&answer.body);
            assert!(body.contains(r#""outcome":"over_quota","code":"over_quota""#), "{body}");
        }
        let v1 = DialectRequest {
            is_post: true,
            path: "/i/v1/analytics/events",
            ..DialectRequest::default()
        };
        let answer = super::answer(Protocol::Posthog, Ok(&[over]), v1);
        let body =
            format!(r#"{{"results":{{"{id}":{{"details":"over_quota","result":"drop"}}}}}}"#);
        assert_eq!((answer.status, String::from_utf8_lossy(&answer.body)), (200, body.into()));
    }

    #[test]
    fn the_longest_own_path_comes_first() {
        let own = BTreeMap::from([
            ("/shop".to_owned(), Protocol::Posthog),
            ("/shop/sp".to_owned(), Protocol::Snowplow),
        ]);
        let found = |path| {
            let request = DialectRequest { is_post: true, path, ..DialectRequest::default() };
            served(&[Protocol::Umami], &own, request).map(|it| (it.protocol, it.request.path))
        };
        assert_eq!(found("/shop/e"), Some((Protocol::Posthog, "/e")));
        assert_eq!(found("/shop/sp"), Some((Protocol::Snowplow, main_path(Protocol::Snowplow))));
        assert_eq!(found("/shop/sp/e"), None);
        assert_eq!(found("/api/send"), Some((Protocol::Umami, "/api/send")));
    }
}
