//! Turns a request in Protobuf into the items of the same request in JSON.
//!
//! Source: <https://github.com/open-telemetry/opentelemetry-proto/tree/v1.7.0/opentelemetry/proto>

use super::protobuf::WireValue::{Bytes, Fixed64, Varint};
use super::protobuf::{WireFields, WireValue, malformed, text};
use super::{head, push};
use crate::base::text::hexadecimal;
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::decode::protocols::cut::{ItemTexts, quoted};

/// Values within values. An item's limit of levels is lower; this one only saves the stack.
const MAX_DEPTH: usize = 64;

/// Adds the items of `ExportLogsServiceRequest` to `texts`.
pub fn items(body: &[u8], texts: &mut ItemTexts<'_>) -> Result<(), ProtocolError> {
    for field in WireFields::of(body) {
        if let (1, Bytes(of_resource)) = field? {
            resource_logs(of_resource, texts)?;
        }
    }
    Ok(())
}

/// Reads the field 1 of a message, its description; the last one counts.
fn first_field(message: &[u8]) -> Result<Option<&[u8]>, ProtocolError> {
    let mut first = None;
    for field in WireFields::of(message) {
        if let (1, Bytes(bytes)) = field? {
            first = Some(bytes);
        }
    }
    Ok(first)
}

fn resource_logs(message: &[u8], texts: &mut ItemTexts<'_>) -> Result<(), ProtocolError> {
    let resource = first_field(message)?.map(resource).transpose()?;
    let resource = resource.as_deref().unwrap_or("null");
    for field in WireFields::of(message) {
        let (2, Bytes(of_scope)) = field? else { continue };
        let scope = first_field(of_scope)?.map(scope).transpose()?;
        let head = head(resource, scope.as_deref().unwrap_or("null"));
        for field in WireFields::of(of_scope) {
            if let (2, Bytes(record)) = field? {
                push(&head, &log_record(record)?, texts)?;
            }
        }
    }
    Ok(())
}

/// Writes `Resource`.
fn resource(message: &[u8]) -> Result<String, ProtocolError> {
    described(message, 1, &|_| Ok(None))
}

/// Writes `InstrumentationScope`.
fn scope(message: &[u8]) -> Result<String, ProtocolError> {
    described(message, 3, &|field| {
        Ok(Some(match field {
            (1, Bytes(name)) => ("name", quoted(text(name)?)),
            (2, Bytes(version)) => ("version", quoted(text(version)?)),
            _ => return Ok(None),
        }))
    })
}

/// Writes `LogRecord`.
fn log_record(message: &[u8]) -> Result<String, ProtocolError> {
    described(message, 6, &|field| {
        Ok(Some(match field {
            (1, Fixed64(time)) => ("timeUnixNano", format!("\"{time}\"")),
            (2, Varint(number)) => ("severityNumber", number.to_string()),
            (3, Bytes(severity)) => ("severityText", quoted(text(severity)?)),
            (5, Bytes(body)) => ("body", any_value(body, 0)?),
            (9, Bytes(id)) => ("traceId", quoted(&hexadecimal(id))),
            (10, Bytes(id)) => ("spanId", quoted(&hexadecimal(id))),
            (11, Fixed64(time)) => ("observedTimeUnixNano", format!("\"{time}\"")),
            (12, Bytes(name)) => ("eventName", quoted(text(name)?)),
            _ => return Ok(None),
        }))
    })
}

/// A member of an object: its name, and its value as JSON.
type Member = (&'static str, String);

/// Reads a field of a message; `None` if it is no member.
type ReadMember = dyn Fn((u64, WireValue<'_>)) -> Result<Option<Member>, ProtocolError>;

/// Writes the members that `member` reads from the fields of a message, then its attributes, which
/// are its field `attributes`.
fn described(
    message: &[u8],
    attributes: u64,
    member: &ReadMember,
) -> Result<String, ProtocolError> {
    let (mut members, mut list) = (String::new(), JsonList::default());
    for field in WireFields::of(message) {
        let field = field?;
        if let (number, Bytes(attribute)) = field
            && number == attributes
        {
            list.push(&key_value(attribute, 0)?);
        } else if let Some((name, value)) = member(field)? {
            members.push_str(&format!("\"{name}\":{value},"));
        }
    }
    Ok(format!("{{{members}\"attributes\":{}}}", list.end()))
}

/// Writes `KeyValue`.
fn key_value(message: &[u8], depth: usize) -> Result<String, ProtocolError> {
    let (mut key, mut value) = ("", String::from("{}"));
    for field in WireFields::of(message) {
        match field? {
            (1, Bytes(bytes)) => key = text(bytes)?,
            (2, Bytes(bytes)) => value = any_value(bytes, depth)?,
            _ => {}
        }
    }
    Ok(format!("{{\"key\":{},\"value\":{value}}}", quoted(key)))
}

/// Writes `AnyValue`, which is `depth` values deep.
fn any_value(message: &[u8], depth: usize) -> Result<String, ProtocolError> {
    let inner = depth.checked_add(1).filter(|inner| *inner <= MAX_DEPTH).ok_or_else(malformed)?;
    let mut written = String::from("{}");
    for field in WireFields::of(message) {
        let (kind, value) = match field? {
            (1, Bytes(bytes)) => ("stringValue", quoted(text(bytes)?)),
            (2, Varint(number)) => ("boolValue", (number != 0).to_string()),
            // Negative numbers are sent as the 64 bits of their two's complement.
            (3, Varint(number)) => ("intValue", format!("\"{}\"", number.cast_signed())),
            (4, Fixed64(bits)) => ("doubleValue", double(f64::from_bits(bits))),
            (5, Bytes(bytes)) => ("arrayValue", list(bytes, inner, any_value)?),
            (6, Bytes(bytes)) => ("kvlistValue", list(bytes, inner, key_value)?),
            (7, Bytes(bytes)) => {
                ("bytesValue", quoted(&base64_simd::STANDARD.encode_to_string(bytes)))
            }
            _ => continue,
        };
        written = format!("{{\"{kind}\":{value}}}");
    }
    Ok(written)
}

/// Writes a number; one that JSON does not have as a text.
fn double(number: f64) -> String {
    match serde_json::Number::from_f64(number) {
        Some(number) => number.to_string(),
        None if number.is_nan() => quoted("NaN"),
        None if number > 0.0 => quoted("Infinity"),
        None => quoted("-Infinity"),
    }
}

/// Writes `ArrayValue` or `KeyValueList`, whose items are their field 1.
fn list(
    message: &[u8],
    depth: usize,
    item: fn(&[u8], usize) -> Result<String, ProtocolError>,
) -> Result<String, ProtocolError> {
    let mut values = JsonList::default();
    for field in WireFields::of(message) {
        if let (1, Bytes(bytes)) = field? {
            values.push(&item(bytes, depth)?);
        }
    }
    Ok(format!("{{\"values\":{}}}", values.end()))
}

/// The text of an array, without its brackets.
#[derive(Default)]
struct JsonList(String);

impl JsonList {
    fn push(&mut self, item: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.push_str(item);
    }

    fn end(self) -> String {
        format!("[{}]", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::beacon::Limits;

    /// Made with opentelemetry-proto 1.45.2 for Python: three records, with values of each kind.
    const REQUEST: &str = "Cr0CChgKFgoMc2VydmljZS5uYW1lEgYKBHNob3AShgIKFgoEc2hvcBIFMS4yLjAaBwoBYRICEAAS6wEJwNoLk6yy6RgQCRoESU5GTyoGCgRvImsKMgkKA3llcxICEAEyEgoDaW50EgsY+f//////////ATITCgZkb3VibGUSCSFmZmZmZuYzQDIQCgNuYW4SCSEAAAAAAAD4fzIQCgNsb3cSCSEAAAAAAADw/zITCgRsaXN0EgsqCQoDCgFhCgIYATISCgNtYXASCzIJCgcKAWsSAioAMg0KBWJ5dGVzEgQ6AgH/MgYKBG5vbmU4AkUBAAAAShAAAQIDBAUGBwgJCgsMDQ4PUggAAQIDBAUGB1mAlefICUTsGGIMb3JkZXIucGxhY2VkEgUSA2IBYhoRaHR0cHM6Ly9zLmV4YW1wbGUKCRIHCgMKAXgSAA==";

    fn read(body: &[u8]) -> Result<Vec<String>, ProtocolError> {
        let limits = Limits::default();
        let mut texts = ItemTexts::new(&limits);
        items(body, &mut texts)?;
        Ok(texts.numbered().texts.into_iter().map(std::borrow::Cow::into_owned).collect())
    }

    fn item(resource: &str, scope: &str, record: &str) -> String {
        [&head(resource, scope), ",\"logRecord\":", record, "}"].concat()
    }

    /// Writes a field of fewer than 128 bytes, or a longer one with a length of two bytes.
    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let low = u8::try_from(bytes.len() & 0x7f).unwrap();
        let high = u8::try_from(bytes.len() >> 7).unwrap();
        [&[number << 3 | 2, low | 0x80, high], bytes].concat()
    }

    #[test]
    fn a_request_is_the_same_as_in_json() {
        let body = base64_simd::STANDARD.decode_to_vec(REQUEST).unwrap();
        let resource = r#"{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]}"#;
        let scope = r#"{"name":"shop","version":"1.2.0","attributes":[{"key":"a","value":{"boolValue":false}}]}"#;
        let record = [
            r#"{"timeUnixNano":"1795162380755000000","severityNumber":9,"severityText":"INFO","#,
            r#""body":{"stringValue":"o\"k\n"},"traceId":"000102030405060708090a0b0c0d0e0f","#,
            r#""spanId":"0001020304050607","observedTimeUnixNano":"1795885160230000000","#,
            r#""eventName":"order.placed","attributes":[{"key":"yes","value":{"boolValue":true}},"#,
            r#"{"key":"int","value":{"intValue":"-7"}},{"key":"double","value":{"doubleValue":19.9}},"#,
            r#"{"key":"nan","value":{"doubleValue":"NaN"}},"#,
            r#"{"key":"low","value":{"doubleValue":"-Infinity"}},"#,
            r#"{"key":"list","value":{"arrayValue":{"values":[{"stringValue":"a"},{"intValue":"1"}]}}},"#,
            r#"{"key":"map","value":{"kvlistValue":{"values":[{"key":"k","value":{"arrayValue":{"values":[]}}}]}}},"#,
            r#"{"key":"bytes","value":{"bytesValue":"Af8="}},{"key":"none","value":{}}]}"#,
        ]
        .concat();
        let expected = [
            item(resource, scope, &record),
            item(resource, "null", r#"{"eventName":"b","attributes":[]}"#),
            item("null", r#"{"name":"x","attributes":[]}"#, r#"{"attributes":[]}"#),
        ];
        assert_eq!(read(&body).unwrap(), expected);
    }

    #[test]
    fn a_request_that_is_cut_anywhere_is_refused_or_has_whole_records() {
        let body = base64_simd::STANDARD.decode_to_vec(REQUEST).unwrap();
        for end in 1..body.len() {
            let whole = matches!(read(body.get(..end).unwrap()), Ok(items) if items.len() == 2);
            // The two messages of the request have 320 and 11 bytes.
            assert_eq!(whole, end == 320, "{end}");
        }
    }

    #[test]
    fn values_in_values_have_a_limit() {
        let nested = |levels: usize| {
            let value = (0..levels).fold(Vec::new(), |inner, _| field(5, &field(1, &inner)));
            field(1, &field(2, &field(2, &field(5, &value))))
        };
        assert_eq!(read(&nested(MAX_DEPTH - 1)).unwrap().len(), 1);
        assert_eq!(read(&nested(MAX_DEPTH)), Err(malformed()));
    }

    #[test]
    fn a_text_that_is_not_utf_8_is_refused() {
        let body = field(1, &field(2, &field(2, &field(12, b"\xff"))));
        assert_eq!(read(&body).unwrap_err().to_string(), "a text of the body is not UTF-8");
    }
}
