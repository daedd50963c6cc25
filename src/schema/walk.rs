//! Walks a document along a schema and notes each rule that it breaks.
//!
//! The walk is as deep as the document, times the schema's steps in place, which the build limits.
//! The same code decides validity and finds the faults. For validity alone, it stops at the first
//! fault and writes no messages.

use std::cell::Cell;
use std::fmt;

use serde_json::{Map, Value};

use super::Schema;
use super::assert::{self, count};
use super::rule::{NodeId, Others, Rule};
use super::view::View;
use crate::base::text::escape_json_pointer;
use crate::model::schema_info::SchemaInfo;
use crate::model::violation::{Code, Violation, Violations};

/// The place of the walk in the document: a chain of steps back to the root.
#[derive(Clone, Copy)]
pub enum Path<'a> {
    Root,
    Member(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl Path<'_> {
    /// Returns the JSON Pointer (RFC 6901); a name in it is cut after 100 characters.
    pub fn pointer(&self) -> String {
        match self {
            Self::Root => String::new(),
            Self::Member(parent, name) => parent.pointer() + &escape_json_pointer(name),
            Self::Item(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// The purpose of a walk, and its result.
enum Findings {
    /// Only whether the document is valid.
    Verdict {
        /// There is no fault so far.
        valid: bool,
    },
    /// Every fault, up to [`Violations::MAX`].
    Faults(Vec<Violation>),
}

impl Findings {
    /// Whether the rest of the walk can't change them.
    fn are_complete(&self) -> bool {
        match self {
            Self::Verdict { valid } => !valid,
            Self::Faults(faults) => faults.len() >= Violations::MAX,
        }
    }
}

/// Returns every violation of `schema` in `value`, up to [`Violations::MAX`].
pub fn violations(schema: &Schema, value: View<'_>) -> Vec<Violation> {
    let left = Cell::new(MAX_STEPS);
    let mut walk = Walk { schema, left: &left, findings: Findings::Faults(Vec::new()) };
    walk.node(0, value, &Path::Root);
    if left.get() == 0 {
        walk.findings = Findings::Faults(Vec::new());
        let sentence = format_args!("takes more than {MAX_STEPS} steps to check");
        walk.note(&Path::Root, None, Code::TooComplex, "steps", sentence);
    }
    match walk.findings {
        Findings::Faults(faults) => faults,
        Findings::Verdict { .. } => Vec::new(),
    }
}

/// Checks single values, which share the steps of one walk.
pub struct Judge<'a> {
    schema: &'a Schema,
    left: Cell<u32>,
}

impl<'a> Judge<'a> {
    pub fn of(schema: &'a Schema) -> Self {
        Self { schema, left: Cell::new(MAX_STEPS) }
    }

    /// Whether `value` is valid against a node; always true once the steps are used up.
    pub fn accepts(&self, id: NodeId, value: View<'_>) -> bool {
        let findings = Findings::Verdict { valid: true };
        Walk { schema: self.schema, left: &self.left, findings }.accepts(id, value)
    }
}

/// The most steps of one walk; a step is one node at one place of the document. A large beacon
/// takes some ten thousand; a schema with recursive alternatives can take any number.
const MAX_STEPS: u32 = 500_000;

struct Walk<'a> {
    schema: &'a Schema,
    /// The steps that are left to this walk and its inner walks.
    left: &'a Cell<u32>,
    findings: Findings,
}

impl Walk<'_> {
    fn node(&mut self, id: NodeId, value: View<'_>, path: &Path<'_>) {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            // The result is unknown; the whole walk reports that.
            None => return,
        }
        for rule in self.schema.node(id) {
            if self.findings.are_complete() {
                return;
            }
            self.rule(rule, value, path);
        }
    }

    fn rule(&mut self, rule: &Rule, value: View<'_>, path: &Path<'_>) {
        match (rule, value) {
            (Rule::Required(names), View::Object(members)) => {
                self.required(names, "required", members, path);
            }
            (Rule::DependentRequired(dependents), View::Object(members)) => {
                let present = dependents.iter().filter(|(name, _)| members.contains_key(*name));
                for (_, names) in present {
                    self.required(names, "dependentRequired", members, path);
                }
            }
            (Rule::DependentSchemas(dependents), View::Object(members)) => {
                let present = dependents.iter().filter(|(name, _)| members.contains_key(*name));
                for (_, id) in present {
                    self.node(*id, value, path);
                }
            }
            (Rule::Members { .. }, View::Object(members)) => self.members(rule, members, path),
            (Rule::PropertyNames(id), View::Object(members)) => {
                for (name, value) in members {
                    if !self.accepts(*id, View::String(name)) {
                        let sentence = format_args!("has a name that is not allowed");
                        let path = Path::Member(path, name);
                        self.note(
                            &path,
                            Some(value.into()),
                            Code::UnknownField,
                            "propertyNames",
                            sentence,
                        );
                    }
                }
            }
            (Rule::Items { prefix, others }, View::Array(items)) => {
                self.items(prefix, *others, items, path);
            }
            (Rule::Contains { node, least, max }, View::Array(items)) => {
                self.contains(*node, *least, *max, items, path);
            }
            (Rule::Ref(id), _) => self.node(*id, value, path),
            (Rule::AllOf(ids), _) => ids.iter().for_each(|id| self.node(*id, value, path)),
            (Rule::AnyOf(ids), _) if !ids.iter().any(|id| self.accepts(*id, value)) => {
                let sentence = format_args!("matches none of the forms that it may have");
                self.note(path, Some(value), Code::NoMatch, "anyOf", sentence);
            }
            (Rule::OneOf(ids), _) => {
                let found = match ids.iter().filter(|id| self.accepts(**id, value)).take(2).count()
                {
                    0 => "none",
                    1 => return,
                    _ => "several",
                };
                let sentence =
                    format_args!("must match just one of the forms that it may have, not {found}");
                self.note(path, Some(value), Code::NoMatch, "oneOf", sentence);
            }
            (Rule::Not(id), _) if self.accepts(*id, value) => {
                let sentence = format_args!("has a form that is ruled out");
                self.note(path, Some(value), Code::NoMatch, "not", sentence);
            }
            (Rule::If { condition, met, unmet }, _) => {
                let branch = if self.accepts(*condition, value) { met } else { unmet };
                if let Some(id) = branch {
                    self.node(*id, value, path);
                }
            }
            _ if !assert::keeps(rule, value) => self.broken(rule, value, path),
            _ => {}
        }
    }

    fn required(
        &mut self,
        names: &[&str],
        keyword: &'static str,
        members: &Map<String, Value>,
        path: &Path<'_>,
    ) {
        for name in names.iter().filter(|name| !members.contains_key(**name)) {
            let path = Path::Member(path, name);
            self.note(&path, None, Code::MissingField, keyword, format_args!("is missing"));
        }
    }

    fn members(&mut self, rule: &Rule, members: &Map<String, Value>, path: &Path<'_>) {
        let Rule::Members { named, patterns, others } = rule else { return };
        // Both are in the order of their names.
        let mut named = named.iter().peekable();
        for (name, value) in members {
            if self.findings.are_complete() {
                return;
            }
            let (path, view) = (Path::Member(path, name), View::from(value));
            while named.next_if(|(known, _)| *known < name.as_str()).is_some() {}
            let by_name = named.next_if(|(known, _)| known == name);
            let by_pattern = patterns.iter().filter(|(pattern, _)| pattern.matches(name));
            let mut known = false;
            for id in by_name.map(|(_, id)| id).into_iter().chain(by_pattern.map(|(_, id)| id)) {
                known = true;
                self.node(*id, view, &path);
            }
            match others {
                _ if known => {}
                Others::Any => {}
                Others::Each(id) => self.node(*id, view, &path),
                Others::None => {
                    let sentence = format_args!("is not a member that the schema knows");
                    let keyword = "additionalProperties";
                    self.note(&path, Some(view), Code::UnknownField, keyword, sentence);
                }
            }
        }
    }

    fn items(&mut self, prefix: &[NodeId], others: Others, items: &[Value], path: &Path<'_>) {
        let mut prefix = prefix.iter();
        for (index, item) in items.iter().enumerate() {
            if self.findings.are_complete() {
                return;
            }
            let path = Path::Item(path, index);
            match (prefix.next(), others) {
                (Some(id), _) => self.node(*id, item.into(), &path),
                (None, Others::Each(id)) => self.node(id, item.into(), &path),
                (None, Others::Any) => return,
                (None, Others::None) => {
                    let sentence = format_args!("is an item too many");
                    self.note(&path, Some(item.into()), Code::TooMany, "items", sentence);
                }
            }
        }
    }

    fn contains(
        &mut self,
        id: NodeId,
        least: u64,
        max: Option<u64>,
        items: &[Value],
        path: &Path<'_>,
    ) {
        let matches =
            count(items.iter().filter(|item| self.accepts(id, View::from(*item))).count());
        let value = Some(View::Array(items));
        if matches < least {
            let keyword = if least == 1 { "contains" } else { "minContains" };
            let sentence = format_args!("must have at least {least} items of the form it asks for");
            self.note(path, value, Code::TooFew, keyword, sentence);
        }
        if let Some(max) = max.filter(|max| matches > *max) {
            let sentence = format_args!("must have at most {max} items of the form it asks for");
            self.note(path, value, Code::TooMany, "maxContains", sentence);
        }
    }

    fn accepts(&self, id: NodeId, value: View<'_>) -> bool {
        let findings = Findings::Verdict { valid: true };
        let mut walk = Walk { schema: self.schema, left: self.left, findings };
        walk.node(id, value, &Path::Root);
        !walk.findings.are_complete()
    }

    /// Notes a broken rule about a single value.
    fn broken(&mut self, rule: &Rule, value: View<'_>, path: &Path<'_>) {
        match &mut self.findings {
            Findings::Verdict { valid } => *valid = false,
            Findings::Faults(_) => {
                let (code, keyword, [before, limit, after]) = assert::fault(rule, value);
                let sentence = format_args!("{before}{limit}{after}");
                self.note(path, Some(value), code, keyword, sentence);
            }
        }
    }

    #[inline(never)]
    fn note(
        &mut self,
        path: &Path<'_>,
        value: Option<View<'_>>,
        code: Code,
        keyword: &'static str,
        sentence: fmt::Arguments<'_>,
    ) {
        let SchemaInfo { name, version, .. } = self.schema.info;
        match &mut self.findings {
            Findings::Verdict { valid } => *valid = false,
            Findings::Faults(faults) if faults.len() < Violations::MAX => {
                let pointer = path.pointer();
                let place = if pointer.is_empty() { "the beacon" } else { &pointer };
                faults.push(Violation {
                    code,
                    message: format!("{name} {version}: {place} {sentence}"),
                    rule: Some(keyword),
                    found: value.map(View::type_name),
                    pointer,
                });
            }
            Findings::Faults(_) => {}
        }
    }
}
