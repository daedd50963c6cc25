//! `columns`: which columns the records of events have.

use super::table::ConfigTable;
use crate::base::text::is_one_letter_off;
use crate::model::record::column::{Column, ColumnChoice};
use crate::pipeline::route::{RouteCondition, Routes};

/// Parses `columns`. A name with an error is ignored; the others apply. `routes` are all that there
/// are: a record that waits is routed again by its columns if its stream is gone.
pub fn columns(table: &mut ConfigTable<'_>, routes: &[&Routes]) -> ColumnChoice {
    let mut choice = ColumnChoice::default();
    if let Some(value) = table.optional("columns") {
        table.nested("columns", value, |table| {
            choice.with_derived = table.boolean("derived").unwrap_or_default();
            for name in table.texts("drop").unwrap_or_default() {
                match Column::find(&name) {
                    Some(column) => match need(column, routes) {
                        None => choice.drop(column),
                        Some(need) => table.error("drop", format!("can't have {name:?}: {need}")),
                    },
                    None => table.error("drop", unknown(&name)),
                }
            }
        });
    }
    choice
}

/// Returns why `column` can't be dropped, if it can't.
fn need(column: Column, routes: &[&Routes]) -> Option<&'static str> {
    let by_route = || routes.iter().any(|routes| is_tested(column, routes));
    column.need().or_else(|| by_route().then_some("a route chooses by it"))
}

/// Returns a column that a condition of `routes` tests, and that records do not have.
pub fn missing(choice: &ColumnChoice, routes: &Routes) -> Option<Column> {
    [Column::Level, Column::Metadata, Column::Historical]
        .into_iter()
        .find(|column| !choice.keeps(*column) && is_tested(*column, routes))
}

/// Whether a condition of `routes` tests `column`.
fn is_tested(column: Column, routes: &Routes) -> bool {
    let is_tested = |condition: &RouteCondition| match column {
        Column::Level => condition.level.is_some(),
        Column::Metadata => !condition.metadata.is_empty(),
        Column::Historical => condition.historical.is_some(),
        _ => false,
    };
    routes.routes.iter().any(|(condition, _)| is_tested(condition))
}

fn unknown(name: &str) -> String {
    let meant = Column::ALL.iter().find(|column| is_one_letter_off(column.name(), name));
    match meant {
        Some(meant) => format!("has {name:?}, did you mean {:?}?", meant.name()),
        None => format!("has {name:?}, which is no column that can be left out"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Config, RawConfig};

    /// Returns the choice, and the problems as warnings.
    fn parsed(columns: Value) -> (ColumnChoice, Vec<String>) {
        let mut settings = crate::config::tests::settings();
        let table = settings.headwater.as_mut().and_then(Value::as_object_mut).unwrap();
        table.insert("columns".to_owned(), columns);
        let config = Config::parse(RawConfig { ..settings }).unwrap();
        (config.columns, config.warnings.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_column_that_a_route_tests_is_kept() {
        let mut settings = crate::config::tests::settings();
        let table = settings.headwater.as_mut().unwrap();
        table["columns"] = json!({"drop": ["level", "metadata", "historical", "title"]});
        let of_tenant =
            json!([{"metadata": {"tag": "vip"}, "to": "firehose:vip"}, {"to": "firehose:a"}]);
        table["keys"] =
            json!({"pk_a": {"tenant": "a", "routes": of_tenant}, "pk_b": {"tenant": "b"}});
        let config = Config::parse(settings).unwrap();
        for (column, is_kept) in [
            (Column::Level, true),
            (Column::Metadata, true),
            (Column::Historical, false),
            (Column::Title, false),
        ] {
            assert_eq!(config.columns.keeps(column), is_kept, "{column:?}");
        }
        let warnings: Vec<String> = config.warnings.iter().map(ToString::to_string).collect();
        let expected = ["level", "metadata"].map(|name| {
            format!("HEADWATER.columns.drop can't have {name:?}: a route chooses by it; until then the rest of columns applies")
        });
        assert_eq!(warnings, expected);
    }

    #[test]
    fn columns_that_are_dropped_are_chosen_by_name() {
        let (choice, warnings) = parsed(json!({"drop": ["user_agent", "as_organization"]}));
        let dropped: Vec<&str> = Column::ALL
            .iter()
            .filter(|column| !choice.keeps(**column))
            .map(|column| column.name())
            .collect();
        assert_eq!(dropped, ["user_agent", "as_organization"]);
        assert!(!choice.with_derived && warnings.is_empty(), "{warnings:?}");
        let mut whole = ColumnChoice::default();
        whole.with_derived = true;
        assert_eq!(parsed(json!({"derived": true})).0, whole);
    }

    #[test]
    fn names_that_cannot_be_dropped_are_reported_and_the_others_apply() {
        let (choice, warnings) =
            parsed(json!({"drop": ["event_id", "user_agnt", "session_id", "title"]}));
        assert_eq!(
            warnings,
            [
                "HEADWATER.columns.drop can't have \"event_id\": repeats are found by it; until then the rest of columns applies",
                "HEADWATER.columns.drop has \"user_agnt\", did you mean \"user_agent\"?; until then the rest of columns applies",
                "HEADWATER.columns.drop has \"session_id\", which is no column that can be left out; until then the rest of columns applies",
            ]
        );
        assert!(!choice.keeps(Column::Title) && choice.keeps(Column::EventId));
        let (choice, warnings) = parsed(json!({"drop": "title"}));
        assert_eq!((choice, warnings.len()), (ColumnChoice::default(), 1));
    }
}
