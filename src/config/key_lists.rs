//! Secrets that are JSON objects of keys: those of servers by tenant, those of operators by role.

use serde_json::Value;

use super::ConfigError;
use crate::base::secret::Secret;
use crate::pipeline::decode;

/// A key in such a secret.
pub(super) struct KeyOf {
    /// The tenant or the role.
    pub(super) owner: String,
    /// Its place among the keys of the owner.
    pub(super) index: usize,
    /// The digest of its text.
    pub(super) digest: [u8; 32],
    pub(super) secret: Secret,
}

/// Reads the secret `name`: an object of `owners`, each with one key or a list of keys, which are
/// called `keys`. A key that can't be used is left out with a warning, which does not show it.
pub(super) fn read(
    name: &str,
    text: Option<String>,
    [owners, keys]: [&str; 2],
    warnings: &mut Vec<ConfigError>,
) -> Vec<KeyOf> {
    let Some(text) = text else { return Vec::new() };
    let mut warn = |problem: String| warnings.push(ConfigError::new(name, problem));
    let Ok(table) = decode::object(&text) else {
        warn(format!(
            "must be a JSON object of {owners}, each with its keys; until then there are no {keys}"
        ));
        return Vec::new();
    };
    let mut read = Vec::new();
    for (owner, value) in table {
        let list = match value {
            Value::Array(list) => list,
            one => vec![one],
        };
        for (index, value) in list.into_iter().enumerate() {
            let Value::String(key) = value else {
                warn(format!("must have texts as keys; key {index} of {owner:?} is none"));
                continue;
            };
            let digest = Secret::digest(&key);
            match Secret::parse(key) {
                Some(secret) => read.push(KeyOf { owner: owner.clone(), index, digest, secret }),
                None => warn(format!(
                    "must have keys of at least {} characters; key {index} of {owner:?} is shorter, \
                     and is not used",
                    Secret::MIN_CHARS
                )),
            }
        }
    }
    read
}
