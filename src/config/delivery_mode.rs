//! Whether requests or shards deliver, and the settings of the shards.

use serde_json::Value;

use super::table::ConfigTable;
use crate::model::event::EventName;
use crate::model::placement::ShardNumber;
use crate::model::shard_address::Jurisdiction;
use crate::shard::config::ShardConfig;
use crate::shard::tenant_share::TenantShare;

/// Whether events are sessionized, deduplicated and batched in shards.
#[derive(Debug, Clone, PartialEq)]
pub enum DeliveryMode {
    /// Each request delivers its own records. Shards keep and drain what they have stored.
    Direct(ShardConfig),
    Sharded(ShardConfig),
}

impl DeliveryMode {
    /// The configuration of the shards.
    pub const fn shard_config(&self) -> &ShardConfig {
        match self {
            Self::Direct(sharding) | Self::Sharded(sharding) => sharding,
        }
    }

    /// Gives everything to the only tenant.
    #[must_use]
    pub fn of_one_tenant(self) -> Self {
        let whole = |sharding| ShardConfig { tenant_share: TenantShare::WHOLE, ..sharding };
        match self {
            Self::Direct(sharding) => Self::Direct(whole(sharding)),
            Self::Sharded(sharding) => Self::Sharded(whole(sharding)),
        }
    }
}

/// The most shards. A request may have an event for each of them.
const MAX_SHARDS: u64 = 256;

/// Parses `delivery` and the settings of the shards. Those are parsed in direct delivery too, so
/// that one word switches between the two.
pub fn read(table: &mut ConfigTable<'_>) -> DeliveryMode {
    let mut sharding = ShardConfig::default();
    let in_shards = table.choice("delivery", &[("sharded", true), ("direct", false)]);
    if let Some(count) = count(table, "shards") {
        sharding.count = count;
    }
    if let Some(previous_shard) = count(table, "previous_shards") {
        sharding.previous_count =
            Some(previous_shard).filter(|previous_shard| *previous_shard != sharding.count);
    }
    sharding.jurisdiction = jurisdiction(table, "jurisdiction").unwrap_or_default();
    sharding.previous_jurisdiction = jurisdiction(table, "previous_jurisdiction")
        .filter(|previous| *previous != sharding.jurisdiction);
    if let Some(linger_ms) = table.number("linger_ms", 1, 1_000) {
        sharding.linger_ms = linger_ms;
    }
    if let Some(bytes) = table.number("buffer_bytes", 65_536, 67_108_864) {
        sharding.buffer_bytes = usize::try_from(bytes).unwrap_or(sharding.buffer_bytes);
    }
    let percent = table.number("tenant_share_percent", TenantShare::MIN_PERCENT, 100);
    sharding.tenant_share =
        TenantShare::of_percent(percent.unwrap_or(TenantShare::DEFAULT_PERCENT));
    if let Some(devices) = table.number("new_devices_per_day", 1_000, 100_000_000) {
        sharding.new_devices_per_day = devices;
    }
    if let Some(events) = table.number("device_events_per_minute", 60, 1_000_000) {
        sharding.device_events_per_minute =
            u32::try_from(events).unwrap_or(sharding.device_events_per_minute);
    }
    session(table, &mut sharding);
    if let Some(value) = table.optional("dedupe") {
        table.nested("dedupe", value, |table| {
            if let Some(seconds) = table.number("window_s", 60, 604_800) {
                sharding.dedupe.window_ms = seconds.saturating_mul(1_000);
            }
            if let Some(max) = table.number("max_ids", 1_000, 64_000_000) {
                sharding.dedupe.max_ids = usize::try_from(max).unwrap_or(usize::MAX);
            }
        });
    }
    if let Some(value) = table.optional("spill") {
        table.nested("spill", value, |table| {
            if let Some(bytes) = table.number("max_bytes", 0, 8_589_934_592) {
                sharding.spill.max_bytes = bytes;
            }
        });
    }
    match in_shards {
        Some(false) => DeliveryMode::Direct(sharding),
        Some(true) | None => DeliveryMode::Sharded(sharding),
    }
}

fn count(table: &mut ConfigTable<'_>, key: &str) -> Option<ShardNumber> {
    ShardNumber::try_from(table.number(key, 1, MAX_SHARDS)?).ok()
}

fn jurisdiction(table: &mut ConfigTable<'_>, key: &str) -> Option<Jurisdiction> {
    table.choice(key, &Jurisdiction::ALL.map(|it| (it.name(), it)))
}

fn session(table: &mut ConfigTable<'_>, sharding: &mut ShardConfig) {
    let Some(value) = table.optional("session") else { return };
    table.nested("session", value, |table| {
        if let Some(seconds) = table.number("timeout_s", 1, 86_400) {
            sharding.session.timeout_ms = seconds.saturating_mul(1_000);
        }
        if let Some(names) = table.texts("session_start_events") {
            if let Some(bad) = names.iter().find(|name| EventName::parse((*name).clone()).is_none())
            {
                let bad = Value::from(bad.as_str());
                table
                    .error("session_start_events", format!("must list names of events, not {bad}"));
            }
            sharding.session_start_events = names;
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{error_count, settings};
    use super::super::{Binding, Config, RawConfig};
    use super::*;
    use crate::shard::{dedup, sessions, spill};

    /// Returns settings with a binding and these keys of `HEADWATER`. A null removes its key.
    fn with(keys: Value) -> RawConfig {
        let mut settings = RawConfig { shard: Binding::Present, ..settings() };
        let table = settings.headwater.as_mut().and_then(Value::as_object_mut).unwrap();
        let Value::Object(keys) = keys else { panic!("not a table") };
        table.extend(keys);
        table.retain(|_, value| !value.is_null());
        settings
    }

    #[test]
    fn delivery_is_in_shards_unless_it_is_direct() {
        for delivery in [Value::Null, json!("sharded")] {
            let config = Config::parse(with(json!({"delivery": delivery}))).unwrap();
            assert_eq!(config.mode, DeliveryMode::Sharded(ShardConfig::default()));
            let unbound =
                RawConfig { shard: Binding::Absent, ..with(json!({"delivery": delivery})) };
            assert_eq!(
                error_count(unbound),
                [
                    "SHARD is missing; bind the Durable Object class Shard to it in wrangler.toml, or set HEADWATER.delivery = \"direct\""
                ]
            );
        }
        let direct = RawConfig { shard: Binding::Absent, ..with(json!({"shards": 4})) };
        let sharding = ShardConfig { count: 4, ..ShardConfig::default() };
        assert_eq!(Config::parse(direct).unwrap().mode, DeliveryMode::Direct(sharding));
    }

    #[test]
    fn the_settings_of_shards_are_read() {
        let config = Config::parse(with(json!({
            "delivery": "sharded", "shards": 16, "previous_shards": 8,
            "jurisdiction": "eu", "previous_jurisdiction": "none", "linger_ms": 20, "buffer_bytes": 1_000_000,
            "device_events_per_minute": 500, "tenant_share_percent": 30, "new_devices_per_day": 5_000,
            "keys": {"pk_a": {"tenant": "a"}, "pk_b": {"tenant": "b"}},
            "session": {"timeout_s": 60, "session_start_events": ["app_open"]},
            "dedupe": {"window_s": 3_600, "max_ids": 5_000}, "spill": {"max_bytes": 1_000_000},
        })))
        .unwrap();
        let expected = ShardConfig {
            count: 16,
            previous_count: Some(8),
            jurisdiction: Jurisdiction::Eu,
            previous_jurisdiction: Some(Jurisdiction::None),
            linger_ms: 20,
            device_events_per_minute: 500,
            tenant_share: TenantShare::of_percent(30),
            new_devices_per_day: 5_000,
            buffer_bytes: 1_000_000,
            session: sessions::SessionConfig { timeout_ms: 60_000 },
            session_start_events: vec!["app_open".to_owned()],
            dedupe: dedup::DedupConfig { window_ms: 3_600_000, max_ids: 5_000 },
            spill: spill::SpillConfig { max_bytes: 1_000_000 },
        };
        assert_eq!(config.mode, DeliveryMode::Sharded(expected));
        let as_many = json!({
            "delivery": "sharded", "shards": 8, "previous_shards": 8,
            "jurisdiction": "none", "previous_jurisdiction": "none",
        });
        assert_eq!(
            Config::parse(with(as_many)).unwrap().mode,
            DeliveryMode::Sharded(ShardConfig::default())
        );
    }

    #[test]
    fn a_jurisdiction_without_an_object_is_a_warning() {
        let (there, absent) = (Binding::Present, Binding::Absent);
        for (shard, inspector, count) in
            [(there, absent, 0), (absent, there, 0), (absent, absent, 1)]
        {
            let keys = json!({"delivery": "direct", "jurisdiction": "eu"});
            let settings = RawConfig { shard, inspector, ..with(keys) };
            let warnings = Config::parse(settings).unwrap().warnings;
            assert_eq!(warnings.len(), count, "{warnings:?}");
            for warning in warnings {
                assert_eq!(
                    warning.to_string(),
                    "HEADWATER.jurisdiction has no effect without the bindings SHARD and INSPECTOR"
                );
            }
        }
    }

    #[test]
    fn tenants_have_shares_if_there_are_several() {
        let share = |keys: Value, tenants| {
            let settings = RawConfig { tenants, ..with(json!({"keys": keys})) };
            Config::parse(settings).unwrap().shard_config().tenant_share
        };
        let (one, half) = (TenantShare::WHOLE, TenantShare::of_percent(50));
        let (a, b) = (json!({"tenant": "a"}), json!({"tenant": "b"}));
        assert_eq!(share(Value::Null, Binding::Absent), one);
        assert_eq!(share(Value::Null, Binding::Present), half);
        assert_eq!(share(json!({"pk_a": a, "pk_a2": a}), Binding::Absent), one);
        assert_eq!(share(json!({"pk_a": a, "pk_b": b}), Binding::Absent), half);
    }

    #[test]
    fn a_mistake_is_a_sentence_that_names_its_key() {
        for (keys, sentence) in [
            (json!({"delivery": 1}), "delivery must be one of \"sharded\", \"direct\", not 1"),
            (json!({"shards": 0}), "shards must be an integer from 1 to 256, not 0"),
            (
                json!({"previous_shards": 257}),
                "previous_shards must be an integer from 1 to 256, not 257",
            ),
            (
                json!({"jurisdiction": "mars"}),
                "jurisdiction must be one of \"none\", \"eu\", \"us\", \"fedramp\", \"fedramp-high\", not \"mars\"",
            ),
            (
                json!({"previous_jurisdiction": false}),
                "previous_jurisdiction must be one of \"none\", \"eu\", \"us\", \"fedramp\", \"fedramp-high\", not false",
            ),
            (json!({"linger_ms": 0}), "linger_ms must be an integer from 1 to 1000, not 0"),
            (
                json!({"device_events_per_minute": 59}),
                "device_events_per_minute must be an integer from 60 to 1000000, not 59",
            ),
            (
                json!({"tenant_share_percent": 9}),
                "tenant_share_percent must be an integer from 10 to 100, not 9",
            ),
            (
                json!({"new_devices_per_day": 1}),
                "new_devices_per_day must be an integer from 1000 to 100000000, not 1",
            ),
            (
                json!({"buffer_bytes": 1}),
                "buffer_bytes must be an integer from 65536 to 67108864, not 1",
            ),
            (json!({"session": 1}), "session must be a table"),
            (
                json!({"session": {"timeout_s": 0}}),
                "session.timeout_s must be an integer from 1 to 86400, not 0",
            ),
            (
                json!({"session": {"session_start_events": "a"}}),
                "session.session_start_events must be a list of texts",
            ),
            (
                json!({"session": {"session_start_events": ["A"]}}),
                "session.session_start_events must list names of events, not \"A\"",
            ),
            (
                json!({"session": {"timeout": 1}}),
                "session.timeout is an unknown key; expected one of timeout_s, session_start_events",
            ),
            (
                json!({"dedupe": {"window_s": 1}}),
                "dedupe.window_s must be an integer from 60 to 604800, not 1",
            ),
            (
                json!({"dedupe": {"max_ids": 1}}),
                "dedupe.max_ids must be an integer from 1000 to 64000000, not 1",
            ),
            (
                json!({"spill": {"max_bytes": -1}}),
                "spill.max_bytes must be an integer from 0 to 8589934592, not -1",
            ),
        ] {
            assert_eq!(error_count(with(keys)), [format!("HEADWATER.{sentence}")]);
        }
    }
}
