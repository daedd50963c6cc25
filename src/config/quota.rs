//! Parses `quota` of a tenant.

use super::delivery_mode::DeliveryMode;
use super::table::ConfigTable;
use crate::model::quota::DailyQuota;

const KEY: &str = "quota";

/// Parses the quota of a tenant, which only shards can count.
pub fn quota(table: &mut ConfigTable<'_>, mode: &DeliveryMode) -> Option<DailyQuota> {
    let value = table.optional(KEY)?;
    if let DeliveryMode::Direct(_) = mode {
        table.error(KEY, "needs shards, which count it; HEADWATER.delivery is \"direct\"");
        return None;
    }
    let events = table.nested(KEY, value, |table| {
        table.required_with("events_per_day", |table| {
            table.number("events_per_day", 1, DailyQuota::MAX)
        })
    });
    events.flatten().and_then(DailyQuota::new)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{error_count, settings};
    use super::super::{Binding, Config, RawConfig};

    fn with(keys: Value) -> RawConfig {
        let mut settings = RawConfig { shard: Binding::Present, ..settings() };
        let headwater = settings.headwater.as_mut().unwrap();
        headwater["delivery"] = json!("sharded");
        headwater["keys"] = keys;
        settings
    }

    fn a_day(events: u64) -> Value {
        json!({"tenant": "a", "quota": {"events_per_day": events}})
    }

    #[test]
    fn the_keys_of_a_tenant_share_its_quota() {
        let keys = json!({"pk_1": a_day(5), "pk_2": a_day(5), "pk_b": {"tenant": "b"}});
        let config = Config::parse(with(keys)).unwrap();
        let quota = |key| {
            let of_items = &config.tenants.find(Some(key)).unwrap().of_items;
            (of_items.name.as_str(), of_items.quota.map(super::DailyQuota::events))
        };
        assert_eq!(
            ["pk_1", "pk_2", "pk_b"].map(quota),
            [("a", Some(5)), ("a", Some(5)), ("b", None)]
        );
        for other in [a_day(6), json!({"tenant": "a"})] {
            assert_eq!(
                error_count(with(json!({"pk_1": a_day(5), "pk_2": other}))),
                [
                    "HEADWATER.keys.pk_2.quota must be that of keys.pk_1, which has the same tenant \"a\""
                ]
            );
        }
    }

    #[test]
    fn a_quota_is_a_number_of_events_that_shards_count() {
        let of = |quota: Value| error_count(with(json!({"pk_a": {"tenant": "a", "quota": quota}})));
        let range = "HEADWATER.keys.pk_a.quota.events_per_day must be an integer from 1 to 1000000000000, not 0";
        assert_eq!(of(json!({"events_per_day": 0})), [range]);
        assert_eq!(of(json!({})), ["HEADWATER.keys.pk_a.quota.events_per_day is missing"]);
        assert_eq!(of(json!(7)), ["HEADWATER.keys.pk_a.quota must be a table"]);
        let mut direct = with(json!({"pk_a": a_day(5)}));
        direct.headwater.as_mut().unwrap()["delivery"] = json!("direct");
        assert_eq!(
            error_count(direct),
            [
                "HEADWATER.keys.pk_a.quota needs shards, which count it; HEADWATER.delivery is \"direct\""
            ]
        );
    }

    #[test]
    fn a_stored_tenant_has_a_quota_and_that_of_its_other_keys() {
        let settings = RawConfig { tenants: Binding::Present, ..with(json!({"pk_a": a_day(5)})) };
        let config = Config::parse(settings).unwrap();
        let stored = |value: Value| config.stored_tenant("pk_s", &value.to_string());
        let other = json!({"tenant": "b", "quota": {"events_per_day": 7}});
        assert_eq!(stored(other).unwrap().tenant.of_items.quota, super::DailyQuota::new(7));
        assert!(stored(a_day(5)).is_ok());
        assert_eq!(
            stored(a_day(7)).unwrap_err().first().unwrap().to_string(),
            "TENANTS.pk_s.quota must be that of HEADWATER.keys, which has the tenant \"a\""
        );
    }
}
