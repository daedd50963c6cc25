//! The origins that may send from a browser: `origins`.

use http::Uri;
use serde_json::Value;

use super::table::ConfigTable;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    Any,
    Only(Vec<String>),
}

impl Origins {
    /// Whether a request from `origin` may send. A request without one comes from an app, a server,
    /// an email, or a page that hides its origin.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::Only(origins), Some(origin)) => {
                origins.iter().any(|allowed| is_allowed(allowed, origin))
            }
        }
    }
}

/// Whether `origin` is the site `allowed`, or below it if that begins with `*.`.
fn is_allowed(allowed: &str, origin: &str) -> bool {
    let Some((scheme, domain)) = allowed.split_once(WILDCARD) else {
        return allowed.eq_ignore_ascii_case(origin);
    };
    let below = || {
        let (start, host) = origin.split_at_checked(scheme.len().checked_add(3)?)?;
        let is_scheme = start.strip_suffix("://").is_some_and(|it| it.eq_ignore_ascii_case(scheme));
        let (labels, end) = host.split_at_checked(host.len().checked_sub(domain.len())?)?;
        let labels = labels.strip_suffix('.').filter(|labels| !labels.is_empty())?;
        let of_labels = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
        Some(is_scheme && end.eq_ignore_ascii_case(domain) && labels.bytes().all(of_labels))
    };
    below().unwrap_or_default()
}

/// What an origin for all sites below a domain has after its scheme.
const WILDCARD: &str = "://*.";

pub fn origins(table: &mut ConfigTable<'_>) -> Option<Origins> {
    const WANTED: &str = "must list sites such as \"https://shop.example\", or be [\"*\"] for any";
    let Value::Array(list) = table.optional("origins")? else {
        table.error("origins", WANTED);
        return None;
    };
    let texts: Option<Vec<String>> =
        list.iter().map(|item| item.as_str().map(str::to_owned)).collect();
    match texts {
        Some(texts) if texts == ["*"] => Some(Origins::Any),
        Some(texts) if !texts.is_empty() && texts.iter().all(|text| is_origin(text)) => {
            Some(Origins::Only(texts))
        }
        _ => {
            table.error("origins", WANTED);
            None
        }
    }
}

/// Whether `text` is an origin as browsers send it: a scheme, a host, and a port that is not the
/// scheme's default. Any other form would match no request and so reject them all.
fn is_origin(text: &str) -> bool {
    if let Some((scheme, domain)) = text.split_once(WILDCARD) {
        // A domain such as `example` is any stranger's.
        return domain.contains('.') && is_origin(&format!("{scheme}://{domain}"));
    }
    let (own_port, host) = match text.split_once("://") {
        Some(("https", host)) => (":443", host),
        Some(("http", host)) => (":80", host),
        _ => return false,
    };
    let of_host =
        |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b':' | b'[' | b']');
    !host.is_empty()
        && host.bytes().all(of_host)
        && !host.ends_with(own_port)
        && text.parse::<Uri>().is_ok_and(|uri| uri.host().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_compared_whole() {
        let only = Origins::Only(vec!["https://shop.example".to_owned()]);
        assert!(
            only.allow(Some("https://shop.example")) && only.allow(Some("HTTPS://shop.example"))
        );
        assert!(only.allow(None));
        for refused in [
            "https://shop.example.evil",
            "http://shop.example",
            "null",
            "",
            "https://shop.example:444",
        ] {
            assert!(!only.allow(Some(refused)), "{refused}");
        }
        assert!(Origins::Any.allow(Some("null")));
    }

    #[test]
    fn a_star_stands_for_the_sites_below_a_domain() {
        let only = Origins::Only(vec!["https://*.shop.example:8443".to_owned()]);
        for allowed in [
            "https://www.shop.example:8443",
            "https://a.b.Shop.example:8443",
            "HTTPS://x.shop.example:8443",
        ] {
            assert!(only.allow(Some(allowed)), "{allowed}");
        }
        for refused in [
            "https://shop.example:8443",
            "https://.shop.example:8443",
            "https://evilshop.example:8443",
            "https://evil.example/.shop.example:8443",
            "http://www.shop.example:8443",
            "https://www.shop.example",
            "https://www.shop.example:8443.evil",
            "ä",
        ] {
            assert!(!only.allow(Some(refused)), "{refused}");
        }
    }
}
