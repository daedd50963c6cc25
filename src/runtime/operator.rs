//! Checks an operator's key. Each use of one is a line of the log, and a point of metrics.

use worker::Env;

use super::request::RequestHead;
use super::{log, metrics};
use crate::config::Config;
use crate::config::operator_keys::OperatorRole;

/// Whether the request has a key with `role`. Reports the use if it has any key.
pub fn allows(role: OperatorRole, head: &RequestHead, config: &Config, env: &Env) -> bool {
    let key = config.operator_keys.find(role, head.bearer.as_deref());
    audit(role, head, key, env);
    key.is_some()
}

/// Reports the use if the request has a key: `key` is its name, if it has `role`.
pub fn audit(role: OperatorRole, head: &RequestHead, key: Option<&str>, env: &Env) {
    if head.bearer.is_some() {
        let method = format!("{:?}", head.method).to_ascii_uppercase();
        log::audit(role, &method, key);
        metrics::operator(env, role, &method, key.is_some());
    }
}
