//! Signs and sends one call to AWS, with a timeout.

use super::{bindings, io};
use crate::config::Aws;
use crate::delivery::aws::sigv4;
use crate::delivery::aws::sigv4::CredentialScope;
use crate::delivery::response::CallResult;
use crate::model::stream::Service;

/// A body of this many bytes is hashed by the runtime's native code, which is faster by more than
/// the call of it costs.
const NATIVE_BYTES: usize = 8_192;

/// Signs `call` at the current time, and sends it to `service`. If it `aborts`, a call that is too
/// late is aborted, and not only ignored.
pub async fn send(
    call: http::Request<Vec<u8>>,
    aws: &Aws,
    service: Service,
    timeout_ms: u64,
    aborts: bool,
) -> CallResult {
    let body_sha256 = match call.body().len() {
        ..NATIVE_BYTES => None,
        _ => io::sha256(call.body()).await,
    };
    let scope = CredentialScope { region: &aws.region, service: service.name() };
    let at = bindings::now();
    let signed = match sigv4::sign_hashed(call, &aws.credentials, scope, at, body_sha256) {
        Ok(signed) => signed,
        Err(error) => return CallResult::NotSent(error.to_string()),
    };
    let Some(headers) = headers(&signed) else {
        return CallResult::NotSent("a signed header is not text".to_owned());
    };
    let url = signed.uri().to_string();
    io::send(&url, &headers, signed.into_body(), timeout_ms, aborts).await
}

/// The headers as lines. `host` is left out: the runtime derives it from the URL, which is the one
/// that was signed.
fn headers(signed: &http::Request<Vec<u8>>) -> Option<String> {
    let mut lines = String::new();
    for (name, value) in signed.headers().iter().filter(|(name, _)| *name != http::header::HOST) {
        lines.push_str(name.as_str());
        lines.push(' ');
        lines.push_str(value.to_str().ok()?);
        lines.push('\n');
    }
    Some(lines)
}
