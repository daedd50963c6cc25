//! The condition of a rule: on the name, the build, the platform and the values of fields.

use serde_json::{Map, Value};

use super::path::FieldPath;
use crate::model::name_pattern::NamePattern;
use crate::pipeline::clean::value::text_of;

/// The condition of a rule; an absent part always holds.
#[derive(Debug, Clone, Default)]
pub struct RuleCondition {
    pub name: Option<NamePattern>,
    /// The version of the site or app.
    pub build: Option<BuildRange>,
    /// Any of these platforms, in lower case.
    pub platforms: Option<Vec<String>>,
    /// All of these must hold.
    pub tests: Vec<FieldTest>,
}

#[derive(Debug, Clone)]
pub struct FieldTest {
    pub field: FieldPath,
    pub expected: Expectation,
}

#[derive(Debug, Clone)]
pub enum Expectation {
    /// One of these texts, numbers or booleans, compared as texts: `7` is `"7"`.
    OneOf(Vec<Value>),
    /// Present and not null.
    Present,
    /// Absent or null.
    Absent,
}

/// A range of builds that includes both ends.
#[derive(Debug, Clone, Default)]
pub struct BuildRange {
    pub from: Option<Build>,
    pub to: Option<Build>,
}

/// The numbers of a version such as `1.4.2`, at most six; missing ones count as 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build([u64; 6]);

impl RuleCondition {
    /// Whether every part holds for a beacon's `fields`.
    pub fn holds(&self, fields: &Map<String, Value>, platform: Option<&str>) -> bool {
        let text = |field| fields.get(field).and_then(Value::as_str);
        let is = |it: &Vec<String>| platform.is_some_and(|found| it.iter().any(|it| it == found));
        self.name.as_ref().is_none_or(|it| text("name").is_some_and(|name| it.matches(name)))
            && self.platforms.as_ref().is_none_or(is)
            && self.build.as_ref().is_none_or(|it| text("build").is_some_and(|text| it.holds(text)))
            && self.tests.iter().all(|test| test.holds(fields))
    }

    /// Whether no beacon can meet both conditions, without counting fields that are not `settled`.
    pub fn excludes(&self, other: &Self, settled: impl Fn(&FieldPath) -> bool) -> bool {
        let field_is_settled = |field| FieldPath::parse(field).is_ok_and(|path| settled(&path));
        let names = matches!((&self.name, &other.name), (Some(a), Some(b)) if !a.intersects(b));
        let builds = matches!((&self.build, &other.build), (Some(a), Some(b)) if !a.intersects(b));
        let platforms = matches!(
            (&self.platforms, &other.platforms),
            (Some(a), Some(b)) if !a.iter().any(|it| b.contains(it))
        );
        let tests = || {
            self.tests
                .iter()
                .any(|test| settled(&test.field) && other.tests.iter().any(|it| test.excludes(it)))
        };
        platforms
            || (names && field_is_settled("name"))
            || (builds && field_is_settled("build"))
            || tests()
    }
}

impl FieldTest {
    pub fn holds(&self, fields: &Map<String, Value>) -> bool {
        let found = self.field.get(fields);
        match &self.expected {
            Expectation::OneOf(values) => found.is_some_and(|found| among(found, values)),
            Expectation::Present => found.is_some(),
            Expectation::Absent => found.is_none(),
        }
    }

    fn excludes(&self, other: &Self) -> bool {
        use Expectation::{Absent, OneOf, Present};
        self.field == other.field
            && match (&self.expected, &other.expected) {
                (OneOf(a), OneOf(b)) => !a.iter().any(|value| among(value, b)),
                (Absent, OneOf(_) | Present) | (OneOf(_) | Present, Absent) => true,
                (Absent, Absent) | (Present, Present | OneOf(_)) | (OneOf(_), Present) => false,
            }
    }
}

fn among(found: &Value, values: &[Value]) -> bool {
    text_of(found).is_some_and(|text| values.iter().any(|value| text_of(value) == Some(text)))
}

impl BuildRange {
    pub fn is_empty(&self) -> bool {
        matches!((&self.from, &self.to), (Some(from), Some(to)) if from > to)
    }

    /// Whether `text` starts with a version in the range.
    pub fn holds(&self, text: &str) -> bool {
        Build::starting(text).is_some_and(|build| {
            self.from.as_ref().is_none_or(|from| *from <= build)
                && self.to.as_ref().is_none_or(|to| build <= *to)
        })
    }

    /// Whether a build can be in both ranges.
    fn intersects(&self, other: &Self) -> bool {
        let starts_in_time = |a: &Self, b: &Self| {
            a.from.as_ref().is_none_or(|from| b.to.as_ref().is_none_or(|to| from <= to))
        };
        starts_in_time(self, other) && starts_in_time(other, self)
    }
}

impl Build {
    /// Parses a version: numbers with dots between them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0; 6];
        for (index, part) in text.split('.').enumerate() {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            *numbers.get_mut(index)? = is_number.then(|| part.parse().ok())??;
        }
        Some(Self(numbers))
    }

    /// Parses the numbers at the start of a version: `1.4.2` of `1.4.2-beta`.
    pub fn starting(text: &str) -> Option<Self> {
        let end = text.find(|it: char| !it.is_ascii_digit() && it != '.').unwrap_or(text.len());
        Self::parse(text.get(..end)?.trim_end_matches('.'))
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

    fn range(from: &str, to: &str) -> BuildRange {
        BuildRange { from: Build::parse(from), to: Build::parse(to) }
    }

    #[test]
    fn builds_compare_by_their_numbers_and_both_ends_are_in() {
        for (build, inside) in [
            ("1.4.0", true),
            ("1.4.9", true),
            ("1.4", true),
            ("1.4.09", true),
            ("1.4.5-beta.7", true),
            ("1.4.5 (12)", true),
            ("1.4.9.0", true),
            ("1.4.9.1", false),
            ("1.4.10", false),
            ("1.40", false),
            ("1.3.99", false),
            ("v1.4.5", false),
            ("", false),
            (".", false),
            ("1..4", false),
            ("1.4.5.0.0.0.0", false),
            ("99999999999999999999", false),
        ] {
            assert_eq!(range("1.4.0", "1.4.9").holds(build), inside, "{build}");
        }
        assert!(range("x", "2").holds("0.1") && range("2", "x").holds("10"));
        assert!(range("2", "1.9").is_empty() && !range("2.0", "2").is_empty());
    }

    #[test]
    fn a_condition_holds_when_all_of_it_does() {
        let test =
            |field: &str, expected| FieldTest { field: FieldPath::parse(field).unwrap(), expected };
        let condition = RuleCondition {
            name: NamePattern::parse("page_*"),
            build: Some(range("1", "2")),
            platforms: Some(vec!["ios".to_owned(), "android".to_owned()]),
            tests: vec![
                test("props.a", Expectation::OneOf(vec![json!("x"), json!(7), json!(true)])),
                test("props.b", Expectation::Present),
                test("props.c", Expectation::Absent),
            ],
        };
        let good =
            json!({"name": "page_view", "build": "1.5", "props": {"a": "x", "b": 0, "c": null}});
        let holds = |value, platform| condition.holds(&fields(value), platform);
        assert!(holds(good.clone(), Some("ios")) && holds(good.clone(), Some("android")));
        assert!(!holds(good.clone(), Some("windows")) && !holds(good.clone(), None));
        for (pointer, value, expected) in [
            ("/name", json!("order"), false),
            ("/name", json!(1), false),
            ("/build", json!("3"), false),
            ("/build", json!(1), false),
            ("/props/a", json!("7"), true),
            ("/props/a", json!(7), true),
            ("/props/a", json!("true"), true),
            ("/props/a", json!(8), false),
            ("/props/a", json!(["x"]), false),
            ("/props/b", json!(null), false),
            ("/props/c", json!(false), false),
            ("/props", json!("x"), false),
        ] {
            let mut changed = good.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            assert_eq!(holds(changed.clone(), Some("ios")), expected, "{changed}");
        }
    }
}
