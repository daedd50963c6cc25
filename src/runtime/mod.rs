//! Everything that names Cloudflare. It translates and awaits, and decides nothing.
//!
//! - Requests: `request` reads one, `ingest` handles those with beacons and `protocols` those of
//!   other collectors' SDKs. `respond` writes answers, `tee` copies requests, and `error` says why
//!   one was rejected. `tracker` serves the snippet, `health` answers `/readyz` and `/_/metrics`.
//!   `quarantine` and `inspector_object` serve operators and developers, whose keys `operator`
//!   checks. `tenants` looks up keys in the key-value store of `tenant_store`, and `rate_limiter`
//!   counts requests.
//! - Delivery: `deliver` drives deliveries, `gather` shares calls between requests, `gate` limits
//!   concurrent calls, `byte_budget` the bytes of all requests, `stream_health` keeps
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

pub mod aws_http;
pub mod bindings;
pub mod byte_budget;
pub mod deliver;
pub mod demo;
pub mod error;
pub mod gate;
pub mod gather;
pub mod health;
pub mod ingest;
pub mod inspector_object;
pub mod io;
pub mod log;
pub mod metrics;
pub mod operator;
pub mod protocols;
pub mod quarantine;
pub mod rate_limiter;
pub mod request;
pub mod respond;
pub mod shard_client;
pub mod shard_object;
pub mod storage;
pub mod stream_health;
pub mod tasks;
pub mod tee;
pub mod tenant_store;
pub mod tenants;
pub mod tracker;

use futures_util::FutureExt;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::JsValue;

use crate::ingest::authorize::CorsScope;
use crate::model::endpoint::{DemoPage, Endpoint, plain};
use error::ApiError;
use health::HealthQuery;
use io::Caller;
use request::{IncomingRequest, Method, RequestHead};
use respond::Reply;

/// Answers a request to `caller`, now or later.
#[wasm_bindgen]
pub fn fetch(request: JsValue, env: Env, caller: JsValue) {
    tasks::spawn(async move {
        let request = IncomingRequest::read(request, env);
        serve(&request).await.end(Caller::new(caller), &request.env).await;
    });
}

/// The rarer answers are boxed, which keeps their code out of this function. V8 compiles a function
/// as a whole when it is first called, and a new isolate does that before its first answer.
async fn serve(request: &IncomingRequest) -> Reply {
    let IncomingRequest { head, context, env, .. } = request;
    let refused = |error: ApiError| respond::refused(&error, CorsScope::any(context));
    let refused_to_pages = |error: ApiError| respond::refused(&error, CorsScope::none());
    let address = match address(head, env) {
        Ok(address) => address,
        Err(error) if head.path.starts_with("/_/") => return refused_to_pages(error),
        Err(error) => {
            let reply = protocols::serve(request).boxed_local().await;
            return reply.unwrap_or_else(|| refused(error));
        }
    };
    let stored = match (address, head.method) {
        (Endpoint::Events, Method::Post | Method::Options) | (Endpoint::Pixel, Method::Get) => {
            tenants::of_request(context, env).await
        }
        _ => None,
    };
    let stored = stored.as_ref();
    match (address, head.method) {
        (Endpoint::Events, Method::Post) => ingest::post(request, stored).await,
        (Endpoint::Events, Method::Options) => {
            let (config, asked) = (bindings::config(env).ok(), head.asked_headers.as_deref());
            respond::preflight(config.as_deref(), context, stored, "POST", asked)
        }
        (Endpoint::Events, _) => refused(ApiError::MethodNotAllowed("POST, OPTIONS")),
        (Endpoint::Pixel, Method::Get) => ingest::pixel(request, stored).await,
        (Endpoint::Pixel, Method::Head) => respond::pixel_only(),
        (Endpoint::Pixel, _) => refused(ApiError::MethodNotAllowed("GET, HEAD")),
        (Endpoint::Health, Method::Get | Method::Head) => respond::alive(),
        (Endpoint::Ready | Endpoint::Metrics, Method::Get | Method::Head) => {
            let query = match address {
                Endpoint::Metrics => HealthQuery::Metrics,
                _ => HealthQuery::Readiness,
            };
            health::serve(query, head, env).boxed_local().await
        }
        (Endpoint::Metrics, _) => refused_to_pages(ApiError::MethodNotAllowed("GET, HEAD")),
        (Endpoint::Script(asked), Method::Get | Method::Head) => {
            match tracker::built(asked.script, env).boxed_local().await {
                Ok(built) => tracker::reply(&built, asked.version, head.if_none_match.as_deref()),
                Err(error) => refused(error),
            }
        }
        (Endpoint::Inspector(asked), _) => {
            let reply = inspector_object::serve(asked, head, env).boxed_local().await;
            reply.unwrap_or_else(refused_to_pages)
        }
        (Endpoint::Quarantine, _) => {
            let row = quarantine::serve(head, env).boxed_local().await;
            row.map_or_else(refused_to_pages, respond::row)
        }
        (Endpoint::Demo(page), _) => {
            demo::serve(page, head, env).boxed_local().await.unwrap_or_else(refused)
        }
        (Endpoint::Health | Endpoint::Ready | Endpoint::Script(_), _) => {
            refused(ApiError::MethodNotAllowed("GET, HEAD"))
        }
    }
}

/// Returns the endpoint that a request asks for. If the configuration has errors, an unknown path may
/// be one of its custom paths, so those errors are returned.
fn address<'a>(head: &'a RequestHead, env: &Env) -> Result<Endpoint<'a>, ApiError> {
    let path = head.path.as_str();
    if let Some(usual) = Endpoint::usual(path) {
        return Ok(usual);
    }
    let plain = plain(path);
    let config = bindings::config(env)?;
    let own = config.addresses.find(path).or_else(|| config.addresses.endpoint(&plain?));
    let is_read = matches!(head.method, Method::Get | Method::Head);
    let demo = || is_read.then(|| DemoPage::of(path)).flatten().map(Endpoint::Demo);
    own.or_else(demo).ok_or(ApiError::NotFound)
}
