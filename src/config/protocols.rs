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
