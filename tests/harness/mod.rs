//! Posts bodies to the pipeline, as the worker does, and ends its deliveries as a test says.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::io::Write;
use std::net::IpAddr;

use chrono::DateTime;
use flate2::Compression;
use flate2::write::GzEncoder;
use headwater::config::{Config, RawConfig};
use headwater::delivery::health::DeliveryError;
use headwater::delivery::response::{AwsError, ErrorClass};
use headwater::delivery::stream_delivery::{DeliveryReport, RecordStatus};
use headwater::ingest;
use headwater::ingest::IngestBatch;
use headwater::ingest::error::IngestError;
use headwater::ingest::pending::{DestinationRecords, by_destination};
use headwater::model::event::EventIdGenerator;
use headwater::model::record::Record;
use headwater::model::request::RequestContext;
use headwater::pipeline::decode::body::RequestBody;
use serde_json::Value;

/// A rejected event becomes a failed event, and that may be rejected, too.
const MAX_ROUNDS: usize = 3;

/// A record that its stream accepted.
pub struct Delivered {
    /// The index of its beacon.
    pub beacon: usize,
    pub stream: String,
    pub record: Record,
}

/// Returns what every configuration needs, with `table` as `HEADWATER`.
pub fn settings(table: Value) -> RawConfig {
    RawConfig {
        headwater: Some(table),
        region: Some("eu-west-1".to_owned()),
        access_key_id: Some("AKIDEXAMPLE".to_owned()),
        secret_access_key: Some("secret".to_owned()),
        ..RawConfig::default()
    }
}

pub fn config(table: Value) -> Config {
    Config::parse(settings(table)).unwrap()
}

pub fn context() -> RequestContext {
    RequestContext {
        received_at: DateTime::from_timestamp_millis(1_795_000_000_123).unwrap(),
        ip: Some(IpAddr::from([203, 0, 113, 77])),
        ..RequestContext::default()
    }
}

pub fn ids(context: &RequestContext) -> EventIdGenerator {
    EventIdGenerator::new(context.received_at, [1; 10])
}

pub fn post<'a>(
    config: &'a Config,
    context: &RequestContext,
    content_type: Option<&str>,
    bytes: &[u8],
) -> Result<IngestBatch<'a>, IngestError> {
    post_body(config, context, &RequestBody { content_type, content_encoding: None, bytes })
}

pub fn post_body<'a>(
    config: &'a Config,
    context: &RequestContext,
    body: &RequestBody<'_>,
) -> Result<IngestBatch<'a>, IngestError> {
    let request = ingest::authorize(context, None, config, None).request?;
    ingest::post(body, &request, &mut ids(context))
}

pub fn pixel<'a>(
    config: &'a Config,
    context: &RequestContext,
    query: &str,
) -> Result<IngestBatch<'a>, IngestError> {
    let request = ingest::authorize(context, None, config, None).request?;
    ingest::pixel(query, &request, &mut ids(context))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Ends each delivery of `batch` with the status that `status` gives to each record, and returns
/// the delivered records in the order of their deliveries.
pub fn deliver(
    batch: &mut IngestBatch<'_>,
    status: impl Fn(&str, &Record) -> RecordStatus,
) -> Result<Vec<Delivered>, IngestError> {
    let mut delivered = Vec::new();
    for _ in 0..MAX_ROUNDS {
        for destination in by_destination(batch.take_records()) {
            let DestinationRecords { to, records, beacons } = destination;
            let stream = to.to_string();
            let records: Vec<(Record, RecordStatus)> = records
                .into_iter()
                .map(|record| {
                    let status = status(&stream, &record);
                    (record, status)
                })
                .collect();
            for (&beacon, (record, status)) in beacons.iter().zip(&records) {
                if *status == RecordStatus::Delivered {
                    let (stream, record) = (stream.clone(), record.clone());
                    delivered.push(Delivered { beacon, stream, record });
                }
            }
            let is_pending = records.iter().any(|(_, status)| *status == RecordStatus::Pending);
            let problem = is_pending.then_some(DeliveryError::TimedOut);
            let report =
                DeliveryReport { records, problem, retry_after_s: 7, ..DeliveryReport::default() };
            batch.apply_direct_report(to.first(), &beacons, report)?;
        }
    }
    assert!(batch.take_records().is_empty(), "deliveries of deliveries, without an end");
    Ok(delivered)
}

pub fn all_accepted(_: &str, _: &Record) -> RecordStatus {
    RecordStatus::Delivered
}

/// The status of a record whose content its stream rejects.
pub fn rejected() -> RecordStatus {
    RecordStatus::Rejected(AwsError {
        class: ErrorClass::InvalidRecord,
        code: "InvalidArgumentException".to_owned(),
        message: "arn:aws:secret".to_owned(),
    })
}

/// Returns the columns of a record.
pub fn columns(record: &Record) -> Value {
    serde_json::from_slice(record.bytes()).unwrap()
}
