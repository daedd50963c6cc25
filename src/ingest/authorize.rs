//! Decides whether a request may send: by its write key, by its origin, and a replay by its key.
//!
//! Each request passes here once. No other place answers 401 or 403 to a request with beacons.

use super::error::IngestError;
use crate::base::text::truncate_for_display;
use crate::config::tenant::Tenant;
use crate::config::{Config, Origins};
use crate::model::replay::{ReplayHeader, ReplaySource};
use crate::model::request::RequestContext;

/// A request that may send, with its tenant.
#[derive(Debug)]
pub struct AuthorizedRequest<'a, 'c> {
    pub context: &'a RequestContext,
    pub config: &'c Config,
    pub tenant: &'c Tenant,
    /// The failed event that it sends again, if it is a replay.
    pub replay: Option<ReplaySource>,
}

/// The tenant of a request, and whether the request may send to it.
#[derive(Debug)]
pub struct Authorization<'a, 'c> {
    /// The tenant of the write key, even if the request may not send to it.
    pub tenant: Option<&'c Tenant>,
    pub cors: CorsScope<'a>,
    pub request: Result<AuthorizedRequest<'a, 'c>, IngestError>,
}

/// The CORS scope of a response: the origin of the request, and those that may read the answer.
#[derive(Debug, Clone, Copy)]
pub struct CorsScope<'a> {
    pub origin: Option<&'a str>,
    pub allowed: &'a Origins,
}

impl<'a> CorsScope<'a> {
    /// Lets any origin read the answer, for an error of an unknown tenant.
    pub fn any(context: &'a RequestContext) -> Self {
        Self { origin: context.origin.as_deref(), allowed: &Origins::Any }
    }

    /// Lets no origin read the answer, for an address that only operators ask.
    pub fn none() -> Self {
        Self { origin: None, allowed: &Origins::Any }
    }
}

/// Finds the tenant of a request, and checks that the request may send to it. `replay` is the
/// header of a replay.
pub fn authorize<'a, 'c: 'a>(
    context: &'a RequestContext,
    replay: Option<&ReplayHeader>,
    config: &'c Config,
) -> Authorization<'a, 'c> {
    let key = context.write_key.as_deref();
    let tenant = config.tenants.find(key);
    let cors = match tenant {
        Some(tenant) => CorsScope { allowed: &tenant.origins, ..CorsScope::any(context) },
        None => CorsScope::any(context),
    };
    let request = || {
        let operator_key = config.operator_key.as_ref();
        let replay = replay.map(|header| ReplaySource::parse(header, operator_key)).transpose()?;
        let unknown_key = || IngestError::UnknownKey(truncate_for_display(key.unwrap_or_default()));
        let tenant = tenant.ok_or_else(unknown_key)?;
        let origin = context.origin.as_deref();
        if !tenant.origins.allow(origin) {
            return Err(IngestError::OriginNotAllowed(truncate_for_display(
                origin.unwrap_or_default(),
            )));
        }
        Ok(AuthorizedRequest { context, config, tenant, replay })
    };
    Authorization { tenant, cors, request: request() }
}
