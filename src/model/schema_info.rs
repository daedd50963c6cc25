//! The catalogue's facts about an event, apart from its validation rules.

use serde_json::Value;

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
    /// `x-partition`: the members of `metadata` that become columns, each with the values that its column
    /// may have.
    pub partition: &'static [PartitionColumn],
}

/// A member of `metadata` by which events are stored apart.
#[derive(Debug, PartialEq, Eq)]
pub struct PartitionColumn {
    pub name: &'static str,
    pub values: &'static [&'static str],
}

impl PartitionColumn {
    /// Stands for each value that is not listed: a stranger must not open partitions.
    pub const OTHER: &str = "other";

    /// Returns the value of the column of an event whose metadata has this one.
    pub fn column_value(&self, sent: &Value) -> &'static str {
        let listed = self.values.iter().find(|value| sent == **value);
        listed.copied().unwrap_or(Self::OTHER)
    }
}
