//! What `/readyz` says: whether events can be delivered, as far as is known without sending one,
//! and what an operator who was woken has to know to act.
//!
//! Anyone may ask, and gets the [`Summary`]: it names no stream, no tenant and no shard. The details
//! are for who has the operator's key. Nothing here is of the account: no secret, no address, no
//! message of AWS's, only codes. [`cause`] tells what is wrong with a stream and what to do,
//! `stream` and [`shard`] how each is, `findings` what matters of all that, and `summary` says it in
//! a sentence. Shards that are in trouble [`report`] it to one place, so that the summary takes one
//! question however many shards there are.

pub mod cause;
pub mod diagnosis;
pub mod format;
pub mod report;
pub mod shard;
pub mod stream;
pub mod summary;

use serde::Serialize;

use crate::config::{Config, DeliveryMode};
use crate::model::stream::Stream;
use cause::Owner;
use diagnosis::Diagnosis;
use format::Timestamp;
use shard::ShardView;
use stream::{StreamCondition, StreamState};
use summary::Names;

/// The body of the answer.
#[derive(Debug, Serialize)]
pub struct Readiness {
    /// All of it in a sentence.
    pub summary: String,
    /// Whether there is nothing that somebody has to mend. A stream that is away for a while is no
    /// reason to take the worker out of service: shards keep what it does not take, and in direct
    /// delivery clients do.
    pub ready: bool,
    /// Who has to mend the first thing that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Owner>,
    /// What to do now, the most urgent first.
    pub advice: Vec<String>,
    /// What is wrong with the configuration and costs no event, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// The same sentence for anyone.
    #[serde(skip)]
    anonymous: String,
    /// What is known besides, of the worker.
    #[serde(flatten)]
    pub circumstances: WorkerInfo,
    /// And of where events go.
    #[serde(flatten)]
    pub details: Details,
}

/// What anyone reads.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// All of it in a sentence that names nothing.
    pub summary: String,
    /// As in [`Readiness`].
    pub ready: bool,
    /// As in [`Readiness`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Owner>,
    /// How to read more.
    pub details: &'static str,
}

/// How an operator reads more than the summary.
const HOW_TO_READ_MORE: &str =
    "send the secret HEADWATER_REPLAY_KEY: Authorization: Bearer HEADWATER_REPLAY_KEY";

/// How an operator comes to read more if the secret is not set, or too short to be one.
const HOW_TO_SET_THE_KEY: &str = "set the secret HEADWATER_REPLAY_KEY, of at least 32 characters: with it in Authorization this answers with all details";

/// What is known of the worker, whatever its configuration.
#[derive(Debug, Serialize)]
pub struct WorkerInfo {
    /// The edge's clock.
    pub now: Timestamp,
    /// What runs.
    pub version: WorkerVersion,
    /// Which of the bindings and secrets that one can do without are there.
    pub present: ConfiguredParts,
}

/// What runs.
#[derive(Debug, Serialize)]
pub struct WorkerVersion {
    /// Headwater's own version.
    pub headwater: &'static str,
    /// The version of the worker, as Cloudflare has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// When that was uploaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
}

impl WorkerVersion {
    /// This one, with what the platform says of it.
    pub const fn of(id: Option<String>, uploaded_at: Option<String>) -> Self {
        Self { headwater: env!("CARGO_PKG_VERSION"), id, uploaded_at }
    }
}

/// Which of the bindings and secrets that one can do without are there; never what they are.
#[derive(Debug, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the answer")]
pub struct ConfiguredParts {
    /// The shards' binding.
    pub shard: bool,
    /// Analytics Engine.
    pub metrics: bool,
    /// The demo page, the schemas and the snippet.
    pub assets: bool,
    /// The token of temporary credentials.
    pub aws_session_token: bool,
    /// What salts hashes.
    pub headwater_secret: bool,
    /// What lets failed events be sent again.
    pub headwater_replay_key: bool,
    /// What turns the inspector on, which is not for production.
    pub headwater_inspect_token: bool,
}

/// Where events go, and how it is there.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Nowhere: the configuration is wrong.
    Misconfigured {
        /// A sentence for each mistake.
        problems: Vec<String>,
    },
    /// To their streams, within each request.
    Direct(DeliveryInfo),
    /// To their streams, through shards.
    Sharded {
        /// As in direct delivery.
        #[serde(flatten)]
        delivery: DeliveryInfo,
        /// What waits in all shards.
        spill: Total,
        /// Each shard.
        shards: Vec<ShardView>,
    },
}

/// Where events go.
#[derive(Debug, Serialize)]
pub struct DeliveryInfo {
    delivery: &'static str,
    tenants: usize,
    streams: Vec<StreamState>,
}

/// What waits in all shards that say so.
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

impl Readiness {
    /// That of a worker whose configuration has these mistakes.
    pub fn misconfigured(problems: Vec<String>, circumstances: WorkerInfo) -> Self {
        let advice = "correct what the problems name, in wrangler.toml or with npx wrangler secret put, and deploy; until then clients are answered 503 and keep their events";
        Self {
            summary: summary::of_mistakes(&problems),
            anonymous: summary::of_mistakes(&problems),
            ready: false,
            blame: Some(Owner::Operator),
            advice: vec![advice.to_owned()],
            warnings: Vec::new(),
            circumstances,
            details: Details::Misconfigured { problems },
        }
    }

    /// That of a worker whose streams, as one isolate finds them, and shards, if there are some, are
    /// like this. With a `tenant` that one's own streams count as everybody's do.
    pub fn of(
        config: &Config,
        streams: Vec<StreamState>,
        shards: Vec<ShardView>,
        tenant: Option<&str>,
        circumstances: WorkerInfo,
    ) -> Self {
        let by_isolate = |stream: StreamState| {
            let tenants = Stream::parse(&stream.stream).map(|named| config.owners(&named));
            let tenants = tenants.unwrap_or_default();
            StreamState { tenants, ..stream.seen_by("this isolate".to_owned()) }
        };
        let streams: Vec<StreamState> = streams.into_iter().map(by_isolate).collect();
        let views = shards.iter().filter_map(ShardView::state).flat_map(|state| &state.streams);
        let views: Vec<&StreamState> = streams.iter().chain(views).collect();
        let fails = |stream: &String| {
            views
                .iter()
                .any(|view| view.stream == *stream && view.state == StreamCondition::Failing)
        };
        let mut working: Vec<String> = Vec::new();
        for StreamState { stream, .. } in
            views.iter().filter(|view| view.state == StreamCondition::Good)
        {
            if !working.contains(stream) && !fails(stream) {
                working.push(stream.clone());
            }
        }
        let working: Vec<&str> = working.iter().map(String::as_str).collect();
        let streams: Vec<StreamState> =
            streams.into_iter().map(|stream| stream.advised(&working)).collect();
        let shards: Vec<ShardView> =
            shards.into_iter().map(|shard| shard.advised(&working)).collect();
        let shards = match config.mode {
            // In direct delivery too shards may still have what was spilled before.
            DeliveryMode::Direct(_) if shards.is_empty() => None,
            DeliveryMode::Direct(_) | DeliveryMode::Sharded(_) => Some(shards),
        };
        let findings = Diagnosis::of(&streams, shards.as_deref(), tenant, config);
        let delivery =
            |delivery| DeliveryInfo { delivery, tenants: config.tenants.all().count(), streams };
        Self {
            summary: summary::summary(&findings, Names::Shown, circumstances.now),
            anonymous: summary::summary(&findings, Names::Withheld, circumstances.now),
            ready: findings.is_ready(),
            blame: findings.blame(),
            advice: findings.advice(&working),
            warnings: config.warnings.iter().map(ToString::to_string).collect(),
            circumstances,
            details: match shards {
                None => Details::Direct(delivery("direct")),
                Some(shards) => Details::Sharded {
                    delivery: delivery(match config.mode {
                        DeliveryMode::Direct(_) => "direct",
                        DeliveryMode::Sharded(_) => "sharded",
                    }),
                    spill: Total::of(&shards),
                    shards,
                },
            },
        }
    }

    /// What anyone may read of it. Mistakes in the configuration are nobody's secret: they are in each
    /// 503 as well.
    pub fn for_anyone(&self) -> Summary {
        Summary {
            summary: self.anonymous.clone(),
            ready: self.ready,
            blame: self.blame,
            details: match self.circumstances.present.headwater_replay_key {
                true => HOW_TO_READ_MORE,
                false => HOW_TO_SET_THE_KEY,
            },
        }
    }

    /// Whether no event can be taken, since the configuration is wrong.
    pub const fn is_misconfigured(&self) -> bool {
        matches!(self.details, Details::Misconfigured { .. })
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        if self.ready { 200 } else { 503 }
    }
}

#[cfg(test)]
mod tests;
