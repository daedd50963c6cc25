//! `/readyz`: whether events can be delivered, as far as is known without sending one.

use serde::Serialize;
use serde_json::{Value, json};
use worker::{Env, Response};

use super::ask::{self, NoAnswer, Question};
use super::{deliver, environment, respond};
use crate::config::Config;
use crate::outcome::Refusal;
use crate::shard;
use crate::sink::answer::Blame;
use crate::sink::health::Problem;

/// How long a shard may take to say how it is, in milliseconds.
const PATIENCE_MS: u64 = 3_000;

/// How a stream has been of late, in one isolate.
#[derive(Serialize)]
pub struct StreamState {
    stream: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    /// Whether an operator has to mend it.
    #[serde(skip_serializing_if = "is_false")]
    operator: bool,
    left_alone: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// How a shard is, and the streams as it finds them.
#[derive(Serialize)]
pub struct ShardState {
    held_bytes: usize,
    devices: usize,
    seen: usize,
    spill: Vec<SpillState>,
    unreadable: u64,
    streams: Vec<StreamState>,
}

/// What of a stream is spilled.
#[derive(Serialize)]
struct SpillState {
    stream: String,
    records: u64,
    bytes: u64,
    oldest_age_s: u64,
    /// Refused for good even as failed events, or garbled: kept, and not tried again.
    set_aside: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl ShardState {
    /// How the shard is whose status this is.
    pub fn of(status: shard::Status, config: &Config) -> Self {
        let spill = status.spill.into_iter().map(|depth| SpillState {
            stream: depth.stream.to_string(),
            records: depth.records,
            bytes: depth.bytes,
            oldest_age_s: depth.oldest_ms.div_ceil(1_000),
            set_aside: depth.set_aside,
            problem: depth.problem.map(|problem| problem.code().to_owned()),
        });
        Self {
            held_bytes: status.held_bytes,
            devices: status.devices,
            seen: status.seen,
            spill: spill.collect(),
            unreadable: status.unreadable,
            streams: streams(config),
        }
    }
}

/// The streams as this isolate finds them.
pub fn streams(config: &Config) -> Vec<StreamState> {
    let state = |stream| {
        let health = deliver::health(stream);
        let health = health.borrow();
        let problem = health.problem.as_ref();
        StreamState {
            stream: stream.to_string(),
            problem: problem.map(|problem| problem.code().to_owned()),
            operator: matches!(problem, Some(Problem::Refused(refusal)) if refusal.blame == Blame::Operator),
            left_alone: health.breaker.open_until().is_some(),
        }
    };
    config.streams().into_iter().map(state).collect()
}

/// How a shard is, by what it answered.
fn of_answer((number, answer): (usize, Result<Vec<u8>, NoAnswer>)) -> Value {
    match answer {
        Err(why) => json!({ "shard": number, "problem": why.to_string() }),
        Ok(bytes) => {
            let mut state: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            if let Some(state) = state.as_object_mut() {
                state.insert("shard".to_owned(), number.into());
            }
            state
        }
    }
}

/// The answer to `/readyz`.
pub async fn answer(env: &Env) -> worker::Result<Response> {
    let config = match environment::config(env) {
        Ok(config) => config,
        Err(Refusal::NotConfigured(errors)) => {
            let problems: Vec<String> = errors.iter().map(ToString::to_string).collect();
            return respond::json(503, &json!({ "ready": false, "problems": problems }));
        }
        Err(refusal) => {
            let problems = [refusal.to_string()];
            return respond::json(503, &json!({ "ready": false, "problems": problems }));
        }
    };
    let streams = streams(&config);
    let Some(sharding) = config.sharding() else {
        let ready = !streams.iter().any(|stream| stream.operator);
        let body = json!({ "ready": ready, "delivery": "direct", "streams": streams });
        return respond::json(if ready { 200 } else { 503 }, &body);
    };
    // What is spilled stays where it is when there are fewer shards.
    let count = sharding.count.max(sharding.former_count.unwrap_or(0));
    let asked = (0..count).map(|number| (number, Vec::new())).collect();
    let answers = ask::shards(asked, Question::Status, PATIENCE_MS, env, &config).await;
    let shards: Vec<Value> = answers.into_iter().enumerate().map(of_answer).collect();
    let spills = || shards.iter().filter_map(|shard| shard.get("spill")?.as_array()).flatten();
    let numbers = |key: &'static str| spills().filter_map(move |spill| spill.get(key)?.as_u64());
    let spill = json!({
        "records": numbers("records").sum::<u64>(),
        "bytes": numbers("bytes").sum::<u64>(),
        "oldest_age_s": numbers("oldest_age_s").max().unwrap_or_default(),
    });
    let is_operators = |stream: &Value| stream.get("operator") == Some(&Value::Bool(true));
    let of_shard = |shard: &Value| {
        let streams = shard.get("streams").and_then(Value::as_array);
        streams.is_none_or(|streams| streams.iter().any(is_operators))
    };
    let ready = !shards.iter().any(of_shard) && !streams.iter().any(|stream| stream.operator);
    let body = json!({
        "ready": ready, "delivery": "sharded", "spill": spill, "streams": streams, "shards": shards,
    });
    respond::json(if ready { 200 } else { 503 }, &body)
}
