//! The answer of `/readyz`: whether events can be made durable, found without sending one, and what
//! an operator has to do.
//!
//! Anyone may ask, and gets the [`Summary`], which names no stream, no tenant and no shard. The
//! details require the operator's key. Nothing here is of the AWS account: no secret, no address
//! and no message, only codes.
//!
//! [`cause`] says why a stream fails and what to do; [`stream`] and [`shard`] describe one each.
//! [`diagnosis`] selects what matters, and [`summary`] says it in a sentence. Shards in trouble
//! [`report`] it to one object, so the summary takes one request however many shards there are.
//! [`exposition`] writes the details as metrics.

pub mod cause;
pub mod diagnosis;
pub mod exposition;
pub mod format;
pub mod report;
pub mod shard;
pub mod stream;
pub mod summary;

use serde::Serialize;

use crate::config::{Config, DeliveryMode};
use crate::model::stream::Stream;
use cause::{Advisor, Owner};
use diagnosis::{AskedTenant, Diagnosis};
use format::Timestamp;
use shard::{OverQuotaState, ShardView};
use stream::{StreamCondition, StreamState};
use summary::Names;

/// The body of the answer.
#[derive(Debug, Serialize)]
pub struct Readiness {
    pub summary: String,
    /// Whether there is nothing to fix. A stream that fails for a while does not count: its records
    /// are spilled, or clients keep them in direct delivery.
    pub ready: bool,
    /// The party that has to act first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Actions, most urgent first.
    pub actions: Vec<String>,
    /// Problems of the configuration that cost no event, one sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The summary without names.
    #[serde(skip)]
    anonymous: String,
    #[serde(flatten)]
    pub worker: WorkerInfo,
    #[serde(flatten)]
    pub details: Details,
}

/// The body for a request without the operator's key.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Names no stream, tenant or shard.
    pub summary: String,
    /// As in [`Readiness`].
    pub ready: bool,
    /// As in [`Readiness`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// How to get the details.
    pub details: &'static str,
}

/// How an operator gets the details.
const HOW_TO_READ_MORE: &str =
    "send the secret HEADWATER_OPERATOR_KEY: Authorization: Bearer HEADWATER_OPERATOR_KEY";

/// How an operator gets the details if the operator's key is not set, or is too short.
const HOW_TO_SET_THE_KEY: &str = "set the secret HEADWATER_OPERATOR_KEY, of at least 32 characters: with it in Authorization this answers with all details";

/// Facts about the worker that do not depend on its configuration.
#[derive(Debug, Serialize)]
pub struct WorkerInfo {
    /// The runtime's clock.
    pub now: Timestamp,
    pub version: WorkerVersion,
    /// Which optional bindings and secrets are set.
    pub configured: ConfiguredParts,
}

#[derive(Debug, Serialize)]
pub struct WorkerVersion {
    pub headwater: &'static str,
    /// The id of the deployed version at Cloudflare.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When that version was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
}

impl WorkerVersion {
    /// The version of this build, with what Cloudflare says about its deployment.
    pub const fn of(id: Option<String>, uploaded_at: Option<String>) -> Self {
        Self { headwater: env!("CARGO_PKG_VERSION"), id, uploaded_at }
    }
}

/// Which optional bindings and secrets are set; never their values.
#[derive(Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the answer")]
pub struct ConfiguredParts {
    pub shard: bool,
    /// The binding of Analytics Engine.
    pub metrics: bool,
    /// The files of `www`.
    pub assets: bool,
    /// The token of temporary credentials.
    pub aws_session_token: bool,
    /// The key of the hashes.
    pub headwater_hash_secret: bool,
    /// The operator's key.
    pub headwater_operator_key: bool,
    /// The operator's keys by role.
    pub headwater_operator_keys: bool,
    /// The token of the inspector, which is not for production.
    pub headwater_inspect_token: bool,
}

/// The streams and shards.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// The configuration has errors.
    Misconfigured {
        /// A sentence for each error.
        problems: Vec<String>,
    },
    /// Each request delivers its own records.
    Direct(DeliveryInfo),
    /// Shards deliver the records, or still have spill in direct delivery.
    Sharded {
        #[serde(flatten)]
        delivery: DeliveryInfo,
        /// The spill of all shards.
        spill: Total,
        /// The tenants that are over their daily quotas, by the shards that have refused events of them.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        over_quota: Vec<OverQuotaState>,
        shards: Vec<ShardView>,
    },
}

/// The way of delivery, and the streams as this isolate sees them.
#[derive(Debug, Serialize)]
pub struct DeliveryInfo {
    delivery: &'static str,
    tenants: usize,
    streams: Vec<StreamState>,
}

/// The spill of all shards that answer.
#[derive(Debug, Serialize)]
pub struct Total {
    records: u64,
    bytes: u64,
    oldest_age_s: u64,
}

impl Total {
    fn of(shards: &[ShardView]) -> Self {
        let mut total = Self { records: 0, bytes: 0, oldest_age_s: 0 };
        for spill in shards.iter().filter_map(ShardView::state).flat_map(|state| &state.spill) {
            total.records = total.records.saturating_add(spill.records);
            total.bytes = total.bytes.saturating_add(spill.bytes);
            total.oldest_age_s = total.oldest_age_s.max(spill.oldest_age_s);
        }
        total
    }
}

/// Merges what the shards say of tenants over their quotas: each once, with its earliest time.
fn over_quota(shards: &[ShardView]) -> Vec<OverQuotaState> {
    let mut over: Vec<OverQuotaState> = Vec::new();
    for state in shards.iter().filter_map(ShardView::state).flat_map(|state| &state.over_quota) {
        match over.iter_mut().find(|known| known.tenant == state.tenant) {
            Some(known) => known.since = known.since.min(state.since),
            None => over.push(state.clone()),
        }
    }
    over.sort_unstable_by(|one, other| one.tenant.cmp(&other.tenant));
    over
}

impl Readiness {
    /// Builds the answer of a worker whose configuration has these errors.
    pub fn misconfigured(problems: Vec<String>, worker: WorkerInfo) -> Self {
        let actions = "correct what the problems name, in wrangler.toml or with npx wrangler secret put, and deploy; until then clients are answered 503 and keep their events";
        Self {
            summary: summary::of_mistakes(&problems),
            anonymous: summary::of_mistakes(&problems),
            ready: false,
            owner: Some(Owner::Operator),
            actions: vec![actions.to_owned()],
            warnings: Vec::new(),
            worker,
            details: Details::Misconfigured { problems },
        }
    }

    /// Builds the answer from the streams, as this isolate sees them, and the shards, if any. A
    /// `tenant`'s own streams then count like those that all tenants use.
    pub fn of(
        config: &Config,
        streams: Vec<StreamState>,
        shards: Vec<ShardView>,
        tenant: Option<AskedTenant<'_>>,
        worker: WorkerInfo,
    ) -> Self {
        let by_isolate = |stream: StreamState| {
            let tenants = Stream::parse(&stream.stream).map(|named| config.owners(&named));
            let tenants = tenants.unwrap_or_default();
            StreamState { tenants, ..stream.from_source("this isolate".to_owned()) }
        };
        let streams: Vec<StreamState> = streams.into_iter().map(by_isolate).collect();
        let views = shards.iter().filter_map(ShardView::state).flat_map(|state| &state.streams);
        let views: Vec<&StreamState> = streams.iter().chain(views).collect();
        let record_failure = |stream: &String| {
            views
                .iter()
                .any(|view| view.stream == *stream && view.state == StreamCondition::Failing)
        };
        let mut working: Vec<String> = Vec::new();
        for StreamState { stream, .. } in
            views.iter().filter(|view| view.state == StreamCondition::Ok)
        {
            if !working.contains(stream) && !record_failure(stream) {
                working.push(stream.clone());
            }
        }
        let working: Vec<&str> = working.iter().map(String::as_str).collect();
        let advisor = Advisor { working: &working, config };
        let streams: Vec<StreamState> =
            streams.into_iter().map(|stream| stream.advised(&advisor)).collect();
        let shards: Vec<ShardView> =
            shards.into_iter().map(|shard| shard.advised(&advisor)).collect();
        let shards = match config.mode {
            // In direct delivery shards may still have older spill.
            DeliveryMode::Direct(_) if shards.is_empty() => None,
            DeliveryMode::Direct(_) | DeliveryMode::Sharded(_) => Some(shards),
        };
        let diagnosis = Diagnosis::of(&streams, shards.as_deref(), tenant, config);
        let delivery =
            |delivery| DeliveryInfo { delivery, tenants: config.tenants.all().count(), streams };
        Self {
            summary: summary::summary(&diagnosis, Names::Shown, worker.now),
            anonymous: summary::summary(&diagnosis, Names::Withheld, worker.now),
            ready: diagnosis.is_ready(),
            owner: diagnosis.owner(),
            actions: diagnosis.actions(&advisor),
            warnings: config.warnings.iter().map(ToString::to_string).collect(),
            worker,
            details: match shards {
                None => Details::Direct(delivery("direct")),
                Some(shards) => Details::Sharded {
                    delivery: delivery(match config.mode {
                        DeliveryMode::Direct(_) => "direct",
                        DeliveryMode::Sharded(_) => "sharded",
                    }),
                    spill: Total::of(&shards),
                    over_quota: over_quota(&shards),
                    shards,
                },
            },
        }
    }

    /// The part that anyone may read. Errors in the configuration are included: each 503 shows them
    /// as well.
    pub fn for_anyone(&self) -> Summary {
        Summary {
            summary: self.anonymous.clone(),
            ready: self.ready,
            owner: self.owner,
            details: match &self.worker.configured {
                ConfiguredParts {
                    headwater_operator_key: false,
                    headwater_operator_keys: false,
                    ..
                } => HOW_TO_SET_THE_KEY,
                _ => HOW_TO_READ_MORE,
            },
        }
    }

    /// Whether the configuration has errors, so no event can be accepted.
    pub const fn is_misconfigured(&self) -> bool {
        matches!(self.details, Details::Misconfigured { .. })
    }

    pub const fn status(&self) -> u16 {
        if self.ready { 200 } else { 503 }
    }
}

#[cfg(test)]
mod tests;
