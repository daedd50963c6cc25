//! Responses: an answer and the headers that browsers need.

use serde::Serialize;
use worker::{Response, ResponseBuilder};

use super::error::ApiError;
use super::quarantine::QuarantineAnswer;
use crate::config::Config;
use crate::ingest;
use crate::ingest::authorize::{Authorization, CorsScope};
use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::response::IngestResponse;
use crate::model::request::RequestContext;
use crate::pipeline::decode::pixel;

/// Responds with an answer or an error; `timing` is its `Server-Timing`.
pub fn ingested(
    answer: Result<IngestResponse, IngestError>,
    cors_scope: CorsScope<'_>,
    timing: Option<&str>,
) -> worker::Result<Response> {
    let mut response = match answer {
        Ok(answer) => answered(answer, cors_scope),
        Err(error) => refused(&error.into(), cors_scope),
    }?;
    if let Some(timing) = timing {
        response.headers_mut().set("server-timing", timing)?;
    }
    Ok(response)
}

/// Responds with an answer, which a page of an allowed origin may read.
fn answered(answer: IngestResponse, cors_scope: CorsScope<'_>) -> worker::Result<Response> {
    let builder = ResponseBuilder::new().with_status(answer.status);
    let builder = cors(retry_after(builder, answer.retry_after_s)?, cors_scope)?;
    match answer.body {
        None => Ok(builder.empty()),
        Some(json) => {
            Ok(builder.with_header("content-type", "application/json")?.fixed(json.into_bytes()))
        }
    }
}

/// Responds with an error.
pub fn refused(error: &ApiError, cors_scope: CorsScope<'_>) -> worker::Result<Response> {
    let mut response = answered(IngestResponse::of_error(error, None), cors_scope)?;
    if let ApiError::MethodNotAllowed(allowed) = error {
        response.headers_mut().set("allow", allowed)?;
    }
    Ok(response)
}

fn retry_after(builder: ResponseBuilder, seconds: Option<u64>) -> worker::Result<ResponseBuilder> {
    match seconds {
        None => Ok(builder),
        Some(seconds) => builder.with_header("retry-after", &seconds.to_string()),
    }
}

/// Answers a preflight, which asks for the headers `asked`. A preflight can't send the write key as
/// a header, so a missing key is an error only when the beacon arrives.
pub fn preflight(
    config: Option<&Config>,
    context: &RequestContext,
    asked: Option<&str>,
) -> worker::Result<Response> {
    let authorization = config.map(|config| ingest::authorize(context, None, config));
    let cors_scope = match authorization {
        None => CorsScope::any(context),
        Some(Authorization { cors, request, .. }) => match request {
            Ok(_) | Err(IngestError::UnknownKey(_)) => cors,
            Err(error) => return refused(&error.into(), cors),
        },
    };
    let builder = cors(ResponseBuilder::new().with_status(204), cors_scope)?
        .with_header("access-control-allow-methods", "POST")?
        .with_header("access-control-allow-headers", &allowed_headers(asked))?
        .with_header("access-control-max-age", "86400")?;
    Ok(builder.empty())
}

/// The headers that a page may send: those with a meaning here, and those that it `asked` for,
/// since observability tools add their own. Only names: `*` does not apply to a request with
/// credentials.
fn allowed_headers(asked: Option<&str>) -> String {
    /// More than any page sends.
    const MAX_BYTES: usize = 4_096;
    let mut allowed = "content-type, content-encoding, x-write-key".to_owned();
    for name in asked.unwrap_or_default().split(',') {
        let name = name.trim().to_ascii_lowercase();
        // https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'+-.^_`|~".contains(&byte);
        let is_new = !name.is_empty() && !allowed.split(", ").any(|known| known == name);
        if is_new
            && name.bytes().all(of_name)
            && allowed.len().saturating_add(name.len()) < MAX_BYTES
        {
            allowed.push_str(", ");
            allowed.push_str(&name);
        }
    }
    allowed
}

/// Lets a page of an allowed origin read the answer. `sendBeacon` always sends with credentials,
/// which requires the origin by name. No credentials are read, so no origin learns anything from
/// them.
fn cors(builder: ResponseBuilder, cors_scope: CorsScope<'_>) -> worker::Result<ResponseBuilder> {
    let Some(origin) = cors_scope.origin else {
        return Ok(builder);
    };
    let builder = embeddable(builder)?.with_header("vary", "origin")?;
    if !cors_scope.allowed.allow(Some(origin)) {
        return Ok(builder);
    }
    let builder = match origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => builder
            .with_header("access-control-allow-origin", origin)?
            .with_header("access-control-allow-credentials", "true")?,
        // No browser sends such an origin, and a header can't contain it.
        false => builder.with_header("access-control-allow-origin", "*")?,
    };
    builder.with_header("access-control-expose-headers", "retry-after, server-timing")
}

/// Lets a page that isolates itself with `Cross-Origin-Embedder-Policy` use the answer. Otherwise
/// its browser reports an image, a script or even a beacon as blocked.
pub fn embeddable(builder: ResponseBuilder) -> worker::Result<ResponseBuilder> {
    builder.with_header("cross-origin-resource-policy", "cross-origin")
}

/// Responds with the GIF to a `HEAD` request, without an event.
pub fn pixel_only() -> worker::Result<Response> {
    pixel(&Ok(IngestResponse { status: 200, retry_after_s: None, body: None }))
}

/// Responds with the GIF, with the status of the beacon's answer.
pub fn pixel(answer: &Result<IngestResponse, IngestError>) -> worker::Result<Response> {
    let (status, retry_after_s) = match answer {
        Ok(answer) => (answer.status, answer.retry_after_s),
        Err(error) => (error.status(), error.retry_after_s()),
    };
    let builder = retry_after(ResponseBuilder::new().with_status(status), retry_after_s)?;
    let builder = embeddable(builder)?
        .with_header("content-type", "image/gif")?
        .with_header("cache-control", "no-store")?;
    Ok(builder.fixed(pixel::GIF.to_vec()))
}

/// Responds with a quarantined row, with 204 if there is none, or with 202 if more records are
/// still to be quarantined.
pub fn row(answer: QuarantineAnswer) -> worker::Result<Response> {
    let builder = ResponseBuilder::new().with_header("cache-control", "no-store")?;
    match answer {
        QuarantineAnswer::Nothing => Ok(builder.with_status(204).empty()),
        QuarantineAnswer::More => Ok(builder.with_status(202).empty()),
        QuarantineAnswer::Row(name, lines) => Ok(builder
            .with_header("content-type", "application/x-ndjson")?
            .with_header("x-headwater-quarantine-id", &name.to_string())?
            .with_header("x-headwater-quarantine-bytes", &lines.len().to_string())?
            .fixed(lines)),
    }
}

pub fn alive() -> worker::Result<Response> {
    json(200, &serde_json::json!({ "alive": true }))
}

/// Responds with JSON that must not be cached.
pub fn json(status: u16, body: &impl Serialize) -> worker::Result<Response> {
    let builder =
        ResponseBuilder::new().with_status(status).with_header("cache-control", "no-store")?;
    builder.from_json(body)
}

/// Like [`json`], with a text that is JSON already.
pub fn json_text(status: u16, text: Vec<u8>) -> worker::Result<Response> {
    let builder = ResponseBuilder::new()
        .with_status(status)
        .with_header("cache-control", "no-store")?
        .with_header("content-type", "application/json")?;
    Ok(builder.fixed(text))
}
