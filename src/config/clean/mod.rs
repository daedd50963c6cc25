//! Parses the cleaning rules: `clean`, a list, and `repairs_include_original`.
//!
//! Three kinds of rules are rejected: those that can never apply, those whose result would itself
//! need a repair, and those that could undo each other's work.

pub mod action;

use serde_json::Value;

use super::table::ConfigTable;
use crate::model::name_pattern::NamePattern;
use crate::model::repairs::Originals;
use crate::pipeline::clean::condition::{Build, BuildRange, Expectation, FieldTest, RuleCondition};
use crate::pipeline::clean::path::FieldPath;
use crate::pipeline::clean::rule::CleanRule;
use crate::pipeline::clean::value::text_of;
use crate::pipeline::clean::{CleanConfig, builtin, stability, text};
use action::{ACTIONS, action};

/// Whether a rule runs before or after validation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum RuleStage {
    #[default]
    Before,
    After,
}

/// Parses `clean` and `repairs_include_original`. Returns `None` if they have an error.
pub fn cleaning(table: &mut ConfigTable<'_>) -> Option<CleanConfig> {
    let error_count = table.error_count();
    let originals = match table.boolean("repairs_include_original") {
        Some(true) => Originals::Keep,
        Some(false) | None => Originals::Forget,
    };
    let mut cleaning = CleanConfig { originals, ..CleanConfig::default() };
    let list = match table.optional("clean") {
        None => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(_) => {
            table.error("clean", "must be a list of rules, which are tables");
            return None;
        }
    };
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (index, value) in list.into_iter().enumerate() {
        let key = format!("clean[{index}]");
        let read = table.nested(&key, value, |table| rule(table, &key));
        match read {
            Some(Ok((stage, rule))) => {
                let accepted = |other: &CleanRule| other.id == rule.id;
                if cleaning.before.iter().chain(&cleaning.after).any(accepted) {
                    table.error(&key, format!("has the id {:?} of an earlier rule", rule.id));
                }
                let (rules, indexes) = match stage {
                    RuleStage::Before => (&mut cleaning.before, &mut before),
                    RuleStage::After => (&mut cleaning.after, &mut after),
                };
                rules.push(rule);
                indexes.push(index);
            }
            Some(Err(Some(problem))) => table.error(&key, problem),
            Some(Err(None)) | None => {}
        }
    }
    // The order can be checked only once each rule is valid.
    if table.error_count() == error_count {
        conflict(table, &cleaning.before, &before);
        conflict(table, &cleaning.after, &after);
    }
    (table.error_count() == error_count).then_some(cleaning)
}

/// Records an error if two rules could undo each other's work. `indexes` are their places in
/// `clean`.
fn conflict(table: &mut ConfigTable<'_>, rules: &[CleanRule], indexes: &[usize]) {
    let Some(stability::Conflict { earlier, later, path }) = stability::conflict(rules) else {
        return;
    };
    let (Some(earlier), Some(later)) = (indexes.get(earlier), indexes.get(later)) else { return };
    let problem = if path.is_field("name") {
        format!("writes name, on which clean[{earlier}] depends; put it first")
    } else {
        format!(
            "writes {path}, which clean[{earlier}] uses; put it first, or give the two conditions \
             that exclude each other"
        )
    };
    table.error(&format!("clean[{later}]"), problem);
}

/// Parses one rule. An error may contain a message about the rule as a whole.
fn rule(table: &mut ConfigTable<'_>, key: &str) -> Result<(RuleStage, CleanRule), Option<String>> {
    let error_count = table.error_count();
    let id = id(table).unwrap_or_else(|| key.to_owned());
    let stage =
        table.choice("stage", &[("before", RuleStage::Before), ("after", RuleStage::After)]);
    let stage = stage.unwrap_or_default();
    let condition = condition(table, stage);
    let field = table.required("field").and_then(|value| path(table, "field", &value, stage));
    let to = table.optional("to");
    let mut actions: Vec<(&str, Value)> =
        ACTIONS.iter().filter_map(|key| table.optional(key).map(|value| (*key, value))).collect();
    let one = "needs exactly one action";
    let (name, value) = match (actions.pop(), actions.is_empty()) {
        (Some(action), true) => action,
        (None, _) => return Err(Some(format!("{one} of {}", ACTIONS.join(", ")))),
        (Some((last, _)), false) => {
            let mut names: Vec<&str> = actions.iter().map(|(name, _)| *name).collect();
            names.push(last);
            return Err(Some(format!("{one}, not {}", names.join(" and "))));
        }
    };
    let field = field.ok_or(None)?;
    if to.is_some() && name != "scale" {
        table.error("to", format!("goes with scale, not with {name}"));
    }
    let action = action(table, name, value, to, &field, stage);
    let rule = CleanRule { id, condition, field, action: action.ok_or(None)? };
    match table.error_count() == error_count {
        true if rule.can_apply() => Ok((stage, rule)),
        true => Err(Some(format!("can never apply: no value that `when` lets pass needs {name}"))),
        false => Err(None),
    }
}

fn id(table: &mut ConfigTable<'_>) -> Option<String> {
    let fits = |id: &str| {
        let of_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        (1..=64).contains(&id.len()) && id.bytes().all(of_id)
    };
    match table.optional("id")? {
        Value::String(id) if builtin::NAMES.contains(&id.as_str()) => {
            table.error("id", format!("must not be {id:?}, the name of a built-in repair"));
            None
        }
        Value::String(id) if fits(&id) => Some(id),
        _ => {
            table.error("id", "must be 1 to 64 letters, digits, dots, hyphens and underscores");
            None
        }
    }
}

fn condition(table: &mut ConfigTable<'_>, stage: RuleStage) -> RuleCondition {
    let name = table.optional("name").and_then(|value| {
        let pattern = value.as_str().and_then(NamePattern::parse);
        if pattern.is_none() {
            table.error("name", "must be an event's name, in which a * stands for any characters");
        }
        pattern
    });
    let build = table.optional("build").and_then(|value| table.nested("build", value, range));
    let platforms = table.optional("platform").and_then(|value| platforms(table, value));
    let tests = match table.optional("when") {
        None => Vec::new(),
        Some(Value::Array(list)) if !list.is_empty() => {
            let list = list.into_iter().enumerate();
            let read = list.map(|(index, value)| {
                table.nested(&format!("when[{index}]"), value, |table| test(table, stage))
            });
            read.flatten().flatten().collect()
        }
        Some(value) => {
            let read = table.nested("when", value, |table| test(table, stage));
            read.flatten().into_iter().collect()
        }
    };
    let all = RuleCondition { tests, ..RuleCondition::default() };
    if all.excludes(&all, |_| true) {
        table.error("when", "can never hold: one of its tests excludes another");
    }
    RuleCondition { name, build: build.flatten(), platforms, ..all }
}

fn range(table: &mut ConfigTable<'_>) -> Option<BuildRange> {
    let mut end = |key: &str| {
        let value = table.optional(key)?;
        let build = value.as_str().and_then(Build::parse);
        if build.is_none() {
            table.error(key, format!("must be a text of numbers such as \"1.4.2\", not {value}"));
        }
        build
    };
    let range = BuildRange { from: end("from"), to: end("to") };
    if range.from.is_none() && range.to.is_none() {
        table.error("from", "or to must be given");
    } else if range.is_empty() {
        table.error("to", "must not be before from");
    }
    Some(range)
}

fn platforms(table: &mut ConfigTable<'_>, value: Value) -> Option<Vec<String>> {
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let names: Option<Vec<String>> = list
        .iter()
        .map(|name| name.as_str().filter(|it| !it.is_empty() && it.to_lowercase() == **it))
        .map(|name| name.map(str::to_owned))
        .collect();
    let names = names.filter(|names| !names.is_empty());
    if names.is_none() {
        table.error("platform", "must be a platform such as \"ios\" in lower case, or a list");
    }
    names
}

fn test(table: &mut ConfigTable<'_>, stage: RuleStage) -> Option<FieldTest> {
    let field = table.required("field").and_then(|value| path(table, "field", &value, stage));
    let expected = match (table.optional("is"), table.optional("exists")) {
        (Some(value), None) => one_of(table, value).map(Expectation::OneOf),
        (None, Some(Value::Bool(true))) => Some(Expectation::Present),
        (None, Some(Value::Bool(false))) => Some(Expectation::Absent),
        (None, Some(other)) => {
            table.error("exists", format!("must be true or false, not {other}"));
            None
        }
        _ => {
            table.error("is", "or exists must be given, and not both");
            None
        }
    };
    Some(FieldTest { field: field?, expected: expected? })
}

fn one_of(table: &mut ConfigTable<'_>, value: Value) -> Option<Vec<Value>> {
    let values = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    let problem = match values.iter().find_map(never_found) {
        Some(problem) => problem,
        None if values.is_empty() => "must not be an empty list".to_owned(),
        None => return Some(values),
    };
    table.error("is", problem);
    None
}

/// Returns why no cleaned beacon can have the value `value`, if none can.
fn never_found(value: &Value) -> Option<String> {
    match text_of(value) {
        None => Some(format!("must be texts, numbers or booleans, not {value}")),
        Some(found) => text::cleaned(found)
            .map(|cleaned| format!("can't be {found:?}, which is {:?} once cleaned", cleaned.text)),
    }
}

fn path(
    table: &mut ConfigTable<'_>,
    key: &str,
    value: &Value,
    stage: RuleStage,
) -> Option<FieldPath> {
    let read = match value.as_str().map(FieldPath::parse) {
        None => Err(format!("must be a path such as \"props.price\", not {value}")),
        Some(Ok(path)) if stage == RuleStage::After && !path.is_inner() => {
            Err("must go below props or metadata in the stage \"after\"".to_owned())
        }
        Some(read) => read,
    };
    read.map_err(|problem| table.error(key, problem)).ok()
}

#[cfg(test)]
pub(crate) mod tests;
