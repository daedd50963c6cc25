//! Responses: an answer and the headers that browsers need.

use serde::Serialize;
use worker::Env;

use super::error::ApiError;
use super::io::Caller;
use super::metrics;
use super::quarantine::QuarantineAnswer;
use super::tee::Tee;
use crate::config::Config;
use crate::ingest;
use crate::ingest::authorize::{Authorization, CorsScope, StoredAnswer};
use crate::ingest::dialects::DialectAnswer;
use crate::ingest::error::{HttpError, IngestError};
use crate::ingest::response::IngestResponse;
use crate::model::request::RequestContext;
use crate::pipeline::decode::pixel;

/// A response that the runtime has not made yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Option<Vec<u8>>,
    /// A copy of the request for another collector, once this is sent.
    tee: Option<Tee>,
}

impl Reply {
    pub const fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: None, tee: None }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self }
    }

    /// Adds a copy of the request for another collector.
    #[must_use]
    pub fn tee(self, tee: Option<Tee>) -> Self {
        Self { tee, ..self }
    }

    /// Answers a request that waits for it. If there is a copy for another collector, sends it
    /// afterwards, and reports what that answered.
    pub async fn end(mut self, caller: Caller, env: &Env) {
        /// Longer than a collector takes that works.
        const TEE_MS: u64 = 10_000;
        match self.tee.take() {
            None => self.send(caller),
            Some(Tee { protocol, request }) => {
                let respond = |caller| self.send(caller);
                let status = caller.respond_and_forward(respond, request, TEE_MS).await;
                metrics::tee(env, protocol, status);
            }
        }
    }

    fn send(self, caller: Caller) {
        let mut lines = String::new();
        for (name, value) in &self.headers {
            lines.push_str(name);
            lines.push(' ');
            lines.push_str(value);
            lines.push('\n');
        }
        caller.respond(self.status, &lines, self.body.as_deref());
    }
}

/// Responds with an answer or an error; `timing` is its `Server-Timing`.
pub fn ingested(
    answer: Result<IngestResponse, IngestError>,
    cors_scope: CorsScope<'_>,
    timing: Option<String>,
) -> Reply {
    let reply = match answer {
        Ok(answer) => answered(answer, cors_scope),
        Err(error) => refused(&error.into(), cors_scope),
    };
    match timing {
        None => reply,
        Some(timing) => reply.header("server-timing", timing),
    }
}

/// Responds as an SDK of another collector expects it.
pub fn dialect(answer: DialectAnswer, cors_scope: CorsScope<'_>) -> Reply {
    let DialectAnswer { status, retry_after_s, content_type, body, headers } = answer;
    let reply = cors(retry_after(Reply::new(status), retry_after_s), cors_scope)
        .header("cache-control", "no-store");
    let reply = headers.into_iter().fold(reply, |reply, (name, value)| reply.header(name, value));
    match content_type {
        "" => reply,
        content_type => reply
            .header("content-type", content_type)
            .header("x-content-type-options", "nosniff")
            .body(body),
    }
}

/// Responds with an answer, which a page of an allowed origin may read.
fn answered(answer: IngestResponse, cors_scope: CorsScope<'_>) -> Reply {
    let reply = cors(retry_after(Reply::new(answer.status), answer.retry_after_s), cors_scope);
    match answer.body {
        None => reply,
        Some(json) => reply
            .header("content-type", "application/json")
            .header("x-content-type-options", "nosniff")
            .body(json),
    }
}

/// Responds with an error. Otherwise a cache may keep a 404 or a 405 for as long as it likes.
pub fn refused(error: &ApiError, cors_scope: CorsScope<'_>) -> Reply {
    let reply = answered(IngestResponse::of_error(error, None), cors_scope)
        .header("cache-control", "no-store");
    match error {
        ApiError::MethodNotAllowed(allowed) => reply.header("allow", *allowed),
        _ => reply,
    }
}

fn retry_after(reply: Reply, seconds: Option<u64>) -> Reply {
    match seconds {
        None => reply,
        Some(seconds) => reply.header("retry-after", seconds.to_string()),
    }
}

/// Answers a preflight, which asks for the headers `asked`. A preflight can't send the write key as
/// a header, so a missing key is an error only when the beacon arrives. `stored` is what the
/// key-value store has for the request.
pub fn preflight(
    config: Option<&Config>,
    context: &RequestContext,
    stored: Option<&StoredAnswer>,
    methods: &'static str,
    asked: Option<&str>,
) -> Reply {
    let authorize = |config| ingest::authorize(context, None, config, stored);
    let authorization = config.map(authorize);
    let cors_scope = match authorization {
        None => CorsScope::any(context),
        Some(Authorization { cors, request, .. }) => match request {
            Ok(_)
            | Err(
                IngestError::UnknownKey(_)
                | IngestError::TenantsUnavailable
                | IngestError::RateLimited,
            ) => cors,
            Err(error) => return refused(&error.into(), cors),
        },
    };
    cors(Reply::new(204), cors_scope)
        .header("access-control-allow-methods", methods)
        .header("access-control-allow-headers", allowed_headers(asked))
        .header("access-control-max-age", "86400")
}

/// Lets a sender of CloudEvents deliver to this address, as its `origin` asks.
///
/// Source: <https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection>
pub fn webhook(reply: Reply, origin: String) -> Reply {
    let is_origin = origin.bytes().all(|byte| byte.is_ascii_graphic());
    let origin = if is_origin { origin } else { "*".to_owned() };
    reply.header("webhook-allowed-origin", origin).header("webhook-allowed-rate", "*")
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
fn cors(reply: Reply, cors_scope: CorsScope<'_>) -> Reply {
    let Some(origin) = cors_scope.origin else {
        return reply;
    };
    let reply = embeddable(reply).header("vary", "origin");
    if !cors_scope.allowed.allow(Some(origin)) {
        return reply;
    }
    let reply = match origin.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => reply
            .header("access-control-allow-origin", origin)
            .header("access-control-allow-credentials", "true"),
        // No browser sends such an origin, and a header can't contain it.
        false => reply.header("access-control-allow-origin", "*"),
    };
    reply.header("access-control-expose-headers", "retry-after, server-timing")
}

/// Lets a page that isolates itself with `Cross-Origin-Embedder-Policy` use the answer. Otherwise
/// its browser reports an image, a script or even a beacon as blocked.
pub fn embeddable(reply: Reply) -> Reply {
    reply.header("cross-origin-resource-policy", "cross-origin")
}

/// Responds with the GIF to a `HEAD` request, without an event.
pub fn pixel_only() -> Reply {
    pixel(&Ok(IngestResponse { status: 200, retry_after_s: None, body: None }))
}

/// Responds with the GIF, with the status of the beacon's answer.
pub fn pixel(answer: &Result<IngestResponse, IngestError>) -> Reply {
    let (status, retry_after_s) = match answer {
        Ok(answer) => (answer.status, answer.retry_after_s),
        Err(error) => (error.status(), error.retry_after_s()),
    };
    embeddable(retry_after(Reply::new(status), retry_after_s))
        .header("content-type", "image/gif")
        .header("cache-control", "no-store")
        .body(pixel::GIF)
}

/// Responds with a quarantined row, with 204 if there is none, or with 202 if more records are
/// still to be quarantined.
pub fn row(answer: QuarantineAnswer) -> Reply {
    let reply = |status| Reply::new(status).header("cache-control", "no-store");
    match answer {
        QuarantineAnswer::Nothing => reply(204),
        QuarantineAnswer::More => reply(202),
        QuarantineAnswer::Row(name, lines) => reply(200)
            .header("content-type", "application/x-ndjson")
            .header("x-headwater-quarantine-id", name.to_string())
            .header("x-headwater-quarantine-bytes", lines.len().to_string())
            .body(lines),
    }
}

pub fn alive() -> Reply {
    json(200, &serde_json::json!({ "alive": true }))
}

/// Responds with JSON that must not be cached. The value has only texts and numbers, which JSON
/// can always represent.
pub fn json(status: u16, body: &impl Serialize) -> Reply {
    json_text(status, serde_json::to_vec(body).unwrap_or_default())
}

/// Like [`json`], with a text that is JSON already.
pub fn json_text(status: u16, text: Vec<u8>) -> Reply {
    uncached(status, "application/json", text)
}

/// Responds with a text of this media type that must not be cached.
pub fn uncached(status: u16, content_type: &str, text: Vec<u8>) -> Reply {
    Reply::new(status)
        .header("cache-control", "no-store")
        .header("content-type", content_type)
        .header("x-content-type-options", "nosniff")
        .body(text)
}
