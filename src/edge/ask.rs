//! Asks a shard, from the edge or from another shard.

use js_sys::futures::JsFuture;
use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};

use crate::config::Config;
use crate::shard::placement::{ShardNumber, location_hint};

#[wasm_bindgen(module = "/src/edge/ask.js")]
extern "C" {
    #[wasm_bindgen(catch)]
    fn ask(
        namespace: &JsValue,
        name: &str,
        location_hint: Option<&str>,
        path: &str,
        body: &[u8],
        milliseconds: f64,
    ) -> Result<Promise, JsValue>;
}

/// What a shard can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// To take a parcel.
    Parcel,
    /// What it knows of devices that are another's now.
    Handover,
    /// How it is.
    Status,
}

impl Question {
    /// The address of the question in a shard.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Parcel => "/parcel",
            Self::Handover => "/handover",
            Self::Status => "/status",
        }
    }
}

/// The answer of a shard, or why there is none.
pub async fn shard(
    number: ShardNumber,
    question: Question,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, String> {
    let namespace = Reflect::get(env, &JsValue::from_str("SHARD")).unwrap_or(JsValue::UNDEFINED);
    let name = format!("shard-{number}");
    let hint = location_hint(&config.aws.region);
    let answer = ask(&namespace, &name, hint, question.path(), body, milliseconds as f64);
    let answered: Array =
        JsFuture::from(answer.map_err(thrown)?).await.map_err(thrown)?.unchecked_into();
    let body = answered.get(1).dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default();
    match answered.get(0).as_f64() {
        Some(200.0) => Ok(body),
        _ => Err(String::from_utf8_lossy(&body).into_owned()),
    }
}

/// What was thrown, in words.
fn thrown(error: JsValue) -> String {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    message.unwrap_or_else(|| "no answer in time".to_owned())
}
