//! `/readyz` and `/_/metrics`: collects the state of the isolate and of the shards, or the shards'
//! reports, and passes it to [`crate::ops::health`].

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde_json::json;
use worker::Env;

use super::bindings::{get, now_ms, text};
use super::error::ApiError;
use super::log::{self, Component};
use super::operator::allows;
use super::request::RequestHead;
use super::respond::Reply;
use super::shard_client::ShardMethod;
use super::{bindings, respond, shard_client, stream_health, tasks, tenants};
use crate::base::clock::{Milliseconds, is_ahead};
use crate::base::text::truncate_for_display;
use crate::config::Config;
use crate::config::operator_keys::OperatorRole;
use crate::delivery::health::StreamHealth;
use crate::ingest::authorize::CorsScope;
use crate::ingest::error::IngestError;
use crate::ingest::tenant_cache::TenantEntry;
use crate::model::placement::ShardNumber;
use crate::model::replay::ReplayError;
use crate::model::shard_address::{Jurisdiction, ShardAddress};
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::ops::health::diagnosis::AskedTenant;
use crate::ops::health::exposition;
use crate::ops::health::format::Timestamp;
use crate::ops::health::report::{ShardCondition, ShardReport};
use crate::ops::health::shard::{ShardState, ShardView};
use crate::ops::health::stream::StreamState;
use crate::ops::health::{ConfiguredParts, Readiness, WorkerInfo, WorkerVersion, report};
use crate::shard::ShardStatus;
use crate::shard::spill::BacklogStats;

/// How long a shard may take to answer with its status, in milliseconds.
const PATIENCE_MS: u64 = 3_000;

/// How long the object that stores the reports may take to answer, in milliseconds.
const REPORTS_PATIENCE_MS: u64 = 2_000;

/// How long an answer for anyone is cached, in milliseconds.
const CACHED_MS: u64 = 5_000;

/// How long older answers and reports may be used if no newer ones can be read, in milliseconds.
const STALE_MS: u64 = 60_000;

/// Builds the state of the shard with this status, and of the streams as its isolate sees them; of
/// a stream set, only of the members that it has called.
pub fn of_shard(status: ShardStatus, config: &Config) -> ShardState {
    // Each of many shards would list each of many members.
    let is_shown = |set: &StreamSet, stream: &Stream| {
        set.count() == NonZeroU32::MIN || stream_health::known(stream).is_some()
    };
    let mut known = Vec::new();
    for set in config.stream_sets() {
        let members = set.members().filter(|stream| is_shown(set, stream));
        known.extend(members.map(|stream| state(&stream)));
    }
    // Streams that only the routes at the top level name count if the spill has records for them.
    for BacklogStats { stream, .. } in &status.spill {
        let is_known = known.iter().any(|state| state.stream == stream.to_string());
        if config.names(stream) && !is_known {
            known.push(state(stream));
        }
    }
    ShardState::of(status, known, now_ms())
}

/// The streams as this isolate sees them.
fn streams(config: &Config) -> Vec<StreamState> {
    config.streams().iter().map(|stream| state(stream)).collect()
}

fn state(stream: &Stream) -> StreamState {
    match stream_health::known(stream) {
        Some(health) => StreamState::of(stream, &health.borrow()),
        None => StreamState::of(stream, &StreamHealth::default()),
    }
}

thread_local! {
    /// The last answer for anyone, in this isolate.
    static ANSWERED: RefCell<Option<Answered>> = const { RefCell::new(None) };
    /// The reports that were last read of each jurisdiction, and when.
    static KNOWN: RefCell<[(Milliseconds, Vec<u8>); Jurisdiction::ALL.len()]> =
        const { RefCell::new([const { (0, Vec::new()) }; Jurisdiction::ALL.len()]) };
    /// When each shard was last reported as not answering.
    static SILENT: RefCell<BTreeMap<ShardNumber, Milliseconds>> = const { RefCell::new(BTreeMap::new()) };
}

/// An answer for anyone.
#[derive(Clone)]
struct Answered {
    at: Milliseconds,
    /// Whether a request is fetching a newer one.
    renewed: bool,
    status: u16,
    body: Vec<u8>,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HealthQuery {
    /// `/readyz`: the details for the operator's key, and otherwise a summary that costs at most one
    /// call every [`CACHED_MS`].
    Readiness,
    /// `/_/metrics`: the details as metrics, for the operator's key.
    Metrics,
}

/// Answers `/readyz` or `/_/metrics`. Each shard is called for the details.
pub async fn serve(query: HealthQuery, head: &RequestHead, env: &Env) -> Reply {
    let config = match bindings::config(env) {
        Ok(config) => config,
        Err(error) => {
            let problems = match error {
                IngestError::NotConfigured(errors) => {
                    errors.iter().map(ToString::to_string).collect()
                }
                other => vec![other.to_string()],
            };
            let readiness = Readiness::misconfigured(problems, worker_info(env));
            return respond::json(readiness.status(), &readiness);
        }
    };
    if allows(OperatorRole::Status, head, &config, env) {
        let tenant = form_urlencoded::parse(head.query.as_bytes())
            .find_map(|(name, value)| (name == "tenant").then(|| value.into_owned()));
        let mut stored = None;
        if let Some(name) = tenant.as_ref().filter(|name| config.tenants.named(name).is_none()) {
            match tenants::named(name, env).await {
                TenantEntry::Found(found) => stored = Some(found),
                TenantEntry::Unknown => {
                    let body = json!({ "code": "unknown_tenant", "message": format!("there is no tenant {}", truncate_for_display(name)) });
                    return respond::json(404, &body);
                }
                TenantEntry::Unavailable | TenantEntry::Invalid => {
                    let error = ApiError::Ingest(IngestError::TenantsUnavailable);
                    return respond::refused(&error, CorsScope::none());
                }
            }
        }
        let stored = stored.as_ref().map(|stored| stored.tenant.routes.as_ref());
        let tenant = tenant.as_deref().map(|name| AskedTenant { name, stored });
        let readiness = details(&config, tenant, env).await;
        return match query {
            HealthQuery::Readiness => respond::json(readiness.status(), &readiness),
            // Prometheus reads no answer but 200, even if an operator has to act.
            HealthQuery::Metrics => {
                let metrics = readiness.exposition().into();
                respond::uncached(200, exposition::CONTENT_TYPE, metrics)
            }
        };
    }
    if query == HealthQuery::Metrics {
        let error = IngestError::Replay(ReplayError::NotAllowed).into();
        return respond::refused(&error, CorsScope::none());
    }
    let Answered { status, body, .. } = summary(&config, env).await;
    respond::json_text(status, body)
}

/// Returns the answer for anyone.
async fn summary(config: &Config, env: &Env) -> Answered {
    let now = now_ms();
    let known = ANSWERED.with_borrow_mut(|known| {
        let answered = known.as_mut()?;
        let is_fresh = is_ahead(answered.at.saturating_add(CACHED_MS), now, CACHED_MS);
        let holds = is_ahead(answered.at.saturating_add(STALE_MS), now, STALE_MS);
        // Only one request at a time renews it, however many arrive meanwhile.
        let was_renewed = std::mem::replace(&mut answered.renewed, true);
        (is_fresh || (holds && was_renewed)).then(|| {
            answered.renewed = was_renewed;
            answered.clone()
        })
    });
    if let Some(answered) = known {
        return answered;
    }
    let views = reported(config, env).await;
    let readiness = Readiness::of(config, streams(config), views, None, worker_info(env));
    let answered = Answered {
        at: now_ms(),
        renewed: false,
        status: readiness.status(),
        body: serde_json::to_vec(&readiness.for_anyone()).unwrap_or_default(),
    };
    ANSWERED.set(Some(answered.clone()));
    answered
}

/// Builds the answer for the operator, for which each shard is called.
async fn details(config: &Config, tenant: Option<AskedTenant<'_>>, env: &Env) -> Readiness {
    let mut shards: Vec<ShardView> = match config.sharding() {
        None => Vec::new(),
        Some(sharding) => {
            let asked = sharding.addresses();
            let status = ShardMethod::Status;
            let answers =
                shard_client::shards(asked.clone(), status, &[], PATIENCE_MS, env, config).await;
            let view = |(address, answer): (_, Result<_, shard_client::ShardCallError>)| {
                ShardView::of(address, answer.map_err(|why| why.to_string()))
            };
            asked.into_iter().zip(answers).map(view).collect()
        }
    };
    // Shards that are no longer called, because there are fewer now or delivery is direct.
    for view in reported(config, env).await {
        if shards.iter().all(|known| known.address != view.address) {
            shards.push(view);
        }
    }
    Readiness::of(config, streams(config), shards, tenant, worker_info(env))
}

/// Returns the shards in trouble by their reports, of each jurisdiction.
async fn reported(config: &Config, env: &Env) -> Vec<ShardView> {
    let mut views = Vec::new();
    if get(env, "SHARD").is_object() {
        for jurisdiction in config.shard_config().jurisdictions() {
            let reports = reports(jurisdiction, config, env).await;
            views.extend(report::views(jurisdiction, reports, now_ms()));
        }
    }
    views
}

/// Returns the reports of the shards in a jurisdiction; the last known ones if they can't be read.
async fn reports(jurisdiction: Jurisdiction, config: &Config, env: &Env) -> Vec<ShardReport> {
    let method = ShardMethod::Reports;
    let answer =
        shard_client::reports(jurisdiction, method, &[], REPORTS_PATIENCE_MS, env, config).await;
    let index = jurisdiction as usize;
    let read = answer.map_err(|why| why.to_string()).and_then(|bytes| {
        let reports = ShardReport::decode_list(&bytes).ok_or("the answer can't be read")?;
        KNOWN.with_borrow_mut(|known| {
            if let Some(known) = known.get_mut(index) {
                *known = (now_ms(), bytes);
            }
        });
        Ok(reports)
    });
    read.unwrap_or_else(|why| {
        log::error(Component::Shard, format_args!("what shards report is not known: {why}"));
        KNOWN
            .with_borrow(|known| {
                let (at, bytes) = known.get(index)?;
                let holds = is_ahead(at.saturating_add(STALE_MS), now_ms(), STALE_MS);
                holds.then(|| ShardReport::decode_list(bytes)).flatten()
            })
            .unwrap_or_default()
    })
}

/// Reports that a shard which accepted no batch request does not answer with its status either. A
/// shard that is only full does answer. Runs in the background, at most every [`report::AGAIN_MS`].
pub fn silent(shard: ShardNumber, env: &Env) {
    let now = now_ms();
    let is_known = SILENT.with_borrow_mut(|silent| {
        let before = silent.insert(shard, now);
        let is_known = before
            .is_some_and(|at| is_ahead(at.saturating_add(report::AGAIN_MS), now, report::AGAIN_MS));
        if let Some(at) = before.filter(|_| is_known) {
            silent.insert(shard, at);
        }
        is_known
    });
    if is_known {
        return;
    }
    let env = env.clone();
    tasks::spawn(async move {
        let Ok(config) = bindings::config(&env) else { return };
        let jurisdiction = config.shard_config().jurisdiction;
        let address = ShardAddress { number: shard, jurisdiction };
        let status = ShardMethod::Status;
        let status = shard_client::shard(address, status, &[], PATIENCE_MS, &env, &config).await;
        if status.is_ok() {
            return;
        }
        let body = ShardReport { shard, at: now, how: ShardCondition::Silent }.encode();
        let (method, patience_ms) = (ShardMethod::Report, REPORTS_PATIENCE_MS);
        let sent =
            shard_client::reports(jurisdiction, method, &body, patience_ms, &env, &config).await;
        if let Err(why) = sent {
            log::error(
                Component::Shard,
                format_args!("that {address} does not answer was not reported: {why}"),
            );
        }
    });
}

fn worker_info(env: &Env) -> WorkerInfo {
    let version = get(env, "CF_VERSION_METADATA");
    let is_bound = |name| get(env, name).is_object();
    let is_set = |name| text(env, name).is_some();
    WorkerInfo {
        now: Timestamp(now_ms()),
        version: WorkerVersion::of(text(&version, "id"), text(&version, "timestamp")),
        configured: ConfiguredParts {
            shard: is_bound("SHARD"),
            metrics: is_bound("METRICS"),
            assets: is_bound("ASSETS"),
            aws_session_token: is_set("AWS_SESSION_TOKEN"),
            headwater_hash_secret: is_set("HEADWATER_HASH_SECRET"),
            headwater_operator_key: is_set("HEADWATER_OPERATOR_KEY"),
            headwater_operator_keys: is_set("HEADWATER_OPERATOR_KEYS"),
            headwater_inspect_token: is_set("HEADWATER_INSPECT_TOKEN"),
        },
    }
}
