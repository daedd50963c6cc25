//! The only code that names the runtime: it translates and awaits, and decides nothing.
//!
//! `environment` reads the configuration once per isolate, `request` makes plain data of
//! a request, `deliver` drives deliveries, `ask` asks a shard, `shard` is the object around
//! one and `storage` what it stores, `transport` sends one signed call, `respond` makes
//! responses, `snippet` serves the snippet, `ready` tells operators how all is and `metrics`
//! counts. An uncaught panic or throw would reset the whole isolate and with it other people's
//! requests, so every error here ends as an answer.

mod ask;
mod deliver;
mod environment;
mod metrics;
mod ready;
mod request;
mod respond;
mod shard;
mod snippet;
mod storage;
mod transport;

use worker::{Context, Env, Request, Response, event};

use crate::address::Address;
use crate::config::Config;
use crate::context::RequestContext;
use crate::event::EventIds;
use crate::outcome::{Answer, Refusal, Telling};
use crate::pipeline;
use crate::protocol::body::Body;
use crate::replay::Replay;
use crate::sink::record::MAX_BYTES;
use request::{Head, Method};
use respond::Readers;

#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    let (head, context) = request::read(&request);
    let refused = |refusal| respond::refused(&refusal, Readers::of(None, &context));
    let address = match address(&head.path, &env) {
        Ok(address) => address,
        Err(refusal) => return refused(refusal),
    };
    match (address, head.method) {
        (Address::Events, Method::Post) => events(request, &head, &context, &env).await,
        (Address::Events, Method::Options) => {
            respond::preflight(environment::config(&env).as_deref().ok(), &context)
        }
        (Address::Events, _) => refused(Refusal::MethodNotAllowed("POST, OPTIONS")),
        (Address::Pixel, Method::Get) => pixel(&head, &context, &env).await,
        (Address::Pixel, _) => refused(Refusal::MethodNotAllowed("GET")),
        (Address::Health, Method::Get | Method::Head) => respond::alive(),
        (Address::Ready, Method::Get | Method::Head) => ready::answer(&env).await,
        (Address::Script(asked), Method::Get | Method::Head) => {
            match snippet::built(asked.script, &env).await {
                Ok(built) => snippet::answer(&built, asked.version, &request),
                Err(refusal) => refused(refusal),
            }
        }
        (Address::Health | Address::Ready | Address::Script(_), _) => {
            refused(Refusal::MethodNotAllowed("GET, HEAD"))
        }
    }
}

/// What `path` is for. Where the operator's own addresses can't be read, it may be one of them.
fn address<'a>(path: &'a str, env: &Env) -> Result<Address<'a>, Refusal> {
    match Address::usual(path) {
        Some(usual) => Ok(usual),
        None => environment::config(env)?.addresses.find(path).ok_or(Refusal::NotFound),
    }
}

async fn events(
    mut request: Request,
    head: &Head,
    context: &RequestContext,
    env: &Env,
) -> worker::Result<Response> {
    let config = match environment::config(env) {
        Ok(config) => config,
        Err(refusal) => return respond::refused(&refusal, Readers::of(None, context)),
    };
    let readers = Readers::of(Some(&config), context);
    match accept_body(&mut request, head, context, &config, env).await {
        Ok(answer) => respond::answered(answer, readers),
        Err(refusal) => respond::refused(&refusal, readers),
    }
}

async fn accept_body(
    request: &mut Request,
    head: &Head,
    context: &RequestContext,
    config: &Config,
    env: &Env,
) -> Result<Answer, Refusal> {
    let claim = head.claim.as_ref();
    let replay = claim.map(|claim| Replay::parse(claim, config.replay_key.as_ref())).transpose()?;
    pipeline::admit(context, config)?;
    let limit = config.limits.body_bytes;
    // A replay may send a record, which has more than its beacon had.
    let limit = if replay.is_some() { limit.max(MAX_BYTES) } else { limit };
    let bytes = request::body(request, head, limit).await?;
    let body = Body {
        content_type: head.content_type.as_deref(),
        content_encoding: head.content_encoding.as_deref(),
        bytes: &bytes,
    };
    let telling = Telling::of_query(&head.query);
    let plan = match replay {
        Some(replay) => pipeline::replay(&body, replay, context, config)?,
        None => {
            let mut ids = EventIds::new(context.received_at, environment::random());
            pipeline::post(&body, context, config, &mut ids)?
        }
    };
    deliver::all(plan, config, env, telling).await
}

/// A page that shows the pixel must not show a broken image, so each answer is the GIF.
async fn pixel(head: &Head, context: &RequestContext, env: &Env) -> worker::Result<Response> {
    let answer = match environment::config(env) {
        Ok(config) => accept_query(head, context, &config, env).await,
        Err(refusal) => Err(refusal),
    };
    respond::pixel(&answer)
}

async fn accept_query(
    head: &Head,
    context: &RequestContext,
    config: &Config,
    env: &Env,
) -> Result<Answer, Refusal> {
    let mut ids = EventIds::new(context.received_at, environment::random());
    let plan = pipeline::pixel(&head.query, context, config, &mut ids)?;
    deliver::all(plan, config, env, Telling::Exceptions).await
}
