//! The only code that names the runtime: it translates and awaits, and decides nothing.
//!
//! `environment` reads the configuration once per isolate, `request` makes plain data of
//! a request, `deliver` drives deliveries, `transport` sends one signed call, `respond`
//! makes responses. An uncaught panic or throw would reset the whole isolate and with it
//! other people's requests, so every error here ends as an answer.

mod deliver;
mod environment;
mod request;
mod respond;
mod transport;

use worker::{Context, Env, Request, Response, event};

use crate::config::Config;
use crate::event::EventIds;
use crate::outcome::{Answer, Refusal, Telling};
use crate::pipeline;
use crate::protocol::body::Body;
use request::{Head, Method};

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let head = Head::of(&request);
    match (head.path.as_str(), head.method) {
        ("/v1/events", Method::Post) => events(request, &head, &env).await,
        ("/v1/events", Method::Options) => {
            respond::preflight(&head, environment::config(&env).as_deref().ok())
        }
        ("/v1/events", _) => {
            respond::refused(&Refusal::MethodNotAllowed("POST, OPTIONS"), None, &head)
        }
        ("/v1/pixel.gif", Method::Get) => pixel(&request, &head, &env).await,
        ("/v1/pixel.gif", _) => respond::refused(&Refusal::MethodNotAllowed("GET"), None, &head),
        ("/healthz", Method::Get | Method::Head) => respond::alive(),
        ("/readyz", Method::Get | Method::Head) => respond::ready(environment::config(&env)),
        ("/healthz" | "/readyz", _) => {
            respond::refused(&Refusal::MethodNotAllowed("GET, HEAD"), None, &head)
        }
        _ => respond::refused(&Refusal::NotFound, None, &head),
    }
}

async fn events(mut request: Request, head: &Head, env: &Env) -> worker::Result<Response> {
    let config = match environment::config(env) {
        Ok(config) => config,
        Err(refusal) => return respond::refused(&refusal, None, head),
    };
    match accept_body(&mut request, head, &config).await {
        Ok(answer) => respond::answered(answer, Some(&config), head),
        Err(refusal) => respond::refused(&refusal, Some(&config), head),
    }
}

async fn accept_body(
    request: &mut Request,
    head: &Head,
    config: &Config,
) -> Result<Answer, Refusal> {
    pipeline::admit(head.origin.as_deref(), config)?;
    let bytes = request::body(request, &config.limits).await?;
    let (content_type, content_encoding) = request::content_headers(request);
    let body = Body {
        content_type: content_type.as_deref(),
        content_encoding: content_encoding.as_deref(),
        bytes: &bytes,
    };
    let context = request::context(request);
    let mut ids = EventIds::new(context.received_at, environment::random());
    let plan = pipeline::post(&body, &context, config, &mut ids)?;
    deliver::all(plan, config, Telling::of_query(&head.query)).await
}

/// A page that shows the pixel must not show a broken image, so each answer is the GIF.
async fn pixel(request: &Request, head: &Head, env: &Env) -> worker::Result<Response> {
    let answer = match environment::config(env) {
        Ok(config) => accept_query(request, head, &config).await,
        Err(refusal) => Err(refusal),
    };
    respond::pixel(&answer)
}

async fn accept_query(request: &Request, head: &Head, config: &Config) -> Result<Answer, Refusal> {
    pipeline::admit(head.origin.as_deref(), config)?;
    let context = request::context(request);
    let mut ids = EventIds::new(context.received_at, environment::random());
    let plan = pipeline::pixel(&head.query, &context, config, &mut ids)?;
    deliver::all(plan, config, Telling::Exceptions).await
}
