//! AWS's answers: no record counts as delivered without an entry that says so.

use headwater::delivery::response::{AwsError, HttpResponse, PutResult};
use headwater::model::stream::Service;
use serde_json::Value;

const STATUSES: [u16; 10] = [200, 200, 200, 201, 400, 403, 413, 429, 500, 302];

/// Bytes for the service, the status and the number of records, and the body.
pub fn run(data: &[u8]) {
    let [service, status, count, body @ ..] = data else { return };
    let service = if service % 2 == 0 { Service::Firehose } else { Service::Kinesis };
    let status = STATUSES[usize::from(*status) % STATUSES.len()];
    let count = usize::from(*count) % 6;
    let answer = HttpResponse { status, retry_after_ms: None, body: body.to_vec() };
    match service.put_result(&answer, count) {
        PutResult::Unparseable(why) => assert!(!why.is_empty(), "LAW: there is a reason"),
        PutResult::Failed(error) => {
            assert!(!(200..300).contains(&status), "LAW: a success has results");
            check_error(&error);
        }
        PutResult::PerRecord(results) => {
            assert_eq!(results.len(), count, "LAW: each record has one result");
            assert!((200..300).contains(&status), "LAW: only a success has results");
            let entries = entries(service, body);
            for (index, result) in results.iter().enumerate() {
                match result {
                    Err(error) => check_error(error),
                    Ok(()) => assert!(
                        entries.as_ref().is_none_or(|entries| accepts(service, &entries[index])),
                        "LAW: a delivered record has an id and no error"
                    ),
                }
            }
        }
    }
}

/// Returns the entries by another way; none if a key comes twice.
fn entries(service: Service, body: &[u8]) -> Option<Vec<Value>> {
    let key = if service == Service::Firehose { "RequestResponses" } else { "Records" };
    let text = String::from_utf8_lossy(body);
    let value: Value = serde_json::from_str(&text).ok()?;
    if text.matches(key).count() != 1 {
        return None;
    }
    let entries = value.get(key)?.as_array()?.clone();
    let ids = text.matches(id(service)).count();
    (ids <= entries.len() && text.matches("ErrorCode").count() <= entries.len()).then_some(entries)
}

const fn id(service: Service) -> &'static str {
    match service {
        Service::Firehose => "RecordId",
        Service::Kinesis => "SequenceNumber",
    }
}

fn accepts(service: Service, entry: &Value) -> bool {
    let has_error = entry.get("ErrorCode").is_some_and(|code| !code.is_null());
    entry.get(id(service)).and_then(Value::as_str).is_some_and(|id| !id.is_empty()) && !has_error
}

fn check_error(AwsError { code, message, .. }: &AwsError) {
    let is_word =
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    assert!(is_word && !code.is_empty(), "LAW: a code is a short word: {code:?}");
    assert!(!message.contains('\n'), "LAW: a message is one line: {message:?}");
    if code.starts_with("InvalidSignature") || code.starts_with("SignatureDoesNotMatch") {
        assert_eq!(message, "", "LAW: no message quotes a signed request");
    }
}
