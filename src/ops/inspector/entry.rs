//! The entry of a beacon: what was received, its outcome, and its record.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{InspectorReport, OutcomeCount, add};
use crate::base::json::JsonFields;
use crate::base::json::from_json::field;
use crate::base::text::truncate_for_display;
use crate::delivery::stats::DeliveryStats;
use crate::ingest::IngestBatch;
use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::summary::{RequestKind, RequestSummary};
use crate::ingest::trace::{BeaconTrace, MAX_TRACED};
use crate::model::event::EventId;
use crate::model::failed_event::{OriginalPayload, PayloadFormat};
use crate::model::fan_out::FanOut;
use crate::model::outcome::{FailureCode, OutcomeKind, Verdict};
use crate::model::record::Record;

/// The most bytes of the received text, and of the record, in one entry.
const MAX_BYTES: usize = 65_536;

/// The facts that all entries of a request share.
#[derive(Debug, Clone, Copy)]
pub struct RequestInfo<'a> {
    pub summary: &'a RequestSummary<'a>,
    /// Why the request was rejected, if it was.
    pub error: Option<&'a IngestError>,
    /// The runtime's clock when the request arrived.
    pub received_at: DateTime<Utc>,
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
}

/// The entry of one beacon, or of a request whose beacons were not read.
#[derive(Serialize)]
struct Entry<'a> {
    at: String,
    outcome: OutcomeKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<EntryCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `null` if the name of an accepted event has no schema.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<EventId>,
    request: Request,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<Received<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'a RawValue>,
    timing: Timing,
}

/// Why a beacon was not accepted, or why its request was rejected.
#[derive(Serialize)]
#[serde(untagged)]
enum EntryCode {
    Beacon(FailureCode),
    Request(&'static str),
}

/// The request of a beacon.
#[derive(Serialize)]
struct Request {
    kind: RequestKind,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    beacons: usize,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_encoding: Option<String>,
}

/// The received bytes, as a failed event would keep them.
#[derive(Serialize)]
struct Received<'a> {
    form: PayloadFormat,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Whether the text was truncated.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

#[derive(Serialize)]
struct Timing {
    read_ms: u64,
    #[serde(flatten)]
    sending: DeliveryStats,
    deliver_ms: u64,
    total_ms: u64,
}

impl InspectorReport {
    /// Builds the report of the beacons of `batch`, or of their request.
    pub fn of_batch(batch: &IngestBatch<'_>, about: RequestInfo<'_>) -> Option<Self> {
        let trace = batch.trace()?;
        let mut report = Self::default();
        let unknown = BeaconTrace::default();
        for (index, (event_id, outcome)) in batch.outcomes().iter().enumerate() {
            let beacon = trace.of(index).unwrap_or(&unknown);
            let verdict = outcome.verdict(index, *event_id);
            let entry = Entry::of_beacon(&verdict, beacon, about);
            report.add(&entry);
        }
        Some(report)
    }

    /// Builds the report of a request that was rejected before its beacons were read.
    pub fn of_request(about: RequestInfo<'_>) -> Self {
        let mut report = Self::default();
        report.add(&Entry::of_request(about));
        report
    }

    fn add(&mut self, entry: &Entry<'_>) {
        let count = OutcomeCount { stream: entry.stream.clone(), outcome: entry.outcome, count: 1 };
        add(&mut self.counts, &count);
        if self.entries.len() < MAX_TRACED {
            self.entries.extend(to_raw_value(entry));
        }
    }
}

impl<'a> Entry<'a> {
    fn of_request(about: RequestInfo<'a>) -> Self {
        let RequestInfo { summary, error, received_at, content_type, content_encoding } = about;
        let RequestSummary { kind, tenant, status, bytes_in, sending, .. } = *summary;
        Self {
            at: received_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            outcome: OutcomeKind::Refused,
            code: error.map(|error| EntryCode::Request(error.code())),
            pointer: None,
            message: error.map(ToString::to_string),
            tenant,
            name: None,
            schema: None,
            event_id: None,
            request: Request {
                kind,
                status,
                index: None,
                beacons: summary.counts.beacons(),
                bytes: bytes_in,
                content_type: content_type.map(truncate_for_display),
                content_encoding: content_encoding.map(truncate_for_display),
            },
            received: None,
            stream: None,
            record_bytes: None,
            record: None,
            timing: Timing {
                read_ms: summary.read_ms,
                sending,
                deliver_ms: summary.deliver_ms,
                total_ms: summary.total_ms,
            },
        }
    }

    /// Builds the entry for one beacon.
    fn of_beacon(verdict: &Verdict<'a>, beacon: &'a BeaconTrace, about: RequestInfo<'a>) -> Self {
        let mut entry = Self::of_request(about);
        // Never expose the event id of a dropped beacon.
        entry.event_id = Some(verdict.event_id).filter(|_| verdict.outcome != OutcomeKind::Dropped);
        entry.request.index = Some(verdict.index);
        entry.received = beacon.received.as_ref().map(Received::of);
        entry.name = beacon.record.as_ref().and_then(name);
        if about.error.is_some() {
            return entry;
        }
        entry.outcome = verdict.outcome;
        entry.schema = verdict.schema;
        entry.code = verdict.code.map(EntryCode::Beacon);
        entry.pointer = verdict.pointer;
        entry.message = verdict.message.map(str::to_owned);
        entry.stream = match verdict.outcome {
            OutcomeKind::Accepted | OutcomeKind::Failed => {
                beacon.stream.as_ref().map(FanOut::to_string)
            }
            OutcomeKind::Duplicate
            | OutcomeKind::Dropped
            | OutcomeKind::OverQuota
            | OutcomeKind::Refused => None,
        };
        let bytes = beacon.record.as_ref().map(Record::bytes);
        entry.record_bytes = bytes.map(<[u8]>::len);
        let short = bytes.filter(|bytes| bytes.len() <= MAX_BYTES);
        let short = short.and_then(|bytes| std::str::from_utf8(bytes).ok());
        entry.record = short.and_then(|text| serde_json::from_str(text).ok());
        entry
    }
}

impl<'a> Received<'a> {
    fn of(original: &'a OriginalPayload) -> Self {
        let OriginalPayload { bytes, form, withheld } = original;
        let head = bytes.get(..MAX_BYTES).unwrap_or(bytes);
        let text = match std::str::from_utf8(head) {
            Ok(text) => Some(text),
            // Truncated in the middle of a character.
            Err(error) if error.error_len().is_none() => {
                head.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
            }
            Err(_) => None,
        };
        let base64 = || base64_simd::STANDARD.encode_to_string(head);
        Self {
            form: *form,
            bytes: bytes.len().max(*withheld),
            text: text.filter(|_| *withheld == 0),
            base64: text.is_none().then(base64),
            cut: head.len() < bytes.len(),
        }
    }
}

/// Reads the event's name from a record.
fn name(record: &Record) -> Option<String> {
    let columns: JsonFields<'_> =
        serde_json::from_str(std::str::from_utf8(record.bytes()).ok()?).ok()?;
    field(&columns, "name")
}
