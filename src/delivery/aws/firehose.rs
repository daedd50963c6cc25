//! Amazon Data Firehose: the limits of a call, its parts, and the result of each record.
//!
//! Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>

use serde::Deserialize;

use crate::delivery::aggregate::AggregatedRecord;
use crate::delivery::request::RequestLimits;
use crate::delivery::response::{HttpResponse, PutResult, PutResultEntry};

/// The most records and bytes of a call. The documentation does not say whether bytes count before
/// or after base64, so this limits the larger count.
pub const LIMITS: RequestLimits = RequestLimits { records: 500, bytes: 4 * 1_024 * 1_024 };

pub const TARGET: &str = "Firehose_20150804.PutRecordBatch";

/// The field of a call that names its stream.
pub const STREAM_NAME: &str = "DeliveryStreamName";

const BEFORE_DATA: &str = r#"{"Data":""#;
const AFTER_DATA: &str = r#""}"#;

/// The bytes of a record in a call's body, without its data.
const AROUND_DATA: usize = BEFORE_DATA.len() + AFTER_DATA.len() + ",".len();

/// Returns the bytes of `record` in a call's body, with the comma after it.
pub fn encoded_len(record: &AggregatedRecord<'_>) -> usize {
    base64_simd::STANDARD.encoded_length(record.bytes_len()).saturating_add(AROUND_DATA)
}

/// Returns the most bytes of a record that needs `encoded` bytes in a call's body.
pub const fn max_bytes(encoded: usize) -> usize {
    encoded.saturating_sub(AROUND_DATA).saturating_div(4).saturating_mul(3)
}

pub fn encode_append(record: &AggregatedRecord<'_>, body: &mut Vec<u8>) {
    body.extend_from_slice(BEFORE_DATA.as_bytes());
    record.encode_append(body);
    body.extend_from_slice(AFTER_DATA.as_bytes());
}

#[derive(Deserialize)]
struct PutRecordBatchOutput {
    #[serde(rename = "FailedPutCount")]
    failed: Option<usize>,
    #[serde(rename = "RequestResponses")]
    responses: Vec<RecordResponse>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecordResponse {
    record_id: Option<String>,
    error_code: Option<String>,
    error_message: Option<String>,
}

/// Reads the results of the call's `count` records from `response`, in their order.
pub fn put_result(response: &HttpResponse, count: usize) -> PutResult {
    PutResult::read(
        response,
        "PutRecordBatch",
        count,
        |PutRecordBatchOutput { failed, responses }| {
            (responses.into_iter().map(PutResultEntry::from).collect(), failed)
        },
    )
}

impl From<RecordResponse> for PutResultEntry {
    fn from(response: RecordResponse) -> Self {
        let RecordResponse { record_id: id, error_code, error_message } = response;
        Self { id, error_code, error_message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::response::{AwsError, ErrorClass};
    use crate::model::record::tests::record;

    #[test]
    fn the_largest_record_of_a_call_is_known() {
        for letters in 0..20 {
            let line = record(&"x".repeat(letters));
            let aggregated = AggregatedRecord::new([&line]).unwrap();
            let (bytes, encoded) = (aggregated.bytes_len(), encoded_len(&aggregated));
            assert!(max_bytes(encoded) >= bytes && max_bytes(encoded - 1) < bytes, "{letters}");
        }
        assert_eq!(max_bytes(0), 0);
    }

    fn said(status: u16, body: &str, count: usize) -> PutResult {
        put_result(
            &HttpResponse { status, retry_after_ms: None, body: body.as_bytes().to_vec() },
            count,
        )
    }

    #[test]
    fn each_entry_is_paired_with_its_own_record() {
        let body = r#"{"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"a"},
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},{"RecordId":"c"}]}"#;
        let error = AwsError {
            class: ErrorClass::Throttled,
            code: "ServiceUnavailableException".to_owned(),
            message: "Slow down.".to_owned(),
        };
        assert_eq!(said(200, body, 3), PutResult::PerRecord(vec![Ok(()), Err(error), Ok(())]));
    }

    #[test]
    fn an_answer_that_does_not_fit_its_call_proves_nothing() {
        let short = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#;
        for (body, count) in
            [(short, 2), (short, 0), ("{}", 1), ("<html>", 1), ("", 1), ("null", 1)]
        {
            assert!(matches!(said(200, body, count), PutResult::Unparseable(_)), "{body}");
        }
    }

    #[test]
    fn an_answer_that_contradicts_itself_proves_nothing() {
        let body = r#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"a"}]}"#;
        assert!(matches!(said(200, body, 1), PutResult::Unparseable(_)));
        let PutResult::PerRecord(statuses) =
            said(200, r#"{"RequestResponses":[{"RecordId":""}]}"#, 1)
        else {
            panic!()
        };
        assert!(statuses.first().unwrap().is_err());
    }

    #[test]
    fn an_entry_without_an_id_is_not_a_success() {
        let PutResult::PerRecord(statuses) = said(200, r#"{"RequestResponses":[{}]}"#, 1) else {
            panic!()
        };
        assert_eq!(statuses.first().unwrap().as_ref().unwrap_err().class, ErrorClass::Transient);
    }
}
