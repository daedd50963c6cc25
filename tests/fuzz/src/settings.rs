//! The seven configurations under which requests are fuzzed, and the request that each gets.
//!
//! In each configuration some texts must be in no record, in whatever bytes a client sends them.

use std::cell::OnceCell;
use std::net::IpAddr;

use headwater::config::{Binding, Config, RawConfig};
use headwater::model::consent::BrowserSignals;
use headwater::model::geo::Geo;
use headwater::model::request::{ClientHints, RequestContext};
use serde_json::{Value, json};

use super::harness;

/// Stands in what a configuration removes.
pub const MARK: &str = "whosoever";
/// A card's number, as people write it.
pub const CARD: &str = "4111 1111 1111 1111";
/// The address that a server states of its visitor.
pub const STATED_ADDRESS: &str = "198.51.100.77";
/// The address of the client. Each configuration reduces it.
pub const ADDRESS: &str = "203.0.113.177";

pub const AWS_SECRET: &str = "wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY";
pub const OPERATOR_KEY: &str = "operator-key-0123456789abcdef0123456";
const HASH_SECRET: &str = "hash-secret-0123456789abcdef01234567";
const INSPECT_TOKEN: &str = "inspect-token-0123456789abcdef012345";
const SERVER_KEY: &str = "server-key-0123456789abcdef012345678";
pub const SECRETS: [&str; 5] = [AWS_SECRET, OPERATOR_KEY, HASH_SECRET, INSPECT_TOKEN, SERVER_KEY];

const CITY: &str = "Whosetown";
const AGENT: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0 Whoseagent";

/// What a configuration does for privacy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Identifiers are removed, since the browser asks for it.
    Strip,
    /// Beacons are dropped, since the browser asks for it.
    Drop,
    Cookieless,
    HashedAddress,
    /// E-mail addresses and cards are removed.
    Scrub,
    /// Repairs keep what they replaced; there are rules of every kind.
    Originals,
    /// The request has a server key, and may state facts about a visitor.
    ServerKey,
}

pub const SETTINGS: [Setting; 7] = [
    Setting::Strip,
    Setting::Drop,
    Setting::Cookieless,
    Setting::HashedAddress,
    Setting::Scrub,
    Setting::Originals,
    Setting::ServerKey,
];

/// Whether an input itself has what is planted, or parts of it with other bytes between them.
pub fn has_planted(input: &[u8]) -> bool {
    let only = |is_kept: fn(&u8) -> bool| -> String {
        input
            .iter()
            .filter(|byte| is_kept(byte))
            .map(|byte| char::from(byte.to_ascii_lowercase()))
            .collect()
    };
    let (letters, digits) = (only(u8::is_ascii_alphabetic), only(u8::is_ascii_digit));
    letters.contains("hosoev") || digits.contains("4111") || digits.contains("19851")
}

/// A setting with its configuration.
pub struct Recipe {
    pub setting: Setting,
    pub config: Config,
}

thread_local! {
    // A configuration has caches, which threads can't share. Each thread makes its own, once.
    static RECIPES: OnceCell<&'static [Recipe]> = const { OnceCell::new() };
}

/// Returns the recipe that a byte of the input selects.
pub fn recipe(selector: u8) -> &'static Recipe {
    let recipe = |setting| Recipe { setting, config: Config::parse(raw(table(setting))).unwrap() };
    let recipes = || &*Vec::from(SETTINGS.map(recipe)).leak();
    &RECIPES.with(|made| *made.get_or_init(recipes))[usize::from(selector) % SETTINGS.len()]
}

/// Returns a configuration of `table` with every secret.
pub fn raw(table: Value) -> RawConfig {
    RawConfig {
        secret_access_key: Some(AWS_SECRET.to_owned()),
        secret: Some(HASH_SECRET.to_owned()),
        operator_key: Some(OPERATOR_KEY.to_owned()),
        inspect_token: Some(INSPECT_TOKEN.to_owned()),
        server_keys: Some(json!({"shop": SERVER_KEY}).to_string()),
        shard: Binding::Present,
        inspector: Binding::Present,
        ..harness::settings(table)
    }
}

/// Returns the table `HEADWATER` of a setting.
pub fn table(setting: Setting) -> Value {
    let mut table = json!({
        "delivery": "direct", "origins": ["*"], "failed_stream": "firehose:failed",
        "protocols": ["segment", "snowplow", "posthog", "cloudevents", "otlp", "plausible", "umami", "ga4", "amplitude"],
        "routes": [
            {"historical": true, "to": "firehose:past"},
            {"level": "low", "to": "firehose:low"},
            {"name": "order_*", "to": "kinesis:orders"},
            {"metadata": {"tag": "vip"}, "aggregate": false, "to": "firehose:vip"},
            {"to": "firehose:events"},
        ],
        "keys": {"pk_shop": {"tenant": "shop"}},
    });
    let own = match setting {
        Setting::Strip => json!({
            "gpc": "strip", "dnt": "strip", "ip": "drop", "consent": {"denied": "strip", "unknown": "strip"},
        }),
        Setting::Drop => {
            json!({"gpc": "drop", "dnt": "drop", "consent": {"denied": "drop", "unknown": "drop"}})
        }
        Setting::Cookieless => json!({"cookieless": true, "ip": "truncate"}),
        Setting::HashedAddress => json!({"ip": "hash"}),
        Setting::Scrub => json!({"scrub": ["emails", "cards"], "delivery": "sharded", "shards": 4}),
        Setting::Originals => {
            json!({"repairs_include_original": true, "unknown_events": "accept", "clean": [
                {"id": "by_cents", "name": "order_*", "build": {"from": "1.4.0", "to": "1.4.9"}, "field": "props.total_cents", "scale": 0.01, "to": "props.total"},
                {"id": "by_test", "when": {"field": "metadata.tag", "is": "tst"}, "field": "metadata.tag", "set": "test"},
                {"id": "by_map", "field": "props.size", "map": {"S": "small"}},
                {"id": "by_drop", "field": "props.phone", "drop": true},
                {"id": "by_trim", "field": "props.note", "trim": "#*", "stage": "after"},
                {"id": "by_cast", "field": "props.n", "cast": "number"},
                {"id": "by_upper", "field": "props.up", "upper": true},
                {"id": "by_rename", "field": "props.old", "rename": "props.new"},
            ]})
        }
        Setting::ServerKey => json!({"ip": "truncate"}),
    };
    for (key, value) in own.as_object().unwrap() {
        table[key] = value.clone();
    }
    table
}

impl Recipe {
    /// Returns the request of a visitor or, for a server key, of a server.
    pub fn context(&self, flags: u8) -> RequestContext {
        let asks = matches!(self.setting, Setting::Strip | Setting::Drop);
        let write_key = match self.setting {
            Setting::ServerKey => SERVER_KEY,
            _ => "pk_shop",
        };
        let hints = ClientHints {
            ua: Some("\"Chromium\";v=\"142\"".to_owned()),
            platform: Some("\"Windows\"".to_owned()),
            ..ClientHints::default()
        };
        RequestContext {
            write_key: Some(write_key.to_owned()),
            ip: ADDRESS.parse::<IpAddr>().ok(),
            user_agent: Some(AGENT.to_owned()),
            client_hints: if flags & 1 == 0 { ClientHints::default() } else { hints },
            accept_language: Some("de-CH,de;q=0.9".to_owned()),
            signals: BrowserSignals { gpc: asks, dnt: asks && flags & 2 != 0 },
            geo: Geo {
                country: Some("CH".to_owned()),
                city: Some(CITY.to_owned()),
                timezone: Some("Europe/Zurich".to_owned()),
                ..Geo::default()
            },
            utc_offset_minutes: Some(60),
            ..harness::context()
        }
    }

    /// Returns the texts of the request itself that must be in no record.
    pub fn hidden(&self) -> Vec<&'static str> {
        let mut hidden = vec![ADDRESS];
        match self.setting {
            Setting::Strip => hidden.extend(["Whoseagent", CITY]),
            // They are those of the server.
            Setting::ServerKey => hidden.extend(["Whoseagent", CITY]),
            _ => {}
        }
        hidden
    }
}
