//! Reads a request's body: its content type, its compression and its text.
//!
//! A body is inflated up to a limit, so that a small one can't fill the isolate's memory.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::{MultiGzDecoder, ZlibDecoder};

use super::ProtocolError;
use super::charset::Charset;
use crate::model::beacon::Limits;
use crate::model::failed_event::PayloadFormat;
use crate::model::violation::{Code, Violation};

/// The first two bytes of a gzip stream. No JSON text starts with them.
pub const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A body and the headers that describe it, as received.
#[derive(Debug, Clone, Copy)]
pub struct RequestBody<'a> {
    pub content_type: Option<&'a str>,
    pub content_encoding: Option<&'a str>,
    /// As sent; may be compressed.
    pub bytes: &'a [u8],
}

/// How a body separates its beacons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The content type states one beacon per line.
    Lines,
    /// The content type states nothing; the text decides.
    Detect,
    /// The content type states a form, as curl does by default. Accepted if the text is JSON.
    Form,
}

/// The content type of a form, which curl sends by default.
pub const FORM: &str = "application/x-www-form-urlencoded";

/// Content types of one beacon per line.
const LINES: [&str; 7] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
    "application/json-lines",
];

impl<'a> RequestBody<'a> {
    /// Returns the framing that the content type states. Fails if the type is unsupported.
    pub fn framing(&self) -> Result<Framing, ProtocolError> {
        let stated = self.content_type.unwrap_or_default();
        let media_type = stated.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.as_str() {
            "" | "text/plain" | "application/json" | "text/json" | "application/x-json" => {
                Ok(Framing::Detect)
            }
            FORM => Ok(Framing::Form),
            lines if LINES.contains(&lines) => Ok(Framing::Lines),
            // Structured syntax suffix, RFC 6839.
            json if json.ends_with("+json") && json.contains('/') => Ok(Framing::Detect),
            _ => Err(ProtocolError::UnsupportedMediaType(crate::base::text::truncate_for_display(
                stated,
            ))),
        }
    }

    /// Returns the format of the bytes. Gzip is also detected by its first bytes: a browser can't
    /// state a beacon's compression without a preflight.
    pub fn form(&self) -> Result<PayloadFormat, ProtocolError> {
        let stated = self.content_encoding.unwrap_or_default().trim();
        let is = |coding: &str, name| coding.eq_ignore_ascii_case(name);
        let codings = stated.split(',').map(str::trim);
        let mut codings = codings.filter(|it| !it.is_empty() && !is(it, "identity"));
        match (codings.next(), codings.next()) {
            (None, _) if self.bytes.starts_with(&GZIP_MAGIC) => Ok(PayloadFormat::GzipBody),
            (None, _) => Ok(PayloadFormat::Body),
            (Some(coding), None) if is(coding, "gzip") || is(coding, "x-gzip") => {
                Ok(PayloadFormat::GzipBody)
            }
            _ => Err(ProtocolError::UnsupportedEncoding(crate::base::text::truncate_for_display(
                stated,
            ))),
        }
    }

    /// Returns the text of bytes in the format that [`Self::form`] returned: inflated if necessary,
    /// and decoded by its charset.
    pub fn text(
        &self,
        format: PayloadFormat,
        limits: &Limits,
    ) -> Result<Cow<'a, str>, ProtocolError> {
        if self.bytes.len() > limits.max_body_bytes {
            return Err(ProtocolError::BodyTooLarge { limit: limits.max_body_bytes });
        }
        let charset = Charset::stated(self.content_type.unwrap_or_default())?;
        let bytes = match format {
            PayloadFormat::GzipBody => Cow::Owned(inflate(self.bytes, limits.max_inflated_bytes)?),
            _ => Cow::Borrowed(self.bytes),
        };
        Ok(charset.decode(bytes)?)
    }
}

/// Returns a body of another collector's protocol, inflated if its first bytes show gzip or zlib:
/// SDKs compress without a header.
pub fn inflated<'a>(bytes: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, ProtocolError> {
    if bytes.len() > limits.max_body_bytes {
        return Err(ProtocolError::BodyTooLarge { limit: limits.max_body_bytes });
    }
    if bytes.starts_with(&GZIP_MAGIC) {
        return inflate(bytes, limits.max_inflated_bytes).map(Cow::Owned);
    }
    if !is_zlib(bytes) {
        return Ok(Cow::Borrowed(bytes));
    }
    let zlib = Inflater::Zlib(ZlibDecoder::new(bytes));
    let inflated = read_up_to(limits.max_inflated_bytes, bytes.len(), zlib)?;
    // A text can begin with the same two letters.
    Ok(inflated.map_or(Cow::Borrowed(bytes), Cow::Owned))
}

/// Whether bytes begin like a zlib stream.
/// Source: <https://www.rfc-editor.org/rfc/rfc1950#section-2.2>
fn is_zlib(bytes: &[u8]) -> bool {
    match bytes {
        [method, flags, ..] => {
            let header = u16::from_be_bytes([*method, *flags]);
            *method == 0x78 && header.checked_rem(31) == Some(0)
        }
        _ => false,
    }
}

/// Returns the first `limit` bytes that can be inflated, also of a stream that is cut or damaged.
pub fn inflated_part(bytes: &[u8], limit: usize) -> Vec<u8> {
    let mut inflated = Vec::new();
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    // What was read before an error stays.
    drop(Inflater::gzip(bytes).take(limit).read_to_end(&mut inflated));
    inflated
}

/// Inflates either format. As one type, so that what reads it is compiled once.
enum Inflater<'a> {
    Gzip(MultiGzDecoder<&'a [u8]>),
    Zlib(ZlibDecoder<&'a [u8]>),
}

impl<'a> Inflater<'a> {
    fn gzip(bytes: &'a [u8]) -> Self {
        Self::Gzip(MultiGzDecoder::new(bytes))
    }
}

impl Read for Inflater<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Zlib(decoder) => decoder.read(buffer),
        }
    }
}

/// Reads the inflated bytes of `compressed` bytes; the inner error is the decoder's.
fn read_up_to(
    limit: usize,
    compressed: usize,
    inflater: Inflater<'_>,
) -> Result<std::io::Result<Vec<u8>>, ProtocolError> {
    let mut inflated = Vec::with_capacity(compressed.saturating_mul(4).min(limit));
    let one_past = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = inflater.take(one_past).read_to_end(&mut inflated);
    match inflated.len() <= limit {
        true => Ok(read.map(|_| inflated)),
        false => Err(ProtocolError::InflatedTooLarge { limit }),
    }
}

/// Inflates whole gzip of at most `limit` bytes.
pub fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ProtocolError> {
    read_up_to(limit, bytes.len(), Inflater::gzip(bytes))?.map_err(|error| {
        let message = format!("body is not whole gzip: {error}");
        ProtocolError::from(Violation::whole(Code::BadGzip, message))
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn body<'a>(
        content_type: Option<&'a str>,
        content_encoding: Option<&'a str>,
        bytes: &'a [u8],
    ) -> RequestBody<'a> {
        RequestBody { content_type, content_encoding, bytes }
    }

    fn text(encoding: Option<&str>, bytes: &[u8]) -> Result<String, ProtocolError> {
        let limits =
            Limits { max_body_bytes: 1_000, max_inflated_bytes: 2_000, ..Limits::default() };
        let body = body(None, encoding, bytes);
        body.text(body.form()?, &limits).map(Cow::into_owned)
    }

    #[test]
    fn json_types_and_no_type_are_accepted() {
        let framing = |content_type| body(content_type, None, b"").framing();
        for unstated in [
            "",
            "text/plain;charset=UTF-8",
            "Application/JSON",
            "text/json",
            "application/vnd.api+json",
            "application/ld+json; profile=\"x\"",
            "application/cloudevents+JSON",
        ] {
            assert_eq!(framing(Some(unstated)), Ok(Framing::Detect), "{unstated}");
        }
        assert_eq!(framing(None), Ok(Framing::Detect));
        for lines in [
            "application/x-ndjson; charset=utf-8",
            "application/ndjson",
            "application/jsonl",
            "Application/JSONLines",
            "application/x-jsonlines",
        ] {
            assert_eq!(framing(Some(lines)), Ok(Framing::Lines), "{lines}");
        }
        assert_eq!(framing(Some("application/x-www-form-urlencoded")), Ok(Framing::Form));
        for refused in ["text/html", "multipart/form-data", "text/plain2", "json", "+json"] {
            assert_eq!(
                framing(Some(refused)),
                Err(ProtocolError::UnsupportedMediaType(refused.to_owned()))
            );
        }
    }

    #[test]
    fn a_charset_is_read_of_inflated_bytes_too() {
        let limits = Limits::default();
        let utf_16: Vec<u8> = "[\"ü\"]".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (charset, plain) in [("latin1", &b"[\"\xfc\"]"[..]), ("utf-16", &utf_16)] {
            let content_type = format!("application/json; charset={charset}");
            let zipped = gzip(plain);
            for (encoding, bytes) in [(None, plain), (Some("gzip"), &zipped), (None, &zipped)] {
                let body = body(Some(&content_type), encoding, bytes);
                let read = body.text(body.form().unwrap(), &limits);
                assert_eq!(read.as_deref(), Ok("[\"ü\"]"), "{charset} {encoding:?}");
            }
        }
        let unknown = body(Some("text/plain; charset=koi8-r"), None, b"{}");
        let unknown = unknown.text(PayloadFormat::Body, &limits);
        assert_eq!(unknown, Err(ProtocolError::UnsupportedCharset("koi8-r".to_owned())));
    }

    #[test]
    fn gzip_is_inflated_whether_named_or_not() {
        let zipped = gzip(b"{}");
        for encoding in [
            Some("gzip"),
            Some("GZIP"),
            Some("x-gzip"),
            Some("X-GZip"),
            Some("identity, gzip"),
            Some(" gzip , Identity "),
            None,
            Some("identity"),
            Some("Identity"),
            Some("identity,identity"),
            Some(","),
        ] {
            assert_eq!(text(encoding, &zipped).as_deref(), Ok("{}"), "{encoding:?}");
        }
        for refused in ["br", "gzip, gzip", "x-gzip,gzip", "deflate, gzip", "gzip2"] {
            assert_eq!(
                text(Some(refused), &zipped),
                Err(ProtocolError::UnsupportedEncoding(refused.to_owned()))
            );
        }
    }

    #[test]
    fn a_body_of_a_protocol_is_inflated_by_its_first_bytes() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(b"{\"a\":1}").unwrap();
        let zlib = zlib.finish().unwrap();
        let limits = Limits { max_body_bytes: 100, max_inflated_bytes: 7, ..Limits::default() };
        for bytes in [zlib.as_slice(), &gzip(b"{\"a\":1}"), b"{\"a\":1}"] {
            assert_eq!(inflated(bytes, &limits).as_deref(), Ok(&b"{\"a\":1}"[..]));
        }
        // A text of the same first letters, and bytes of a stream that is cut.
        for bytes in [b"x\x9c=1".as_slice(), &zlib[..6]] {
            assert_eq!(inflated(bytes, &limits).as_deref(), Ok(bytes));
        }
        let tight = Limits { max_inflated_bytes: 6, ..limits.clone() };
        let too_large = Err(ProtocolError::InflatedTooLarge { limit: 6 });
        assert_eq!(inflated(&zlib, &tight), too_large);
        assert_eq!(inflated(&gzip(b"{\"a\":1}"), &tight), too_large);
        let long = inflated(&[b' '; 101], &limits);
        assert_eq!(long, Err(ProtocolError::BodyTooLarge { limit: 100 }));
    }

    #[test]
    fn a_stream_of_two_gzip_members_is_read_whole() {
        let zipped = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(text(Some("gzip"), &zipped).unwrap(), "[1,2]");
    }

    #[test]
    fn a_bomb_stops_at_the_cap() {
        let exact = gzip(&[b' '; 2_000]);
        assert_eq!(text(Some("gzip"), &exact).unwrap().len(), 2_000);
        let bomb = gzip(&[b' '; 2_001]);
        assert_eq!(
            text(Some("gzip"), &bomb),
            Err(ProtocolError::InflatedTooLarge { limit: 2_000 })
        );
        assert_eq!(text(None, &[b' '; 1_001]), Err(ProtocolError::BodyTooLarge { limit: 1_000 }));
    }

    #[test]
    fn incomplete_gzip_is_stored_as_undecodable() {
        let zipped = gzip(b"{\"name\":\"page_view\"}");
        let cut = zipped.get(..zipped.len() - 3).unwrap();
        let mut flipped = zipped.clone();
        flipped[14] ^= 0x40;
        for broken in [cut, &flipped, b"{}", b""] {
            let Err(ProtocolError::Undecodable(violation)) = text(Some("gzip"), broken) else {
                panic!("{broken:?} was read");
            };
            assert_eq!(violation.code, Code::BadGzip);
        }
        assert_eq!(inflated_part(cut, 2_000), b"{\"name\":\"page_view\"}");
        assert_eq!(inflated_part(cut, 3), b"{\"n");
        assert_eq!(inflated_part(b"{}", 3), b"");
    }

    #[test]
    fn invalid_utf_8_is_stored_with_its_position() {
        let Err(ProtocolError::Undecodable(violation)) = text(None, b"{\"name\":\"\xff\"}") else {
            panic!("was read");
        };
        assert_eq!(
            (violation.code, violation.message.as_str()),
            (Code::BadUtf8, "body is not UTF-8 from byte 9 on")
        );
    }
}
