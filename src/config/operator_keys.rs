//! The keys of operators, each with the roles that it has.
//!
//! `HEADWATER_OPERATOR_KEY` and `HEADWATER_INSPECT_TOKEN` are one key each. `HEADWATER_OPERATOR_KEYS`
//! gives a role keys of its own, several at once, so that one can be replaced while both are in use.

use super::ConfigError;
use super::key_lists::{self, KeyOf};
use crate::base::secret::Secret;

pub(super) const KEY: &str = "HEADWATER_OPERATOR_KEY";
pub(super) const KEYS: &str = "HEADWATER_OPERATOR_KEYS";
pub(super) const INSPECT_TOKEN: &str = "HEADWATER_INSPECT_TOKEN";

/// What an operator's key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatorRole {
    /// To replay failed events.
    Replay,
    /// To export, delete and make quarantined records.
    Quarantine,
    /// To read the details of `/readyz`.
    Status,
    /// To use the inspector.
    Inspect,
}

impl OperatorRole {
    pub const ALL: [Self; 4] = [Self::Replay, Self::Quarantine, Self::Status, Self::Inspect];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Quarantine => "quarantine",
            Self::Status => "status",
            Self::Inspect => "inspect",
        }
    }
}

/// The keys of operators.
#[derive(Clone, Default)]
pub struct OperatorKeys(Vec<OperatorKey>);

#[derive(Clone)]
struct OperatorKey {
    /// Its place in the configuration, which an audit line names.
    name: String,
    roles: &'static [OperatorRole],
    secret: Secret,
}

/// Shows the names.
impl std::fmt::Debug for OperatorKeys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.0.iter().map(|key| &key.name)).finish()
    }
}

impl OperatorKeys {
    /// Returns the name of the key `sent`, if it has `role`. The time of the comparison reveals nothing
    /// about the keys.
    pub fn find(&self, role: OperatorRole, sent: Option<&str>) -> Option<&str> {
        let sent = sent?;
        let mut of_role = self.0.iter().filter(|key| key.roles.contains(&role));
        of_role.find(|key| key.secret.is(sent)).map(|key| key.name.as_str())
    }

    /// Whether any key has `role`.
    pub fn has(&self, role: OperatorRole) -> bool {
        self.0.iter().any(|key| key.roles.contains(&role))
    }
}

/// The texts of the secrets; `None` is not set.
pub(super) struct OperatorSecrets {
    pub(super) key: Option<String>,
    pub(super) keys: Option<String>,
    pub(super) inspect_token: Option<String>,
}

/// Parses the secrets. A key that can't be used is left out with a warning: no event depends on it.
pub(super) fn operator_keys(
    secrets: OperatorSecrets,
    warnings: &mut Vec<ConfigError>,
) -> OperatorKeys {
    const OF_ONE_KEY: &[OperatorRole] =
        &[OperatorRole::Replay, OperatorRole::Quarantine, OperatorRole::Status];
    let mut keys = Vec::new();
    for (name, roles, text, instead) in [
        (
            KEY,
            OF_ONE_KEY,
            secrets.key,
            "no failed event can be replayed, no quarantined record exported, and /readyz shows no details",
        ),
        (
            INSPECT_TOKEN,
            &[OperatorRole::Inspect][..],
            secrets.inspect_token,
            "there is no inspector",
        ),
    ] {
        let secret = super::secret(name, text, instead, warnings);
        keys.extend(secret.map(|secret| OperatorKey { name: name.to_owned(), roles, secret }));
    }
    let lists = key_lists::read(KEYS, secrets.keys, ["roles", "keys by role"], warnings);
    for KeyOf { owner, index, secret, .. } in lists {
        let Some(role) = OperatorRole::ALL.iter().find(|role| role.name() == owner) else {
            let known = OperatorRole::ALL.map(OperatorRole::name).join(", ");
            let problem = format!("names the role {owner:?}; expected one of {known}");
            warnings.push(ConfigError::new(KEYS, problem));
            continue;
        };
        let name = format!("{KEYS}.{owner}[{index}]");
        keys.push(OperatorKey { name, roles: std::slice::from_ref(role), secret });
    }
    OperatorKeys(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: &str) -> String {
        letter.repeat(Secret::MIN_CHARS)
    }

    fn parse(key: Option<String>, keys: &str) -> (OperatorKeys, Vec<String>) {
        let mut warnings = Vec::new();
        let keys = Some(keys.to_owned()).filter(|keys| !keys.is_empty());
        let secrets = OperatorSecrets { key, keys, inspect_token: None };
        let keys = operator_keys(secrets, &mut warnings);
        (keys, warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_key_has_only_its_roles_and_two_may_be_in_use() {
        let lists =
            format!(r#"{{"replay":["{}","{}"],"inspect":"{}"}}"#, key("a"), key("b"), key("c"));
        let (keys, warnings) = parse(Some(key("o")), &lists);
        assert!(warnings.is_empty());
        for (role, sent, name) in [
            (OperatorRole::Replay, "a", Some("HEADWATER_OPERATOR_KEYS.replay[0]")),
            (OperatorRole::Replay, "b", Some("HEADWATER_OPERATOR_KEYS.replay[1]")),
            (OperatorRole::Replay, "o", Some("HEADWATER_OPERATOR_KEY")),
            (OperatorRole::Replay, "c", None),
            (OperatorRole::Quarantine, "a", None),
            (OperatorRole::Quarantine, "o", Some("HEADWATER_OPERATOR_KEY")),
            (OperatorRole::Status, "o", Some("HEADWATER_OPERATOR_KEY")),
            (OperatorRole::Inspect, "c", Some("HEADWATER_OPERATOR_KEYS.inspect[0]")),
            (OperatorRole::Inspect, "o", None),
        ] {
            assert_eq!(keys.find(role, Some(&key(sent))), name, "{role:?} {sent}");
            assert_eq!(keys.find(role, None), None);
        }
        assert!(
            keys.has(OperatorRole::Inspect)
                && !parse(Some(key("o")), "").0.has(OperatorRole::Inspect)
        );
        assert!(!format!("{keys:?}").contains("aaa"));
    }

    #[test]
    fn a_key_that_cannot_be_used_is_left_out_with_a_warning() {
        for (keys, warning) in [
            (
                "[]",
                "HEADWATER_OPERATOR_KEYS must be a JSON object of roles, each with its keys; until then there are no keys by role",
            ),
            (
                r#"{"replay":7}"#,
                "HEADWATER_OPERATOR_KEYS must have texts as keys; key 0 of \"replay\" is none",
            ),
            (
                r#"{"replay":"short"}"#,
                "HEADWATER_OPERATOR_KEYS must have keys of at least 32 characters; key 0 of \"replay\" is shorter, and is not used",
            ),
        ] {
            assert_eq!(parse(None, keys).1, [warning], "{keys}");
        }
        let unknown = format!(r#"{{"admin":"{}"}}"#, key("a"));
        let warning = "HEADWATER_OPERATOR_KEYS names the role \"admin\"; expected one of replay, quarantine, status, inspect";
        assert_eq!(parse(None, &unknown).1, [warning]);
        let short = parse(Some("short".to_owned()), "").1;
        assert!(
            short[0]
                .starts_with("HEADWATER_OPERATOR_KEY must have at least 32 characters; until then")
        );
    }
}
