//! Signs and sends one call to AWS, with a timeout.

use std::collections::HashMap;

use js_sys::futures::JsFuture;
use js_sys::{Array, JsString, Promise, Reflect};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::bindings;
use crate::config::Aws;
use crate::delivery::aws::sigv4;
use crate::delivery::aws::sigv4::CredentialScope;
use crate::delivery::response::{CallResult, HttpResponse};
use crate::model::stream::Service;

#[wasm_bindgen(module = "/src/runtime/js/http_call.js")]
extern "C" {
    fn exchange(url: &str, headers: &str, body: &[u8], milliseconds: f64) -> Promise;
}

/// Signs `call` at the current time, and sends it to `service`.
pub async fn send(
    call: http::Request<Vec<u8>>,
    aws: &Aws,
    service: Service,
    timeout_ms: u64,
) -> CallResult {
    let scope = CredentialScope { region: &aws.region, service: service.name() };
    let signed = match sigv4::sign(call, &aws.credentials, scope, bindings::now()) {
        Ok(signed) => signed,
        Err(error) => return CallResult::NotSent(error.to_string()),
    };
    let headers = match headers(&signed) {
        Some(headers) => headers,
        None => return CallResult::NotSent("a signed header is not text".to_owned()),
    };
    let url = signed.uri().to_string();
    let exchange = exchange(&url, &headers, signed.body(), timeout_ms as f64);
    match JsFuture::from(exchange).await {
        Ok(answered) => CallResult::Answered(answer(&answered.unchecked_into())),
        Err(error) => match text(&error, "name").as_deref() {
            Some("AbortError") => CallResult::TimedOut,
            Some("Starved") => CallResult::Starved,
            _ => CallResult::Unreachable(text(&error, "message").unwrap_or_default()),
        },
    }
}

/// The headers as a JSON object. `host` is left out: the runtime derives it from the URL, which is
/// the one that was signed.
fn headers(signed: &http::Request<Vec<u8>>) -> Option<String> {
    let headers = signed.headers().iter().filter(|(name, _)| *name != http::header::HOST);
    let pairs: Option<HashMap<&str, &str>> =
        headers.map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    serde_json::to_string(&pairs?).ok()
}

/// `x-amz-retry-after` is in milliseconds, `Retry-After` in seconds.
fn answer(answered: &Array) -> HttpResponse {
    let number = |index| answered.get(index).as_string()?.parse::<u64>().ok();
    HttpResponse {
        status: answered.get(0).as_f64().unwrap_or_default() as u16,
        retry_after_ms: number(1).or_else(|| number(2)?.checked_mul(1_000)),
        body: answered.get(3).as_string().unwrap_or_default().into_bytes(),
    }
}

fn text(error: &JsValue, field: &str) -> Option<String> {
    Reflect::get(error, &JsString::from(field)).ok()?.as_string()
}
