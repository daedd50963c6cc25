//! The paths of rules: a field of a beacon, or a member below its `props` or `metadata`.

use serde_json::{Map, Value};

use crate::base::text::pointer_step;
use crate::model::beacon::FIELDS;

/// The most names below the root, so that rules create only shallow objects.
const MAX_DEPTH: usize = 8;

/// A dotted path such as `url` or `props.cart.size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    /// One field; or `props` or `metadata` and at least one name below it.
    keys: Vec<String>,
}

impl FieldPath {
    /// Parses a dotted path. The error names the valid forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Vec<String> = text.split('.').map(str::to_owned).collect();
        match keys.split_first() {
            Some((root, inner)) if !inner.is_empty() && is_object(root) => {
                if inner.iter().any(String::is_empty) || inner.len() > MAX_DEPTH {
                    return Err(format!("must have 1 to {MAX_DEPTH} names with dots between them"));
                }
                Ok(Self { keys })
            }
            _ if FIELDS.contains(&text) => Ok(Self { keys }),
            _ => {
                let fields = FIELDS.join(", ");
                Err(format!("must go below props or metadata, or be one of {fields}"))
            }
        }
    }

    /// Whether the path goes below `props` or `metadata`.
    pub fn is_inner(&self) -> bool {
        self.keys.len() > 1
    }

    /// Whether the path is the top-level field `name`.
    pub fn is_field(&self, name: &str) -> bool {
        matches!(self.keys.as_slice(), [key] if key == name)
    }

    /// Whether one of the two is, or contains, the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.keys.iter().zip(&other.keys).all(|(a, b)| a == b)
    }

    /// Returns the value at the path; null counts as none.
    pub fn get<'d>(&self, fields: &'d Map<String, Value>) -> Option<&'d Value> {
        let (last, parents) = self.keys.split_last()?;
        let parent = parents.iter().try_fold(fields, |object, key| object.get(key)?.as_object())?;
        parent.get(last).filter(|value| !value.is_null())
    }

    /// Whether a value can be put there without replacing another on the way.
    pub fn is_open(&self, fields: &Map<String, Value>) -> bool {
        let mut object = fields;
        for key in self.keys.split_last().map_or(&[][..], |(_, parents)| parents) {
            match object.get(key) {
                None | Some(Value::Null) => return true,
                Some(Value::Object(inner)) => object = inner,
                Some(_) => return false,
            }
        }
        true
    }

    /// Puts `value` there, or removes the value if it is `None`. Creates missing objects on the
    /// way.
    pub fn put(&self, fields: &mut Map<String, Value>, value: Option<Value>) {
        let Some((last, parents)) = self.keys.split_last() else { return };
        let mut object = fields;
        for key in parents {
            if object.get(key).is_none_or(Value::is_null) {
                object.insert(key.clone(), Value::Object(Map::new()));
            }
            match object.get_mut(key) {
                Some(Value::Object(inner)) => object = inner,
                _ => return,
            }
        }
        match value {
            Some(value) => drop(object.insert(last.clone(), value)),
            None => drop(object.remove(last)),
        }
    }

    /// Returns the path as a JSON Pointer (RFC 6901) into the beacon.
    pub fn pointer(&self) -> String {
        self.keys.iter().flat_map(|key| ["/".into(), pointer_step(key)]).collect()
    }
}

fn is_object(field: &str) -> bool {
    matches!(field, "props" | "metadata")
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.keys.join("."))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(value: Value) -> Map<String, Value> {
        let Value::Object(fields) = value else { panic!("not an object") };
        fields
    }

    #[test]
    fn a_path_is_a_field_of_the_protocol_or_below_its_objects() {
        for good in ["name", "url", "props.a", "metadata.a.b", "props.price (CHF)"] {
            assert_eq!(FieldPath::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "props", "price", "url.host", "props.", "props..a", "a.props.b"] {
            assert!(FieldPath::parse(bad).is_err(), "{bad}");
        }
        assert!(FieldPath::parse(&format!("props.{}", ["a"; 9].join("."))).is_err());
        assert_eq!(FieldPath::parse("props.a/b~c").unwrap().pointer(), "/props/a~1b~0c");
    }

    #[test]
    fn every_field_that_a_path_names_is_one_that_validation_knows() {
        let ids =
            || crate::model::event::EventIdGenerator::new(chrono::DateTime::UNIX_EPOCH, [0; 10]);
        for field in FIELDS {
            let beacon = fields(json!({field: []}));
            let (envelope, unknown) = (Default::default(), Default::default());
            let mut repairs = crate::model::repairs::Repairs::default();
            let refused = crate::pipeline::validate::event(
                beacon,
                &envelope,
                unknown,
                &mut ids(),
                &mut repairs,
            );
            let violations = refused.unwrap_err().violations;
            assert!(violations.iter().all(|it| !it.message.contains("is not a field")), "{field}");
        }
    }

    #[test]
    fn paths_overlap_when_one_holds_the_other() {
        for (a, b, expected) in [
            ("props.a", "props.a", true),
            ("props.a", "props.a.b", true),
            ("props.a.b", "props.a", true),
            ("props.a", "props.ab", false),
            ("props.a", "metadata.a", false),
            ("name", "props.name", false),
        ] {
            let (a, b) = (FieldPath::parse(a).unwrap(), FieldPath::parse(b).unwrap());
            assert_eq!(a.overlaps(&b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_value_is_set_only_at_an_open_path() {
        for (before, path, after) in [
            (json!({}), "url", Some(json!({"url": 1}))),
            (json!({}), "props.a.b", Some(json!({"props": {"a": {"b": 1}}}))),
            (json!({"props": null}), "props.a", Some(json!({"props": {"a": 1}}))),
            (json!({"props": {"a": null}}), "props.a.b", Some(json!({"props": {"a": {"b": 1}}}))),
            (
                json!({"props": {"a": 2, "b": 3}}),
                "props.a",
                Some(json!({"props": {"a": 1, "b": 3}})),
            ),
            (json!({"props": []}), "props.a", None),
            (json!({"props": {"a": "x"}}), "props.a.b", None),
            (json!({"props": {"a": "x"}}), "props.a.b.c", None),
        ] {
            let (mut document, path) = (fields(before), FieldPath::parse(path).unwrap());
            assert_eq!(path.is_open(&document), after.is_some(), "{path}");
            if let Some(after) = after {
                path.put(&mut document, Some(json!(1)));
                assert_eq!(Value::Object(document.clone()), after);
                path.put(&mut document, None);
                assert_eq!(path.get(&document), None);
            }
        }
    }
}
