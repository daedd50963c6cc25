//! `renamed_streams`: where stored records go if no route names their stream any more.

use serde_json::Value;

use super::table::ConfigTable;
use crate::model::stream::Stream;

const KEY: &str = "renamed_streams";

/// Parses `renamed_streams` into pairs of the old and the new stream. `named` says which streams
/// the rest of the configuration names; it is `None` if that has errors.
pub fn renamed_streams(
    table: &mut ConfigTable<'_>,
    named: Option<&dyn Fn(&Stream) -> bool>,
) -> Vec<(Stream, Stream)> {
    let Some(value) = table.optional(KEY) else { return Vec::new() };
    let Value::Object(pairs) = value else {
        table.error(KEY, "must be a table of streams: { \"firehose:OLD\" = \"firehose:NEW\" }");
        return Vec::new();
    };
    let read = pairs.into_iter().filter_map(|(from, to)| {
        let (key, to) = (format!("{KEY}.{from}"), to.as_str().map(Stream::parse));
        let (from, to) = match (Stream::parse(&from), to) {
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
            Some(named) if named(&from) => {
                table.error(&key, "is a stream that is still in use; take it out of routes and failed_stream, or leave it out here");
                None
            }
            // This rules out chains and cycles.
            Some(named) if !named(&to) => {
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
            assert_eq!(config.renamed(&stream(from)), to.map(stream).as_ref(), "{from}");
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
