//! Rules that `clean` accepts, and the message for each that it rejects.

use serde_json::json;

use super::*;
use crate::config::ConfigError;

/// Returns the rules, or their errors as messages.
pub(crate) fn parsed(clean: Value) -> Result<CleanConfig, Vec<String>> {
    table(json!({"clean": clean}))
}

fn table(value: Value) -> Result<CleanConfig, Vec<String>> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    let mut table =
        ConfigTable::new("HEADWATER".to_owned(), value, &mut errors, &mut warnings).unwrap();
    let read = cleaning(&mut table);
    table.finish();
    assert_eq!(read.is_some(), errors.is_empty());
    read.ok_or_else(|| errors.iter().map(ConfigError::to_string).collect())
}

/// Returns rules that must have no error.
pub(crate) fn read(clean: Value) -> CleanConfig {
    parsed(clean).unwrap()
}

#[test]
fn a_whole_list_is_read() {
    let cleaning = table(json!({"repairs_include_original": true, "clean": [
        {"name": "page_*", "build": {"from": "1.4.0", "to": "1.4.9"}, "field": "props.price",
         "scale": 0.01, "to": "props.price_chf"},
        {"id": "tag", "when": {"field": "metadata.tag", "is": "tst"}, "field": "metadata.tag", "set": "test"},
        {"field": "props.sku", "trim": "#"},
        {"field": "props.email", "drop": true},
        {"field": "props.qty", "cast": "integer"},
        {"field": "props.Colour", "rename": "props.colour"},
        {"platform": ["ios", "android"], "field": "props.country", "lower": true},
        {"field": "props.size", "map": {"S": "small"}, "stage": "after"},
    ]}))
    .unwrap();
    assert_eq!(cleaning.originals, Originals::Keep);
    let ids: Vec<&str> = cleaning.before.iter().map(|rule| rule.id.as_str()).collect();
    assert_eq!(
        ids,
        ["clean[0]", "tag", "clean[2]", "clean[3]", "clean[4]", "clean[5]", "clean[6]"]
    );
    assert_eq!(cleaning.after[0].id, "clean[7]");
    let none = table(json!({})).unwrap();
    assert!(none.before.is_empty() && none.after.is_empty());
    assert_eq!(none.originals, Originals::Forget);
}

#[test]
fn a_mistake_is_a_sentence_that_names_its_key() {
    let lower = |extra: Value| {
        let mut rule = json!({"field": "props.a", "lower": true});
        rule.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        rule
    };
    let on = |field: &str, action: &str, value: Value| json!({"field": field, action: value});
    let on_a = |action: &str, value: Value| on("props.a", action, value);
    let in_place = "in place, each cleaning would scale the number again";
    let cases = [
        (json!("lower"), "clean[0] must be a table"),
        (json!({"lower": true}), "clean[0].field is missing"),
        (
            json!({"field": "props.a"}),
            "clean[0] needs exactly one action of set, map, cast, lower, upper, trim, rename, drop, scale",
        ),
        (
            lower(json!({"upper": true, "drop": true})),
            "clean[0] needs exactly one action, not lower and upper and drop",
        ),
        (lower(json!({"to": "props.b"})), "clean[0].to goes with scale, not with lower"),
        (
            lower(json!({"replace": 1})),
            "clean[0].replace is an unknown key; expected one of id, stage, name, build, platform, when, field, to, set, map, cast, lower, upper, trim, rename, drop, scale",
        ),
        (
            lower(json!({"stage": "later"})),
            "clean[0].stage must be one of \"before\", \"after\", not \"later\"",
        ),
        (
            lower(json!({"id": "two words"})),
            "clean[0].id must be 1 to 64 letters, digits, dots, hyphens and underscores",
        ),
        (
            lower(json!({"id": "trim"})),
            "clean[0].id must not be \"trim\", the name of a built-in repair",
        ),
        (
            lower(json!({"name": "Page*"})),
            "clean[0].name must be an event's name, in which a * stands for any characters",
        ),
        (
            lower(json!({"platform": "iOS"})),
            "clean[0].platform must be a platform such as \"ios\" in lower case, or a list",
        ),
        (
            lower(json!({"platform": []})),
            "clean[0].platform must be a platform such as \"ios\" in lower case, or a list",
        ),
        (lower(json!({"build": "1.4"})), "clean[0].build must be a table"),
        (lower(json!({"build": {}})), "clean[0].build.from or to must be given"),
        (
            lower(json!({"build": {"from": 1.4, "to": "2"}})),
            "clean[0].build.from must be a text of numbers such as \"1.4.2\", not 1.4",
        ),
        (
            lower(json!({"build": {"from": "1.10", "to": "1.9"}})),
            "clean[0].build.to must not be before from",
        ),
        (
            lower(json!({"when": {"field": "props.b"}})),
            "clean[0].when.is or exists must be given, and not both",
        ),
        (
            lower(json!({"when": {"field": "props.b", "is": "x", "exists": true}})),
            "clean[0].when.is or exists must be given, and not both",
        ),
        (
            lower(json!({"when": {"field": "props.b", "exists": "no"}})),
            "clean[0].when.exists must be true or false, not \"no\"",
        ),
        (
            lower(json!({"when": {"field": "props.b", "is": []}})),
            "clean[0].when.is must not be an empty list",
        ),
        (
            lower(json!({"when": {"field": "props.b", "is": [{}]}})),
            "clean[0].when.is must be texts, numbers or booleans, not {}",
        ),
        (
            lower(json!({"when": {"field": "props.b", "is": " x"}})),
            "clean[0].when.is can't be \" x\", which is \"x\" once cleaned",
        ),
        (
            lower(json!({"when": [{"field": "b", "exists": true}]})),
            "clean[0].when[0].field must go below props or metadata, or be one of name, id, device_id, time, seq, session_id, level, build, user_id, url, title, referrer, screen, viewport, language, consent, user_hash, source_name, source_event_id",
        ),
        (
            lower(json!({"when": [{"field": "props.b", "is": 1}, {"field": "props.b", "is": 2}]})),
            "clean[0].when can never hold: one of its tests excludes another",
        ),
        (
            lower(json!({"when": {"field": "props.a", "is": ["x", 1]}})),
            "clean[0] can never apply: no value that `when` lets pass needs lower",
        ),
        (
            lower(json!({"when": {"field": "props.a", "exists": false}})),
            "clean[0] can never apply: no value that `when` lets pass needs lower",
        ),
        (
            json!({"field": "url", "stage": "after", "lower": true}),
            "clean[0].field must go below props or metadata in the stage \"after\"",
        ),
        (
            lower(json!({"stage": "after", "when": {"field": "url", "exists": true}})),
            "clean[0].when.field must go below props or metadata in the stage \"after\"",
        ),
        (
            json!({"field": 1, "lower": true}),
            "clean[0].field must be a path such as \"props.price\", not 1",
        ),
        (
            json!({"field": "props.a..b", "lower": true}),
            "clean[0].field must have 1 to 8 names with dots between them",
        ),
        (on_a("lower", json!(false)), "clean[0].lower must be true, not false"),
        (on_a("drop", json!("yes")), "clean[0].drop must be true, not \"yes\""),
        (
            on("name", "drop", json!(true)),
            "clean[0].drop can't be of name, which an event must have",
        ),
        (
            on("name", "rename", json!("props.n")),
            "clean[0].rename can't be of name, which an event must have",
        ),
        (
            on_a("rename", json!("props.a.b")),
            "clean[0].rename must be another place than props.a, and not in or around it",
        ),
        (
            on_a("trim", json!(true)),
            "clean[0].trim must be a text of the characters to cut from both ends, such as \"#*\"; white space is cut from every text without a rule",
        ),
        (
            on_a("trim", json!(" \t")),
            "clean[0].trim must be a text of the characters to cut from both ends, such as \"#*\"; white space is cut from every text without a rule",
        ),
        (
            on_a("cast", json!("float")),
            "clean[0].cast must be one of \"string\", \"integer\", \"number\", \"boolean\", not \"float\"",
        ),
        (
            on("seq", "cast", json!("integer")),
            "clean[0].cast must be of a field below props or metadata",
        ),
        (
            on_a("set", json!(["x"])),
            "clean[0].set must be a text, a number or a boolean, not [\"x\"]",
        ),
        (
            on_a("set", json!("x ")),
            "clean[0].set can't be \"x \", which needs the repair trim itself",
        ),
        (
            on("name", "set", json!("Page View")),
            "clean[0].set can't be \"Page View\": name must match [a-z][a-z0-9_.]{0,63}",
        ),
        (
            on("level", "set", json!("urgent")),
            "clean[0].set can't be \"urgent\": level must be one of low, mid, high",
        ),
        (
            on("build", "set", json!(2)),
            "clean[0].set can't be 2, which needs the repair number_to_text itself",
        ),
        (
            on("id", "set", json!("01939b70-6d2a-7c3e-8f00-000000000001")),
            "clean[0].set can't be of id, which must tell each event from all others",
        ),
        (
            on_a("map", json!("x")),
            "clean[0].map must be a table of what is found and what to put there",
        ),
        (on_a("map", json!({})), "clean[0].map must not be empty"),
        (
            on_a("map", json!({" x": "y"})),
            "clean[0].map can't be \" x\", which is \"x\" once cleaned",
        ),
        (
            on_a("map", json!({"x": null})),
            "clean[0].map must be a text, a number or a boolean, not null",
        ),
        (
            on_a("map", json!({"1": "2", "2": "3"})),
            "clean[0].map must not put \"2\" there, which it maps itself",
        ),
        (
            on_a("map", json!({"x": "x"})),
            "clean[0].map must not put \"x\" there, which it maps itself",
        ),
        (
            json!({"field": "props.a", "scale": 0, "to": "props.b"}),
            "clean[0].scale must be a number other than 0, not 0",
        ),
        (
            json!({"field": "props.a", "scale": "2", "to": "props.b"}),
            "clean[0].scale must be a number other than 0, not \"2\"",
        ),
        (
            json!({"field": "props.a", "scale": 2}),
            &format!("clean[0].to must be another field: {in_place}"),
        ),
        (
            json!({"field": "props.a", "scale": 2, "to": "props.a"}),
            &format!("clean[0].to must go below props or metadata, and not be props.a: {in_place}"),
        ),
        (
            json!({"field": "props.a", "scale": 2, "to": "seq"}),
            &format!("clean[0].to must go below props or metadata, and not be props.a: {in_place}"),
        ),
        (
            json!({"field": "seq", "scale": 2, "to": "props.a"}),
            "clean[0].scale must be of a field below props or metadata",
        ),
    ];
    for (rule, sentence) in cases {
        let error_count = parsed(json!([rule])).unwrap_err();
        assert_eq!(error_count, [format!("HEADWATER.{sentence}")], "{rule}");
    }
    let of_table = |value| table(value).unwrap_err();
    assert_eq!(
        of_table(json!({"clean": {}})),
        ["HEADWATER.clean must be a list of rules, which are tables"]
    );
    assert_eq!(
        of_table(json!({"repairs_include_original": 1})),
        ["HEADWATER.repairs_include_original must be true or false, not 1"]
    );
    assert_eq!(
        of_table(json!({"clean": [lower(json!({"id": "a"})), lower(json!({"id": "a"}))]})),
        ["HEADWATER.clean[1] has the id \"a\" of an earlier rule"]
    );
}

#[test]
fn rules_that_could_invalidate_an_earlier_one_are_refused() {
    let a = |action: &str, value: Value| json!({"field": "props.a", action: value});
    let b = |action: &str, value: Value| json!({"field": "props.b", action: value});
    let (lower, upper) = (|| a("lower", json!(true)), || a("upper", json!(true)));
    let with = |mut rule: Value, key: &str, value: Value| {
        rule[key] = value;
        rule
    };
    let scaled = || json!({"field": "props.a", "scale": 2, "to": "props.b"});
    let when =
        |rule: Value, field: &str, is: &str| with(rule, "when", json!({"field": field, "is": is}));
    let to_name = |rule: Value| with(rule, "field", json!("name"));
    for (first, second, fits) in [
        (lower(), b("lower", json!(true)), true),
        (lower(), a("trim", json!("#")), true),
        (a("trim", json!("#")), lower(), false),
        (lower(), upper(), false),
        (with(lower(), "name", json!("a*")), with(upper(), "name", json!("b")), true),
        (with(lower(), "name", json!("a*")), with(upper(), "name", json!("ab")), false),
        (with(lower(), "platform", json!("ios")), with(upper(), "platform", json!("web")), true),
        (
            with(lower(), "build", json!({"to": "1.9"})),
            with(upper(), "build", json!({"from": "2"})),
            true,
        ),
        (
            with(lower(), "build", json!({"to": "2"})),
            with(upper(), "build", json!({"from": "2.0"})),
            false,
        ),
        (when(lower(), "props.c", "x"), when(upper(), "props.c", "y"), true),
        (
            when(a("set", json!("b")), "props.a", "a"),
            when(a("set", json!("c")), "props.a", "b"),
            true,
        ),
        (
            when(a("set", json!("c")), "props.a", "b"),
            when(a("set", json!("b")), "props.a", "a"),
            false,
        ),
        (
            when(a("set", json!("c")), "props.a", "b"),
            when(a("set", json!("c")), "props.a", "a"),
            true,
        ),
        (a("set", json!(1)), a("set", json!(2)), false),
        (lower(), a("map", json!({"s": "small"})), true),
        (lower(), a("map", json!({"s": "Small"})), false),
        (a("map", json!({"s": "small"})), lower(), false),
        (a("cast", json!("integer")), a("map", json!({"1": "one"})), true),
        (lower(), a("rename", json!("props.b")), true),
        (b("lower", json!(true)), a("rename", json!("props.b")), false),
        (a("rename", json!("props.b")), b("lower", json!(true)), true),
        (a("rename", json!("props.b")), b("drop", json!(true)), false),
        (a("rename", json!("props.b")), b("rename", json!("props.c")), false),
        (a("drop", json!(true)), a("set", json!(1)), false),
        (scaled(), a("drop", json!(true)), true),
        (scaled(), a("set", json!(1)), false),
        (a("set", json!(1)), scaled(), true),
        (scaled(), b("cast", json!("string")), false),
        (scaled(), json!({"field": "props.a.c", "set": 1}), false),
        (when(b("set", json!(1)), "props.a", "x"), lower(), false),
        (when(b("set", json!(1)), "metadata.a", "x"), lower(), true),
        (
            with(b("set", json!(1)), "when", json!({"field": "props.a", "exists": true})),
            lower(),
            true,
        ),
        (
            with(b("set", json!(1)), "when", json!({"field": "props.a", "exists": true})),
            a("set", json!(1)),
            false,
        ),
        (with(lower(), "build", json!({"to": "1"})), json!({"field": "build", "set": "1"}), false),
        (lower(), to_name(lower()), false),
        (to_name(lower()), lower(), true),
        (to_name(a("map", json!({"a": "b"}))), to_name(a("map", json!({"c": "d"}))), true),
        (to_name(a("map", json!({"a": "b"}))), to_name(a("map", json!({"b": "a"}))), false),
        (
            with(to_name(a("set", json!("b"))), "name", json!("a")),
            with(to_name(a("set", json!("d"))), "name", json!("c")),
            true,
        ),
        (when(to_name(a("set", json!("b"))), "props.a", "1"), to_name(a("set", json!("d"))), false),
        (
            with(lower(), "platform", json!("ios")),
            with(to_name(lower()), "platform", json!("web")),
            true,
        ),
    ] {
        let read = parsed(json!([first, second]));
        assert_eq!(read.is_ok(), fits, "{first} {second} {:?}", read.err());
    }
    assert_eq!(
        parsed(json!([
            b("lower", json!(true)),
            when(a("set", json!("z")), "props.a", "x"),
            lower()
        ]))
        .unwrap_err(),
        [
            "HEADWATER.clean[2] writes props.a, which clean[1] uses; put it first, or give the two conditions that exclude each other"
        ]
    );
    assert_eq!(
        parsed(json!([lower(), to_name(lower())])).unwrap_err(),
        ["HEADWATER.clean[1] writes name, on which clean[0] depends; put it first"]
    );
    let apart = json!([upper(), with(lower(), "stage", json!("after"))]);
    assert!(parsed(apart).is_ok(), "each stage is read by itself");
}
