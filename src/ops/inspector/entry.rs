//! The story of a beacon: what came, how it ended, and the record that it became.

use crate::ingest::Plan;
use crate::ingest::error::HttpError;
use crate::ingest::trace::{MOST_TRACED, Watched};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::{Count, Ending, Told, add};
use crate::base::text::shown;
use crate::delivery::stats::Sending;
use crate::ingest::error::IngestError;
use crate::ingest::summary::{Kind, Tally};
use crate::model::event::EventId;
use crate::model::failed_event::{Form, Original};
use crate::model::outcome::{Cause, Verdict};
use crate::model::record::Record;
use crate::model::stream::Stream;

/// The most bytes of what came, and of its record, that one story tells.
const MOST_BYTES: usize = 65_536;

/// What all stories of a request have in common.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// What it came to.
    pub tally: &'a Tally<'a>,
    /// Why it was refused, where it was.
    pub refusal: Option<&'a IngestError>,
    /// The edge's clock when it came.
    pub received_at: DateTime<Utc>,
    /// `Content-Type`.
    pub content_type: Option<&'a str>,
    /// `Content-Encoding`.
    pub content_encoding: Option<&'a str>,
}

/// One beacon's, or that of a request whose beacons nobody has read.
#[derive(Serialize)]
struct Story<'a> {
    at: String,
    outcome: Ending,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// `null` where the name of an accepted event has no schema.
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

/// Why a beacon was not accepted, or why its request was refused.
#[derive(Serialize)]
#[serde(untagged)]
enum Reason {
    Beacon(Cause),
    Request(&'static str),
}

/// The request that a beacon came in.
#[derive(Serialize)]
struct Request {
    kind: Kind,
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

/// What came, as a failed event would keep it.
#[derive(Serialize)]
struct Received<'a> {
    form: Form,
    bytes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
    /// Whether there is more of it than is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cut: bool,
}

#[derive(Serialize)]
struct Timing {
    read_ms: u64,
    #[serde(flatten)]
    sending: Sending,
    deliver_ms: u64,
    total_ms: u64,
}

impl Told {
    /// What is told of the beacons of `plan`, or of their request.
    pub fn of_plan(plan: &Plan<'_>, about: About<'_>) -> Option<Self> {
        let watch = plan.watch()?;
        let mut told = Self::default();
        let unknown = Watched::default();
        for (index, (event_id, outcome)) in plan.outcomes().iter().enumerate() {
            let watched = watch.of(index).unwrap_or(&unknown);
            let verdict = outcome.verdict(index, *event_id);
            let story = Story::of_beacon(&verdict, outcome.into(), watched, about);
            told.add(&story);
        }
        Some(told)
    }

    /// What is told of a request that was refused before its beacons were read.
    pub fn of_request(about: About<'_>) -> Self {
        let mut told = Self::default();
        told.add(&Story::of_request(about));
        told
    }

    fn add(&mut self, story: &Story<'_>) {
        let count = Count { stream: story.stream.clone(), outcome: story.outcome, count: 1 };
        add(&mut self.counts, &count);
        if self.stories.len() < MOST_TRACED {
            self.stories.extend(to_raw_value(story));
        }
    }
}

impl<'a> Story<'a> {
    fn of_request(about: About<'a>) -> Self {
        let About { tally, refusal, received_at, content_type, content_encoding } = about;
        let Tally { kind, tenant, status, bytes_in, sending, .. } = *tally;
        Self {
            at: received_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            outcome: Ending::Refused,
            code: refusal.map(|refusal| Reason::Request(refusal.code())),
            pointer: None,
            message: refusal.map(ToString::to_string),
            tenant,
            name: None,
            schema: None,
            event_id: None,
            request: Request {
                kind,
                status,
                index: None,
                beacons: tally.counts.beacons(),
                bytes: bytes_in,
                content_type: content_type.map(shown),
                content_encoding: content_encoding.map(shown),
            },
            received: None,
            stream: None,
            record_bytes: None,
            record: None,
            timing: Timing {
                read_ms: tally.read_ms,
                sending,
                deliver_ms: tally.deliver_ms,
                total_ms: tally.total_ms,
            },
        }
    }

    /// That of the beacon on which `verdict` would be told, unless its request was refused.
    fn of_beacon(
        verdict: &Verdict<'a>,
        ending: Ending,
        watched: &'a Watched,
        about: About<'a>,
    ) -> Self {
        let mut story = Self::of_request(about);
        // Of who is not to be told of, nothing is.
        story.event_id = Some(verdict.event_id).filter(|_| ending != Ending::Dropped);
        story.request.index = Some(verdict.index);
        story.received = watched.received.as_ref().map(Received::of);
        story.name = watched.record.as_ref().and_then(name);
        if about.refusal.is_some() {
            return story;
        }
        story.outcome = ending;
        story.schema = verdict.schema;
        story.code = verdict.code.map(Reason::Beacon);
        story.pointer = verdict.pointer;
        story.message = verdict.message.map(str::to_owned);
        story.stream = match ending {
            Ending::Accepted | Ending::Failed => watched.stream.as_ref().map(Stream::to_string),
            Ending::Duplicate | Ending::Dropped | Ending::Refused => None,
        };
        let bytes = watched.record.as_ref().map(Record::bytes);
        story.record_bytes = bytes.map(<[u8]>::len);
        let short = bytes.filter(|bytes| bytes.len() <= MOST_BYTES);
        let short = short.and_then(|bytes| std::str::from_utf8(bytes).ok());
        story.record = short.and_then(|text| serde_json::from_str(text).ok());
        story
    }
}

impl<'a> Received<'a> {
    fn of(original: &'a Original) -> Self {
        let Original { bytes, form, withheld } = original;
        let told = bytes.get(..MOST_BYTES).unwrap_or(bytes);
        let text = match std::str::from_utf8(told) {
            Ok(text) => Some(text),
            // Cut in the middle of a character.
            Err(error) if error.error_len().is_none() => {
                told.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok())
            }
            Err(_) => None,
        };
        let base64 = || base64_simd::STANDARD.encode_to_string(told);
        Self {
            form: *form,
            bytes: bytes.len().max(*withheld),
            text: text.filter(|_| *withheld == 0),
            base64: text.is_none().then(base64),
            cut: told.len() < bytes.len(),
        }
    }
}

/// The name of a record's event.
fn name(record: &Record) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: Option<String>,
    }
    serde_json::from_str::<Named>(std::str::from_utf8(record.bytes()).ok()?).ok()?.name
}
