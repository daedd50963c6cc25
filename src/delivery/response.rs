//! Reads the results of calls, and classifies errors by the party that has to act.
//!
//! The error code decides, not the HTTP status. The status decides only if the code is missing or
//! unknown.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::text::truncate_for_display;

/// The result of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallResult {
    Answered(HttpResponse),
    /// No response came before the timeout; the effect is unknown.
    TimedOut,
    /// The timeout passed while the isolate was busy. The effect is unknown, and the service is not
    /// to blame.
    Starved,
    /// The connection failed, so the effect is unknown; has the reason.
    Unreachable(String),
    /// The call was never sent, for a reason that is ours or the operator's; has the reason.
    NotSent(String),
}

/// The parts of an HTTP response that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    pub status: u16,
    /// `x-amz-retry-after` or `Retry-After`, in milliseconds.
    pub retry_after_ms: Option<u64>,
    pub body: Vec<u8>,
}

/// The result of a put call, as its response states it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PutResult {
    /// One result for each record, in their order.
    PerRecord(Vec<Result<(), AwsError>>),
    /// The service accepted none of them.
    Failed(AwsError),
    /// The response does not say which records were accepted; has the reason.
    Unparseable(String),
}

/// The entry of one record in a service's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResultEntry {
    /// The id that the service gave the record.
    pub id: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
}

impl PutResult {
    /// Reads the results of the `count` records of a call of `operation`, in their order. `entries`
    /// extracts one entry for each record, and the service's own count of failed records.
    pub fn read<T: DeserializeOwned>(
        answer: &HttpResponse,
        operation: &str,
        count: usize,
        entries: impl FnOnce(T) -> (Vec<PutResultEntry>, Option<usize>),
    ) -> Self {
        if !(200..300).contains(&answer.status) {
            return Self::Failed(AwsError::of_http(answer));
        }
        // Parsed as text, as all JSON is: a second parser, for bytes, would add 4 kB to the Wasm.
        match serde_json::from_str(&String::from_utf8_lossy(&answer.body)) {
            Err(error) => Self::Unparseable(format!("answer is not that of {operation}: {error}")),
            Ok(output) => {
                let (entries, failed) = entries(output);
                Self::of_entries(entries, failed, count)
            }
        }
    }

    /// Converts the entries of a call of `count` records, of which the service reports `failed` as
    /// not accepted. A record is accepted only if its own entry has an id and no error. If the
    /// entries do not match the call or their own count, they prove nothing.
    fn of_entries(entries: Vec<PutResultEntry>, failed: Option<usize>, count: usize) -> Self {
        if entries.len() != count {
            let entries = entries.len();
            return Self::Unparseable(format!("answer has {entries} entries for {count} records"));
        }
        let errors = entries.iter().filter(|entry| entry.error_code.is_some()).count();
        if failed.is_some_and(|failed| failed != errors) {
            return Self::Unparseable(format!("answer has {errors} errors and counts {failed:?}"));
        }
        let result = |entry: PutResultEntry| match entry {
            PutResultEntry { error_code: Some(code), error_message, .. } => {
                Err(AwsError::of_record(code, error_message.unwrap_or_default()))
            }
            PutResultEntry { id: Some(id), .. } if !id.is_empty() => Ok(()),
            _ => Err(AwsError::of_record(
                "NoRecordId".to_owned(),
                "entry has neither an id nor an error".to_owned(),
            )),
        };
        Self::PerRecord(entries.into_iter().map(result).collect())
    }
}

/// Why a call or a record was not accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsError {
    pub class: ErrorClass,
    /// The service's error code, without its namespace.
    pub code: String,
    pub message: String,
}

/// The kind of an error, which decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The service's fault, for now: retry.
    Transient,
    /// Too much load: retry later.
    Throttled,
    /// The clocks differ: sign again, once.
    ClockSkew,
    /// The operator's fault, such as credentials, policy or a missing stream: keep the data.
    Config,
    /// Our fault: these bytes would be rejected again.
    InvalidRecord,
}

impl AwsError {
    /// Reads the error of an unsuccessful response: JSON, or XML as some services and stand-ins
    /// send it.
    pub fn of_http(answer: &HttpResponse) -> Self {
        let text = String::from_utf8_lossy(&answer.body);
        let json: Option<Value> = serde_json::from_str(&text).ok();
        let field = |names: [&str; 2]| {
            let value = json
                .as_ref()
                .and_then(|json| names.iter().find_map(|name| json.get(name)?.as_str()));
            value.map(str::to_owned)
        };
        let code = field(["__type", "code"]).or_else(|| element(&text, "Code")).unwrap_or_default();
        let code =
            code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let message =
            field(["message", "Message"]).or_else(|| element(&text, "Message")).unwrap_or_default();
        let class = class(code, &message).unwrap_or(match answer.status {
            429 => ErrorClass::Throttled,
            413 => ErrorClass::InvalidRecord,
            400..=499 => ErrorClass::Config,
            _ => ErrorClass::Transient,
        });
        let code = plain_code(code).unwrap_or_else(|| format!("HTTP {}", answer.status));
        Self { class, message: plain_message(&code, &message), code }
    }

    /// Makes the error of one record in a successful response.
    pub fn of_record(code: String, message: String) -> Self {
        let class = class(&code, &message).unwrap_or(ErrorClass::Transient);
        let code = plain_code(&code).unwrap_or_else(|| "UnknownError".to_owned());
        Self { class, message: plain_message(&code, &message), code }
    }
}

/// Returns a code that may be shown to clients: one word.
fn plain_code(code: &str) -> Option<String> {
    let of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let fits = (1..=64).contains(&code.len()) && code.bytes().all(of_word);
    fits.then(|| code.to_owned())
}

/// Returns the first line of a message, shortened for a log. The message of a wrong signature
/// quotes the signed request, session token included, and is left out.
fn plain_message(code: &str, message: &str) -> String {
    if SIGNATURE.iter().any(|prefix| code.starts_with(prefix)) {
        return String::new();
    }
    truncate_for_display(message.lines().next().unwrap_or_default())
}

/// The codes of a signature that differs from the one that the service computes.
const SIGNATURE: &[&str] = &["InvalidSignature", "SignatureDoesNotMatch"];

/// Classifies a known code.
///
/// Sources: <https://docs.aws.amazon.com/firehose/latest/APIReference/CommonErrors.html>,
/// <https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html>,
/// <https://docs.aws.amazon.com/kinesis/latest/APIReference/API_PutRecords.html>
fn class(code: &str, message: &str) -> Option<ErrorClass> {
    const CLOCK: &[&str] = &["RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"];
    // Firehose reports that it is unavailable if it means "slow down".
    const THROTTLE: &[&str] = &[
        "Throttl",
        "ServiceUnavailable",
        "LimitExceeded",
        "RequestLimitExceeded",
        "TooManyRequests",
        "ProvisionedThroughputExceeded",
        "SlowDown",
        "KMSThrottling",
    ];
    const SERVICE: &[&str] =
        &["InternalFailure", "InternalServer", "InternalError", "RequestTimeout"];
    const OPERATOR: &[&str] = &[
        "ResourceNotFound",
        "AccessDenied",
        "UnrecognizedClient",
        "ExpiredToken",
        "InvalidKMSResource",
        "KMS",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
        "InvalidToken",
        "MissingAuthenticationToken",
        "IncompleteSignature",
        "NotAuthorized",
        "OptInRequired",
        "UnknownOperation",
    ];
    const REQUEST: &[&str] =
        &["InvalidArgument", "Validation", "Serialization", "RequestEntityTooLarge"];
    let is = |codes: &[&str]| codes.iter().any(|prefix| code.starts_with(prefix));
    let of_time = || message.contains("expired") || message.contains("not yet current");
    match () {
        () if is(CLOCK) || (is(SIGNATURE) && of_time()) => Some(ErrorClass::ClockSkew),
        () if is(THROTTLE) => Some(ErrorClass::Throttled),
        () if is(SIGNATURE) || is(OPERATOR) => Some(ErrorClass::Config),
        () if is(SERVICE) => Some(ErrorClass::Transient),
        () if is(REQUEST) => Some(ErrorClass::InvalidRecord),
        () => None,
    }
}

/// Returns the text of the first XML element with that name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, after) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = after.split_once(&format!("</{name}>"))?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, body: &str) -> (ErrorClass, String, String) {
        let answer = HttpResponse { status, retry_after_ms: None, body: body.as_bytes().to_vec() };
        let AwsError { class, code, message } = AwsError::of_http(&answer);
        (class, code, message)
    }

    #[test]
    fn the_code_decides_and_the_status_only_without_a_code() {
        let cases = [
            (
                400,
                r#"{"__type":"com.amazonaws.firehose#ResourceNotFoundException","message":"no stream"}"#,
                ErrorClass::Config,
                "ResourceNotFoundException",
                "no stream",
            ),
            (
                400,
                r#"{"__type":"ValidationException:http://internal/","Message":"bad"}"#,
                ErrorClass::InvalidRecord,
                "ValidationException",
                "bad",
            ),
            (
                400,
                r#"{"__type":"InvalidArgumentException"}"#,
                ErrorClass::InvalidRecord,
                "InvalidArgumentException",
                "",
            ),
            (
                400,
                r#"{"__type":"SerializationException"}"#,
                ErrorClass::InvalidRecord,
                "SerializationException",
                "",
            ),
            (
                400,
                r#"{"__type":"ThrottlingException"}"#,
                ErrorClass::Throttled,
                "ThrottlingException",
                "",
            ),
            (
                400,
                r#"{"__type":"LimitExceededException"}"#,
                ErrorClass::Throttled,
                "LimitExceededException",
                "",
            ),
            (
                503,
                r#"{"__type":"ServiceUnavailableException"}"#,
                ErrorClass::Throttled,
                "ServiceUnavailableException",
                "",
            ),
            (500, r#"{"__type":"InternalFailure"}"#, ErrorClass::Transient, "InternalFailure", ""),
            (
                400,
                r#"{"__type":"UnrecognizedClientException"}"#,
                ErrorClass::Config,
                "UnrecognizedClientException",
                "",
            ),
            (
                400,
                r#"{"__type":"ExpiredTokenException"}"#,
                ErrorClass::Config,
                "ExpiredTokenException",
                "",
            ),
            (
                400,
                r#"{"__type":"AccessDeniedException"}"#,
                ErrorClass::Config,
                "AccessDeniedException",
                "",
            ),
            (
                400,
                r#"{"__type":"InvalidKMSResourceException"}"#,
                ErrorClass::Config,
                "InvalidKMSResourceException",
                "",
            ),
            (
                403,
                r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20260101T000000Z is now earlier than"}"#,
                ErrorClass::ClockSkew,
                "InvalidSignatureException",
                "",
            ),
            (
                403,
                r#"{"__type":"InvalidSignatureException","message":"Signature not yet current"}"#,
                ErrorClass::ClockSkew,
                "InvalidSignatureException",
                "",
            ),
            (
                403,
                r#"{"__type":"InvalidSignatureException","message":"does not match"}"#,
                ErrorClass::Config,
                "InvalidSignatureException",
                "",
            ),
            (
                403,
                "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>no</Message></Error></ErrorResponse>",
                ErrorClass::Config,
                "SignatureDoesNotMatch",
                "",
            ),
            (500, "oops", ErrorClass::Transient, "HTTP 500", ""),
            (502, "", ErrorClass::Transient, "HTTP 502", ""),
            (429, "", ErrorClass::Throttled, "HTTP 429", ""),
            (413, "", ErrorClass::InvalidRecord, "HTTP 413", ""),
            (404, "", ErrorClass::Config, "HTTP 404", ""),
            (301, "", ErrorClass::Transient, "HTTP 301", ""),
            (418, r#"{"__type":"Teapot"}"#, ErrorClass::Config, "Teapot", ""),
        ];
        for (status, body, class, code, message) in cases {
            assert_eq!(
                error(status, body),
                (class, code.to_owned(), message.to_owned()),
                "{status} {body}"
            );
        }
    }

    #[test]
    fn messages_have_no_signed_request_and_are_short() {
        let body = r#"{"__type":"InvalidSignatureException",
            "message":"The Canonical String should have been\nx-amz-security-token:t0ken"}"#;
        assert_eq!(error(403, body).2, "");
        let (class, code, message) = error(400, r#"{"__type":"X Y","message":"a\nb"}"#);
        assert_eq!((class, code.as_str(), message.as_str()), (ErrorClass::Config, "HTTP 400", "a"));
        let long = format!(r#"{{"__type":"{}"}}"#, "x".repeat(200_000));
        assert_eq!(error(500, &long).1, "HTTP 500");
        let record = AwsError::of_record("arn:aws:x y".to_owned(), "m".repeat(300));
        assert_eq!((record.code.as_str(), record.message.chars().count()), ("UnknownError", 101));
    }

    #[test]
    fn an_unknown_error_of_one_record_is_tried_again() {
        let class = |code: &str| AwsError::of_record(code.to_owned(), String::new()).class;
        assert_eq!(class("ServiceUnavailableException"), ErrorClass::Throttled);
        assert_eq!(class("InternalFailure"), ErrorClass::Transient);
        assert_eq!(class("Mystery"), ErrorClass::Transient);
    }

    #[test]
    fn the_errors_of_kinesis_are_blamed_as_those_of_firehose_are() {
        for (code, class) in [
            ("ProvisionedThroughputExceededException", ErrorClass::Throttled),
            ("KMSThrottlingException", ErrorClass::Throttled),
            ("InternalFailure", ErrorClass::Transient),
            ("InternalFailureException", ErrorClass::Transient),
            ("ResourceNotFoundException", ErrorClass::Config),
            ("AccessDeniedException", ErrorClass::Config),
            ("KMSAccessDeniedException", ErrorClass::Config),
            ("KMSDisabledException", ErrorClass::Config),
            ("KMSInvalidStateException", ErrorClass::Config),
            ("KMSNotFoundException", ErrorClass::Config),
            ("KMSOptInRequired", ErrorClass::Config),
            ("InvalidArgumentException", ErrorClass::InvalidRecord),
            ("ValidationException", ErrorClass::InvalidRecord),
        ] {
            let body = format!(r#"{{"__type":"{code}"}}"#);
            assert_eq!(error(400, &body).0, class, "{code}");
            assert_eq!(AwsError::of_record(code.to_owned(), String::new()).class, class, "{code}");
        }
    }
}
