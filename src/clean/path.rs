//! Where a rule looks: a field of a beacon, or a member below its `props` or `metadata`.

use serde_json::{Map, Value};

/// The top-level fields that a path may name, without the two objects.
pub const FIELDS: [&str; 16] = [
    "name",
    "id",
    "device_id",
    "time",
    "seq",
    "session_id",
    "level",
    "build",
    "user_id",
    "url",
    "title",
    "referrer",
    "screen",
    "viewport",
    "language",
    "consent",
];

/// The most members that a path may go through, so that what a rule makes stays shallow.
const MAX_DEPTH: usize = 8;

/// A dotted path such as `url` or `props.cart.size`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    root: Root,
    /// At least one.
    keys: Vec<String>,
}

/// The object in which a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The beacon itself.
    Beacon,
    /// Its `props`.
    Props,
    /// Its `metadata`.
    Metadata,
}

/// What stands where an object is wanted.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// Nothing, or null: an object can be put there.
    Free,
    /// An object.
    Object(&'a Map<String, Value>),
    /// Something else, which stays.
    Taken,
}

impl<'a> Place<'a> {
    /// What stands at `value`.
    pub fn of(value: Option<&'a Value>) -> Self {
        match value {
            None | Some(Value::Null) => Self::Free,
            Some(Value::Object(object)) => Self::Object(object),
            Some(_) => Self::Taken,
        }
    }
}

/// What rules read and write: a beacon's fields, or the objects of an event.
pub trait Document: Clone + PartialEq {
    /// The name, when it is a text.
    fn name(&self) -> Option<&str>;
    /// The build, when it is a text.
    fn build(&self) -> Option<&str>;
    /// The object in which paths of `root` start.
    fn object(&self, root: Root) -> Place<'_>;
    /// The same, to write to; made when its place is free.
    fn object_mut(&mut self, root: Root) -> Option<&mut Map<String, Value>>;
}

impl Document for Map<String, Value> {
    fn name(&self) -> Option<&str> {
        self.get("name").and_then(Value::as_str)
    }

    fn build(&self) -> Option<&str> {
        self.get("build").and_then(Value::as_str)
    }

    fn object(&self, root: Root) -> Place<'_> {
        match root.key() {
            None => Place::Object(self),
            Some(key) => Place::of(self.get(key)),
        }
    }

    fn object_mut(&mut self, root: Root) -> Option<&mut Map<String, Value>> {
        match root.key() {
            None => Some(self),
            Some(key) => made(self, key),
        }
    }
}

impl Root {
    /// Its field of the beacon.
    pub fn key(self) -> Option<&'static str> {
        match self {
            Self::Beacon => None,
            Self::Props => Some("props"),
            Self::Metadata => Some("metadata"),
        }
    }
}

impl Path {
    /// Reads a dotted path, or tells what it must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (root, rest) = match text.split_once('.') {
            Some(("props", rest)) => (Root::Props, rest),
            Some(("metadata", rest)) => (Root::Metadata, rest),
            _ if FIELDS.contains(&text) => (Root::Beacon, text),
            _ => {
                let fields = FIELDS.join(", ");
                return Err(format!("must go below props or metadata, or be one of {fields}"));
            }
        };
        let keys: Vec<String> = rest.split('.').map(str::to_owned).collect();
        if keys.iter().any(String::is_empty) || keys.len() > MAX_DEPTH {
            return Err(format!("must have 1 to {MAX_DEPTH} names with dots between them"));
        }
        Ok(Self { root, keys })
    }

    /// Whether it goes below `props` or `metadata`.
    pub fn is_inner(&self) -> bool {
        self.root != Root::Beacon
    }

    /// Whether it is the top-level field `name`.
    pub fn is_field(&self, name: &str) -> bool {
        self.root == Root::Beacon && self.keys.iter().map(String::as_str).eq([name])
    }

    /// Whether one of the two is, or lies in, the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.root == other.root && self.keys.iter().zip(&other.keys).all(|(a, b)| a == b)
    }

    /// The value there; null counts as none.
    pub fn get<'d>(&self, document: &'d impl Document) -> Option<&'d Value> {
        let Place::Object(root) = document.object(self.root) else { return None };
        let (last, parents) = self.keys.split_last()?;
        let parent = parents.iter().try_fold(root, |object, key| match object.get(key) {
            Some(Value::Object(inner)) => Some(inner),
            _ => None,
        })?;
        parent.get(last).filter(|value| !value.is_null())
    }

    /// Whether a value can be put there without putting away another that holds it.
    pub fn is_open(&self, document: &impl Document) -> bool {
        let parents = self.keys.split_last().map_or(&[][..], |(_, parents)| parents);
        let place = parents.iter().fold(document.object(self.root), |place, key| match place {
            Place::Object(object) => Place::of(object.get(key)),
            other => other,
        });
        !matches!(place, Place::Taken)
    }

    /// Puts `value` there, or takes away what is there.
    pub fn put(&self, document: &mut impl Document, value: Option<Value>) {
        let Some((last, parents)) = self.keys.split_last() else { return };
        let root = document.object_mut(self.root);
        let parent = parents.iter().fold(root, |object, key| made(object?, key));
        match (parent, value) {
            (Some(object), Some(value)) => drop(object.insert(last.clone(), value)),
            (Some(object), None) => drop(object.remove(last)),
            (None, _) => {}
        }
    }

    /// The path as a JSON Pointer (RFC 6901) into the beacon.
    pub fn pointer(&self) -> String {
        let root = self.root.key();
        let keys = root.into_iter().chain(self.keys.iter().map(String::as_str));
        keys.flat_map(|key| ["/".into(), escaped(key)]).collect()
    }
}

/// `key` as a part of a JSON Pointer.
pub fn escaped(key: &str) -> std::borrow::Cow<'_, str> {
    match key.contains(['~', '/']) {
        true => key.replace('~', "~0").replace('/', "~1").into(),
        false => key.into(),
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let root = self.root.key().map(|key| format!("{key}.")).unwrap_or_default();
        write!(formatter, "{root}{}", self.keys.join("."))
    }
}

/// The object at `key`, made when its place is free.
fn made<'a>(object: &'a mut Map<String, Value>, key: &str) -> Option<&'a mut Map<String, Value>> {
    if matches!(Place::of(object.get(key)), Place::Free) {
        object.insert(key.to_owned(), Value::Object(Map::new()));
    }
    object.get_mut(key).and_then(Value::as_object_mut)
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
            assert_eq!(Path::parse(good).unwrap().to_string(), good);
        }
        for bad in ["", "props", "price", "url.host", "props.", "props..a", "a.props.b"] {
            assert!(Path::parse(bad).is_err(), "{bad}");
        }
        assert!(Path::parse(&format!("props.{}", ["a"; 9].join("."))).is_err());
        assert_eq!(Path::parse("props.a/b~c").unwrap().pointer(), "/props/a~1b~0c");
    }

    #[test]
    fn every_field_that_a_path_names_is_one_that_validation_knows() {
        let ids = || crate::event::EventIds::new(chrono::DateTime::UNIX_EPOCH, [0; 10]);
        for field in FIELDS {
            let beacon = fields(json!({field: []}));
            let refused =
                crate::validate::event(beacon, &Default::default(), Default::default(), &mut ids());
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
            let (a, b) = (Path::parse(a).unwrap(), Path::parse(b).unwrap());
            assert_eq!(a.overlaps(&b), expected, "{a} {b}");
        }
    }

    #[test]
    fn a_value_is_put_where_its_place_is_open() {
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
            let (mut document, path) = (fields(before), Path::parse(path).unwrap());
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
