//! Calls Durable Objects: shards, from a request or from another shard, and the inspector.

use futures_util::future::join_all;
use worker::Env;

use super::bindings;
use super::io::{self, ObjectAddress, ObjectError, ObjectValue};
use crate::config::Config;
use crate::model::placement::{ShardNumber, location_hint};
use crate::shard::protocol::batch_response::BatchResponse;
use crate::shard::protocol::error::ShardError;
use crate::shard::protocol::quota_lease::{LeaseGrant, LeaseRequest};
use crate::shard::quotas::ledger;

/// The calls that a shard accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShardMethod {
    /// Delivers a batch request.
    Batch,
    /// Returns the sessions of devices that now belong to another shard.
    ExportSessions,
    /// Grants events of a tenant's quota, in the tenant's home.
    LeaseQuota,
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
    const ALL: [Self; 9] = [
        Self::Batch,
        Self::ExportSessions,
        Self::LeaseQuota,
        Self::Status,
        Self::Quarantine,
        Self::DeleteQuarantined,
        Self::Withdraw,
        Self::Report,
        Self::Reports,
    ];

    /// The name by which it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::ExportSessions => "export_sessions",
            Self::LeaseQuota => "lease_quota",
            Self::Status => "status",
            Self::Quarantine => "quarantine",
            Self::DeleteQuarantined => "delete_quarantined",
            Self::Withdraw => "withdraw",
            Self::Report => "report",
            Self::Reports => "reports",
        }
    }

    /// Returns the method of this name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ShardCallError {
    /// The shard can't do it now.
    #[error(transparent)]
    Rejected(#[from] ShardError),
    /// The shard can't be reached; contains the reason.
    #[error("{0}")]
    Unreachable(String),
}

impl From<ObjectError> for ShardCallError {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Rejected(error) => ShardError::decode(&error).into(),
            ObjectError::Unreachable(why) => Self::Unreachable(why),
        }
    }
}

/// Delivers the batch request `body`, with `count` items, through a shard.
pub async fn batch(
    number: ShardNumber,
    body: Vec<u8>,
    count: usize,
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<BatchResponse, ShardCallError> {
    match of_shard(number, ShardMethod::Batch, body, milliseconds, env, config).await? {
        ObjectValue::Number(usual) => Ok(BatchResponse::of_number(usual, count)),
        ObjectValue::Bytes(bytes) => {
            BatchResponse::decode(&bytes, count).map_err(|error| ShardError::from(error).into())
        }
    }
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
    bytes(of_shard(number, question, body.to_vec(), milliseconds, env, config).await?)
}

async fn of_shard(
    number: ShardNumber,
    method: ShardMethod,
    body: Vec<u8>,
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<ObjectValue, ShardCallError> {
    let (name, hint) = (format!("shard-{number}"), location_hint(&config.aws.region));
    call("SHARD", &name, hint, method.name(), body, milliseconds, env).await
}

/// How long a tenant's home may take to answer, in milliseconds.
const QUOTA_MS: u64 = 2_000;

/// Asks the home of a tenant for events of its quota.
pub async fn lease_quota(
    request: &LeaseRequest,
    env: &Env,
    config: &Config,
) -> Result<LeaseGrant, ShardCallError> {
    let home = ledger::home_of(&request.tenant);
    let answer =
        shard(home, ShardMethod::LeaseQuota, &request.encode(), QUOTA_MS, env, config).await?;
    LeaseGrant::decode(&answer).map_err(|error| ShardError::from(error).into())
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
    bytes(call("SHARD", "reports", hint, question.name(), body.to_vec(), milliseconds, env).await?)
}

/// Calls the object of the inspector.
pub async fn inspector(
    method: &str,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
) -> Result<Vec<u8>, ShardCallError> {
    bytes(call("INSPECTOR", "inspector", None, method, body.to_vec(), milliseconds, env).await?)
}

/// Calls a method of the object `name` of the namespace `binding`.
async fn call(
    binding: &str,
    name: &str,
    location_hint: Option<&str>,
    method: &str,
    body: Vec<u8>,
    milliseconds: u64,
    env: &Env,
) -> Result<ObjectValue, ShardCallError> {
    let namespace = bindings::get(env, binding);
    let object = ObjectAddress { namespace: &namespace, name, location_hint };
    Ok(io::call(object, method, body, milliseconds).await?)
}

/// Returns the bytes of a method that returns no number.
fn bytes(value: ObjectValue) -> Result<Vec<u8>, ShardCallError> {
    match value {
        ObjectValue::Bytes(bytes) => Ok(bytes),
        ObjectValue::Number(number) => {
            Err(ShardError::Other(format!("it returned the number {number}")).into())
        }
    }
}
