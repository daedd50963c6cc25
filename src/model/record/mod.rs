//! Records: the lines that a stream takes, each one JSON object and a newline.
//!
//! A record is made once and then only moved, so that what is retried is what was
//! refused, to the byte. Columns are flat snake_case; an absent value is left out.

pub mod codec;
pub mod failed;
pub mod line;

use chrono::DateTime;

use crate::model::event::{DeviceId, Event, EventId};
use crate::model::session::SessionInfo;
use line::JsonLineWriter;

/// The version of the columns, in each record's `v`.
pub const VERSION: u32 = 1;

/// The most bytes of a record before base64.
/// Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_Record.html>
pub const MAX_BYTES: usize = 1_024_000;

/// What an event's record leaves free for the columns that are added on its way.
pub const LATER_BYTES: usize = 256;

/// One line of a stream and the key that it goes under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// At most [`MAX_BYTES`].
    bytes: Vec<u8>,
    key: PartitionKey,
    partition: String,
}

/// What a stream with shards spreads its records by: 1 to 256 characters. Records of one
/// key are in one shard, where they keep their order.
/// Source: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecordsRequestEntry.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionKey(String);

impl PartitionKey {
    /// The device's id, or the event's own where no device is known.
    pub fn of_event(event: &Event) -> Self {
        match &event.device_id {
            Some(device_id) => Self(device_id.as_str().to_owned()),
            None => Self::of_id(event.id),
        }
    }

    /// The id of an event.
    pub fn of_id(event_id: EventId) -> Self {
        Self(event_id.to_string())
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

// No device's id is too long to be a key.
const _: () = assert!(DeviceId::MAX_CHARS <= 256);

/// The most bytes of a key.
pub const MAX_KEY_BYTES: usize = DeviceId::MAX_CHARS * 4;

/// Ours: a record that no stream would take.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// More bytes than a stream takes.
    #[error("record has {bytes} bytes, limit {MAX_BYTES}")]
    TooLarge {
        /// Bytes that it would have.
        bytes: usize,
    },
    /// A value that JSON can't hold.
    #[error("record is not JSON: {0}")]
    NotJson(String),
}

impl Record {
    /// The record with its event's session.
    #[must_use]
    pub fn in_session(self, tag: &SessionInfo) -> Self {
        self.with(|line| {
            line.json("session_id", Some(tag.id));
            line.json("session_index", Some(tag.index));
            line.time("session_started_at", DateTime::from_timestamp_millis(tag.started_at));
            line.json("session_opened_by", Some(tag.opened_by));
        })
    }

    /// The record, marked as one that no shard has seen.
    #[must_use]
    pub fn past_its_shard(self) -> Self {
        self.with(|line| line.text("via", Some("direct")))
    }

    /// The record in a partition of its stream: see [`Self::partition`].
    #[must_use]
    pub fn in_partition(self, partition: String) -> Self {
        Self { partition, ..self }
    }

    /// The record with further columns, for which [`LATER_BYTES`] are left.
    fn with(mut self, columns: impl FnOnce(&mut JsonLineWriter)) -> Self {
        let mut line = JsonLineWriter::reopened(std::mem::take(&mut self.bytes));
        columns(&mut line);
        // These columns are texts, numbers and times, which JSON always takes.
        self.bytes = line.end().unwrap_or_default();
        self
    }

    /// The record of a line, which is not of any partition.
    pub fn of_line(key: PartitionKey, line: JsonLineWriter) -> Result<Self, RecordError> {
        let bytes = line.end().map_err(|error| RecordError::NotJson(error.to_string()))?;
        Self::of_bytes(key, bytes)
    }

    fn of_bytes(key: PartitionKey, bytes: Vec<u8>) -> Result<Self, RecordError> {
        match bytes.len() {
            0..=MAX_BYTES => Ok(Self { bytes, key, partition: String::new() }),
            bytes => Err(RecordError::TooLarge { bytes }),
        }
    }

    /// A record that was made before, from what `wire` wrote of it.
    pub fn restore(key: &str, partition: &str, bytes: &[u8]) -> Option<Self> {
        let within = bytes.len() <= MAX_BYTES && key.len() <= MAX_KEY_BYTES;
        within.then(|| Self {
            bytes: bytes.to_vec(),
            key: PartitionKey(key.to_owned()),
            partition: partition.to_owned(),
        })
    }

    /// The bytes, the newline at the end included.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What its event's schema lifts out of `metadata`: only lines of which that is the same
    /// share a record, so that a stream can part them by it.
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// The key that it goes under, where its stream has shards.
    pub fn key(&self) -> &PartitionKey {
        &self.key
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::session::{SessionId, SessionTrigger};

    /// A record of any text, with that text as its key, for tests of what carries records.
    pub(crate) fn record(text: &str) -> Record {
        line(text).unwrap()
    }

    fn line(text: &str) -> Result<Record, RecordError> {
        let bytes = serde_json::to_string(text).unwrap() + "\n";
        Record::of_bytes(PartitionKey(text.to_owned()), bytes.into_bytes())
    }

    #[test]
    fn what_is_added_on_the_way_fits_into_what_is_left_for_it() {
        let opened_by = SessionTrigger::Opening;
        for started_at in [0, -62_135_596_800_000, 8_210_266_876_799_999] {
            let id = SessionId::new(started_at, [7; 10]);
            let tag = SessionInfo { id, index: u32::MAX, started_at, opened_by };
            let before = record("a");
            let after = before.clone().in_session(&tag).past_its_shard();
            assert!(after.bytes().len() - before.bytes().len() <= LATER_BYTES);
        }
    }

    #[test]
    fn a_record_past_the_limit_is_not_made() {
        let just = "x".repeat(MAX_BYTES - 3);
        assert_eq!(line(&just).unwrap().bytes().len(), MAX_BYTES);
        assert_eq!(line(&format!("{just}x")), Err(RecordError::TooLarge { bytes: MAX_BYTES + 1 }));
    }
}
