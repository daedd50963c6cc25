//! Snowplow's network id: a random UUID in the cookie `sp`, by which the sites of a domain know a
//! browser.
//!
//! There is none unless the operator has configured a domain. If a browser asks for privacy, or its
//! tenant strips events without consent, no cookie is set or read.

use uuid::Uuid;

use super::authorize::{AuthorizedRequest, is_anonymous};
use crate::config::snowplow::NetworkCookie;
use crate::model::protocol::Protocol;
use crate::pipeline::decode::ProtocolError;
use crate::pipeline::decode::protocols::{ProtocolItems, snowplow};
use crate::pipeline::privacy::{DeviceIdSource, PrivacyDecision};

const NAME: &str = "sp";

const SECONDS_OF_DAY: u64 = 86_400;

/// Adds the network id of the browser that sent `headers` to the items of a request, if `protocol` is
/// Snowplow's and the browser may have one. Returns the items, and the value of `Set-Cookie` for an
/// answer that accepts them.
pub fn apply<'i>(
    items: Result<ProtocolItems<'i>, ProtocolError>,
    protocol: Protocol,
    request: &AuthorizedRequest<'_, '_>,
    headers: &[(String, String)],
    random: impl FnOnce() -> [u8; 16],
) -> (Result<ProtocolItems<'i>, ProtocolError>, Option<String>) {
    if protocol != Protocol::Snowplow {
        return (items, None);
    }
    match NetworkId::of_request(request, headers, random()) {
        None => (items, None),
        Some(NetworkId { id, set_cookie }) => {
            (items.map(|items| snowplow::with_network_id(items, &id)), Some(set_cookie))
        }
    }
}

/// The network id of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
struct NetworkId {
    /// A UUID.
    id: String,
    /// The value of `Set-Cookie`, which sets it or keeps it for longer.
    set_cookie: String,
}

impl NetworkId {
    /// Returns the network id of the browser that sent `headers`: that of its cookie, else one of
    /// the bytes `random`. None if the browser must have none.
    fn of_request(
        request: &AuthorizedRequest<'_, '_>,
        headers: &[(String, String)],
        random: [u8; 16],
    ) -> Option<Self> {
        let AuthorizedRequest { tenant, context, verified, .. } = request;
        let NetworkCookie { domain, days } = tenant.snowplow.cookie.as_ref()?;
        // Trackers state no consent.
        let is_allowed = tenant.privacy.decide(context.signals, None) == PrivacyDecision::Keep
            && tenant.privacy.device_ids == DeviceIdSource::Client;
        if *verified || is_anonymous(headers) || !is_allowed {
            return None;
        }
        let known = cookies(headers).find_map(|value| Uuid::try_parse(value).ok());
        let made = || uuid::Builder::from_random_bytes(random).into_uuid();
        let id = known.filter(|id| !id.is_nil()).unwrap_or_else(made).hyphenated().to_string();
        let max_age = days.saturating_mul(SECONDS_OF_DAY);
        let set_cookie = format!(
            "{NAME}={id}; Domain={domain}; Path=/; Max-Age={max_age}; SameSite=None; Secure; HttpOnly"
        );
        Some(Self { id, set_cookie })
    }
}

/// Returns the values of the cookie `sp`.
fn cookies(headers: &[(String, String)]) -> impl Iterator<Item = &str> {
    let lines = headers.iter().filter(|(name, _)| name == "cookie").map(|(_, value)| value);
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Config, RawConfig};
    use crate::ingest::authorize;
    use crate::model::consent::BrowserSignals;
    use crate::model::request::RequestContext;

    const KNOWN: &str = "26bb0215-7b98-48bb-b44c-ad9bd25f036b";
    const SERVER_KEY: &str = "sk_0123456789abcdef0123456789abcdef";

    fn config(more: &Value) -> Config {
        let mut table = json!({
            "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
            "routes": [{"to": "firehose:events"}], "protocols": ["snowplow"],
            "snowplow": {"cookie_domain": "shop.example", "cookie_days": 30},
        });
        table.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Config::parse(RawConfig {
            headwater: Some(table),
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some("AKIDEXAMPLE".to_owned()),
            secret_access_key: Some("secret".to_owned()),
            secret: Some("s".repeat(32)),
            server_keys: Some(json!({"default": SERVER_KEY}).to_string()),
            ..RawConfig::default()
        })
        .unwrap()
    }

    fn header(name: &str, value: &str) -> Vec<(String, String)> {
        vec![(name.to_owned(), value.to_owned())]
    }

    fn network_id(
        config: &Config,
        signals: BrowserSignals,
        headers: &[(String, String)],
        key: Option<&str>,
    ) -> Option<NetworkId> {
        let write_key = key.map(str::to_owned);
        let context = RequestContext { signals, write_key, ..RequestContext::default() };
        let request = authorize(&context, None, config, None).request.unwrap();
        NetworkId::of_request(&request, headers, [7; 16])
    }

    #[test]
    fn a_browser_keeps_the_id_of_its_cookie() {
        let config = config(&json!({}));
        let none = BrowserSignals::default();
        let made = "07070707-0707-4707-8707-070707070707";
        for (headers, id) in [
            (Vec::new(), made),
            (header("cookie", &format!("a=b; sp={KNOWN}; sp2=x")), KNOWN),
            (header("cookie", &format!("sp=x; sp={KNOWN}")), KNOWN),
            (header("cookie", "sp=00000000-0000-0000-0000-000000000000"), made),
            (header("cookie", "sp=a\r\nb; xsp=c"), made),
        ] {
            let found = network_id(&config, none, &headers, None).unwrap();
            assert_eq!(found.id, id, "{headers:?}");
            let cookie = format!(
                "sp={id}; Domain=shop.example; Path=/; Max-Age=2592000; SameSite=None; Secure; HttpOnly"
            );
            assert_eq!(found.set_cookie, cookie);
        }
    }

    #[test]
    fn no_browser_gets_one_against_its_will_or_the_tenants() {
        let none = BrowserSignals::default();
        let gpc = BrowserSignals { gpc: true, dnt: false };
        let dnt = BrowserSignals { gpc: false, dnt: true };
        let cookie = header("cookie", &format!("sp={KNOWN}"));
        let anonymous = [cookie.clone(), header("sp-anonymous", "*")].concat();
        for (more, signals, headers, key, is_set) in [
            (json!({}), none, &cookie, None, true),
            (json!({}), none, &anonymous, None, false),
            (json!({}), gpc, &cookie, None, false),
            (json!({"gpc": "keep"}), gpc, &cookie, None, true),
            (json!({}), dnt, &cookie, None, true),
            (json!({"dnt": "strip"}), dnt, &cookie, None, false),
            (json!({"dnt": "drop"}), dnt, &cookie, None, false),
            (json!({"consent": {"unknown": "strip"}}), none, &cookie, None, false),
            (json!({"cookieless": true}), none, &cookie, None, false),
            (json!({"snowplow": {}}), none, &cookie, None, false),
            // A server is no browser.
            (json!({}), none, &cookie, Some(SERVER_KEY), false),
        ] {
            let found = network_id(&config(&more), signals, headers, key);
            assert_eq!(found.is_some(), is_set, "{more} {signals:?} {headers:?}");
        }
    }
}
