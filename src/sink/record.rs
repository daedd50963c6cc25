//! Records: the lines that a stream takes, each one JSON object and a newline.
//!
//! A record is made once and then only moved, so that what is retried is what was
//! refused, to the byte. Columns are flat snake_case; an absent value is left out.

use chrono::DateTime;

use super::columns::{self, lifted};
use super::line::Line;
use crate::clean::Repairs;
use crate::enrich::{Enriched, Facts};
use crate::event::{DeviceId, Event, EventId};
use crate::failed::{FailedEvent, Original, Stage, Violations};
use crate::route::SampleRate;
use crate::session::Tag;

/// The version of the columns, in each record's `v`.
pub const VERSION: u32 = 1;

/// The most bytes of a record before base64.
/// Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_Record.html>
pub const MAX_BYTES: usize = 1_024_000;

/// What an event's record leaves free for the columns that are added on its way.
const LATER_BYTES: usize = 256;

/// The most original bytes that one failed record carries; more go on in a further part.
/// Under it base64, or a text whose quotes are all escaped, stays within [`MAX_BYTES`].
const MAX_ORIGINAL_BYTES: usize = 262_144;

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
    fn of_event(event: &Event) -> Self {
        match &event.device_id {
            Some(device_id) => Self(device_id.as_str().to_owned()),
            None => Self::of_id(event.id),
        }
    }

    pub(super) fn of_id(event_id: EventId) -> Self {
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
    /// The record of an event, of which its route takes the share `sample`.
    pub fn of_event(
        enriched: &Enriched<'_>,
        sample: Option<SampleRate>,
    ) -> Result<Self, RecordError> {
        let event = &enriched.event;
        let line = columns::of_event(enriched, sample);
        let record = Self::of_line(PartitionKey::of_event(event), line)?;
        match record.bytes.len().saturating_add(LATER_BYTES) {
            0..=MAX_BYTES => Ok(Self { partition: partition(event), ..record }),
            bytes => Err(RecordError::TooLarge { bytes }),
        }
    }

    /// The records of a failed event: one, or as many as its original bytes need.
    pub fn of_failed_event(
        failed: &FailedEvent,
        facts: &Facts<'_>,
    ) -> Result<Vec<Self>, RecordError> {
        let of_part = |part| {
            let mut line = failed_columns(failed, facts);
            let FailedEvent { stage, violations, repairs, original, .. } = failed;
            failure(&mut line, *stage, violations, repairs, original, &part);
            Self::of_line(PartitionKey::of_id(failed.event_id), line)
        };
        parts(&failed.original.bytes).map(of_part).collect()
    }

    /// The record with its event's session.
    #[must_use]
    pub fn in_session(self, tag: &Tag) -> Self {
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

    /// The record with further columns, for which [`LATER_BYTES`] are left.
    fn with(mut self, columns: impl FnOnce(&mut Line)) -> Self {
        let mut line = Line::reopened(std::mem::take(&mut self.bytes));
        columns(&mut line);
        // These columns are texts, numbers and times, which JSON always takes.
        self.bytes = line.end().unwrap_or_default();
        self
    }

    pub(super) fn of_line(key: PartitionKey, line: Line) -> Result<Self, RecordError> {
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

/// A part of the original bytes of a failed event.
pub(super) struct Part<'a> {
    bytes: &'a [u8],
    /// Its place among the parts, from 1, and their number; none where it is the whole.
    place: Option<(usize, usize)>,
}

/// Original bytes in as many parts as they need; at least one.
pub(super) fn parts(bytes: &[u8]) -> impl Iterator<Item = Part<'_>> {
    let count = bytes.len().div_ceil(MAX_ORIGINAL_BYTES).max(1);
    let chunks = bytes.chunks(MAX_ORIGINAL_BYTES).chain(bytes.is_empty().then_some(bytes));
    let place = move |part| (count > 1).then_some((part, count));
    chunks.zip(1_usize..).map(move |(bytes, part)| Part { bytes, place: place(part) })
}

/// The columns of a failed event that events have as well.
fn failed_columns(failed: &FailedEvent, facts: &Facts<'_>) -> Line {
    let FailedEvent { envelope, stripped, schema, .. } = failed;
    let device_id = envelope.device_id.as_ref().filter(|_| stripped.is_none());
    let mut line = Line::new();
    line.json("v", Some(VERSION));
    line.json("event_id", Some(failed.event_id));
    line.text("tenant", Some(&failed.tenant));
    line.text("name", failed.name.as_deref());
    columns::received(&mut line, facts, *stripped);
    line.time("sent_at", envelope.sent_at);
    line.text("device_id", device_id.map(DeviceId::as_str));
    line.json("stripped", *stripped);
    line.text("schema_id", schema.map(|schema| schema.id));
    line.text("schema_version", schema.map(|schema| schema.version));
    line
}

/// The columns of why an event failed, and of a `part` of what was refused.
pub(super) fn failure(
    line: &mut Line,
    stage: Stage,
    violations: &Violations,
    repairs: &Repairs,
    original: &Original,
    part: &Part<'_>,
) {
    let Part { bytes, place } = *part;
    let text = if place.is_none() { printable(bytes) } else { None };
    line.json("stage", Some(stage));
    line.json("code", Some(violations.first.code));
    line.text("pointer", Some(&violations.first.pointer));
    line.text("message", Some(&violations.first.message));
    line.json("violations", Some(violations));
    line.json("repairs", Some(repairs).filter(|repairs| !repairs.is_empty()));
    line.json("original_form", Some(original.form));
    line.json("original_bytes", Some(original.bytes.len().max(original.withheld)));
    line.json("original_withheld", (original.withheld > 0).then_some(true));
    line.text("original", text.filter(|_| original.withheld == 0));
    line.text("original_base64", text.is_none().then(|| base64(bytes)).as_deref());
    line.json("part", place.map(|(part, _)| part));
    line.json("parts", place.map(|(_, parts)| parts));
}

fn partition(event: &Event) -> String {
    lifted(event).map(|(key, value)| format!("{key}={value}\n")).collect()
}

/// The text of original bytes, when it can stand in a JSON string at less cost than base64.
fn printable(bytes: &[u8]) -> Option<&str> {
    let escaped_long =
        |character: char| character.is_control() && !matches!(character, '\n' | '\r' | '\t');
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains(escaped_long))
}

fn base64(bytes: &[u8]) -> String {
    base64_simd::STANDARD.encode_to_string(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::IpAddr;

    use insta::assert_snapshot;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::context::{Geo, RequestContext};
    use crate::enrich;
    use crate::event::EventIds;
    use crate::failed::{Code, Form, Violation};
    use crate::protocol::{Envelope, timestamp};
    use crate::session::{OpenedBy, Opening, Policy, Sessions, Sighting};
    use crate::validate;

    /// A record of any text, with that text as its key, for tests of what carries records.
    pub(crate) fn record(text: &str) -> Record {
        line(text).unwrap()
    }

    fn line(text: &str) -> Result<Record, RecordError> {
        let bytes = serde_json::to_string(text).unwrap() + "\n";
        Record::of_bytes(PartitionKey(text.to_owned()), bytes.into_bytes())
    }

    pub(crate) fn context() -> RequestContext {
        RequestContext {
            received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap(),
            ip: Some(IpAddr::from([203, 0, 113, 77])),
            user_agent: Some("Mozilla/5.0".to_owned()),
            geo: Geo { country: Some("CH".to_owned()), asn: Some(64_500), ..Geo::default() },
            ..RequestContext::default()
        }
    }

    fn config() -> Config {
        Config::parse(crate::config::tests::settings()).unwrap()
    }

    fn facts(config: &Config) -> Facts<'_> {
        enrich::facts(&context(), config.tenants.find(None).unwrap(), config)
    }

    fn text(record: &Record) -> &str {
        std::str::from_utf8(record.bytes()).unwrap()
    }

    #[test]
    fn an_event_is_one_flat_line() {
        let config = config();
        let facts = facts(&config);
        let fields = json!({
            "name": "order_sent", "id": "01939b70-6d2a-7c3e-8f00-000000000001", "device_id": "d-1",
            "time": 1_795_000_000_000_i64, "level": "high", "title": "a\nb",
            "props": {"price": 19.90, "lines": [{"sku": "x"}]}, "metadata": {"tag": "t"},
        });
        let Value::Object(fields) = fields else { panic!("not an object") };
        let envelope = Envelope {
            sent_at: timestamp(&json!(1_795_000_000_100_i64)).ok(),
            ..Envelope::default()
        };
        let mut ids = EventIds::new(DateTime::UNIX_EPOCH, [0; 10]);
        let (unknown, repairs) = (Default::default(), &mut Repairs::default());
        let event = validate::event(fields, &envelope, unknown, &mut ids, repairs).unwrap();
        let record =
            Record::of_event(&enrich::event(event, 0, &facts, Repairs::default(), None), None)
                .unwrap();
        assert!(text(&record).ends_with("}\n") && text(&record).lines().count() == 1);
        assert_snapshot!(text(&record).trim_end(), @r#"{"v":1,"event_id":"01939b70-6d2a-7c3e-8f00-000000000001","tenant":"default","name":"order_sent","level":"high","occurred_at":"2026-11-18T11:06:40.000Z","received_at":"2026-11-18T11:06:40.123Z","date":"2026-11-18","hour":11,"ip":"203.0.113.0","user_agent":"Mozilla/5.0","country":"CH","asn":64500,"client_time":"2026-11-18T11:06:40.000Z","sent_at":"2026-11-18T11:06:40.100Z","event_index":0,"device_id":"d-1","title":"a\nb","props":{"lines":[{"sku":"x"}],"price":19.9},"metadata":{"tag":"t"}}"#);
    }

    #[test]
    fn a_record_goes_under_its_device_or_else_its_event() {
        let config = config();
        let facts = facts(&config);
        let id = "01939b70-6d2a-7c3e-8f00-000000000001";
        let longest = "ä".repeat(DeviceId::MAX_CHARS);
        for (device_id, key) in
            [(json!("d \"1\""), "d \"1\""), (Value::Null, id), (json!(longest), &longest)]
        {
            let Value::Object(fields) = json!({"name": "a", "id": id, "device_id": device_id})
            else {
                panic!()
            };
            let mut ids = EventIds::new(DateTime::UNIX_EPOCH, [0; 10]);
            let (envelope, repairs) = (Envelope::default(), &mut Repairs::default());
            let unknown = Default::default();
            let event = validate::event(fields, &envelope, unknown, &mut ids, repairs).unwrap();
            let record =
                Record::of_event(&enrich::event(event, 0, &facts, Repairs::default(), None), None)
                    .unwrap();
            assert_eq!(record.key().as_str(), key);
        }
        let failed = records(b"{");
        assert_eq!(failed.first().unwrap().key().as_str(), "00000000-0000-7000-8000-000000000000");
    }

    fn failed(bytes: &[u8]) -> FailedEvent {
        let mut ids = EventIds::new(DateTime::UNIX_EPOCH, [0; 10]);
        FailedEvent {
            event_id: ids.next_id(),
            tenant: "default".to_owned(),
            name: None,
            schema: None,
            stage: Stage::Protocol,
            violations: Violation::whole(Code::BadJson, "beacon is not JSON").into(),
            envelope: Envelope::default(),
            stripped: None,
            repairs: Repairs::default(),
            original: Original::new(bytes, Form::Beacon),
        }
    }

    fn records(bytes: &[u8]) -> Vec<Record> {
        Record::of_failed_event(&failed(bytes), &facts(&config())).unwrap()
    }

    #[test]
    fn a_failed_event_keeps_its_reason_and_its_text() {
        let records = records(b"{\"name\":\"a\",\n}");
        assert_eq!(records.len(), 1);
        assert_snapshot!(text(records.first().unwrap()).trim_end(), @r#"{"v":1,"event_id":"00000000-0000-7000-8000-000000000000","tenant":"default","received_at":"2026-11-18T11:06:40.123Z","date":"2026-11-18","hour":11,"ip":"203.0.113.0","user_agent":"Mozilla/5.0","country":"CH","asn":64500,"stage":"protocol","code":"bad_json","pointer":"","message":"beacon is not JSON","violations":[{"code":"bad_json","pointer":"","message":"beacon is not JSON"}],"original_form":"beacon","original_bytes":14,"original":"{\"name\":\"a\",\n}"}"#);
    }

    #[test]
    fn the_original_bytes_come_back_whatever_they_are() {
        let cases: [Vec<u8>; 6] = [
            Vec::new(),
            b"{\"broken\"".to_vec(),
            vec![0xff, 0xfe, 0],
            vec![1; 262_144],
            vec![b'"'; 262_144],
            (0..1_048_576_u32).map(|index| (index % 251) as u8).collect(),
        ];
        for bytes in cases {
            let mut restored = Vec::new();
            let records = records(&bytes);
            for (index, record) in records.iter().enumerate() {
                let columns: Value = serde_json::from_slice(record.bytes()).unwrap();
                match (columns["original"].as_str(), columns["original_base64"].as_str()) {
                    (Some(text), None) => restored.extend_from_slice(text.as_bytes()),
                    (None, Some(text)) => {
                        restored.extend(base64_simd::STANDARD.decode_to_vec(text).unwrap())
                    }
                    other => panic!("{other:?}"),
                }
                if records.len() > 1 {
                    assert_eq!(
                        (&columns["part"], &columns["parts"]),
                        (&json!(index + 1), &json!(records.len()))
                    );
                }
                assert_eq!(columns["original_bytes"], json!(bytes.len()));
            }
            assert!(restored == bytes, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn what_is_added_on_the_way_fits_into_what_is_left_for_it() {
        let opened_by = OpenedBy::Opening;
        for started_at in [0, -62_135_596_800_000, 8_210_266_876_799_999] {
            let event_id = EventIds::new(DateTime::UNIX_EPOCH, [9; 10]).next_id();
            let sighting = Sighting { at: started_at, event_id, opening: Opening::No };
            let tag = Sessions::default().observe(&sighting, Policy::default(), || [7; 10]);
            let tag = Tag { index: u32::MAX, opened_by, ..tag };
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
