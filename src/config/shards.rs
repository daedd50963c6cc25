//! How the lower half of the way is done: in the request, or in shards.

use std::ops::Range;

use serde_json::Value;

use super::table::Table;
use crate::dedupe;
use crate::event::EventName;
use crate::session;
use crate::shard::placement::ShardNumber;
use crate::shard::spill;

/// Where events are sessionized, deduplicated and batched, if they are.
#[derive(Debug, Clone, PartialEq)]
pub enum Mode {
    /// Nowhere: each request delivers its own records. The shards keep what they have.
    Direct(Sharding),
    /// In shards.
    Sharded(Sharding),
}

/// The shards and what they do.
#[derive(Debug, Clone, PartialEq)]
pub struct Sharding {
    /// How many there are.
    pub count: ShardNumber,
    /// How many there were before, while devices still move.
    pub former_count: Option<ShardNumber>,
    /// How long a batch waits for more records.
    pub linger_ms: u64,
    /// The most bytes of records that a shard holds in memory.
    pub held_bytes: usize,
    /// When sessions end.
    pub session: session::Policy,
    /// The events that open a session, besides those whose schema says so.
    pub opening_events: Vec<String>,
    /// How long repeats are known.
    pub dedupe: dedupe::Policy,
    /// How much is kept of what a stream does not take.
    pub spill: spill::Policy,
}

impl Sharding {
    /// Every shard that there is or was: what is spilled stays where it is when there are fewer.
    pub fn numbers(&self) -> Range<ShardNumber> {
        0..self.count.max(self.former_count.unwrap_or(0))
    }
}

impl Default for Sharding {
    fn default() -> Self {
        Self {
            count: 8,
            former_count: None,
            linger_ms: 100,
            // Several shards may share the 128 MB of one isolate.
            held_bytes: 4_194_304,
            session: session::Policy::default(),
            opening_events: Vec::new(),
            dedupe: dedupe::Policy::default(),
            spill: spill::Policy::default(),
        }
    }
}

/// The most shards: a request may have an event for each of them.
const MOST_SHARDS: u64 = 256;

/// Reads `delivery`, and what the shards do. That is read in direct delivery too, so that one
/// word turns from one to the other.
pub fn mode(table: &mut Table<'_>) -> Mode {
    let mut sharding = Sharding::default();
    let in_shards = table.choice("delivery", &[("sharded", true), ("direct", false)]);
    if let Some(count) = count(table, "shards") {
        sharding.count = count;
    }
    if let Some(former) = count(table, "former_shards") {
        sharding.former_count = Some(former).filter(|former| *former != sharding.count);
    }
    if let Some(linger_ms) = table.number("linger_ms", 1, 1_000) {
        sharding.linger_ms = linger_ms;
    }
    if let Some(bytes) = table.number("held_bytes", 65_536, 67_108_864) {
        sharding.held_bytes = usize::try_from(bytes).unwrap_or(sharding.held_bytes);
    }
    session(table, &mut sharding);
    if let Some(value) = table.optional("dedupe") {
        table.nested("dedupe", value, |table| {
            if let Some(seconds) = table.number("window_s", 60, 604_800) {
                sharding.dedupe.window_ms = seconds.saturating_mul(1_000);
            }
            if let Some(most) = table.number("max_ids", 1_000, 4_000_000) {
                sharding.dedupe.max_ids = usize::try_from(most).unwrap_or(usize::MAX);
            }
        });
    }
    if let Some(value) = table.optional("spill") {
        table.nested("spill", value, |table| {
            if let Some(bytes) = table.number("max_bytes", 0, 8_589_934_592) {
                sharding.spill.max_bytes = bytes;
            }
        });
    }
    match in_shards {
        Some(false) => Mode::Direct(sharding),
        Some(true) | None => Mode::Sharded(sharding),
    }
}

fn count(table: &mut Table<'_>, key: &str) -> Option<ShardNumber> {
    ShardNumber::try_from(table.number(key, 1, MOST_SHARDS)?).ok()
}

fn session(table: &mut Table<'_>, sharding: &mut Sharding) {
    let Some(value) = table.optional("session") else { return };
    table.nested("session", value, |table| {
        if let Some(seconds) = table.number("timeout_s", 1, 86_400) {
            sharding.session.timeout_ms = seconds.saturating_mul(1_000);
        }
        if let Some(names) = table.texts("opening_events") {
            if let Some(bad) = names.iter().find(|name| EventName::parse((*name).clone()).is_none())
            {
                let bad = Value::from(bad.as_str());
                table.refuse("opening_events", format!("must list names of events, not {bad}"));
            }
            sharding.opening_events = names;
        }
    });
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::tests::{mistakes, settings};
    use super::super::{Binding, Config, Settings};
    use super::*;

    /// Settings with a binding and these keys of `HEADWATER`; a null leaves its key out.
    fn with(keys: Value) -> Settings {
        let mut settings = Settings { shard: Binding::Present, ..settings() };
        let table = settings.headwater.as_mut().and_then(Value::as_object_mut).unwrap();
        let Value::Object(keys) = keys else { panic!("not a table") };
        table.extend(keys);
        table.retain(|_, value| !value.is_null());
        settings
    }

    #[test]
    fn delivery_is_in_shards_unless_it_is_direct() {
        for delivery in [Value::Null, json!("sharded")] {
            let config = Config::parse(with(json!({"delivery": delivery}))).unwrap();
            assert_eq!(config.mode, Mode::Sharded(Sharding::default()));
            let unbound =
                Settings { shard: Binding::Absent, ..with(json!({"delivery": delivery})) };
            assert_eq!(
                mistakes(unbound),
                [
                    "SHARD is missing; bind the Durable Object class Shard to it in wrangler.toml, or set HEADWATER.delivery = \"direct\""
                ]
            );
        }
        let direct = Settings { shard: Binding::Absent, ..with(json!({"shards": 4})) };
        let sharding = Sharding { count: 4, ..Sharding::default() };
        assert_eq!(Config::parse(direct).unwrap().mode, Mode::Direct(sharding));
    }

    #[test]
    fn what_the_shards_do_is_read() {
        let config = Config::parse(with(json!({
            "delivery": "sharded", "shards": 16, "former_shards": 8, "linger_ms": 20, "held_bytes": 1_000_000,
            "session": {"timeout_s": 60, "opening_events": ["app_open"]},
            "dedupe": {"window_s": 3_600, "max_ids": 5_000}, "spill": {"max_bytes": 1_000_000},
        })))
        .unwrap();
        let expected = Sharding {
            count: 16,
            former_count: Some(8),
            linger_ms: 20,
            held_bytes: 1_000_000,
            session: session::Policy { timeout_ms: 60_000 },
            opening_events: vec!["app_open".to_owned()],
            dedupe: dedupe::Policy { window_ms: 3_600_000, max_ids: 5_000 },
            spill: spill::Policy { max_bytes: 1_000_000 },
        };
        assert_eq!(config.mode, Mode::Sharded(expected));
        let as_many = json!({"delivery": "sharded", "shards": 8, "former_shards": 8});
        assert_eq!(Config::parse(with(as_many)).unwrap().mode, Mode::Sharded(Sharding::default()));
    }

    #[test]
    fn a_mistake_is_a_sentence_that_names_its_key() {
        for (keys, sentence) in [
            (json!({"delivery": 1}), "delivery must be one of \"sharded\", \"direct\", not 1"),
            (json!({"shards": 0}), "shards must be an integer from 1 to 256, not 0"),
            (
                json!({"former_shards": 257}),
                "former_shards must be an integer from 1 to 256, not 257",
            ),
            (json!({"linger_ms": 0}), "linger_ms must be an integer from 1 to 1000, not 0"),
            (
                json!({"held_bytes": 1}),
                "held_bytes must be an integer from 65536 to 67108864, not 1",
            ),
            (json!({"session": 1}), "session must be a table"),
            (
                json!({"session": {"timeout_s": 0}}),
                "session.timeout_s must be an integer from 1 to 86400, not 0",
            ),
            (
                json!({"session": {"opening_events": "a"}}),
                "session.opening_events must be a list of texts",
            ),
            (
                json!({"session": {"opening_events": ["A"]}}),
                "session.opening_events must list names of events, not \"A\"",
            ),
            (
                json!({"session": {"timeout": 1}}),
                "session.timeout is no setting of this version; there are timeout_s, opening_events",
            ),
            (
                json!({"dedupe": {"window_s": 1}}),
                "dedupe.window_s must be an integer from 60 to 604800, not 1",
            ),
            (
                json!({"dedupe": {"max_ids": 1}}),
                "dedupe.max_ids must be an integer from 1000 to 4000000, not 1",
            ),
            (
                json!({"spill": {"max_bytes": -1}}),
                "spill.max_bytes must be an integer from 0 to 8589934592, not -1",
            ),
        ] {
            assert_eq!(mistakes(with(keys)), [format!("HEADWATER.{sentence}")]);
        }
    }
}
