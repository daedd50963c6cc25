//! Tenants, each named by the public write key of a request.
//!
//! The worker writes the tenant into each record; nothing in a body can change it. A write key is
//! public: it names a tenant but is no protection against misuse.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::config::Origins;
use crate::config::snowplow::SnowplowConfig;
use crate::model::quota::ItemTenant;
use crate::pipeline::privacy::PrivacyPolicy;
use crate::pipeline::route::Routes;

/// The tenant of a configuration without write keys.
pub const DEFAULT: &str = "default";

/// A customer of the operator.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Written into each record: `[a-z0-9_-]{1,64}`.
    pub name: String,
    pub origins: Origins,
    pub privacy: PrivacyPolicy,
    /// Those of the top level are shared by the tenants that inherit them, as `names` are.
    pub routes: Arc<Routes>,
    /// The event names for the names that SDKs of other collectors send.
    pub names: Arc<BTreeMap<String, String>>,
    pub snowplow: SnowplowConfig,
    /// Its name again, and its quota, as each of its records has them.
    pub of_items: Arc<ItemTenant>,
    /// Whether its write key sets `routes`; otherwise they are those of the top level.
    pub has_own_routes: bool,
}

#[derive(Debug, Clone)]
pub enum Tenants {
    /// One tenant, whatever key a request names.
    One(Box<Tenant>),
    /// Tenants by write key.
    ByKey(HashMap<String, Tenant>),
}

impl Tenants {
    /// The tenant of a request with the write key `key`.
    pub fn find(&self, key: Option<&str>) -> Option<&Tenant> {
        match self {
            Self::One(tenant) => Some(tenant),
            Self::ByKey(tenants) => tenants.get(key?),
        }
    }

    /// The tenant called `name`. If it has several keys, the first in alphabetical order decides.
    pub fn named(&self, name: &str) -> Option<&Tenant> {
        match self {
            Self::One(tenant) => (tenant.name == name).then_some(tenant.as_ref()),
            Self::ByKey(tenants) => {
                let of_it = tenants.iter().filter(|(_, tenant)| tenant.name == name);
                of_it.min_by_key(|(key, _)| *key).map(|(_, tenant)| tenant)
            }
        }
    }

    /// The tenants by write key, in alphabetical order of the keys. None without write keys.
    pub fn by_key(&self) -> Vec<(&str, &Tenant)> {
        let Self::ByKey(tenants) = self else { return Vec::new() };
        let mut keys: Vec<&str> = tenants.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| Some((key, tenants.get(key)?))).collect()
    }

    /// Whether there is more than one tenant, whatever the number of keys.
    pub fn are_several(&self) -> bool {
        let mut names = self.all().map(|tenant| &tenant.name);
        let first = names.next();
        names.any(|name| Some(name) != first)
    }

    pub fn all(&self) -> Box<dyn Iterator<Item = &Tenant> + '_> {
        match self {
            Self::One(tenant) => Box::new(std::iter::once(tenant.as_ref())),
            Self::ByKey(tenants) => Box::new(tenants.values()),
        }
    }
}
