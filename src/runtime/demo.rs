//! The pages of the demo. They post into the worker's own streams, so they are served on this
//! machine only, unless the configuration has `demo = true`.

use worker::Env;

use super::bindings;
use super::error::ApiError;
use super::io;
use super::request::RequestHead;
use super::respond::Reply;
use crate::model::endpoint::DemoPage;

/// Serves a page of the demo.
pub async fn serve(page: DemoPage, head: &RequestHead, env: &Env) -> Result<Reply, ApiError> {
    if !is_local(&head.host) && !bindings::config(env).is_ok_and(|config| config.demo) {
        return Err(ApiError::NotFound);
    }
    let bytes = io::asset(env, page.asset()).await.map_err(|_| ApiError::NotFound)?;
    Ok(Reply::new(200)
        .header("content-type", "text/html; charset=utf-8")
        .header("x-content-type-options", "nosniff")
        .header("cache-control", "no-cache")
        .body(bytes))
}

/// Whether `host`, a scheme and a host, is this machine's. Cloudflare routes by the host's name, so no
/// request from elsewhere has such a host.
fn is_local(host: &str) -> bool {
    let name = host.split_once("://").map_or(host, |(_, name)| name);
    let name = match name.strip_prefix('[') {
        Some(address) => address.split(']').next(),
        None => name.split(':').next(),
    };
    matches!(name, Some("localhost" | "127.0.0.1" | "::1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for host in [
            "http://127.0.0.1:8787",
            "http://localhost",
            "https://localhost:1",
            "http://[::1]:8787",
        ] {
            assert!(is_local(host), "{host}");
        }
        for host in [
            "",
            "https://events.shop.example",
            "https://localhost.shop.example",
            "http://127.0.0.1.nip.example:80",
            "https://x@127.0.0.1",
            "http://[::2]:80",
        ] {
            assert!(!is_local(host), "{host}");
        }
    }
}
