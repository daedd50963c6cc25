//! Calls Durable Objects: shards, from a request or from another shard, and the inspector.

use futures_util::future::join_all;
use worker::Env;

use super::bindings;
use super::io::{self, ObjectAddress, ObjectError, ObjectValue};
use crate::config::Config;
use crate::model::placement::{ShardNumber, location_hint};
use crate::model::shard_address::{Jurisdiction, ShardAddress};
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
    /// Returns the count of a tenant, whose home is in another jurisdiction now.
    HandOverQuota,
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
    const ALL: [Self; 10] = [
        Self::Batch,
        Self::ExportSessions,
        Self::LeaseQuota,
        Self::HandOverQuota,
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
            Self::HandOverQuota => "hand_over_quota",
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
    let shard = ShardAddress { number, jurisdiction: config.shard_config().jurisdiction };
    match of_shard(shard, ShardMethod::Batch, body, milliseconds, env, config).await? {
        ObjectValue::Number(usual) => Ok(BatchResponse::of_number(usual, count)),
        ObjectValue::Bytes(bytes) => {
            BatchResponse::decode(&bytes, count).map_err(|error| ShardError::from(error).into())
        }
    }
}

/// Asks several shards the same, concurrently. Returns their answers in the same order.
pub async fn shards(
    asked: Vec<ShardAddress>,
    question: ShardMethod,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Vec<Result<Vec<u8>, ShardCallError>> {
    join_all(
        asked
            .into_iter()
            .map(async |address| shard(address, question, body, milliseconds, env, config).await),
    )
    .await
}

pub async fn shard(
    address: ShardAddress,
    question: ShardMethod,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    bytes(of_shard(address, question, body.to_vec(), milliseconds, env, config).await?)
}

async fn of_shard(
    address: ShardAddress,
    method: ShardMethod,
    body: Vec<u8>,
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<ObjectValue, ShardCallError> {
    let object = (address.jurisdiction, address.object_name());
    call("SHARD", object, Some(config), method.name(), body, milliseconds, env).await
}

/// How long a tenant's home may take to answer, in milliseconds.
pub const QUOTA_MS: u64 = 2_000;

/// Asks the home of a tenant for events of its quota.
pub async fn lease_quota(
    request: &LeaseRequest,
    env: &Env,
    config: &Config,
) -> Result<LeaseGrant, ShardCallError> {
    let home = ledger::home_of(&request.tenant, config.shard_config().jurisdiction);
    let answer =
        shard(home, ShardMethod::LeaseQuota, &request.encode(), QUOTA_MS, env, config).await?;
    LeaseGrant::decode(&answer).map_err(|error| ShardError::from(error).into())
}

/// Calls the object for the reports of the shards in `jurisdiction`. It has the class of the shards,
/// but is none.
pub async fn reports(
    jurisdiction: Jurisdiction,
    question: ShardMethod,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    let object = (jurisdiction, object_name("reports", jurisdiction));
    let body = body.to_vec();
    bytes(call("SHARD", object, Some(config), question.name(), body, milliseconds, env).await?)
}

/// Calls the object of the inspector.
pub async fn inspector(
    method: &str,
    body: &[u8],
    milliseconds: u64,
    env: &Env,
    config: &Config,
) -> Result<Vec<u8>, ShardCallError> {
    let jurisdiction = config.shard_config().jurisdiction;
    let object = (jurisdiction, object_name("inspector", jurisdiction));
    bytes(call("INSPECTOR", object, None, method, body.to_vec(), milliseconds, env).await?)
}

/// Returns the name of an object of which each jurisdiction has one.
fn object_name(name: &str, jurisdiction: Jurisdiction) -> String {
    match jurisdiction.restriction() {
        None => name.to_owned(),
        Some(jurisdiction) => format!("{name}-{jurisdiction}"),
    }
}

/// Calls a method of an object of the namespace `binding`, by its jurisdiction and its name. If
/// `near` is given, an object that may be in any place is created near its streams. Cloudflare
/// documents no hint within a jurisdiction.
async fn call(
    binding: &str,
    (jurisdiction, name): (Jurisdiction, String),
    near: Option<&Config>,
    method: &str,
    body: Vec<u8>,
    milliseconds: u64,
    env: &Env,
) -> Result<ObjectValue, ShardCallError> {
    let namespace = bindings::get(env, binding);
    let near = near.filter(|_| jurisdiction.is_none());
    let object = ObjectAddress {
        namespace: &namespace,
        jurisdiction: jurisdiction.restriction(),
        name: &name,
        location_hint: near.and_then(|config| location_hint(&config.aws.region)),
    };
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
