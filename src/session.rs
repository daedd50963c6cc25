//! A stand-in: sessions of one device, in order only.

use uuid::Uuid;

use crate::event::EventId;
use crate::shard::wire::{Garbled, Reader, Write};

/// When a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The longest gap.
    pub timeout_ms: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self { timeout_ms: 1_800_000 }
    }
}

/// One event of a device.
#[derive(Debug, Clone, Copy)]
pub struct Sighting {
    /// When it happened.
    pub at: i64,
    /// Its id.
    pub event_id: EventId,
    /// Whether it opens a session.
    pub opening: Opening,
}

/// Whether an event opens a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// It does not.
    No,
    /// It does.
    Yes,
}

/// A session's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId(Uuid);

/// What opened a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenedBy {
    /// The first event.
    First,
    /// A gap.
    Timeout,
    /// An opening event.
    Opening,
    /// A late event.
    Late,
}

/// An event's session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// Its id.
    pub id: SessionId,
    /// Its number.
    pub index: u32,
    /// Its start.
    pub started_at: i64,
    /// What opened it.
    pub opened_by: OpenedBy,
}

/// The sessions of a device.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    current: Option<(Tag, i64)>,
}

impl Sessions {
    /// Tags an event.
    pub fn observe(
        &mut self,
        sighting: &Sighting,
        policy: Policy,
        random: impl FnOnce() -> [u8; 10],
    ) -> Tag {
        let opened_by = match self.current {
            None => OpenedBy::First,
            Some(_) if sighting.opening == Opening::Yes => OpenedBy::Opening,
            Some((_, last)) if sighting.at.abs_diff(last) > policy.timeout_ms => OpenedBy::Timeout,
            Some((tag, last)) => {
                self.current = Some((tag, last.max(sighting.at)));
                return tag;
            }
        };
        let at = u64::try_from(sighting.at).unwrap_or_default();
        let id = uuid::Builder::from_unix_timestamp_millis(at, &random()).into_uuid();
        let index = self.current.map_or(1, |(tag, _)| tag.index.saturating_add(1));
        let tag = Tag { id: SessionId(id), index, started_at: sighting.at, opened_by };
        self.current = Some((tag, sighting.at));
        tag
    }

    /// The time of the latest event.
    pub fn last_at(&self) -> Option<i64> {
        self.current.map(|(_, last)| last)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.current.is_none()
    }

    /// Writes them.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.put_u8(1);
        if let Some((tag, last)) = self.current {
            bytes.put(tag.id.0.as_bytes());
            bytes.put_u32(tag.index);
            bytes.put_i64(tag.started_at);
            bytes.put_u8(tag.opened_by as u8);
            bytes.put_i64(last);
        }
    }

    /// Reads them.
    pub fn decode(reader: &mut Reader<'_>) -> Result<Self, Garbled> {
        if reader.u8()? != 1 {
            return Err(reader.garbled());
        }
        if reader.is_at_end() {
            return Ok(Self::default());
        }
        let id = SessionId(Uuid::from_bytes(reader.array()?));
        let (index, started_at) = (reader.u32()?, reader.i64()?);
        let opened_by = match reader.u8()? {
            0 => OpenedBy::First,
            1 => OpenedBy::Timeout,
            2 => OpenedBy::Opening,
            _ => OpenedBy::Late,
        };
        Ok(Self { current: Some((Tag { id, index, started_at, opened_by }, reader.i64()?)) })
    }
}
