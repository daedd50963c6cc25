//! The keys `protocols`, `protocol_paths`, `names` and `tee`: what SDKs of other collectors may send.

use std::collections::BTreeMap;

use http::Uri;
use serde_json::Value;

use super::CustomPaths;
use super::custom_paths::is_plain;
use super::table::ConfigTable;
use crate::model::endpoint::Endpoint;
use crate::model::event::EventName;
use crate::model::protocol::Protocol;

/// Parses `protocols`, the protocols that are served besides the native one.
pub fn protocols(table: &mut ConfigTable<'_>) -> Vec<Protocol> {
    let mut protocols = Vec::new();
    for name in table.texts("protocols").unwrap_or_default() {
        match Protocol::of_name(&name) {
            Some(protocol) if protocols.contains(&protocol) => {
                table.error("protocols", format!("must name {name:?} once"));
            }
            Some(protocol) => protocols.push(protocol),
            None => {
                let known = Protocol::ALL.map(Protocol::name).join(", ");
                table.error("protocols", format!("must list some of {known}; {name:?} is none"));
            }
        }
    }
    protocols
}

/// Passes each entry of the table at `key` to `read`, and records its problem. The value must be as
/// `wanted`; none if it is not, or absent.
fn read_entries(
    table: &mut ConfigTable<'_>,
    key: &str,
    wanted: &str,
    read: &mut dyn FnMut(&str, &Value) -> Result<(), String>,
) -> Option<()> {
    let Value::Object(entries) = table.optional(key)? else {
        table.error(key, wanted);
        return None;
    };
    for (name, value) in &entries {
        if let Err(problem) = read(name, value) {
            table.error(key, problem);
        }
    }
    Some(())
}

/// Returns the problem of an entry's value.
fn unwanted(wanted: &str, name: &str, value: &Value) -> String {
    format!("{wanted}; that of {name:?} is {value}")
}

/// Parses `protocol_paths`: addresses for protocols, such as one that blockers do not know.
pub fn paths(
    table: &mut ConfigTable<'_>,
    protocols: &[Protocol],
    taken: &CustomPaths,
) -> BTreeMap<String, Protocol> {
    const WANTED: &str =
        "must be a table of paths such as \"/shop\", each with a protocol of HEADWATER.protocols";
    let mut paths = BTreeMap::new();
    read_entries(table, "protocol_paths", WANTED, &mut |path, value| {
        let named = value.as_str().and_then(Protocol::of_name);
        let Some(protocol) = named.filter(|protocol| protocols.contains(protocol)) else {
            return Err(unwanted(WANTED, path, value));
        };
        if !is_plain(path) {
            return Err(format!("{WANTED}; {path:?} is no path"));
        }
        if Endpoint::usual(path).is_some() || taken.find(path).is_some() {
            return Err(format!("must not have {path:?}, which the worker serves itself"));
        }
        paths.insert(path.to_owned(), protocol);
        Ok(())
    });
    paths
}

/// Warns of an address that two of `protocols` have, of which the second has no path of its own.
pub fn warn_of_shared(
    table: &mut ConfigTable<'_>,
    protocols: &[Protocol],
    paths: &BTreeMap<String, Protocol>,
) {
    for (path, both) in Protocol::SHARED {
        let named: Vec<&Protocol> = protocols.iter().filter(|it| both.contains(it)).collect();
        if let [first, second] = named[..]
            && !paths.values().any(|protocol| protocol == second)
        {
            let problem = format!(
                "has {first} before {second}, which both have the address {path:?}; {first} gets it. \
                 Give {second} a path of its own in HEADWATER.protocol_paths, if its SDKs use this one"
            );
            table.warn("protocols", problem);
        }
    }
}

/// Parses `tee`: the collector to which the requests of a protocol are also sent.
pub fn tee(table: &mut ConfigTable<'_>) -> Vec<(Protocol, String)> {
    const WANTED: &str =
        "must be a table of protocols, each with a collector such as \"https://collector.example\"";
    let mut collectors = Vec::new();
    read_entries(table, "tee", WANTED, &mut |name, value| {
        let Some(protocol) = Protocol::of_name(name) else {
            return Err(format!("{WANTED}; {name:?} is no protocol"));
        };
        let address = value.as_str().map(|address| address.trim_end_matches('/'));
        let Some(address) = address.filter(|address| is_collector(address)) else {
            return Err(unwanted(WANTED, name, value));
        };
        collectors.push((protocol, address.to_owned()));
        Ok(())
    });
    collectors
}

/// Whether `address` is a web address to which a path can be added.
fn is_collector(address: &str) -> bool {
    let uri = address.parse::<Uri>();
    uri.is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("https" | "http"))
            && uri.host().is_some()
            && uri.query().is_none()
    })
}

/// Parses `names`: the name that an SDK sends, and the event's name.
pub fn names(table: &mut ConfigTable<'_>) -> Option<BTreeMap<String, String>> {
    const WANTED: &str = "must be a table of names as sent, each with an event's name";
    let mut names = BTreeMap::new();
    read_entries(table, "names", WANTED, &mut |sent, value| {
        let name = value.as_str().and_then(|name| EventName::parse(name.to_owned()));
        let name = name.ok_or_else(|| unwanted(WANTED, sent, value))?;
        names.insert(sent.to_owned(), name.as_str().to_owned());
        Ok(())
    })?;
    Some(names)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{sentences, settings};
    use super::super::{Config, RawConfig};
    use super::*;
    use crate::ingest::dialects::{self, DialectRequest};

    #[test]
    fn protocols_are_served_that_are_named() {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()["protocols"] = json!(["segment", "posthog"]);
        settings.headwater.as_mut().unwrap()["names"] = json!({"Order Completed": "order_done"});
        let config = Config::parse(settings.clone()).unwrap();
        assert_eq!(config.protocols, [Protocol::Segment, Protocol::Posthog]);
        let names = &config.tenants.find(None).unwrap().names;
        assert_eq!(names.get("Order Completed").map(String::as_str), Some("order_done"));
        assert!(config.larger_limits.max_body_bytes > config.limits.max_body_bytes);
        for (listed, problem) in [
            (json!(["segment", "segment"]), "must name \"segment\" once"),
            (
                json!(["mixpanel", "segment"]),
                "must list some of segment, snowplow, posthog, cloudevents, otlp, plausible, umami, \
                 ga4, amplitude; \"mixpanel\" is none",
            ),
        ] {
            settings.headwater.as_mut().unwrap()["protocols"] = listed;
            let config = Config::parse(settings.clone()).unwrap();
            assert_eq!(config.protocols, [Protocol::Segment]);
            let instead = "; until then the rest of protocols is served";
            assert_eq!(
                sentences(&config.warnings),
                [format!("HEADWATER.protocols {problem}{instead}")]
            );
        }
    }

    #[test]
    fn an_address_of_two_protocols_is_a_warning() {
        let warnings = |protocols: &[&str], paths: Value| {
            let mut settings = settings();
            let table = settings.headwater.as_mut().unwrap();
            table["protocols"] = json!(protocols);
            table["protocol_paths"] = paths;
            sentences(&Config::parse(settings).unwrap().warnings)
        };
        let expected = "HEADWATER.protocols has amplitude before posthog, which both have the address \
             \"/batch\"; amplitude gets it. Give posthog a path of its own in HEADWATER.protocol_paths, if \
             its SDKs use this one";
        let both = ["amplitude", "segment", "posthog"];
        assert_eq!(warnings(&both, json!({})), [expected]);
        assert_eq!(warnings(&both, json!({"/amp": "amplitude"})), [expected]);
        assert!(warnings(&both, json!({"/ph": "posthog"})).is_empty());
        assert!(warnings(&["segment", "posthog"], json!({})).is_empty());
    }

    #[test]
    fn a_protocol_can_have_paths_of_its_own() {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["protocols"] = json!(["snowplow", "posthog"]);
        table["endpoint"] = json!("/collect");
        let with = |settings: &mut RawConfig, paths: Value| {
            settings.headwater.as_mut().unwrap()["protocol_paths"] = paths;
            Config::parse(settings.clone()).unwrap()
        };
        let config = with(&mut settings, json!({"/com.shop/t": "snowplow", "/in": "posthog"}));
        let head =
            |path| DialectRequest { is_post: true, path, query: "", host: "", content_type: "" };
        let served = |path| {
            let served = dialects::served(&config.protocols, &config.protocol_paths, head(path));
            served.map(|address| (address.protocol, address.request.path))
        };
        let tp2 = "/com.snowplowanalytics.snowplow/tp2";
        assert_eq!(served("/com.shop/t"), Some((Protocol::Snowplow, tp2)));
        assert_eq!(served("/in"), Some((Protocol::Posthog, "/e")));
        assert_eq!(served("/in/batch"), Some((Protocol::Posthog, "/batch")));
        assert_eq!(served("/batch"), Some((Protocol::Posthog, "/batch")));
        assert_eq!((served("/inn"), served("/in/v1/nothing")), (None, None));
        let wanted = "HEADWATER.protocol_paths must be a table of paths such as \"/shop\", each with a protocol of HEADWATER.protocols";
        for (paths, problem) in [
            (json!([]), wanted.to_owned()),
            (json!({"/a": "segment"}), format!("{wanted}; that of \"/a\" is \"segment\"")),
            (json!({"a b": "posthog"}), format!("{wanted}; \"a b\" is no path")),
            (
                json!({"/collect": "posthog"}),
                "HEADWATER.protocol_paths must not have \"/collect\", which the worker serves itself"
                    .to_owned(),
            ),
        ] {
            let config = with(&mut settings, paths);
            assert!(config.protocol_paths.is_empty());
            let expected = format!("{problem}; until then no such path is served");
            assert_eq!(sentences(&config.warnings), [expected]);
        }
    }

    #[test]
    fn a_protocol_is_also_sent_to_another_collector() {
        let mut settings = settings();
        let with = |settings: &mut RawConfig, tee: Value| {
            settings.headwater.as_mut().unwrap()["tee"] = tee;
            Config::parse(settings.clone()).unwrap()
        };
        let tee =
            json!({"segment": "https://api.segment.example/", "snowplow": "http://127.0.0.1:9/sp"});
        let found: Vec<_> = with(&mut settings, tee).tee.into_iter().collect();
        let expected = [
            (Protocol::Segment, "https://api.segment.example".to_owned()),
            (Protocol::Snowplow, "http://127.0.0.1:9/sp".to_owned()),
        ];
        assert_eq!(found, expected);
        let wanted = "HEADWATER.tee must be a table of protocols, each with a collector such as \"https://collector.example\"";
        for (tee, problem) in [
            (json!([]), ""),
            (json!({"mixpanel": "https://a.example"}), "; \"mixpanel\" is no protocol"),
            (json!({"segment": "a.example"}), "; that of \"segment\" is \"a.example\""),
            (json!({"segment": "ftp://a.example"}), "; that of \"segment\" is \"ftp://a.example\""),
            (
                json!({"segment": "https://a.example/?b=1"}),
                "; that of \"segment\" is \"https://a.example/?b=1\"",
            ),
            (json!({"segment": 7}), "; that of \"segment\" is 7"),
        ] {
            let config = with(&mut settings, tee);
            assert!(config.tee.is_empty());
            let expected = format!("{wanted}{problem}; until then nothing is sent there");
            assert_eq!(sentences(&config.warnings), [expected]);
        }
    }
}
