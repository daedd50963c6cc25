//! The isolate's surroundings: the configuration, the clock, randomness.

use std::cell::OnceCell;
use std::rc::Rc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use worker::Env;
use worker::wasm_bindgen::JsValue;

use super::log::{self, Part};
use crate::config::{Binding, Config, ConfigError, Settings};
use crate::outcome::Refusal;

thread_local! {
    /// The variables of an isolate never change: a new value is a new deployment.
    static CONFIG: OnceCell<Result<Rc<Config>, Vec<ConfigError>>> = const { OnceCell::new() };
}

/// The configuration, or the mistakes in it, which are logged when first met.
pub fn config(env: &Env) -> Result<Rc<Config>, Refusal> {
    CONFIG.with(|config| {
        let parsed = config.get_or_init(|| {
            Config::parse(settings(env)).map(Rc::new).inspect_err(|errors| {
                errors.iter().for_each(|error| log::error(Part::Configuration, error));
            })
        });
        parsed.clone().map_err(Refusal::NotConfigured)
    })
}

/// What `object` has at `key`; undefined where that is nothing.
pub fn get(object: &JsValue, key: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED)
}

/// The text that `object` has at `key`. A secret that is set to nothing is not set.
pub fn text(object: &JsValue, key: &str) -> Option<String> {
    get(object, key).as_string().filter(|text| !text.is_empty())
}

fn settings(env: &Env) -> Settings {
    let get = |key| get(env, key);
    let text = |key| text(env, key);
    Settings {
        headwater: json(&get("HEADWATER")),
        secret: text("HEADWATER_SECRET"),
        replay_key: text("HEADWATER_REPLAY_KEY"),
        inspect_token: text("HEADWATER_INSPECT_TOKEN"),
        region: text("AWS_REGION"),
        access_key_id: text("AWS_ACCESS_KEY_ID"),
        secret_access_key: text("AWS_SECRET_ACCESS_KEY"),
        session_token: text("AWS_SESSION_TOKEN"),
        endpoint_url: text("AWS_ENDPOINT_URL"),
        endpoint_url_firehose: text("AWS_ENDPOINT_URL_FIREHOSE"),
        endpoint_url_kinesis: text("AWS_ENDPOINT_URL_KINESIS"),
        shard: binding(&get("SHARD")),
        inspector: binding(&get("INSPECTOR")),
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

/// The edge's clock, in whole milliseconds. It stands still between two awaits.
pub fn now() -> DateTime<Utc> {
    let milliseconds = js_sys::Date::now() as i64;
    DateTime::from_timestamp_millis(milliseconds).unwrap_or(DateTime::UNIX_EPOCH)
}

/// The same, as the state machines count it.
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Random bytes from the runtime's cryptographic source.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // The runtime always has this source; without it ids would still differ by their time.
    if getrandom::fill(&mut bytes).is_err() {
        log::error(Part::Runtime, "no random bytes were given");
    }
    bytes
}
