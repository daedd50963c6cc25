//! Copies of requests for the collector that an operator still has, so that both can be compared.

use std::net::IpAddr;

use super::io::ForwardedRequest;
use super::request::{Method, RequestHead};
use crate::model::protocol::Protocol;

/// A copy of a request, which is sent once the request is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tee {
    pub protocol: Protocol,
    pub request: ForwardedRequest,
}

/// The headers of a connection, of a proxy, and of this host alone.
const LEFT_OUT: [&str; 8] = [
    "host",
    "content-length",
    "connection",
    "accept-encoding",
    "transfer-encoding",
    "cookie",
    "x-forwarded-for",
    "x-real-ip",
];

impl Tee {
    /// Makes the copy for `collector`. States the client's address `ip` as a proxy does.
    pub fn new(
        protocol: Protocol,
        collector: &str,
        head: &RequestHead,
        headers: &[(String, String)],
        ip: Option<IpAddr>,
        body: Vec<u8>,
    ) -> Self {
        let is_sent = |name: &str| !LEFT_OUT.contains(&name) && !name.starts_with("cf-");
        let mut lines = String::new();
        for (name, value) in headers.iter().filter(|(name, _)| is_sent(name)) {
            lines.push_str(&format!("{name} {value}\n"));
        }
        if let Some(ip) = ip {
            lines.push_str(&format!("x-forwarded-for {ip}\n"));
        }
        let question = if head.query.is_empty() { "" } else { "?" };
        let request = ForwardedRequest {
            method: if head.method == Method::Post { "POST" } else { "GET" },
            url: format!("{collector}{}{question}{}", head.path, head.query),
            headers: lines,
            body,
        };
        Self { protocol, request }
    }
}
