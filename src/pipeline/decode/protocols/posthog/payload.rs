//! The wrappings of a payload: a form's or a query's `data`, base64, gzip and LZ-string.
//!
//! The first bytes decide, since SDKs state `compression` wrongly or not at all.

use std::borrow::Cow;

use super::lz_string;
use crate::model::beacon::Limits;
use crate::pipeline::decode::body::{GZIP_MAGIC, inflate};
use crate::pipeline::decode::protocols::parts;
use crate::pipeline::decode::protocols::request::ProtocolRequest;
use crate::pipeline::decode::{ProtocolError, native};

/// Gzip of a form of base64 of gzip.
const MAX_WRAPPINGS: usize = 4;

/// The parameter of a form or a query that has the payload.
const DATA: &str = "data";

/// Returns the JSON text of a request.
pub fn json<'a>(
    request: &ProtocolRequest<'a>,
    limits: &Limits,
) -> Result<Cow<'a, str>, ProtocolError> {
    let data = request.parameter(DATA).filter(|data| !data.is_empty());
    let mut payload = match data {
        Some(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Some(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        None => Cow::Borrowed(request.body),
    };
    for _ in 0..=MAX_WRAPPINGS {
        payload = match payload {
            Cow::Borrowed(bytes) if is_json(bytes) => return parts::text(bytes).map(Cow::Borrowed),
            Cow::Owned(bytes) if is_json(&bytes) => {
                return parts::text(&bytes).map(|text| Cow::Owned(text.to_owned()));
            }
            payload => Cow::Owned(unwrapped(&payload, limits)?),
        };
    }
    Err(native::undecodable("body is wrapped too many times"))
}

fn is_json(bytes: &[u8]) -> bool {
    matches!(trimmed(bytes).first(), Some(b'{' | b'['))
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes).trim_ascii()
}

fn unwrapped(payload: &[u8], limits: &Limits) -> Result<Vec<u8>, ProtocolError> {
    if payload.starts_with(&GZIP_MAGIC) {
        return inflate(payload, limits.max_inflated_bytes);
    }
    let text = parts::text(payload)?;
    if text.is_empty() {
        return Err(native::undecodable("body is empty"));
    }
    if is_form(payload) {
        let data = parts::parameter(text, DATA).unwrap_or_default();
        return Ok(data.into_owned().into_bytes());
    }
    let is_known =
        |bytes: &Vec<u8>| is_json(bytes) || bytes.starts_with(&GZIP_MAGIC) || is_form(bytes);
    match parts::base64(text).filter(is_known) {
        Some(bytes) => Ok(bytes),
        None => lz_string::decompress(text, limits.max_inflated_bytes).map(String::into_bytes),
    }
}

/// Whether there is a parameter `data`. Base64 has no `&`, and `=` only at its end.
fn is_form(bytes: &[u8]) -> bool {
    let starts = |pair: &[u8]| pair.starts_with(b"data=");
    trimmed(bytes).split(|byte| *byte == b'&').any(starts)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::model::violation::Code;

    const EVENT: &str = r#"{"event":"Größe"}"#;

    fn read(query: &str, body: &[u8]) -> Result<String, ProtocolError> {
        let request = ProtocolRequest { path: "/e", query, body, ..ProtocolRequest::default() };
        let limits = Limits { max_inflated_bytes: 100, ..Limits::default() };
        json(&request, &limits).map(Cow::into_owned)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn form(data: &str) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair(DATA, data).finish()
    }

    #[test]
    fn a_payload_is_found_in_each_wrapping() {
        let encode = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        let base64 = encode(EVENT.as_bytes());
        let zipped = encode(&gzip(EVENT.as_bytes()));
        let lz = "N4IgpgbmB2AuIC4QHEBOA3g+2EBfIA==";
        let bodies: [Vec<u8>; 13] = [
            EVENT.into(),
            format!("\u{feff} {EVENT}\n").into(),
            form(EVENT).into(),
            base64.clone().into(),
            zipped.clone().into(),
            form(&base64).into(),
            form(&zipped).into(),
            format!("compression=base64&data={zipped}&ver=1.2.3").into(),
            encode(form(&base64).as_bytes()).into(),
            gzip(EVENT.as_bytes()),
            gzip(form(&zipped).as_bytes()),
            lz.into(),
            form(lz).into(),
        ];
        for body in bodies {
            assert_eq!(read("ip=1", &body).as_deref(), Ok(EVENT), "{body:?}");
        }
        for data in [EVENT, &base64, &zipped, lz] {
            let query = format!("ip=0&_=1795000000123&{}", form(data));
            assert_eq!(read(&query, b"").as_deref(), Ok(EVENT), "{query}");
        }
    }

    #[test]
    fn a_json_body_is_borrowed() {
        let request = ProtocolRequest { body: EVENT.as_bytes(), ..ProtocolRequest::default() };
        assert!(matches!(json(&request, &Limits::default()), Ok(Cow::Borrowed(EVENT))));
    }

    #[test]
    fn broken_wrappings_are_undecodable_and_bombs_stop_at_the_limit() {
        let five_times = (0..5).fold(EVENT.to_owned(), |text, _| form(&text));
        let cut = gzip(EVENT.as_bytes()).into_iter().take(20).collect();
        let cases: [(Vec<u8>, Code); 8] = [
            (b"".to_vec(), Code::BadJson),
            (b" \n".to_vec(), Code::BadJson),
            (b"data=".to_vec(), Code::BadJson),
            (b"event".to_vec(), Code::BadJson),
            (b"%%%".to_vec(), Code::BadJson),
            (b"{\"\xff\":1}".to_vec(), Code::BadUtf8),
            (cut, Code::BadGzip),
            (five_times.into(), Code::BadJson),
        ];
        for (body, code) in cases {
            let Err(ProtocolError::Undecodable(violation)) = read("", &body) else {
                panic!("{body:?} was read");
            };
            assert_eq!(violation.code, code, "{body:?}");
        }
        let bomb = base64_simd::STANDARD.encode_to_string(gzip(&[b' '; 101]));
        assert_eq!(read("", bomb.as_bytes()), Err(ProtocolError::InflatedTooLarge { limit: 100 }));
    }
}
