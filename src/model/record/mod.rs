//! Records: lines for a stream, each one JSON object and a newline.
//!
//! A record is encoded once and never changed by a retry: the same bytes are sent again. Columns
//! are flat snake_case; an absent value has no column.

pub mod codec;
pub mod column;
pub mod failed;
pub mod line;

use std::sync::Arc;

use chrono::DateTime;

use crate::base::text::hexadecimal;
use crate::model::device_key::DeviceKey;
use crate::model::event::DeviceId;
use crate::model::session::SessionInfo;
use line::{JsonLineWriter, SharedColumns};

/// The version of the columns, in each record's `v`.
pub const VERSION: u32 = 3;

/// The most bytes of a record before base64.
/// Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_Record.html>
pub const MAX_BYTES: usize = 1_024_000;

/// The value of the column `delivered_via` in the records of a device that sent too many events.
pub const OVERFLOW: &str = "overflow";

/// Bytes that an event's record leaves free for the columns that are added after it is encoded.
pub const LATER_BYTES: usize = 256;

/// One line for a stream, and its partition key.
#[derive(Debug, Clone)]
pub struct Record {
    /// At most [`MAX_BYTES`].
    bytes: RecordBytes,
    key: PartitionKey,
}

#[derive(Debug, Clone)]
enum RecordBytes {
    Own(Vec<u8>),
    /// Those of several copies.
    Shared(Arc<Vec<u8>>),
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes() && self.key == other.key
    }
}

impl Eq for Record {}

/// The key by which a Kinesis stream spreads its records: 1 to 256 characters. Records of one key
/// are in one Kinesis shard, where they keep their order.
/// Source: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey(String);

impl PartitionKey {
    /// Returns the key of a device's records, by which no client can choose their Kinesis shard.
    pub fn of_device(key: &DeviceKey) -> Self {
        Self(hexadecimal(key.as_bytes()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// In stored records of 0.1 the key is the device's id.
const _: () = assert!(DeviceId::MAX_CHARS <= 256);

pub const MAX_KEY_BYTES: usize = DeviceId::MAX_CHARS * 4;

/// Our error: a record that no stream accepts.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    #[error("record has {bytes} bytes, limit {MAX_BYTES}")]
    TooLarge {
        /// Bytes that the record would have.
        bytes: usize,
    },
    /// A value that JSON can't hold.
    #[error("record is not JSON: {0}")]
    NotJson(String),
}

impl Record {
    /// Adds the columns of the event's session. `known` has those of the event before, and keeps these.
    #[must_use]
    pub fn in_session(self, tag: &SessionInfo, known: &SharedColumns<SessionInfo>) -> Self {
        self.with(|line| {
            if known.add_to(line, tag) {
                return;
            }
            let start = line.written();
            line.json("session_id", Some(tag.id));
            line.json("session_index", Some(tag.index));
            line.time("session_started_at", DateTime::from_timestamp_millis(tag.started_at));
            line.json("session_trigger", Some(tag.trigger));
            known.keep(line, start, *tag);
        })
    }

    /// Marks the record as delivered directly, without a shard.
    #[must_use]
    pub fn past_its_shard(self) -> Self {
        self.with(|line| line.text("delivered_via", Some("direct")))
    }

    /// Marks the record as one of a device that sent too many events for its shard.
    #[must_use]
    pub fn of_overflow(self) -> Self {
        self.with(|line| line.text("delivered_via", Some(OVERFLOW)))
    }

    /// Adds columns, for which [`LATER_BYTES`] are free.
    fn with(mut self, columns: impl FnOnce(&mut JsonLineWriter)) -> Self {
        let bytes = match self.bytes {
            RecordBytes::Own(bytes) => bytes,
            RecordBytes::Shared(bytes) => Arc::unwrap_or_clone(bytes),
        };
        let mut line = JsonLineWriter::reopened(bytes);
        columns(&mut line);
        // These columns are texts, numbers and times, which JSON can always hold.
        self.bytes = RecordBytes::Own(line.end().unwrap_or_default());
        self
    }

    /// Makes the record of a line.
    pub fn of_line(key: PartitionKey, line: JsonLineWriter) -> Result<Self, RecordError> {
        let bytes = line.end().map_err(|error| RecordError::NotJson(error.to_string()))?;
        Self::of_bytes(key, bytes)
    }

    fn of_bytes(key: PartitionKey, bytes: Vec<u8>) -> Result<Self, RecordError> {
        match bytes.len() {
            0..=MAX_BYTES => Ok(Self { bytes: RecordBytes::Own(bytes), key }),
            bytes => Err(RecordError::TooLarge { bytes }),
        }
    }

    /// Restores a record from the parts that [`codec`] wrote; none if one exceeds its limit.
    pub fn restore(key: &str, bytes: &[u8]) -> Option<Self> {
        Self::restore_with_room(key, bytes, 0)
    }

    /// Like [`Self::restore`], with `room` bytes reserved, so that columns can be added without
    /// another copy of the line.
    pub fn restore_with_room(key: &str, bytes: &[u8], room: usize) -> Option<Self> {
        if bytes.len() > MAX_BYTES || key.len() > MAX_KEY_BYTES {
            return None;
        }
        let mut line = Vec::with_capacity(bytes.len().saturating_add(room));
        line.extend_from_slice(bytes);
        Some(Self { bytes: RecordBytes::Own(line), key: PartitionKey(key.to_owned()) })
    }

    /// Returns the bytes, with the newline at the end.
    pub fn bytes(&self) -> &[u8] {
        self.line()
    }

    /// Returns the bytes that its line takes in memory, those for later columns included.
    pub fn capacity(&self) -> usize {
        self.line().capacity()
    }

    fn line(&self) -> &Vec<u8> {
        match &self.bytes {
            RecordBytes::Own(bytes) => bytes,
            RecordBytes::Shared(bytes) => bytes,
        }
    }

    /// Returns the record for several streams: its clones share its bytes.
    #[must_use]
    pub fn shared(self) -> Self {
        let bytes = match self.bytes {
            RecordBytes::Own(bytes) => RecordBytes::Shared(Arc::new(bytes)),
            RecordBytes::Shared(_) => self.bytes,
        };
        Self { bytes, ..self }
    }

    pub fn key(&self) -> &PartitionKey {
        &self.key
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::session::{SessionId, SessionTrigger};

    /// A record of any text, with that text as its key, for tests of transport.
    pub(crate) fn record(text: &str) -> Record {
        line(text).unwrap()
    }

    fn line(text: &str) -> Result<Record, RecordError> {
        let bytes = serde_json::to_string(text).unwrap() + "\n";
        Record::of_bytes(PartitionKey(text.to_owned()), bytes.into_bytes())
    }

    #[test]
    fn what_is_added_on_the_way_fits_into_what_is_left_for_it() {
        let trigger = SessionTrigger::StartEvent;
        for started_at in [0, -62_135_596_800_000, 8_210_266_876_799_999] {
            let id = SessionId::new(started_at, [7; 10]);
            let tag = SessionInfo { id, index: u32::MAX, started_at, trigger };
            let before = record("a");
            let after = before.clone().in_session(&tag, &SharedColumns::default()).past_its_shard();
            assert!(after.bytes().len() - before.bytes().len() <= LATER_BYTES);
        }
    }

    #[test]
    fn each_event_has_the_columns_of_its_own_session() {
        let (known, trigger) = (SharedColumns::default(), SessionTrigger::First);
        for (index, started_at) in [(1, 5), (1, 5), (2, 5), (1, 5), (1, 6)] {
            let tag = SessionInfo { id: SessionId::new(5, [7; 10]), index, started_at, trigger };
            let alone = record("a").in_session(&tag, &SharedColumns::default());
            assert_eq!(record("a").in_session(&tag, &known), alone);
        }
    }

    #[test]
    fn columns_that_have_room_are_added_in_place() {
        let tag = SessionInfo {
            id: SessionId::new(0, [7; 10]),
            index: 1,
            started_at: 0,
            trigger: SessionTrigger::StartEvent,
        };
        let before = Record::restore_with_room("key", b"{\"a\":1}\n", LATER_BYTES).unwrap();
        let place = before.bytes().as_ptr();
        let after = before.in_session(&tag, &SharedColumns::default()).past_its_shard();
        assert!(after.bytes().ends_with(b"\"delivered_via\":\"direct\"}\n"));
        assert_eq!(after.bytes().as_ptr(), place, "its bytes were copied");
    }

    #[test]
    fn a_record_over_the_limit_is_refused() {
        let just = "x".repeat(MAX_BYTES - 3);
        assert_eq!(line(&just).unwrap().bytes().len(), MAX_BYTES);
        assert_eq!(line(&format!("{just}x")), Err(RecordError::TooLarge { bytes: MAX_BYTES + 1 }));
    }
}
