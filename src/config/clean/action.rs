//! Parses the action of a cleaning rule. It is an error if the result would itself need a repair,
//! or if validation would reject it.

use chrono::DateTime;
use serde_json::{Map, Value};

use super::{RuleStage, never_found, path};
use crate::base::decimal::Decimal;
use crate::config::table::ConfigTable;
use crate::model::beacon::Envelope;
use crate::model::event::EventIdGenerator;
use crate::model::repairs::{Originals, Repairs};
use crate::pipeline::clean::builtin;
use crate::pipeline::clean::path::FieldPath;
use crate::pipeline::clean::rule::{CleanAction, Type};
use crate::pipeline::clean::value::text_of;
use crate::pipeline::validate;
use crate::pipeline::validate::UnknownEventPolicy;

/// The keys of the actions. Each rule has exactly one.
pub(super) const ACTIONS: [&str; 9] =
    ["set", "map", "cast", "lower", "upper", "trim", "rename", "drop", "scale"];

/// Parses the action `name` on `field`, with the argument `value`.
pub(super) fn action(
    table: &mut ConfigTable<'_>,
    name: &str,
    value: Value,
    to: Option<Value>,
    field: &FieldPath,
    stage: RuleStage,
) -> Option<CleanAction> {
    let read = match name {
        "set" => match misfit(field, &value) {
            None => Ok(CleanAction::Set(value)),
            Some(problem) => Err(problem),
        },
        "map" => pairs(field, value).map(CleanAction::Map),
        "cast" => match value.as_str() {
            _ if !field.is_inner() => Err("must be of a field below props or metadata".to_owned()),
            Some("string") => Ok(CleanAction::Cast(Type::String)),
            Some("integer") => Ok(CleanAction::Cast(Type::Integer)),
            Some("number") => Ok(CleanAction::Cast(Type::Number)),
            Some("boolean") => Ok(CleanAction::Cast(Type::Boolean)),
            _ => Err(format!(
                "must be one of \"string\", \"integer\", \"number\", \"boolean\", not {value}"
            )),
        },
        "lower" => only_true(&value, CleanAction::Lower),
        "upper" => only_true(&value, CleanAction::Upper),
        "trim" => match value.as_str() {
            Some(characters) if characters.chars().any(|it| !it.is_whitespace()) => {
                Ok(CleanAction::Trim(characters.to_owned()))
            }
            _ => Err("must be a text of the characters to cut from both ends, such as \"#*\"; \
                      white space is cut from every text without a rule"
                .to_owned()),
        },
        "drop" if field.is_field("name") => {
            Err("can't be of name, which an event must have".to_owned())
        }
        "drop" => only_true(&value, CleanAction::Drop),
        "rename" => {
            let to = path(table, "rename", &value, stage)?;
            match () {
                () if field.is_field("name") => {
                    Err("can't be of name, which an event must have".to_owned())
                }
                () if to.overlaps(field) => {
                    Err(format!("must be another place than {field}, and not in or around it"))
                }
                () => Ok(CleanAction::Rename(to)),
            }
        }
        _ => return scale(table, &value, to, field, stage),
    };
    read.map_err(|problem| table.error(name, problem)).ok()
}

fn only_true(value: &Value, action: CleanAction) -> Result<CleanAction, String> {
    match value {
        Value::Bool(true) => Ok(action),
        other => Err(format!("must be true, not {other}")),
    }
}

fn scale(
    table: &mut ConfigTable<'_>,
    value: &Value,
    to: Option<Value>,
    field: &FieldPath,
    stage: RuleStage,
) -> Option<CleanAction> {
    let by = value.as_number().and_then(|number| Decimal::parse(number.as_str()));
    let by = by.filter(|by| !by.is_zero() && by.to_plain().is_some());
    if by.is_none() {
        table.error("scale", format!("must be a number other than 0, not {value}"));
    }
    if !field.is_inner() {
        table.error("scale", "must be of a field below props or metadata");
    }
    let Some(to) = to else {
        table.error(
            "to",
            "must be another field: in place, each cleaning would scale the number again",
        );
        return None;
    };
    let to = path(table, "to", &to, stage)?;
    if !to.is_inner() || to.overlaps(field) {
        table.error(
            "to",
            format!(
                "must go below props or metadata, and not be {field}: in place, each cleaning \
                 would scale the number again"
            ),
        );
    }
    Some(CleanAction::Scale { by: by?, to })
}

fn pairs(field: &FieldPath, value: Value) -> Result<Vec<(String, Value)>, String> {
    let Value::Object(pairs) = value else {
        return Err("must be a table of what is found and what to put there".to_owned());
    };
    if pairs.is_empty() {
        return Err("must not be empty".to_owned());
    }
    for (from, to) in &pairs {
        if let Some(problem) = never_found(&Value::String(from.clone())) {
            return Err(problem);
        }
        if let Some(problem) = misfit(field, to) {
            return Err(problem);
        }
        if text_of(to).is_some_and(|to| pairs.contains_key(to)) {
            return Err(format!("must not put {to} there, which it maps itself"));
        }
    }
    Ok(pairs.into_iter().collect())
}

/// Returns why a rule can't write `value` to `field`, if it can't.
fn misfit(field: &FieldPath, value: &Value) -> Option<String> {
    if text_of(value).is_none() {
        return Some(format!("must be a text, a number or a boolean, not {value}"));
    }
    if field.is_field("id") {
        return Some("can't be of id, which must tell each event from all others".to_owned());
    }
    let mut fields = Map::new();
    fields.insert("name".to_owned(), Value::String("a".to_owned()));
    field.put(&mut fields, Some(value.clone()));
    let mut repairs = Repairs::new(Originals::Forget);
    builtin::beacon(&mut fields, &mut repairs);
    if let Some(repair) = repairs.iter().next() {
        return Some(format!("can't be {value}, which needs the repair {} itself", repair.rule));
    }
    let mut ids = EventIdGenerator::new(DateTime::UNIX_EPOCH, [0; 10]);
    let (envelope, unknown) = (Envelope::default(), UnknownEventPolicy::Accept);
    let refused = validate::event(fields, &envelope, unknown, &mut ids, &mut repairs).err()?;
    Some(format!("can't be {value}: {}", refused.violations.first.message))
}
