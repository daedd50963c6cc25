//! The secret `HEADWATER_SERVER_KEYS`: the keys of the operator's own servers.
//!
//! A server key may state facts about visitors that a browser's key may not. Each tenant may have
//! several, so that one can be replaced while both are in use.

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use super::ConfigError;
use super::key_lists::{self, KeyOf};
use crate::base::secret::Secret;
use crate::config::tenant::Tenants;

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
    let read = key_lists::read(NAME, text, ["tenants", "server keys"], warnings);
    let mut warn = |problem: String| warnings.push(ConfigError::new(NAME, problem));
    let is_known = |key: &KeyOf| tenants.is_none_or(|tenants| tenants.named(&key.owner).is_some());
    let (valid, unknown): (Vec<KeyOf>, Vec<KeyOf>) = read.into_iter().partition(is_known);
    let mut owners = BTreeSet::new();
    owners.extend(unknown.into_iter().map(|key| key.owner));
    for tenant in owners {
        warn(format!("names the tenant {tenant:?}, which HEADWATER.keys does not have"));
    }
    let mut keys = ServerKeys::default();
    for KeyOf { owner: tenant, digest, secret, .. } in &valid {
        let is_same = |other: &&KeyOf| other.owner != *tenant && other.digest == *digest;
        match valid.iter().find(is_same) {
            Some(KeyOf { owner: other, .. }) if tenant < other => warn(format!(
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{sentences, settings};
    use super::super::{Config, RawConfig};

    #[test]
    fn a_server_key_of_two_tenants_is_used_for_neither() {
        let (shared, own) = ("s".repeat(32), "o".repeat(32));
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()["keys"] =
            json!({"pk_a": {"tenant": "a"}, "pk_b": {"tenant": "b"}});
        settings.server_keys = Some(json!({"b": [own, shared], "a": [shared, shared]}).to_string());
        let config = Config::parse(settings).unwrap();
        assert_eq!(
            sentences(&config.warnings),
            ["HEADWATER_SERVER_KEYS must have a key of its own for each tenant; \"a\" and \"b\" \
              share one, which is used for neither"; 2]
        );
        assert_eq!(config.server_keys.tenant_of(&shared), None);
        assert_eq!(config.server_keys.tenant_of(&own), Some("b"));
        assert!(config.server_keys.of_tenant("a").is_empty());
        assert_eq!(config.server_keys.of_tenant("b").len(), 1);
    }

    #[test]
    fn a_server_key_that_cannot_be_used_is_left_out_with_a_warning() {
        let long = "k".repeat(32);
        let with = |keys: Value| {
            let server_keys = Some(match keys {
                Value::String(text) => text,
                other => other.to_string(),
            });
            let config = Config::parse(RawConfig { server_keys, ..settings() }).unwrap();
            (config.server_keys.of_tenant("default").len(), sentences(&config.warnings))
        };
        assert_eq!(with(json!({"default": [long, "l".repeat(32)]})), (2, Vec::new()));
        let of_key = |problem: &str| vec![format!("HEADWATER_SERVER_KEYS {problem}")];
        for (keys, count, problem) in [
            (
                json!("sk_1"),
                0,
                "must be a JSON object of tenants, each with its keys; until then there are no server keys",
            ),
            (
                json!({"default": [long, "short"]}),
                1,
                "must have keys of at least 32 characters; key 1 of \"default\" is shorter, and is not used",
            ),
            (json!({"default": 7}), 0, "must have texts as keys; key 0 of \"default\" is none"),
            (
                json!({"shop": long}),
                0,
                "names the tenant \"shop\", which HEADWATER.keys does not have",
            ),
        ] {
            let (found, warnings) = with(keys);
            assert_eq!((found, warnings), (count, of_key(problem)));
        }
    }
}
