//! Amazon Data Firehose: the call, and what its answer says of each record.
//!
//! Source: <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>

use http::header::CONTENT_TYPE;
use http::{Method, Request, Uri};
use serde::Deserialize;

use super::StreamName;
use super::answer::{Answer, HttpAnswer, Refusal};
use super::record::Record;

/// The service's name in a signature's scope.
pub const SERVICE: &str = "firehose";

/// The most records of a call.
pub const MAX_RECORDS: usize = 500;

/// The most bytes of a call. The documentation does not say whether they are counted
/// before or after base64, so the larger count is held to it.
pub const MAX_BYTES: usize = 4 * 1_024 * 1_024;

const TARGET: &str = "Firehose_20150804.PutRecordBatch";
const BEFORE_DATA: &str = r#"{"Data":""#;
const AFTER_DATA: &str = r#""}"#;

/// The bytes that `record` takes in a call's body, the comma after it included.
pub fn encoded_len(record: &Record) -> usize {
    let base64 = base64_simd::STANDARD.encoded_length(record.bytes().len());
    [BEFORE_DATA.len(), base64, AFTER_DATA.len(), ",".len()].iter().sum()
}

/// The bytes of a call's body around its records.
pub fn envelope_len(stream: &StreamName) -> usize {
    [before_records(stream).len(), AFTER_RECORDS.len()].iter().sum()
}

/// A call that puts `records`; not signed yet.
pub fn put_record_batch(
    endpoint: &Uri,
    stream: &StreamName,
    records: &[&Record],
) -> Result<Request<Vec<u8>>, http::Error> {
    Request::builder()
        .method(Method::POST)
        .uri(endpoint)
        .header(CONTENT_TYPE, "application/x-amz-json-1.1")
        .header("x-amz-target", TARGET)
        .body(body(stream, records))
}

const AFTER_RECORDS: &str = "]}";

fn before_records(stream: &StreamName) -> String {
    // A stream's name holds nothing that JSON escapes.
    format!(r#"{{"DeliveryStreamName":"{}","Records":["#, stream.as_str())
}

fn body(stream: &StreamName, records: &[&Record]) -> Vec<u8> {
    let encoded = records.iter().map(|record| encoded_len(record));
    let mut body = Vec::with_capacity(encoded.chain([envelope_len(stream)]).sum());
    body.extend_from_slice(before_records(stream).as_bytes());
    for (index, record) in records.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(BEFORE_DATA.as_bytes());
        base64_simd::STANDARD.encode_append(record.bytes(), &mut body);
        body.extend_from_slice(AFTER_DATA.as_bytes());
    }
    body.extend_from_slice(AFTER_RECORDS.as_bytes());
    body
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

/// What `answer` says of each of the call's `count` records, in their order. A record is
/// taken only when its own entry has an id and no error.
pub fn answer(answer: &HttpAnswer, count: usize) -> Answer {
    if !(200..300).contains(&answer.status) {
        return Answer::Refused(Refusal::of_http(answer));
    }
    let output = match serde_json::from_slice::<PutRecordBatchOutput>(&answer.body) {
        Ok(output) => output,
        Err(error) => {
            return Answer::Unknown(format!("answer is not that of PutRecordBatch: {error}"));
        }
    };
    let PutRecordBatchOutput { failed, responses } = output;
    if responses.len() != count {
        return Answer::Unknown(format!(
            "answer has {} entries for {count} records",
            responses.len()
        ));
    }
    let errors = responses.iter().filter(|response| response.error_code.is_some()).count();
    if failed.is_some_and(|failed| failed != errors) {
        return Answer::Unknown(format!("answer has {errors} errors and counts {failed:?}"));
    }
    let fate = |response: RecordResponse| match response {
        RecordResponse { error_code: Some(code), error_message, .. } => {
            Err(Refusal::of_record(code, error_message.unwrap_or_default()))
        }
        RecordResponse { record_id: Some(id), .. } if !id.is_empty() => Ok(()),
        _ => Err(Refusal::of_record(
            "NoRecordId".to_owned(),
            "entry has neither an id nor an error".to_owned(),
        )),
    };
    Answer::PerRecord(responses.into_iter().map(fate).collect())
}

#[cfg(test)]
mod tests {
    use super::super::answer::Blame;
    use super::super::record::tests::record;
    use super::*;

    fn name() -> StreamName {
        StreamName("events".to_owned())
    }

    #[test]
    fn a_call_is_what_the_api_takes_and_its_length_is_known_before() {
        for count in [1, 2, 3] {
            let records: Vec<Record> = (0..count).map(|index| record(&"x".repeat(index))).collect();
            let chosen: Vec<&Record> = records.iter().collect();
            let request = put_record_batch(
                &Uri::from_static("https://firehose.eu-west-1.amazonaws.com/"),
                &name(),
                &chosen,
            )
            .unwrap();
            let encoded: usize = records.iter().map(encoded_len).sum();
            // The last record has no comma after it.
            assert_eq!(request.body().len(), envelope_len(&name()) + encoded - 1);
            let json: serde_json::Value = serde_json::from_slice(request.body()).unwrap();
            assert_eq!(json["DeliveryStreamName"], "events");
            for (index, record) in records.iter().enumerate() {
                let data = json["Records"][index]["Data"].as_str().unwrap();
                assert_eq!(base64_simd::STANDARD.decode_to_vec(data).unwrap(), record.bytes());
            }
        }
    }

    fn said(status: u16, body: &str, count: usize) -> Answer {
        answer(&HttpAnswer { status, retry_after_ms: None, body: body.as_bytes().to_vec() }, count)
    }

    #[test]
    fn each_entry_is_paired_with_its_own_record() {
        let body = r#"{"FailedPutCount":1,"Encrypted":false,"RequestResponses":[{"RecordId":"a"},
            {"ErrorCode":"ServiceUnavailableException","ErrorMessage":"Slow down."},{"RecordId":"c"}]}"#;
        let refusal = Refusal {
            blame: Blame::Throttle,
            code: "ServiceUnavailableException".to_owned(),
            message: "Slow down.".to_owned(),
        };
        assert_eq!(said(200, body, 3), Answer::PerRecord(vec![Ok(()), Err(refusal), Ok(())]));
    }

    #[test]
    fn an_answer_that_does_not_fit_its_call_proves_nothing() {
        let short = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#;
        for (body, count) in
            [(short, 2), (short, 0), ("{}", 1), ("<html>", 1), ("", 1), ("null", 1)]
        {
            assert!(matches!(said(200, body, count), Answer::Unknown(_)), "{body}");
        }
    }

    #[test]
    fn an_answer_that_contradicts_itself_proves_nothing() {
        let body = r#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"a"}]}"#;
        assert!(matches!(said(200, body, 1), Answer::Unknown(_)));
        let Answer::PerRecord(fates) = said(200, r#"{"RequestResponses":[{"RecordId":""}]}"#, 1)
        else {
            panic!()
        };
        assert!(fates.first().unwrap().is_err());
    }

    #[test]
    fn an_entry_without_an_id_is_not_taken() {
        let Answer::PerRecord(fates) = said(200, r#"{"RequestResponses":[{}]}"#, 1) else {
            panic!()
        };
        assert_eq!(fates.first().unwrap().as_ref().unwrap_err().blame, Blame::Service);
    }
}
