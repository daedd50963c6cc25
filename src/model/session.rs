//! Sessions in records and messages.

use std::fmt;

use serde::{Serialize, Serializer};
use uuid::Uuid;

use crate::base::codec::{ByteReader, ByteWriter, DecodeError};

/// A UUID of version 7 that holds the session's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Makes the id of a session that starts at `started_at`, in milliseconds. A start before the
    /// epoch counts as the epoch.
    pub fn new(started_at: i64, random: [u8; 10]) -> Self {
        let milliseconds = u64::try_from(started_at).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &random).into_uuid())
    }

    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }

    pub const fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
    }
}

/// Why a session was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionTrigger {
    /// The device was unknown.
    First,
    /// The gap before it was longer than the timeout.
    Timeout,
    /// Its first event is a session-start event.
    StartEvent,
    /// Its first event was late and not near any session.
    Late,
}

impl SessionTrigger {
    const fn to_byte(self) -> u8 {
        match self {
            Self::First => 0,
            Self::Timeout => 1,
            Self::StartEvent => 2,
            Self::Late => 3,
        }
    }

    const fn of_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::First),
            1 => Some(Self::Timeout),
            2 => Some(Self::StartEvent),
            3 => Some(Self::Late),
            _ => None,
        }
    }
}

/// The session columns of a record: the same for all events of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionInfo {
    pub id: SessionId,
    /// The number of this session among the device's sessions, from 1, in the order of opening.
    pub index: u32,
    /// When its first event occurred, in milliseconds since the epoch.
    pub started_at: i64,
    pub trigger: SessionTrigger,
}

impl SessionInfo {
    /// Appends the bytes that [`SessionInfo::decode`] reads.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        let Self { id, index, started_at, trigger } = self;
        bytes.put(id.as_bytes());
        bytes.put_u32(*index);
        bytes.put_i64(*started_at);
        bytes.put_u8(trigger.to_byte());
    }

    /// Reads the bytes that [`SessionInfo::encode`] wrote, and none after them.
    pub fn decode(reader: &mut ByteReader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: SessionId::from_bytes(reader.array()?),
            index: reader.u32()?,
            started_at: reader.i64()?,
            trigger: SessionTrigger::of_byte(reader.u8()?).ok_or(reader.malformed())?,
        })
    }
}
