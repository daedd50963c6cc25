//! A failed event that its operator sends again. A header states the facts of its first request;
//! the request must hold the operator's replay key.
//!
//! The event keeps its id and its times. The client's address, country and browser are those of the
//! first request. Without the key, the header is an error and never ignored: no other client may
//! state such facts.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::model::beacon::Envelope;
use crate::model::consent::PrivacySignal;
use crate::model::event::{DeviceId, EventId, EventIdGenerator};
use crate::model::failed_event::PayloadFormat;
use crate::model::geo::{Geo, OffsetChange};

/// The headers of a request that is a replay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplayHeader {
    /// `X-Headwater-Replay`: the facts of the first request, in JSON.
    pub fields: String,
    /// The key in `Authorization`.
    pub key: Option<String>,
}

/// Why a replay is rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// The client's error: it lacks the operator's key, or the operator has none.
    #[error("this needs HEADWATER_OPERATOR_KEY, which must be set, in Authorization")]
    NotAllowed,
    /// The client's error: the header is invalid.
    #[error("X-Headwater-Replay does not tell of a failed event")]
    Unreadable,
}

/// The first request of a failed event, from the failed event's columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySource {
    /// The failed event's id, which its beacon gets if it has none.
    pub event_id: EventId,
    /// The format of the bytes that are sent again.
    pub form: PayloadFormat,
    /// When it first arrived, by the worker's clock.
    pub received_at: DateTime<Utc>,
    pub envelope: Envelope,
    /// The client's address, to the extent that the operator's policy keeps it.
    pub ip: Option<String>,
    pub(super) user_agent: Option<String>,
    pub(super) geo: Geo,
    pub(super) utc_offset_minutes: Option<i32>,
    pub(super) utc_offset_changes: Vec<OffsetChange>,
    pub(super) stripped: Option<PrivacySignal>,
    /// Whether its request had a server key.
    pub verified: bool,
}

/// The header; its names are the columns of a failed event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayHeaderFields {
    event_id: String,
    original_format: PayloadFormat,
    received_at: String,
    sent_at: Option<String>,
    device_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    #[serde(default)]
    geo: Geo,
    utc_offset_minutes: Option<i32>,
    #[serde(default)]
    utc_offset_changes: Vec<OffsetChange>,
    identifiers_removed: Option<PrivacySignal>,
    #[serde(default)]
    verified: bool,
}

impl ReplaySource {
    /// Parses a replay's header, if its key is one that `may_replay`.
    pub fn parse(header: &ReplayHeader, may_replay: bool) -> Result<Self, ReplayError> {
        match may_replay {
            true => Self::of_header(&header.fields).ok_or(ReplayError::Unreadable),
            false => Err(ReplayError::NotAllowed),
        }
    }

    fn of_header(text: &str) -> Option<Self> {
        let fields: ReplayHeaderFields = serde_json::from_str(text).ok()?;
        let time = |text: &str| DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
        Some(Self {
            event_id: EventId::parse(&fields.event_id)?,
            form: fields.original_format,
            received_at: time(&fields.received_at)?,
            envelope: Envelope {
                sent_at: fields.sent_at.as_deref().and_then(time),
                device_id: fields.device_id.and_then(DeviceId::parse),
                no_device: false,
            },
            ip: fields.ip,
            user_agent: fields.user_agent,
            geo: fields.geo,
            utc_offset_minutes: fields.utc_offset_minutes,
            utc_offset_changes: fields.utc_offset_changes,
            stripped: fields.identifiers_removed,
            verified: fields.verified,
        })
    }

    /// Returns the ids for beacons without one: the failed event's, and those that follow it. So a
    /// beacon has the same id each time.
    pub fn ids(&self) -> EventIdGenerator {
        EventIdGenerator::from(self.event_id)
    }

    /// Returns `Lost` for a record: its shard may know the event's id although the stream lacks the
    /// event.
    pub const fn redelivery(&self) -> Redelivery {
        match self.form {
            PayloadFormat::Record => Redelivery::Lost,
            PayloadFormat::Beacon
            | PayloadFormat::Query
            | PayloadFormat::Body
            | PayloadFormat::GzipBody
            | PayloadFormat::Item(_)
            | PayloadFormat::ProtocolBody(_) => Redelivery::No,
        }
    }
}

/// A replay and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// By the worker's clock.
    pub at: DateTime<Utc>,
    pub of: ReplaySource,
}

impl Replay {
    /// Returns the client's address, or its text if only a part was kept.
    pub fn address(&self) -> Option<Result<IpAddr, &str>> {
        let text = self.of.ip.as_deref()?;
        Some(text.parse().map_err(|_| text))
    }
}

/// Whether a shard may have seen an event before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Redelivery {
    /// The event arrives as usual.
    #[default]
    No,
    /// The event was accepted before, but its stream rejected or lost the record later. Only
    /// another such replay counts as its duplicate.
    Lost,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::request::RequestContext;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const HEADER: &str = r#"{"event_id":"01939b70-6d2a-7c3e-8f00-000000000001",
        "original_format":"beacon","received_at":"2026-11-18T11:06:40.123Z","ip":"203.0.113.0",
        "geo":{"country":"CH"},"identifiers_removed":"gpc"}"#;

    fn parse(
        header: &str,
        sent: Option<&str>,
        key: Option<&str>,
    ) -> Result<ReplaySource, ReplayError> {
        let header = ReplayHeader { fields: header.to_owned(), key: sent.map(str::to_owned) };
        ReplaySource::parse(&header, header.key.is_some() && header.key.as_deref() == key)
    }

    #[test]
    fn a_replay_needs_the_key() {
        assert!(parse(HEADER, Some(KEY), Some(KEY)).is_ok());
        for (sent, key) in
            [(None, Some(KEY)), (Some(KEY), None), (None, None), (Some("0123"), Some(KEY))]
        {
            assert_eq!(parse(HEADER, sent, key), Err(ReplayError::NotAllowed), "{sent:?} {key:?}");
        }
    }

    #[test]
    fn a_header_with_missing_or_unknown_fields_is_refused() {
        for header in
            ["", "{}", &HEADER.replace("beacon", "letter"), &HEADER.replace("ip", "address")]
        {
            assert_eq!(
                parse(header, Some(KEY), Some(KEY)),
                Err(ReplayError::Unreadable),
                "{header}"
            );
        }
    }

    #[test]
    fn a_replay_is_in_the_circumstances_of_the_first_request() {
        let now = DateTime::from_timestamp_millis(1_795_100_000_000).unwrap();
        let own = RequestContext {
            received_at: now,
            write_key: Some("pk".to_owned()),
            user_agent: Some("replay".to_owned()),
            ip: Some(IpAddr::from([192, 0, 2, 1])),
            ..RequestContext::default()
        };
        let replay = parse(HEADER, Some(KEY), Some(KEY)).unwrap();
        let context = replay.context(&own);
        assert_eq!(context.received_at.timestamp_millis(), 1_795_000_000_123);
        assert_eq!(context.write_key.as_deref(), Some("pk"));
        assert_eq!((context.ip, context.user_agent), (None, None));
        assert_eq!(context.geo.country.as_deref(), Some("CH"));
        assert!(context.signals.gpc && !context.signals.dnt);
        let replayed = context.replayed.unwrap();
        assert_eq!(replayed.at, now);
        assert_eq!(replayed.address(), Some(Ok(IpAddr::from([203, 0, 113, 0]))));
    }
}
