//! The only code that names the runtime: it translates and awaits, and decides nothing.
//!
//! `environment` reads the configuration, `request` makes plain data of a request, `beacons`
//! takes what it brings, `deliver` drives deliveries, `gate` bounds the calls under way, `ask` asks an object, `shard` is that around
//! a shard and `storage` what it stores, `transport` sends one signed call, `respond` makes
//! responses, `snippet` serves the snippet out of `assets`, `ready` tells operators how all is,
//! `aside` gives them what is set aside, `metrics` counts, `log` tells what went wrong and
//! `inspect` shows developers what passes. An uncaught panic or throw would reset the whole
//! isolate and with it other people's requests, so every error here ends as an answer.

mod aside;
mod ask;
mod assets;
mod beacons;
mod deliver;
mod environment;
mod gate;
mod inspect;
mod log;
mod metrics;
mod ready;
mod request;
mod respond;
mod shard;
mod snippet;
mod storage;
mod transport;

use worker::{Context, Env, Request, Response, event};

use crate::address::{Address, plain};
use crate::outcome::Refusal;
use request::Method;
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
        (Address::Events, Method::Post) => beacons::post(request, &head, &context, &env).await,
        (Address::Events, Method::Options) => {
            let asked = head.asked_headers.as_deref();
            respond::preflight(environment::config(&env).as_deref().ok(), &context, asked)
        }
        (Address::Events, _) => refused(Refusal::MethodNotAllowed("POST, OPTIONS")),
        (Address::Pixel, Method::Get) => beacons::pixel(&head, &context, &env).await,
        (Address::Pixel, Method::Head) => respond::pixel_only(),
        (Address::Pixel, _) => refused(Refusal::MethodNotAllowed("GET, HEAD")),
        (Address::Health, Method::Get | Method::Head) => respond::alive(),
        (Address::Ready, Method::Get | Method::Head) => ready::answer(&head, &env).await,
        (Address::Script(asked), Method::Get | Method::Head) => {
            match snippet::built(asked.script, &env).await {
                Ok(built) => snippet::answer(&built, asked.version, &request),
                Err(refusal) => refused(refusal),
            }
        }
        (Address::Inspector(asked), _) => match inspect::answer(asked, &head, &env).await {
            Ok(response) => Ok(response),
            Err(refusal) => refused(refusal),
        },
        (Address::SetAside, _) => match aside::told(&head, &env).await {
            Ok(row) => respond::row(row),
            Err(refusal) => refused(refusal),
        },
        (Address::Health | Address::Ready | Address::Script(_), _) => {
            refused(Refusal::MethodNotAllowed("GET, HEAD"))
        }
    }
}

/// What `path` is for. Where the operator's own addresses can't be read, it may be one of them.
fn address<'a>(path: &'a str, env: &Env) -> Result<Address<'a>, Refusal> {
    if let Some(usual) = Address::usual(path) {
        return Ok(usual);
    }
    let plain = plain(path);
    let config = environment::config(env)?;
    let own = config.addresses.find(path).or_else(|| config.addresses.endpoint(&plain?));
    own.ok_or(Refusal::NotFound)
}
