//! Answers requests to the addresses of other collectors, as their SDKs expect it.

use std::cell::OnceCell;

use super::bindings;
use super::error::ApiError;
use super::ingest::IngestHandler;
use super::request::{IncomingRequest, Method, RequestHead};
use super::respond::{self, Reply};
use super::tenants;
use crate::config::Config;
use crate::ingest;
use crate::ingest::authorize::CorsScope;
use crate::ingest::dialects::{self, DialectEndpoint, DialectRequest, ServedAddress};
use crate::ingest::summary::RequestKind;
use crate::model::endpoint::plain;
use crate::model::protocol::Protocol;

/// Answers a request; none if it asks for no address of a protocol.
pub async fn serve(request: &IncomingRequest) -> Option<Reply> {
    let IncomingRequest { head, context, env, .. } = request;
    let config = bindings::config(env).ok()?;
    let path = plain(&head.path);
    let asked = dialect_request(head, path.as_deref().unwrap_or(&head.path));
    let ServedAddress { protocol, request: asked, endpoint } =
        dialects::served(&config.protocols, &config.protocol_paths, asked)?;
    let any_origin = CorsScope::any(context);
    Some(match (head.method, endpoint) {
        (Method::Options, _) => preflight(request, &config).await,
        (Method::Get | Method::Head | Method::Post, Some(DialectEndpoint::Answer(answer))) => {
            respond::dialect(answer, any_origin)
        }
        (Method::Head, Some(DialectEndpoint::Events)) => {
            respond::dialect(dialects::answer(protocol, Ok(&[]), asked), any_origin)
        }
        (Method::Get | Method::Post, Some(DialectEndpoint::Events)) => {
            events(request, protocol, asked, &config).await
        }
        _ => respond::refused(&ApiError::MethodNotAllowed("GET, POST, OPTIONS"), any_origin),
    })
}

/// Answers a page's preflight, or the sender of a CloudEvents webhook.
async fn preflight(request: &IncomingRequest, config: &Config) -> Reply {
    let IncomingRequest { head, context, env, .. } = request;
    let asked = head.asked_headers.as_deref();
    let stored = tenants::of_request(context, env).await;
    let reply = respond::preflight(Some(config), context, stored.as_ref(), "GET, POST", asked);
    match request.headers().into_iter().find(|(name, _)| name == "webhook-request-origin") {
        Some((_, origin)) => respond::webhook(reply, origin),
        None => reply,
    }
}

/// Accepts the events of an SDK.
async fn events(
    request: &IncomingRequest,
    protocol: Protocol,
    asked: DialectRequest<'_>,
    config: &Config,
) -> Reply {
    let mut context = request.context.clone();
    context.other_keys.extend(ingest::other_keys(&context, asked.query));
    let stored = OnceCell::new();
    let mut handler = IngestHandler::new(RequestKind::Protocol(protocol), request, config, None);
    let mut batch = handler.items(protocol, asked, &mut context, &stored).await;
    let settled = handler.settle(&mut batch).await;
    let outcomes = settled.as_ref().and_then(|settled| settled.outcomes());
    let mut answer = dialects::answer(protocol, outcomes, asked);
    if let (Ok(_), Some(cookie)) = (outcomes, handler.set_cookie.take()) {
        answer.headers.push(("set-cookie", cookie));
    }
    let error = outcomes.err().cloned();
    handler.report(batch.as_ref().ok(), answer.status, error.as_ref()).await;
    let stored = stored.get().and_then(Option::as_ref);
    let cors = ingest::authorize(&context, None, config, stored).cors;
    respond::dialect(answer, cors).tee(handler.tee.take())
}

/// Returns what decides which address a request asks for. `path` has no superfluous slashes.
fn dialect_request<'a>(head: &'a RequestHead, path: &'a str) -> DialectRequest<'a> {
    let RequestHead { method, query, host, content_type, .. } = head;
    let content_type = content_type.as_deref().unwrap_or_default();
    DialectRequest { is_post: *method == Method::Post, path, query, host, content_type }
}
