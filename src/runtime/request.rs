//! Reads the runtime's request into plain data, with few calls to JavaScript.

use std::net::IpAddr;

use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::bindings;
use super::io::{self, BodyError};
use crate::ingest::authorize;
use crate::ingest::error::IngestError;
use crate::model::consent::BrowserSignals;
use crate::model::geo::{Geo, ZoneOffsets};
use crate::model::replay::ReplayHeader;
use crate::model::request::{ClientHints, RequestContext};
use crate::pipeline::decode;
use crate::pipeline::decode::ProtocolError;

#[wasm_bindgen(module = "/src/runtime/js/request_info.js")]
extern "C" {
    #[wasm_bindgen(js_name = requestInfo)]
    fn request_info(request: &JsValue) -> String;

    #[wasm_bindgen(js_name = zoneOffsets)]
    fn offsets_of_zone(zone: &str) -> String;

    #[wasm_bindgen(js_name = requestHeaders)]
    fn request_headers(request: &JsValue) -> String;
}

/// The request as `request_info.js` describes it, with its texts in this order. None of them is empty.
struct RequestFields {
    method: String,
    url: String,
    origin: Option<String>,
    referer: Option<String>,
    content_type: Option<String>,
    content_encoding: Option<String>,
    content_length: Option<usize>,
    asked_headers: Option<String>,
    if_none_match: Option<String>,
    write_key: Option<String>,
    authorization: Option<String>,
    replay: Option<String>,
    signature: Option<String>,
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    accept_language: Option<String>,
    signals: BrowserSignals,
    client_hints: ClientHints,
    geo: Geo,
    offsets: ZoneOffsets,
}

impl RequestFields {
    /// Parses the array of texts. It is of our own script. If it were not, the path would be unknown.
    fn parse(texts: &str) -> Self {
        let texts: Vec<Option<String>> = serde_json::from_str(texts).unwrap_or_default();
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        Self {
            method: next().unwrap_or_default(),
            url: next().unwrap_or_default(),
            origin: next(),
            referer: next(),
            content_type: next(),
            content_encoding: next(),
            content_length: next().and_then(|digits| digits.parse().ok()),
            asked_headers: next(),
            if_none_match: next(),
            write_key: next(),
            authorization: next(),
            replay: next(),
            signature: next(),
            ip: next().and_then(|address| address.parse().ok()),
            user_agent: next(),
            accept_language: next(),
            signals: BrowserSignals {
                gpc: next().as_deref() == Some("1"),
                dnt: next().as_deref() == Some("1"),
            },
            client_hints: ClientHints {
                ua: next(),
                mobile: next(),
                platform: next(),
                full_version_list: next(),
                platform_version: next(),
                model: next(),
            },
            geo: Geo {
                country: next(),
                region: next(),
                city: next(),
                continent: next(),
                timezone: next(),
                colo: next(),
                asn: next().and_then(|digits| digits.parse().ok()),
                as_organization: next(),
            },
            offsets: next().as_deref().map(ZoneOffsets::parse).unwrap_or_default(),
        }
    }
}

/// The parts of a request that decide how it is handled and how its body is read.
pub struct RequestHead {
    pub method: Method,
    pub path: String,
    /// The scheme and host, as the client names them.
    pub host: String,
    /// Without its question mark.
    pub query: String,
    pub content_type: Option<String>,
    pub content_encoding: Option<String>,
    /// In bytes as sent, if the client states it.
    pub content_length: Option<usize>,
    /// The headers that a preflight asks for.
    pub asked_headers: Option<String>,
    pub if_none_match: Option<String>,
    /// The token of `Authorization: Bearer`.
    pub bearer: Option<String>,
    /// The `X-Headwater-Replay` header, if the request is a replay.
    pub replay_header: Option<ReplayHeader>,
}

/// The methods that some endpoint accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    /// A `GET` that must have no effect and whose body the runtime leaves out.
    Head,
    Post,
    Delete,
    Options,
    Other,
}

/// A request.
pub struct IncomingRequest {
    /// The runtime's request, which has the body.
    request: JsValue,
    pub head: RequestHead,
    pub context: RequestContext,
    pub env: Env,
}

impl IncomingRequest {
    /// Reads all of a request but its body.
    pub fn read(request: JsValue, env: Env) -> Self {
        let (head, context) = read(&request);
        Self { request, head, context, env }
    }

    /// Reads the names, in lower case, and values of all headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        let lines = request_headers(&self.request);
        let pairs = lines.split('\n').filter_map(|line| line.split_once(' '));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    /// Reads the body, up to `limit` bytes.
    pub async fn body(&self, limit: usize) -> Result<Vec<u8>, IngestError> {
        io::body(&self.request, limit).await.map_err(|error| match error {
            BodyError::TooLarge => ProtocolError::BodyTooLarge { limit }.into(),
            BodyError::Truncated => IngestError::TruncatedBody,
        })
    }
}

fn zone_offsets(zone: &str) -> ZoneOffsets {
    ZoneOffsets::parse(&offsets_of_zone(zone))
}

fn read(request: &JsValue) -> (RequestHead, RequestContext) {
    let fields = RequestFields::parse(&request_info(request));
    let method = match fields.method.as_str() {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        _ => Method::Other,
    };
    let address = fields.url.split('#').next().unwrap_or_default();
    let (address, query) = address.split_once('?').unwrap_or((address, ""));
    let host_at = address.find("://").map_or(0, |at| at.saturating_add(3));
    let path_at = address.get(host_at..).and_then(|rest| rest.find('/'));
    let path_at = path_at.map_or(address.len(), |at| at.saturating_add(host_at));
    let (host, path) = address.split_at_checked(path_at).unwrap_or((address, ""));
    let bearer = fields.authorization.as_deref().and_then(|all| all.strip_prefix("Bearer "));
    let bearer = bearer.map(str::to_owned);
    // The key of a replay is the operator's.
    let other_keys = match &fields.replay {
        None => fields
            .authorization
            .as_deref()
            .and_then(authorize::authorization_key)
            .into_iter()
            .collect(),
        Some(_) => Vec::new(),
    };
    let head = RequestHead {
        replay_header: fields
            .replay
            .map(|header| ReplayHeader { fields: header, key: bearer.clone() }),
        bearer,
        method,
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        host: host.to_owned(),
        query: query.to_owned(),
        content_type: fields.content_type,
        content_encoding: fields.content_encoding,
        content_length: fields.content_length,
        asked_headers: fields.asked_headers,
        if_none_match: fields.if_none_match,
    };
    let context = RequestContext {
        received_at: bindings::now(),
        write_key: fields.write_key.or_else(|| decode::write_key(query)),
        other_keys,
        signature: fields.signature,
        // A request for an image has no `Origin` header.
        origin: fields
            .origin
            .or_else(|| decode::origin_of(&fields.referer.filter(|_| method == Method::Get)?)),
        ip: fields.ip,
        user_agent: fields.user_agent,
        client_hints: fields.client_hints,
        accept_language: fields.accept_language,
        signals: fields.signals,
        geo: fields.geo,
        utc_offset_minutes: fields.offsets.utc_offset_minutes,
        utc_offset_changes: fields.offsets.utc_offset_changes,
        zone_offsets: Some(zone_offsets),
        replayed: None,
    };
    (head, context)
}
