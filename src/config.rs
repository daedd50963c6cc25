//! The configuration: parsed once into a type that can't be wrong.
//!
//! Deployment facts have the names that the AWS SDKs use; the rest is one structured
//! variable, `HEADWATER`. Every mistake is one sentence that names its key, and all are
//! told at once; nothing is defaulted in silence where a guess could lose or misplace
//! an event. No sentence ever holds a secret.

mod aws;
mod table;

use http::Uri;
use serde_json::Value;

use crate::enrich::ip::IpPolicy;
use crate::event::Level;
use crate::protocol::Limits;
use crate::route::{NamePattern, Route, Routes};
use crate::sink::Stream;
use crate::sink::delivery::Policy;
use crate::sink::pack::{self, PackBytes, Packing};
pub use aws::Aws;
use table::Table;

/// What the worker needs to know to deliver events.
#[derive(Debug, Clone)]
pub struct Config {
    /// The sites that may send.
    pub origins: Origins,
    /// What becomes of addresses.
    pub ip: IpPolicy,
    /// What a request may hold.
    pub limits: Limits,
    /// How a delivery waits.
    pub policy: Policy,
    /// Where failed events go.
    pub failed: Stream,
    /// Where events go.
    pub routes: Routes,
    /// Where and as whom to call.
    pub aws: Aws,
}

/// The sites that may send from a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any.
    Any,
    /// These.
    Only(Vec<String>),
}

impl Origins {
    /// Whether a request that names `origin` may send. One that names none does not come
    /// from another site's page.
    pub fn allow(&self, origin: Option<&str>) -> bool {
        match (self, origin) {
            (Self::Any, _) | (_, None) => true,
            (Self::Only(origins), Some(origin)) => {
                origins.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
            }
        }
    }
}

/// The configuration as the runtime hands it over; a `None` was not set.
#[derive(Clone, Default)]
pub struct Settings {
    /// The variable `HEADWATER`.
    pub headwater: Option<Value>,
    /// `AWS_REGION`.
    pub region: Option<String>,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: Option<String>,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Option<String>,
    /// `AWS_SESSION_TOKEN`.
    pub session_token: Option<String>,
    /// `AWS_ENDPOINT_URL`.
    pub endpoint_url: Option<String>,
    /// `AWS_ENDPOINT_URL_FIREHOSE`.
    pub endpoint_url_firehose: Option<String>,
    /// `AWS_ENDPOINT_URL_KINESIS`.
    pub endpoint_url_kinesis: Option<String>,
}

/// The operator's: a mistake in the configuration, as a sentence that names the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} {problem}")]
pub struct ConfigError {
    /// The key, with its path.
    pub key: String,
    /// What is wrong with its value.
    pub problem: String,
}

impl ConfigError {
    fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { key: key.into(), problem: problem.into() }
    }
}

const ROOT: &str = "HEADWATER";

impl Config {
    /// Reads all settings, or tells all mistakes.
    pub fn parse(settings: Settings) -> Result<Self, Vec<ConfigError>> {
        let mut errors = Vec::new();
        let aws = Aws::parse(&settings, &mut errors);
        let rules = rules(settings.headwater, &mut errors);
        match (aws, rules) {
            (Some(aws), Some(rules)) if errors.is_empty() => Ok(Self {
                origins: rules.origins,
                ip: rules.ip,
                limits: rules.limits,
                policy: rules.policy,
                failed: rules.failed,
                routes: rules.routes,
                aws,
            }),
            _ => Err(errors),
        }
    }

    /// Every stream that a record can go to, each once.
    pub fn streams(&self) -> Vec<&Stream> {
        let mut streams: Vec<&Stream> = Vec::new();
        for stream in self.routes.streams().chain([&self.failed]) {
            if !streams.contains(&stream) {
                streams.push(stream);
            }
        }
        streams
    }
}

/// What `HEADWATER` says.
struct Rules {
    origins: Origins,
    ip: IpPolicy,
    limits: Limits,
    policy: Policy,
    failed: Stream,
    routes: Routes,
}

fn rules(headwater: Option<Value>, errors: &mut Vec<ConfigError>) -> Option<Rules> {
    let Some(value) = headwater else {
        errors.push(ConfigError::new(
            ROOT,
            "is missing; set it under [vars.HEADWATER] in wrangler.toml",
        ));
        return None;
    };
    // A dashboard or a command line can only set texts.
    let value = match value {
        Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        other => other,
    };
    let mut table = Table::new(ROOT.to_owned(), value, errors)?;
    delivery(&mut table);
    let origins = origins(&mut table);
    let ip = table
        .choice(
            "ip",
            &[("truncate", IpPolicy::Truncate), ("drop", IpPolicy::Drop), ("full", IpPolicy::Full)],
        )
        .unwrap_or_default();
    let limits = limits(&mut table);
    let policy = Policy {
        deadline_ms: table
            .number("deadline_ms", 100, 30_000)
            .unwrap_or(Policy::default().deadline_ms),
        packing: packing(&mut table),
        ..Policy::default()
    };
    let failed = table.required("failed").and_then(|value| stream(&mut table, "failed", value));
    let routes = routes(&mut table);
    table.finish();
    Some(Rules { origins: origins?, ip, limits, policy, failed: failed?, routes: routes? })
}

/// Only direct delivery exists so far, so it has to be asked for by name.
fn delivery(table: &mut Table<'_>) {
    match table.required("delivery") {
        Some(Value::String(text)) if text == "direct" => {}
        Some(Value::String(text)) if text == "sharded" => {
            table.refuse("delivery", "can't be \"sharded\" in this version; set \"direct\"");
        }
        Some(other) => table.refuse("delivery", format!("must be \"direct\", not {other}")),
        None => {}
    }
}

fn origins(table: &mut Table<'_>) -> Option<Origins> {
    const WANTED: &str = "must list sites such as \"https://shop.example\", or be [\"*\"] for any";
    let list = table.required("origins")?;
    let Value::Array(list) = list else {
        table.refuse("origins", WANTED);
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
            table.refuse("origins", WANTED);
            None
        }
    }
}

/// A scheme, a host and perhaps a port that is not the scheme's own: just what browsers
/// send, since anything else would match none and refuse them all.
fn is_origin(text: &str) -> bool {
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

/// `pack_bytes`: a size, or 0 or false for none.
fn packing(table: &mut Table<'_>) -> Packing {
    let Some(value) = table.optional("pack_bytes") else {
        return Packing::default();
    };
    let bytes = value.as_u64().and_then(|bytes| usize::try_from(bytes).ok());
    match (&value, bytes) {
        (Value::Bool(false), _) | (_, Some(0)) => Packing::Off,
        (_, bytes) => bytes.and_then(PackBytes::parse).map(Packing::UpTo).unwrap_or_else(|| {
            let (unit, most) = (pack::BILLED_UNIT, PackBytes::MAX);
            let wanted = format!("must be a multiple of {unit} from {unit} to {most}, or false");
            table.refuse("pack_bytes", format!("{wanted}, not {value}"));
            Packing::default()
        }),
    }
}

/// The ceilings keep a request inside of an isolate's memory, and a beacon's record
/// inside of what a stream takes.
fn limits(table: &mut Table<'_>) -> Limits {
    let mut limits = Limits::default();
    let Some(value) = table.optional("limits") else {
        return limits;
    };
    table.nested("limits", value, |table| {
        let mut set = |key, slot: &mut usize, most| {
            if let Some(number) = table.number(key, 1, most) {
                *slot = usize::try_from(number).unwrap_or(*slot);
            }
        };
        set("body_bytes", &mut limits.body_bytes, 8_388_608);
        set("inflated_bytes", &mut limits.inflated_bytes, 16_777_216);
        set("beacons", &mut limits.beacons, 10_000);
        set("beacon_bytes", &mut limits.beacon_bytes, 524_288);
        set("depth", &mut limits.depth, 100);
    });
    limits
}

fn stream(table: &mut Table<'_>, key: &str, value: Value) -> Option<Stream> {
    let Value::String(text) = value else {
        table.refuse(key, "must be a text of the form firehose:NAME or kinesis:NAME");
        return None;
    };
    Stream::parse(&text).map_err(|error| table.refuse(key, error.to_string())).ok()
}

fn routes(table: &mut Table<'_>) -> Option<Routes> {
    const LAST: &str = "must end with a route that has only `to`, so that every event has a stream";
    let Value::Array(list) = table.required("routes")? else {
        table.refuse("routes", "must be a list of tables with level, name and to");
        return None;
    };
    let count = list.len();
    let read: Vec<Option<Route>> = list
        .into_iter()
        .enumerate()
        .map(|(index, value)| table.nested(&format!("routes[{index}]"), value, route).flatten())
        .collect();
    let mut routes: Vec<Route> = read.into_iter().flatten().collect();
    if routes.len() < count {
        return None;
    }
    match routes.pop() {
        Some(Route { level: None, name: None, to }) => Some(Routes { routes, otherwise: to }),
        _ => {
            table.refuse("routes", LAST);
            None
        }
    }
}

fn route(table: &mut Table<'_>) -> Option<Route> {
    let before = table.mistakes();
    let level =
        table.choice("level", &[("low", Level::Low), ("mid", Level::Mid), ("high", Level::High)]);
    let name = match table.optional("name") {
        None => None,
        Some(value) => {
            let pattern = value.as_str().and_then(NamePattern::parse);
            if pattern.is_none() {
                table.refuse("name", "must be an event's name, or the start of names and a *");
            }
            pattern
        }
    };
    let to = table.required("to").and_then(|value| stream(table, "to", value));
    let route = Route { level, name, to: to? };
    (table.mistakes() == before).then_some(route)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    fn headwater() -> Value {
        json!({
            "delivery": "direct", "origins": ["https://shop.example"], "failed": "firehose:events-failed",
            "routes": [{"level": "low", "to": "firehose:events-low"}, {"to": "firehose:events"}],
        })
    }

    pub(crate) fn settings() -> Settings {
        Settings {
            headwater: Some(headwater()),
            region: Some("eu-west-1".to_owned()),
            access_key_id: Some("AKIDEXAMPLE".to_owned()),
            secret_access_key: Some("wJalrXUtnFEMI".to_owned()),
            ..Settings::default()
        }
    }

    pub(crate) fn mistakes(settings: Settings) -> Vec<String> {
        Config::parse(settings).unwrap_err().iter().map(ConfigError::to_string).collect()
    }

    #[test]
    fn a_whole_configuration_is_read() {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["ip"] = json!("drop");
        table["deadline_ms"] = json!(500);
        table["limits"] = json!({"beacons": 7});
        let config = Config::parse(settings).unwrap();
        assert_eq!(config.ip, IpPolicy::Drop);
        assert_eq!((config.policy.deadline_ms, config.limits.beacons), (500, 7));
        assert_eq!(config.limits.depth, Limits::default().depth);
        assert_eq!(config.policy.packing, Packing::default());
        let streams: Vec<String> =
            config.streams().iter().map(|stream| stream.to_string()).collect();
        assert_eq!(streams, ["firehose:events-low", "firehose:events", "firehose:events-failed"]);
    }

    #[test]
    fn packs_have_a_size_or_are_off() {
        for (value, packing) in [
            (json!(false), Some(Packing::Off)),
            (json!(0), Some(Packing::Off)),
            (json!(10_240), PackBytes::parse(10_240).map(Packing::UpTo)),
            (json!(1_003_520), PackBytes::parse(1_003_520).map(Packing::UpTo)),
        ] {
            let mut table = headwater();
            table["pack_bytes"] = value;
            let config = Config::parse(Settings { headwater: Some(table), ..settings() }).unwrap();
            assert_eq!(Some(config.policy.packing), packing);
        }
    }

    #[test]
    fn the_table_may_come_as_a_text() {
        let text = Value::String(headwater().to_string());
        assert!(Config::parse(Settings { headwater: Some(text), ..settings() }).is_ok());
    }

    #[test]
    fn everything_that_is_missing_is_told_at_once() {
        assert_eq!(
            mistakes(Settings::default()),
            [
                "AWS_REGION is missing; set it to the region of your streams",
                "AWS_ACCESS_KEY_ID is missing; without it no event can be delivered",
                "AWS_SECRET_ACCESS_KEY is missing; without it no event can be delivered",
                "HEADWATER is missing; set it under [vars.HEADWATER] in wrangler.toml",
            ]
        );
        assert_eq!(
            mistakes(Settings { headwater: Some(json!({})), ..settings() }),
            [
                "HEADWATER.delivery is missing",
                "HEADWATER.origins is missing",
                "HEADWATER.failed is missing",
                "HEADWATER.routes is missing",
            ]
        );
    }

    #[test]
    fn a_mistake_is_a_sentence_that_names_its_key() {
        let known = "delivery, origins, ip, limits, deadline_ms, pack_bytes, failed, routes";
        let sites = "HEADWATER.origins must list sites such as \"https://shop.example\", or be [\"*\"] for any";
        let last = "HEADWATER.routes must end with a route that has only `to`, so that every event has a stream";
        let cases = [
            ("delivery", json!("sharded"), "HEADWATER.delivery can't be \"sharded\" in this version; set \"direct\"".to_owned()),
            ("delivery", json!(1), "HEADWATER.delivery must be \"direct\", not 1".to_owned()),
            ("origins", json!("*"), sites.to_owned()),
            ("origins", json!([]), sites.to_owned()),
            ("origins", json!(["shop.example"]), sites.to_owned()),
            ("origins", json!(["https://shop.example/"]), sites.to_owned()),
            ("origins", json!(["https://*.shop.example"]), sites.to_owned()),
            ("origins", json!(["https://shop.example:443"]), sites.to_owned()),
            ("origins", json!(["https://Shop.example"]), sites.to_owned()),
            ("origins", json!(["https://shop.example", "*"]), sites.to_owned()),
            ("ip", json!("hash"), "HEADWATER.ip must be one of \"truncate\", \"drop\", \"full\", not \"hash\"".to_owned()),
            ("deadline_ms", json!(0), "HEADWATER.deadline_ms must be an integer from 100 to 30000, not 0".to_owned()),
            ("limits", json!(1), "HEADWATER.limits must be a table".to_owned()),
            ("limits", json!({"depth": 101}), "HEADWATER.limits.depth must be an integer from 1 to 100, not 101".to_owned()),
            ("limits", json!({"bytes": 1}), "HEADWATER.limits.bytes is no setting of this version; there are body_bytes, inflated_bytes, beacons, beacon_bytes, depth".to_owned()),
            ("failed", json!("events-failed"), "HEADWATER.failed must be firehose:NAME or kinesis:NAME, not \"events-failed\"".to_owned()),
            ("failed", json!(1), "HEADWATER.failed must be a text of the form firehose:NAME or kinesis:NAME".to_owned()),
            ("routes", json!({}), "HEADWATER.routes must be a list of tables with level, name and to".to_owned()),
            ("routes", json!([]), last.to_owned()),
            ("routes", json!([{"level": "low", "to": "firehose:a"}]), last.to_owned()),
            ("routes", json!([{"level": "urgent", "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].level must be one of \"low\", \"mid\", \"high\", not \"urgent\"".to_owned()),
            ("routes", json!([{"name": "*_x", "to": "firehose:a"}, {"to": "firehose:a"}]), "HEADWATER.routes[0].name must be an event's name, or the start of names and a *".to_owned()),
            ("routes", json!([{"to": "s3:a"}]), "HEADWATER.routes[0].to must be firehose:NAME or kinesis:NAME, not \"s3:a\"".to_owned()),
            ("pack_bytes", json!(5_000), "HEADWATER.pack_bytes must be a multiple of 5120 from 5120 to 1003520, or false, not 5000".to_owned()),
            ("pack_bytes", json!(true), "HEADWATER.pack_bytes must be a multiple of 5120 from 5120 to 1003520, or false, not true".to_owned()),
            ("routes", json!([{"to": "firehose:a", "lvl": 1}]), "HEADWATER.routes[0].lvl is no setting of this version; there are level, name, to".to_owned()),
            ("linger", json!(1), format!("HEADWATER.linger is no setting of this version; there are {known}")),
        ];
        for (key, value, sentence) in cases {
            let mut table = headwater();
            table[key] = value;
            assert_eq!(mistakes(Settings { headwater: Some(table), ..settings() }), [sentence]);
        }
    }

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
}
