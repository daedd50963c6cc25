//! What is counted outside of the log.

use wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::JsValue;
use worker::{Env, console_error};

use crate::shard::spill::Depth;

#[wasm_bindgen(module = "/src/edge/metrics.js")]
extern "C" {
    #[wasm_bindgen(catch, js_name = spillDepth)]
    fn spill_depth(env: &JsValue, shard: &str, stream: &str, depth: &[f64]) -> Result<(), JsValue>;
}

/// Counts how much of each stream waits in the spill of `shard`.
pub fn spill(env: &Env, shard: &str, depths: &[Depth]) {
    for Depth { stream, records, bytes, oldest_ms, set_aside, .. } in depths {
        let age_s = *oldest_ms as f64 / 1_000.0;
        let depth = [*records as f64, *bytes as f64, age_s, *set_aside as f64];
        if spill_depth(env, shard, &stream.to_string(), &depth).is_err() {
            console_error!("metrics: a point was not written");
        }
    }
}
