//! Reads files of `www`.

use js_sys::futures::JsFuture;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;
use worker::wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen(module = "/src/runtime/js/assets.js")]
extern "C" {
    #[wasm_bindgen(js_name = read)]
    fn read_asset(env: &JsValue, path: &str) -> Promise;
}

/// Reads the file at `path`. The error is the runtime's, if there is no such file or `ASSETS` is
/// not bound.
pub async fn read(path: &str, env: &Env) -> Result<Vec<u8>, JsValue> {
    let bytes = JsFuture::from(read_asset(env, path)).await?;
    Ok(bytes.unchecked_into::<Uint8Array>().to_vec())
}
