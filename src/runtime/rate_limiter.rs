//! Counts the requests of a client with the platform's rate limiter.

use std::net::IpAddr;

use worker::Env;

use super::{bindings, io};
use crate::ingest::rate_limit;

/// Counts a request of the client at `ip` to `sender`. Returns whether it has not sent too many.
pub async fn passes(sender: &str, ip: Option<IpAddr>, env: &Env) -> bool {
    let bindings = bindings::bound(env);
    match (&bindings.rate_limiter, rate_limit::client_key(sender, ip)) {
        (Some(limiter), Some(key)) => io::limit(limiter, &key).await,
        _ => true,
    }
}
