//! The secret `HEADWATER_SERVER_KEYS`: the keys of the operator's own servers.
//!
//! A server key may state facts about visitors that a browser's key may not. Each tenant may have
//! several, so that one can be replaced while both are in use.

use std::collections::HashMap;
use std::fmt;

use serde_json::Value;

use super::ConfigError;
use crate::base::secret::Secret;
use crate::config::tenant::Tenants;
use crate::pipeline::decode;

const NAME: &str = "HEADWATER_SERVER_KEYS";

/// The server keys of all tenants.
#[derive(Clone, Default)]
pub struct ServerKeys {
    /// The tenant of each key, by the key's digest: a search reveals nothing about keys.
    tenants: HashMap<[u8; 32], String>,
    /// The keys of each tenant.
    keys: HashMap<String, Vec<Secret>>,
}

/// Shows the number of keys.
impl fmt::Debug for ServerKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ServerKeys", self.tenants.len())
    }
}

impl ServerKeys {
    /// Returns the tenant of the server key `key`, if it is one.
    pub fn tenant_of(&self, key: &str) -> Option<&str> {
        match self.tenants.is_empty() {
            true => None,
            false => self.tenants.get(&Secret::digest(key)).map(String::as_str),
        }
    }

    /// Returns the keys of the tenant called `tenant`.
    pub fn of_tenant(&self, tenant: &str) -> &[Secret] {
        self.keys.get(tenant).map(Vec::as_slice).unwrap_or_default()
    }
}

/// Parses the secret: a JSON object of tenants, each with one key or a list of keys. A key that
/// can't be used is left out with a warning; no event of a browser depends on it. So is a key of two
/// tenants, since it would not say whose an event is.
pub fn server_keys(
    text: Option<String>,
    tenants: Option<&Tenants>,
    warnings: &mut Vec<ConfigError>,
) -> ServerKeys {
    let mut keys = ServerKeys::default();
    let Some(text) = text else { return keys };
    let mut warn = |problem: String| warnings.push(ConfigError::new(NAME, problem));
    let Ok(table) = decode::object(&text) else {
        warn("must be a JSON object of tenants, each with its keys; until then there are no server keys".to_owned());
        return keys;
    };
    let mut valid: Vec<(String, [u8; 32], Secret)> = Vec::new();
    for (tenant, value) in table {
        if tenants.is_some_and(|tenants| tenants.named(&tenant).is_none()) {
            warn(format!("names the tenant {tenant:?}, which HEADWATER.keys does not have"));
            continue;
        }
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for (index, value) in list.into_iter().enumerate() {
            let Value::String(key) = value else {
                warn(format!("must have texts as keys; key {index} of {tenant:?} is none"));
                continue;
            };
            let digest = Secret::digest(&key);
            match Secret::parse(key) {
                Some(secret) => valid.push((tenant.clone(), digest, secret)),
                None => warn(format!(
                    "must have keys of at least {} characters; key {index} of {tenant:?} is shorter, \
                     and is not used",
                    Secret::MIN_CHARS
                )),
            }
        }
    }
    for (tenant, digest, secret) in &valid {
        let is_same = |(other, of_other, _): &&(String, [u8; 32], Secret)| {
            other != tenant && of_other == digest
        };
        match valid.iter().find(is_same) {
            Some((other, ..)) if tenant < other => warn(format!(
                "must have a key of its own for each tenant; {tenant:?} and {other:?} share one, \
                 which is used for neither"
            )),
            Some(_) => {}
            None => {
                keys.tenants.insert(*digest, tenant.clone());
                keys.keys.entry(tenant.clone()).or_default().push(secret.clone());
            }
        }
    }
    keys
}
