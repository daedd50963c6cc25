//! Compiles JSON Schemas (draft 2020-12) to the rules of [`rule`](super::rule).
//!
//! It runs when the worker is built, never in the worker. It compiles a keyword with its exact
//! meaning or rejects it. Unsupported or misspelt keywords, wrong types and endless references are
//! errors that name the place. All errors are returned at once. Results are leaked, as a loaded
//! catalogue is.
//! Sources: <https://json-schema.org/draft/2020-12/json-schema-core>,
//! <https://json-schema.org/draft/2020-12/json-schema-validation>.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::panic,
    reason = "it never runs where a panic would reset an isolate"
)]

pub mod emit;
pub mod event;
pub mod folder;
pub mod keyword;
pub mod pattern;
pub mod reference;
pub mod regex;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::rule::{Node, NodeId, Pattern, Rule};
use super::{Schema, catalogue};
use crate::base::text::pointer_step;

/// A mistake in a schema.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// JSON Pointer to the subschema in its file.
    pub pointer: String,
    pub keyword: String,
    pub problem: String,
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pointer, keyword, problem } = self;
        let colon = if pointer.is_empty() { "" } else { ": " };
        write!(formatter, "{pointer}{colon}{keyword} {problem}")
    }
}

/// Compiles a schema to its nodes, the root first, or returns every mistake in it.
pub fn schema(root: &Value) -> Result<&'static [Node], Vec<Error>> {
    let mut compiler = Compiler {
        root,
        nodes: Vec::new(),
        pointers: Vec::new(),
        ids: BTreeMap::new(),
        written: BTreeSet::new(),
        references: Vec::new(),
        patterns: BTreeMap::new(),
        errors: Vec::new(),
    };
    compiler.subschema("", root);
    let of_references = reference::check(&compiler);
    compiler.errors.extend(of_references);
    match compiler.errors.is_empty() {
        true => Ok(list(compiler.nodes)),
        false => Err(compiler.errors),
    }
}

pub struct Compiler<'a> {
    root: &'a Value,
    nodes: Vec<Node>,
    /// The JSON Pointer of each node.
    pointers: Vec<String>,
    ids: BTreeMap<String, NodeId>,
    /// The JSON Pointers at which keywords expect a schema.
    written: BTreeSet<String>,
    /// The source and the target of each reference.
    references: Vec<(String, String)>,
    patterns: BTreeMap<String, &'static Pattern>,
    errors: Vec<Error>,
}

impl Compiler<'_> {
    /// Compiles a schema at `at`, where a keyword expects one.
    fn subschema(&mut self, at: &str, schema: &Value) -> NodeId {
        self.written.insert(at.to_owned());
        self.node(at, schema)
    }

    /// Compiles a schema unless it is known, and notes its mistakes.
    fn node(&mut self, at: &str, schema: &Value) -> NodeId {
        if let Some(id) = self.ids.get(at) {
            return *id;
        }
        let error = |problem: &str| Error {
            pointer: at.to_owned(),
            keyword: "schema".to_owned(),
            problem: problem.to_owned(),
        };
        let Ok(id) = NodeId::try_from(self.nodes.len()) else {
            self.errors.push(error("is one subschema too many"));
            return 0;
        };
        // The id is reserved before the rules are read, since they may refer to it.
        self.nodes.push(&[]);
        self.pointers.push(at.to_owned());
        self.ids.insert(at.to_owned(), id);
        let rules = match schema {
            Value::Bool(true) => Vec::new(),
            Value::Bool(false) => vec![Rule::Never],
            Value::Object(keywords) => self.rules(at, keywords),
            _ => {
                self.errors.push(error("must be an object or a boolean"));
                Vec::new()
            }
        };
        if let Some(node) = self.nodes.get_mut(usize::from(id)) {
            *node = list(rules);
        }
        id
    }

    fn rules(&mut self, at: &str, keywords: &Map<String, Value>) -> Vec<Rule> {
        let unknown = keywords.keys().filter(|key| !keyword::is_known(key));
        self.errors.extend(unknown.map(|unknown| {
            Error {
                pointer: at.to_owned(),
                keyword: unknown.clone(),
                problem: match unknown.as_str() {
                    "x-opening" => "is called x-session-start now",
                    _ => "is not supported",
                }
                .to_owned(),
            }
        }));
        keyword::Keywords { compiler: self, at, keywords }.rules()
    }
}

/// Returns the schemas of `events` as the worker would load them.
pub fn load(events: &[event::CompiledEvent]) -> &'static [Schema] {
    catalogue::decode(emit::catalogue(events).leak()).expect("what is written can be read")
}

fn text(text: &str) -> &'static str {
    String::leak(text.to_owned())
}

fn list<T>(items: Vec<T>) -> &'static [T] {
    Vec::leak(items)
}

/// Returns the JSON Pointer of `step` below `at`.
fn below(at: &str, step: &str) -> String {
    format!("{at}/{}", pointer_step(step))
}
