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
//! [`DeviceSessions::MAX_REMEMBERED`] sessions are remembered: that of the latest event, the one opened
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
    /// Whether it opens a session if it is in order.
    pub starts_session: bool,
}

/// The remembered sessions of one device; by default of a device that was never seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceSessions {
    /// The session of the latest event.
    current: Option<Session>,
    /// Other sessions, in no order.
    earlier: Vec<Session>,
    /// The number of sessions that were ever opened.
    opened: u32,
}

/// A session and the times of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Session {
    info: SessionInfo,
    /// The id of the event that opened it.
    first_event_id: [u8; 16],
    first: i64,
    last: i64,
}

impl DeviceSessions {
    /// The most sessions of a device that are remembered.
    pub const MAX_REMEMBERED: usize = 8;

    /// The version that [`DeviceSessions::encode`] writes.
    const VERSION: u8 = 1;

    /// Assigns an event to its session. `random` is drawn only for a new session.
    pub fn observe(
        &mut self,
        event: &SessionEvent,
        policy: SessionConfig,
        random: impl FnOnce() -> [u8; 10],
    ) -> SessionInfo {
        let (at, event_id) = (event.at, event.event_id.as_bytes());
        let Some(current) = &mut self.current else {
            return self.open(event, SessionTrigger::First, random());
        };
        if current.first_event_id == *event_id {
            current.last = current.last.max(at);
            return current.info;
        }
        if let Some(opened) =
            self.earlier.iter().find(|session| session.first_event_id == *event_id)
        {
            return opened.info;
        }
        let trigger = if at < current.last {
            match self.nearest(at, policy) {
                Some(session) => return session.join(at),
                None => SessionTrigger::Late,
            }
        } else if current.distance(at) > policy.timeout_ms {
            SessionTrigger::Timeout
        } else if event.starts_session {
            SessionTrigger::StartEvent
        } else {
            return current.join(at);
        };
        self.open(event, trigger, random())
    }

    /// Returns the time of the latest event, in milliseconds since the epoch.
    pub fn last_at(&self) -> Option<i64> {
        self.current.map(|session| session.last)
    }

    /// Whether no event was seen.
    pub fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Returns the session that a late event at `at` joins.
    fn nearest(&mut self, at: i64, policy: SessionConfig) -> Option<&mut Session> {
        self.earlier
            .iter_mut()
            .chain(&mut self.current)
            .filter(|session| session.distance(at) <= policy.timeout_ms)
            .min_by_key(|session| (session.distance(at), Reverse(session.info.index)))
    }

    fn open(
        &mut self,
        event: &SessionEvent,
        trigger: SessionTrigger,
        random: [u8; 10],
    ) -> SessionInfo {
        self.opened = self.opened.saturating_add(1);
        let (started_at, index) = (event.at, self.opened);
        let info =
            SessionInfo { id: SessionId::new(started_at, random), index, started_at, trigger };
        let first_event_id = *event.event_id.as_bytes();
        let session = Session { info, first_event_id, first: started_at, last: started_at };
        let earlier = match trigger {
            SessionTrigger::Late => Some(session),
            SessionTrigger::First | SessionTrigger::Timeout | SessionTrigger::StartEvent => {
                self.current.replace(session)
            }
        };
        if let Some(session) = earlier {
            self.remember(session);
        }
        info
    }

    /// Remembers `session` beside the current one. If there is no room, it replaces the one that ended
    /// first.
    fn remember(&mut self, session: Session) {
        if self.earlier.len().saturating_add(1) < Self::MAX_REMEMBERED {
            // Most devices have no second session to remember, few a third.
            self.earlier.reserve_exact(1);
            self.earlier.push(session);
        } else if let Some(oldest) =
            self.earlier.iter_mut().min_by_key(|session| (session.last, session.info.index))
        {
            *oldest = session;
        }
    }

    /// Appends the bytes that [`DeviceSessions::decode`] reads: 6, and 61 for each remembered
    /// session.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let spans = self.current.iter().chain(&self.earlier);
        bytes.reserve(spans.clone().count().saturating_mul(61).saturating_add(6));
        bytes.put_u8(Self::VERSION);
        bytes.put_u32(self.opened);
        bytes.put_u8(u8::try_from(spans.clone().count()).unwrap_or(u8::MAX));
        for Session { info, first_event_id, first, last } in spans {
            info.encode(bytes);
            bytes.put(first_event_id);
            bytes.put_i64(*first);
            bytes.put_i64(*last);
        }
    }

    /// Reads the bytes that [`DeviceSessions::encode`] wrote, and no byte after them. Rejects
    /// another version, and more sessions than are remembered.
    pub fn decode(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        if reader.u8()? != Self::VERSION {
            return Err(reader.malformed());
        }
        let opened = reader.u32()?;
        let count = usize::from(reader.u8()?);
        if count > Self::MAX_REMEMBERED {
            return Err(reader.malformed());
        }
        let mut sessions = Self { current: None, earlier: Vec::new(), opened };
        for _ in 0..count {
            let session = Session::decode(reader)?;
            if sessions.current.is_none() {
                sessions.current = Some(session);
                sessions.earlier.reserve_exact(count.saturating_sub(1));
            } else {
                sessions.earlier.push(session);
            }
        }
        Ok(sessions)
    }
}

impl Session {
    /// Returns how far `at` is from the span, in milliseconds; 0 inside it.
    fn distance(&self, at: i64) -> u64 {
        at.abs_diff(at.min(self.last).max(self.first))
    }

    fn join(&mut self, at: i64) -> SessionInfo {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
        self.info
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        let info = SessionInfo::decode(reader)?;
        let (first_event_id, first, last) = (reader.array()?, reader.i64()?, reader.i64()?);
        if first > last {
            return Err(reader.malformed());
        }
        Ok(Self { info, first_event_id, first, last })
    }
}

#[cfg(test)]
mod tests;
