//! The configuration, parsed once into validated types.
//!
//! AWS settings have the names that the AWS SDKs use; the rest is one structured variable,
//! `HEADWATER`. Every error is one sentence that names its key, and all are reported at once. No
//! default hides an error that could lose or misplace an event. No message contains a secret.

pub mod aws;
pub mod clean;
pub mod columns;
pub mod custom_paths;
pub mod delivery_mode;
pub mod headwater;
mod key_lists;
pub mod log_sampling;
pub mod operator_keys;
pub mod origins;
pub mod privacy;
pub mod protocols;
mod quota;
pub mod renamed_streams;
pub mod renamed_words;
pub mod routes;
pub mod server_keys;
pub mod snowplow;
pub mod stored_tenant;
pub mod table;
pub mod tenant;
pub mod tenants;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::secret::Secret;
use crate::config::log_sampling::LogSampling;
use crate::config::tenant::{Tenant, Tenants};
use crate::delivery::destinations::Destinations;
use crate::model::beacon::Limits;
use crate::model::device_key::DeviceHasher;
use crate::model::protocol::Protocol;
use crate::model::record::column::ColumnChoice;
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::pipeline::clean::CleanConfig;
use crate::pipeline::enrich::Enrichment;
use crate::pipeline::route::{Route, RouteAggregation, Routes};
use crate::pipeline::validate::UnknownEventPolicy;
use crate::shard::config::ShardConfig;
pub use aws::Aws;
pub use custom_paths::CustomPaths;
pub use delivery_mode::DeliveryMode;
use headwater::HeadwaterConfig;
use operator_keys::{OperatorKeys, OperatorRole, OperatorSecrets};
pub use origins::Origins;
use privacy::HasSecret;
use server_keys::ServerKeys;
use tenants::TenantRules;

/// The binding of the key-value store that has further tenants.
pub const STORE: &str = "TENANTS";

/// The configuration of the worker.
#[derive(Debug, Clone)]
pub struct Config {
    pub tenants: Tenants,
    /// Limits of one request.
    pub limits: Limits,
    /// The policy for events that the catalogue does not have.
    pub unknown_events: UnknownEventPolicy,
    pub cleaning: CleanConfig,
    pub enrichment: Enrichment,
    /// Which columns the records of events have.
    pub columns: ColumnChoice,
    /// The protocols of other collectors that are served.
    pub protocols: Vec<Protocol>,
    /// The operator's own addresses for them.
    pub protocol_paths: Vec<(String, Protocol)>,
    /// The collectors to which their requests are also sent.
    pub tee: Vec<(Protocol, String)>,
    /// Limits of one request in such a protocol, or with a server key.
    pub larger_limits: Limits,
    /// The keys of the operator's own servers.
    pub server_keys: ServerKeys,
    /// The key of the hashes.
    pub secret: Option<Secret>,
    pub device_hasher: DeviceHasher,
    pub operator_keys: OperatorKeys,
    /// Whether there is an inspector: its object is bound, and a key allows its use.
    pub has_inspector: bool,
    /// Whether requests deliver their own records or shards do.
    pub mode: DeliveryMode,
    pub log: LogSampling,
    /// How records are delivered to each stream.
    pub destinations: Destinations,
    /// The settings at the top level, which tenants inherit. Its routes also take stored records of a
    /// tenant that no longer exists.
    pub inherited: Box<Tenant>,
    /// Whether further tenants are in the key-value store.
    pub store: Binding,
    /// The streams that only tenants in the store go to; none without a store.
    pub tenant_streams: Vec<StreamSet>,
    /// The renamed streams, as pairs of the old and the new stream.
    pub renamed_streams: Vec<(StreamSet, StreamSet)>,
    /// The paths of the snippet and of the beacons, besides the default ones.
    pub addresses: CustomPaths,
    /// Whether the demo is served to all, and not only on this machine.
    pub demo: bool,
    pub aws: Aws,
    /// Problems that cost no event.
    pub warnings: Vec<ConfigError>,
}

/// The configuration as the runtime reads it. A `None` is not set.
#[derive(Clone, Default)]
pub struct RawConfig {
    pub headwater: Option<Value>,
    pub region: Option<String>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<String>,
    pub secret: Option<String>,
    pub operator_key: Option<String>,
    pub operator_keys: Option<String>,
    pub inspect_token: Option<String>,
    pub server_keys: Option<String>,
    pub session_token: Option<String>,
    pub endpoint_url: Option<String>,
    pub endpoint_url_firehose: Option<String>,
    pub endpoint_url_kinesis: Option<String>,
    pub shard: Binding,
    pub inspector: Binding,
    pub tenants: Binding,
    /// The old names, of those in [`renamed_words::SECRETS`], that are set.
    pub old_secrets: Vec<&'static str>,
}

/// Whether a binding of the worker is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Binding {
    #[default]
    Absent,
    Present,
}

/// An error in the configuration; the operator has to fix it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct ConfigError {
    /// The key, with its path.
    pub key: String,
    /// The problem, as the rest of a sentence that starts with the key.
    pub problem: String,
}

/// All problems of a configuration that can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// Problems that stop the collection of events.
    pub errors: Vec<ConfigError>,
    /// Problems that turn off a feature, or have no effect.
    pub warnings: Vec<ConfigError>,
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

impl Config {
    /// Parses all settings, or returns all errors.
    pub fn parse(settings: RawConfig) -> Result<Self, Vec<ConfigError>> {
        Self::read(settings).map_err(|ConfigErrors { errors, .. }| errors)
    }

    /// Parses all settings, or returns all errors and warnings.
    pub fn read(settings: RawConfig) -> Result<Self, ConfigErrors> {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let aws = Aws::parse(&settings, &mut errors);
        let operator_secrets = OperatorSecrets {
            key: settings.operator_key,
            keys: settings.operator_keys,
            inspect_token: settings.inspect_token,
        };
        let operator_keys = operator_keys::operator_keys(operator_secrets, &mut warnings);
        // A setting that needs a hash is an error without it: nothing is collected unhashed
        // instead.
        let secret = secret(
            "HEADWATER_HASH_SECRET",
            settings.secret,
            "nothing is hashed with it",
            &mut warnings,
        );
        warnings.extend(settings.old_secrets.iter().filter_map(|old| {
            let new = renamed_words::secret(old)?;
            let problem = format!("is called {new} now; set it under that name, and delete {old}");
            Some(ConfigError::new(*old, problem))
        }));
        let known =
            TenantRules { has_secret: HasSecret::of(secret.as_ref()), store: settings.tenants };
        let rules = HeadwaterConfig::parse(settings.headwater, known, &mut errors, &mut warnings);
        if let (Some(HeadwaterConfig { mode: DeliveryMode::Sharded(_), .. }), Binding::Absent) =
            (&rules, settings.shard)
        {
            let problem = "is missing; bind the Durable Object class Shard to it in wrangler.toml, or set HEADWATER.delivery = \"direct\"";
            errors.push(ConfigError::new("SHARD", problem));
        }
        // The store may have any tenant.
        let is_whole = settings.tenants == Binding::Absent;
        let tenants = rules.as_ref().map(|rules| &rules.tenants).filter(|_| is_whole);
        let server_keys = server_keys::server_keys(settings.server_keys, tenants, &mut warnings);
        let is_bound = settings.inspector == Binding::Present;
        let has_key = operator_keys.has(OperatorRole::Inspect);
        if has_key && !is_bound {
            let problem = "is missing; bind the Durable Object class Inspector to it in wrangler.toml, or take HEADWATER_INSPECT_TOKEN away; until then there is no inspector";
            warnings.push(ConfigError::new("INSPECTOR", problem));
        }
        if let (Some(rules), Binding::Absent, false) = (&rules, settings.shard, is_bound)
            && !rules.mode.shard_config().jurisdiction.is_none()
        {
            let problem = "has no effect without the bindings SHARD and INSPECTOR";
            warnings.push(ConfigError::new("HEADWATER.jurisdiction", problem));
        }
        match (aws, rules) {
            (Some(aws), Some(rules)) if errors.is_empty() => Ok(Self {
                destinations: Destinations {
                    unpacked: unpacked(&rules.tenants, &rules.inherited.routes),
                    failed: rules.failed,
                    policy: rules.policy,
                },
                tenants: rules.tenants,
                unknown_events: rules.unknown_events,
                cleaning: rules.cleaning,
                enrichment: rules.enrichment,
                columns: rules.columns,
                protocols: rules.protocols,
                protocol_paths: rules.protocol_paths,
                tee: rules.tee,
                larger_limits: rules.limits.larger(),
                limits: rules.limits,
                server_keys,
                mode: rules.mode,
                device_hasher: DeviceHasher::new(secret.as_ref()),
                secret,
                operator_keys,
                has_inspector: has_key && is_bound,
                log: rules.log,
                inherited: Box::new(rules.inherited),
                store: settings.tenants,
                tenant_streams: rules.tenant_streams,
                renamed_streams: rules.renamed_streams,
                addresses: rules.addresses,
                demo: rules.demo,
                aws,
                warnings,
            }),
            _ => Err(ConfigErrors { errors, warnings }),
        }
    }

    /// The configuration of the shards, if events go through them.
    pub const fn sharding(&self) -> Option<&ShardConfig> {
        match &self.mode {
            DeliveryMode::Direct(_) => None,
            DeliveryMode::Sharded(sharding) => Some(sharding),
        }
    }

    /// The configuration of the shards. In direct delivery, older shards may still have records.
    pub const fn shard_config(&self) -> &ShardConfig {
        self.mode.shard_config()
    }

    /// Every stream that a new record can go to, each once: all members of stream sets.
    pub fn streams(&self) -> Vec<Cow<'_, Stream>> {
        let sets = self.stream_sets();
        let mut streams = Vec::new();
        for (index, set) in sets.iter().enumerate() {
            let is_new = |stream: &Cow<'_, Stream>| {
                !sets.iter().take(index).any(|earlier| earlier.contains(stream))
            };
            streams.extend(set.members().filter(is_new));
        }
        streams
    }

    /// Every stream and stream set that a new record can go to, each once.
    pub fn stream_sets(&self) -> Vec<&StreamSet> {
        let mut sets: Vec<&StreamSet> = Vec::new();
        for set in self.destinations() {
            if !sets.contains(&set) {
                sets.push(set);
            }
        }
        sets
    }

    /// What a new record can go to, some of it several times.
    fn destinations(&self) -> Vec<&StreamSet> {
        let of_store = (self.store == Binding::Present).then_some(self.inherited.as_ref());
        let mut sets = Vec::new();
        for tenant in self.tenants.all().chain(of_store) {
            sets.extend(tenant.routes.sets());
        }
        sets.extend(&self.tenant_streams);
        sets.push(&self.destinations.failed);
        sets
    }
}

impl Config {
    /// Whether a route or `failed` names `stream`, so that new records may still go there.
    pub fn names(&self, stream: &Stream) -> bool {
        self.destinations().iter().any(|set| set.contains(stream))
            || self.inherited.routes.go_to(stream)
    }

    /// Returns the names of the tenants that alone use `stream`; none if `failed` or a route at the
    /// top level names it. [`STORE`] stands for those in the key-value store.
    pub fn owners(&self, stream: &Stream) -> Vec<String> {
        if self.destinations.failed.contains(stream) || self.inherited.routes.go_to(stream) {
            return Vec::new();
        }
        let sends = |tenant: &&Tenant| tenant.routes.go_to(stream);
        let mut owners = BTreeSet::new();
        for tenant in self.tenants.all().filter(sends) {
            owners.insert(tenant.name.clone());
        }
        if self.tenant_streams.iter().any(|set| set.contains(stream)) {
            owners.insert(STORE.to_owned());
        }
        owners.into_iter().collect()
    }

    /// Returns the settings that name `stream`, such as `HEADWATER.keys.pk_shop.routes[0].to`.
    pub fn settings_of(&self, stream: &Stream) -> Vec<String> {
        let of_routes = |path: String, routes: &Routes| -> Vec<String> {
            let named = routes.all().enumerate().filter(|(_, route)| route.to.contains(stream));
            named.map(|(index, _)| format!("{path}.routes[{index}].to")).collect()
        };
        let mut settings = of_routes("HEADWATER".to_owned(), &self.inherited.routes);
        for (key, tenant) in self.tenants.by_key() {
            if tenant.has_own_routes {
                settings.extend(of_routes(format!("HEADWATER.keys.{key}"), &tenant.routes));
            }
        }
        if self.tenant_streams.iter().any(|set| set.contains(stream)) {
            settings.push("HEADWATER.tenant_streams".to_owned());
        }
        if self.destinations.failed.contains(stream) {
            settings.push("HEADWATER.failed_stream".to_owned());
        }
        settings
    }

    /// The new stream or stream set of `stream`, if the operator has renamed it.
    pub fn renamed(&self, stream: &Stream) -> Option<&StreamSet> {
        self.renamed_streams.iter().find(|(from, _)| from.contains(stream)).map(|(_, to)| to)
    }
}

/// The stream sets for which any route turns off aggregation.
fn unpacked(tenants: &Tenants, inherited: &Routes) -> Vec<StreamSet> {
    let routes = tenants.all().flat_map(|tenant| tenant.routes.all());
    let mut sets = Vec::new();
    for Route { to, aggregate, .. } in routes.chain(inherited.all()) {
        if *aggregate == RouteAggregation::Never {
            sets.push(to.first().clone());
            sets.extend_from_slice(to.others());
        }
    }
    sets
}

/// Parses a secret, if it is set. If it is too short, a warning says what applies `instead`.
fn secret(
    name: &str,
    text: Option<String>,
    instead: &str,
    warnings: &mut Vec<ConfigError>,
) -> Option<Secret> {
    let secret = Secret::parse(text?);
    if secret.is_none() {
        let wanted = format!("must have at least {} characters", Secret::MIN_CHARS);
        warnings.push(ConfigError::new(name, format!("{wanted}; until then {instead}")));
    }
    secret
}

#[cfg(test)]
pub(crate) mod tests;
