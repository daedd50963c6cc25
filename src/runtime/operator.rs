//! Checks an operator's key, and logs each use of one.

use super::log;
use super::request::RequestHead;
use crate::config::Config;
use crate::config::operator_keys::OperatorRole;

/// Whether the request has a key with `role`. Writes an audit line if it has any key.
pub fn allows(role: OperatorRole, head: &RequestHead, config: &Config) -> bool {
    let key = config.operator_keys.find(role, head.bearer.as_deref());
    audit(role, head, key);
    key.is_some()
}

/// Writes an audit line if the request has a key: `key` is its name, if it has `role`.
pub fn audit(role: OperatorRole, head: &RequestHead, key: Option<&str>) {
    if head.bearer.is_some() {
        log::audit(role, &format!("{:?}", head.method).to_uppercase(), key);
    }
}
