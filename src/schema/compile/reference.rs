//! Checks `$ref`: each leads to a schema, and no document can make the walk endless.

use super::{Compiler, Error};
use crate::schema::rule::{NodeId, Rule};

/// The most steps of a walk at one place of a document.
const MAX_STEPS_IN_PLACE: usize = 32;

/// Returns the JSON Pointer of a local `reference`.
pub fn pointer(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    let pointer = decoded(fragment)?;
    (pointer.is_empty() || pointer.starts_with('/')).then_some(pointer)
}

/// Decodes percent-encoded bytes.
fn decoded(fragment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = fragment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Returns all references to places without a schema. If there are none, returns the first node
/// whose references go too deep, or back to it, at one place of a document.
pub fn check(compiler: &Compiler<'_>) -> Vec<Error> {
    let error = |pointer: &str, problem: String| Error {
        pointer: pointer.to_owned(),
        keyword: "$ref".to_owned(),
        problem,
    };
    let astray =
        compiler.references.iter().filter(|(_, target)| !compiler.written.contains(target));
    let astray: Vec<Error> = astray
        .map(|(from, target)| error(from, format!("refers to #{target}, which is no schema")))
        .collect();
    if !astray.is_empty() {
        return astray;
    }
    let mut depths = vec![ReferenceDepth::Unknown; compiler.nodes.len()];
    for id in 0..compiler.nodes.len() {
        match depth(compiler, &mut depths, id) {
            Some(depth) if depth > MAX_STEPS_IN_PLACE => {
                let problem = format!("and its like go {depth} deep, limit {MAX_STEPS_IN_PLACE}");
                return vec![error(&compiler.pointers[id], problem)];
            }
            Some(_) => {}
            None => {
                return vec![error(&compiler.pointers[id], "leads back to itself".to_owned())];
            }
        }
    }
    Vec::new()
}

#[derive(Clone, Copy)]
enum ReferenceDepth {
    Unknown,
    Entered,
    Known(usize),
}

/// Counts the in-place steps of a walk below a node; none if they never end.
fn depth(compiler: &Compiler<'_>, depths: &mut [ReferenceDepth], id: usize) -> Option<usize> {
    match depths[id] {
        ReferenceDepth::Known(depth) => return Some(depth),
        ReferenceDepth::Entered => return None,
        ReferenceDepth::Unknown => depths[id] = ReferenceDepth::Entered,
    }
    let mut deepest = 0;
    for next in compiler.nodes[id].iter().flat_map(in_place) {
        deepest = deepest.max(depth(compiler, depths, usize::from(next))? + 1);
    }
    depths[id] = ReferenceDepth::Known(deepest);
    Some(deepest)
}

/// Returns the nodes that a rule applies to the same value.
fn in_place(rule: &Rule) -> Vec<NodeId> {
    match rule {
        Rule::Ref(id) | Rule::Not(id) => vec![*id],
        Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => ids.to_vec(),
        Rule::If { condition, met, unmet } => {
            [Some(*condition), *met, *unmet].into_iter().flatten().collect()
        }
        Rule::DependentSchemas(dependents) => dependents.iter().map(|(_, id)| *id).collect(),
        // A name is not a place below the value, so its schema is a step in place.
        Rule::PropertyNames(id) => vec![*id],
        _ => Vec::new(),
    }
}
