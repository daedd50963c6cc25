//! A tenant in the key-value store `TENANTS`: the value of a write key that `keys` does not have.
//!
//! The value is the JSON of a table of `keys`. Streams are created and watched with a deployment, so
//! its routes may go only to streams that the configuration names. So a shard needs no tenant to
//! deliver a record.

use std::mem::size_of;

use serde_json::Value;

use super::privacy::HasSecret;
use super::table::ConfigTable;
use super::tenant::Tenant;
use super::tenants::{is_name, is_write_key, tenant_of_key};
use super::{Config, ConfigError, STORE, columns};
use crate::model::stream_set::StreamSet;
use crate::pipeline::decode;
use crate::pipeline::route::RouteAggregation;

/// The most bytes of a value.
pub const MAX_VALUE_BYTES: usize = 16_384;

const AGGREGATE: &str = "can be false only if a route of HEADWATER to the same stream has it, since shards know no other";

/// What the names of the entries begin with that name a tenant's write key. No write key has a slash.
const NAMED: &str = "tenant/";

/// A tenant of the store.
#[derive(Debug, Clone)]
pub struct StoredTenant {
    pub tenant: Tenant,
    pub key: KeySwitch,
}

/// Whether requests may use a write key of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySwitch {
    On,
    /// They are answered as if it did not exist.
    Off,
}

impl StoredTenant {
    /// Returns the memory of a tenant whose value has this many bytes, roughly. What it inherits is
    /// shared.
    pub const fn memory(value_bytes: usize) -> usize {
        // Parsed, a route or a name takes some three times its JSON.
        size_of::<Self>().saturating_add(value_bytes.saturating_mul(3))
    }
}

/// Returns the entry that names the write key of the tenant `name`; none if no tenant has that name.
pub fn entry_of_name(name: &str) -> Option<String> {
    is_name(name).then(|| format!("{NAMED}{name}"))
}

impl Config {
    /// Parses the value of the write key `key` in the store.
    pub fn stored_tenant(&self, key: &str, value: &str) -> Result<StoredTenant, Vec<ConfigError>> {
        self.stored_tenant_and_warnings(key, value).0
    }

    /// Like [`Self::stored_tenant`], with the problems that cost no event.
    pub fn stored_tenant_and_warnings(
        &self,
        key: &str,
        value: &str,
    ) -> (Result<StoredTenant, Vec<ConfigError>>, Vec<ConfigError>) {
        let (mut errors, mut warnings) = (Vec::new(), Vec::new());
        let read = match self.read_stored(key, value, &mut errors, &mut warnings) {
            Some(stored) if errors.is_empty() => Ok(stored),
            _ => Err(errors),
        };
        (read, warnings)
    }

    fn read_stored(
        &self,
        key: &str,
        value: &str,
        errors: &mut Vec<ConfigError>,
        warnings: &mut Vec<ConfigError>,
    ) -> Option<StoredTenant> {
        let mut table = ConfigTable::new(
            STORE.to_owned(),
            Value::Object(Default::default()),
            errors,
            warnings,
        )?;
        if value.len() > MAX_VALUE_BYTES {
            table.error(key, format!("must have at most {MAX_VALUE_BYTES} bytes"));
            return None;
        }
        let Ok(mut fields) = decode::object(value) else {
            table.error(key, "must be a JSON object, as a table of HEADWATER.keys");
            return None;
        };
        let switch = match fields.remove("off") {
            None | Some(Value::Bool(false)) => KeySwitch::On,
            Some(Value::Bool(true)) => KeySwitch::Off,
            Some(other) => {
                table.error(&format!("{key}.off"), format!("must be true or false, not {other}"));
                return None;
            }
        };
        let has_secret = HasSecret::of(self.secret.as_ref());
        let value = Value::Object(fields);
        let (whole, mode) = (&self.inherited, &self.mode);
        let tenant = tenant_of_key(&mut table, key, key, value, whole, has_secret, mode)?;
        self.check_stored_routes(key, &tenant, &mut table);
        self.check_stored_quota(key, &tenant, &mut table);
        Some(StoredTenant { tenant, key: switch })
    }

    /// Checks that a tenant that has keys in the configuration, too, has the quota of these.
    fn check_stored_quota(&self, key: &str, tenant: &Tenant, table: &mut ConfigTable<'_>) {
        let of_config = self.tenants.named(&tenant.name);
        if of_config.is_some_and(|of_config| of_config.of_items != tenant.of_items) {
            let problem =
                format!("must be that of HEADWATER.keys, which has the tenant {:?}", tenant.name);
            table.error(&format!("{key}.quota"), problem);
        }
    }

    /// Checks that the streams of a tenant's own routes are those of the configuration.
    fn check_stored_routes(&self, key: &str, tenant: &Tenant, table: &mut ConfigTable<'_>) {
        if !tenant.has_own_routes {
            return;
        }
        let sets: Vec<&StreamSet> = self.stream_sets();
        for (index, route) in tenant.routes.all().enumerate() {
            let unpacked = &self.destinations.unpacked;
            let is_packed = || route.to.iter().any(|set| !unpacked.contains(set));
            let (field, problem) =
                if route.to.iter().any(|set| self.destinations.failed.overlaps(set)) {
                    ("to", "must not be the stream of failed events")
                } else if route.to.iter().any(|set| !sets.contains(&set)) {
                    ("to", "must be a stream of HEADWATER.routes or HEADWATER.tenant_streams")
                } else if route.aggregate == RouteAggregation::Never && is_packed() {
                    ("aggregate", AGGREGATE)
                } else {
                    continue;
                };
            table.error(&format!("{key}.routes[{index}].{field}"), problem);
        }
        if let Some(column) = columns::missing(&self.columns, &tenant.routes) {
            let problem = format!(
                "must not choose by {:?}, which HEADWATER.columns.drop leaves out",
                column.name()
            );
            table.error(&format!("{key}.routes"), problem);
        }
    }
}

/// Parses the value of an entry that names a tenant's write key.
pub fn named_key(value: &str) -> Option<&str> {
    let key = value.trim();
    is_write_key(key).then_some(key)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tenant::Tenants;
    use super::super::tests::{sentences, settings, warnings};
    use super::super::{Binding, RawConfig};
    use super::*;
    use crate::model::stream::Stream;

    /// A configuration with the store, and with these keys in addition.
    fn with(keys: Value) -> RawConfig {
        let mut settings = RawConfig { tenants: Binding::Present, ..settings() };
        let Value::Object(keys) = keys else { panic!("not a table") };
        settings.headwater.as_mut().unwrap().as_object_mut().unwrap().extend(keys);
        settings
    }

    fn config(keys: Value) -> Config {
        Config::parse(with(keys)).unwrap()
    }

    fn problems(config: &Config, value: &Value) -> Vec<String> {
        sentences(&config.stored_tenant("pk_a", &value.to_string()).unwrap_err())
    }

    #[test]
    fn a_value_is_a_table_of_keys_that_inherits_the_top_level() {
        let config = config(json!({"tenant_streams": ["firehose:of-a-{0..3}"], "ip": "drop"}));
        let stored = config.stored_tenant("pk_a", r#"{"tenant": "a"}"#).unwrap();
        assert_eq!((stored.tenant.name.as_str(), stored.key), ("a", KeySwitch::On));
        assert_eq!(stored.tenant.origins, config.inherited.origins);
        assert_eq!(stored.tenant.privacy.ip, config.inherited.privacy.ip);
        assert!(std::sync::Arc::ptr_eq(&stored.tenant.routes, &config.inherited.routes));
        let own = json!({"tenant": "a", "off": true, "origins": ["https://*.a.example"],
            "routes": [{"level": "low", "to": "firehose:of-a-{0..3}"}, {"to": "firehose:events"}]});
        let stored = config.stored_tenant("pk_a", &own.to_string()).unwrap();
        assert!(stored.key == KeySwitch::Off && stored.tenant.has_own_routes);
        assert!(stored.tenant.origins.allow(Some("https://www.a.example")));
    }

    #[test]
    fn a_value_has_the_checks_of_keys() {
        let mut without = with(json!({}));
        without.tenants = Binding::Absent;
        for field in [
            json!({"tenant": "A"}),
            json!({"tenant": "a", "origins": []}),
            json!({"tenant": "a", "gpc": "hide"}),
            json!({"tenant": "a", "origin": ["*"]}),
            json!({"tenant": "a", "quota": {"events_per_day": 0}}),
            json!({"tenant": "a", "quota": {"events_per_day": 1}}),
            json!({"tenant": "a", "routes": [{"level": "low", "to": "firehose:events"}]}),
            json!({}),
        ] {
            let mut settings = without.clone();
            settings.headwater.as_mut().unwrap()["keys"] = json!({"pk_a": field});
            let of_table = sentences(&Config::parse(settings).unwrap_err());
            let of_value: Vec<String> = problems(&config(json!({})), &field)
                .iter()
                .map(|problem| problem.replace("TENANTS.", "HEADWATER.keys."))
                .collect();
            assert_eq!(of_value, of_table, "{field}");
        }
    }

    #[test]
    fn the_routes_of_a_value_go_only_to_streams_of_the_configuration() {
        let config = config(json!({"tenant_streams": ["firehose:of-a"],
            "columns": {"drop": ["level", "historical"]}}));
        let to = |route: Value| json!({"tenant": "a", "routes": [route]});
        for (value, problem) in [
            (
                to(json!({"to": "firehose:of-b"})),
                "TENANTS.pk_a.routes[0].to must be a stream of HEADWATER.routes or HEADWATER.tenant_streams",
            ),
            (
                to(json!({"to": "firehose:events-failed"})),
                "TENANTS.pk_a.routes[0].to must not be the stream of failed events",
            ),
            (
                to(json!({"to": "firehose:of-a", "aggregate": false})),
                "TENANTS.pk_a.routes[0].aggregate can be false only if a route of HEADWATER to the same stream has it, since shards know no other",
            ),
            (
                json!({"tenant": "a", "routes": [{"historical": true, "to": "firehose:of-a"}, {"to": "firehose:events"}]}),
                "TENANTS.pk_a.routes must not choose by \"historical\", which HEADWATER.columns.drop leaves out",
            ),
            (json!({"tenant": "a", "off": 1}), "TENANTS.pk_a.off must be true or false, not 1"),
            (json!([]), "TENANTS.pk_a must be a JSON object, as a table of HEADWATER.keys"),
            (
                json!({"tenant": "a", "names": {"x": "y".repeat(MAX_VALUE_BYTES)}}),
                "TENANTS.pk_a must have at most 16384 bytes",
            ),
        ] {
            assert_eq!(problems(&config, &value), [problem], "{value}");
        }
        let unpacked = with(json!({
            "routes": [{"level": "low", "aggregate": false, "to": "firehose:events-low"}, {"to": "firehose:events"}],
        }));
        let unpacked = Config::parse(unpacked).unwrap();
        let value = to(json!({"to": "firehose:events-low", "aggregate": false})).to_string();
        assert!(unpacked.stored_tenant("pk_a", &value).is_ok());
        let errors = unpacked.stored_tenant("pk a", r#"{"tenant": "a"}"#).unwrap_err();
        assert_eq!(
            sentences(&errors),
            ["TENANTS.pk a is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :"]
        );
    }

    #[test]
    fn with_the_store_the_configuration_needs_no_keys_and_knows_not_all_tenants() {
        for keys in [json!({}), json!({"keys": {}})] {
            let config = config(keys);
            assert!(matches!(&config.tenants, Tenants::ByKey(keys) if keys.is_empty()));
            assert!(config.tenants.find(None).is_none() && config.warnings.is_empty());
            let streams: Vec<String> = config.streams().iter().map(ToString::to_string).collect();
            assert_eq!(
                streams,
                ["firehose:events-low", "firehose:events", "firehose:events-failed"]
            );
        }
        let routes = json!([{"tenant": "b", "to": "firehose:b"}, {"to": "firehose:events"}]);
        config(json!({"routes": routes}));
        config(json!({"routes": routes, "keys": {"pk_a": {"tenant": "a"}}}));
        let own = json!({"keys": {"pk_a": {"tenant": "a", "routes": [{"to": "firehose:of-a"}]}}});
        assert_eq!(warnings(with(own)), [""; 0]);
        let server_keys = Some(json!({"b": "k".repeat(32)}).to_string());
        let config = Config::parse(RawConfig { server_keys, ..with(json!({})) }).unwrap();
        assert_eq!(config.server_keys.tenant_of(&"k".repeat(32)), Some("b"));
    }

    #[test]
    fn a_stream_of_the_stores_tenants_is_watched_and_does_not_concern_all() {
        let config = config(json!({"tenant_streams": ["firehose:of-a", "firehose:events-low"]}));
        let stream = |text| Stream::parse(text).unwrap();
        assert!(config.names(&stream("firehose:of-a")));
        assert!(config.streams().iter().any(|it| **it == stream("firehose:of-a")));
        assert_eq!(config.owners(&stream("firehose:of-a")), [STORE]);
        assert_eq!(config.owners(&stream("firehose:events-low")), [""; 0]);
        assert_eq!(config.settings_of(&stream("firehose:of-a")), ["HEADWATER.tenant_streams"]);
    }

    #[test]
    fn tenant_streams_are_streams_that_are_not_that_of_failed_events() {
        let errors = |streams: Value| {
            sentences(&Config::parse(with(json!({"tenant_streams": streams}))).unwrap_err())
        };
        assert_eq!(
            errors(json!(["firehose:events-failed"])),
            ["HEADWATER.failed_stream must be a stream that no route goes to"]
        );
        assert_eq!(errors(json!(["x"])).len(), 1);
    }

    #[test]
    fn without_the_store_tenant_streams_have_no_effect() {
        let mut settings = with(json!({"tenant_streams": ["firehose:events-failed"]}));
        settings.tenants = Binding::Absent;
        let no_effect = "HEADWATER.tenant_streams has no effect without the binding TENANTS";
        assert_eq!(warnings(settings.clone())[0], no_effect);
        let table = settings.headwater.as_mut().unwrap();
        table["tenant_streams"] = json!(["firehose:of-a"]);
        table["renamed_streams"] = json!({"firehose:of-a": "firehose:events"});
        let config = Config::parse(settings).unwrap();
        let stream = Stream::parse("firehose:of-a").unwrap();
        assert_eq!(config.owners(&stream), [""; 0]);
        assert_eq!(config.settings_of(&stream), [""; 0]);
        assert!(!config.names(&stream));
    }

    #[test]
    fn warnings_of_a_value_cost_no_event() {
        let config = config(json!({"protocols": ["snowplow"]}));
        let value = json!({"tenant": "a", "snowplow": {"hartbeat_s": 10}}).to_string();
        let (read, warnings) = config.stored_tenant_and_warnings("pk_a", &value);
        assert!(read.is_ok());
        assert_eq!(
            sentences(&warnings),
            [
                "TENANTS.pk_a.snowplow.hartbeat_s is an unknown key; did you mean heartbeat_s?; until then no cookie is set, and page pings are events of their own"
            ]
        );
    }

    #[test]
    fn an_entry_names_the_write_key_of_a_tenant() {
        assert_eq!(entry_of_name("acme").as_deref(), Some("tenant/acme"));
        assert_eq!(entry_of_name("a/b"), None);
        assert_eq!(named_key("pk_a\n"), Some("pk_a"));
        assert_eq!(named_key("tenant/acme"), None);
    }

    /// Ten thousand of them, with a value each as docs show it, fit into a generation of the cache.
    #[test]
    fn a_usual_tenant_is_small() {
        let value = r#"{"tenant": "acme", "origins": ["https://acme.example"], "gpc": "drop"}"#;
        assert!(StoredTenant::memory(value.len()) < 1_200, "{}", StoredTenant::memory(value.len()));
    }
}
