//! Parses `keys`, and what each tenant inherits from the top level.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::delivery_mode::DeliveryMode;
use super::privacy::{HasSecret, privacy};
use super::quota::quota;
use super::table::ConfigTable;
use super::{origins, protocols, routes, snowplow};
use crate::config::tenant::{Tenant, Tenants};
use crate::config::{Binding, tenant};
use crate::model::quota::ItemTenant;

const KEYS: &str = "must be a table of write keys, each with a table that has `tenant`";

/// What the parser of tenants knows besides the table.
#[derive(Debug, Clone, Copy)]
pub struct TenantRules {
    pub has_secret: HasSecret,
    /// Whether further tenants are in the key-value store.
    pub store: Binding,
}

/// Parses `origins`, the privacy settings, `routes` and `keys`. Returns the tenants, and the settings
/// that they inherit as those of a tenant.
pub fn tenants(
    table: &mut ConfigTable<'_>,
    rules: TenantRules,
    mode: &DeliveryMode,
) -> Option<(Tenants, Tenant)> {
    let TenantRules { has_secret, store } = rules;
    let origins = table.required_with("origins", origins::origins);
    let privacy = privacy(table, &Default::default(), has_secret);
    let routes = table.required_with("routes", routes::routes);
    let is_whole = store == Binding::Absent;
    if routes.is_some() && is_whole && each_key_has(table, "routes") {
        let problem = "is used by no write key, since each has routes of its own, and events \
                       without a write key are refused; let a key have none, if that is not meant";
        table.warn("routes", problem);
    }
    let names = protocols::names(table).unwrap_or_default();
    let snowplow = snowplow::snowplow(table, &Default::default(), &privacy);
    let keys = table.optional("keys");
    let whole = Tenant {
        name: tenant::DEFAULT.to_owned(),
        origins: origins?,
        privacy,
        routes: Arc::new(routes?),
        names: Arc::new(names),
        snowplow,
        of_items: Arc::new(ItemTenant { name: tenant::DEFAULT.to_owned(), quota: None }),
        has_own_routes: false,
    };
    let tenants = match keys {
        None if !is_whole => Some(Tenants::ByKey(HashMap::new())),
        None if whole.routes.tenants().any(|name| name != tenant::DEFAULT) => {
            table.error("routes", "must name no tenant where there are no keys");
            None
        }
        None => Some(Tenants::One(Box::new(whole.clone()))),
        Some(Value::Object(keys)) if !keys.is_empty() || !is_whole => {
            let count = keys.len();
            let read = keys.into_iter().filter_map(|(key, value)| {
                let path = format!("keys.{key}");
                let tenant = tenant_of_key(table, &path, &key, value, &whole, has_secret, mode)?;
                Some((key, tenant))
            });
            let tenants: HashMap<String, Tenant> = read.collect();
            check_quotas(table, &tenants);
            let names: Vec<&str> = tenants.values().map(|tenant| tenant.name.as_str()).collect();
            let routed = tenants.values().flat_map(|tenant| tenant.routes.tenants());
            for unknown in routed.filter(|_| is_whole) {
                if !names.contains(&unknown) {
                    let problem = format!("must have a key for the tenant {unknown:?} of a route");
                    table.error("keys", problem);
                    return None;
                }
            }
            (tenants.len() == count).then_some(Tenants::ByKey(tenants))
        }
        Some(_) => {
            table.error("keys", KEYS);
            None
        }
    };
    tenants.map(|tenants| (tenants, whole))
}

/// Checks that the keys of a tenant have the same quota, which they share.
fn check_quotas(table: &mut ConfigTable<'_>, tenants: &HashMap<String, Tenant>) {
    let mut keys: Vec<(&String, &Tenant)> = tenants.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    let mut firsts: HashMap<&str, (&String, &Tenant)> = HashMap::new();
    for (key, tenant) in keys {
        let (first, of_first) = *firsts.entry(&tenant.name).or_insert((key, tenant));
        if of_first.of_items != tenant.of_items {
            let problem = format!(
                "must be that of keys.{first}, which has the same tenant {:?}",
                tenant.name
            );
            table.error(&format!("keys.{key}.quota"), problem);
        }
    }
}

/// Whether each write key sets `field`.
fn each_key_has(table: &ConfigTable<'_>, field: &str) -> bool {
    let keys = table.peek("keys").and_then(Value::as_object);
    keys.is_some_and(|keys| !keys.is_empty() && keys.values().all(|key| key.get(field).is_some()))
}

/// Whether `key` can be a write key. Plausible names a domain, and Jitsu's keys have a colon.
pub fn is_write_key(key: &str) -> bool {
    is_word(key, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':'))
}

/// Parses the tenant of `key`, which is at `path` of `table` and inherits from `whole`.
pub fn tenant_of_key(
    table: &mut ConfigTable<'_>,
    path: &str,
    key: &str,
    value: Value,
    whole: &Tenant,
    has_secret: HasSecret,
    mode: &DeliveryMode,
) -> Option<Tenant> {
    if !is_write_key(key) {
        table.error(path, "is no write key; a key has 1 to 64 of a-z A-Z 0-9 _ - . :");
        return None;
    }
    table.nested(path, value, |table| {
        let name = table.required("tenant").and_then(|value| name(table, &value));
        let origins = table.or_inherit(&whole.origins, "origins", origins::origins);
        let privacy = privacy(table, &whole.privacy, has_secret);
        let names =
            table.or_inherit(&whole.names, "names", |table| protocols::names(table).map(Arc::new));
        let snowplow = snowplow::snowplow(table, &whole.snowplow, &privacy);
        let quota = quota(table, mode);
        let has_own_routes = table.peek("routes").is_some();
        let routes =
            table.or_inherit(&whole.routes, "routes", |table| routes::routes(table).map(Arc::new));
        let name = name?;
        Some(Tenant {
            of_items: Arc::new(ItemTenant { name: name.clone(), quota }),
            name,
            origins: origins?,
            privacy,
            routes: routes?,
            names: names?,
            snowplow,
            has_own_routes,
        })
    })?
}

/// Whether `name` can be the name of a tenant.
pub fn is_name(name: &str) -> bool {
    is_word(name, |byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

fn name(table: &mut ConfigTable<'_>, value: &Value) -> Option<String> {
    let name = value.as_str().filter(|name| is_name(name)).map(str::to_owned);
    if name.is_none() {
        table.error("tenant", "must be a name of 1 to 64 of a-z 0-9 _ -");
    }
    name
}

fn is_word(text: &str, of_word: impl Fn(u8) -> bool) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| of_word(byte) || matches!(byte, b'_' | b'-'))
}
