//! Repairs values that a schema rejects, if they have one sensible reading that it accepts.
//!
//! | repair | effect |
//! |---|---|
//! | `coerce` | turns a number into the text of its digits, if a text is required |
//! | `null`, `empty` | drops an optional member that is `null` or an empty text |
//! | `empty_array` | turns `[]` into the required object, since PHP writes it so |
//! | `upper_case` | converts a short text to upper case, as currency codes require |
//!
//! It changes values below `props` and `metadata` only, and only if the schema rejects the beacon.
//! A required member is never dropped. It follows the keywords that always apply: `properties`,
//! `patternProperties`, `additionalProperties`, `items`, `prefixItems`, `allOf` and `$ref`.

use serde_json::{Map, Value};

use super::Schema;
use super::rule::{NodeId, Others, Rule, Types};
use super::view::View;
use super::walk::{Judge, Path};
use crate::model::repairs::{COERCE, EMPTY_ARRAY, LazyPointer};

/// The repair that drops a `null`.
pub const NULL: &str = "null";
/// The repair that drops an empty text.
pub const EMPTY: &str = "empty";
/// The repair that converts a text to upper case.
pub const UPPER_CASE: &str = "upper_case";

/// Called for each repair, with its name, its place and the original value.
pub type Repaired<'a> = dyn FnMut(&'static str, LazyPointer<'_>, Value) + 'a;

/// Repairs the values below `props` and `metadata`.
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

/// The repair that a value needs.
enum Reading {
    Stays,
    Drop(&'static str),
    Becomes(&'static str, Value),
}

impl Fit<'_, '_> {
    /// Repairs one of a beacon's objects; node `id` describes the beacon.
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

    /// Repairs the values inside a value that node `id` describes.
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

    /// Collects the members that node `id` requires of an object.
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

    /// Repairs a member by each node in `rule` that describes it. Returns whether the member stays.
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
            // The schema does not allow the member, and a `null` has no information.
            Others::None if !known && value.is_null() => {
                (self.repaired)(NULL, &|| path.pointer(), Value::Null);
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
                        // Dropping an item would move those after it.
                        self.value(*id, false, item, &Path::Item(path, index));
                    }
                }
                _ => {}
            }
        }
    }

    /// Repairs a value that node `id` describes. Returns whether it stays.
    fn value(&mut self, id: NodeId, optional: bool, value: &mut Value, path: &Path<'_>) -> bool {
        match self.reading(id, optional, value) {
            Reading::Stays => {}
            Reading::Drop(rule) => {
                (self.repaired)(rule, &|| path.pointer(), value.take());
                return false;
            }
            Reading::Becomes(rule, read) => {
                let original = std::mem::replace(value, read);
                (self.repaired)(rule, &|| path.pointer(), original);
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
                match types.intersects(Types::OBJECT) && !types.intersects(Types::ARRAY) {
                    true => Reading::Becomes(EMPTY_ARRAY, Value::Object(Map::new())),
                    false => Reading::Stays,
                }
            }
            _ => Reading::Stays,
        }
    }

    /// Returns the types that a node allows, by its own `type` and those of `$ref` and `allOf`.
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
