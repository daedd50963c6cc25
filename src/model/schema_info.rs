//! The catalogue's facts about an event, apart from its validation rules.

use super::level::Level;

#[derive(Debug, PartialEq, Eq)]
pub struct SchemaInfo {
    /// The event's name, which is also that of the schema's file.
    pub name: &'static str,
    /// The URL at which the worker publishes the schema.
    pub id: &'static str,
    /// `x-version`, a semantic version.
    pub version: &'static str,
    /// `x-level`: the event's level if a beacon does not state one.
    pub level: Option<Level>,
    /// `x-session-start`: whether the event starts a session.
    pub opens_session: bool,
    /// `x-partition`: the members of `metadata` that become columns.
    pub partition: &'static [&'static str],
}
