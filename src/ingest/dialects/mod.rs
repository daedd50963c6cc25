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

pub use answer::{Asked, AskedBy, DialectAnswer};

use std::collections::BTreeMap;

use crate::ingest::error::IngestError;
use crate::model::event::EventId;
use crate::model::outcome::Outcome;
use crate::model::protocol::Protocol;

/// Returns the protocol whose address a request asks for, by any method, and the request with the
/// path that its collector has. `own_paths` are addresses of the operator, each for a protocol.
pub fn served<'a>(
    protocols: &[Protocol],
    own_paths: &BTreeMap<String, Protocol>,
    by: AskedBy<'a>,
) -> Option<(Protocol, AskedBy<'a>)> {
    let at_own_path = own_paths.iter().find_map(|(own, protocol)| {
        let below = by.path.strip_prefix(own.as_str())?;
        match below {
            "" => Some((*protocol, AskedBy { path: main_path(*protocol), ..by })),
            _ if below.starts_with('/') => Some((*protocol, AskedBy { path: below, ..by })),
            _ => None,
        }
    });
    let usual = protocols.iter().map(|protocol| (*protocol, by));
    at_own_path.into_iter().chain(usual).find(|(protocol, by)| {
        asked(*protocol, *by).is_some()
            || asked(*protocol, AskedBy { is_post: !by.is_post, ..*by }).is_some()
    })
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
pub fn asked(protocol: Protocol, by: AskedBy<'_>) -> Option<Asked> {
    match protocol {
        Protocol::Segment => segment::asked(by),
        Protocol::Snowplow => snowplow::asked(by),
        Protocol::Posthog => posthog::asked(by),
        Protocol::CloudEvents => cloudevents::asked(by),
        Protocol::Otlp => otlp::asked(by),
        Protocol::Plausible => plausible::asked(by),
        Protocol::Umami => umami::asked(by),
        Protocol::Ga4 => ga4::asked(by),
        Protocol::Amplitude => amplitude::asked(by),
    }
}

/// Returns the answer to a request with events: once all its records are durable, or by its error.
pub fn answer(
    protocol: Protocol,
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    by: AskedBy<'_>,
) -> DialectAnswer {
    match protocol {
        Protocol::Segment => segment::answer(outcomes, by),
        Protocol::Snowplow => snowplow::answer(outcomes, by),
        Protocol::Posthog => posthog::answer(outcomes, by),
        Protocol::CloudEvents => cloudevents::answer(outcomes, by),
        Protocol::Otlp => otlp::answer(outcomes, by),
        Protocol::Plausible => plausible::answer(outcomes, by),
        Protocol::Umami => umami::answer(outcomes, by),
        Protocol::Ga4 => ga4::answer(outcomes, by),
        Protocol::Amplitude => amplitude::answer(outcomes, by),
    }
}
