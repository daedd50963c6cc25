//! The routes of events: `routes`, and the streams that they name.

use serde_json::{Map, Value};

use super::table::ConfigTable;
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
    let to = table.required("to").and_then(|value| stream_set(table, "to", value));
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
