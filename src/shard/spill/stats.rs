//! Statistics of the spill, for operators.

use super::backlog::Backlog;
use crate::base::clock::Milliseconds;
use crate::delivery::health::DeliveryError;
use crate::model::stream::Stream;

/// The backlog of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogStats {
    pub stream: Stream,
    /// Number of queued records.
    pub records: u64,
    /// Their bytes as stored.
    pub bytes: u64,
    /// Age of the oldest queued record, in milliseconds.
    pub oldest_ms: u64,
    /// Number of quarantined records.
    pub quarantined: u64,
    /// Why the last attempt gave up, if it did.
    pub problem: Option<DeliveryError>,
    /// When an attempt last made progress, since the shard was loaded and records were queued.
    pub last_drained_at: Option<Milliseconds>,
    /// When the next attempt is, if records are queued; with one in flight, when another may begin.
    pub next_try_at: Option<Milliseconds>,
}

impl BacklogStats {
    /// Returns the statistics of a stream without spilled records.
    pub const fn none(stream: Stream) -> Self {
        Self {
            stream,
            records: 0,
            bytes: 0,
            oldest_ms: 0,
            quarantined: 0,
            problem: None,
            last_drained_at: None,
            next_try_at: None,
        }
    }

    pub(super) fn of(backlog: &Backlog, now: Milliseconds) -> Self {
        Self {
            stream: backlog.stream.clone(),
            records: backlog.waiting.records,
            bytes: backlog.waiting.bytes,
            oldest_ms: match backlog.waiting.records {
                0 => 0,
                _ => now.saturating_sub(backlog.oldest_at),
            },
            quarantined: backlog.quarantined.records,
            problem: backlog.problem.clone(),
            last_drained_at: backlog.last_drained_at,
            next_try_at: backlog.attempt_at(),
        }
    }
}

/// A tenant that has its share of the spill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTenant {
    pub tenant: String,
    /// The bytes of its records.
    pub bytes: u64,
    /// When its records were last rejected.
    pub since: Milliseconds,
}

/// How full the spill is, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillUsage {
    /// The bytes of all records, with those in quarantine.
    pub bytes: u64,
    pub max_bytes: u64,
    /// When the spill last rejected records for lack of room, if none was freed since.
    pub full_since: Option<Milliseconds>,
}
