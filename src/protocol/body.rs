//! A request's body: its type, its compression, its text.
//!
//! A body is inflated under a cap, so that a small one can't fill the isolate.

use std::borrow::Cow;
use std::io::Read;

use flate2::bufread::MultiGzDecoder;

use super::{Limits, ProtocolError};
use crate::failed::{Code, Form, Violation};

/// The two bytes that open a gzip stream and no JSON text.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A body as it came.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// The `Content-Type` header.
    pub content_type: Option<&'a str>,
    /// The `Content-Encoding` header.
    pub content_encoding: Option<&'a str>,
    /// The bytes as sent.
    pub bytes: &'a [u8],
}

/// How the beacons of a body are set apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// The sender says: a beacon a line.
    Lines,
    /// The sender does not say; the text tells.
    Unstated,
}

impl<'a> Body<'a> {
    /// How the sender says that the beacons are set apart.
    pub fn framing(&self) -> Result<Framing, ProtocolError> {
        let stated = self.content_type.unwrap_or_default();
        let media_type = stated.split(';').next().unwrap_or_default().trim();
        if media_type.eq_ignore_ascii_case("application/x-ndjson") {
            Ok(Framing::Lines)
        } else if ["", "text/plain", "application/json"]
            .iter()
            .any(|taken| media_type.eq_ignore_ascii_case(taken))
        {
            Ok(Framing::Unstated)
        } else {
            Err(ProtocolError::UnsupportedMediaType(crate::failed::shown(stated)))
        }
    }

    /// What the bytes are. A browser can't name the compression of a beacon without a
    /// preflight, so gzip is known by its first bytes too.
    pub fn form(&self) -> Result<Form, ProtocolError> {
        match self.content_encoding.unwrap_or_default().trim() {
            "" | "identity" if self.bytes.starts_with(&GZIP_MAGIC) => Ok(Form::GzipBody),
            "" | "identity" => Ok(Form::Body),
            stated if stated.eq_ignore_ascii_case("gzip") => Ok(Form::GzipBody),
            stated => Err(ProtocolError::UnsupportedEncoding(crate::failed::shown(stated))),
        }
    }

    /// The text, inflated when it was compressed.
    pub fn text(&self, limits: &Limits) -> Result<Cow<'a, str>, ProtocolError> {
        if self.bytes.len() > limits.body_bytes {
            return Err(ProtocolError::BodyTooLarge { limit: limits.body_bytes });
        }
        let text = match self.form()? {
            Form::GzipBody => {
                let inflated = inflate(self.bytes, limits.inflated_bytes)?;
                String::from_utf8(inflated).map(Cow::Owned).map_err(|error| error.utf8_error())
            }
            _ => std::str::from_utf8(self.bytes).map(Cow::Borrowed),
        };
        text.map_err(|error| {
            let message = format!("body is not UTF-8 from byte {} on", error.valid_up_to());
            ProtocolError::Undecodable(Violation::whole(Code::BadUtf8, message))
        })
    }
}

fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, ProtocolError> {
    let mut inflated = Vec::with_capacity(bytes.len().saturating_mul(4).min(limit));
    let one_past = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    let read = MultiGzDecoder::new(bytes).take(one_past).read_to_end(&mut inflated);
    if inflated.len() > limit {
        return Err(ProtocolError::InflatedTooLarge { limit });
    }
    match read {
        Ok(_) => Ok(inflated),
        Err(error) => {
            let message = format!("body is not whole gzip: {error}");
            Err(ProtocolError::Undecodable(Violation::whole(Code::BadGzip, message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

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
    ) -> Body<'a> {
        Body { content_type, content_encoding, bytes }
    }

    fn text(encoding: Option<&str>, bytes: &[u8]) -> Result<String, ProtocolError> {
        let limits = Limits { body_bytes: 1_000, inflated_bytes: 2_000, ..Limits::default() };
        body(None, encoding, bytes).text(&limits).map(Cow::into_owned)
    }

    #[test]
    fn three_types_and_none_are_taken() {
        let framing = |content_type| body(content_type, None, b"").framing();
        for unstated in [None, Some(""), Some("text/plain;charset=UTF-8"), Some("Application/JSON")]
        {
            assert_eq!(framing(unstated), Ok(Framing::Unstated));
        }
        assert_eq!(framing(Some("application/x-ndjson; charset=utf-8")), Ok(Framing::Lines));
        for refused in ["text/html", "application/x-www-form-urlencoded", "text/plain2", "json"] {
            assert_eq!(
                framing(Some(refused)),
                Err(ProtocolError::UnsupportedMediaType(refused.to_owned()))
            );
        }
    }

    #[test]
    fn gzip_is_inflated_whether_named_or_not() {
        let packed = gzip(b"{}");
        for encoding in [Some("gzip"), Some("GZIP"), None, Some("identity")] {
            assert_eq!(text(encoding, &packed).unwrap(), "{}");
        }
        assert_eq!(
            text(Some("br"), &packed),
            Err(ProtocolError::UnsupportedEncoding("br".to_owned()))
        );
    }

    #[test]
    fn a_stream_of_two_gzip_members_is_read_whole() {
        let packed = [gzip(b"[1,"), gzip(b"2]")].concat();
        assert_eq!(text(Some("gzip"), &packed).unwrap(), "[1,2]");
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
    fn what_is_not_whole_gzip_is_kept_as_undecodable() {
        let packed = gzip(b"{\"name\":\"page_view\"}");
        let cut = packed.get(..packed.len() - 3).unwrap();
        let mut flipped = packed.clone();
        flipped[14] ^= 0x40;
        for broken in [cut, &flipped, b"{}", b""] {
            let Err(ProtocolError::Undecodable(violation)) = text(Some("gzip"), broken) else {
                panic!("{broken:?} was read");
            };
            assert_eq!(violation.code, Code::BadGzip);
        }
    }

    #[test]
    fn what_is_not_utf_8_is_kept_with_the_place() {
        let Err(ProtocolError::Undecodable(violation)) = text(None, b"{\"name\":\"\xff\"}") else {
            panic!("was read");
        };
        assert_eq!(
            (violation.code, violation.message.as_str()),
            (Code::BadUtf8, "body is not UTF-8 from byte 9 on")
        );
    }
}
