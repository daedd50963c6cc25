//! The shipped catalogue: every event has samples, and they are judged as they say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use headwater::schema;
use headwater::schema::Schema;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::compile;
use crate::oracle::{Pair, ours};

/// `tests/fixtures/schemas/EVENT.json`.
#[derive(Deserialize)]
pub struct Samples {
    pub valid: Vec<Map<String, Value>>,
    pub invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
pub struct Invalid {
    pub beacon: Map<String, Value>,
    pub violations: Vec<Expected>,
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Expected {
    pub pointer: String,
    pub rule: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    let content = fs::read_to_string(path);
    let content = content.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&content).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn samples(event: &str) -> Samples {
    read(&root().join(format!("tests/fixtures/schemas/{event}.json")))
}

/// The schema of `event` as it is written, by both hands; `x-*` means nothing to the crate.
pub fn pair(event: &str) -> Pair {
    let written: Value = read(&root().join(format!("www/schemas/{event}.json")));
    let mut plain = written.clone();
    plain.as_object_mut().unwrap().retain(|keyword, _| !keyword.starts_with("x-"));
    Pair::new(&plain).unwrap_or_else(|error| panic!("{event}: {error:?}"))
}

/// Checks that `schema` judges the samples as they say.
fn judge(event: &str, schema: &Schema, samples: Samples) {
    let Samples { valid, invalid } = samples;
    assert!(valid.len() >= 2 && invalid.len() >= 3, "{event}: too few samples");
    for beacon in valid {
        assert_eq!(beacon["name"], event);
        assert_eq!(schema.check(&beacon), [], "{beacon:?}");
    }
    for Invalid { beacon, mut violations } in invalid {
        assert_eq!(beacon["name"], event);
        let mut found: Vec<Expected> = schema
            .check(&beacon)
            .into_iter()
            .map(|found| Expected { pointer: found.pointer, rule: found.rule.unwrap().to_owned() })
            .collect();
        found.sort();
        violations.sort();
        assert_eq!(found, violations, "{beacon:?}");
    }
}

#[test]
fn every_event_has_samples_that_are_judged_as_they_say() {
    for schema in schema::all() {
        judge(schema.info.name, schema, samples(schema.info.name));
    }
}

#[test]
fn the_samples_of_the_documentation_are_judged_as_they_say() {
    let page = fs::read_to_string(root().join("www/docs/add-an-event.md")).unwrap();
    let blocks: Vec<&str> =
        page.split("```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect();
    let [schema, samples] = blocks[..] else { panic!("{} blocks", blocks.len()) };
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    schema.as_object_mut().unwrap().retain(|keyword, _| !keyword.starts_with("x-"));
    judge("quiz_answered", &ours(&schema).unwrap(), serde_json::from_str(samples).unwrap());
}

#[test]
fn the_catalogue_is_the_folder() {
    let names = |folder: &str| -> BTreeSet<String> {
        fs::read_dir(root().join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(".json").unwrap().to_owned())
            .collect()
    };
    let known: BTreeSet<String> =
        schema::all().iter().map(|schema| schema.info.name.to_owned()).collect();
    assert_eq!(known, names("www/schemas"));
    assert_eq!(known, names("tests/fixtures/schemas"));
    assert!(
        known.iter().all(|name| schema::find(name).is_some_and(|found| found.info.name == *name))
    );
    assert!(schema::find("no_such_event").is_none());
}

#[test]
fn the_worker_loads_the_compilers_output() {
    for schema in schema::all() {
        let path = root().join("www/schemas").join(format!("{}.json", schema.info.name));
        let content = fs::read_to_string(path).unwrap();
        let event =
            compile::event::compile(&format!("{}.json", schema.info.name), &content).unwrap();
        assert_eq!(schema.nodes, event.nodes, "{}", schema.info.name);
        for (column, (name, values)) in schema.info.partition.iter().zip(&event.partition) {
            assert_eq!(column.name, name);
            assert_eq!(column.values, values.as_slice());
        }
        assert_eq!(schema.info.partition.len(), event.partition.len());
        assert_eq!((schema.info.id, schema.info.version), (&*event.id, &*event.version));
    }
}

#[test]
fn schemas_of_the_documentation_compile_as_events() {
    let pages = fs::read_dir(root().join("www/docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut count = 0;
    for page in pages.chain([root().join("README.md")]) {
        let text = fs::read_to_string(&page).unwrap();
        let blocks =
            text.split("```json\n").skip(1).map(|rest| rest.split("\n```").next().unwrap());
        for content in blocks.filter(|block| block.contains("\"$schema\"")) {
            let schema: Value = serde_json::from_str(content).unwrap();
            let name = schema["$id"].as_str().unwrap().strip_prefix("/schemas/").unwrap();
            if let Err(errors) = compile::event::compile(name, content) {
                panic!("{}, {name}: {errors:?}", page.display());
            }
            count += 1;
        }
    }
    assert!(count > 0);
}

#[test]
fn the_events_have_their_levels_and_flags() {
    use headwater::model::level::Level::{High, Low, Mid};
    let of_level = |level| -> Vec<&str> {
        let schemas = schema::all().iter().filter(|schema| schema.info.level == Some(level));
        schemas.map(|schema| schema.info.name).collect()
    };
    assert_eq!(
        of_level(Low),
        ["click", "page_leave", "page_view", "pointer", "scroll", "web_vitals"]
    );
    assert_eq!(
        of_level(Mid),
        [
            "ad_impression",
            "download",
            "form_submit",
            "identify",
            "video_ad",
            "video_pause",
            "video_progress",
            "video_start"
        ]
    );
    assert_eq!(
        of_level(High),
        [
            "app_edit",
            "app_open",
            "app_share",
            "app_sign",
            "app_start",
            "cart_changed",
            "order_placed",
            "product_viewed"
        ]
    );
    let opening = schema::all().iter().filter(|schema| schema.info.opens_session);
    assert_eq!(
        opening.map(|schema| schema.info.name).collect::<Vec<_>>(),
        ["app_open", "app_start"]
    );
    let [tag] = schema::find("order_placed").unwrap().info.partition else { panic!() };
    assert_eq!((tag.name, tag.column_value(&json!("shop-ch"))), ("tag", "shop-ch"));
    for other in [json!("stranger"), json!(7), json!(["shop-ch"]), json!("")] {
        assert_eq!(tag.column_value(&other), "other");
    }
}

/// Something else in place of one value of `document`, or one member or item less.
fn mutate(document: &mut Value, at: usize, how: &Change) {
    let mut left = at;
    fn visit(value: &mut Value, left: &mut usize, how: &Change) -> bool {
        if *left == 0 {
            match how {
                Change::Replace(other) => *value = other.clone(),
                Change::Text => *value = Value::String(value.to_string()),
                Change::Repeat => {
                    if let Value::Array(items) = value {
                        items.extend(items.clone());
                    }
                }
                Change::Empty => match value {
                    Value::Object(members) => members.clear(),
                    Value::Array(items) => items.clear(),
                    other => *other = Value::String(String::new()),
                },
                Change::Drop => {
                    if let Value::Object(members) = value
                        && let Some(name) = members.keys().next().cloned()
                    {
                        members.remove(&name);
                    }
                }
            }
            return true;
        }
        *left -= 1;
        match value {
            Value::Object(members) => members.values_mut().any(|value| visit(value, left, how)),
            Value::Array(items) => items.iter_mut().any(|value| visit(value, left, how)),
            _ => false,
        }
    }
    visit(document, &mut left, how);
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Value),
    Text,
    Repeat,
    Empty,
    Drop,
}

fn change() -> impl Strategy<Value = Change> {
    let values = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "100",
        "100.0",
        "1e400",
        "-0",
        "9007199254740993",
        "\"\"",
        "\"x\"",
        "\"EUR\"",
        "\"EURO\"",
        "\"add\"",
        "\"clear\"",
        "\"2026-02-30\"",
        "\"12\"",
        "[]",
        "[1, 1.0]",
        "[[0, 1, 2, 3]]",
        "{}",
        "{\"total\": 1}",
    ];
    let values: Vec<Value> =
        values.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
    prop_oneof![
        6 => prop::sample::select(values).prop_map(Change::Replace),
        1 => Just(Change::Text),
        1 => Just(Change::Repeat),
        1 => Just(Change::Empty),
        2 => Just(Change::Drop),
    ]
}

#[test]
fn the_crate_says_the_same_of_changed_samples() {
    let (mut valid, mut invalid) = (0, 0);
    for schema in schema::all() {
        let pair = pair(schema.info.name);
        let samples = samples(schema.info.name);
        let mut runner = proptest::test_runner::TestRunner::default();
        let beacons = samples.valid;
        let changes = prop::collection::vec((0_usize..30, change()), 0..4);
        let case = (prop::sample::select(beacons), changes);
        for _ in 0..256 {
            let (beacon, changes) = case.new_tree(&mut runner).unwrap().current();
            let mut document = Value::Object(beacon);
            changes.iter().for_each(|(at, how)| mutate(&mut document, *at, how));
            match pair.verdict(&document) {
                Ok(true) => valid += 1,
                Ok(false) => invalid += 1,
                Err(difference) => panic!("{}: {difference}", schema.info.name),
            }
        }
    }
    assert!(valid > 500 && invalid > 500, "{valid} valid, {invalid} invalid");
}

#[test]
fn a_violation_names_the_mistake_and_never_the_value() {
    let order = schema::find("order_placed").unwrap();
    let secret = "4111-1111-1111-1111";
    let Value::Object(beacon) = serde_json::json!({
        "name": "order_placed",
        "props": {"total": -4111, "currency": secret, "coupon": secret.repeat(9), "order": {secret: 1}},
    }) else {
        panic!("not an object")
    };
    let violations = order.check(&beacon);
    let messages: Vec<&str> = violations.iter().map(|found| &*found.message).collect();
    assert_eq!(
        messages,
        [
            "order_placed 1.0.0: /props/coupon must have at most 64 characters",
            "order_placed 1.0.0: /props/currency must match ^[A-Z]{3}$",
            "order_placed 1.0.0: /props/order must be a string, not an object",
            "order_placed 1.0.0: /props/total must be at least 0, not a smaller number",
        ]
    );
    let json = serde_json::to_string(&violations[3]).unwrap();
    assert_eq!(
        json,
        "{\"code\":\"out_of_range\",\"pointer\":\"/props/total\",\"message\":\"order_placed 1.0.0: \
         /props/total must be at least 0, not a smaller number\",\"rule\":\"minimum\",\"found\":\"number\"}"
    );
    assert!(!messages.iter().any(|message| message.contains("4111")));
}

#[test]
fn a_text_becomes_the_type_of_its_schema_only() {
    for (schema, before, after, repaired) in [
        (r#"{"type":"number"}"#, r#""19.90""#, "19.90", true),
        (r#"{"type":"number"}"#, r#""1e400""#, r#""1e400""#, false),
        (r#"{"type":"number"}"#, r#"" 1""#, r#"" 1""#, false),
        (r#"{"type":"number"}"#, r#""007""#, r#""007""#, false),
        (r#"{"type":"number"}"#, r#""0x7""#, r#""0x7""#, false),
        (r#"{"type":"number"}"#, r#""""#, r#""""#, false),
        (r#"{"type":"number"}"#, r#""1,5""#, r#""1,5""#, false),
        (r#"{"type":"number"}"#, r#""NaN""#, r#""NaN""#, false),
        (r#"{"type":"number"}"#, "true", "true", false),
        (r#"{"type":"integer"}"#, r#""9007199254740993""#, "9007199254740993", true),
        (r#"{"type":"integer"}"#, r#""1.0""#, "1.0", true),
        (r#"{"type":"integer"}"#, r#""7e3""#, "7e+3", true),
        (r#"{"type":"integer"}"#, r#""70e-1""#, "70e-1", true),
        (r#"{"type":"integer"}"#, r#""1.5""#, r#""1.5""#, false),
        (r#"{"type":"boolean"}"#, r#""true""#, "true", true),
        (r#"{"type":"boolean"}"#, r#""false""#, "false", true),
        (r#"{"type":"boolean"}"#, r#""TRUE""#, r#""TRUE""#, false),
        (r#"{"type":"boolean"}"#, r#""1""#, r#""1""#, false),
        (r#"{"type":["boolean","number"]}"#, r#""1""#, "1", true),
        (r#"{"type":["number","string"]}"#, r#""1""#, r#""1""#, false),
        (r#"{"type":["number","null"]}"#, r#""null""#, r#""null""#, false),
        (r#"{"type":"string"}"#, "1", "1", false),
        ("{}", r#""1""#, r#""1""#, false),
        (r##"{"$ref":"#/$defs/n","$defs":{"n":{"type":"integer"}}}"##, r#""1""#, "1", true),
        (r##"{"type":"number","allOf":[{"type":"string"}]}"##, r#""1""#, "1", true),
        (r#"{"type":"array","items":{"type":"number"}}"#, r#"["1"]"#, "[1]", true),
        (
            r#"{"prefixItems":[{"type":"string"}],"items":{"type":"number"}}"#,
            r#"["1","2","x"]"#,
            r#"["1",2,"x"]"#,
            true,
        ),
    ] {
        let place = format!("{schema} {before}");
        let schema: Value = serde_json::from_str(schema).unwrap();
        // References are to the root.
        let definitions = schema.get("$defs").cloned().unwrap_or_default();
        let mut whole = serde_json::json!({"properties": {"v": schema}});
        if definitions.is_object() {
            whole["properties"]["v"].as_object_mut().unwrap().remove("$defs");
            whole["$defs"] = definitions;
        }
        let schema = ours(&whole).unwrap();
        let original: Value = serde_json::from_str(before).unwrap();
        let mut beacon = Map::from_iter([("v".to_owned(), original.clone())]);
        let mut calls = Vec::new();
        schema.coerce(&mut beacon, &mut |pointer, value| calls.push((pointer(), value)));
        assert_eq!(beacon["v"].to_string(), after.replace(", ", ","), "{place}");
        assert_eq!(calls.len(), usize::from(repaired), "{place}");
        for (pointer, value) in calls {
            let below = pointer.strip_prefix("/v").unwrap();
            assert_eq!(original.pointer(below), Some(&value), "{place}");
        }
        let once = beacon.clone();
        schema.coerce(&mut beacon, &mut |_, _| panic!("{place}: a second repair"));
        assert_eq!(beacon, once);
    }
}
