//! Tenants: whose beacon it is, by the public write key that its request names.
//!
//! The worker stamps the tenant; nothing in a body can. A key is public: it tells sites
//! apart and keeps nobody out by itself.

use std::collections::HashMap;

use crate::config::Origins;
use crate::pipeline::privacy::PrivacyPolicy;
use crate::pipeline::route::Routes;

/// The tenant of an operator who names no keys.
pub const DEFAULT: &str = "default";

/// One customer of the operator.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its name, in each record: `[a-z0-9_-]{1,64}`.
    pub name: String,
    /// The sites that may send.
    pub origins: Origins,
    /// What may be told of people.
    pub privacy: PrivacyPolicy,
    /// Where its events go.
    pub routes: Routes,
}

/// All tenants.
#[derive(Debug, Clone)]
pub enum Tenants {
    /// One, whatever key a request names.
    One(Box<Tenant>),
    /// One a key.
    ByKey(HashMap<String, Tenant>),
}

impl Tenants {
    /// The tenant of a request that names `key`.
    pub fn find(&self, key: Option<&str>) -> Option<&Tenant> {
        match self {
            Self::One(tenant) => Some(tenant),
            Self::ByKey(tenants) => tenants.get(key?),
        }
    }

    /// The tenant called `name`; of several keys of it, that of the first key.
    pub fn named(&self, name: &str) -> Option<&Tenant> {
        match self {
            Self::One(tenant) => (tenant.name == name).then_some(tenant.as_ref()),
            Self::ByKey(tenants) => {
                let of_it = tenants.iter().filter(|(_, tenant)| tenant.name == name);
                of_it.min_by_key(|(key, _)| *key).map(|(_, tenant)| tenant)
            }
        }
    }

    /// Every tenant.
    pub fn all(&self) -> Box<dyn Iterator<Item = &Tenant> + '_> {
        match self {
            Self::One(tenant) => Box::new(std::iter::once(tenant.as_ref())),
            Self::ByKey(tenants) => Box::new(tenants.values()),
        }
    }
}
