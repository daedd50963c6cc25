//! Serves the snippet from `www`, with the headers that let a page of any site run it.

use std::rc::Rc;

use futures_util::future::try_join_all;
use worker::Env;

use super::error::ApiError;
use super::log::{self, Component};
use super::respond::{self, Reply};
use super::{bindings, io};
use crate::config::ConfigError;
use crate::ingest::error::IngestError;
use crate::model::tracker_path::{Script, ScriptAsset, ScriptVersion};

/// Answers a `GET` or `HEAD`; the runtime leaves out the body of a `HEAD`.
pub fn reply(
    built: &ScriptAsset,
    version: ScriptVersion<'_>,
    if_none_match: Option<&str>,
) -> Reply {
    let is_known = if_none_match.is_some_and(|tags| built.is_one_of(tags));
    let reply = respond::embeddable(Reply::new(if is_known { 304 } else { 200 }))
        .header("cache-control", built.cache_control(version))
        .header("etag", built.etag())
        .header("access-control-allow-origin", "*")
        .header("timing-allow-origin", "*")
        .header("x-content-type-options", "nosniff")
        .header("content-type", "text/javascript; charset=utf-8");
    match is_known {
        true => reply,
        false => reply.body(built.bytes.clone()),
    }
}

/// Returns a built script. Chunks are read together, since they share one hash.
pub async fn built(script: Script, env: &Env) -> Result<Rc<ScriptAsset>, ApiError> {
    let bound = bindings::bound(env);
    let known = || bound.scripts.borrow().get(&script).cloned();
    if let Some(built) = known() {
        return Ok(built);
    }
    let read: Vec<(Script, ScriptAsset)> = if script == Script::Core {
        vec![(script, ScriptAsset::core(bytes(script, env).await?))]
    } else {
        let all = try_join_all(Script::CHUNKS.map(|chunk| bytes(chunk, env))).await?;
        Script::CHUNKS.into_iter().zip(ScriptAsset::chunks(all)).collect()
    };
    let read = read.into_iter().map(|(script, built)| (script, Rc::new(built)));
    bound.scripts.borrow_mut().extend(read);
    known().ok_or(ApiError::NotFound)
}

async fn bytes(script: Script, env: &Env) -> Result<Vec<u8>, ApiError> {
    io::asset(env, script.file()).await.map_err(|error| {
        log::error(Component::Assets, format_args!("{} can't be read: {error}", script.file()));
        let problem = "must be www in wrangler.toml, with the snippet that scripts/build makes";
        ApiError::Ingest(IngestError::NotConfigured(vec![ConfigError {
            key: "ASSETS".to_owned(),
            problem: problem.to_owned(),
        }]))
    })
}
