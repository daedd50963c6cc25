//! Signs requests to AWS with Signature Version 4, in their headers.
//!
//! AWS's own signer, [`aws_sigv4`], does the arithmetic. This module chooses the parts that are
//! signed, and ensures that no credential, scope or request can make that signer panic. It never
//! reads a clock, so the same arguments always give the same signature. It never puts a secret into
//! an error or a `Debug` output.
//!
//! It signs `host`, `content-type` and every `x-amz-*` header: those that AWS requires and those
//! that give the body its meaning. The runtime adds and rewrites other headers on the way, so they
//! are not signed.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::error::Error as StdError;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sigv4::http_request::{
    self, PayloadChecksumKind, SignableBody, SignableRequest, SigningSettings,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, Utc};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Request, Uri};

/// The longest access key id, in characters.
///
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html>
const MAX_ACCESS_KEY_ID: usize = 128;

/// The last second whose year has the four digits that `x-amz-date` allows.
const LAST_SECOND: u64 = 253_402_300_799;

/// The headers of a signature besides `host`. Existing ones are replaced.
const SIGNATURE_HEADERS: [HeaderName; 4] = [
    AUTHORIZATION,
    HeaderName::from_static("x-amz-date"),
    HeaderName::from_static("x-amz-content-sha256"),
    HeaderName::from_static("x-amz-security-token"),
];

/// A signing key: long-lived, or temporary with a session token.
#[derive(Clone)]
pub struct Credentials(aws_credential_types::Credentials);

impl Credentials {
    /// Checks that each part of the key can be sent in a request.
    ///
    /// # Errors
    ///
    /// [`SigningError::AccessKeyId`], [`SigningError::SecretAccessKey`] or
    /// [`SigningError::SessionToken`] names the invalid part. It is empty or has a character that
    /// no AWS key has, such as a pasted line break.
    pub fn new(
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
        session_token: Option<String>,
    ) -> Result<Self, SigningError> {
        let access_key_id = access_key_id.into();
        let secret_access_key = secret_access_key.into();
        if !is_access_key_id(&access_key_id) {
            return Err(SigningError::AccessKeyId);
        }
        if !is_graphic(&secret_access_key) {
            return Err(SigningError::SecretAccessKey);
        }
        if session_token.as_deref().is_some_and(|token| !is_graphic(token)) {
            return Err(SigningError::SessionToken);
        }
        Ok(Self(aws_credential_types::Credentials::new(
            access_key_id,
            secret_access_key,
            session_token,
            None,
            "headwater",
        )))
    }
}

/// Shows only the access key id, which every request carries in the open.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.0.access_key_id())
            .finish_non_exhaustive()
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
    /// The operator's fault: the access key id is invalid.
    #[error("the access key id must be 1 to {MAX_ACCESS_KEY_ID} letters, digits or underscores")]
    AccessKeyId,
    /// The operator's fault: the secret access key is invalid.
    #[error("the secret access key must be visible ASCII characters, with no space or line break")]
    SecretAccessKey,
    /// The operator's fault: the session token is invalid.
    #[error("the session token must be visible ASCII characters, with no space or line break")]
    SessionToken,
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
    /// Our fault: the signer rejected a request that passed every check above.
    #[error("the signer refused the request")]
    Signer(#[source] Box<dyn StdError + Send + Sync>),
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
    let time = system_time(at)?;

    let host = host(request.uri())?;
    for name in SIGNATURE_HEADERS {
        request.headers_mut().remove(name);
    }
    request.headers_mut().insert(HOST, host);

    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let identity = credentials.0.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(time)
        .settings(settings)
        .build()
        .map_err(|error| SigningError::Signer(error.into()))?
        .into();

    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        signed_headers(&request)?.into_iter(),
        match body_sha256 {
            Some(digest) => SignableBody::Precomputed(hexadecimal(&digest)),
            None => SignableBody::Bytes(request.body()),
        },
    )
    .map_err(|error| SigningError::Signer(error.into()))?;
    let (instructions, _signature) = http_request::sign(signable, &params)
        .map_err(|error| SigningError::Signer(error.into()))?
        .into_parts();

    // Not `apply_to_request_http1x`, which panics on an invalid header value.
    let (headers, _query) = instructions.into_parts();
    for header in headers {
        let mut value = HeaderValue::from_str(header.value())
            .map_err(|error| SigningError::Signer(error.into()))?;
        value.set_sensitive(header.sensitive());
        request.headers_mut().insert(header.name(), value);
    }
    Ok(request)
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

/// Returns the headers that the signature covers, without those that signing adds.
fn signed_headers(request: &Request<Vec<u8>>) -> Result<Vec<(&str, &str)>, SigningError> {
    request
        .headers()
        .iter()
        .filter(|(name, _)| {
            *name == HOST || *name == CONTENT_TYPE || name.as_str().starts_with("x-amz-")
        })
        .map(|(name, value)| {
            let value = value.to_str().map_err(|_| SigningError::Header(name.clone()))?;
            Ok((name.as_str(), value))
        })
        .collect()
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

/// Converts a time. The signer's date arithmetic panics on some values of `SystemTime`.
fn system_time(at: DateTime<Utc>) -> Result<SystemTime, SigningError> {
    u64::try_from(at.timestamp())
        .ok()
        .filter(|seconds| *seconds <= LAST_SECOND)
        .and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)))
        .ok_or(SigningError::Time)
}

fn is_access_key_id(text: &str) -> bool {
    (1..=MAX_ACCESS_KEY_ID).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_graphic(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
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
        use sha2::{Digest, Sha256};
        let uri = "https://firehose.eu-west-1.amazonaws.com";
        let digest = Sha256::digest(request(uri).body()).into();
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
    fn debug_shows_neither_secret_nor_token() {
        for shown in [
            format!("{:?}", temporary()),
            format!("{:#?}", temporary()),
            format!("{:?}", Some(temporary())),
        ] {
            assert!(shown.contains(ACCESS_KEY_ID), "{shown}");
            assert!(!shown.contains(SECRET), "{shown}");
            assert!(!shown.contains(TOKEN), "{shown}");
        }
    }

    #[test]
    fn refuses_an_unusable_key_without_repeating_it() {
        let long = "A".repeat(MAX_ACCESS_KEY_ID + 1);
        for id in ["", "AKID\n", "AKID EXAMPLE", "AKID/x", "AKÏD", &long] {
            let error = Credentials::new(id, SECRET, None).unwrap_err();
            assert!(matches!(error, SigningError::AccessKeyId), "{id:?}");
        }
        for part in ["", "hush-hush\n", " hush-hush", "hush\u{7f}", "hüsh-hush"] {
            let secret = Credentials::new(ACCESS_KEY_ID, part, None).unwrap_err();
            assert!(matches!(secret, SigningError::SecretAccessKey), "{part:?}");
            let token = Credentials::new(ACCESS_KEY_ID, SECRET, Some(part.to_owned()));
            let token = token.unwrap_err();
            assert!(matches!(token, SigningError::SessionToken), "{part:?}");
            for shown in [format!("{secret} {secret:?}"), format!("{token} {token:?}")] {
                assert!(!shown.contains("hush") && !shown.contains("hüsh"));
            }
        }
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
