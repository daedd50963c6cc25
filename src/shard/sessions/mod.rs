//! Assigns the events of one device to sessions.
//!
//! An event at or after the latest time seen of its device is *in order*. It opens a session if it
//! is the device's first event or a session-start event. It also does so if the gap since that time
//! is strictly longer than the timeout. The recorded trigger is the first that applies of first
//! event, timeout and session start. Otherwise the event joins the session of the latest event.
//!
//! An event before that time is *late*. Sent records cannot be rewritten, so it splits and merges
//! no session. The span of a session is from its earliest event to its latest. A late event joins
//! the session with the nearest span, if that is at most the timeout away. Of equally near ones it
//! joins the one opened last. Otherwise it opens a session of its own, marked `late`. A late
//! session-start event joins in the same way, since later events were already assigned and cannot
//! move to another session. Joining extends the span at either end, so a span may begin before its
//! `started_at`, which was sent and does not change.
//!
//! An event that opened a session finds it again by its id, whatever time it now has: its first
//! attempt may have been answered 503. Such a repeat changes only the span of the current session.
//!
//! [`DeviceSessions::REMEMBERED`] sessions are remembered: that of the latest event, the one opened
//! last, and of the others those that ended last. A late event that would have joined a forgotten
//! session opens one of its own. So does a repeat of the event that opened a forgotten session. A
//! device takes 80 bytes in Wasm, and 64 more for each session after its first.
//!
//! A clock that jumps ahead opens a session in the future. Once it is set right, events are late.
//! They continue the session from before the jump, or after a gap a `late` one; session-start
//! events open none. This ends at the time that the clock had jumped to; then events are in order
//! again. [`crate::pipeline::enrich::event_time`] limits how far ahead an event may be, to the
//! threshold of the clock skew. So this takes no longer than that: a minute by default.
//!
//! Nothing here changes the id, the index, the start or the trigger of an existing session.

use std::cmp::Reverse;

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::event::EventId;
use crate::model::session::{SessionId, SessionInfo, SessionTrigger};

/// When a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    /// The longest gap inside a session, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { timeout_ms: 30 * 60 * 1_000 }
    }
}

/// The properties of an event that decide its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEvent {
    /// When it occurred, in milliseconds since the epoch.
    pub at: i64,
    /// Identifies its repeats.
    pub event_id: EventId,
    pub opening: Opening,
}

/// Whether an event is a session-start event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    No,
    /// It opens a session if it is in order.
    Yes,
}

/// The remembered sessions of one device; by default of a device that was never seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceSessions {
    /// The session of the latest event.
    current: Option<Span>,
    /// Other sessions, in no order.
    earlier: Vec<Span>,
    /// The number of sessions that were ever opened.
    opened: u32,
}

/// A session and the times of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    tag: SessionInfo,
    /// The id of the event that opened it.
    opener: [u8; 16],
    first: i64,
    last: i64,
}

impl DeviceSessions {
    /// The most sessions of a device that are remembered.
    pub const REMEMBERED: usize = 8;

    /// The version that [`DeviceSessions::encode`] writes.
    const VERSION: u8 = 1;

    /// Assigns an event to its session. `random` is drawn only for a new session.
    pub fn observe(
        &mut self,
        sighting: &SessionEvent,
        policy: SessionConfig,
        random: impl FnOnce() -> [u8; 10],
    ) -> SessionInfo {
        let (at, event_id) = (sighting.at, sighting.event_id.as_bytes());
        let Some(current) = &mut self.current else {
            return self.open(sighting, SessionTrigger::First, random());
        };
        if current.opener == *event_id {
            current.last = current.last.max(at);
            return current.tag;
        }
        if let Some(opened) = self.earlier.iter().find(|span| span.opener == *event_id) {
            return opened.tag;
        }
        let opened_by = if at < current.last {
            match self.nearest(at, policy) {
                Some(span) => return span.join(at),
                None => SessionTrigger::Late,
            }
        } else if current.distance(at) > policy.timeout_ms {
            SessionTrigger::Timeout
        } else if sighting.opening == Opening::Yes {
            SessionTrigger::StartEvent
        } else {
            return current.join(at);
        };
        self.open(sighting, opened_by, random())
    }

    /// Returns the time of the latest event, in milliseconds since the epoch.
    pub fn last_at(&self) -> Option<i64> {
        self.current.map(|span| span.last)
    }

    /// Whether no event was seen.
    pub fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Returns the session that a late event at `at` joins.
    fn nearest(&mut self, at: i64, policy: SessionConfig) -> Option<&mut Span> {
        self.earlier
            .iter_mut()
            .chain(&mut self.current)
            .filter(|span| span.distance(at) <= policy.timeout_ms)
            .min_by_key(|span| (span.distance(at), Reverse(span.tag.index)))
    }

    fn open(
        &mut self,
        sighting: &SessionEvent,
        opened_by: SessionTrigger,
        random: [u8; 10],
    ) -> SessionInfo {
        self.opened = self.opened.saturating_add(1);
        let (started_at, index) = (sighting.at, self.opened);
        let tag =
            SessionInfo { id: SessionId::new(started_at, random), index, started_at, opened_by };
        let opener = *sighting.event_id.as_bytes();
        let span = Span { tag, opener, first: started_at, last: started_at };
        let earlier = match opened_by {
            SessionTrigger::Late => Some(span),
            SessionTrigger::First | SessionTrigger::Timeout | SessionTrigger::StartEvent => {
                self.current.replace(span)
            }
        };
        if let Some(span) = earlier {
            self.remember(span);
        }
        tag
    }

    /// Remembers `span` beside the current one. If there is no room, it replaces the one that ended
    /// first.
    fn remember(&mut self, span: Span) {
        if self.earlier.len().saturating_add(1) < Self::REMEMBERED {
            // Most devices have no second session to remember, few a third.
            self.earlier.reserve_exact(1);
            self.earlier.push(span);
        } else if let Some(oldest) =
            self.earlier.iter_mut().min_by_key(|span| (span.last, span.tag.index))
        {
            *oldest = span;
        }
    }

    /// Appends the bytes that [`DeviceSessions::decode`] reads: 6, and 61 for each remembered
    /// session.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u8(Self::VERSION);
        bytes.put_u32(self.opened);
        let spans = self.current.iter().chain(&self.earlier);
        bytes.put_u8(u8::try_from(spans.clone().count()).unwrap_or(u8::MAX));
        for Span { tag, opener, first, last } in spans {
            tag.encode(bytes);
            bytes.put(opener);
            bytes.put_i64(*first);
            bytes.put_i64(*last);
        }
    }

    /// Reads the bytes that [`DeviceSessions::encode`] wrote, and no byte after them. Rejects
    /// another version, and more sessions than are remembered.
    pub fn decode(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != Self::VERSION {
            return Err(reader.garbled());
        }
        let opened = reader.u32()?;
        let count = usize::from(reader.u8()?);
        if count > Self::REMEMBERED {
            return Err(reader.garbled());
        }
        let mut sessions = Self { current: None, earlier: Vec::new(), opened };
        for _ in 0..count {
            let span = Span::decode(reader)?;
            if sessions.current.is_none() {
                sessions.current = Some(span);
                sessions.earlier.reserve_exact(count.saturating_sub(1));
            } else {
                sessions.earlier.push(span);
            }
        }
        Ok(sessions)
    }
}

impl Span {
    /// Returns how far `at` is from the span, in milliseconds; 0 inside it.
    fn distance(&self, at: i64) -> u64 {
        at.abs_diff(at.min(self.last).max(self.first))
    }

    fn join(&mut self, at: i64) -> SessionInfo {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.tag
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        let tag = SessionInfo::decode(reader)?;
        let (opener, first, last) = (reader.array()?, reader.i64()?, reader.i64()?);
        if first > last {
            return Err(reader.garbled());
        }
        Ok(Self { tag, opener, first, last })
    }
}

#[cfg(test)]
mod tests;
