//! Turns texts into the values that the schema requires, since forms and tags send texts.
//!
//! `"19.90"` becomes `19.90` and `"true"` becomes `true`, but only if the declared type does not
//! allow a string. The number keeps its digits. A text that is not exactly a JSON number or boolean
//! stays, and breaks its rule later.

use serde_json::{Map, Number, Value};

use super::Schema;
use super::rule::{NodeId, Others, Rule, Types};
use super::view::View;
use super::walk::Path;
use crate::base::json::number_of;
use crate::model::repairs::LazyPointer;

/// Called for each repair, with its place and the original value.
pub type Coerced<'a> = dyn FnMut(LazyPointer<'_>, Value) + 'a;

/// Repairs the members of an object that node `id` describes.
pub fn object(
    schema: &Schema,
    id: NodeId,
    members: &mut Map<String, Value>,
    path: &Path<'_>,
    repaired: &mut Coerced<'_>,
) {
    for rule in schema.node(id) {
        match rule {
            Rule::Ref(id) => object(schema, *id, members, path, repaired),
            Rule::Members { named, .. } => {
                for (name, id) in *named {
                    if let Some(member) = members.get_mut(*name) {
                        value(schema, *id, member, &Path::Member(path, name), repaired);
                    }
                }
            }
            _ => {}
        }
    }
}

fn value(
    schema: &Schema,
    id: NodeId,
    value: &mut Value,
    path: &Path<'_>,
    repaired: &mut Coerced<'_>,
) {
    match value {
        Value::Object(members) => object(schema, id, members, path, repaired),
        Value::Array(items) => array(schema, id, items, path, repaired),
        Value::String(text) => {
            if let Some(wanted) = read(text, types(schema, id)) {
                let original = std::mem::replace(value, wanted);
                repaired(&|| path.pointer(), original);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn array(
    schema: &Schema,
    id: NodeId,
    items: &mut [Value],
    path: &Path<'_>,
    repaired: &mut Coerced<'_>,
) {
    for rule in schema.node(id) {
        match rule {
            Rule::Ref(id) => array(schema, *id, items, path, repaired),
            Rule::Items { prefix, others } => {
                let others = match others {
                    Others::Each(id) => Some(id),
                    _ => None,
                };
                let nodes = prefix.iter().chain(others.into_iter().cycle());
                for ((index, item), id) in items.iter_mut().enumerate().zip(nodes) {
                    value(schema, *id, item, &Path::Item(path, index), repaired);
                }
            }
            _ => {}
        }
    }
}

/// Returns the types that a node allows, by its own `type` and those of its references.
fn types(schema: &Schema, id: NodeId) -> Types {
    let all = |types: Types, rule: &Rule| match rule {
        Rule::Type(allowed) => types.and(*allowed),
        Rule::Ref(id) => types.and(self::types(schema, *id)),
        _ => types,
    };
    schema.node(id).iter().fold(Types::ALL, all)
}

/// Reads `text` as a value of `types`; none if they include a string.
fn read(text: &str, types: Types) -> Option<Value> {
    match text {
        _ if types.intersects(Types::STRING) => None,
        "true" | "false" => types.intersects(Types::BOOLEAN).then(|| Value::Bool(text == "true")),
        _ => number(text, types).map(Value::Number),
    }
}

fn number(text: &str, types: Types) -> Option<Number> {
    number_of(text).filter(|number| types.intersects(View::Number(number.as_str()).types()))
}
