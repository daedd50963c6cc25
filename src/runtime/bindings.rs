//! The isolate's environment: the configuration, the clock and randomness.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::log::{self, Component};
use super::tenant_store::TenantStore;
use crate::config::{Binding, Config, ConfigError, RawConfig, STORE, renamed_words};
use crate::ingest::error::IngestError;
use crate::model::tracker_path::{Script, ScriptAsset};
use crate::schema;

#[wasm_bindgen(module = "/src/runtime/js/catalogue.js")]
extern "C" {
    fn catalogue() -> Vec<u8>;
}

#[wasm_bindgen(module = "/src/runtime/js/bindings.js")]
extern "C" {
    #[wasm_bindgen(js_name = envChanged)]
    fn env_changed(env: &JsValue) -> bool;
}

thread_local! {
    static BOUND: RefCell<Option<Rc<Bindings>>> = const { RefCell::new(None) };
}

/// The bindings of the worker, read once for all requests with the same bindings.
pub struct Bindings {
    config: Result<Rc<Config>, Vec<ConfigError>>,
    /// Whether `METRICS` is bound, the dataset of Analytics Engine.
    pub has_metrics: bool,
    /// `RATE_LIMIT`, the platform's rate limiter, if it is bound.
    pub rate_limiter: Option<JsValue>,
    /// `TENANTS`, if it is bound, and what is known of it.
    pub tenants: Option<TenantStore>,
    /// The scripts that were read from `ASSETS` so far.
    pub scripts: RefCell<BTreeMap<Script, Rc<ScriptAsset>>>,
}

/// Returns the bindings of `env`, and reads them if they have changed.
pub fn bound(env: &Env) -> Rc<Bindings> {
    let changed = env_changed(env);
    let known = BOUND.with_borrow(|known| known.as_ref().filter(|_| !changed).cloned());
    known.unwrap_or_else(|| {
        let bound = Rc::new(Bindings {
            config: loaded().and_then(|()| Config::parse(settings(env)).map(Rc::new)),
            has_metrics: get(env, "METRICS").is_object(),
            rate_limiter: Some(get(env, "RATE_LIMIT")).filter(JsValue::is_object),
            tenants: Some(get(env, STORE)).filter(JsValue::is_object).map(TenantStore::new),
            scripts: RefCell::default(),
        });
        match &bound.config {
            Ok(config) => {
                config
                    .warnings
                    .iter()
                    .for_each(|what| log::warning(Component::Configuration, what));
            }
            Err(errors) => {
                errors.iter().for_each(|error| log::error(Component::Configuration, error))
            }
        }
        BOUND.replace(Some(Rc::clone(&bound)));
        bound
    })
}

/// Loads the catalogue of schemas, without which no event can be validated.
fn loaded() -> Result<(), Vec<ConfigError>> {
    schema::load(catalogue).map_err(|error| {
        vec![ConfigError { key: "build/catalogue.bin".to_owned(), problem: error.to_string() }]
    })
}

/// Returns the configuration, or its errors, which are logged when it is read.
pub fn config(env: &Env) -> Result<Rc<Config>, IngestError> {
    bound(env).config.clone().map_err(IngestError::NotConfigured)
}

/// Returns the value of `object` at `key`; undefined if there is none.
pub fn get(object: &JsValue, key: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED)
}

/// Returns the text of `object` at `key`, unless it is empty: an empty secret is not set.
pub fn text(object: &JsValue, key: &str) -> Option<String> {
    get(object, key).as_string().filter(|text| !text.is_empty())
}

fn settings(env: &Env) -> RawConfig {
    let get = |key| get(env, key);
    let text = |key| text(env, key);
    RawConfig {
        headwater: json(&get("HEADWATER")),
        secret: text("HEADWATER_HASH_SECRET"),
        operator_key: text("HEADWATER_OPERATOR_KEY"),
        operator_keys: text("HEADWATER_OPERATOR_KEYS"),
        inspect_token: text("HEADWATER_INSPECT_TOKEN"),
        server_keys: text("HEADWATER_SERVER_KEYS"),
        region: text("AWS_REGION"),
        access_key_id: text("AWS_ACCESS_KEY_ID"),
        secret_access_key: text("AWS_SECRET_ACCESS_KEY"),
        session_token: text("AWS_SESSION_TOKEN"),
        endpoint_url: text("AWS_ENDPOINT_URL"),
        endpoint_url_firehose: text("AWS_ENDPOINT_URL_FIREHOSE"),
        endpoint_url_kinesis: text("AWS_ENDPOINT_URL_KINESIS"),
        shard: binding(&get("SHARD")),
        inspector: binding(&get("INSPECTOR")),
        tenants: binding(&get(STORE)),
        old_secrets: renamed_words::SECRETS
            .into_iter()
            .map(|(old, _)| old)
            .filter(|old| text(old).is_some())
            .collect(),
    }
}

fn binding(value: &JsValue) -> Binding {
    match value.is_object() {
        true => Binding::Present,
        false => Binding::Absent,
    }
}

fn json(value: &JsValue) -> Option<Value> {
    if value.is_undefined() {
        return None;
    }
    let text = js_sys::JSON::stringify(value).ok()?.as_string()?;
    serde_json::from_str(&text).ok()
}

/// The runtime's clock, in whole milliseconds. It stands still between two awaits.
pub fn now() -> DateTime<Utc> {
    let milliseconds = js_sys::Date::now() as i64;
    DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Like [`now`], in milliseconds since the epoch.
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The runtime always has this source. Without it, ids would still differ by their time.
    if getrandom::fill(&mut bytes).is_err() {
        log::error(Component::Runtime, "no random bytes were given");
    }
    bytes
}
