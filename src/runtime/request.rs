//! Plain data from the runtime's request, with as few crossings as it takes.

use std::net::IpAddr;

use futures_util::StreamExt;
use serde::Deserialize;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;
use worker::{ByteStream, Request};

use super::bindings;
use crate::ingest::error::IngestError;
use crate::model::consent::BrowserSignals;
use crate::model::geo::{Geo, OffsetChange};
use crate::model::replay::ReplayHeader;
use crate::model::request::{ClientHints, RequestContext};
use crate::pipeline::decode;
use crate::pipeline::decode::ProtocolError;

#[wasm_bindgen(module = "/src/runtime/js/request_info.js")]
extern "C" {
    fn circumstances(request: &JsValue) -> String;
}

/// What `circumstances.js` tells of a request.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RequestFields {
    method: String,
    url: String,
    origin: Option<String>,
    referer: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_length: Option<String>,
    asked_headers: Option<String>,
    write_key: Option<String>,
    authorization: Option<String>,
    replay: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    accept_language: Option<String>,
    gpc: bool,
    dnt: bool,
    client_hints: ClientHints,
    geo: Geo,
    utc_offset_minutes: Option<i32>,
    #[serde(default)]
    utc_offset_changes: Vec<OffsetChange>,
}

/// What tells where a request goes and how its body is to be read.
pub struct RequestHead {
    /// The method, as far as we tell them apart.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// The `Content-Type` header.
    pub content_type: Option<String>,
    /// The `Content-Encoding` header.
    pub content_encoding: Option<String>,
    /// The `Content-Length` header, in bytes.
    pub content_length: Option<usize>,
    /// The headers that a preflight asks for.
    pub asked_headers: Option<String>,
    /// What `Authorization` bears.
    pub bearer: Option<String>,
    /// What it says of a replay, where it says to be one.
    pub claim: Option<ReplayHeader>,
}

/// The methods that some address takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: a `GET` that must have no effect and whose body the runtime leaves out.
    Head,
    /// `POST`.
    Post,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
    /// Any other.
    Other,
}

/// The head and the circumstances of `request`.
pub fn read(request: &Request) -> (RequestHead, RequestContext) {
    // The text is our own script's, so it parses; if it did not, the address would be unknown.
    let told: RequestFields =
        serde_json::from_str(&circumstances(request.inner())).unwrap_or_default();
    let method = match told.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => Method::Other,
    };
    let address = told.url.split('#').next().unwrap_or_default();
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let after_scheme = address.split_once("://").map_or(address, |(_, rest)| rest);
    let path = after_scheme.split_once('/').map_or("", |(_, path)| path);
    let bearer = told.authorization.as_deref().and_then(|all| all.strip_prefix("Bearer "));
    let bearer = bearer.map(str::to_owned);
    let head = RequestHead {
        claim: told.replay.map(|told| ReplayHeader { told, key: bearer.clone() }),
        bearer,
        method,
        path: format!("/{path}"),
        query: query.to_owned(),
        content_type: told.content_type,
        content_encoding: told.content_encoding,
        asked_headers: told.asked_headers,
        content_length: told.content_length.and_then(|length| length.parse().ok()),
    };
    let context = RequestContext {
        received_at: bindings::now(),
        write_key: told.write_key.or_else(|| decode::write_key(query)),
        // An image does not say in `Origin` on which page it is.
        origin: told
            .origin
            .or_else(|| decode::origin_of(&told.referer.filter(|_| method == Method::Get)?)),
        ip: told.ip.and_then(|ip| ip.parse::<IpAddr>().ok()),
        user_agent: told.user_agent,
        client_hints: told.client_hints,
        accept_language: told.accept_language,
        signals: BrowserSignals { gpc: told.gpc, dnt: told.dnt },
        geo: told.geo,
        utc_offset_minutes: told.utc_offset_minutes,
        utc_offset_changes: told.utc_offset_changes,
        replayed: None,
    };
    (head, context)
}

/// The body, read only as far as `limit`, in bytes: by its stated length, or as it comes.
pub async fn body(
    request: &mut Request,
    head: &RequestHead,
    limit: usize,
) -> Result<Vec<u8>, IngestError> {
    let too_large = || IngestError::Protocol(ProtocolError::BodyTooLarge { limit });
    match head.content_length {
        Some(length) if length > limit => Err(too_large()),
        Some(_) => request.bytes().await.map_err(|_| IngestError::TruncatedBody),
        None => {
            // A request without a body has no stream.
            let Ok(mut chunks) = request.stream() else {
                return Ok(Vec::new());
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next().await {
                bytes.extend_from_slice(&chunk.map_err(|_| IngestError::TruncatedBody)?);
                if bytes.len() > limit {
                    drain(chunks).await;
                    return Err(too_large());
                }
            }
            Ok(bytes)
        }
    }
}

/// Reads on for a while and keeps nothing: a client that still sends when the answer comes
/// sees a broken connection in place of the answer.
async fn drain(mut chunks: ByteStream) {
    /// Bytes; who sends more than that is not helped.
    const MOST: usize = 16_777_216;
    let mut read = 0_usize;
    while let Some(Ok(chunk)) = chunks.next().await {
        read = read.saturating_add(chunk.len());
        if read > MOST {
            return;
        }
    }
}
