//! Repairs values that a schema refuses, if they have one sensible reading that it takes.
//!
//! | repair | what it does |
//! |---|---|
//! | `coerce` | takes the digits of a number for the text that is wanted |
//! | `null`, `empty` | drops a `null` or an empty text from an optional member |
//! | `empty_array` | takes `[]` for the object that is wanted, since PHP writes it so |
//! | `upper_case` | makes the letters of a short text capital, as codes of currencies want them |
//!
//! It looks below `props` and `metadata` only, and only at a beacon that was refused. A required
//! member is never dropped. It follows what holds in any case: `properties`,
//! `patternProperties`, `additionalProperties`, `items`, `prefixItems`, `allOf` and `$ref`.

use serde_json::{Map, Value};

use super::Schema;
use super::rule::{NodeId, Others, Rule, Types};
use super::view::View;
use super::walk::{Judge, Path};
use crate::model::repairs::COERCE;
use crate::model::repairs::EMPTY_ARRAY;

/// A `null` was dropped.
pub const NULL: &str = "null";
/// An empty text was dropped.
pub const EMPTY: &str = "empty";
/// Letters were made capital.
pub const UPPER_CASE: &str = "upper_case";

/// Takes each repair: its name, its place, and the value as it was sent.
pub type Repaired<'a> = dyn FnMut(&'static str, String, Value) + 'a;

/// Repairs what is below `props` and `metadata`.
pub fn beacon(schema: &Schema, fields: &mut Map<String, Value>, repaired: &mut Repaired<'_>) {
    let mut fit = Fit { schema, judge: Judge::of(schema), repaired };
    for root in ["props", "metadata"] {
        if let Some(object) = fields.get_mut(root) {
            fit.root(0, root, object);
        }
    }
}

struct Fit<'a, 'r> {
    schema: &'a Schema,
    judge: Judge<'a>,
    repaired: &'a mut Repaired<'r>,
}

/// What is to become of a value.
enum Reading {
    Stays,
    Drop(&'static str),
    Becomes(&'static str, Value),
}

impl Fit<'_, '_> {
    /// Repairs what is in one of a beacon's objects; node `id` describes the beacon.
    fn root(&mut self, id: NodeId, root: &str, object: &mut Value) {
        for rule in self.schema.node(id) {
            match rule {
                Rule::Ref(id) => self.root(*id, root, object),
                Rule::AllOf(ids) => ids.iter().for_each(|id| self.root(*id, root, object)),
                Rule::Members { named, .. } => {
                    let node = named.iter().find(|(name, _)| *name == root);
                    if let Some((_, id)) = node {
                        self.inside(*id, object, &Path::Member(&Path::Root, root));
                    }
                }
                _ => {}
            }
        }
    }

    /// Repairs what is inside of a value that node `id` describes.
    fn inside(&mut self, id: NodeId, value: &mut Value, path: &Path<'_>) {
        match value {
            Value::Object(members) => {
                let mut required = Vec::new();
                self.required(id, &mut required);
                self.members(id, &required, members, path);
            }
            Value::Array(items) => self.items(id, items, path),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Collects the members that an object must have by node `id`.
    fn required(&self, id: NodeId, names: &mut Vec<&'static str>) {
        for rule in self.schema.node(id) {
            match rule {
                Rule::Required(required) => names.extend(*required),
                Rule::Ref(id) => self.required(*id, names),
                Rule::AllOf(ids) => ids.iter().for_each(|id| self.required(*id, names)),
                _ => {}
            }
        }
    }

    fn members(
        &mut self,
        id: NodeId,
        required: &[&str],
        members: &mut Map<String, Value>,
        path: &Path<'_>,
    ) {
        for rule in self.schema.node(id) {
            match rule {
                Rule::Ref(id) => self.members(*id, required, members, path),
                Rule::AllOf(ids) => {
                    ids.iter().for_each(|id| self.members(*id, required, members, path));
                }
                Rule::Members { .. } => {
                    let mut dropped = Vec::new();
                    for (name, value) in members.iter_mut() {
                        let optional = !required.contains(&name.as_str());
                        if !self.member(rule, optional, value, &Path::Member(path, name)) {
                            dropped.push(name.clone());
                        }
                    }
                    dropped.iter().for_each(|name| drop(members.remove(name)));
                }
                _ => {}
            }
        }
    }

    /// Repairs a member by those of the nodes in `rule` that describe it; whether it stays.
    fn member(&mut self, rule: &Rule, optional: bool, value: &mut Value, path: &Path<'_>) -> bool {
        let Path::Member(_, name) = path else { return true };
        let Rule::Members { named, patterns, others } = rule else { return true };
        let by_name = named.iter().filter(|(known, _)| known == name).map(|(_, id)| id);
        let by_pattern = patterns.iter().filter(|(pattern, _)| pattern.matches(name));
        let mut known = false;
        for id in by_name.chain(by_pattern.map(|(_, id)| id)) {
            known = true;
            if !self.value(*id, optional, value, path) {
                return false;
            }
        }
        match others {
            Others::Each(id) if !known => self.value(*id, optional, value, path),
            // A member that must not be there, and says nothing.
            Others::None if !known && value.is_null() => {
                (self.repaired)(NULL, path.pointer(), Value::Null);
                false
            }
            _ => true,
        }
    }

    fn items(&mut self, id: NodeId, items: &mut [Value], path: &Path<'_>) {
        for rule in self.schema.node(id) {
            match rule {
                Rule::Ref(id) => self.items(*id, items, path),
                Rule::AllOf(ids) => ids.iter().for_each(|id| self.items(*id, items, path)),
                Rule::Items { prefix, others } => {
                    let others = match others {
                        Others::Each(id) => Some(id),
                        _ => None,
                    };
                    let nodes = prefix.iter().chain(others.into_iter().cycle());
                    for ((index, item), id) in items.iter_mut().enumerate().zip(nodes) {
                        // An item that went would move those behind it.
                        self.value(*id, false, item, &Path::Item(path, index));
                    }
                }
                _ => {}
            }
        }
    }

    /// Repairs a value that node `id` describes; whether it stays.
    fn value(&mut self, id: NodeId, optional: bool, value: &mut Value, path: &Path<'_>) -> bool {
        match self.reading(id, optional, value) {
            Reading::Stays => {}
            Reading::Drop(rule) => {
                (self.repaired)(rule, path.pointer(), value.take());
                return false;
            }
            Reading::Becomes(rule, read) => {
                let original = std::mem::replace(value, read);
                (self.repaired)(rule, path.pointer(), original);
            }
        }
        self.inside(id, value, path);
        true
    }

    fn reading(&self, id: NodeId, optional: bool, value: &Value) -> Reading {
        /// The longest text that can be a code.
        const MAX_CODE_BYTES: usize = 64;
        let refuses = |value: View<'_>| !self.judge.accepts(id, value);
        match value {
            Value::Null if optional && refuses(View::Null) => Reading::Drop(NULL),
            Value::String(text) if text.is_empty() && optional && refuses(View::String(text)) => {
                Reading::Drop(EMPTY)
            }
            Value::String(text)
                if text.len() <= MAX_CODE_BYTES
                    && text.bytes().any(|byte| byte.is_ascii_lowercase())
                    && refuses(View::String(text)) =>
            {
                let upper = text.to_ascii_uppercase();
                match refuses(View::String(&upper)) {
                    true => Reading::Stays,
                    false => Reading::Becomes(UPPER_CASE, Value::String(upper)),
                }
            }
            Value::Number(number)
                if refuses(View::Number(number.as_str()))
                    && !refuses(View::String(number.as_str())) =>
            {
                Reading::Becomes(COERCE, Value::String(number.as_str().to_owned()))
            }
            Value::Array(items) if items.is_empty() => {
                let types = self.types(id);
                match types.meets(Types::OBJECT) && !types.meets(Types::ARRAY) {
                    true => Reading::Becomes(EMPTY_ARRAY, Value::Object(Map::new())),
                    false => Reading::Stays,
                }
            }
            _ => Reading::Stays,
        }
    }

    /// The types that a node allows, by its own `type` and those of what holds with it.
    fn types(&self, id: NodeId) -> Types {
        let all = |types: Types, rule: &Rule| match rule {
            Rule::Type(allowed) => types.and(*allowed),
            Rule::Ref(id) => types.and(self.types(*id)),
            Rule::AllOf(ids) => ids.iter().fold(types, |types, id| types.and(self.types(*id))),
            _ => types,
        };
        self.schema.node(id).iter().fold(Types::ALL, all)
    }
}
