//! Finds the current stream, or stream set, of a stored record whose stream no route names any
//! more.
//!
//! Only the record's line is left of its event. A failed event goes to the current stream of failed
//! events, and an event never does. An event goes to the new stream of a renamed one, or else by
//! the current routes of its tenant. If the tenant no longer exists, or if its value in the store is
//! invalid, the routes at the top level apply. No route's `sample` applies: the event was acknowledged.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::base::json::JsonFields;
use crate::config::{Binding, Config};
use crate::delivery::health::DeliveryError;
use crate::delivery::rejected::is_of_failed_event;
use crate::delivery::response::ErrorClass;
use crate::model::fan_out::FanOut;
use crate::model::level::Level;
use crate::model::record::{OVERFLOW, Record};
use crate::model::stream::Stream;
use crate::model::stream_set::StreamSet;
use crate::pipeline::route::{RouteInput, Routes};
use crate::shard::spill::BacklogStats;

/// Whether the records stored for this stream have to move: no route names it any more, and it was
/// renamed or rejects them for a cause that only an operator can fix.
pub fn has_to_move(depth: &BacklogStats, config: &Config) -> bool {
    let is_refused = || matches!(&depth.problem, Some(DeliveryError::Rejected(error)) if error.class == ErrorClass::Config);
    let stream = &depth.stream;
    depth.records > 0 && !config.names(stream) && (config.renamed(stream).is_some() || is_refused())
}

/// Returns the tenant of `record`, stored for `from`, if the record goes by the tenant's routes and
/// only the key-value store can have them.
pub fn stored_tenant_of(record: &Record, from: &Stream, config: &Config) -> Option<String> {
    if config.store == Binding::Absent || config.renamed(from).is_some() {
        return None;
    }
    let columns: JsonFields<'_> =
        serde_json::from_str(std::str::from_utf8(record.bytes()).ok()?).ok()?;
    let tenant: String = read(&columns, "tenant")?;
    let is_stored = !is_of_failed_event(&columns) && config.tenants.named(&tenant).is_none();
    is_stored.then_some(tenant)
}

/// Returns the stream or stream set to which `record`, stored for `from`, goes today. `stored` are
/// the routes of its tenant in the key-value store, if it is there. Returns `None` if its line is not
/// a record of Headwater.
pub fn current_set<'a>(
    record: &Record,
    from: &Stream,
    config: &'a Config,
    stored: Option<&'a Routes>,
) -> Option<&'a StreamSet> {
    let line = std::str::from_utf8(record.bytes()).ok()?;
    let columns: JsonFields<'_> = serde_json::from_str(line).ok()?;
    if is_of_failed_event(&columns) {
        return Some(&config.destinations.failed);
    }
    columns.get("occurred_at")?;
    let renamed = config.renamed(from).filter(|to| !to.overlaps(&config.destinations.failed));
    Some(renamed.unwrap_or_else(|| one_of(routed(&columns, config, stored), from)))
}

/// Returns the one of a route's streams that takes a record stored for `from`: the first of its service,
/// or else the first. The others may have their copies.
fn one_of<'a>(to: &'a FanOut, from: &Stream) -> &'a StreamSet {
    to.iter().find(|set| set.first().service == from.service).unwrap_or(to.first())
}

fn routed<'a>(
    columns: &JsonFields<'_>,
    config: &'a Config,
    stored: Option<&'a Routes>,
) -> &'a FanOut {
    let (tenant, name): (String, String) =
        (read(columns, "tenant").unwrap_or_default(), read(columns, "name").unwrap_or_default());
    let level: Option<String> = read(columns, "level");
    let metadata: Option<Map<String, Value>> = read(columns, "metadata");
    let subject = RouteInput {
        level: level.as_deref().and_then(Level::parse),
        name: &name,
        metadata: metadata.as_ref(),
        tenant: &tenant,
        bot: read(columns, "bot").unwrap_or_default(),
        historical: read(columns, "historical").unwrap_or_default(),
    };
    let of_config = config.tenants.named(&tenant).map(|tenant| tenant.routes.as_ref());
    let routes = of_config.or(stored).unwrap_or(&config.inherited.routes);
    let via: Option<String> = read(columns, "delivered_via");
    match via.as_deref() {
        Some(OVERFLOW) => &routes.of_overflow().to,
        _ => &routes.route(subject).to,
    }
}

fn read<T: DeserializeOwned>(columns: &JsonFields<'_>, column: &str) -> Option<T> {
    serde_json::from_str(columns.get(column)?.get()).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::RawConfig;
    use crate::config::tests::settings;
    use crate::delivery::response::AwsError;

    fn stream(text: &str) -> Stream {
        Stream::parse(text).unwrap()
    }

    fn config(table: Value) -> Config {
        let Value::Object(keys) = table else { panic!("not a table") };
        let mut settings = settings();
        settings.headwater.as_mut().unwrap().as_object_mut().unwrap().extend(keys);
        Config::parse(RawConfig { ..settings }).unwrap()
    }

    fn record(line: &Value) -> Record {
        Record::restore("key", format!("{line}\n").as_bytes()).unwrap()
    }

    /// Builds an event's record from these columns and the required ones.
    fn event(columns: Value) -> Value {
        let mut line = json!({
            "v": 2, "event_id": "01939b70-6d2a-7c3e-8f00-000000000001", "tenant": "default",
            "name": "page_view", "occurred_at": "2026-11-18T11:06:40.123Z", "event_index": 0,
        });
        let Value::Object(columns) = columns else { panic!("not an object") };
        line.as_object_mut().unwrap().extend(columns);
        line
    }

    #[test]
    fn an_event_goes_by_all_that_todays_routes_look_at() {
        let config = config(json!({
            "routes": [
                {"bot": true, "to": "firehose:bots"},
                {"level": "low", "sample": 0.000_001, "to": "firehose:low"},
                {"metadata": {"tag": "vip", "n": 1}, "to": "firehose:vip"},
                {"name": "order_*", "to": "kinesis:orders"},
                {"to": "firehose:rest"},
            ],
        }));
        for (columns, to) in [
            (json!({"bot": true, "level": "low"}), "firehose:bots"),
            (json!({"level": "low"}), "firehose:low"),
            (json!({"level": "high", "metadata": {"tag": "vip", "n": 1.0}}), "firehose:vip"),
            (json!({"metadata": {"tag": "vip"}}), "firehose:rest"),
            (
                json!({"name": "order_placed", "props": {"stage": 1, "violations": []}}),
                "kinesis:orders",
            ),
            (json!({"name": null, "level": 7, "bot": "x", "metadata": []}), "firehose:rest"),
            (json!({}), "firehose:rest"),
            (json!({"level": "high", "delivered_via": "overflow"}), "firehose:low"),
            (json!({"level": "high", "delivered_via": "direct"}), "firehose:rest"),
        ] {
            let current = current_set(
                &record(&event(columns.clone())),
                &stream("firehose:old"),
                &config,
                None,
            );
            assert_eq!(current, Some(&stream(to).into()), "{columns}");
        }
    }

    #[test]
    fn an_event_goes_to_one_of_a_routes_streams() {
        let config = config(json!({
            "routes": [
                {"name": "order_*", "to": ["firehose:high", "kinesis:orders", "kinesis:others"]},
                {"to": ["firehose:rest"]},
            ],
        }));
        for (name, from, to) in [
            ("order_placed", "firehose:old", "firehose:high"),
            ("order_placed", "kinesis:old", "kinesis:orders"),
            ("page_view", "kinesis:old", "firehose:rest"),
        ] {
            let line = event(json!({"name": name}));
            let current = current_set(&record(&line), &stream(from), &config, None);
            assert_eq!(current, Some(&stream(to).into()), "{name} from {from}");
        }
    }

    #[test]
    fn an_event_goes_by_its_tenants_routes_or_those_at_the_top() {
        let config = config(json!({
            "keys": {
                "pk_z": {"tenant": "a", "routes": [{"to": "firehose:z"}]},
                "pk_b": {"tenant": "a", "routes": [{"to": "firehose:a"}]},
                "pk_c": {"tenant": "c"},
            },
            "routes": [{"tenant": "c", "to": "firehose:of-c"}, {"to": "firehose:top"}],
        }));
        for (tenant, to) in [("a", "firehose:a"), ("c", "firehose:of-c"), ("gone", "firehose:top")]
        {
            let line = event(json!({"tenant": tenant}));
            let current = current_set(&record(&line), &stream("firehose:old"), &config, None);
            assert_eq!(current, Some(&stream(to).into()), "{tenant}");
        }
    }

    #[test]
    fn an_event_of_a_tenant_in_the_store_goes_by_the_routes_there() {
        let mut settings = RawConfig { tenants: Binding::Present, ..settings() };
        let table = settings.headwater.as_mut().unwrap();
        table["keys"] = json!({"pk_c": {"tenant": "c"}});
        table["tenant_streams"] = json!(["firehose:of-a"]);
        table["renamed_streams"] = json!({"firehose:renamed": "firehose:events"});
        let config = Config::parse(settings).unwrap();
        let own = r#"{"tenant": "a", "off": true, "routes": [{"to": "firehose:of-a"}]}"#;
        let stored = config.stored_tenant("pk_a", own).unwrap();
        let routes = Some(stored.tenant.routes.as_ref());
        let old = stream("firehose:old");
        let of_a = record(&event(json!({"tenant": "a"})));
        assert_eq!(stored_tenant_of(&of_a, &old, &config).as_deref(), Some("a"));
        let set = |stored| current_set(&of_a, &old, &config, stored).map(ToString::to_string);
        assert_eq!(set(routes).as_deref(), Some("firehose:of-a"));
        assert_eq!(set(None).as_deref(), Some("firehose:events"), "it is gone from the store");
        // None of these depends on the store.
        let failed = json!({"stage": "validate", "tenant": "a", "violations": [], "original": "{}", "code": "x"});
        for line in [event(json!({"tenant": "c"})), failed, json!({"tenant": 7})] {
            assert_eq!(stored_tenant_of(&record(&line), &old, &config), None, "{line}");
        }
        assert_eq!(stored_tenant_of(&of_a, &stream("firehose:renamed"), &config), None);
        let without = self::config(json!({}));
        assert_eq!(stored_tenant_of(&of_a, &old, &without), None);
    }

    #[test]
    fn only_a_failed_event_goes_to_todays_failed_stream() {
        let config = config(json!({"renamed_streams": {
            "firehose:old": "firehose:events-low", "firehose:old-failed": "firehose:events-failed",
        }}));
        let failed = json!({
            "v": 2, "event_id": "x", "tenant": "default", "name": "order_placed", "stage": "validate",
            "code": "wrong_type", "violations": [], "original": "{}",
        });
        for (line, from, to) in [
            (&failed, "firehose:old", "firehose:events-failed"),
            (&failed, "firehose:old-failed", "firehose:events-failed"),
            (&failed, "firehose:other", "firehose:events-failed"),
            (&event(json!({})), "firehose:old", "firehose:events-low"),
            (&event(json!({})), "firehose:old-failed", "firehose:events"),
            (&event(json!({})), "firehose:other", "firehose:events"),
        ] {
            let current = current_set(&record(line), &stream(from), &config, None);
            assert_eq!(current, Some(&stream(to).into()), "{line} from {from}");
        }
    }

    #[test]
    fn the_records_of_a_member_that_a_set_has_lost_go_to_the_set() {
        let config = config(json!({
            "routes": [{"level": "low", "to": "firehose:low-{0..1}"}, {"to": "firehose:rest"}],
            "renamed_streams": {"firehose:gone-{0..15}": "firehose:low-{0..1}"},
        }));
        let set = StreamSet::parse("firehose:low-{0..1}").unwrap();
        for (from, level) in
            [("firehose:low-7", "low"), ("firehose:gone-7", "low"), ("firehose:gone-7", "high")]
        {
            let line = event(json!({"level": level}));
            assert_eq!(
                current_set(&record(&line), &stream(from), &config, None),
                Some(&set),
                "{from}"
            );
            let depth = BacklogStats { records: 1, ..BacklogStats::none(stream(from)) };
            assert_eq!(has_to_move(&depth, &config), from.contains("gone"), "{from}");
        }
        let problem = DeliveryError::Rejected(AwsError {
            class: ErrorClass::Config,
            code: "ResourceNotFoundException".to_owned(),
            message: String::new(),
        });
        for (name, moves) in [("firehose:low-1", false), ("firehose:low-2", true)] {
            let depth = BacklogStats {
                records: 1,
                problem: Some(problem.clone()),
                ..BacklogStats::none(stream(name))
            };
            assert_eq!(has_to_move(&depth, &config), moves, "{name}");
        }
    }

    #[test]
    fn an_unrecognizable_line_has_no_stream() {
        for line in ["", "{", "[]\n", "7", "{}\n", "{\"stage\":1}\n", "{\"violations\":[]}\n"] {
            let record = Record::restore("key", line.as_bytes()).unwrap();
            assert_eq!(
                current_set(&record, &stream("firehose:old"), &config(json!({})), None),
                None,
                "{line}"
            );
        }
        let record = Record::restore("key", &[0xff]).unwrap();
        assert_eq!(current_set(&record, &stream("firehose:old"), &config(json!({})), None), None);
    }

    #[test]
    fn records_move_only_if_unnamed_and_rejected_or_renamed() {
        let config = config(json!({"renamed_streams": {"firehose:renamed": "firehose:events"}}));
        let refused = |class| {
            let code = "AccessDeniedException".to_owned();
            Some(DeliveryError::Rejected(AwsError { class, code, message: String::new() }))
        };
        for (name, records, problem, moves) in [
            ("firehose:old", 1, refused(ErrorClass::Config), true),
            ("firehose:old", 0, refused(ErrorClass::Config), false),
            ("firehose:old", 1, refused(ErrorClass::Throttled), false),
            ("firehose:old", 1, Some(DeliveryError::TimedOut), false),
            ("firehose:old", 1, None, false),
            ("firehose:renamed", 1, None, true),
            ("firehose:renamed", 0, None, false),
            ("firehose:events", 1, refused(ErrorClass::Config), false),
            ("firehose:events-failed", 1, refused(ErrorClass::Config), false),
        ] {
            let depth = BacklogStats { records, problem, ..BacklogStats::none(stream(name)) };
            assert_eq!(has_to_move(&depth, &config), moves, "{depth:?}");
        }
    }
}
