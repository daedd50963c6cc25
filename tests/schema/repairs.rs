//! What of a refused beacon is repaired by its schema, and what is not.

use serde_json::{Map, Value, json};

use crate::oracle::ours;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("not an object") };
    fields
}

/// A schema of a beacon with these properties below `props` and `metadata`.
fn of_props(props: Value) -> Value {
    json!({"type": "object", "properties": {"props": props, "metadata": {"$ref": "#/properties/props"}}})
}

/// The beacon's props after the repairs, and each repair.
fn fitted(schema: &Value, props: Value) -> (Value, Vec<String>) {
    let schema = ours(schema).unwrap();
    let mut fields = object(json!({"name": "tested", "props": props}));
    let mut reported = Vec::new();
    schema.fit(&mut fields, &mut |rule, pointer, _| reported.push(format!("{rule} {}", pointer())));
    let mut again = fields.clone();
    schema.fit(&mut again, &mut |rule, pointer, _| panic!("{rule} {}", pointer()));
    assert_eq!(fields, again);
    (fields["props"].clone(), reported)
}

#[test]
fn numbers_become_the_texts_that_are_wanted() {
    let schema = of_props(json!({
        "properties": {
            "sku": {"type": "string", "minLength": 1},
            "maybe": {"type": ["string", "null"]},
            "either": {"anyOf": [{"type": "string"}, {"type": "boolean"}]},
            "one_of": {"enum": ["1", "2"]},
            "code": {"type": "string", "pattern": "^[A-Z]+$"},
            "both": {"type": ["string", "number"]},
            "tags": {"type": "array", "items": {"type": "string"}},
            "pair": {"prefixItems": [{"type": "string"}, {"type": "number"}]},
            "lines": {"items": {"$ref": "#/$defs/line"}},
            "all": {"allOf": [{"properties": {"x": {"type": "string"}}}]},
        },
        "patternProperties": {"^n_": {"type": "string"}},
        "$defs": {},
    }));
    let mut schema = schema;
    schema["$defs"] = json!({"line": {"properties": {"sku": {"type": "string"}}}});
    schema["properties"]["props"].as_object_mut().unwrap().remove("$defs");
    for (sent, expected, reported) in [
        (r#"{"sku":40123}"#, r#"{"sku":"40123"}"#, "coerce /props/sku"),
        (r#"{"sku":12.50}"#, r#"{"sku":"12.50"}"#, "coerce /props/sku"),
        (r#"{"sku":1e3}"#, r#"{"sku":"1e+3"}"#, "coerce /props/sku"),
        (
            r#"{"sku":123456789012345678901234567890}"#,
            r#"{"sku":"123456789012345678901234567890"}"#,
            "coerce /props/sku",
        ),
        (r#"{"maybe":7}"#, r#"{"maybe":"7"}"#, "coerce /props/maybe"),
        (r#"{"either":7}"#, r#"{"either":"7"}"#, "coerce /props/either"),
        (r#"{"one_of":1}"#, r#"{"one_of":"1"}"#, "coerce /props/one_of"),
        (r#"{"one_of":3}"#, r#"{"one_of":3}"#, ""),
        (r#"{"code":756}"#, r#"{"code":756}"#, ""),
        (r#"{"both":756}"#, r#"{"both":756}"#, ""),
        (r#"{"sku":true}"#, r#"{"sku":true}"#, ""),
        (
            r#"{"tags":[1,"a",2]}"#,
            r#"{"tags":["1","a","2"]}"#,
            "coerce /props/tags/0, coerce /props/tags/2",
        ),
        (r#"{"pair":[1,2]}"#, r#"{"pair":["1",2]}"#, "coerce /props/pair/0"),
        (
            r#"{"lines":[{},{"sku":1}]}"#,
            r#"{"lines":[{},{"sku":"1"}]}"#,
            "coerce /props/lines/1/sku",
        ),
        (r#"{"all":{"x":1}}"#, r#"{"all":{"x":"1"}}"#, "coerce /props/all/x"),
        (r#"{"n_a":1,"m_a":1}"#, r#"{"m_a":1,"n_a":"1"}"#, "coerce /props/n_a"),
    ] {
        let (after, found) = fitted(&schema, serde_json::from_str(sent).unwrap());
        assert_eq!(serde_json::to_string(&after).unwrap(), expected, "{sent}");
        assert_eq!(found.join(", "), reported, "{sent}");
    }
}

#[test]
fn empty_optional_values_are_dropped() {
    let inner = json!({
        "required": ["must"],
        "allOf": [{"required": ["also"]}],
        "properties": {
            "must": {"type": "string", "minLength": 1},
            "also": {"type": "number"},
            "text": {"type": "string"},
            "some": {"type": "string", "minLength": 1},
            "kind": {"enum": ["a", "b"]},
            "count": {"type": "integer"},
            "free": {},
            "null": {"type": ["number", "null"]},
            "deep": {"type": "object", "properties": {"count": {"type": "integer"}}},
            "list": {"type": "array", "items": {"properties": {"count": {"type": "integer"}}}},
        },
        "additionalProperties": false,
    });
    let schema = of_props(inner);
    let whole = |mut more: Value| {
        more["must"] = more.get("must").cloned().unwrap_or(json!("m"));
        more["also"] = more.get("also").cloned().unwrap_or(json!(1));
        more
    };
    for (sent, expected, reported) in [
        (json!({"text": null}), json!({}), "null /props/text"),
        (json!({"kind": null}), json!({}), "null /props/kind"),
        (json!({"count": null}), json!({}), "null /props/count"),
        (json!({"other": null}), json!({}), "null /props/other"),
        (json!({"deep": null}), json!({}), "null /props/deep"),
        (json!({"free": null}), json!({"free": null}), ""),
        (json!({"null": null}), json!({"null": null}), ""),
        (json!({"must": null}), json!({"must": null}), ""),
        (json!({"also": null}), json!({"also": null}), ""),
        (json!({"text": ""}), json!({"text": ""}), ""),
        (json!({"some": ""}), json!({}), "empty /props/some"),
        (json!({"kind": ""}), json!({}), "empty /props/kind"),
        (json!({"count": ""}), json!({}), "empty /props/count"),
        (json!({"null": ""}), json!({}), "empty /props/null"),
        (json!({"must": ""}), json!({"must": ""}), ""),
        (json!({"other": ""}), json!({"other": ""}), ""),
        (json!({"deep": {"count": null}}), json!({"deep": {}}), "null /props/deep/count"),
        (
            json!({"list": [{"count": 1}, {"count": null}]}),
            json!({"list": [{"count": 1}, {}]}),
            "null /props/list/1/count",
        ),
        (json!({"list": [null]}), json!({"list": [null]}), ""),
    ] {
        let (after, found) = fitted(&schema, whole(sent.clone()));
        assert_eq!(after, whole(expected), "{sent}");
        assert_eq!(found.join(", "), reported, "{sent}");
    }
}

#[test]
fn an_empty_array_becomes_an_object_and_codes_upper_case() {
    let schema = of_props(json!({
        "properties": {
            "map": {"type": "object"},
            "any": {"type": ["object", "array"]},
            "list": {"type": "array", "minItems": 1},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "size": {"enum": ["S", "M"]},
            "slug": {"type": "string", "pattern": "^[a-z]+$"},
        },
    }));
    for (sent, expected, reported) in [
        (json!({"map": []}), json!({"map": {}}), "empty_array /props/map"),
        (json!({"map": [1]}), json!({"map": [1]}), ""),
        (json!({"any": []}), json!({"any": []}), ""),
        (json!({"list": []}), json!({"list": []}), ""),
        (json!({"currency": "chf"}), json!({"currency": "CHF"}), "upper_case /props/currency"),
        (json!({"currency": "Eur"}), json!({"currency": "EUR"}), "upper_case /props/currency"),
        (json!({"currency": "francs"}), json!({"currency": "francs"}), ""),
        (json!({"size": "m"}), json!({"size": "M"}), "upper_case /props/size"),
        (json!({"slug": "aBc"}), json!({"slug": "aBc"}), ""),
    ] {
        let (after, found) = fitted(&schema, sent.clone());
        assert_eq!(after, expected, "{sent}");
        assert_eq!(found.join(", "), reported, "{sent}");
    }
}

#[test]
fn only_values_below_props_and_metadata_are_repaired() {
    let schema = ours(&json!({
        "properties": {
            "url": {"type": "string"}, "seq": {"type": "string"}, "build": {"pattern": "^[A-Z]$"},
            "metadata": {"properties": {"tag": {"type": "string"}}},
        },
        "allOf": [{"properties": {"props": {"properties": {"a": {"type": "string"}}}}}],
    }))
    .unwrap();
    let mut fields = object(json!({
        "url": 1, "seq": null, "build": "a", "metadata": {"tag": 7}, "props": {"a": 7},
    }));
    schema.fit(&mut fields, &mut |_, _, _| {});
    let expected = json!({
        "url": 1, "seq": null, "build": "a", "metadata": {"tag": "7"}, "props": {"a": "7"},
    });
    assert_eq!(Value::Object(fields), expected);
}

#[test]
fn a_recursive_schema_is_followed_to_the_beacons_depth() {
    let schema = ours(&json!({
        "properties": {"props": {"$ref": "#/$defs/tree"}},
        "$defs": {"tree": {
            "properties": {"id": {"type": "string"}, "children": {"items": {"$ref": "#/$defs/tree"}}},
        }},
    }))
    .unwrap();
    let mut fields = object(json!({"props": {"children": [{"children": [{"id": 7}]}]}}));
    let mut reported = Vec::new();
    schema.fit(&mut fields, &mut |rule, pointer, _| reported.push(format!("{rule} {}", pointer())));
    assert_eq!(reported, ["coerce /props/children/0/children/0/id"]);
}
