//! Decides whether a request may send: by its write key, by its origin, and a replay by its key. A
//! server key, or a signature made with one, allows more.
//!
//! Each request passes here once. No other place answers 401 or 403 to a request with beacons.

use std::rc::Rc;

use super::error::IngestError;
use crate::base::secret::Secret;
use crate::base::text::truncate_for_display;
use crate::config::operator_keys::OperatorRole;
use crate::config::stored_tenant::{KeySwitch, StoredTenant};
use crate::config::tenant::Tenant;
use crate::config::tenants::is_write_key;
use crate::config::{Config, Origins};
use crate::model::beacon::Limits;
use crate::model::replay::{ReplayHeader, ReplaySource};
use crate::model::request::RequestContext;

/// A request that may send, with its tenant.
#[derive(Debug)]
pub struct AuthorizedRequest<'a, 'c> {
    pub context: &'a RequestContext,
    pub config: &'c Config,
    pub tenant: &'c Tenant,
    /// Whether it has a server key.
    pub verified: bool,
    /// The failed event that it sends again, if it is a replay.
    pub replay: Option<ReplaySource>,
}

/// The tenant of a request, and whether the request may send to it.
#[derive(Debug)]
pub struct Authorization<'a, 'c> {
    /// The tenant of the write key, even if the request may not send to it.
    pub tenant: Option<&'c Tenant>,
    pub cors: CorsScope<'a>,
    /// The name of the operator's key that allows a replay, if it has one.
    pub operator_key: Option<&'c str>,
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

/// The tenant that a request names and that only the key-value store can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredName<'a> {
    /// The tenant of a server key.
    Server(&'a str),
    /// The tenant of one of these write keys; the first one that exists.
    Keys(Vec<&'a str>),
}

/// What the key-value store has for a request.
#[derive(Debug)]
pub enum StoredAnswer {
    Found {
        tenant: Rc<StoredTenant>,
        /// Whether a server key names the tenant.
        verified: bool,
    },
    Unknown,
    /// The store does not answer, and nothing older is known.
    Unavailable,
    /// The value can't be used, and nothing older is known. The operator has to correct it.
    Invalid,
    /// The client has asked for too much.
    RateLimited,
}

/// Returns what to look up in the key-value store before the request of `context` is authorized;
/// `None` if the configuration has its tenant, or if nothing can be a key.
pub fn to_look_up<'a>(context: &'a RequestContext, config: &'a Config) -> Option<StoredName<'a>> {
    /// More than any SDK names.
    const MAX_KEYS: usize = 4;
    let named = context.keys().find_map(|key| config.server_keys.tenant_of(key));
    if let Some(name) = named {
        return config.tenants.named(name).is_none().then_some(StoredName::Server(name));
    }
    if context.keys().any(|key| config.tenants.find(Some(key)).is_some()) {
        return None;
    }
    let mut keys: Vec<&str> = Vec::new();
    for key in context.keys().filter(|key| is_write_key(key)) {
        if keys.len() < MAX_KEYS && !keys.contains(&key) {
            keys.push(key);
        }
    }
    (!keys.is_empty()).then_some(StoredName::Keys(keys))
}

/// Finds the tenant of a request, and checks that the request may send to it. `replay` is the
/// header of a replay, `stored` what the key-value store has for [`to_look_up`].
pub fn authorize<'a, 'c: 'a>(
    context: &'a RequestContext,
    replay: Option<&ReplayHeader>,
    config: &'c Config,
    stored: Option<&'c StoredAnswer>,
) -> Authorization<'a, 'c> {
    let key = replay.and_then(|header| header.key.as_deref());
    let operator_key = config.operator_keys.find(OperatorRole::Replay, key);
    let named = context.keys().find_map(|key| config.server_keys.tenant_of(key));
    // A server key decides alone: its tenant may be in the store.
    let of_config = match named {
        Some(name) => config.tenants.named(name),
        None => {
            let of_page = context.keys().find_map(|key| config.tenants.find(Some(key)));
            of_page.or_else(|| config.tenants.find(None))
        }
    };
    // What was accepted under a key may be sent again, although the key is off.
    let is_on = |tenant: &StoredTenant| tenant.key == KeySwitch::On || operator_key.is_some();
    let (of_store, is_server) = match stored {
        Some(StoredAnswer::Found { tenant, verified }) if is_on(tenant) => {
            (Some(&tenant.tenant), *verified)
        }
        _ => (None, false),
    };
    let tenant = of_config.or(of_store);
    let verified = match of_config {
        Some(_) => named.is_some(),
        None => is_server,
    };
    let cors = match tenant {
        Some(tenant) => CorsScope { allowed: &tenant.origins, ..CorsScope::any(context) },
        None => CorsScope::any(context),
    };
    let request = || {
        let replay = replay.map(|header| ReplaySource::parse(header, operator_key.is_some()));
        let replay = replay.transpose()?;
        let tenant = tenant.ok_or_else(|| match stored {
            Some(StoredAnswer::Unavailable | StoredAnswer::Invalid) => {
                IngestError::TenantsUnavailable
            }
            Some(StoredAnswer::RateLimited) => IngestError::RateLimited,
            Some(StoredAnswer::Found { .. } | StoredAnswer::Unknown) | None => {
                IngestError::UnknownKey(shown(context))
            }
        })?;
        let origin = context.origin.as_deref();
        if !tenant.origins.allow(origin) {
            return Err(IngestError::OriginNotAllowed(truncate_for_display(
                origin.unwrap_or_default(),
            )));
        }
        Ok(AuthorizedRequest { context, config, tenant, verified, replay })
    };
    Authorization { tenant, cors, operator_key, request: request() }
}

/// Returns the key of a request as an error may show it. A long one may be a server's with one wrong
/// letter, and that of `Authorization` may be meant for a proxy.
fn shown(context: &RequestContext) -> String {
    const START_CHARS: usize = 8;
    let start = |key: &str| key.chars().take(START_CHARS).chain(['…']).collect();
    match &context.write_key {
        Some(key) if key.chars().count() < Secret::MIN_CHARS => key.clone(),
        Some(key) => start(key),
        None => context.other_keys.first().map(|key| start(key)).unwrap_or_default(),
    }
}

impl<'c> AuthorizedRequest<'_, 'c> {
    /// Returns the limits of the request. A signature, which covers the body, can allow no larger body.
    pub const fn limits(&self) -> &'c Limits {
        match self.verified {
            true => &self.config.larger_limits,
            false => &self.config.limits,
        }
    }

    /// Checks the signature of a request that has one: an HMAC-SHA256 over the time and the body
    /// `bytes`, as sent, with a server key of its tenant. It gives the rights of that key.
    pub fn check_signature(&mut self, bytes: &[u8]) -> Result<(), IngestError> {
        let Some(header) = &self.context.signature else { return Ok(()) };
        let signature = Signature::parse(header).ok_or(IngestError::BadSignature(FORM))?;
        let now = self.context.received_at.timestamp();
        if now.saturating_sub(signature.at).saturating_abs() > SIGNATURE_WINDOW_S {
            return Err(IngestError::BadSignature(OLD));
        }
        let at = signature.at.to_string();
        let keys = self.config.server_keys.of_tenant(&self.tenant.name);
        let is_right = |key: &Secret| key.signs(&[at.as_bytes(), b".", bytes], signature.digits);
        // Every key is tried, so that the time does not show which one signed.
        match keys.iter().filter(|key| is_right(key)).count() {
            0 => Err(IngestError::BadSignature(WRONG)),
            _ => {
                self.verified = true;
                Ok(())
            }
        }
    }
}

/// Returns the key in an `Authorization` header: the token of Bearer, or the user of Basic, whose
/// password SDKs leave empty.
pub fn authorization_key(header: &str) -> Option<String> {
    let (scheme, value) = header.trim().split_once(' ')?;
    let value = value.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(value.to_owned());
    }
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    let decoded =
        is_basic.then(|| base64_simd::forgiving_decode_to_vec(value.as_bytes()).ok())??;
    let credentials = String::from_utf8(decoded).ok()?;
    let (user, _) = credentials.split_once(':').unwrap_or((&credentials, ""));
    Some(user.to_owned())
}

/// Whether a request asks that its address is not kept, as Snowplow's trackers do with
/// `SP-Anonymous`.
pub fn is_anonymous(headers: &[(String, String)]) -> bool {
    headers.iter().any(|(name, _)| name == "sp-anonymous")
}

/// How far the time of a signature may be from ours, in seconds. Within it, the ids of its events keep
/// a repeat from counting twice.
const SIGNATURE_WINDOW_S: i64 = 300;

const FORM: &str = "must be t=SECONDS,v1=HEX";
const OLD: &str = "is more than 300 seconds old, or from the future";
const WRONG: &str = "is not made with a server key of the tenant over the time and the body";

/// The header `X-Headwater-Signature`: `t=SECONDS,v1=HEX`.
struct Signature<'a> {
    /// Seconds since the epoch.
    at: i64,
    digits: &'a str,
}

impl<'a> Signature<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let (at, digits) = header.trim().split_once(',')?;
        let at = at.trim().strip_prefix("t=")?.parse().ok()?;
        Some(Self { at, digits: digits.trim().strip_prefix("v1=")? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::tests::settings;
    use crate::config::{Binding, RawConfig};
    use crate::ingest::error::HttpError;

    #[test]
    fn a_key_is_the_token_of_bearer_or_the_user_of_basic() {
        for (header, key) in [
            ("Bearer sk_1", Some("sk_1")),
            ("bearer  sk_1 ", Some("sk_1")),
            ("Basic d2tfZGVtbzo=", Some("wk_demo")),
            ("Basic d2tfZGVtbzo", Some("wk_demo")),
            ("basic d2tfZGVtbzpwYXNz", Some("wk_demo")),
            ("Basic %%%", None),
            ("Digest x", None),
            ("", None),
        ] {
            assert_eq!(authorization_key(header).as_deref(), key, "{header}");
        }
    }

    const SERVER: &str = "server-key-of-tenant-b-1234567890123";

    /// A configuration with the store, the write key `pk_c`, and a server key of tenant b.
    fn config() -> Config {
        let mut settings = RawConfig { tenants: Binding::Present, ..settings() };
        settings.headwater.as_mut().unwrap()["keys"] = json!({"pk_c": {"tenant": "c"}});
        settings.server_keys = Some(json!({"b": SERVER, "c": "c".repeat(32)}).to_string());
        settings.operator_key = Some("o".repeat(32));
        Config::parse(settings).unwrap()
    }

    fn context(write_key: Option<&str>, other_keys: &[&str]) -> RequestContext {
        RequestContext {
            write_key: write_key.map(str::to_owned),
            other_keys: other_keys.iter().map(|key| (*key).to_owned()).collect(),
            ..RequestContext::default()
        }
    }

    #[test]
    fn only_keys_that_the_configuration_lacks_are_looked_up() {
        let config = config();
        let of_server = "c".repeat(32);
        for (write_key, other_keys, expected) in [
            (Some("pk_c"), vec![], None),
            (Some("pk_a"), vec!["pk_c"], None),
            (Some("pk_a"), vec![of_server.as_str()], None),
            (None, vec![], None),
            (Some("no key"), vec!["tenant/b", ""], None),
            (Some("pk_a"), vec![SERVER], Some(StoredName::Server("b"))),
            (Some("pk_a"), vec!["pk_a", "b"], Some(StoredName::Keys(vec!["pk_a", "b"]))),
            (None, vec!["1", "2", "3", "4", "5"], Some(StoredName::Keys(vec!["1", "2", "3", "4"]))),
        ] {
            let context = context(write_key, &other_keys);
            assert_eq!(to_look_up(&context, &config), expected, "{write_key:?} {other_keys:?}");
        }
    }

    #[test]
    fn the_stores_answer_decides_about_the_request() {
        let config = config();
        let found = |off: bool, verified| {
            let value = json!({"tenant": "b", "off": off, "origins": ["https://b.example"]});
            let tenant = Rc::new(config.stored_tenant("pk_b", &value.to_string()).unwrap());
            StoredAnswer::Found { tenant, verified }
        };
        let code = |stored: &StoredAnswer, origin: Option<&str>, replay: Option<&ReplayHeader>| {
            let context =
                RequestContext { origin: origin.map(str::to_owned), ..context(Some("pk_b"), &[]) };
            let found = authorize(&context, replay, &config, Some(stored));
            let status = found.request.map(|it| (it.tenant.name.clone(), it.verified));
            status.map_err(|error| error.code())
        };
        let [own, other] = [Some("https://b.example"), Some("https://shop.example")];
        let b = |verified| Ok(("b".to_owned(), verified));
        assert_eq!(code(&found(false, false), own, None), b(false));
        assert_eq!(code(&found(false, true), own, None), b(true));
        assert_eq!(code(&found(false, false), other, None), Err("origin_not_allowed"));
        assert_eq!(code(&found(true, false), own, None), Err("unknown_key"));
        assert_eq!(code(&found(true, false), other, None), Err("unknown_key"));
        assert_eq!(code(&StoredAnswer::Unknown, own, None), Err("unknown_key"));
        assert_eq!(code(&StoredAnswer::Unavailable, own, None), Err("tenants_unavailable"));
        assert_eq!(code(&StoredAnswer::RateLimited, own, None), Err("rate_limited"));
        // What was accepted before the key was switched off may be sent again.
        let fields = r#"{"event_id": "01939b70-6d2a-7c3e-8f00-000000000001", "original_format": "beacon", "received_at": "2026-11-18T11:06:40Z"}"#;
        let replay = |key: &str| ReplayHeader { fields: fields.to_owned(), key: Some(key.into()) };
        assert_eq!(code(&found(true, false), None, Some(&replay(&"o".repeat(32)))), b(false));
        assert_eq!(
            code(&found(true, false), None, Some(&replay(&"x".repeat(32)))),
            Err("operator_key_required")
        );
    }

    #[test]
    fn a_server_key_of_the_store_goes_before_a_page_key_of_the_configuration() {
        let config = config();
        let context = context(Some("pk_c"), &[SERVER]);
        let sent = |stored: StoredAnswer| {
            let request = authorize(&context, None, &config, Some(&stored)).request;
            let tenant = request.map(|it| (it.tenant.name.clone(), it.verified));
            tenant.map_err(|error| error.code())
        };
        let found = |value: &str| {
            let tenant = Rc::new(config.stored_tenant("pk_b", value).unwrap());
            StoredAnswer::Found { tenant, verified: true }
        };
        assert_eq!(sent(found(r#"{"tenant": "b"}"#)), Ok(("b".to_owned(), true)));
        assert_eq!(sent(found(r#"{"tenant": "b", "off": true}"#)), Err("unknown_key"));
        assert_eq!(sent(StoredAnswer::Unknown), Err("unknown_key"));
        assert_eq!(sent(StoredAnswer::Unavailable), Err("tenants_unavailable"));
        assert_eq!(sent(StoredAnswer::Invalid), Err("tenants_unavailable"));
    }

    #[test]
    fn a_signature_has_a_time_and_digits() {
        let parsed = Signature::parse(" t=1795000000, v1=00ff").map(|it| (it.at, it.digits));
        assert_eq!(parsed, Some((1_795_000_000, "00ff")));
        for broken in ["", "t=1", "t=x,v1=00", "v1=00,t=1", "t=1,v2=00"] {
            assert!(Signature::parse(broken).is_none(), "{broken}");
        }
    }
}
