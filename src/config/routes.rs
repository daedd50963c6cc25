//! The routes of events: `routes`, and the streams that they name.

use serde_json::{Map, Value};

use super::table::ConfigTable;
use crate::model::fan_out::FanOut;
use crate::model::level::Level;
use crate::model::name_pattern::NamePattern;
use crate::model::sampling::SampleRate;
use crate::model::stream_set::StreamSet;
use crate::pipeline::route::{Route, RouteAggregation, RouteCondition, Routes};

/// Parses the stream or the stream set at `key`.
pub fn stream_set(table: &mut ConfigTable<'_>, key: &str, value: Value) -> Option<StreamSet> {
    let Value::String(text) = value else {
        table.error(key, "must be a text of the form firehose:NAME or kinesis:NAME");
        return None;
    };
    StreamSet::parse(&text).map_err(|error| table.error(key, error.to_string())).ok()
}

/// Parses the streams at `to`: one, or a list of them.
fn fan_out(table: &mut ConfigTable<'_>, value: &Value) -> Option<FanOut> {
    const FORM: &str =
        "must be a text of the form firehose:NAME or kinesis:NAME, or a list of them";
    let texts: Option<Vec<&str>> = match value {
        Value::Array(list) => list.iter().map(Value::as_str).collect(),
        value => value.as_str().map(|text| vec![text]),
    };
    let problem = match texts.map(|texts| FanOut::of_texts(&mut texts.into_iter())) {
        Some(Ok(fan_out)) => return Some(fan_out),
        Some(Err(error)) => error.to_string(),
        None => FORM.to_owned(),
    };
    table.error("to", problem);
    None
}

pub fn routes(table: &mut ConfigTable<'_>) -> Option<Routes> {
    const LAST: &str =
        "must end with a route that has no condition, so that every event has a stream";
    let Value::Array(list) = table.optional("routes")? else {
        table.error("routes", "must be a list of tables with conditions and `to`");
        return None;
    };
    let count = list.len();
    let read: Vec<Option<(RouteCondition, Route)>> = list
        .into_iter()
        .enumerate()
        .map(|(index, value)| table.nested(&format!("routes[{index}]"), value, route).flatten())
        .collect();
    let mut routes: Vec<(RouteCondition, Route)> = read.into_iter().flatten().collect();
    if routes.len() < count {
        return None;
    }
    let catches_all =
        |(condition, _): &(RouteCondition, Route)| *condition == RouteCondition::default();
    let last = routes.pop().filter(catches_all);
    if let Some(index) = routes.iter().position(catches_all) {
        let key = format!("routes[{index}]");
        table.error(&key, "has no condition, so no event comes to the routes after it");
        return None;
    }
    match last {
        Some((_, otherwise)) => Some(Routes { routes, otherwise }),
        None => {
            table.error("routes", LAST);
            None
        }
    }
}

fn route(table: &mut ConfigTable<'_>) -> Option<(RouteCondition, Route)> {
    let before = table.error_count();
    let condition = RouteCondition {
        level: table
            .choice("level", &[("low", Level::Low), ("mid", Level::Mid), ("high", Level::High)]),
        name: name(table),
        tenant: table.text("tenant"),
        bot: table.boolean("bot"),
        historical: table.boolean("historical"),
        metadata: metadata(table),
    };
    let sample = sample(table);
    let aggregate = match table.boolean("aggregate") {
        Some(false) => RouteAggregation::Never,
        Some(true) | None => RouteAggregation::AsConfigured,
    };
    let to = table.required("to").and_then(|value| fan_out(table, &value));
    let route = Route { to: to?, sample, aggregate };
    (table.error_count() == before).then_some((condition, route))
}

fn name(table: &mut ConfigTable<'_>) -> Option<NamePattern> {
    let value = table.optional("name")?;
    let pattern = value.as_str().and_then(NamePattern::parse);
    if pattern.is_none() {
        table.error("name", "must be an event's name, in which a * stands for any characters");
    }
    pattern
}

fn metadata(table: &mut ConfigTable<'_>) -> Map<String, Value> {
    match table.optional("metadata") {
        None => Map::new(),
        Some(Value::Object(wanted))
            if !wanted.is_empty()
                && wanted
                    .values()
                    .all(|value| value.is_string() || value.is_number() || value.is_boolean()) =>
        {
            wanted
        }
        Some(_) => {
            table.error("metadata", "must be a table of keys, each with a text, number or boolean");
            Map::new()
        }
    }
}

fn sample(table: &mut ConfigTable<'_>) -> Option<SampleRate> {
    let value = table.optional("sample")?;
    let rate = value.as_f64().and_then(SampleRate::parse);
    if rate.is_none() {
        table.error("sample", format!("must be a share above 0 and below 1, not {value}"));
    }
    rate
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Config;
    use super::super::tests::{error_count, settings};
    use crate::delivery::aggregate::Aggregation;
    use crate::model::stream::Stream;

    #[test]
    fn a_stream_set_is_all_of_its_members() {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["routes"] = json!([
            {"level": "high", "to": "firehose:e-2"},
            {"level": "low", "to": "firehose:e-{1..3}", "aggregate": false},
            {"to": "kinesis:k-{0..1}"},
        ]);
        table["failed_stream"] = json!("firehose:f-{08..09}");
        let config = Config::parse(settings).unwrap();
        let streams: Vec<String> =
            config.streams().iter().map(|stream| stream.to_string()).collect();
        let expected = [
            "firehose:e-2",
            "firehose:e-1",
            "firehose:e-3",
            "kinesis:k-0",
            "kinesis:k-1",
            "firehose:f-08",
            "firehose:f-09",
        ];
        assert_eq!(streams, expected);
        assert_eq!(config.stream_sets().len(), 4);
        assert!(config.streams().iter().all(|stream| config.names(stream)));
        let stream = |name| Stream::parse(name).unwrap();
        assert!(!config.names(&stream("firehose:e-4")) && !config.names(&stream("firehose:f-8")));
        assert_eq!(
            config.settings_of(&stream("firehose:e-2")),
            ["HEADWATER.routes[0].to", "HEADWATER.routes[1].to"]
        );
        assert_eq!(config.settings_of(&stream("firehose:f-09")), ["HEADWATER.failed_stream"]);
        let aggregation = |name| config.destinations.policy_of(&stream(name)).aggregation;
        assert_eq!(aggregation("firehose:e-3"), Aggregation::Off);
        assert_ne!(aggregation("kinesis:k-1"), Aggregation::Off);
    }

    #[test]
    fn a_route_may_go_to_several_streams() {
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        let both = json!(["firehose:e-{1..2}", "kinesis:orders"]);
        table["routes"] = json!([
            {"name": "order_*", "to": both, "aggregate": false},
            {"to": ["firehose:e-1"]},
        ]);
        let config = Config::parse(settings).unwrap();
        let routes = &config.inherited.routes;
        let to: Vec<String> = routes.all().map(|route| route.to.to_string()).collect();
        assert_eq!(to, ["firehose:e-{1..2}, kinesis:orders", "firehose:e-1"]);
        assert_eq!(config.streams().len(), 4, "with the failed stream");
        let stream = |name| Stream::parse(name).unwrap();
        assert_eq!(
            config.settings_of(&stream("firehose:e-1")),
            ["HEADWATER.routes[0].to", "HEADWATER.routes[1].to"]
        );
        assert_eq!(config.settings_of(&stream("kinesis:orders")), ["HEADWATER.routes[0].to"]);
        for name in ["firehose:e-2", "kinesis:orders"] {
            assert_eq!(
                config.destinations.policy_of(&stream(name)).aggregation,
                Aggregation::Off,
                "{name}"
            );
        }
    }

    #[test]
    fn a_mistake_in_a_list_of_streams_names_its_key() {
        let form = "to must be a text of the form firehose:NAME or kinesis:NAME, or a list of them";
        for (to, problem) in [
            (json!([]), "to has 0 streams; a list has 1 to 4".to_owned()),
            (
                json!(["kinesis:a", "kinesis:b", "kinesis:c", "kinesis:d", "kinesis:e"]),
                "to has 5 streams; a list has 1 to 4".to_owned(),
            ),
            (
                json!(["kinesis:a", "firehose:b", "kinesis:a"]),
                "to has kinesis:a and kinesis:a, which share a stream; each stream gets one copy of an event".to_owned(),
            ),
            (json!(["kinesis:a", 7]), form.to_owned()),
            (json!(7), form.to_owned()),
            (
                json!(["kinesis:a", "s3:b"]),
                "to must be firehose:NAME or kinesis:NAME, not \"s3:b\"".to_owned(),
            ),
        ] {
            let mut settings = settings();
            settings.headwater.as_mut().unwrap()["routes"] = json!([{"to": to}]);
            let expected = [format!("HEADWATER.routes[0].{problem}")];
            assert_eq!(error_count(settings), expected, "{to}");
        }
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["routes"] = json!([{"to": ["kinesis:a", "firehose:f"]}]);
        table["failed_stream"] = json!("firehose:f");
        let problem = "HEADWATER.failed_stream must be a stream that no route goes to";
        assert_eq!(error_count(settings), [problem]);
    }

    #[test]
    fn a_mistake_in_a_stream_set_names_its_key() {
        for (key, value, problem) in [
            (
                "failed_stream",
                json!("firehose:f-{1..0}"),
                "failed_stream has the range \"1..0\", whose first number is above its last",
            ),
            (
                "failed_stream",
                json!("firehose:events-{0..256}"),
                "failed_stream has 257 streams, limit 256",
            ),
            (
                "routes",
                json!([{"to": "firehose:{0..1}-{0..1}"}]),
                "routes[0].to has more than one range of numbers; a set of streams has one, such as {0..15}",
            ),
            (
                "routes",
                json!([{"to": "firehose:events-{faild,failed}"}]),
                "routes[0].to has the range \"{faild,failed}\"; a range is two numbers of at most 9 digits, such as {0..15}, with leading zeros only if both have the same number of digits",
            ),
        ] {
            let mut settings = settings();
            settings.headwater.as_mut().unwrap()[key] = value;
            assert!(error_count(settings).contains(&format!("HEADWATER.{problem}")), "{problem}");
        }
        let mut settings = settings();
        let table = settings.headwater.as_mut().unwrap();
        table["routes"] = json!([{"to": "firehose:e-{0..3}"}]);
        table["failed_stream"] = json!("firehose:e-3");
        let problem = "HEADWATER.failed_stream must be a stream that no route goes to";
        assert_eq!(error_count(settings), [problem]);
    }
}
