//! Points of Analytics Engine, and the log lines of requests.

use js_sys::Math;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;
use worker::{Env, console_log};

use super::bindings::bound;
use super::log::{self, Component};
use crate::config::STORE;
use crate::config::log_sampling::LogSampling;
use crate::config::operator_keys::OperatorRole;
use crate::ingest::summary::RequestSummary;
use crate::model::protocol::Protocol;
use crate::shard::spill::BacklogStats;

#[wasm_bindgen(module = "/src/runtime/js/metrics.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = writePoint)]
    fn write_point(env: &JsValue, index: &str, texts: &str, numbers: &[f64])
    -> Result<(), JsValue>;
}

/// The most bytes of an index.
/// Source: <https://developers.cloudflare.com/analytics/analytics-engine/limits/>
const MAX_INDEX_BYTES: usize = 96;

/// Writes the point of a request, and its log line if it is sampled.
pub fn request(env: &Env, summary: &RequestSummary<'_>, shares: &LogSampling) {
    if bound(env).has_metrics {
        point(env, summary.tenant.unwrap_or_default(), &summary.texts(), &summary.numbers());
    }
    if shares.is_logged(summary, Math::random)
        && let Ok(line) = serde_json::to_string(summary)
    {
        console_log!("{line}");
    }
}

/// Writes a point of a request that was also sent to another collector, and the status of its
/// answer; zero if there was none.
pub fn tee(env: &Env, protocol: Protocol, status: Option<u16>) {
    if bound(env).has_metrics {
        let status = f64::from(status.unwrap_or_default());
        point(env, protocol.name(), &["tee", protocol.name()], &[status]);
    }
    if status.is_none_or(|status| status >= 400) {
        let status = status.map_or_else(|| "nothing".to_owned(), |status| status.to_string());
        log::warning(Component::Runtime, format!("the tee of {protocol} answered {status}"));
    }
}

/// Writes a point of a request with an operator's key, which `role` allows or not. Unlike the log,
/// points are not sampled until there are many.
pub fn operator(env: &Env, role: OperatorRole, method: &str, is_allowed: bool) {
    if bound(env).has_metrics {
        let result = if is_allowed { "allowed" } else { "refused" };
        point(env, role.name(), &["operator", role.name(), method, result], &[1.0]);
    }
}

/// Writes a point of a failed read of the key-value store.
pub fn tenants(env: &Env, why: &str) {
    if bound(env).has_metrics {
        point(env, STORE, &["tenants", why], &[1.0]);
    }
}

/// Writes a point for each stream of the spill of `shard`.
pub fn spill(env: &Env, shard: &str, depths: &[BacklogStats]) {
    if !bound(env).has_metrics {
        return;
    }
    for BacklogStats { stream, records, bytes, oldest_ms, quarantined, .. } in depths {
        let stream = stream.to_string();
        let age_s = *oldest_ms as f64 / 1_000.0;
        let numbers = [*records as f64, *bytes as f64, age_s, *quarantined as f64];
        // A Kinesis stream may have a longer name.
        let index = stream.get(..MAX_INDEX_BYTES).unwrap_or(&stream);
        point(env, index, &["spill", &stream, shard], &numbers);
    }
}

/// Writes a point. No text may contain a line break.
fn point(env: &Env, index: &str, texts: &[impl AsRef<str>], numbers: &[f64]) {
    let texts = texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join("\n");
    if write_point(env, index, &texts, numbers).is_err() {
        log::error(Component::Metrics, "a point was not written");
    }
}
