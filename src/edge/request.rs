//! Plain data from the runtime's request, with as few crossings as it takes.

use std::net::IpAddr;

use futures_util::StreamExt;
use worker::wasm_bindgen::JsValue;
use worker::{ByteStream, Request};

use super::environment;
use crate::context::{ClientHints, Geo, RequestContext};
use crate::outcome::Refusal;
use crate::protocol::{Limits, ProtocolError};

/// What tells where a request goes.
pub struct Head {
    /// The method, as far as we tell them apart.
    pub method: Method,
    /// The path.
    pub path: String,
    /// The query, without its question mark.
    pub query: String,
    /// The `Origin` header.
    pub origin: Option<String>,
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
    /// `OPTIONS`.
    Options,
    /// Any other.
    Other,
}

impl Head {
    /// Reads the method, the address and the origin of `request`.
    pub fn of(request: &Request) -> Self {
        let method = match request.method() {
            worker::Method::Get => Method::Get,
            worker::Method::Head => Method::Head,
            worker::Method::Post => Method::Post,
            worker::Method::Options => Method::Options,
            _ => Method::Other,
        };
        let url = request.inner().url();
        let query = url.split_once('?').map(|(_, query)| query).unwrap_or_default();
        let query = query.split('#').next().unwrap_or_default().to_owned();
        Self { method, path: request.path(), query, origin: header(request, "origin") }
    }
}

/// A header's value, with U+FFFD for what in it is not UTF-8; none is an error.
fn header(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name).ok().flatten()
}

/// `Content-Type` and `Content-Encoding`.
pub fn content_headers(request: &Request) -> (Option<String>, Option<String>) {
    (header(request, "content-type"), header(request, "content-encoding"))
}

/// The body, read only as far as the limit: by its stated length, or as it comes.
pub async fn body(request: &mut Request, limits: &Limits) -> Result<Vec<u8>, Refusal> {
    let limit = limits.body_bytes;
    let too_large = || Refusal::Protocol(ProtocolError::BodyTooLarge { limit });
    let stated = header(request, "content-length").and_then(|length| length.parse::<usize>().ok());
    match stated {
        Some(length) if length > limit => Err(too_large()),
        Some(_) => request.bytes().await.map_err(|_| Refusal::BodyCutShort),
        None => {
            // A request without a body has no stream.
            let Ok(mut chunks) = request.stream() else {
                return Ok(Vec::new());
            };
            let mut bytes = Vec::new();
            while let Some(chunk) = chunks.next().await {
                bytes.extend_from_slice(&chunk.map_err(|_| Refusal::BodyCutShort)?);
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

/// The circumstances of a request.
pub fn context(request: &Request) -> RequestContext {
    RequestContext {
        received_at: environment::now(),
        ip: header(request, "cf-connecting-ip").and_then(|ip| ip.parse::<IpAddr>().ok()),
        user_agent: header(request, "user-agent").filter(|agent| !agent.is_empty()),
        client_hints: ClientHints::default(),
        geo: geo(request),
    }
}

/// The CDN's facts, read field by field: the crate's own readers panic on an absent one.
fn geo(request: &Request) -> Geo {
    let cf = js_sys::Reflect::get(request.inner(), &JsValue::from_str("cf"))
        .unwrap_or(JsValue::UNDEFINED);
    if !cf.is_object() {
        return Geo::default();
    }
    let get = |key: &str| js_sys::Reflect::get(&cf, &JsValue::from_str(key)).ok();
    let text = |key: &str| get(key)?.as_string().filter(|text| !text.is_empty());
    Geo {
        country: text("country"),
        region: text("region"),
        city: text("city"),
        continent: text("continent"),
        timezone: text("timezone"),
        colo: text("colo"),
        asn: get("asn").and_then(|asn| asn.as_f64()).map(|asn| asn as u32),
        as_organization: text("asOrganization"),
    }
}
