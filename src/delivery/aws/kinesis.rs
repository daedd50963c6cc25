//! Amazon Kinesis Data Streams: the limits of a call, its parts, and the result of each record.
//!
//! Source: <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>

use serde::Deserialize;
use serde_json::Value;

use crate::delivery::aggregate::AggregatedRecord;
use crate::delivery::request::RequestLimits;
use crate::delivery::response::{HttpResponse, PutResult, PutResultEntry};
use crate::model::record;

/// The most records and bytes of a call. AWS counts data and keys, formerly up to 5 MiB and now 10.
/// The smaller limit holds everywhere, and here it limits the whole body.
pub const LIMITS: RequestLimits = RequestLimits { records: 500, bytes: 5 * 1_024 * 1_024 };

// A record and its key have at most 1 MiB, unless the stream is configured for more.
const _: () = assert!(record::MAX_BYTES + record::MAX_KEY_BYTES <= 1_024 * 1_024);

pub const TARGET: &str = "Kinesis_20131202.PutRecords";

/// The field of a call that names its stream.
pub const STREAM_NAME: &str = "StreamName";

const BEFORE_DATA: &str = r#"{"Data":""#;
const BEFORE_KEY: &str = r#"","PartitionKey":"#;
const AFTER_KEY: &str = "}";

/// Returns the bytes of `record` in a call's body, with the comma after it.
pub fn encoded_len(record: &AggregatedRecord<'_>) -> usize {
    let base64 = base64_simd::STANDARD.encoded_length(record.bytes_len());
    let key = key(record).len();
    [BEFORE_DATA.len(), base64, BEFORE_KEY.len(), key, AFTER_KEY.len(), ",".len()].iter().sum()
}

pub fn encode_append(record: &AggregatedRecord<'_>, body: &mut Vec<u8>) {
    body.extend_from_slice(BEFORE_DATA.as_bytes());
    record.encode_append(body);
    body.extend_from_slice(BEFORE_KEY.as_bytes());
    body.extend_from_slice(key(record).as_bytes());
    body.extend_from_slice(AFTER_KEY.as_bytes());
}

/// Returns the key as JSON: a device id may contain quotes.
fn key(record: &AggregatedRecord<'_>) -> String {
    Value::from(record.key().as_str()).to_string()
}

#[derive(Deserialize)]
struct PutRecordsOutput {
    #[serde(rename = "FailedRecordCount")]
    failed: Option<usize>,
    #[serde(rename = "Records")]
    records: Vec<PutRecordsResultEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutRecordsResultEntry {
    sequence_number: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

/// Reads the results of the call's `count` records from `response`, in their order.
pub fn put_result(response: &HttpResponse, count: usize) -> PutResult {
    PutResult::read(response, "PutRecords", count, |PutRecordsOutput { failed, records }| {
        (records.into_iter().map(PutResultEntry::from).collect(), failed)
    })
}

impl From<PutRecordsResultEntry> for PutResultEntry {
    fn from(entry: PutRecordsResultEntry) -> Self {
        let PutRecordsResultEntry { sequence_number: id, error_code, error_message } = entry;
        Self { id, error_code, error_message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::response::{AwsError, ErrorClass};

    fn said(status: u16, body: &str, count: usize) -> PutResult {
        put_result(
            &HttpResponse { status, retry_after_ms: None, body: body.as_bytes().to_vec() },
            count,
        )
    }

    #[test]
    fn each_entry_is_paired_with_its_own_record() {
        let body = r#"{"EncryptionType":"KMS","FailedRecordCount":1,"Records":[
            {"SequenceNumber":"49","ShardId":"shardId-000000000000"},
            {"ErrorCode":"ProvisionedThroughputExceededException","ErrorMessage":"Rate exceeded for shard"},
            {"ErrorCode":null,"SequenceNumber":"50","ShardId":"shardId-000000000001"}]}"#;
        let error = AwsError {
            class: ErrorClass::Throttled,
            code: "ProvisionedThroughputExceededException".to_owned(),
            message: "Rate exceeded for shard".to_owned(),
        };
        assert_eq!(said(200, body, 3), PutResult::PerRecord(vec![Ok(()), Err(error), Ok(())]));
    }

    #[test]
    fn a_shard_without_a_sequence_number_is_no_proof() {
        for entry in [r#"{"ShardId":"shardId-000000000000"}"#, r#"{"SequenceNumber":""}"#, "{}"] {
            let body = format!(r#"{{"FailedRecordCount":0,"Records":[{entry}]}}"#);
            let PutResult::PerRecord(statuses) = said(200, &body, 1) else { panic!("{entry}") };
            assert_eq!(
                statuses.first().unwrap().as_ref().unwrap_err().class,
                ErrorClass::Transient
            );
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_its_call_proves_nothing() {
        let short = r#"{"FailedRecordCount":0,"Records":[{"SequenceNumber":"1"}]}"#;
        let of_firehose = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#;
        let contradiction = r#"{"FailedRecordCount":1,"Records":[{"SequenceNumber":"1"}]}"#;
        for (body, count) in
            [(short, 2), (short, 0), (of_firehose, 1), (contradiction, 1), ("{}", 1), ("", 1)]
        {
            assert!(matches!(said(200, body, count), PutResult::Unparseable(_)), "{body}");
        }
        assert!(matches!(said(500, "", 1), PutResult::Failed(_)));
    }
}
