//! The variables and secrets of the worker, in wrangler.toml and in .dev.vars.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value, json};
use toml::Table;

use crate::base::secret::Secret;
use crate::config::{RawConfig, renamed_words};
use crate::ops::bindings::is_near;

/// The secrets, which must not be in wrangler.toml.
pub const SECRETS: [&str; 8] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "HEADWATER_HASH_SECRET",
    "HEADWATER_OPERATOR_KEY",
    "HEADWATER_OPERATOR_KEYS",
    "HEADWATER_INSPECT_TOKEN",
    "HEADWATER_SERVER_KEYS",
];

pub const VARIABLES: [&str; 5] = [
    "AWS_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_FIREHOSE",
    "AWS_ENDPOINT_URL_KINESIS",
    "HEADWATER",
];

/// The variables and secrets that wrangler.toml does not contain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LocalVariables {
    /// Those of the deployed worker: each secret counts as stored with it, where only wrangler can
    /// look.
    Stored,
    /// Those of .dev.vars, which override those of wrangler.toml. No other secret is set.
    DevVars(BTreeMap<String, String>),
}

impl LocalVariables {
    pub fn get(&self, key: &str) -> Option<&String> {
        match self {
            Self::Stored => None,
            Self::DevVars(variables) => variables.get(key),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        let variables = match self {
            Self::Stored => None,
            Self::DevVars(variables) => Some(variables.keys()),
        };
        variables.into_iter().flatten()
    }
}

/// Returns the settings as the worker would read them from its environment, without its bindings.
pub fn settings(vars: &Table, local: &LocalVariables) -> RawConfig {
    let text = |key: &str| {
        let of_file = || vars.get(key).and_then(toml::Value::as_str).map(str::to_owned);
        local.get(key).cloned().or_else(of_file).filter(|text| !text.is_empty())
    };
    let stored = |key: &str| match local {
        LocalVariables::Stored => Some(text(key).unwrap_or_else(|| "x".repeat(Secret::MIN_CHARS))),
        LocalVariables::DevVars(_) => text(key),
    };
    let headwater = local.get("HEADWATER").map(|text| Value::String(text.clone()));
    RawConfig {
        headwater: headwater.or_else(|| vars.get("HEADWATER").map(to_json)),
        region: text("AWS_REGION"),
        access_key_id: stored("AWS_ACCESS_KEY_ID"),
        secret_access_key: stored("AWS_SECRET_ACCESS_KEY"),
        secret: stored("HEADWATER_HASH_SECRET"),
        operator_key: text("HEADWATER_OPERATOR_KEY"),
        operator_keys: text("HEADWATER_OPERATOR_KEYS"),
        inspect_token: text("HEADWATER_INSPECT_TOKEN"),
        server_keys: text("HEADWATER_SERVER_KEYS"),
        session_token: text("AWS_SESSION_TOKEN"),
        endpoint_url: text("AWS_ENDPOINT_URL"),
        endpoint_url_firehose: text("AWS_ENDPOINT_URL_FIREHOSE"),
        endpoint_url_kinesis: text("AWS_ENDPOINT_URL_KINESIS"),
        old_secrets: renamed_words::SECRETS
            .into_iter()
            .map(|(old, _)| old)
            .filter(|old| text(old).is_some())
            .collect(),
        ..RawConfig::default()
    }
}

/// Returns a warning about a variable of wrangler.toml, if it is a secret.
pub fn misplaced(key: &str) -> Option<String> {
    SECRETS.contains(&key).then(|| format!(
        "{key} is a secret and stands in wrangler.toml; remove it there, and npx wrangler secret put {key}"
    ))
}

/// Returns a warning about a variable of this name, if it is unknown but looks like ours.
pub fn unknown_variable(key: &str) -> Option<String> {
    let known = || VARIABLES.into_iter().chain(SECRETS);
    if known().any(|known| known == key) {
        return None;
    }
    if let Some(meant) = known().find(|known| is_near(known, key)) {
        return Some(format!("{key} is an unknown variable; did you mean {meant}?"));
    }
    if renamed_words::secret(key).is_some() {
        // The parser warns about it.
        return None;
    }
    let is_like_ours = key.starts_with("HEADWATER") || key.starts_with("AWS_");
    is_like_ours.then(|| {
        let known = known().collect::<Vec<_>>().join(", ");
        format!("{key} is an unknown variable; expected one of {known}")
    })
}

/// Parses `text`, the content of .dev.vars.
pub fn dev_vars(text: &str) -> BTreeMap<String, String> {
    let variable = |line: &str| {
        let line = line.trim().strip_prefix("export ").unwrap_or(line.trim());
        let (name, value) = line.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.starts_with('#') {
            return None;
        }
        let quoted = ['\'', '"', '`'].into_iter().find_map(|quote| {
            let (inner, _) = value.strip_prefix(quote)?.rsplit_once(quote)?;
            Some(inner)
        });
        let plain = || value.split_once('#').map_or(value, |(value, _)| value).trim();
        Some((name.to_owned(), quoted.unwrap_or_else(plain).to_owned()))
    };
    text.lines().filter_map(variable).collect()
}

/// Converts a value as wrangler does: JavaScript has only one kind of number.
pub fn to_json(value: &toml::Value) -> Value {
    match value {
        toml::Value::String(text) => json!(text),
        toml::Value::Integer(number) => json!(number),
        toml::Value::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
            json!(*number as i64)
        }
        toml::Value::Float(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        toml::Value::Boolean(is_so) => json!(is_so),
        toml::Value::Datetime(moment) => json!(moment.to_string()),
        toml::Value::Array(items) => items.iter().map(to_json).collect(),
        toml::Value::Table(members) => {
            let members = members.iter().map(|(key, value)| (key.clone(), to_json(value)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}
