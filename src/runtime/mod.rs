//! Everything that names Cloudflare. It translates and awaits, and decides nothing.
//!
//! - Requests: `request` reads one, `ingest` handles those with beacons, `respond` writes answers,
//!   and `error` says why one was rejected. `tracker` serves the snippet from `assets`, `health`
//!   answers `/readyz`. `quarantine` and `inspector_object` serve operators and developers.
//! - Delivery: `deliver` drives deliveries, `gather` shares calls between requests, `gate` limits
//!   concurrent calls, `stream_health` keeps
//!   the health of each stream, `aws_http` sends one signed call, `shard_client` calls a Durable
//!   Object.
//! - The shard: `shard_object` is the Durable Object around [`crate::shard`], and `storage` its
//!   SQLite tables.
//! - The isolate: `bindings` reads the configuration, the clock and randomness; `metrics` and `log`
//!   report. `io` starts what has to be awaited, in `js/host.js`, and `tasks` runs what waits for it.
//!
//! `js/shell.js` is the worker's entry. Each thing that happens is one call from there: a request,
//! the body, an answer of a stream or of a shard, the end of a wait.
//!
//! An uncaught panic or throw would reset the isolate, and with it other people's requests. So
//! every error here ends as an answer.

pub mod assets;
pub mod aws_http;
pub mod bindings;
pub mod deliver;
pub mod error;
pub mod gate;
pub mod gather;
pub mod health;
pub mod ingest;
pub mod inspector_object;
pub mod io;
pub mod log;
pub mod metrics;
pub mod quarantine;
pub mod request;
pub mod respond;
pub mod shard_client;
pub mod shard_object;
pub mod storage;
pub mod stream_health;
pub mod tasks;
pub mod tracker;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;
use worker::{Context, Env, Request, Response, event};

use self::ingest::IngestRequest;
use crate::ingest::authorize::CorsScope;
use crate::model::endpoint::{Endpoint, plain};
use error::ApiError;
use gather::UnderWay;
use io::Caller;
use request::Method;
use respond::Reply;

/// Accepts the beacons of a request, and answers `caller` later. Returns `false` if the request
/// is another one, which is for [`fetch`].
#[wasm_bindgen(js_name = ingest)]
pub fn take_beacons(request: JsValue, env: Env, caller: JsValue) -> bool {
    let (head, context) = request::read(&request);
    let is_body = match (address(&head.path, &env), head.method) {
        (Ok(Endpoint::Events), Method::Post) => true,
        (Ok(Endpoint::Pixel), Method::Get) => false,
        _ => return false,
    };
    let request = IngestRequest { request, head, context, env };
    let under_way = UnderWay::begin();
    tasks::spawn(async move {
        let reply = match is_body {
            true => ingest::post(&request).await,
            false => ingest::pixel(&request).await,
        };
        reply.send(Caller::new(caller));
        drop(under_way);
    });
    true
}

/// Answers a request without beacons.
#[event(fetch)]
async fn fetch(request: Request, env: Env, _context: Context) -> worker::Result<Response> {
    answer(&request, &env).await.response()
}

async fn answer(request: &Request, env: &Env) -> Reply {
    let (head, context) = request::read(request.inner());
    let refused = |error: ApiError| respond::refused(&error, CorsScope::any(&context));
    let address = match address(&head.path, env) {
        Ok(address) => address,
        Err(error) => return refused(error),
    };
    match (address, head.method) {
        (Endpoint::Events, Method::Options) => {
            let asked = head.asked_headers.as_deref();
            respond::preflight(bindings::config(env).as_deref().ok(), &context, asked)
        }
        (Endpoint::Events, _) => refused(ApiError::MethodNotAllowed("POST, OPTIONS")),
        (Endpoint::Pixel, Method::Head) => respond::pixel_only(),
        (Endpoint::Pixel, _) => refused(ApiError::MethodNotAllowed("GET, HEAD")),
        (Endpoint::Health, Method::Get | Method::Head) => respond::alive(),
        (Endpoint::Ready, Method::Get | Method::Head) => health::answer(&head, env).await,
        (Endpoint::Script(asked), Method::Get | Method::Head) => {
            let known = request.headers().get("if-none-match").ok().flatten();
            match tracker::built(asked.script, env).await {
                Ok(built) => tracker::answer(&built, asked.version, known.as_deref()),
                Err(error) => refused(error),
            }
        }
        (Endpoint::Inspector(asked), _) => {
            inspector_object::answer(asked, &head, env).await.unwrap_or_else(refused)
        }
        (Endpoint::Quarantine, _) => {
            quarantine::answer(&head, env).await.map_or_else(refused, respond::row)
        }
        (Endpoint::Health | Endpoint::Ready | Endpoint::Script(_), _) => {
            refused(ApiError::MethodNotAllowed("GET, HEAD"))
        }
    }
}

/// Returns the endpoint of `path`. If the configuration has errors, an unknown path may be one of
/// its custom paths, so those errors are returned.
fn address<'a>(path: &'a str, env: &Env) -> Result<Endpoint<'a>, ApiError> {
    if let Some(usual) = Endpoint::usual(path) {
        return Ok(usual);
    }
    let plain = plain(path);
    let config = bindings::config(env)?;
    let own = config.addresses.find(path).or_else(|| config.addresses.endpoint(&plain?));
    own.ok_or(ApiError::NotFound)
}
