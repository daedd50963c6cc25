//! Writes the catalogue down as Rust constants.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::super::rule::{Json, Others, Pattern, Rule};
use super::event::Event;

/// The source of a module with `SCHEMAS`, sorted by name, for `crate::schema`.
pub fn catalogue(mut events: Vec<Event>) -> String {
    events.sort_by(|left, right| left.name.cmp(&right.name));
    let mut source = "use super::Schema;
#[allow(unused_imports, reason = \"which are used depends on the schemas\")]
use super::rule::{Format, Json, Others, Pattern, Rule, Types};
use crate::event::Level;

"
    .to_owned();
    let mut patterns = Patterns::default();
    let schemas: String = events.iter().map(|event| schema(event, &mut patterns)).collect();
    source.push_str(&patterns.source);
    let _ = write!(source, "pub static SCHEMAS: [Schema; {}] = [\n{schemas}];\n", events.len());
    source
}

fn schema(event: &Event, patterns: &mut Patterns) -> String {
    let Event { name, id, version, level, opens_session, partition, nodes } = event;
    let level = level.map_or("None".to_owned(), |level| format!("Some(Level::{level:?})"));
    let mut source = format!(
        "    Schema {{\n        name: {name:?},\n        id: {id:?},\n        version: {version:?},\n        \
         level: {level},\n        opens_session: {opens_session},\n        partition: &{partition:?},\n        nodes: &[\n"
    );
    for node in *nodes {
        let _ = writeln!(source, "            {},", slice(node, |rule| patterns.rule(rule)));
    }
    source.push_str("        ],\n    },\n");
    source
}

/// Each pattern is written once, however many schemas have it.
#[derive(Default)]
struct Patterns {
    names: BTreeMap<&'static str, String>,
    source: String,
}

impl Patterns {
    fn name(&mut self, pattern: &Pattern) -> String {
        if let Some(name) = self.names.get(pattern.source) {
            return name.clone();
        }
        let name = format!("PATTERN_{}", self.names.len());
        let Pattern { source, classes, stride, start, next, ends } = pattern;
        let _ = writeln!(
            self.source,
            "static {name}: Pattern = Pattern {{ source: {source:?}, classes: &{classes:?}, \
             stride: {stride}, start: {start}, next: &{next:?}, ends: &{ends:?} }};"
        );
        self.names.insert(source, name.clone());
        name
    }

    fn rule(&mut self, rule: &Rule) -> String {
        match rule {
            Rule::Const(value) => format!("Rule::Const({})", json(value)),
            Rule::Enum(values) => format!("Rule::Enum({})", slice(values, json)),
            Rule::Type(types) => format!("Rule::Type(Types({}))", types.0),
            Rule::Pattern(pattern) => format!("Rule::Pattern(&{})", self.name(pattern)),
            Rule::Format(format) => format!("Rule::Format(Format::{format:?})"),
            Rule::Required(names) => format!("Rule::Required(&{names:?})"),
            Rule::DependentRequired(dependents) => {
                let dependents =
                    slice(dependents, |(name, names)| format!("({name:?}, &{names:?})"));
                format!("Rule::DependentRequired({dependents})")
            }
            Rule::DependentSchemas(dependents) => {
                format!("Rule::DependentSchemas(&{dependents:?})")
            }
            Rule::Members { named, patterns, others } => {
                let patterns =
                    slice(patterns, |(pattern, id)| format!("(&{}, {id})", self.name(pattern)));
                let others = self::others(others);
                format!(
                    "Rule::Members {{ named: &{named:?}, patterns: {patterns}, others: {others} }}"
                )
            }
            Rule::Items { prefix, others } => {
                format!("Rule::Items {{ prefix: &{prefix:?}, others: {} }}", self::others(others))
            }
            Rule::AllOf(ids) => format!("Rule::AllOf(&{ids:?})"),
            Rule::AnyOf(ids) => format!("Rule::AnyOf(&{ids:?})"),
            Rule::OneOf(ids) => format!("Rule::OneOf(&{ids:?})"),
            // A name, a number, a text, or fields of these: as Rust shows them, so it reads them.
            Rule::Never
            | Rule::UniqueItems
            | Rule::MinLength(_)
            | Rule::MaxLength(_)
            | Rule::Minimum(_)
            | Rule::Maximum(_)
            | Rule::ExclusiveMinimum(_)
            | Rule::ExclusiveMaximum(_)
            | Rule::MultipleOf(_)
            | Rule::MinItems(_)
            | Rule::MaxItems(_)
            | Rule::MinProperties(_)
            | Rule::MaxProperties(_)
            | Rule::PropertyNames(_)
            | Rule::Contains { .. }
            | Rule::Ref(_)
            | Rule::Not(_)
            | Rule::If { .. } => format!("Rule::{rule:?}"),
        }
    }
}

fn others(others: &Others) -> String {
    format!("Others::{others:?}")
}

fn json(value: &Json) -> String {
    match value {
        Json::Array(items) => format!("Json::Array({})", slice(items, json)),
        Json::Object(members) => {
            let members = slice(members, |(name, value)| format!("({name:?}, {})", json(value)));
            format!("Json::Object({members})")
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            format!("Json::{value:?}")
        }
    }
}

fn slice<T>(items: &[T], write: impl FnMut(&T) -> String) -> String {
    format!("&[{}]", items.iter().map(write).collect::<Vec<_>>().join(", "))
}
