//! The catalogue of events: the JSON Schemas of `www/schemas`, compiled.
//!
//! The build compiles the schemas to tables in one file, which the worker loads. So no JSON is
//! parsed at start, and a mistake in a schema fails the build. To add an event, add a file.
//! Validation is JSON Schema 2020-12 for the supported keywords; the compiler rejects all others.
//! Numbers are exact, `format` is asserted, and no message repeats a value. Nothing here knows more
//! of a beacon than that it is an object.

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

use std::sync::OnceLock;

use serde_json::{Map, Value};

use crate::model::schema_info::SchemaInfo;
use crate::model::violation::Violation;
use catalogue::CatalogueError;
use rule::{Node, NodeId};
use view::View;
use walk::Path;

/// The schemas, once they are loaded.
static CATALOGUE: OnceLock<&'static [Schema]> = OnceLock::new();

#[derive(Debug)]
pub struct Schema {
    /// The facts that later stages need.
    pub info: SchemaInfo,
    /// The rules for a beacon; the first node is the root.
    pub nodes: &'static [Node],
}

/// Each event has one schema, so a schema equals only itself.
impl PartialEq for Schema {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// Returns the schema of the event `name`.
pub fn find(name: &str) -> Option<&'static Schema> {
    let schemas = all();
    schemas
        .binary_search_by(|schema| schema.info.name.cmp(name))
        .ok()
        .and_then(|at| schemas.get(at))
}

/// Loads the catalogue from the bytes that `read` returns, unless it is loaded.
pub fn load(read: impl FnOnce() -> Vec<u8>) -> Result<(), CatalogueError> {
    if CATALOGUE.get().is_none() {
        let schemas = catalogue::decode(read().leak())?;
        CATALOGUE.get_or_init(|| schemas);
    }
    Ok(())
}

/// Returns every schema, sorted by name; none before they are loaded.
#[cfg(target_arch = "wasm32")]
pub fn all() -> &'static [Schema] {
    CATALOGUE.get().copied().unwrap_or_default()
}

/// Returns every schema, sorted by name: those of this checkout, unless others are loaded.
#[cfg(not(target_arch = "wasm32"))]
pub fn all() -> &'static [Schema] {
    CATALOGUE.get_or_init(|| compile::load(&compile::folder::shipped()))
}

impl Schema {
    /// Returns every violation in `beacon`, up to
    /// [`Violations::MAX`](crate::model::violation::Violations::MAX).
    pub fn check(&self, beacon: &Map<String, Value>) -> Vec<Violation> {
        walk::violations(self, View::Object(beacon))
    }

    /// Like [`Self::check`], for a document of any type.
    pub fn check_value(&self, document: &Value) -> Vec<Violation> {
        walk::violations(self, document.into())
    }

    /// Turns texts into the numbers, integers and booleans that the schema requires, and passes
    /// each place and original value to `repaired`.
    ///
    /// It follows `properties`, `items`, `prefixItems` and `$ref`, and keeps each text that may be
    /// a string. A second call changes nothing.
    pub fn coerce(&self, beacon: &mut Map<String, Value>, repaired: &mut coerce::Coerced<'_>) {
        coerce::object(self, 0, beacon, &Path::Root, repaired);
    }

    /// Repairs values below `props` and `metadata` that the schema rejects, if they have one
    /// sensible reading that it accepts. Passes the name, the place and the original value to
    /// `repaired`.
    pub fn fit(&self, beacon: &mut Map<String, Value>, repaired: &mut fit::Repaired<'_>) {
        fit::beacon(self, beacon, repaired);
    }

    fn node(&self, id: NodeId) -> Node {
        self.nodes.get(usize::from(id)).copied().unwrap_or_default()
    }
}
