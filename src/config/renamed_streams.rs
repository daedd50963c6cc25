//! `renamed_streams`: where stored records go if no route names their stream any more.

use serde_json::Value;

use super::table::ConfigTable;
use crate::model::stream_set::StreamSet;

const KEY: &str = "renamed_streams";

/// Parses `renamed_streams` into pairs of the old and the new stream, or set of them. `named` are
/// those that the rest of the configuration names; it is `None` if that has errors.
pub fn renamed_streams(
    table: &mut ConfigTable<'_>,
    named: Option<&[&StreamSet]>,
) -> Vec<(StreamSet, StreamSet)> {
    let Some(value) = table.optional(KEY) else { return Vec::new() };
    let Value::Object(pairs) = value else {
        table.error(KEY, "must be a table of streams: { \"firehose:OLD\" = \"firehose:NEW\" }");
        return Vec::new();
    };
    let read = pairs.into_iter().filter_map(|(from, to)| {
        let (key, to) = (format!("{KEY}.{from}"), to.as_str().map(StreamSet::parse));
        let (from, to) = match (StreamSet::parse(&from), to) {
            (Ok(from), Some(Ok(to))) => (from, to),
            (Err(error), _) | (_, Some(Err(error))) => {
                table.error(&key, error.to_string());
                return None;
            }
            (_, None) => {
                table.error(&key, "must be a text of the form firehose:NAME or kinesis:NAME");
                return None;
            }
        };
        match named {
            Some(named) if named.iter().any(|set| set.overlaps(&from)) => {
                table.error(&key, "is a stream that is still in use; take it out of routes and failed_stream, or leave it out here");
                None
            }
            // This rules out chains and cycles.
            Some(named) if !to.members().all(|to| named.iter().any(|set| set.contains(&to))) => {
                table.error(&key, format!("must be a stream of routes or failed_stream, not {to}"));
                None
            }
            _ => Some((from, to)),
        }
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::tests::{error_count, settings};
    use super::super::{Config, RawConfig};
    use super::*;
    use crate::model::stream::Stream;

    fn with(renamed: Value) -> RawConfig {
        let mut settings = settings();
        settings.headwater.as_mut().unwrap()[KEY] = renamed;
        settings
    }

    fn stream(text: &str) -> Stream {
        Stream::parse(text).unwrap()
    }

    #[test]
    fn a_renamed_stream_has_another_name_now() {
        let config = Config::parse(with(json!({
            "firehose:events-old": "firehose:events", "kinesis:a": "firehose:events-failed",
        })));
        let config = config.unwrap();
        for (from, to) in [
            ("firehose:events-old", Some("firehose:events")),
            ("kinesis:a", Some("firehose:events-failed")),
            ("firehose:events", None),
            ("firehose:other", None),
        ] {
            let to = to.map(|to| StreamSet::from(stream(to)));
            assert_eq!(config.renamed(&stream(from)), to.as_ref(), "{from}");
        }
    }

    #[test]
    fn a_renaming_that_cannot_be_names_its_key() {
        let in_use = "is a stream that is still in use; take it out of routes and failed_stream, or leave it out here";
        for (renamed, key, problem) in [
            (json!([]), "", "must be a table of streams: { \"firehose:OLD\" = \"firehose:NEW\" }"),
            (
                json!({"firehose:a": 1}),
                ".firehose:a",
                "must be a text of the form firehose:NAME or kinesis:NAME",
            ),
            (
                json!({"a": "firehose:events"}),
                ".a",
                "must be firehose:NAME or kinesis:NAME, not \"a\"",
            ),
            (
                json!({"firehose:a": "b"}),
                ".firehose:a",
                "must be firehose:NAME or kinesis:NAME, not \"b\"",
            ),
            (
                json!({"firehose:a": "firehose:b"}),
                ".firehose:a",
                "must be a stream of routes or failed_stream, not firehose:b",
            ),
            (json!({"firehose:events": "firehose:events-low"}), ".firehose:events", in_use),
            (
                json!({"firehose:events-failed": "firehose:events"}),
                ".firehose:events-failed",
                in_use,
            ),
            (
                json!({"firehose:a": "firehose:a"}),
                ".firehose:a",
                "must be a stream of routes or failed_stream, not firehose:a",
            ),
        ] {
            assert_eq!(error_count(with(renamed)), [format!("HEADWATER.{KEY}{key} {problem}")]);
        }
        let chain = json!({"firehose:a": "firehose:b", "firehose:b": "firehose:events"});
        assert_eq!(error_count(with(chain)).len(), 1);
    }

    #[test]
    fn a_stream_can_be_renamed_to_a_set_and_a_set_to_another() {
        let with_set = |renamed| {
            let mut settings = with(renamed);
            settings.headwater.as_mut().unwrap()["routes"] = json!([{"to": "firehose:e-{0..7}"}]);
            settings
        };
        let config = Config::parse(with_set(json!({
            "firehose:e": "firehose:e-{0..7}", "firehose:e-{8..15}": "firehose:e-{0..7}",
            "firehose:other": "firehose:e-{0..3}",
        })));
        let config = config.unwrap();
        for (from, to) in [
            ("firehose:e", Some("firehose:e-{0..7}")),
            ("firehose:e-15", Some("firehose:e-{0..7}")),
            ("firehose:other", Some("firehose:e-{0..3}")),
            ("firehose:e-7", None),
            ("firehose:e-16", None),
        ] {
            let to = to.map(|to| StreamSet::parse(to).unwrap());
            assert_eq!(config.renamed(&stream(from)), to.as_ref(), "{from}");
        }
        for (from, to, problem) in [
            (
                "firehose:e-{7..9}",
                "firehose:e-0",
                "is a stream that is still in use; take it out of routes and failed_stream, or leave it out here",
            ),
            (
                "firehose:e",
                "firehose:e-{0..8}",
                "must be a stream of routes or failed_stream, not firehose:e-{0..8}",
            ),
        ] {
            let errors = error_count(with_set(json!({from: to})));
            assert_eq!(errors, [format!("HEADWATER.{KEY}.{from} {problem}")]);
        }
    }

    #[test]
    fn the_routes_at_the_top_count_as_named_beside_tenants() {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["keys"] = json!({"pk": {"tenant": "a", "routes": [{"to": "firehose:of-a"}]}});
        table[KEY] = json!({"firehose:old": "firehose:events"});
        let config = Config::parse(settings).unwrap();
        for (name, named) in [
            ("firehose:of-a", true),
            ("firehose:events", true),
            ("firehose:events-low", true),
            ("firehose:events-failed", true),
            ("firehose:old", false),
        ] {
            assert_eq!(config.names(&stream(name)), named, "{name}");
        }
    }
}
