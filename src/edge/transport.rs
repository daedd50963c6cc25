//! Sends one call, signed as of now, and waits no longer than it may.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, select};
use http::Uri;
use worker::wasm_bindgen::JsValue;
use worker::{
    AbortController, Delay, Fetch, Headers, Method, Request, RequestInit, RequestRedirect,
};

use super::environment;
use crate::config::Aws;
use crate::sink::answer::{HttpAnswer, Reply};
use crate::sink::sigv4::{self, Scope};

/// Signs `call` and sends it to `service`.
pub async fn send(
    call: http::Request<Vec<u8>>,
    aws: &Aws,
    service: &str,
    timeout_ms: u64,
) -> Reply {
    let scope = Scope { region: &aws.region, service };
    let signed = match sigv4::sign(call, &aws.credentials, scope, environment::now()) {
        Ok(signed) => signed,
        Err(error) => return Reply::NotSent(error.to_string()),
    };
    let request = match request(&signed) {
        Ok(request) => request,
        Err(error) => return Reply::NotSent(error.to_string()),
    };
    let abort = AbortController::default();
    let signal = abort.signal();
    let exchange = pin!(async {
        let mut response = Fetch::Request(request).send_with_signal(&signal).await?;
        let retry_after_ms = retry_after_ms(response.headers());
        let body = response.bytes().await?;
        Ok::<_, worker::Error>(HttpAnswer { status: response.status_code(), retry_after_ms, body })
    });
    match select(exchange, Delay::from(Duration::from_millis(timeout_ms))).await {
        Either::Left((Ok(answer), _)) => Reply::Answered(answer),
        Either::Left((Err(error), _)) => Reply::Unreachable(error.to_string()),
        Either::Right(((), _)) => {
            abort.abort();
            Reply::TimedOut
        }
    }
}

/// The runtime's form of a signed request. `host` is not handed over: the runtime writes
/// it itself, from the same address that was signed.
fn request(signed: &http::Request<Vec<u8>>) -> worker::Result<Request> {
    let headers = Headers::new();
    for (name, value) in signed.headers().iter().filter(|(name, _)| *name != http::header::HOST) {
        headers.set(
            name.as_str(),
            value.to_str().map_err(|error| worker::Error::RustError(error.to_string()))?,
        )?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post)
        .with_headers(headers)
        // Followed, a redirect would take signed records to another address.
        .with_redirect(RequestRedirect::Manual)
        .with_body(Some(JsValue::from(js_sys::Uint8Array::from(signed.body().as_slice()))));
    Request::new_with_init(&address(signed.uri()), &init)
}

fn address(uri: &Uri) -> String {
    uri.to_string()
}

/// `x-amz-retry-after` is in milliseconds, `Retry-After` in seconds.
fn retry_after_ms(headers: &Headers) -> Option<u64> {
    let number = |name| headers.get(name).ok().flatten()?.parse::<u64>().ok();
    number("x-amz-retry-after").or_else(|| number("retry-after")?.checked_mul(1_000))
}
