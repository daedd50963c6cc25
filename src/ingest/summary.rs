//! One request, counted and timed: the source of its metrics point, its log line and its
//! `Server-Timing`.
//!
//! It must contain nothing about a person: no address, no id and no value that was sent.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::config::log_sampling::LogSampling;
use crate::delivery::stats::{DeliveryStats, is_zero};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::outcome::{DropReason, Outcome};
use crate::model::protocol::Protocol;

/// The counts and times of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestSummary<'a> {
    #[serde(rename = "request")]
    pub kind: RequestKind,
    /// The tenant, if the write key is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<&'a str>,
    pub status: u16,
    /// Why the whole request was rejected, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    #[serde(flatten)]
    pub counts: OutcomeCounts,
    /// The bytes of its body as sent, or of its query.
    pub bytes_in: usize,
    /// The bytes of its records.
    pub bytes_out: usize,
    /// Time until the body was read, in milliseconds.
    pub read_ms: u64,
    #[serde(flatten)]
    pub sending: DeliveryStats,
    /// Time from the body to the last record's status, in milliseconds, including all of `sending`.
    pub deliver_ms: u64,
    /// Total time, in milliseconds.
    pub total_ms: u64,
}

/// How beacons are sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestKind {
    /// In a body.
    #[default]
    Post,
    /// In the query of an image.
    Pixel,
    /// Failed events that are sent again.
    Replay,
    /// By an SDK of another collector.
    Protocol(Protocol),
}

impl Serialize for RequestKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl RequestKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Post => "post",
            Self::Pixel => "pixel",
            Self::Replay => "replay",
            Self::Protocol(protocol) => protocol.name(),
        }
    }
}

/// The number of beacons by outcome. Each is counted once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct OutcomeCounts {
    /// In their streams, or in the storage of a shard.
    #[serde(skip_serializing_if = "is_zero")]
    pub accepted: usize,
    #[serde(skip_serializing_if = "is_zero")]
    pub failed: usize,
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicate: usize,
    /// Dropped beacons, by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dropped: BTreeMap<DropReason, usize>,
    /// Not kept, since their tenant is over its quota.
    #[serde(skip_serializing_if = "is_zero")]
    pub over_quota: usize,
    /// Not known to be durable, so the client keeps them. Zero if a request was rejected before its
    /// beacons were counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub refused: usize,
}

impl OutcomeCounts {
    pub fn of<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            let count = match outcome {
                Outcome::Accepted(_) => &mut counts.accepted,
                Outcome::Failed(_) => &mut counts.failed,
                Outcome::Duplicate => &mut counts.duplicate,
                Outcome::Dropped(reason) => counts.dropped.entry(*reason).or_default(),
                Outcome::OverQuota => &mut counts.over_quota,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    /// Counts `beacons` of which none is known to be durable.
    #[must_use]
    pub fn unsettled(beacons: usize) -> Self {
        Self { refused: beacons, ..Self::default() }
    }

    /// The number of all beacons.
    pub fn beacons(&self) -> usize {
        let Self { accepted, failed, duplicate, over_quota, refused, .. } = *self;
        [accepted, failed, duplicate, self.dropped(), over_quota, refused].into_iter().sum()
    }

    /// The number of dropped beacons, for any reason.
    pub fn dropped(&self) -> usize {
        self.dropped.values().sum()
    }
}

impl RequestSummary<'_> {
    /// Records that the whole request was rejected.
    pub fn record_error(&mut self, error: &IngestError) {
        self.code = Some(error.code());
        self.counts = OutcomeCounts::unsettled(self.counts.beacons());
    }

    /// Whether the request failed, or some of its beacons were not accepted.
    pub fn is_exceptional(&self) -> bool {
        self.status >= 400 || self.counts.accepted < self.counts.beacons()
    }

    /// The text columns of its metrics point: type, tenant, kind, status and error code.
    pub fn texts(&self) -> [String; 5] {
        let Self { kind, tenant, status, code, .. } = self;
        let status = status.to_string();
        ["request", tenant.unwrap_or_default(), kind.as_str(), &status, code.unwrap_or_default()]
            .map(str::to_owned)
    }

    /// The number columns of its metrics point.
    pub fn numbers(&self) -> [f64; 16] {
        let Self { counts, sending, .. } = self;
        [
            counts.beacons() as f64,
            counts.accepted as f64,
            counts.failed as f64,
            counts.duplicate as f64,
            counts.dropped() as f64,
            counts.refused as f64,
            self.bytes_in as f64,
            self.bytes_out as f64,
            self.read_ms as f64,
            sending.wait_ms as f64,
            sending.send_ms as f64,
            self.deliver_ms as f64,
            self.total_ms as f64,
            f64::from(sending.retries),
            sending.spill_depth as f64,
            counts.over_quota as f64,
        ]
    }

    /// The value of `Server-Timing`. Source: <https://www.w3.org/TR/server-timing/>
    pub fn server_timing(&self) -> String {
        let Self { read_ms, sending, deliver_ms, total_ms, .. } = self;
        let DeliveryStats { wait_ms, send_ms, .. } = sending;
        format!(
            "read;dur={read_ms}, wait;dur={wait_ms}, send;dur={send_ms}, deliver;dur={deliver_ms}, total;dur={total_ms}"
        )
    }
}

impl LogSampling {
    /// Whether the request of `summary` is logged. `chance` returns a random number, at least 0 and
    /// below 1.
    pub fn is_logged(&self, summary: &RequestSummary<'_>, chance: impl FnOnce() -> f64) -> bool {
        let share = if summary.is_exceptional() { self.failure } else { self.success };
        share >= 1.0 || (share > 0.0 && chance() < share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::outcome::Catalogued;
    use crate::model::violation::{Code, Violation};

    fn outcomes() -> [Outcome; 6] {
        [
            Outcome::Accepted(Catalogued::Yes),
            Outcome::Accepted(Catalogued::No),
            Outcome::Failed(Violation::whole(Code::BadJson, "no")),
            Outcome::Duplicate,
            Outcome::Dropped(DropReason::Gpc),
            Outcome::OverQuota,
        ]
    }

    fn summary() -> RequestSummary<'static> {
        RequestSummary {
            tenant: Some("shop"),
            status: 200,
            counts: OutcomeCounts::of(outcomes().iter()),
            bytes_in: 700,
            bytes_out: 4_000,
            read_ms: 3,
            sending: DeliveryStats { wait_ms: 100, send_ms: 20, retries: 1, spill_depth: 7 },
            deliver_ms: 125,
            total_ms: 128,
            ..RequestSummary::default()
        }
    }

    #[test]
    fn a_log_line_has_the_present_values() {
        assert_eq!(
            serde_json::to_string(&summary()).unwrap(),
            r#"{"request":"post","tenant":"shop","status":200,"accepted":2,"failed":1,"duplicate":1,"dropped":{"gpc":1},"over_quota":1,"bytes_in":700,"bytes_out":4000,"read_ms":3,"wait_ms":100,"send_ms":20,"retries":1,"spill_depth":7,"deliver_ms":125,"total_ms":128}"#
        );
    }

    #[test]
    fn a_point_has_its_numbers_in_their_places() {
        let summary = summary();
        assert_eq!(summary.texts(), ["request", "shop", "post", "200", ""]);
        assert_eq!(
            summary.numbers(),
            [6, 2, 1, 1, 1, 0, 700, 4_000, 3, 100, 20, 125, 128, 1, 7, 1].map(f64::from)
        );
    }

    #[test]
    fn server_timing_has_the_stages() {
        assert_eq!(
            summary().server_timing(),
            "read;dur=3, wait;dur=100, send;dur=20, deliver;dur=125, total;dur=128"
        );
    }

    #[test]
    fn an_event_that_is_not_durable_counts_as_refused() {
        let mut summary = summary();
        let code = "timed_out".to_owned();
        let stream = "firehose:events".to_owned();
        summary.record_error(&IngestError::NotDurable { stream, code, retry_after_s: 5 });
        assert_eq!(summary.counts, OutcomeCounts { refused: 6, ..OutcomeCounts::default() });
        assert_eq!(summary.code, Some("not_durable"));
    }

    #[test]
    fn exceptions_are_logged_more_often() {
        let shares = LogSampling { success: 0.25, failure: 1.0 };
        let usual = RequestSummary {
            status: 204,
            counts: OutcomeCounts { accepted: 2, ..OutcomeCounts::default() },
            ..RequestSummary::default()
        };
        assert!(shares.is_logged(&usual, || 0.24) && !shares.is_logged(&usual, || 0.25));
        assert!(shares.is_logged(&summary(), || 0.99));
        assert!(
            shares.is_logged(&RequestSummary { status: 401, ..RequestSummary::default() }, || 0.99)
        );
        assert!(!LogSampling { success: 0.0, failure: 0.0 }.is_logged(&usual, || 0.0));
    }

    #[test]
    fn parallel_deliveries_merge_by_maximum_and_others_by_sum() {
        let one = DeliveryStats { wait_ms: 1, send_ms: 9, retries: 1, spill_depth: 5 };
        let other = DeliveryStats { wait_ms: 3, send_ms: 4, retries: 2, spill_depth: 8 };
        let both = DeliveryStats { wait_ms: 3, send_ms: 9, retries: 3, spill_depth: 8 };
        assert_eq!(one.beside(other), both);
        assert_eq!(one.then(other), DeliveryStats { wait_ms: 4, send_ms: 13, ..both });
    }
}
