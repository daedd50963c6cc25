//! The key `snowplow`: what only Snowplow's protocol has.

use super::table::ConfigTable;
use crate::pipeline::privacy::{DeviceIdSource, PrivacyPolicy};
use crate::schema::format::is_label;

/// The settings of Snowplow's protocol for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnowplowConfig {
    /// What a page ping stands for, in seconds. None if page pings are events of their own.
    pub heartbeat_s: Option<u64>,
    /// None if no network id is stored in browsers.
    pub cookie: Option<NetworkCookie>,
}

/// The cookie `sp`, which has the network id of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkCookie {
    /// The domain whose sites share it, such as `shop.example`.
    pub domain: String,
    pub days: u64,
}

/// The longest that browsers keep a cookie.
///
/// Source: <https://httpwg.org/http-extensions/draft-ietf-httpbis-rfc6265bis.html#section-5.5>
const MAX_DAYS: u64 = 400;

/// Parses the table at `snowplow`. A missing key is as in `base`. `privacy` is that of the tenant.
pub fn snowplow(
    table: &mut ConfigTable<'_>,
    base: &SnowplowConfig,
    privacy: &PrivacyPolicy,
) -> SnowplowConfig {
    const INSTEAD: &str = "no cookie is set, and page pings are events of their own";
    table.part(INSTEAD, |table| {
        let errors = table.error_count();
        let Some(value) = table.optional("snowplow") else { return base.clone() };
        let read = table.nested("snowplow", value, |table| settings(table, base, privacy));
        let is_right = table.error_count() == errors;
        read.filter(|_| is_right).unwrap_or_default()
    })
}

fn settings(
    table: &mut ConfigTable<'_>,
    base: &SnowplowConfig,
    privacy: &PrivacyPolicy,
) -> SnowplowConfig {
    let heartbeat_s = table.number("heartbeat_s", 1, 3_600).or(base.heartbeat_s);
    let domain = table.text("cookie_domain");
    let days = table.number("cookie_days", 1, MAX_DAYS);
    if domain.as_deref().is_some_and(|domain| !is_domain(domain)) {
        table.error("cookie_domain", "must be a domain such as \"shop.example\"");
    }
    if domain.is_some() && privacy.device_ids == DeviceIdSource::Cookieless {
        table.error("cookie_domain", "must not be set beside cookieless = true");
    }
    let cookie = match (domain, &base.cookie) {
        (Some(domain), _) => Some(NetworkCookie { domain, days: days.unwrap_or(365) }),
        (None, Some(cookie)) => {
            Some(NetworkCookie { days: days.unwrap_or(cookie.days), ..cookie.clone() })
        }
        (None, None) => {
            if days.is_some() {
                table.error("cookie_days", "needs cookie_domain");
            }
            None
        }
    };
    SnowplowConfig { heartbeat_s, cookie }
}

/// Whether `text` is a domain of at least two labels. Browsers refuse a cookie for a single one.
fn is_domain(text: &str) -> bool {
    let is_lower_case = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    text.len() <= 253 && is_lower_case && text.contains('.') && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::settings;
    use super::super::{Config, RawConfig};
    use super::*;

    fn with(key: &str, value: Value) -> RawConfig {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()[key] = value;
        settings
    }

    fn read(settings: RawConfig) -> (SnowplowConfig, Vec<String>) {
        let config = Config::parse(settings).unwrap();
        let tenant = config.tenants.all().next().unwrap();
        (tenant.snowplow.clone(), config.warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_cookie_needs_a_domain_and_lasts_a_year() {
        assert_eq!(read(settings()), (SnowplowConfig::default(), Vec::new()));
        let cookie = |days| Some(NetworkCookie { domain: "shop.example".to_owned(), days });
        for (table, expected) in [
            (
                json!({"cookie_domain": "shop.example"}),
                SnowplowConfig { heartbeat_s: None, cookie: cookie(365) },
            ),
            (
                json!({"cookie_domain": "shop.example", "cookie_days": 30, "heartbeat_s": 10}),
                SnowplowConfig { heartbeat_s: Some(10), cookie: cookie(30) },
            ),
            (json!({"heartbeat_s": 5}), SnowplowConfig { heartbeat_s: Some(5), cookie: None }),
        ] {
            assert_eq!(read(with("snowplow", table)), (expected, Vec::new()));
        }
    }

    #[test]
    fn a_tenant_inherits_what_it_does_not_set() {
        let mut settings =
            with("snowplow", json!({"cookie_domain": "shop.example", "heartbeat_s": 10}));
        settings.headwater.as_mut().unwrap()["keys"] =
            json!({"pk": {"tenant": "a", "snowplow": {"cookie_days": 7}}});
        let cookie = NetworkCookie { domain: "shop.example".to_owned(), days: 7 };
        let expected = SnowplowConfig { heartbeat_s: Some(10), cookie: Some(cookie) };
        assert_eq!(read(settings), (expected, Vec::new()));
    }

    #[test]
    fn a_mistake_sets_no_cookie() {
        for (table, problem) in [
            (
                json!({"cookie_domain": "example"}),
                ".cookie_domain must be a domain such as \"shop.example\"",
            ),
            (
                json!({"cookie_domain": ".shop.example"}),
                ".cookie_domain must be a domain such as \"shop.example\"",
            ),
            (
                json!({"cookie_domain": "a.b; Path=/"}),
                ".cookie_domain must be a domain such as \"shop.example\"",
            ),
            (json!({"cookie_days": 7}), ".cookie_days needs cookie_domain"),
            (
                json!({"cookie_domain": "shop.example", "cookie_days": 401}),
                ".cookie_days must be an integer from 1 to 400, not 401",
            ),
            (json!({"heartbeat_s": 0}), ".heartbeat_s must be an integer from 1 to 3600, not 0"),
            (json!({"cookie": true}), ".cookie is an unknown key"),
            (json!(true), " must be a table"),
        ] {
            let (found, warnings) = read(with("snowplow", table));
            assert_eq!(found, SnowplowConfig::default());
            let expected = format!("HEADWATER.snowplow{problem}");
            assert!(warnings.len() == 1 && warnings[0].starts_with(&expected), "{warnings:?}");
            assert!(warnings[0].ends_with(
                "; until then no cookie is set, and page pings are events of their own"
            ));
        }
        let mut cookieless = with("cookieless", json!(true));
        cookieless.secret = Some("s".repeat(32));
        cookieless.headwater.as_mut().unwrap()["snowplow"] =
            json!({"cookie_domain": "shop.example"});
        let (found, warnings) = read(cookieless);
        assert_eq!(found, SnowplowConfig::default());
        assert!(warnings[0].contains("must not be set beside cookieless = true"), "{warnings:?}");
    }
}
