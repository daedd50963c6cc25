//! Our signatures against two sources that know nothing of each other: AWS's official
//! test suite, and botocore.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aws_sigv4::http_request::{
    self, PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody,
    SignableRequest, SigningSettings,
};
use aws_sigv4::sign::v4;
use chrono::{DateTime, Utc};
use headwater::delivery::aws::credentials::Credentials;
use headwater::delivery::aws::sigv4;
use headwater::delivery::aws::sigv4::CredentialScope;
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use serde_json::Value;

/// The key that AWS's documentation and its test suite use.
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Every complete case of the suite, step by step.
///
/// The crate shows the steps from the signing key on, but neither its canonical request
/// nor its string to sign. They are held to the suite's by their hashes: the suite's
/// canonical request hashes to the last line of its string to sign, which signs to its
/// signature, and the crate finds that same signature from the request alone.
#[test]
fn the_official_suite_passes_step_by_step() {
    let mut passed = 0;
    for case in cases() {
        let Some(context) = case.json("context.json") else {
            continue;
        };
        let canonical_request = case.text("header-canonical-request.txt");
        let string_to_sign = case.text("header-string-to-sign.txt");
        let expected = parse(&case.text("header-signed-request.txt"));
        let region = text(&context, "/region");
        let service = text(&context, "/service");
        let time = time(text(&context, "/timestamp"));

        let (_, hash) = string_to_sign.rsplit_once('\n').unwrap();
        assert_eq!(sha256(&canonical_request), hash, "{case}: canonical request");

        let key = v4::generate_signing_key(SECRET, time, region, service);
        let signature = v4::calculate_signature(key, string_to_sign.as_bytes());
        assert!(expected.header("authorization").ends_with(&signature), "{case}: string to sign");

        let request = parse(&case.text("request.txt"));
        let (headers, found) = sign(&request, &settings(&case, &context), &context, time);
        assert_eq!(found, signature, "{case}: signature");
        assert_eq!(headers, expected.headers, "{case}: signed request");
        passed += 1;
    }
    assert_eq!(passed, 38);
}

/// The two cases that came from an older suite, as far as they go.
///
/// They have no context, and the date in one canonical request is not the date of its
/// request; but they alone say that an encoded path is encoded once more.
#[test]
fn the_older_cases_encode_the_path_twice() {
    let mut passed = 0;
    for case in cases() {
        if case.json("context.json").is_some() {
            continue;
        }
        let context = serde_json::json!({
            "credentials": { "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET },
            "region": "us-east-2",
            "service": "lambda",
        });
        let time = time("2021-05-11T15:40:45Z");
        let hash = sha256(&case.text("header-canonical-request.txt"));
        let string_to_sign = format!(
            "AWS4-HMAC-SHA256\n20210511T154045Z\n20210511/us-east-2/lambda/aws4_request\n{hash}"
        );
        let key = v4::generate_signing_key(SECRET, time, "us-east-2", "lambda");
        let signature = v4::calculate_signature(key, string_to_sign.as_bytes());

        let request = parse(&case.text("request.txt"));
        let (_, found) = sign(&request, &SigningSettings::default(), &context, time);
        assert_eq!(found, signature, "{case}");
        passed += 1;
    }
    assert_eq!(passed, 2);
}

/// Our own `sign` gives the headers that botocore gives; `vectors/botocore/pin.py` says
/// how they were made.
#[test]
fn our_headers_are_those_of_botocore() {
    let document = fs::read_to_string(vectors().join("botocore/signed.json")).unwrap();
    let document: Value = serde_json::from_str(&document).unwrap();
    let at: DateTime<Utc> = text(&document, "/at").parse().unwrap();
    let mut passed = 0;
    for case in document.pointer("/requests").unwrap().as_array().unwrap() {
        let url = text(case, "/url");
        let credentials = Credentials::new(
            text(&document, "/access_key_id"),
            text(&document, "/secret_access_key"),
            case.pointer("/session_token").map(|token| token.as_str().unwrap().to_owned()),
        )
        .unwrap();
        let scope =
            CredentialScope { region: text(case, "/region"), service: text(case, "/service") };
        let request = Request::post(url)
            .header("content-type", "application/x-amz-json-1.1")
            .header("x-amz-target", text(case, "/target"))
            .body(text(case, "/body").as_bytes().to_vec())
            .unwrap();

        let mut signed = sigv4::sign(request, &credentials, scope, at).unwrap();

        // botocore signs the host, but leaves the header itself to its HTTP client.
        let host = signed.headers_mut().remove("host").unwrap();
        assert!(url.contains(host.to_str().unwrap()));
        let expected: HeaderMap = case
            .pointer("/headers")
            .unwrap()
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| {
                let value = HeaderValue::from_str(value.as_str().unwrap()).unwrap();
                (HeaderName::try_from(name).unwrap(), value)
            })
            .collect();
        assert_eq!(signed.headers(), &expected, "{}", text(case, "/case"));
        passed += 1;
    }
    assert_eq!(passed, 4);
}

proptest! {
    /// Our own `sign` signs as AWS's signer does, whose way to the text that is signed it does not
    /// take.
    #[test]
    fn our_signature_is_that_of_the_signer(
        path in "(/[a-z0-9_~!:%-]{1,9}){0,3}/?", body in ".{0,100}", content_type in "[ -~]{0,20}",
        target in "[A-Za-z_.0-9  ]{0,30}", token in proptest::option::of("[!-~]{1,40}"),
        host in "[a-z]{1,9}(\\.[a-z]{1,9})?(:8[0-9]{1,3})?", seconds in 0_i64..253_402_300_799,
        days in proptest::collection::vec(0_i64..2, 1..4),
    ) {
        let uri = format!("https://{host}{path}");
        let credentials = Credentials::new("AKIDEXAMPLE", SECRET, token.clone()).unwrap();
        let mut context = serde_json::json!({
            "credentials": { "access_key_id": "AKIDEXAMPLE", "secret_access_key": SECRET },
            "region": "eu-west-1",
        });
        if let Some(token) = token {
            context["credentials"]["token"] = token.into();
        }
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        // The same credentials sign for several days and services, whose keys they remember.
        for (index, day) in days.into_iter().enumerate() {
            let at = DateTime::from_timestamp((seconds + day * 86_400).min(253_402_300_799), 0).unwrap();
            let service = ["firehose", "kinesis"][index % 2];
            let mut context = context.clone();
            context["service"] = service.into();
            let request = Request::post(&uri)
                .header("content-type", &content_type)
                .header("x-amz-target", &target)
                .body(body.clone().into_bytes())
                .unwrap();
            let mut headers = request.headers().clone();
            headers.insert("host", HeaderValue::from_str(&host).unwrap());
            let raw = Raw { method: "POST".to_owned(), uri: uri.clone(), headers, body: body.clone() };
            let (expected, _) = sign(&raw, &settings, &context, at.into());
            let scope = CredentialScope { region: "eu-west-1", service };
            let signed = sigv4::sign(request, &credentials, scope, at).unwrap();
            prop_assert_eq!(signed.headers(), &expected);
        }
    }
}

/// A directory of the suite.
struct Case(PathBuf);

impl Case {
    fn name(&self) -> &str {
        self.0.file_name().unwrap().to_str().unwrap()
    }

    fn text(&self, file: &str) -> String {
        let text = fs::read_to_string(self.0.join(file)).unwrap();
        text.trim_end().to_owned()
    }

    fn json(&self, file: &str) -> Option<Value> {
        let text = fs::read_to_string(self.0.join(file)).ok()?;
        Some(serde_json::from_str(&text).unwrap())
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn cases() -> impl Iterator<Item = Case> {
    fs::read_dir(vectors().join("sigv4"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .map(Case)
}

/// A request of the suite: headers as they stand, the path as a URI has to write it.
struct Raw {
    method: String,
    uri: String,
    headers: HeaderMap,
    body: String,
}

impl Raw {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap().to_str().unwrap()
    }
}

fn parse(text: &str) -> Raw {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    // A line that opens with a space goes on with the header above it (RFC 7230, 3.2.4).
    let head = head.replace("\n ", " ");
    let mut lines = head.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let target = target.trim_end_matches(" HTTP/1.1").replace(' ', "%20");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        headers.append(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::from_str(value.trim()).unwrap(),
        );
    }
    Raw {
        method: method.to_owned(),
        uri: format!("https://{}{target}", headers.get("host").unwrap().to_str().unwrap()),
        headers,
        body: body.to_owned(),
    }
}

fn settings(case: &Case, context: &Value) -> SigningSettings {
    let on = |pointer| context.pointer(pointer) == Some(&Value::Bool(true));
    let mut settings = SigningSettings::default();
    settings.uri_path_normalization_mode = on("/normalize").into();
    if on("/sign_body") {
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    if on("/omit_session_token") {
        settings.session_token_mode = SessionTokenMode::Exclude;
    }
    // The suite sends a bare space, which no URI can hold. It stands here encoded, and
    // is not to be encoded once more.
    if case.name().starts_with("get-space-") {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
    }
    settings
}

/// The headers of the signed request, and its signature.
fn sign(
    request: &Raw,
    settings: &SigningSettings,
    context: &Value,
    time: SystemTime,
) -> (HeaderMap, String) {
    let identity = aws_credential_types::Credentials::new(
        text(context, "/credentials/access_key_id"),
        text(context, "/credentials/secret_access_key"),
        context.pointer("/credentials/token").map(|token| token.as_str().unwrap().to_owned()),
        None,
        "vectors",
    )
    .into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(text(context, "/region"))
        .name(text(context, "/service"))
        .time(time)
        .settings(settings.clone())
        .build()
        .unwrap()
        .into();
    let headers = request.headers.iter();
    let signable = SignableRequest::new(
        &request.method,
        &request.uri,
        headers.map(|(name, value)| (name.as_str(), value.to_str().unwrap())),
        SignableBody::Bytes(request.body.as_bytes()),
    )
    .unwrap();
    let (instructions, signature) = http_request::sign(signable, &params).unwrap().into_parts();
    let mut headers = request.headers.clone();
    for (name, value) in instructions.headers() {
        headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    (headers, signature)
}

/// The hash as the signer takes it of a body; the crate shows it nowhere else.
fn sha256(text: &str) -> String {
    let request = Request::post("https://h.example/").body(text.as_bytes().to_vec()).unwrap();
    let credentials = Credentials::new("AKIDEXAMPLE", SECRET, None).unwrap();
    let scope = CredentialScope { region: "us-east-1", service: "service" };
    let signed = sigv4::sign(request, &credentials, scope, DateTime::UNIX_EPOCH).unwrap();
    let hash = signed.headers().get("x-amz-content-sha256").unwrap();
    hash.to_str().unwrap().to_owned()
}

fn time(text: &str) -> SystemTime {
    text.parse::<DateTime<Utc>>().unwrap().into()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no text at {pointer}"))
}
