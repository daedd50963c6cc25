//! The answers to logs of OpenTelemetry, in the content type of their request.
//!
//! Source: <https://opentelemetry.io/docs/specs/otlp/#otlphttp-response>

use std::borrow::Cow;

use super::answer::{
    DialectAnswer, DialectEndpoint, DialectRequest, message as message_of, object,
};
use crate::ingest::error::{HttpError, IngestError};
use crate::model::event::EventId;
use crate::model::outcome::Outcome;

const PROTOBUF: &str = "application/x-protobuf";

/// The longest wait that is asked for, in seconds. An exporter has ten by default for all its tries,
/// and gives up at once if it would have to wait longer.
const MAX_WAIT_S: u64 = 2;

/// Returns what a request asks for; none if the address is none of the protocol.
pub fn endpoint(request: DialectRequest<'_>) -> Option<DialectEndpoint> {
    (request.is_post && request.path == "/v1/logs").then_some(DialectEndpoint::Events)
}

/// Returns the answer to a request with events. It says how many log records are kept as failed
/// events; the client must not repeat them.
pub fn answer(
    outcomes: Result<&[(EventId, Outcome)], &IngestError>,
    request: DialectRequest<'_>,
) -> DialectAnswer {
    let is_protobuf = request.content_type.to_ascii_lowercase().contains("protobuf");
    let error = match outcomes {
        Ok(outcomes) => return taken(outcomes, is_protobuf),
        Err(error) => error,
    };
    let answer = match is_protobuf {
        // A google.rpc.Status, whose field 2 is the message.
        true => protobuf(error.status(), length_delimited(2, error.to_string().as_bytes())),
        false => DialectAnswer::object(error.status(), vec![message_of(error)]),
    };
    answer.retry_after(error).retry_within(MAX_WAIT_S)
}

fn taken(outcomes: &[(EventId, Outcome)], is_protobuf: bool) -> DialectAnswer {
    let failed = outcomes.iter().filter_map(|(_, outcome)| match outcome {
        Outcome::Failed(violation) => Some(violation),
        Outcome::Accepted(_) | Outcome::Duplicate | Outcome::Dropped(_) | Outcome::OverQuota => {
            None
        }
    });
    let over_quota = super::over_quota(outcomes);
    let count = failed.clone().count().saturating_add(over_quota);
    let message = match failed.clone().next() {
        None if over_quota == 0 => {
            return match is_protobuf {
                true => protobuf(200, Vec::new()),
                false => DialectAnswer::json(200, "{}"),
            };
        }
        None => format!("{over_quota} log records are over the tenant's quota, and not kept"),
        Some(first) if over_quota == 0 => {
            format!("{count} log records are kept as failed events; first: {first}")
        }
        Some(first) => format!(
            "{over_quota} log records are over the tenant's quota, and not kept; {} are kept as failed events; first: {first}",
            failed.count()
        ),
    };
    if !is_protobuf {
        let success = object(vec![
            ("rejectedLogRecords", count.to_string().into()),
            ("errorMessage", message.into()),
        ]);
        return DialectAnswer::object(200, vec![("partialSuccess", success)]);
    }
    // The count is field 1, the message 2; the whole is field 1 of the answer.
    let mut success = vec![1 << 3];
    success.extend(varint(count));
    success.extend(length_delimited(2, message.as_bytes()));
    protobuf(200, length_delimited(1, &success))
}

fn protobuf(status: u16, body: Vec<u8>) -> DialectAnswer {
    let body = Cow::Owned(body);
    DialectAnswer { status, content_type: PROTOBUF, body, ..DialectAnswer::default() }
}

/// Writes a text or a message as the field `number`, which is below 16.
fn length_delimited(number: u8, bytes: &[u8]) -> Vec<u8> {
    const LENGTH_DELIMITED: u8 = 2;
    let mut field = vec![number << 3 | LENGTH_DELIMITED];
    field.extend(varint(bytes.len()));
    field.extend_from_slice(bytes);
    field
}

/// Writes a number, seven bits in each byte, the lowest first.
fn varint(number: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (number, Vec::new());
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use serde_json::Value;

    use super::super::sample_errors;
    use super::*;
    use crate::model::outcome::Catalogued;
    use crate::model::violation::{Code, Violation};

    const JSON: DialectRequest<'_> = DialectRequest {
        is_post: true,
        path: "/v1/logs",
        query: "",
        content_type: "application/json",
        host: "",
    };
    const BINARY: DialectRequest<'_> = DialectRequest { content_type: PROTOBUF, ..JSON };

    #[test]
    fn only_a_post_to_its_address_is_of_the_protocol() {
        for (is_post, path, expected) in [
            (true, "/v1/logs", Some(DialectEndpoint::Events)),
            (false, "/v1/logs", None),
            (true, "/v1/traces", None),
            (true, "/v1/metrics", None),
        ] {
            assert_eq!(endpoint(DialectRequest { is_post, path, ..JSON }), expected, "{path}");
        }
    }

    #[test]
    fn a_success_is_empty_in_the_content_type_of_the_request() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        for outcomes in [&[][..], &[(id, Outcome::Accepted(Catalogued::Yes))]] {
            let answer = answer(Ok(outcomes), JSON);
            assert_eq!(
                (answer.status, answer.content_type, &*answer.body),
                (200, "application/json", &b"{}"[..])
            );
            let answer = super::answer(Ok(outcomes), BINARY);
            assert_eq!(
                (answer.status, answer.content_type, &*answer.body),
                (200, PROTOBUF, &b""[..])
            );
        }
    }

    #[test]
    fn a_partial_success_counts_the_failed_records() {
        let id = EventId::from_bytes([1; 16]).unwrap();
        let failed = Outcome::Failed(Violation::whole(Code::MissingField, "eventName is missing"));
        let outcomes = [(id, failed.clone()), (id, Outcome::Duplicate), (id, failed)];
        let message = "2 log records are kept as failed events; first: eventName is missing";
        let body: Value = serde_json::from_slice(&answer(Ok(&outcomes), JSON).body).unwrap();
        let success = json!({"rejectedLogRecords": "2", "errorMessage": message});
        assert_eq!(body, json!({"partialSuccess": success}));
        let length = u8::try_from(message.len()).unwrap();
        let inner = [&[0x08, 2, 0x12, length], message.as_bytes()].concat();
        let outer = [&[0x0a, length + 4], &inner[..]].concat();
        assert_eq!(answer(Ok(&outcomes), BINARY).body, outer);
    }

    #[test]
    fn a_number_is_written_seven_bits_a_byte() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (16_384, &[0x80, 0x80, 1]),
        ] {
            assert_eq!(varint(number), bytes);
        }
    }

    #[test]
    fn each_error_has_its_status_and_its_message() {
        for (error, status, retry_after_s) in [
            (sample_errors::not_durable(), 503, Some(2)),
            (sample_errors::over_quota(), 429, Some(2)),
            (sample_errors::unreadable(), 400, None),
            (sample_errors::too_large(), 413, None),
            (sample_errors::unsupported(), 415, None),
            (sample_errors::unknown_key(), 401, None),
        ] {
            let text = answer(Err(&error), JSON);
            assert_eq!((text.status, text.retry_after_s), (status, retry_after_s), "{error}");
            let body: Value = serde_json::from_slice(&text.body).unwrap();
            assert_eq!(body, json!({"message": error.to_string()}));
            let binary = answer(Err(&error), BINARY);
            assert_eq!((binary.status, binary.retry_after_s), (status, retry_after_s), "{error}");
            assert_eq!(binary.body, length_delimited(2, error.to_string().as_bytes()));
        }
    }
}
