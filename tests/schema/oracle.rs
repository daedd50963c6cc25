//! A schema by our hands and by the crate's, and what both say of a document.

use std::collections::BTreeSet;

use headwater::model::schema_info::SchemaInfo;
use headwater::model::violation::{Violation, Violations};
use headwater::schema::Schema;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::compile;

/// Where a document breaks a rule, and the rule's keyword.
pub type Faults = BTreeSet<(String, String)>;

/// One schema, compiled twice.
pub struct Pair {
    pub ours: Schema,
    pub theirs: Validator,
}

impl Pair {
    pub fn new(schema: &Value) -> Result<Self, Vec<compile::Error>> {
        let theirs = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(schema)
            .unwrap_or_else(|error| panic!("{schema}: {error}"));
        Ok(Self { ours: ours(schema)?, theirs })
    }

    /// Whether `document` is valid, if both say the same of it; else what each says.
    pub fn verdict(&self, document: &Value) -> Result<bool, String> {
        let violations = self.ours.check_value(document);
        let ours: Faults = violations.iter().map(our_fault).collect();
        let theirs: Faults = self
            .theirs
            .iter_errors(document)
            .filter(|error| !misses_what_is_there(error))
            .map(|error| their_fault(&error))
            .collect();
        // Ours are cut at the limit.
        let same = match violations.len() {
            Violations::MAX => ours.is_subset(&theirs),
            _ => ours == theirs,
        };
        let valid = violations.is_empty();
        match same && valid == self.theirs.is_valid(document) {
            true => Ok(valid),
            false => Err(format!("{document}: we say {ours:?}, they say {theirs:?}")),
        }
    }
}

/// `schema` as the catalogue would have it.
pub fn ours(schema: &Value) -> Result<Schema, Vec<compile::Error>> {
    let nodes = compile::schema(schema)?;
    Ok(Schema {
        info: SchemaInfo {
            name: "tested",
            id: "/schemas/tested.json",
            version: "1.0.0",
            level: None,
            opens_session: false,
            partition: &[],
        },
        nodes,
    })
}

/// We point at the member that is missing or too much, the crate at its object; and we name
/// the keyword where the crate names the one that it is made of.
fn our_fault(violation: &Violation) -> (String, String) {
    let rule = violation.rule.expect("a schema was broken");
    let parent = || violation.pointer.rsplit_once('/').unwrap().0.to_owned();
    let (pointer, rule) = match rule {
        "required" | "dependentRequired" => (parent(), "required"),
        "additionalProperties" | "propertyNames" => (parent(), rule),
        "items" => (violation.pointer.clone(), "falseSchema"),
        "minContains" | "maxContains" => (violation.pointer.clone(), "contains"),
        _ => (violation.pointer.clone(), rule),
    };
    (pointer, rule.to_owned())
}

/// The crate 0.60 counts a required member as missing if `additionalProperties` is false and
/// `properties` does not name it. Such a member is an additional one, so the verdict is right.
fn misses_what_is_there(error: &ValidationError<'_>) -> bool {
    let ValidationErrorKind::Required { property } = error.kind() else { return false };
    property.as_str().is_some_and(|name| error.instance().get(name).is_some())
}

fn their_fault(error: &ValidationError<'_>) -> (String, String) {
    let path = error.schema_path().as_str();
    let keyword = match error.kind() {
        ValidationErrorKind::PropertyNames { .. } => "propertyNames",
        // At the object, where these are false.
        ValidationErrorKind::FalseSchema if path.ends_with("/propertyNames") => "propertyNames",
        ValidationErrorKind::FalseSchema if path.ends_with("/additionalProperties") => {
            "additionalProperties"
        }
        kind => kind.keyword(),
    };
    (error.instance_path().as_str().to_owned(), keyword.to_owned())
}
