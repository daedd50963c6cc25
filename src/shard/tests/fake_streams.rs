//! Streams that fail on request, and remember the records that they accepted.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{EVENTS, FAILED, ORDERS, columns};
use crate::delivery::aggregate::AggregatedRecord;
use crate::delivery::response::{CallResult, HttpResponse};

#[derive(Debug, Clone, Copy)]
pub enum Fault {
    None,
    /// Records whose number has this remainder by 3 are rejected for now.
    Some {
        remainder: u64,
    },
    Whole {
        status: u16,
        code: &'static str,
    },
    /// The call has no answer.
    Unreported(Effect),
    NotSent,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Effect {
    Accepted,
    NotAccepted,
}

/// How poison is rejected.
#[derive(Debug, Clone, Copy)]
pub enum Refuses {
    Call,
    Entry,
}

/// A stream, and the number of an event.
pub type Where = (usize, u64);

/// By their indices.
pub const STREAMS: [&str; 3] = [EVENTS, ORDERS, FAILED];
pub const TO_FAILED: usize = 2;

/// A record with this number or a higher one is not an event.
pub const NO_EVENT: u64 = 1_000;

/// Whether the stream of the event rejects its content.
pub const fn is_poison(number: u64) -> bool {
    number % 13 == 5 && number < NO_EVENT
}

pub struct FakeStream {
    pub refuses: Refuses,
    /// Every copy of a record that a stream accepted, by its columns.
    pub accepted: BTreeMap<Where, Vec<Value>>,
}

impl FakeStream {
    /// Answers a call. Also returns the events that the answer reports as accepted, and those that
    /// were accepted without an answer.
    pub fn call(
        &mut self,
        stream: usize,
        aggregates: &[AggregatedRecord<'_>],
        fault: Fault,
    ) -> (CallResult, Vec<Where>, Vec<Where>) {
        let aggregates: Vec<Vec<Value>> = aggregates
            .iter()
            .map(|group| group.lines().map(columns).map(event_of).collect())
            .collect();
        let rejected =
            |group: &[Value]| stream != TO_FAILED && group.iter().map(number).any(is_poison);
        let any_poisoned = aggregates.iter().any(|group| rejected(group));
        match (fault, self.refuses) {
            (Fault::NotSent, _) => (CallResult::NotSent("no key".to_owned()), vec![], vec![]),
            (Fault::Whole { status, code }, _) => (of_code(status, code), vec![], vec![]),
            (Fault::Unreported(effect), _) => {
                let accepted = effect == Effect::Accepted && !any_poisoned;
                let unreported = accepted.then(|| self.accept(stream, aggregates.concat()));
                (CallResult::TimedOut, vec![], unreported.unwrap_or_default())
            }
            (Fault::None | Fault::Some { .. }, Refuses::Call) if any_poisoned => {
                (of_code(400, "ValidationException"), vec![], vec![])
            }
            (Fault::None | Fault::Some { .. }, _) => {
                let error = |group: &[Value]| match fault {
                    _ if rejected(group) => Some("ValidationException"),
                    Fault::Some { remainder } if number(&group[0]) % 3 == remainder => {
                        Some("InternalFailure")
                    }
                    _ => None,
                };
                let (mut entries, mut errors, mut reported) = (Vec::new(), 0, Vec::new());
                for group in aggregates {
                    if let Some(code) = error(&group) {
                        errors += 1;
                        entries.push(format!(r#"{{"ErrorCode":"{code}"}}"#));
                    } else {
                        entries.push(r#"{"RecordId":"r","SequenceNumber":"1"}"#.to_owned());
                        reported.extend(self.accept(stream, group));
                    }
                }
                let entries = entries.join(",");
                let (count, list) = match STREAMS[stream] {
                    ORDERS => ("FailedRecordCount", "Records"),
                    _ => ("FailedPutCount", "RequestResponses"),
                };
                let body = format!(r#"{{"{count}":{errors},"{list}":[{entries}]}}"#);
                (answered(200, body), reported, vec![])
            }
        }
    }

    fn accept(&mut self, stream: usize, records: Vec<Value>) -> Vec<Where> {
        let take = |record: Value| {
            let slot = (stream, number(&record));
            self.accepted.entry(slot).or_default().push(record);
            slot
        };
        records.into_iter().map(take).collect()
    }

    /// Returns how many copies of an event a stream has.
    pub fn copies(&self, slot: &Where) -> usize {
        self.accepted.get(slot).map_or(0, Vec::len)
    }
}

/// Returns the columns of an event, also of one that became a failed event.
pub fn event_of(columns: Value) -> Value {
    match columns.get("original") {
        Some(original) => serde_json::from_str(original.as_str().unwrap()).unwrap(),
        None => columns,
    }
}

pub fn number(event: &Value) -> u64 {
    event["n"].as_u64().unwrap()
}

fn answered(status: u16, body: String) -> CallResult {
    CallResult::Answered(HttpResponse { status, retry_after_ms: None, body: body.into_bytes() })
}

fn of_code(status: u16, code: &str) -> CallResult {
    answered(status, format!(r#"{{"__type":"{code}"}}"#))
}
