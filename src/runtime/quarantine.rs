//! `/_/quarantine`: reads and deletes quarantined records, and quarantines the records stored for a
//! stream that no route names any more. Requires the operator's key.

use worker::Env;

use super::error::ApiError;
use super::log::{self, Component};
use super::operator::allows;
use super::request::{Method, RequestHead};
use super::shard_client::{ShardCallError, ShardMethod};
use super::{bindings, shard_client};
use crate::config::Config;
use crate::config::operator_keys::OperatorRole;
use crate::ingest::error::IngestError;
use crate::model::replay::ReplayError;
use crate::model::shard_address::ShardAddress;
use crate::model::stream::Stream;
use crate::shard::protocol::error::ShardError;
use crate::shard::protocol::quarantine::{
    InvalidQuarantineId, QuarantineId, QuarantineRow, UnknownStream, stream_of_query,
};
use crate::shard::spill::Spill;

/// How long a shard may take, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

/// The answer to an operator's request.
pub enum QuarantineAnswer {
    /// There is no row, or no further one.
    Nothing,
    /// A row and its name.
    Row(QuarantineId, Vec<u8>),
    /// More records are still to be quarantined.
    More,
}

/// `GET ?after=ID` returns the next quarantined row, and `stream` restricts it to one stream.
/// `DELETE ?row=ID` deletes one. `POST ?stream=NAME` quarantines the records stored for a stream
/// that no route names any more.
pub async fn serve(head: &RequestHead, env: &Env) -> Result<QuarantineAnswer, ApiError> {
    let config = bindings::config(env)?;
    if !allows(OperatorRole::Quarantine, head, &config, env) {
        return Err(IngestError::Replay(ReplayError::NotAllowed).into());
    }
    let stream = stream_of_query(&head.query)?;
    match (head.method, stream) {
        (Method::Get, stream) => {
            let after = QuarantineId::of_query(&head.query, "after")?;
            next_after(after, stream, &config, env).await
        }
        (Method::Delete, _) => {
            let missing = || InvalidQuarantineId { parameter: "row", value: String::new() };
            let row = QuarantineId::of_query(&head.query, "row")?.ok_or_else(missing)?;
            position_of(&row, "row", &shards(&config, env))?;
            ask(row.shard, ShardMethod::DeleteQuarantined, &row.key, &config, env).await?;
            Ok(QuarantineAnswer::Nothing)
        }
        (Method::Post, stream) => {
            withdraw(stream.ok_or(UnknownStream::Missing)?, &config, env).await
        }
        _ => Err(ApiError::MethodNotAllowed("GET, DELETE, POST")),
    }
}

/// Quarantines the records stored for `stream`, up to the limit of each shard.
async fn withdraw(
    stream: Stream,
    config: &Config,
    env: &Env,
) -> Result<QuarantineAnswer, ApiError> {
    if config.names(&stream) {
        return Err(UnknownStream::InUse(stream).into());
    }
    // All at once, so that one shard's attempt does not wait for another's.
    let (asked, name) = (shards(config, env), stream.to_string());
    let method = ShardMethod::Withdraw;
    let answers =
        shard_client::shards(asked.clone(), method, name.as_bytes(), PATIENCE_MS, env, config);
    let (mut is_sent, mut has_more) = (false, false);
    for (shard, answer) in asked.into_iter().zip(answers.await) {
        match answer {
            Ok(more) => has_more |= more == [1],
            Err(ShardCallError::Rejected(ShardError::InDelivery(_))) => is_sent = true,
            Err(why) => return Err(away(shard, &why.to_string())),
        }
    }
    match (is_sent, has_more) {
        (true, _) => Err(ApiError::StreamInDelivery(stream)),
        (false, true) => Ok(QuarantineAnswer::More),
        (false, false) => Ok(QuarantineAnswer::Nothing),
    }
}

/// Returns the first row after `after`, in the order of the shards, of `stream` alone if it is
/// given.
async fn next_after(
    after: Option<QuarantineId>,
    stream: Option<Stream>,
    config: &Config,
    env: &Env,
) -> Result<QuarantineAnswer, ApiError> {
    let first = stream.map(|stream| Spill::quarantine_prefix(&stream)).unwrap_or_default();
    let shards = shards(config, env);
    let position = after.as_ref().map(|after| position_of(after, "after", &shards)).transpose()?;
    let key = after.map(|after| after.key);
    let mut after_key = key.unwrap_or_default().max(first.clone());
    for shard in shards.into_iter().skip(position.unwrap_or_default()) {
        let bytes = ask(shard, ShardMethod::Quarantine, &after_key, config, env).await?;
        let row = QuarantineRow::decode(&bytes).map_err(|error| away(shard, &error.to_string()))?;
        if let Some(QuarantineRow { key, lines }) = row.filter(|row| row.key.starts_with(&first)) {
            return Ok(QuarantineAnswer::Row(QuarantineId { shard, key }, lines));
        }
        after_key = first.clone();
    }
    Ok(QuarantineAnswer::Nothing)
}

/// Returns the position of an id's shard, which may be one that is not configured any more.
fn position_of(
    id: &QuarantineId,
    parameter: &'static str,
    shards: &[ShardAddress],
) -> Result<usize, InvalidQuarantineId> {
    let position = shards.iter().position(|shard| *shard == id.shard);
    position.ok_or_else(|| InvalidQuarantineId { parameter, value: id.to_string() })
}

/// The shards that can be called. In direct delivery they may still have quarantined records.
fn shards(config: &Config, env: &Env) -> Vec<ShardAddress> {
    match bindings::get(env, "SHARD").is_object() {
        true => config.shard_config().addresses(),
        false => Vec::new(),
    }
}

async fn ask(
    shard: ShardAddress,
    question: ShardMethod,
    body: &[u8],
    config: &Config,
    env: &Env,
) -> Result<Vec<u8>, ApiError> {
    let answer = shard_client::shard(shard, question, body, PATIENCE_MS, env, config).await;
    answer.map_err(|why| away(shard, &why.to_string()))
}

fn away(shard: ShardAddress, why: &str) -> ApiError {
    log::error(Component::Shard, format_args!("cannot read the quarantine of {shard}: {why}"));
    ApiError::ShardUnavailable(shard)
}
