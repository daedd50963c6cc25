//! The paths that an operator adds to the default ones: `snippet` and `endpoint`.

use super::table::ConfigTable;
use crate::model::endpoint::{EVENTS, Endpoint};
use crate::model::tracker_path::{Script, ScriptVersion, TrackerPath, TrackerRequest};

/// The paths of the snippet and of the beacons, besides the default ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomPaths {
    snippet: TrackerPath,
    endpoint: String,
}

impl CustomPaths {
    /// Returns the endpoint that the operator has put at `path`.
    pub fn find<'a>(&self, path: &'a str) -> Option<Endpoint<'a>> {
        match self.endpoint(path) {
            Some(events) => Some(events),
            None => self.snippet.asked(path).map(Endpoint::Script),
        }
    }

    /// Returns the endpoint of beacons if `path` is its path.
    pub fn endpoint(&self, path: &str) -> Option<Endpoint<'static>> {
        (path == self.endpoint).then_some(Endpoint::Events)
    }
}

/// Prefixes that the worker reserves for other endpoints.
const KEPT: [&str; 2] = ["/schemas/", "/_/"];

/// Parses `snippet` and `endpoint`. If one has an error, only its default path is served.
pub fn addresses(table: &mut ConfigTable<'_>) -> CustomPaths {
    let core =
        Endpoint::Script(TrackerRequest { script: Script::Core, version: ScriptVersion::Latest });
    let snippet = path(table, "snippet", "/js/shop.js", core, TrackerPath::of_core);
    let snippet = snippet.unwrap_or(TrackerPath::DEFAULT);
    let endpoint =
        path(table, "endpoint", "/collect", Endpoint::Events, |path| Some(path.to_owned()));
    let is_taken = |endpoint: &String| snippet.asked(endpoint).is_some();
    if endpoint.as_ref().is_some_and(is_taken) {
        table.error("endpoint", "must not be an address of HEADWATER.snippet");
    }
    let endpoint = endpoint.filter(|endpoint| !is_taken(endpoint));
    CustomPaths { snippet, endpoint: endpoint.unwrap_or_else(|| EVENTS.to_owned()) }
}

/// Parses the path at `key`, if it is set. A request's path is compared as the browser writes it,
/// so only characters that browsers leave unescaped are accepted.
fn path<T>(
    table: &mut ConfigTable<'_>,
    key: &str,
    example: &str,
    usual: Endpoint<'_>,
    read: impl FnOnce(&str) -> Option<T>,
) -> Option<T> {
    let path = table.text(key)?;
    let is_taken = Endpoint::usual(&path).is_some_and(|address| address != usual);
    if is_taken || KEPT.iter().any(|kept| path.starts_with(kept)) {
        table.error(key, format!("must not be {path:?}, which the worker serves itself"));
        return None;
    }
    let read = Some(&path).filter(|path| is_plain(path)).and_then(|path| read(path));
    if read.is_none() {
        let wanted = "its parts of A-Z a-z 0-9 . _ - and with no dot in front";
        table.error(key, format!("must be a path such as {example:?}, {wanted}, not {path:?}"));
    }
    read
}

/// Whether browsers leave `path` as it is.
pub fn is_plain(path: &str) -> bool {
    let of_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_part =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(of_part);
    path.strip_prefix('/').is_some_and(|path| path.split('/').all(is_part))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{settings, warnings};
    use super::super::{Config, RawConfig};
    use super::*;

    const USUAL: &str = "; until then only the usual address is served";

    fn with(key: &str, value: serde_json::Value) -> RawConfig {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()[key] = value;
        settings
    }

    #[test]
    fn the_usual_addresses_need_no_word() {
        let addresses = Config::parse(settings()).unwrap().addresses;
        for path in ["/v1/events", "/t.js", "/t.0123cdef.js"] {
            let usual = Endpoint::usual(path);
            assert!(usual.is_some() && addresses.find(path) == usual, "{path}");
        }
    }

    #[test]
    fn a_custom_path_is_accepted() {
        for path in ["/shop.js", "/js/shop.min.js", "/t.js", "/A-z_0/1.js"] {
            let addresses = Config::parse(with("snippet", json!(path))).unwrap().addresses;
            let core = Endpoint::Script(TrackerRequest {
                script: Script::Core,
                version: ScriptVersion::Latest,
            });
            assert_eq!(addresses.find(path), Some(core));
            assert_eq!(addresses.find("/v1/events"), Some(Endpoint::Events));
        }
        for path in ["/e", "/v1/events", "/v1/e", "/shop/collect.php", "/schemas"] {
            let addresses = Config::parse(with("endpoint", json!(path))).unwrap().addresses;
            assert_eq!(addresses.find(path), Some(Endpoint::Events));
            assert_eq!(addresses.find(&format!("{path}/")), None);
        }
    }

    #[test]
    fn an_address_that_no_browser_would_ask_for_is_refused() {
        let form = |path: &str| {
            format!(
                "a path such as {path:?}, its parts of A-Z a-z 0-9 . _ - and with no dot in front"
            )
        };
        for path in [
            "t.js",
            "/",
            "/shop",
            "/shop.mjs",
            "//shop.js",
            "/js//shop.js",
            "/../shop.js",
            "/./shop.js",
            "/.js",
            "/a?b.js",
            "/a#b.js",
            "/a b.js",
            "/a%20b.js",
            "/sh\u{f6}p.js",
            "/a\\b.js",
            "https://c.example/t.js",
        ] {
            let expected =
                format!("HEADWATER.snippet must be {}, not {path:?}{USUAL}", form("/js/shop.js"));
            assert_eq!(warnings(with("snippet", json!(path))), [expected]);
        }
        for path in ["e", "/", "/e/", "//e", "/..", "/e?key=1", "/e#", "/\u{fc}"] {
            let expected =
                format!("HEADWATER.endpoint must be {}, not {path:?}{USUAL}", form("/collect"));
            assert_eq!(warnings(with("endpoint", json!(path))), [expected]);
        }
        assert_eq!(
            warnings(with("endpoint", json!(["/e"]))),
            [format!("HEADWATER.endpoint must be a text, not [\"/e\"]{USUAL}")]
        );
    }

    #[test]
    fn an_address_that_the_worker_has_is_refused() {
        for (key, path) in [
            ("endpoint", "/v1/pixel.gif"),
            ("endpoint", "/healthz"),
            ("endpoint", "/readyz"),
            ("endpoint", "/t.js"),
            ("endpoint", "/t.video.0123cdef.js"),
            ("endpoint", "/schemas/e"),
            ("endpoint", "/_/e"),
            ("snippet", "/v1/events"),
            ("snippet", "/t.0123cdef.js"),
            ("snippet", "/schemas/t.js"),
            ("snippet", "/_/t.js"),
        ] {
            let expected = format!(
                "HEADWATER.{key} must not be {path:?}, which the worker serves itself{USUAL}"
            );
            assert_eq!(warnings(with(key, json!(path))), [expected]);
        }
        for endpoint in ["/js/shop.js", "/js/shop.0123cdef.js", "/js/shop.video.0123cdef.js"] {
            let mut settings = with("snippet", json!("/js/shop.js"));
            settings.headwater.as_mut().unwrap()["endpoint"] = json!(endpoint);
            assert_eq!(
                warnings(settings),
                [format!("HEADWATER.endpoint must not be an address of HEADWATER.snippet{USUAL}")]
            );
        }
    }
}
