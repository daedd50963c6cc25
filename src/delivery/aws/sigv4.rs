//! Signs requests to AWS with Signature Version 4, in their headers.
//!
//! AWS's own signer, [`aws_sigv4`], derives the key and makes the signature. This module writes the
//! text that is signed, and keeps the key of the day: the signer's own way derives the key for each
//! request, and takes far longer to write the text. The module never reads a clock, so the same
//! arguments always give the same signature. It never puts a secret into an error or a `Debug`
//! output.
//!
//! It signs `host`, `content-type` and every `x-amz-*` header: those that AWS requires and those
//! that give the body its meaning. The runtime adds and rewrites other headers on the way, so they
//! are not signed.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::sign::v4;
use chrono::{DateTime, NaiveDate, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, InvalidHeaderValue};
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::credentials::{Credentials, SigningKey};
use crate::base::sha256::sha256;
use crate::base::text::hexadecimal;
use crate::base::timestamp::rfc3339;

/// The last second whose year has the four digits that `x-amz-date` allows.
const LAST_SECOND: u64 = 253_402_300_799;

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const CONTENT_HASH: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// The characters of a path that are encoded: all but RFC 3986's unreserved ones and the slash.
const ENCODED_IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl Credentials {
    /// Signs `text` with the key of this day and scope.
    fn signature(&self, scope: CredentialScope<'_>, at: &SigningTime, text: &str) -> String {
        let CredentialScope { region, service } = scope;
        let is_of_scope = |key: &SigningKey| key.region == region && key.service == service;
        let mut keys = self.signing_keys.borrow_mut();
        if let Some(known) = keys.iter().find(|key| is_of_scope(key) && key.day == at.day) {
            return v4::calculate_signature(&known.key, text.as_bytes());
        }
        let secret = &self.secret_access_key;
        let key = v4::generate_signing_key(secret, at.time, region, service).as_ref().to_vec();
        let signature = v4::calculate_signature(&key, text.as_bytes());
        let (region, service) = (region.to_owned(), service.to_owned());
        keys.retain(|key| !is_of_scope(key));
        keys.push(SigningKey { day: at.day, region, service, key });
        signature
    }
}

/// The region and the service that a signature is valid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CredentialScope<'a> {
    /// The region of the endpoint, such as `eu-west-1`.
    pub region: &'a str,
    /// The service's signing name, such as `firehose` or `kinesis`.
    pub service: &'a str,
}

/// Why a request could not be signed. No variant contains any part of a key.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The operator's fault: the region is invalid.
    #[error("the region must be lower case letters, digits and hyphens")]
    Region,
    /// Our fault: the service is invalid.
    #[error("the service must be lower case letters, digits and hyphens")]
    Service,
    /// Our fault: the URI is relative.
    #[error("the uri must be absolute, with a scheme and a host")]
    Host,
    /// Our fault: this header must be signed, but its value is not visible ASCII.
    #[error("the header {0} must be visible ASCII characters")]
    Header(HeaderName),
    /// The clock's fault: SigV4 cannot express this time.
    #[error("the time must lie in the years 1970 to 9999")]
    Time,
    /// Our fault: a header of the signature has a character that no header may have.
    #[error("a header of the signature is invalid")]
    SignatureHeader(#[from] InvalidHeaderValue),
}

/// Signs `request` as of `at`, for `scope` only.
///
/// Returns the request with `host`, `x-amz-date`, `x-amz-content-sha256`, `authorization` and, for
/// temporary credentials, `x-amz-security-token`. Its method, URI, body and other headers do not
/// change. `host` is that of the URI as a URL parser writes it: lower case, with the port unless it
/// is the scheme's default. Signing a signed request again replaces its signature. AWS accepts the
/// result within five minutes of `at`, whose fraction of a second is dropped.
///
/// # Errors
///
/// [`SigningError`] names the argument at fault; the request is lost.
pub fn sign(
    request: Request<Vec<u8>>,
    credentials: &Credentials,
    scope: CredentialScope<'_>,
    at: DateTime<Utc>,
) -> Result<Request<Vec<u8>>, SigningError> {
    sign_hashed(request, credentials, scope, at, None)
}

/// Like [`sign`], with the SHA-256 of the body if it is known already.
pub fn sign_hashed(
    mut request: Request<Vec<u8>>,
    credentials: &Credentials,
    scope: CredentialScope<'_>,
    at: DateTime<Utc>,
    body_sha256: Option<[u8; 32]>,
) -> Result<Request<Vec<u8>>, SigningError> {
    if !is_scope_part(scope.region) {
        return Err(SigningError::Region);
    }
    if !is_scope_part(scope.service) {
        return Err(SigningError::Service);
    }
    let at = SigningTime::new(at)?;
    let host = host(request.uri())?;
    let body_sha256 = body_sha256.unwrap_or_else(|| sha256(request.body()));
    let content_hash = hexadecimal(&body_sha256);
    let headers = request.headers_mut();
    headers.remove(AUTHORIZATION);
    headers.remove(SECURITY_TOKEN);
    headers.insert(HOST, host);
    headers.insert(DATE, HeaderValue::from_str(&at.text)?);
    headers.insert(CONTENT_HASH, HeaderValue::from_str(&content_hash)?);
    if let Some(token) = credentials.session_token.as_deref() {
        let mut token = HeaderValue::from_str(token)?;
        token.set_sensitive(true);
        headers.insert(SECURITY_TOKEN, token);
    }

    let (canonical_request, signed_headers) = canonical_request(&request, &content_hash)?;
    let hash = hexadecimal(&sha256(canonical_request.as_bytes()));
    let SigningTime { text: time, .. } = &at;
    let day = at.text.get(..8).unwrap_or_default();
    let scope_text = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let string_to_sign = format!("{ALGORITHM}\n{time}\n{scope_text}\n{hash}");
    let signature = credentials.signature(scope, &at, &string_to_sign);
    let id = &credentials.access_key_id;
    let authorization = format!(
        "{ALGORITHM} Credential={id}/{scope_text}, SignedHeaders={signed_headers}, Signature={signature}"
    );
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(authorization)?);
    Ok(request)
}

/// Returns the canonical form of a request without a query, and the names of its signed headers.
///
/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html#create-canonical-request>
fn canonical_request(
    request: &Request<Vec<u8>>,
    content_hash: &str,
) -> Result<(String, String), SigningError> {
    let headers = request.headers();
    let mut names: Vec<&HeaderName> = headers.keys().filter(|name| is_signed(name)).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    let path = utf8_percent_encode(request.uri().path(), ENCODED_IN_PATH);
    let mut text = format!("{}\n{path}\n\n", request.method());
    for name in &names {
        text.push_str(name.as_str());
        for (index, value) in headers.get_all(*name).iter().enumerate() {
            text.push(if index == 0 { ':' } else { ',' });
            let value = value.to_str().map_err(|_| SigningError::Header((*name).clone()))?;
            push_words(&mut text, value);
        }
        text.push('\n');
    }
    let names: Vec<&str> = names.into_iter().map(HeaderName::as_str).collect();
    let names = names.join(";");
    text.extend(["\n", &names, "\n", content_hash]);
    Ok((text, names))
}

/// Whether the signature covers a header.
fn is_signed(name: &HeaderName) -> bool {
    *name == HOST || *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-")
}

/// Appends the words of `value`, with one space between two.
fn push_words(text: &mut String, value: &str) {
    for (index, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        text.extend([if index == 0 { "" } else { " " }, word]);
    }
}

/// Returns the `host` header that a client sends for this URI.
fn host(uri: &Uri) -> Result<HeaderValue, SigningError> {
    let (Some(scheme), Some(host)) = (uri.scheme(), uri.host()) else {
        return Err(SigningError::Host);
    };
    let mut value = host.to_ascii_lowercase();
    if let Some(port) = uri.port_u16().filter(|port| !is_default(*port, scheme)) {
        value = format!("{value}:{port}");
    }
    if value.is_empty() {
        return Err(SigningError::Host);
    }
    HeaderValue::try_from(value).map_err(|_| SigningError::Host)
}

fn is_default(port: u16, scheme: &Scheme) -> bool {
    (*scheme == Scheme::HTTPS && port == 443) || (*scheme == Scheme::HTTP && port == 80)
}

/// The time of a signature, in the forms that it needs.
struct SigningTime {
    time: SystemTime,
    day: NaiveDate,
    /// Such as `20260301T120000Z`.
    text: String,
}

impl SigningTime {
    /// Drops the fraction of a second of `at`.
    fn new(at: DateTime<Utc>) -> Result<Self, SigningError> {
        let seconds = at.timestamp();
        let time = u64::try_from(seconds)
            .ok()
            .filter(|seconds| *seconds <= LAST_SECOND)
            .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let text = DateTime::from_timestamp(seconds, 0).and_then(rfc3339);
        let (Some(time), Some(text)) = (time, text) else { return Err(SigningError::Time) };
        let digits = text.iter().take(19).filter(|byte| !matches!(byte, b'-' | b':'));
        let text = digits.map(|byte| char::from(*byte)).chain(['Z']).collect();
        Ok(Self { time, day: at.date_naive(), text })
    }
}

fn is_scope_part(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    const ACCESS_KEY_ID: &str = "AKIDEXAMPLE";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtoken==";
    const FIREHOSE: CredentialScope<'_> =
        CredentialScope { region: "eu-west-1", service: "firehose" };

    fn long_lived() -> Credentials {
        Credentials::new(ACCESS_KEY_ID, SECRET, None).unwrap()
    }

    fn temporary() -> Credentials {
        Credentials::new(ACCESS_KEY_ID, SECRET, Some(TOKEN.to_owned())).unwrap()
    }

    fn noon() -> DateTime<Utc> {
        "2026-03-01T12:00:00.987Z".parse().unwrap()
    }

    fn request(uri: &str) -> Request<Vec<u8>> {
        Request::post(uri)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", "Firehose_20150804.PutRecordBatch")
            .header("accept-encoding", "gzip")
            .body(b"{}".to_vec())
            .unwrap()
    }

    fn signed(uri: &str, credentials: &Credentials) -> Request<Vec<u8>> {
        sign(request(uri), credentials, FIREHOSE, noon()).unwrap()
    }

    fn header<'a>(request: &'a Request<Vec<u8>>, name: &str) -> Option<&'a str> {
        request.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[test]
    fn adds_the_headers_of_a_signature_and_leaves_the_rest_alone() {
        let uri = "https://firehose.eu-west-1.amazonaws.com/";
        let signed = signed(uri, &long_lived());

        assert_eq!(signed.uri(), uri);
        assert_eq!(signed.body(), b"{}");
        assert_eq!(header(&signed, "accept-encoding"), Some("gzip"));
        assert_eq!(header(&signed, "host"), Some("firehose.eu-west-1.amazonaws.com"));
        assert_eq!(header(&signed, "x-amz-date"), Some("20260301T120000Z"));
        assert_eq!(
            header(&signed, "x-amz-content-sha256"),
            Some("44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")
        );
        assert_eq!(header(&signed, "x-amz-security-token"), None);
        assert!(header(&signed, "authorization").unwrap().starts_with(
            "AWS4-HMAC-SHA256 \
             Credential=AKIDEXAMPLE/20260301/eu-west-1/firehose/aws4_request, \
             SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;x-amz-target, \
             Signature="
        ));
    }

    #[test]
    fn a_known_digest_gives_the_same_signature() {
        let uri = "https://firehose.eu-west-1.amazonaws.com";
        let digest = sha256(request(uri).body());
        let hashed = |digest| {
            let signed =
                sign_hashed(request(uri), &long_lived(), FIREHOSE, noon(), Some(digest)).unwrap();
            signed.headers().clone()
        };
        assert_eq!(hashed(digest), *signed(uri, &long_lived()).headers());
        assert_ne!(hashed([7; 32]), *signed(uri, &long_lived()).headers());
    }

    #[test]
    fn sends_and_signs_the_session_token_and_marks_it_sensitive() {
        let signed = signed("https://firehose.eu-west-1.amazonaws.com", &temporary());

        assert_eq!(header(&signed, "x-amz-security-token"), Some(TOKEN));
        assert!(signed.headers().get("x-amz-security-token").unwrap().is_sensitive());
        assert!(header(&signed, "authorization").unwrap().contains(
            "SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date;\
             x-amz-security-token;x-amz-target,"
        ));
    }

    #[test]
    fn host_is_what_a_client_sends_for_the_uri() {
        for (uri, host) in [
            ("https://h.example", "h.example"),
            ("https://h.example:443/", "h.example"),
            ("http://h.example:80/", "h.example"),
            ("https://h.example:80/", "h.example:80"),
            ("http://h.example:443/", "h.example:443"),
            ("http://127.0.0.1:4566/", "127.0.0.1:4566"),
            ("http://[::1]:4566/", "[::1]:4566"),
            ("https://H.Example/", "h.example"),
            ("https://user:word@h.example:8443/", "h.example:8443"),
        ] {
            assert_eq!(header(&signed(uri, &long_lived()), "host"), Some(host), "{uri}");
        }
    }

    #[test]
    fn signing_again_replaces_the_signature() {
        let uri = "https://firehose.eu-west-1.amazonaws.com/";
        let later = noon() + chrono::TimeDelta::hours(1);
        let stale = signed(uri, &temporary());

        let again = sign(stale, &long_lived(), FIREHOSE, later).unwrap();
        let fresh = sign(request(uri), &long_lived(), FIREHOSE, later).unwrap();

        assert_eq!(again.headers(), fresh.headers());
    }

    #[test]
    fn every_argument_is_in_the_signature() {
        let uri = "https://firehose.eu-west-1.amazonaws.com/";
        let sign = |request, credentials, region, service, at| {
            let signed =
                sign(request, &credentials, CredentialScope { region, service }, at).unwrap();
            let authorization = header(&signed, "authorization").unwrap();
            authorization.rsplit('=').next().unwrap().to_owned()
        };
        let mut other_body = request(uri);
        *other_body.body_mut() = b"{ }".to_vec();
        let mut other_target = request(uri);
        other_target
            .headers_mut()
            .insert("x-amz-target", HeaderValue::from_static("Firehose_20150804.PutRecord"));
        let mut other_type = request(uri);
        other_type.headers_mut().insert("content-type", HeaderValue::from_static("text/plain"));
        let other_secret = Credentials::new(ACCESS_KEY_ID, "other", None).unwrap();
        let other_host = request("https://firehose.eu-west-1.amazonaws.com:8443/");
        let second = chrono::TimeDelta::seconds(1);

        let signatures = [
            sign(request(uri), long_lived(), "eu-west-1", "firehose", noon()),
            sign(request(uri), long_lived(), "us-east-1", "firehose", noon()),
            sign(request(uri), long_lived(), "eu-west-1", "kinesis", noon()),
            sign(request(uri), long_lived(), "eu-west-1", "firehose", noon() + second),
            sign(request(uri), temporary(), "eu-west-1", "firehose", noon()),
            sign(request(uri), other_secret, "eu-west-1", "firehose", noon()),
            sign(other_body, long_lived(), "eu-west-1", "firehose", noon()),
            sign(other_target, long_lived(), "eu-west-1", "firehose", noon()),
            sign(other_type, long_lived(), "eu-west-1", "firehose", noon()),
            sign(other_host, long_lived(), "eu-west-1", "firehose", noon()),
        ];

        let distinct: std::collections::BTreeSet<_> = signatures.iter().collect();
        assert_eq!(distinct.len(), signatures.len());
    }

    #[test]
    fn headers_that_the_network_rewrites_are_not_in_the_signature() {
        let uri = "https://firehose.eu-west-1.amazonaws.com/";
        let mut rewritten = request(uri);
        for name in ["accept-encoding", "user-agent", "content-length", "cf-ray"] {
            let value = HeaderValue::from_bytes(b"caf\xe9").unwrap();
            rewritten.headers_mut().insert(HeaderName::from_static(name), value);
        }

        let rewritten = sign(rewritten, &long_lived(), FIREHOSE, noon()).unwrap();

        assert_eq!(
            header(&rewritten, "authorization"),
            header(&signed(uri, &long_lived()), "authorization")
        );
    }

    #[test]
    fn refuses_a_scope_that_can_not_stand_in_a_signature() {
        for part in ["", "eu west", "eu-west-1\n", "EU", "eu/west", "é"] {
            let service = CredentialScope { service: part, ..FIREHOSE };
            let region = CredentialScope { region: part, ..FIREHOSE };
            let sign = |scope| sign(request("https://h.example"), &long_lived(), scope, noon());
            assert!(matches!(sign(service), Err(SigningError::Service)));
            assert!(matches!(sign(region), Err(SigningError::Region)));
        }
    }

    #[test]
    fn refuses_a_uri_without_a_host() {
        for uri in ["/", "*", "h.example:443", "/v1?x=1"] {
            let rejected = sign(request(uri), &long_lived(), FIREHOSE, noon());
            assert!(matches!(rejected, Err(SigningError::Host)), "{uri}");
        }
    }

    #[test]
    fn refuses_a_header_that_it_must_sign_but_can_not() {
        let mut bad = request("https://h.example");
        bad.headers_mut().insert(
            "x-amz-meta",
            HeaderValue::from_bytes(b"caf\xe9").expect("opaque bytes are a header value"),
        );

        let error = sign(bad, &long_lived(), FIREHOSE, noon()).unwrap_err();

        assert_eq!(error.to_string(), "the header x-amz-meta must be visible ASCII characters");
    }

    #[test]
    fn refuses_a_time_that_x_amz_date_can_not_say() {
        let at = |seconds| {
            sign(
                request("https://h.example"),
                &long_lived(),
                FIREHOSE,
                DateTime::from_timestamp(seconds, 0).unwrap(),
            )
        };
        let last = LAST_SECOND as i64;

        assert_eq!(header(&at(0).unwrap(), "x-amz-date"), Some("19700101T000000Z"));
        assert_eq!(header(&at(last).unwrap(), "x-amz-date"), Some("99991231T235959Z"));
        assert!(matches!(at(-1), Err(SigningError::Time)));
        assert!(matches!(at(last + 1), Err(SigningError::Time)));
        let far =
            sign(request("https://h.example"), &long_lived(), FIREHOSE, DateTime::<Utc>::MAX_UTC);
        assert!(matches!(far, Err(SigningError::Time)));
    }
}
