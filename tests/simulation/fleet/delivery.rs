//! Drives a delivery as `runtime::deliver::deliver_batch` does, one step at a time.

use headwater::delivery::StreamBatch;
use headwater::delivery::aggregate::{AggregatedRecord, BILLED_UNIT};
use headwater::delivery::call_slots::CallPurpose;
use headwater::delivery::health::StreamHealth;
use headwater::delivery::response::CallResult;
use headwater::delivery::stream_delivery::{
    Action, DeliveryConfig, DeliveryReport, StreamDelivery,
};
use headwater::model::record::Record;
use headwater::model::stream::Stream;

use super::line;
use super::stream::{CallRecord, StreamCall};

/// A delivery under way.
#[derive(Debug)]
pub struct Delivery {
    pub stream: Stream,
    pub purpose: CallPurpose,
    machine: StreamDelivery,
    policy: DeliveryConfig,
    /// When its last wait ended, while it waits for a slot.
    pub waited_until: Option<u64>,
    /// The events of all calls that the stream took.
    pub taken: Vec<u64>,
}

/// What a delivery does next.
#[derive(Debug)]
pub enum Step {
    Call(StreamCall),
    Wait { milliseconds: u64 },
    Ended,
}

impl Delivery {
    pub fn new(batch: StreamBatch, policy: DeliveryConfig, purpose: CallPurpose, now: u64) -> Self {
        let stream = batch.stream.clone();
        let machine = StreamDelivery::new(batch, policy, now);
        Self { stream, purpose, machine, policy, waited_until: None, taken: Vec::new() }
    }

    /// Returns the next step. The error is a limit that a call exceeds.
    pub fn step(&mut self, now: u64, health: &mut StreamHealth) -> Result<Step, String> {
        let (records, timeout_ms) = match self.machine.step(now, health) {
            Action::Send { records, timeout_ms } => (records, timeout_ms),
            Action::Wait { milliseconds } => return Ok(Step::Wait { milliseconds }),
            Action::GiveUp | Action::Done => return Ok(Step::Ended),
        };
        let service = self.stream.service;
        let encoded: usize = records.iter().map(|record| service.encoded_len(record)).sum();
        let body_bytes = service.envelope_len(&self.stream.name) + encoded;
        let limits = service.limits();
        if records.len() > limits.records || body_bytes > limits.bytes.min(self.policy.call_bytes) {
            let records = records.len();
            return Err(format!("a call of {records} records and {body_bytes} bytes"));
        }
        if let Some(bytes) = records.iter().find_map(too_large) {
            return Err(format!("a record of {bytes} bytes and several lines"));
        }
        let of_call = |record: &AggregatedRecord<'_>| CallRecord {
            bytes: record.bytes_len(),
            lines: record.lines().map(|of| line::read(of.bytes())).collect(),
        };
        let records = records.iter().map(of_call).collect();
        Ok(Step::Call(StreamCall { records, body_bytes, timeout_ms }))
    }

    pub fn reply(&mut self, result: CallResult, now: u64, random: u32, health: &mut StreamHealth) {
        self.machine.reply(result, now, random, health);
    }

    /// Goes on with a slot, for which it has waited since its wait was over.
    pub fn resume(&mut self, now: u64) {
        if let Some(waited_until) = self.waited_until.take() {
            self.machine.extend_deadline(now.saturating_sub(waited_until));
        }
    }

    pub fn finish(self, now: u64, health: &StreamHealth) -> DeliveryReport {
        self.machine.finish(now, health)
    }
}

/// Returns the bytes of an aggregated record that is larger than the default of ten units.
fn too_large(record: &AggregatedRecord<'_>) -> Option<usize> {
    let bytes = record.bytes_len();
    (record.lines().count() > 1 && bytes > 10 * BILLED_UNIT).then_some(bytes)
}

/// Returns the events of records, in their order.
pub fn numbers<'a>(records: impl Iterator<Item = &'a Record>) -> Vec<u64> {
    records.map(|record| line::read(record.bytes()).number).collect()
}
