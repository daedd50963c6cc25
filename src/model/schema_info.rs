//! What the catalogue says of an event, beside what a beacon of it must be.

use super::level::Level;

/// What the catalogue says of an event.
#[derive(Debug, PartialEq, Eq)]
pub struct SchemaInfo {
    /// The event's name, and the file's.
    pub name: &'static str,
    /// Where the worker publishes the schema.
    pub id: &'static str,
    /// `x-version`, a semantic version.
    pub version: &'static str,
    /// `x-level`: how much the event matters if a beacon does not say.
    pub level: Option<Level>,
    /// `x-opening`: whether the event opens a session.
    pub opens_session: bool,
    /// `x-partition`: the members of `metadata` that become columns.
    pub partition: &'static [&'static str],
}
