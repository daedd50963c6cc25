//! Calls Durable Objects: shards, from a request or from another shard, and the inspector.

use futures_util::future::join_all;
use js_sys::futures::JsFuture;
use js_sys::{Array, Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};

use super::bindings;
use crate::config::Config;
use crate::model::placement::{ShardNumber, location_hint};
use crate::shard::protocol::error::ShardError;

#[wasm_bindgen(module = "/src/runtime/js/durable_object.js")]
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

/// The calls that a shard accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardMethod {
    /// Delivers a batch request.
    Batch,
    /// Returns the sessions of devices that now belong to another shard.
    ExportSessions,
    Status,
    /// Returns the next quarantined row.
    Quarantine,
    /// Deletes a quarantined row.
    DeleteQuarantined,
    /// Quarantines the records stored for a stream.
    Withdraw,
    /// Stores a shard's report, in the object for reports.
    Report,
    /// Returns all reports, from the same object.
    Reports,
}

impl ShardMethod {
    /// The path of the call.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Batch => "/batch",
            Self::ExportSessions => "/export-sessions",
            Self::Status => "/status",
            Self::Quarantine => "/quarantine",
            Self::DeleteQuarantined => "/forget",
            Self::Withdraw => "/withdraw",
            Self::Report => "/report",
            Self::Reports => "/reports",
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ShardCallError {
    /// The shard can't do it now.
    #[error(transparent)]
    Rejected(#[from] ShardError),
    /// The shard can't be reached; contains the reason.
    #[error("{0}")]
    Unreachable(String),
}

/// Calls several shards concurrently. Returns their answers in the same order.
pub async fn shards(
    asked: Vec<(ShardNumber, Vec<u8>)>,
    question: ShardMethod,
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Vec<Result<Vec<u8>, ShardCallError>> {
    join_all(asked.into_iter().map(async |(number, body)| {
        shard(number, question, &body, milliseconds, env, config).await
    }))
    .await
}

pub async fn shard(
    number: ShardNumber,
    question: ShardMethod,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    let name = format!("shard-{number}");
    let hint = location_hint(&config.aws.region);
    object("SHARD", &name, hint, question.path(), body, milliseconds, env).await
}

/// Calls the object for reports. It has the class of the shards, but is none.
pub async fn reports(
    question: ShardMethod,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    let hint = location_hint(&config.aws.region);
    object("SHARD", "reports", hint, question.path(), body, milliseconds, env).await
}

/// Calls the object `name` of the namespace `binding`.
pub async fn object(
    binding: &str,
    name: &str,
    location_hint: Option<&str>,
    path: &str,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
) -> Result<Vec<u8>, ShardCallError> {
    let namespace = bindings::get(env, binding);
    let answer = ask(&namespace, name, location_hint, path, body, milliseconds as f64);
    let answered: Array =
        JsFuture::from(answer.map_err(thrown)?).await.map_err(thrown)?.unchecked_into();
    let body = answered.get(1).dyn_ref::<Uint8Array>().map(Uint8Array::to_vec).unwrap_or_default();
    match answered.get(0).as_f64() {
        Some(200.0) => Ok(body),
        _ => Err(ShardError::decode(&body).into()),
    }
}

/// The message of a thrown value.
fn thrown(error: JsValue) -> ShardCallError {
    let message = error.dyn_ref::<js_sys::Error>().map(|error| String::from(error.message()));
    ShardCallError::Unreachable(message.unwrap_or_else(|| "no answer in time".to_owned()))
}
