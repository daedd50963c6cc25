//! `/readyz`: asks the isolate and the shards, and has [`crate::readiness`] say what that means.

use worker::{Env, Response};

use super::ask::{self, Question};
use super::environment::{get, now_ms, text};
use super::{deliver, environment, respond};
use crate::config::Config;
use crate::outcome::Refusal;
use crate::readiness::shard::{ShardState, ShardView};
use crate::readiness::stream::StreamState;
use crate::readiness::wording::Moment;
use crate::readiness::{Circumstances, Present, Readiness, Version};
use crate::shard::Status;
use crate::shard::spill::Depth;

/// How long a shard may take to say how it is, in milliseconds.
const PATIENCE_MS: u64 = 3_000;

/// How the shard is whose status this is, and the streams as its isolate finds them.
pub fn of_shard(status: Status, config: &Config) -> ShardState {
    let mut known = streams(config);
    // What waits for a stream of routes that only take what is left of a tenant, too.
    for Depth { stream, .. } in &status.spill {
        if config.names(stream) && !config.streams().contains(&stream) {
            known.push(StreamState::of(stream, &deliver::health(stream).borrow()));
        }
    }
    ShardState::of(status, known, now_ms())
}

/// The streams as this isolate finds them.
fn streams(config: &Config) -> Vec<StreamState> {
    let state = |stream| StreamState::of(stream, &deliver::health(stream).borrow());
    config.streams().into_iter().map(state).collect()
}

/// The answer to `/readyz`.
pub async fn answer(env: &Env) -> worker::Result<Response> {
    let readiness = readiness(env).await;
    respond::json(readiness.status(), &readiness)
}

async fn readiness(env: &Env) -> Readiness {
    let config = match environment::config(env) {
        Ok(config) => config,
        Err(Refusal::NotConfigured(errors)) => {
            let problems = errors.iter().map(ToString::to_string).collect();
            return Readiness::misconfigured(problems, circumstances(env));
        }
        Err(refusal) => {
            return Readiness::misconfigured(vec![refusal.to_string()], circumstances(env));
        }
    };
    let shards = match config.sharding() {
        None => Vec::new(),
        Some(sharding) => {
            let asked = sharding.numbers().map(|number| (number, Vec::new())).collect();
            let answers = ask::shards(asked, Question::Status, PATIENCE_MS, env, &config).await;
            let view = |(number, answer): (_, Result<_, ask::NoAnswer>)| {
                ShardView::of(number, answer.map_err(|why| why.to_string()))
            };
            sharding.numbers().zip(answers).map(view).collect()
        }
    };
    Readiness::of(&config, streams(&config), shards, circumstances(env))
}

fn circumstances(env: &Env) -> Circumstances {
    let version = get(env, "CF_VERSION_METADATA");
    let is_bound = |name| get(env, name).is_object();
    let is_set = |name| text(env, name).is_some();
    Circumstances {
        now: Moment(now_ms()),
        version: Version::of(text(&version, "id"), text(&version, "timestamp")),
        present: Present {
            shard: is_bound("SHARD"),
            metrics: is_bound("METRICS"),
            assets: is_bound("ASSETS"),
            aws_session_token: is_set("AWS_SESSION_TOKEN"),
            headwater_secret: is_set("HEADWATER_SECRET"),
            headwater_replay_key: is_set("HEADWATER_REPLAY_KEY"),
            headwater_inspect_token: is_set("HEADWATER_INSPECT_TOKEN"),
        },
    }
}
