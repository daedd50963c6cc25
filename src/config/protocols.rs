//! The keys `protocols`, `protocol_paths`, `names` and `tee`: what SDKs of other collectors may send.

use std::collections::BTreeMap;

use http::Uri;
use serde_json::{Map, Value};

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

/// Returns the entries of the table at `key`. It must be as `wanted`, if it is there.
fn entries(table: &mut ConfigTable<'_>, key: &str, wanted: &str) -> Option<Map<String, Value>> {
    match table.optional(key)? {
        Value::Object(entries) => Some(entries),
        _ => {
            table.error(key, wanted);
            None
        }
    }
}

/// Parses `protocol_paths`: addresses for protocols, such as one that blockers do not know.
pub fn paths(
    table: &mut ConfigTable<'_>,
    protocols: &[Protocol],
    taken: &CustomPaths,
) -> BTreeMap<String, Protocol> {
    const KEY: &str = "protocol_paths";
    const WANTED: &str =
        "must be a table of paths such as \"/shop\", each with a protocol of HEADWATER.protocols";
    let mut paths = BTreeMap::new();
    for (path, value) in entries(table, KEY, WANTED).unwrap_or_default() {
        let named = value.as_str().and_then(Protocol::of_name);
        let protocol = named.filter(|protocol| protocols.contains(protocol));
        let is_taken = || Endpoint::usual(&path).is_some() || taken.find(&path).is_some();
        match protocol {
            None => table.error(KEY, format!("{WANTED}; that of {path:?} is {value}")),
            Some(_) if !is_plain(&path) => {
                table.error(KEY, format!("{WANTED}; {path:?} is no path"));
            }
            Some(_) if is_taken() => {
                table.error(KEY, format!("must not have {path:?}, which the worker serves itself"));
            }
            Some(protocol) => {
                paths.insert(path, protocol);
            }
        }
    }
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
pub fn tee(table: &mut ConfigTable<'_>) -> BTreeMap<Protocol, String> {
    const WANTED: &str =
        "must be a table of protocols, each with a collector such as \"https://collector.example\"";
    let mut collectors = BTreeMap::new();
    for (name, value) in entries(table, "tee", WANTED).unwrap_or_default() {
        let address = value.as_str().map(|address| address.trim_end_matches('/'));
        match (Protocol::of_name(&name), address.filter(|address| is_collector(address))) {
            (Some(protocol), Some(address)) => {
                collectors.insert(protocol, address.to_owned());
            }
            (None, _) => table.error("tee", format!("{WANTED}; {name:?} is no protocol")),
            (_, None) => table.error("tee", format!("{WANTED}; that of {name:?} is {value}")),
        }
    }
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
    for (sent, value) in entries(table, "names", WANTED)? {
        let name = value.as_str().and_then(|name| EventName::parse(name.to_owned()));
        match name {
            Some(name) => {
                names.insert(sent, name.as_str().to_owned());
            }
            None => table.error("names", format!("{WANTED}; that of {sent:?} is {value}")),
        }
    }
    Some(names)
}
