//! What the compiler refuses, and where it says that the mistake is.

use headwater::model::violation::Code;
use serde_json::{Value, json};

use crate::compile;
use crate::oracle::ours;

#[test]
fn a_mistake_has_its_pointer_and_keyword() {
    for (schema, place, keyword) in [
        (r#"{"minimun": 1}"#, "", "minimun"),
        (r#"{"properties": {"a/b": {"maxLenght": 1}}}"#, "/properties/a~1b", "maxLenght"),
        (r#"{"properties": []}"#, "", "properties"),
        (r#"{"properties": {"a": 1}}"#, "/properties/a", "schema"),
        (r#"{"type": "text"}"#, "", "type"),
        (r#"{"type": []}"#, "", "type"),
        (r#"{"enum": []}"#, "", "enum"),
        (r#"{"minLength": -1}"#, "", "minLength"),
        (r#"{"maxItems": 1.5}"#, "", "maxItems"),
        (r#"{"minimum": "0"}"#, "", "minimum"),
        (r#"{"multipleOf": 0}"#, "", "multipleOf"),
        (r#"{"multipleOf": 0.12345678901}"#, "", "multipleOf"),
        (r#"{"uniqueItems": 1}"#, "", "uniqueItems"),
        (r#"{"required": "a"}"#, "", "required"),
        (r#"{"required": ["a", "a"]}"#, "", "required"),
        (r#"{"dependentRequired": {"a": "b"}}"#, "", "dependentRequired"),
        (r#"{"items": [{}]}"#, "/items", "schema"),
        (r#"{"prefixItems": []}"#, "", "prefixItems"),
        (r#"{"anyOf": [true, {"oneOf": {}}]}"#, "/anyOf/1", "oneOf"),
        (r#"{"format": "hostname"}"#, "", "format"),
        (r#"{"title": 1}"#, "", "title"),
        (r#"{"deprecated": "yes"}"#, "", "deprecated"),
        (r#"{"x-level": "low"}"#, "", "x-level"),
        (r#"{"unevaluatedProperties": false}"#, "", "unevaluatedProperties"),
        (r#"{"$dynamicRef": "a"}"#, "", "$dynamicRef"),
        (r#"{"definitions": {}}"#, "", "definitions"),
        (r#"{"$schema": "http://json-schema.org/draft-07/schema#"}"#, "", "$schema"),
        (r#"{"not": {"$id": "a"}}"#, "/not", "$id"),
        (r#"{"$defs": {"unused": {"minimun": 1}}}"#, "/$defs/unused", "minimun"),
        (r#"{"$ref": "other.json"}"#, "", "$ref"),
        (r##"{"$ref": "#anchor"}"##, "", "$ref"),
        (r##"{"$ref": "#/$defs/none"}"##, "", "$ref"),
        (r##"{"const": {"type": "string"}, "not": {"$ref": "#/const"}}"##, "/not", "$ref"),
        (r##"{"$ref": "#"}"##, "", "$ref"),
        (r##"{"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}}"##, "/$defs/a", "$ref"),
        (r##"{"propertyNames": {"$ref": "#"}}"##, "", "$ref"),
        (r#"{"pattern": "a(?=b)"}"#, "", "pattern"),
        (r#"{"pattern": "(?<!a)b"}"#, "", "pattern"),
        (r#"{"pattern": "(a)\\1"}"#, "", "pattern"),
        (r#"{"pattern": "(?i:a)"}"#, "", "pattern"),
        (r#"{"pattern": "a\\Bb"}"#, "", "pattern"),
        (r#"{"pattern": "\\a"}"#, "", "pattern"),
        (r#"{"pattern": "["}"#, "", "pattern"),
        (r#"{"pattern": "a)"}"#, "", "pattern"),
        (r#"{"pattern": "a**"}"#, "", "pattern"),
        (r#"{"pattern": "^*"}"#, "", "pattern"),
        (r#"{"pattern": "{"}"#, "", "pattern"),
        (r#"{"pattern": "a{2,1}"}"#, "", "pattern"),
        (r#"{"pattern": "[z-a]"}"#, "", "pattern"),
        (r#"{"pattern": "[\\d-z]"}"#, "", "pattern"),
        (r#"{"pattern": "\\p{Nonsense}"}"#, "", "pattern"),
        (r#"{"pattern": "\\uD800"}"#, "", "pattern"),
        (r#"{"pattern": "(a|b)*a(a|b){14}"}"#, "", "pattern"),
        (r#"{"patternProperties": {"(": true}}"#, "", "patternProperties"),
        ("3", "", "schema"),
    ] {
        let schema: Value = serde_json::from_str(schema).unwrap();
        let errors = compile::schema(&schema).map(|_| ()).expect_err(&schema.to_string());
        let found: Vec<(&str, &str)> =
            errors.iter().map(|error| (&*error.pointer, &*error.keyword)).collect();
        assert_eq!(found, [(place, keyword)], "{schema}");
    }
}

#[test]
fn a_schema_may_refer_to_itself_if_it_takes_a_step() {
    let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"items": {"$ref": "#"}}}});
    assert!(compile::schema(&tree).is_ok());
}

#[test]
fn recursive_alternatives_end_the_check_and_not_the_worker() {
    let schema = ours(&json!({
        "$ref": "#/$defs/node",
        "$defs": {"node": {"type": "object", "oneOf": [
            {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/node"}}},
            {"required": ["a"], "properties": {"a": {"$ref": "#/$defs/node"}}},
            {"maxProperties": 0},
        ]}},
    }))
    .unwrap();
    let nested = |depth| (0..depth).fold(json!({}), |inner, _| json!({"a": inner}));
    let codes = |document: Value| -> Vec<Code> {
        schema.check_value(&document).iter().map(|violation| violation.code).collect()
    };
    assert_eq!(codes(json!({})), []);
    assert_eq!(codes(nested(2)), [Code::NoMatch]);
    assert_eq!(codes(nested(29)), [Code::TooComplex]);
}

#[test]
fn an_event_needs_its_required_keywords() {
    const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
    let event = |change: &dyn Fn(&mut Value)| {
        let mut schema = json!({
            "$schema": DRAFT, "$id": "/schemas/a_b.json", "title": "A", "description": "B.",
            "x-version": "1.0.0", "x-level": "mid", "x-session-start": true,
            "x-partition": {"tag": ["a", "b"], "team": ["c"]},
        });
        change(&mut schema);
        compile::event::compile("a_b.json", &schema.to_string())
    };
    assert!(event(&|_| ()).is_ok());
    for (keyword, value) in [
        ("$schema", Value::Null),
        ("$id", json!("/schemas/b.json")),
        ("title", Value::Null),
        ("description", json!("")),
        ("x-version", Value::Null),
        ("x-version", json!("1.0")),
        ("x-version", json!("1.0.01")),
        ("x-level", json!("urgent")),
        ("x-session-start", json!("yes")),
        ("x-partition", json!("tag")),
        ("x-partition", json!(["tag"])),
        ("x-partition", json!({"Tag": ["a"]})),
        ("x-partition", json!({"a.b": ["a"]})),
        ("x-partition", json!({"tag": []})),
        ("x-partition", json!({"tag": "a"})),
        ("x-partition", json!({"tag": ["a", "a"]})),
        ("x-partition", json!({"tag": [1]})),
        ("x-partition", json!({"tag": [""]})),
        ("x-partition", json!({"tag": ["a".repeat(65)]})),
        ("x-partition", json!({"tag": (0..101).map(|it| it.to_string()).collect::<Vec<_>>()})),
        ("x-else", json!(1)),
        ("type", json!("text")),
    ] {
        let errors = event(&|schema| schema[keyword] = value.clone()).unwrap_err();
        assert!(matches!(&*errors, [one] if one.keyword == keyword), "{errors:?}");
    }
    for name in ["A.json", "a b.json", "a.txt", ".json", "1.json"] {
        assert_eq!(compile::event::compile(name, "{}").unwrap_err()[0].keyword, "file name");
    }
    assert_eq!(compile::event::compile("a.json", "{").unwrap_err()[0].keyword, "file");
}

#[test]
fn a_mistake_reads_as_one_sentence() {
    let errors = compile::schema(&json!({"properties": {"a": {"minimun": 1}}})).unwrap_err();
    assert_eq!(errors[0].to_string(), "/properties/a: minimun is not supported");
}

#[test]
fn all_mistakes_of_a_file_are_returned_at_once() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "/schemas/b.json",
        "title": 1, "x-level": "urgent", "x-partition": ["A"], "minimun": 1, "maximun": 2,
        "properties": {
            "a": {"type": "text", "minLength": -1, "pattern": "(", "format": "hostname"},
            "b": {"items": [1], "required": ["c", "c"], "$ref": "#/nowhere"},
            "c": {"anyOf": [{"multipleOf": 0}, 3], "dependentRequired": {"d": 1, "e": 2}},
        },
        "patternProperties": {"(": {"oneOf": []}, "[": true},
    });
    let errors = compile::event::compile("a.json", &schema.to_string()).unwrap_err();
    let found: Vec<(&str, &str)> =
        errors.iter().map(|error| (&*error.pointer, &*error.keyword)).collect();
    assert_eq!(
        found,
        [
            ("", "$id"),
            ("", "title"),
            ("", "description"),
            ("", "x-version"),
            ("", "x-level"),
            ("", "x-partition"),
            ("", "maximun"),
            ("", "minimun"),
            ("/properties/a", "type"),
            ("/properties/a", "minLength"),
            ("/properties/a", "pattern"),
            ("/properties/a", "format"),
            ("/properties/b", "required"),
            ("/properties/b/items", "schema"),
            ("/properties/b", "$ref"),
            ("/properties/c", "dependentRequired"),
            ("/properties/c", "dependentRequired"),
            ("/properties/c/anyOf/0", "multipleOf"),
            ("/properties/c/anyOf/1", "schema"),
            ("/patternProperties/(", "oneOf"),
            ("", "patternProperties"),
            ("", "patternProperties"),
        ]
    );
}
