//! The variable `HEADWATER`, except for the keys that the other files of this folder parse.

use chrono::TimeDelta;
use serde_json::Value;

use super::delivery_mode::DeliveryMode;
use super::table::ConfigTable;
use super::tenants::TenantRules;
use super::{
    Binding, ConfigError, CustomPaths, STORE, clean, columns, custom_paths, delivery_mode,
    protocols, renamed_streams, routes, tenants,
};
use crate::config::log_sampling::LogSampling;
use crate::config::tenant::{Tenant, Tenants};
use crate::delivery::aggregate;
use crate::delivery::aggregate::{AggregateBytes, Aggregation};
use crate::delivery::stream_delivery::DeliveryConfig;
use crate::model::beacon::Limits;
use crate::model::protocol::Protocol;
use crate::model::record::column::ColumnChoice;
use crate::model::stream_set::StreamSet;
use crate::pipeline::clean::CleanConfig;
use crate::pipeline::decode;
use crate::pipeline::enrich::{BotPolicy, Enrichment};
use crate::pipeline::route::Routes;
use crate::pipeline::validate::UnknownEventPolicy;

const ROOT: &str = "HEADWATER";

/// The parsed variable `HEADWATER`.
pub struct HeadwaterConfig {
    pub tenants: Tenants,
    /// Limits of one request.
    pub limits: Limits,
    /// The policy for events that the catalogue does not have.
    pub unknown_events: UnknownEventPolicy,
    pub cleaning: CleanConfig,
    pub enrichment: Enrichment,
    /// Which columns the records of events have.
    pub columns: ColumnChoice,
    /// Whether requests deliver their own records or shards do.
    pub mode: DeliveryMode,
    /// Timeouts and retries of deliveries.
    pub policy: DeliveryConfig,
    /// The stream of failed events.
    pub failed: StreamSet,
    /// The settings at the top level, which tenants inherit.
    pub inherited: Tenant,
    /// The streams that only tenants in the key-value store go to.
    pub tenant_streams: Vec<StreamSet>,
    /// The renamed streams, as pairs of the old and the new stream.
    pub renamed_streams: Vec<(StreamSet, StreamSet)>,
    pub log: LogSampling,
    /// The protocols of other collectors that are served.
    pub protocols: Vec<Protocol>,
    /// The operator's own addresses for them.
    pub protocol_paths: Vec<(String, Protocol)>,
    /// The collectors to which their requests are also sent.
    pub tee: Vec<(Protocol, String)>,
    /// The paths of the snippet and of the beacons, besides the default ones.
    pub addresses: CustomPaths,
    /// Whether the demo is served to all, and not only on this machine.
    pub demo: bool,
}

impl HeadwaterConfig {
    /// Parses the table, and records every error.
    pub fn parse(
        headwater: Option<Value>,
        rules: TenantRules,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigError>,
    ) -> Option<Self> {
        let Some(value) = headwater else {
            errors.push(ConfigError::new(
                ROOT,
                "is missing; set it under [vars.HEADWATER] in wrangler.toml",
            ));
            return None;
        };
        // A dashboard or a command line can set only texts.
        let value = match value {
            Value::String(text) => match decode::object(&text) {
                Ok(table) => Value::Object(table),
                Err(violation) => {
                    let why = violation.message.trim_start_matches("beacon is not JSON: ");
                    let problem = format!("must be a table, or its JSON text: {why}");
                    errors.push(ConfigError::new(ROOT, problem));
                    return None;
                }
            },
            other => other,
        };
        let mut table = ConfigTable::new(ROOT.to_owned(), value, errors, warnings)?;
        let mode = delivery_mode::read(&mut table);
        let (tenants, inherited) = tenants::tenants(&mut table, rules, &mode).unzip();
        let are_several =
            rules.store == Binding::Present || tenants.as_ref().is_some_and(Tenants::are_several);
        let mode = if are_several { mode } else { mode.of_one_tenant() };
        let tenant_streams = tenant_streams(&mut table, rules.store);
        let limits = limits(&mut table);
        let unknown_events = table
            .choice(
                "unknown_events",
                &[("accept", UnknownEventPolicy::Accept), ("fail", UnknownEventPolicy::Fail)],
            )
            .unwrap_or_default();
        let cleaning = clean::cleaning(&mut table);
        let enrichment = table.part("the default is used", enrichment);
        let columns = table.part("the rest of columns applies", |table| {
            let of_tenants = tenants.iter().flat_map(Tenants::all).chain(&inherited);
            let routes: Vec<&Routes> = of_tenants.map(|tenant| tenant.routes.as_ref()).collect();
            columns::columns(table, &routes)
        });
        let policy = DeliveryConfig {
            delivery_timeout_ms: table
                .number("delivery_timeout_ms", 100, 30_000)
                .unwrap_or(DeliveryConfig::default().delivery_timeout_ms),
            aggregation: aggregation(&mut table),
            ..DeliveryConfig::default()
        };
        let failed = table
            .required("failed_stream")
            .and_then(|value| routes::stream_set(&mut table, "failed_stream", value));
        let mut named: Vec<&StreamSet> = tenant_streams.iter().collect();
        for tenant in tenants.iter().flat_map(Tenants::all) {
            named.extend(tenant.routes.sets());
        }
        if let (Some(_), Some(failed)) = (&tenants, &failed)
            && named.iter().any(|set| set.overlaps(failed))
        {
            table.error("failed_stream", "must be a stream that no route goes to");
        }
        named.extend(inherited.iter().flat_map(|tenant| tenant.routes.sets()));
        named.extend(&failed);
        let is_read = tenants.is_some() && failed.is_some();
        let renamed_streams =
            renamed_streams::renamed_streams(&mut table, is_read.then_some(&named));
        let log = table.part("the default is used", log);
        let addresses = table.part("only the usual address is served", custom_paths::addresses);
        let protocols = table.part("the rest of protocols is served", protocols::protocols);
        let protocol_paths = table.part("no such path is served", |table| {
            protocols::paths(table, &protocols, &addresses)
        });
        protocols::warn_of_shared(&mut table, &protocols, &protocol_paths);
        let tee = table.part("nothing is sent there", protocols::tee);
        let demo = table.part("the demo is served on this machine only", |table| {
            table.boolean("demo").unwrap_or_default()
        });
        table.finish();
        Some(Self {
            tenants: tenants?,
            limits,
            unknown_events,
            cleaning: cleaning?,
            enrichment,
            columns,
            mode,
            policy,
            failed: failed?,
            inherited: inherited?,
            tenant_streams,
            renamed_streams,
            log,
            protocols,
            protocol_paths,
            tee,
            addresses,
            demo,
        })
    }
}

/// Parses `tenant_streams`.
fn tenant_streams(table: &mut ConfigTable<'_>, store: Binding) -> Vec<StreamSet> {
    const KEY: &str = "tenant_streams";
    let Some(texts) = table.texts(KEY) else { return Vec::new() };
    if store == Binding::Absent {
        table.warn(KEY, format!("has no effect without the binding {STORE}"));
        return Vec::new();
    }
    let read = |text: String| routes::stream_set(table, KEY, Value::String(text));
    texts.into_iter().filter_map(read).collect()
}

fn enrichment(table: &mut ConfigTable<'_>) -> Enrichment {
    let mut enrichment = Enrichment::default();
    if let Some(seconds) = table.number("max_clock_skew_s", 1, 86_400) {
        enrichment.clock_threshold = TimeDelta::seconds(i64::try_from(seconds).unwrap_or(0));
    }
    enrichment.bots = table
        .choice("bots", &[("label", BotPolicy::Label), ("drop", BotPolicy::Drop)])
        .unwrap_or_default();
    if let Some(domains) = table.texts("internal_domains") {
        let of_domain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        if domains.iter().any(|domain| domain.is_empty() || !domain.bytes().all(of_domain)) {
            table.error("internal_domains", "must list domains such as \"shop.example\"");
        } else {
            enrichment.internal_domains = domains;
        }
    }
    enrichment
}

/// Parses `aggregate_bytes`: a size, or 0 or `false` to turn aggregation off.
fn aggregation(table: &mut ConfigTable<'_>) -> Aggregation {
    let Some(value) = table.optional("aggregate_bytes") else {
        return Aggregation::default();
    };
    let bytes = value.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
    match (&value, bytes) {
        (Value::Bool(false), _) | (_, Some(0)) => Aggregation::Off,
        (_, bytes) => {
            bytes.and_then(AggregateBytes::parse).map(Aggregation::UpTo).unwrap_or_else(|| {
                let (unit, max) = (aggregate::BILLED_UNIT, AggregateBytes::MAX);
                let wanted = format!("must be a multiple of {unit} from {unit} to {max}, or false");
                table.error("aggregate_bytes", format!("{wanted}, not {value}"));
                Aggregation::default()
            })
        }
    }
}

fn log(table: &mut ConfigTable<'_>) -> LogSampling {
    let mut shares = LogSampling::default();
    if let Some(value) = table.optional("log") {
        table.nested("log", value, |table| {
            for (key, slot) in
                [("success_rate", &mut shares.success), ("failure_rate", &mut shares.failure)]
            {
                *slot = table.share(key).unwrap_or(*slot);
            }
        });
    }
    shares
}

/// Parses `limits`. The maxima keep a request within an isolate's memory, and a beacon's record
/// within what a stream accepts.
fn limits(table: &mut ConfigTable<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(value) = table.optional("limits") else {
        return limits;
    };
    table.nested("limits", value, |table| {
        let mut set = |key, slot: &mut usize, max| {
            if let Some(number) = table.number(key, 1, max) {
                *slot = usize::try_from(number).unwrap_or(*slot);
            }
        };
        set("max_body_bytes", &mut limits.max_body_bytes, 8_388_608);
        set("max_inflated_bytes", &mut limits.max_inflated_bytes, 16_777_216);
        limits = limits.clone().for_inflated_bytes();
        set("max_beacons", &mut limits.max_beacons, 10_000);
        set("max_beacon_bytes", &mut limits.max_beacon_bytes, 524_288);
        set("max_depth", &mut limits.max_depth, 100);
        set("max_beacon_values", &mut limits.max_beacon_values, 262_144);
        set("max_request_values", &mut limits.max_request_values, 1_048_576);
        set("max_record_bytes", &mut limits.max_record_bytes, 67_108_864);
        set("max_in_flight_bytes", &mut limits.max_in_flight_bytes, 67_108_864);
    });
    limits
}
