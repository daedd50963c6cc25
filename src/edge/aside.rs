//! `/_/set-aside`: gives the operator what the shards have set aside, row by row, and has them
//! let go of a row.

use std::ops::Range;

use worker::Env;

use super::ask::{self, Question};
use super::environment;
use super::log::{self, Part};
use super::request::{Head, Method};
use crate::config::Config;
use crate::outcome::Refusal;
use crate::replay::ReplayError;
use crate::shard::aside::{NoSuchName, Row, RowName};
use crate::shard::placement::ShardNumber;

/// How long a shard may take, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// Tells who bears the operator's key of the row that comes after the one that `after` names, if
/// there is one, at `GET`; and lets go of the one that `row` names at `DELETE`.
pub async fn told(head: &Head, env: &Env) -> Result<Option<(RowName, Vec<u8>)>, Refusal> {
    let config = environment::config(env)?;
    match (&config.replay_key, &head.bearer) {
        (Some(key), Some(borne)) if key.is(borne) => {}
        _ => return Err(Refusal::Replay(ReplayError::NotAllowed)),
    }
    match head.method {
        Method::Get => {
            let after = RowName::of_query(&head.query, "after")?.unwrap_or_default();
            next_after(after, &config, env).await
        }
        Method::Delete => {
            let missing = || NoSuchName { parameter: "row", value: String::new() };
            let row = RowName::of_query(&head.query, "row")?.ok_or_else(missing)?;
            if !shards(&config, env).contains(&row.shard) {
                return Err(NoSuchName { parameter: "row", value: row.to_string() }.into());
            }
            ask(row.shard, Question::Forget, &row.key, &config, env).await?;
            Ok(None)
        }
        _ => Err(Refusal::MethodNotAllowed("GET, DELETE")),
    }
}

/// The first row after that with the name `after`, in the order of the shards.
async fn next_after(
    after: RowName,
    config: &Config,
    env: &Env,
) -> Result<Option<(RowName, Vec<u8>)>, Refusal> {
    let mut after_key = after.key;
    for shard in shards(config, env) {
        if shard < after.shard {
            continue;
        }
        let bytes = ask(shard, Question::SetAside, &after_key, config, env).await?;
        let row = Row::decode(&bytes).map_err(|error| away(shard, &error.to_string()))?;
        if let Some(Row { key, lines }) = row {
            return Ok(Some((RowName { shard, key }, lines)));
        }
        after_key = Vec::new();
    }
    Ok(None)
}

/// Those that can be asked: in direct delivery too they have what was set aside before.
fn shards(config: &Config, env: &Env) -> Range<ShardNumber> {
    match environment::get(env, "SHARD").is_object() {
        true => config.shards().numbers(),
        false => 0..0,
    }
}

async fn ask(
    shard: ShardNumber,
    question: Question,
    body: &[u8],
    config: &Config,
    env: &Env,
) -> Result<Vec<u8>, Refusal> {
    let answer = ask::shard(shard, question, body, PATIENCE_MS, env, config).await;
    answer.map_err(|why| away(shard, &why.to_string()))
}

fn away(shard: ShardNumber, why: &str) -> Refusal {
    log::error(Part::Shard, format_args!("{shard} was asked for what is set aside: {why}"));
    Refusal::ShardAway(shard)
}
