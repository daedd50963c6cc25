//! How much of a stream is in the spill, for operators.

use super::backlog::Backlog;
use crate::base::clock::Milliseconds;
use crate::delivery::health::DeliveryError;
use crate::model::stream::Stream;

/// How much of one stream is spilled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BacklogStats {
    /// Whose records.
    pub stream: Stream,
    /// How many wait.
    pub records: u64,
    /// Their bytes as stored.
    pub bytes: u64,
    /// How long the oldest has waited, in milliseconds.
    pub oldest_ms: u64,
    /// How many are kept and not tried again.
    pub set_aside: u64,
    /// Why the last try did not take all, when it did not.
    pub problem: Option<DeliveryError>,
    /// When a try last made it smaller, since something waits and the shard was last loaded.
    pub last_drained_at: Option<Milliseconds>,
    /// When the next try is, where something waits; while one is under way, when another may begin.
    pub next_try_at: Option<Milliseconds>,
}

impl BacklogStats {
    /// That of a stream of which there is nothing.
    pub const fn none(stream: Stream) -> Self {
        Self {
            stream,
            records: 0,
            bytes: 0,
            oldest_ms: 0,
            set_aside: 0,
            problem: None,
            last_drained_at: None,
            next_try_at: None,
        }
    }

    /// That of `backlog` at `now`.
    pub(super) fn of(backlog: &Backlog, now: Milliseconds) -> Self {
        Self {
            stream: backlog.stream.clone(),
            records: backlog.waiting.records,
            bytes: backlog.waiting.bytes,
            oldest_ms: match backlog.waiting.records {
                0 => 0,
                _ => now.saturating_sub(backlog.oldest_at),
            },
            set_aside: backlog.set_aside.records,
            problem: backlog.problem.clone(),
            last_drained_at: backlog.last_drained_at,
            next_try_at: backlog.try_at(),
        }
    }
}

/// How much of what may be kept is, for operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpillUsage {
    /// The bytes that there are, what is set aside included.
    pub bytes: u64,
    /// The most that there may be.
    pub max_bytes: u64,
    /// When records last found no room, where none was made since.
    pub refused_at: Option<Milliseconds>,
}
