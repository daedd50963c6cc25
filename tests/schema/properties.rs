//! Random schemas and documents: the crate's verdict is ours.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};

use crate::oracle::{Pair, ours};

const NAMES: [&str; 5] = ["a", "b", "ab", "a/b", "~"];
const NUMBERS: [&str; 14] = [
    "0",
    "-0",
    "1",
    "1.0",
    "10e-1",
    "-1",
    "1.5",
    "2",
    "3",
    "100",
    "1e2",
    "9007199254740992",
    "9007199254740993",
    "0.1",
];
const TEXTS: [&str; 12] = [
    "",
    "a",
    "b",
    "ab",
    "aab",
    "äöü",
    "1",
    "true",
    "2026-11-21",
    "2026-11-21T00:00:00Z",
    "a@b.example",
    "01939b70-6d2a-7c3e-8f00-000000000001",
];

fn parsed(texts: &'static [&str]) -> impl Strategy<Value = Value> {
    prop::sample::select(texts).prop_map(|text| serde_json::from_str(text).unwrap())
}

fn document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        parsed(&NUMBERS),
        prop::sample::select(&TEXTS[..]).prop_map(|text| json!(text)),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((name(), inner), 0..4).prop_map(object),
        ]
    })
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

fn object(members: Vec<(String, Value)>) -> Value {
    Value::Object(members.into_iter().collect())
}

/// A keyword that looks at one value alone.
fn assertion() -> impl Strategy<Value = (String, Value)> {
    let types: &'static [&str] =
        &["null", "boolean", "integer", "number", "string", "array", "object"];
    let length: &'static [&str] =
        &["minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"];
    let bound: &'static [&str] = &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"];
    let pattern: &'static [&str] =
        &["^a", "a$", "^[a-z]{2}$", "\\d", "^.$", "ä|b", "^(?:a|ab)*$", "\\w\\b"];
    let format: &'static [&str] = &["date", "date-time", "email", "uuid"];
    let with = |keyword: &str, value: Value| (keyword.to_owned(), value);
    prop_oneof![
        4 => prop::sample::subsequence(types, 1..4).prop_map(move |types| with("type", json!(types))),
        1 => document().prop_map(move |value| with("const", value)),
        1 => prop::collection::vec(document(), 1..4).prop_map(move |values| with("enum", json!(values))),
        2 => (prop::sample::select(length), 0_u8..4).prop_map(move |(keyword, limit)| with(keyword, json!(limit))),
        2 => (prop::sample::select(bound), parsed(&NUMBERS)).prop_map(move |(keyword, limit)| with(keyword, limit)),
        1 => parsed(&["1", "2", "0.5", "3", "1.5"]).prop_map(move |step| with("multipleOf", step)),
        1 => Just(with("uniqueItems", json!(true))),
        2 => prop::sample::select(pattern).prop_map(move |pattern| with("pattern", json!(pattern))),
        1 => prop::sample::select(format).prop_map(move |format| with("format", json!(format))),
        2 => prop::sample::subsequence(&NAMES[..], 0..3).prop_map(move |names| with("required", json!(names))),
        1 => (name(), prop::sample::subsequence(&NAMES[..], 1..3))
            .prop_map(move |(name, names)| with("dependentRequired", json!({ name: names }))),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    let assertions = || prop::collection::vec(assertion(), 0..3);
    let leaf = prop_oneof![
        1 => any::<bool>().prop_map(Value::Bool),
        8 => assertions().prop_map(object),
        // A step down, and back to the root.
        1 => name().prop_map(|name| json!({"properties": {name: {"$ref": "#"}}})),
        1 => Just(json!({"$ref": "#/$defs/d"})),
    ];
    leaf.prop_recursive(3, 24, 3, move |inner| {
        let list = prop::collection::vec(inner.clone(), 1..4).prop_map(Value::Array);
        let named =
            || prop::collection::vec((name(), inner.clone()), 1..4).prop_map(object).boxed();
        let patterns: &'static [&str] = &["^a", "b", "^.$"];
        let patterned = (prop::sample::select(patterns), inner.clone())
            .prop_map(|(pattern, schema)| json!({ pattern: schema }));
        let one: &'static [&str] = &["additionalProperties", "propertyNames", "items", "contains", "not", "if", "then", "else"];
        let many: &'static [&str] = &["prefixItems", "allOf", "anyOf", "oneOf"];
        let applicator = prop_oneof![
            4 => (prop::sample::select(one), inner.clone()).prop_map(|(keyword, schema)| (keyword, schema)),
            2 => (prop::sample::select(many), list).prop_map(|(keyword, schemas)| (keyword, schemas)),
            3 => named().prop_map(|schemas| ("properties", schemas)),
            1 => named().prop_map(|schemas| ("dependentSchemas", schemas)),
            1 => patterned.prop_map(|schemas| ("patternProperties", schemas)),
            1 => (0_u8..3).prop_map(|least| ("minContains", json!(least))),
            1 => (0_u8..3).prop_map(|most| ("maxContains", json!(most))),
        ]
        .prop_map(|(keyword, value)| (keyword.to_owned(), value));
        (assertions(), prop::collection::vec(applicator, 1..4))
            .prop_map(|(assertions, applicators)| object([assertions, applicators].concat()))
    })
}

/// A schema with what its references lead to.
fn whole() -> impl Strategy<Value = Value> {
    (schema(), prop::collection::vec(assertion(), 0..3)).prop_map(|(schema, definition)| {
        let mut whole = match schema {
            Value::Object(keywords) => keywords,
            boolean => Map::from_iter([("allOf".to_owned(), json!([boolean]))]),
        };
        whole.insert("$defs".to_owned(), json!({ "d": object(definition) }));
        Value::Object(whole)
    })
}

/// `PROPTEST_CASES` asks for more.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn the_crate_says_the_same_of_any_schema_and_document() {
    let (valid, invalid) = (Cell::new(0), Cell::new(0));
    let cases = (whole(), prop::collection::vec(document(), 12));
    let result = TestRunner::new(config()).run(&cases, |(schema, documents)| {
        let pair = Pair::new(&schema).unwrap_or_else(|error| panic!("{schema}: {error:?}"));
        for document in documents {
            match pair.verdict(&document) {
                Ok(true) => valid.set(valid.get() + 1),
                Ok(false) => invalid.set(invalid.get() + 1),
                Err(difference) => panic!("{schema}: {difference}"),
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
    let (valid, invalid) = (valid.get(), invalid.get());
    println!("{valid} valid, {invalid} invalid");
    assert!(valid > 500 && invalid > 500, "{valid} valid, {invalid} invalid");
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_repair_is_noted_needed_and_final(schema in whole(), members in document()) {
        let Value::Object(mut members) = json!({ "a": members.clone(), "b": [members] }) else {
            panic!("not an object")
        };
        let schema = ours(&schema).unwrap();
        let before = Value::Object(members.clone());
        let mut repairs = Vec::new();
        schema.coerce(&mut members, &mut |pointer, original| repairs.push((pointer(), original)));
        let once = Value::Object(members.clone());
        prop_assert_eq!(repairs.is_empty(), before == once);
        let mut restored = once.clone();
        for (pointer, original) in repairs {
            prop_assert_eq!(before.pointer(&pointer), Some(&original));
            *restored.pointer_mut(&pointer).unwrap() = original;
        }
        prop_assert_eq!(restored, before);
        schema.coerce(&mut members, &mut |_, _| panic!("repaired twice"));
        prop_assert_eq!(Value::Object(members), once);
    }
}
