//! Responses: an answer and the headers that browsers need.

use std::rc::Rc;

use serde::Serialize;
use worker::{Response, ResponseBuilder};

use super::deliver;
use super::request::Head;
use crate::config::{Config, Origins};
use crate::outcome::{Answer, Refusal};
use crate::pipeline;
use crate::protocol::pixel;
use crate::sink::answer::Blame;
use crate::sink::health::Problem;

/// An answer, which the page of an allowed origin may read. Without a configuration no
/// origin is known, and so any may read why.
pub fn answered(answer: Answer, config: Option<&Config>, head: &Head) -> worker::Result<Response> {
    let builder = ResponseBuilder::new().with_status(answer.status);
    let builder = cors(retry_after(builder, answer.retry_after_s)?, config, head)?;
    match answer.body {
        None => Ok(builder.empty()),
        Some(json) => {
            Ok(builder.with_header("content-type", "application/json")?.fixed(json.into_bytes()))
        }
    }
}

/// A refusal of the whole request.
pub fn refused(
    refusal: &Refusal,
    config: Option<&Config>,
    head: &Head,
) -> worker::Result<Response> {
    let mut response = answered(Answer::of_refusal(refusal, None), config, head)?;
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

/// The answer to a browser that asks before it sends.
pub fn preflight(head: &Head, config: Option<&Config>) -> worker::Result<Response> {
    let admitted = config.map_or(Ok(()), |config| pipeline::admit(head.origin.as_deref(), config));
    if let Err(refusal) = admitted {
        return refused(&refusal, config, head);
    }
    let builder = cors(ResponseBuilder::new().with_status(204), config, head)?
        .with_header("access-control-allow-methods", "POST")?
        .with_header("access-control-allow-headers", "content-type, content-encoding")?
        .with_header("access-control-max-age", "86400")?;
    Ok(builder.empty())
}

/// Lets the page of an allowed origin read the answer; never with its cookies.
fn cors(
    builder: ResponseBuilder,
    config: Option<&Config>,
    head: &Head,
) -> worker::Result<ResponseBuilder> {
    let Some(origin) = &head.origin else {
        return Ok(builder);
    };
    let builder = match config.map(|config| &config.origins) {
        None | Some(Origins::Any) => builder.with_header("access-control-allow-origin", "*")?,
        Some(origins) if origins.allow(Some(origin)) => builder
            .with_header("access-control-allow-origin", origin)?
            .with_header("vary", "origin")?,
        Some(_) => return builder.with_header("vary", "origin"),
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
