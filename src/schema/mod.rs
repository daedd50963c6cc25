//! The catalogue of events: what each beacon must be, by the JSON Schemas of `www/schemas`.
//!
//! The schemas are compiled to tables where the worker is built, and it loads these from one
//! file, so that no JSON is parsed at start and a mistake in a schema is found before; adding an
//! event is adding a file. The walk is JSON Schema 2020-12 for the keywords that the compiler
//! takes, and it refuses all others. Numbers are exact, `format` is asserted, and no sentence
//! echoes a value.
//! Nothing here knows what a beacon is beyond its being an object.

pub mod assert;
pub mod catalogue;
pub mod coerce;
#[cfg(not(target_arch = "wasm32"))]
pub mod compile;
pub mod fit;
pub mod format;
pub mod number;
pub mod pattern;
pub mod rule;
pub mod view;
pub mod walk;

use crate::model::schema_info::SchemaInfo;
use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::model::violation::Violation;
use catalogue::CatalogueError;
use rule::{Node, NodeId};
use view::View;
use walk::Path;

/// The schemas, once they are loaded.
static CATALOGUE: OnceLock<&'static [Schema]> = OnceLock::new();

/// The schema of one event.
#[derive(Debug)]
pub struct Schema {
    /// What the rest of the pipeline needs to know of it.
    pub info: SchemaInfo,
    /// What a beacon must be; the first node is the whole.
    pub nodes: &'static [Node],
}

/// There is one schema of an event, so it equals itself only.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// The schema of the event `name`.
pub fn find(name: &str) -> Option<&'static Schema> {
    let schemas = all();
    schemas
        .binary_search_by(|schema| schema.info.name.cmp(name))
        .ok()
        .and_then(|at| schemas.get(at))
}

/// Loads the catalogue from the bytes that `read` gives, unless it is loaded.
pub fn load(read: impl FnOnce() -> Vec<u8>) -> Result<(), CatalogueError> {
    if CATALOGUE.get().is_none() {
        let schemas = catalogue::decode(read().leak())?;
        CATALOGUE.get_or_init(|| schemas);
    }
    Ok(())
}

/// Every schema, sorted by name; none before they are loaded.
#[cfg(target_arch = "wasm32")]
pub fn all() -> &'static [Schema] {
    CATALOGUE.get().copied().unwrap_or_default()
}

/// Every schema, sorted by name: those of this checkout, unless others are loaded.
#[cfg(not(target_arch = "wasm32"))]
pub fn all() -> &'static [Schema] {
    CATALOGUE.get_or_init(|| compile::load(&compile::folder::shipped()))
}

impl Schema {
    /// Every violation in `beacon`, up to [`Violations::MAX`](crate::model::violation::Violations::MAX).
    pub fn check(&self, beacon: &Map<String, Value>) -> Vec<Violation> {
        walk::violations(self, View::Object(beacon))
    }

    /// As [`Self::check`], for a document of any type.
    pub fn check_value(&self, document: &Value) -> Vec<Violation> {
        walk::violations(self, document.into())
    }

    /// Turns texts into the numbers, integers and booleans that the schema wants in their
    /// place, and hands each place and its original value to `repaired`.
    ///
    /// It follows `properties`, `items`, `prefixItems` and `$ref`, and leaves alone what may
    /// be a string. A second call changes nothing.
    pub fn coerce(&self, beacon: &mut Map<String, Value>, repaired: &mut dyn FnMut(String, Value)) {
        coerce::object(self, 0, beacon, &Path::Root, repaired);
    }

    /// Repairs what does not fit the schema below `props` and `metadata` and has one sensible
    /// reading that does; hands the name of each repair, its place and the original value to
    /// `repaired`.
    pub fn fit(&self, beacon: &mut Map<String, Value>, repaired: &mut fit::Repaired<'_>) {
        fit::beacon(self, beacon, repaired);
    }

    fn node(&self, id: NodeId) -> Node {
        self.nodes.get(usize::from(id)).copied().unwrap_or_default()
    }
}
