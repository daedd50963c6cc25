//! Responses: an answer and the headers that browsers need.

use std::rc::Rc;

use serde::Serialize;
use worker::{Response, ResponseBuilder};

use super::deliver;
use crate::config::{Config, Origins};
use crate::context::RequestContext;
use crate::outcome::{Answer, Refusal};
use crate::pipeline;
use crate::protocol::pixel;
use crate::sink::answer::Blame;
use crate::sink::health::Problem;

/// The page that asks, where it may read the answer.
#[derive(Clone, Copy)]
pub struct Readers<'a> {
    origin: Option<&'a str>,
    allowed: &'a Origins,
}

impl<'a> Readers<'a> {
    /// Who may read the answer to a request. Without a configuration, or of a key that is
    /// nobody's, no origin is known, and so any may read why.
    pub fn of(config: Option<&'a Config>, context: &'a RequestContext) -> Self {
        let key = context.write_key.as_deref();
        let tenant = config.and_then(|config| config.tenants.find(key));
        Self {
            origin: context.origin.as_deref(),
            allowed: tenant.map_or(&Origins::Any, |tenant| &tenant.origins),
        }
    }
}

/// An answer, which the page of an allowed origin may read.
pub fn answered(answer: Answer, readers: Readers<'_>) -> worker::Result<Response> {
    let builder = ResponseBuilder::new().with_status(answer.status);
    let builder = cors(retry_after(builder, answer.retry_after_s)?, readers)?;
    match answer.body {
        None => Ok(builder.empty()),
        Some(json) => {
            Ok(builder.with_header("content-type", "application/json")?.fixed(json.into_bytes()))
        }
    }
}

/// A refusal of the whole request.
pub fn refused(refusal: &Refusal, readers: Readers<'_>) -> worker::Result<Response> {
    let mut response = answered(Answer::of_refusal(refusal, None), readers)?;
    if let Refusal::MethodNotAllowed(allowed) = refusal {
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

/// The answer to a browser that asks before it sends. It can't name a key in a header yet,
/// so a key that is missing here is missed only when the beacon comes.
pub fn preflight(config: Option<&Config>, context: &RequestContext) -> worker::Result<Response> {
    let readers = Readers::of(config, context);
    match config.map_or(Ok(()), |config| pipeline::admit(context, config).map(drop)) {
        Ok(()) | Err(Refusal::UnknownKey(_)) => {}
        Err(refusal) => return refused(&refusal, readers),
    }
    let builder = cors(ResponseBuilder::new().with_status(204), readers)?
        .with_header("access-control-allow-methods", "POST")?
        .with_header("access-control-allow-headers", "content-type, content-encoding, x-write-key")?
        .with_header("access-control-max-age", "86400")?;
    Ok(builder.empty())
}

/// Lets the page of an allowed origin read the answer; never with its cookies.
fn cors(builder: ResponseBuilder, readers: Readers<'_>) -> worker::Result<ResponseBuilder> {
    let Some(origin) = readers.origin else {
        return Ok(builder);
    };
    let builder = match readers.allowed {
        Origins::Any => builder.with_header("access-control-allow-origin", "*")?,
        origins if origins.allow(Some(origin)) => builder
            .with_header("access-control-allow-origin", origin)?
            .with_header("vary", "origin")?,
        _ => return builder.with_header("vary", "origin"),
    };
    builder.with_header("access-control-expose-headers", "retry-after")
}

/// The GIF, with the status that the beacon's fate has.
pub fn pixel(answer: &Result<Answer, Refusal>) -> worker::Result<Response> {
    let (status, retry_after_s) = match answer {
        // A browser shows the image of a 200 and not that of a 204.
        Ok(answer) => (if answer.status < 300 { 200 } else { answer.status }, answer.retry_after_s),
        Err(refusal) => (refusal.status(), refusal.retry_after_s()),
    };
    let builder = retry_after(ResponseBuilder::new().with_status(status), retry_after_s)?
        .with_header("content-type", "image/gif")?
        .with_header("cache-control", "no-store")?;
    Ok(builder.fixed(pixel::GIF.to_vec()))
}

/// The worker runs.
pub fn alive() -> worker::Result<Response> {
    json(200, &serde_json::json!({ "alive": true }))
}

/// Whether events can be delivered, as far as is known without sending one.
pub fn ready(config: Result<Rc<Config>, Refusal>) -> worker::Result<Response> {
    #[derive(Serialize)]
    struct StreamState {
        stream: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
        left_alone: bool,
    }
    let config = match config {
        Ok(config) => config,
        Err(Refusal::NotConfigured(errors)) => {
            let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return json(503, &serde_json::json!({ "ready": false, "problems": problems }));
        }
        Err(refusal) => {
            return json(
                503,
                &serde_json::json!({ "ready": false, "problems": [refusal.to_string()] }),
            );
        }
    };
    let mut operators = false;
    let streams: Vec<StreamState> = config
        .streams()
        .into_iter()
        .map(|stream| {
            let health = deliver::health(stream);
            let health = health.borrow();
            let problem = health.problem.as_ref();
            operators |= matches!(problem, Some(Problem::Refused(refusal)) if refusal.blame == Blame::Operator);
            StreamState {
                stream: stream.to_string(),
                problem: problem.map(|problem| problem.code().to_owned()),
                left_alone: health.breaker.open_until().is_some(),
            }
        })
        .collect();
    let status = if operators { 503 } else { 200 };
    json(
        status,
        &serde_json::json!({ "ready": !operators, "delivery": "direct", "streams": streams }),
    )
}

fn json(status: u16, body: &impl Serialize) -> worker::Result<Response> {
    let builder =
        ResponseBuilder::new().with_status(status).with_header("cache-control", "no-store")?;
    builder.from_json(body)
}
