//! The sessions of one device: to which of its runs of events an event belongs.
//!
//! An event at or after the latest time seen of its device is *in order*. It opens a session
//! when it is the device's first, when the gap since that time is strictly longer than the
//! timeout, or when it is an opening event; the first of these reasons that holds is told.
//! Else it joins the session of the latest event.
//!
//! An event before that time is *late*. What was sent can't be rewritten, so no session is cut
//! or merged for it: it joins the session whose span, from its earliest event to its latest
//! and widened by the timeout on both sides, holds its time; of several the nearest, of those
//! that are equally near the one that was opened last. Where there is none it opens one of its
//! own, marked `late`. A late opening event joins likewise, since those after it were already
//! told their session and could not follow it into another. Joining extends the span at
//! either end, so a span may begin before its `started_at`, which was sent and stays.
//!
//! An event that opened a session finds it again by its id, whatever time it now has: its
//! first attempt may have been answered 503. Such a repeat moves no span but that of the
//! current session.
//!
//! [`DeviceSessions::REMEMBERED`] sessions are remembered: that of the latest event, the one opened
//! last, and of the others those that ended last. A late event that would have joined a
//! forgotten one opens one of its own, and so does the repeat of an event that opened it. A
//! device takes 80 bytes in Wasm, and 64 more for each session after its first.
//!
//! A clock that jumps ahead opens a session in the future, and set right again makes events
//! late: they go on in the session from before the jump, and after a gap in a `late` one, but
//! opening events open nothing. It heals when the time comes that the clock had jumped to;
//! then events are in order again. [`crate::pipeline::enrich::event_time`] lets no event lie further ahead
//! than the threshold of the skew, so that this takes no longer than that: a minute by default.
//!
//! Nothing here changes the id, the index, the start or the reason of a session once given.

use crate::model::session::{SessionId, SessionInfo, SessionTrigger};
use std::cmp::Reverse;

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};
use crate::model::event::EventId;

/// When a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionConfig {
    /// The longest gap inside of a session, in milliseconds.
    pub timeout_ms: u64,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self { timeout_ms: 30 * 60 * 1_000 }
    }
}

/// One event of a device, as its sessions see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionEvent {
    /// When it occurred, in milliseconds since the epoch.
    pub at: i64,
    /// By which its repeat is known.
    pub event_id: EventId,
    /// Whether it opens a session.
    pub opening: Opening,
}

/// Whether an event opens a session by what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It does not.
    No,
    /// It does, where it comes in order.
    Yes,
}

/// The sessions of one device, as far as they are remembered; by default of one never seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceSessions {
    /// That of the latest event.
    current: Option<Span>,
    /// Others, in no order.
    earlier: Vec<Span>,
    /// How many were ever opened.
    opened: u32,
}

/// A session and the times of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    tag: SessionInfo,
    /// The id of the event that opened it.
    opener: [u8; 16],
    /// The time of its earliest event.
    first: i64,
    /// The time of its latest event.
    last: i64,
}

impl DeviceSessions {
    /// How many sessions of a device are remembered.
    pub const REMEMBERED: usize = 8;

    /// The layout that [`DeviceSessions::encode`] writes.
    const VERSION: u8 = 1;

    /// Takes in an event and tells its session. `random` is drawn only for a new one.
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
            SessionTrigger::Opening
        } else {
            return current.join(at);
        };
        self.open(sighting, opened_by, random())
    }

    /// The time of the latest event, in milliseconds since the epoch.
    pub fn last_at(&self) -> Option<i64> {
        self.current.map(|span| span.last)
    }

    /// Whether no event was seen.
    pub fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// The session that a late event at `at` joins.
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
            SessionTrigger::First | SessionTrigger::Timeout | SessionTrigger::Opening => {
                self.current.replace(span)
            }
        };
        if let Some(span) = earlier {
            self.remember(span);
        }
        tag
    }

    /// Keeps `span` beside the current one; where there is no room, in place of the one that
    /// ended first.
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

    /// Appends the bytes from which [`DeviceSessions::decode`] makes the same again: 6, and 61 for
    /// each session that is remembered.
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

    /// Reads what [`DeviceSessions::encode`] wrote, and no byte after it. Refuses another layout and
    /// more sessions than are remembered.
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
    /// How far `at` is from the span, in milliseconds; 0 inside of it.
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
