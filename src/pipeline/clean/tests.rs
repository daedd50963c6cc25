//! Tests declared rules by tables, and the law that cleaning twice equals cleaning once.

use std::cell::Cell;

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use serde_json::json;

use super::*;
use crate::config::clean::tests::{parsed, read};
use crate::pipeline::clean::value::text_of;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(fields) = value else { panic!("not an object") };
    fields
}

/// Replaces the schemas: those of `a` and `x` require numbers and booleans at some paths.
fn coerce(fields: &mut Map<String, Value>, repaired: &mut Coerced<'_>) {
    let wanted: &[(&str, &str, bool)] = match fields.get("name").and_then(Value::as_str) {
        Some("a") => &[("props", "p", true), ("props", "q", false), ("metadata", "t", true)],
        Some("x") => &[("props", "q", true)],
        _ => &[],
    };
    for (root, key, is_number) in wanted {
        let Some(Value::Object(members)) = fields.get_mut(*root) else { continue };
        let Some(value @ Value::String(_)) = members.get_mut(*key) else { continue };
        let text = value.as_str().unwrap_or_default();
        let typed = match is_number {
            true => text.parse().ok().map(Value::Number),
            false => text.parse().ok().map(Value::Bool),
        };
        if let Some(typed) = typed {
            let original = std::mem::replace(value, typed);
            repaired(&|| format!("/{root}/{key}"), original);
        }
    }
}

/// Returns the beacon and its repairs after the rules, without a schema.
fn cleaned(rules: Value, beacon: Value) -> (Value, Vec<(String, String)>) {
    let mut fields = object(beacon);
    let repairs = before(&mut fields, &read(rules), Some("ios"), &|_, _| {});
    let reported = repairs.iter().map(|it| (it.rule.to_string(), it.pointer.clone())).collect();
    (Value::Object(fields), reported)
}

#[test]
fn each_action_has_its_effect_or_none() {
    let props = |a: Value| json!({"props": {"a": a}});
    for (rule, sent, expected) in [
        (json!({"set": "x"}), json!({}), Some(props(json!("x")))),
        (json!({"set": "x"}), props(json!(1)), Some(props(json!("x")))),
        (json!({"set": 5}), props(json!({})), Some(props(json!(5)))),
        (json!({"set": "x"}), props(json!("x")), None),
        (json!({"set": "x"}), json!({"props": [1]}), None),
        (json!({"map": {"S": "small"}}), props(json!("S")), Some(props(json!("small")))),
        (json!({"map": {"1": "one", "true": 7}}), props(json!(1)), Some(props(json!("one")))),
        (json!({"map": {"1": "one", "true": 7}}), props(json!(true)), Some(props(json!(7)))),
        (json!({"map": {"S": "small"}}), props(json!("s")), None),
        (json!({"map": {"S": "small"}}), props(json!(["S"])), None),
        (json!({"cast": "string"}), props(json!(1)), Some(props(json!("1")))),
        (json!({"cast": "string"}), props(json!(false)), Some(props(json!("false")))),
        (json!({"cast": "string"}), props(json!(null)), None),
        (json!({"cast": "string"}), props(json!([])), None),
        (json!({"cast": "integer"}), props(json!("05")), Some(props(json!(5)))),
        (json!({"cast": "integer"}), props(json!("5.00")), Some(props(json!(5)))),
        (json!({"cast": "integer"}), props(json!(5.0)), Some(props(json!(5)))),
        (json!({"cast": "integer"}), props(json!(5.5)), None),
        (json!({"cast": "integer"}), props(json!("five")), None),
        (json!({"cast": "integer"}), props(json!("1e300")), None),
        (json!({"cast": "integer"}), props(json!(true)), None),
        (json!({"cast": "number"}), props(json!(".5")), Some(props(json!(0.5)))),
        (json!({"cast": "number"}), props(json!("+5")), Some(props(json!(5)))),
        (json!({"cast": "number"}), props(json!("1,5")), None),
        (json!({"cast": "number"}), props(json!("NaN")), None),
        (json!({"cast": "boolean"}), props(json!("TRUE")), Some(props(json!(true)))),
        (json!({"cast": "boolean"}), props(json!(0)), Some(props(json!(false)))),
        (json!({"cast": "boolean"}), props(json!("yes")), None),
        (json!({"lower": true}), props(json!("ÄB")), Some(props(json!("äb")))),
        (json!({"lower": true}), props(json!("äb")), None),
        (json!({"upper": true}), props(json!("aß")), Some(props(json!("Aß")))),
        (json!({"upper": true}), props(json!(1)), None),
        (json!({"trim": "#*"}), props(json!("#*a#b*")), Some(props(json!("a#b")))),
        (json!({"trim": "#"}), props(json!("# a #")), Some(props(json!("a")))),
        (json!({"trim": "#"}), props(json!("a#b")), None),
        (json!({"rename": "props.b"}), props(json!(1)), Some(json!({"props": {"b": 1}}))),
        (json!({"rename": "user_id"}), props(json!(1)), Some(json!({"props": {}, "user_id": "1"}))),
        (
            json!({"rename": "metadata.b.c"}),
            props(json!(1)),
            Some(json!({"props": {}, "metadata": {"b": {"c": 1}}})),
        ),
        (json!({"rename": "props.b"}), json!({"props": {"a": 1, "b": 2}}), None),
        (
            json!({"rename": "props.b"}),
            json!({"props": {"a": 1, "b": null}}),
            Some(json!({"props": {"b": 1}})),
        ),
        (json!({"rename": "props.b.c"}), json!({"props": {"a": 1, "b": 2}}), None),
        (json!({"drop": true}), props(json!({"b": 1})), Some(json!({"props": {}}))),
        (json!({"drop": true}), json!({"props": {"b": 1}}), None),
        (
            json!({"scale": 0.01, "to": "props.b"}),
            json!({"props": {"a": "19.90", "b": 3}}),
            Some(json!({"props": {"a": "19.90", "b": 0.199}})),
        ),
        (json!({"scale": 0.01, "to": "props.b"}), props(json!("19,90")), None),
        (json!({"scale": 0.01, "to": "props.b"}), json!({"props": {"a": 1, "b": 0.01}}), None),
    ] {
        let mut rule = rule;
        rule["field"] = json!("props.a");
        let (after, reported) = cleaned(json!([rule]), sent.clone());
        assert_eq!(after, expected.clone().unwrap_or(sent.clone()), "{rule} {sent}");
        assert_eq!(
            reported.iter().any(|(it, _)| it == "clean[0]"),
            expected.is_some(),
            "{rule} {sent}"
        );
    }
}

#[test]
fn rules_run_in_order_and_only_if_their_conditions_match() {
    let rules = json!([
        {"field": "name", "lower": true, "id": "small_names"},
        {"name": "page_*", "build": {"from": "1.4.0", "to": "1.4.9"}, "field": "props.price",
         "scale": 0.01, "to": "props.price_chf"},
        {"when": {"field": "metadata.tag", "is": ["tst", "test"]}, "field": "metadata.tag",
         "set": "testing"},
        {"platform": "android", "field": "props.os", "set": "android"},
        {"when": [{"field": "props.qty", "exists": true}, {"field": "url", "exists": false}],
         "field": "props.qty", "cast": "integer"},
    ]);
    let sent = json!({
        "name": "Page_View", "build": "1.4.3", "props": {"price": 1990, "qty": "2"},
        "metadata": {"tag": " tst"},
    });
    let (after, reported) = cleaned(rules.clone(), sent);
    assert_eq!(
        after,
        json!({
            "name": "page_view", "build": "1.4.3",
            "props": {"price": 1990, "price_chf": 19.9, "qty": 2}, "metadata": {"tag": "testing"},
        })
    );
    let reported: Vec<String> = reported.iter().map(|(rule, at)| format!("{rule} {at}")).collect();
    assert_eq!(
        reported,
        [
            "trim /metadata/tag",
            "small_names /name",
            "clean[1] /props/price_chf",
            "clean[2] /metadata/tag",
            "clean[4] /props/qty",
        ]
    );
    let unmoved = json!({"name": "order", "build": "1.5", "props": {"price": 1990}});
    assert_eq!(cleaned(rules, unmoved.clone()), (unmoved, Vec::new()));
}

#[test]
fn a_rule_that_a_built_in_repair_undoes_did_nothing() {
    let (after, reported) =
        cleaned(json!([{"field": "level", "upper": true}]), json!({"level": "low"}));
    assert_eq!((after, reported), (json!({"level": "low"}), Vec::new()));
}

#[test]
fn values_that_a_rule_reveals_are_repaired() {
    let rules = json!([{"field": "props.a", "lower": true}]);
    let (after, reported) = cleaned(rules, json!({"props": {"a": r"\X22HI\X22"}}));
    assert_eq!(after, json!({"props": {"a": "\"hi\""}}));
    assert_eq!(reported.len(), 2);
}

#[test]
fn originals_are_kept_on_request_except_dropped_values() {
    let cleaning = |originals| CleanConfig {
        originals,
        ..read(json!([
            {"field": "props.email", "drop": true},
            {"field": "props.b", "set": 2},
            {"field": "props.c", "rename": "props.d"},
        ]))
    };
    let sent = json!({"title": " t", "props": {"email": " a@b.example", "b": 1, "c": 3}});
    let reported = |originals| {
        let repairs = before(&mut object(sent.clone()), &cleaning(originals), None, &|_, _| {});
        serde_json::to_value(&repairs).unwrap()
    };
    assert_eq!(
        reported(Originals::Keep),
        json!([
            {"rule": "trim", "pointer": "/props/email"},
            {"rule": "trim", "pointer": "/title", "original": "\" t\""},
            {"rule": "clean[0]", "pointer": "/props/email"},
            {"rule": "clean[1]", "pointer": "/props/b", "original": "1"},
            {"rule": "clean[2]", "pointer": "/props/c"},
        ])
    );
    assert!(!reported(Originals::Forget).to_string().contains("original"));
}

#[test]
fn an_encoded_object_is_not_kept_if_a_part_was_dropped() {
    let rules = json!([{"field": "props.email", "drop": true}]);
    let cleaning = CleanConfig { originals: Originals::Keep, ..read(rules) };
    let mut fields = object(json!({"props": "{\"email\":\"a@b.example\"}"}));
    let repairs = before(&mut fields, &cleaning, None, &|_, _| {});
    assert_eq!(repairs.iter().count(), 2);
    assert!(!serde_json::to_string(&repairs).unwrap().contains("a@b"));
}

#[test]
fn fifty_repairs_are_listed_and_then_that_there_were_more() {
    for (count, listed, last) in [(50, 50, "trim"), (51, 50, "more"), (500, 50, "more")] {
        let mut fields = object(json!({"props": {"a": vec![" x"; count]}}));
        let repairs = before(&mut fields, &CleanConfig::default(), None, &|_, _| {});
        assert_eq!(repairs.iter().count(), listed);
        assert_eq!(repairs.iter().last().unwrap().rule, last);
    }
}

#[test]
fn the_later_stage_sees_an_events_props_and_metadata() {
    let cleaning = read(json!([
        {"stage": "after", "name": "order_*", "build": {"to": "2"}, "platform": "ios",
         "field": "props.total", "scale": 100, "to": "metadata.cents"},
        {"stage": "after", "field": "props.country", "lower": true},
    ]));
    assert_eq!((cleaning.before.len(), cleaning.after.len()), (0, 2));
    let fields =
        json!({"name": "order_sent", "build": "1.9", "props": {"total": 19.9, "country": "CH"}});
    let mut event = event(fields);
    let mut repairs = Repairs::new(Originals::Keep);
    after(&mut event, &cleaning, Some("ios"), &mut repairs);
    assert_eq!(Value::Object(event.props.unwrap()), json!({"total": 19.9, "country": "ch"}));
    assert_eq!(Value::Object(event.metadata.unwrap()), json!({"cents": 1990}));
    assert_eq!(
        serde_json::to_value(&repairs).unwrap(),
        json!([
            {"rule": "clean[0]", "pointer": "/metadata/cents"},
            {"rule": "clean[1]", "pointer": "/props/country", "original": "\"CH\""},
        ])
    );
}

fn event(fields: Value) -> Event {
    let mut ids = crate::model::event::EventIdGenerator::new(chrono::DateTime::UNIX_EPOCH, [0; 10]);
    let (envelope, unknown) = (Default::default(), Default::default());
    let mut repairs = Repairs::default();
    crate::pipeline::validate::event(object(fields), &envelope, unknown, &mut ids, &mut repairs)
        .unwrap()
}

fn a_text() -> impl Strategy<Value = Value> + Clone {
    prop::sample::select(vec![
        "a",
        "b",
        "x",
        "X",
        "Ab",
        "1",
        "12",
        "1.50",
        "1E2",
        "007",
        "true",
        "TRUE",
        "#x#",
        "x#",
        "1.4",
        "2.0",
        "high",
        "HIGH",
        "low",
        " x",
        "#\0",
        r"\x22",
        r"\X22x",
        r"\xC3",
        r"#\xC3\xBC",
        "{}",
        "",
        "https://A.example:443/#a",
        "HTTP://x #",
        "1795000000",
        "2026-11-18 12:06:40+01",
        "2026-11-17t23:59:60z",
        "Granted",
        "true",
        "1920.5 X 1080",
        "12x7",
        "ŉ",
        "İ",
        "ΑΣ",
    ])
    .prop_map(|text| json!(text))
}

fn a_scalar() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        4 => a_text(),
        1 => prop::sample::select(vec![json!(1), json!(0), json!(12), json!(1.5), json!(1795000000), json!(true), json!(false)]),
    ]
}

/// A value that a rule may write: its text needs no repair.
fn a_literal() -> impl Strategy<Value = Value> + Clone {
    a_scalar().prop_filter("clean", |value| {
        value.as_str().is_none_or(|text| text::cleaned(text).is_none())
    })
}

fn an_inner_path() -> impl Strategy<Value = Value> + Clone {
    prop::sample::select(vec![
        "props.p",
        "props.q",
        "props.r",
        "props.p.s",
        "metadata.t",
        "metadata.u",
    ])
    .prop_map(|path| json!(path))
}

fn a_path() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        3 => an_inner_path(),
        1 => prop::sample::select(vec![
            "name", "build", "level", "url", "title", "user_id", "seq", "time", "consent", "screen",
        ])
            .prop_map(|path| json!(path)),
    ]
}

fn an_action() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        a_literal().prop_map(|value| json!({"set": value})),
        (a_literal(), a_literal(), a_literal(), a_literal()).prop_map(|(a, to_a, b, to_b)| {
            json!({"map": {text_of(&a).unwrap(): to_a, text_of(&b).unwrap(): to_b}})
        }),
        prop::sample::select(vec!["string", "integer", "number", "boolean"])
            .prop_map(|kind| json!({"cast": kind})),
        Just(json!({"lower": true})),
        Just(json!({"upper": true})),
        prop::sample::select(vec!["#", "x", "X1", "a\"", "1", "\\"])
            .prop_map(|it| json!({"trim": it})),
        a_path().prop_map(|to| json!({"rename": to})),
        Just(json!({"drop": true})),
        (an_inner_path(), prop::sample::select(vec![json!(0.01), json!(10), json!(-1)]))
            .prop_map(|(to, by)| json!({"scale": by, "to": to})),
    ]
}

fn a_test() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        (a_path(), prop::collection::vec(a_literal(), 1..3))
            .prop_map(|(field, is)| json!({"field": field, "is": is})),
        (a_path(), any::<bool>())
            .prop_map(|(field, exists)| json!({"field": field, "exists": exists})),
    ]
}

fn a_condition() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        8 => Just(json!({})),
        2 => prop::sample::select(vec!["a", "b", "x", "a*", "*"]).prop_map(|name| json!({"name": name})),
        1 => prop::sample::select(vec![("1", "1.4"), ("1.5", "3"), ("0", "9")])
            .prop_map(|(from, to)| json!({"build": {"from": from, "to": to}})),
        1 => prop::sample::select(vec!["ios", "android"]).prop_map(|it| json!({"platform": it})),
        3 => a_test().prop_map(|test| json!({"when": test})),
        1 => (a_test(), a_test()).prop_map(|(a, b)| json!({"when": [a, b], "name": "a*"})),
    ]
}

fn a_rule() -> impl Strategy<Value = Value> + Clone {
    // Most rules use few fields, so that they interact.
    let field = prop_oneof![2 => Just(json!("props.p")), 3 => a_path()];
    (field, an_action(), a_condition()).prop_map(|(field, action, condition)| {
        let mut rule = object(condition);
        rule.extend(object(action));
        rule.insert("field".to_owned(), field);
        Value::Object(rule)
    })
}

/// Returns rules in a random order, without those that the configuration rejects in their place.
fn accepted(rules: Vec<Value>, stage: &str) -> (CleanConfig, usize) {
    let mut list: Vec<Value> = Vec::new();
    for mut rule in rules {
        rule["stage"] = json!(stage);
        list.push(rule);
        if parsed(Value::Array(list.clone())).is_err() {
            list.pop();
        }
    }
    let count = list.len();
    (read(Value::Array(list)), count)
}

fn a_member() -> impl Strategy<Value = Value> + Clone {
    prop_oneof![
        6 => a_scalar(),
        1 => Just(json!(null)),
        1 => a_scalar().prop_map(|value| json!({"s": value})),
        1 => prop::collection::vec(a_scalar(), 0..2).prop_map(|it| json!(it)),
    ]
}

/// An object, mostly with members that the rules use.
fn an_object(keys: [&'static str; 3]) -> impl Strategy<Value = Value> + Clone {
    let member = || prop::option::weighted(0.8, a_member());
    let known = (member(), member(), member()).prop_map(move |(a, b, c)| {
        let members = keys.into_iter().zip([a, b, c]);
        Value::Object(members.filter_map(|(key, member)| Some((key.to_owned(), member?))).collect())
    });
    prop_oneof![
        12 => known.clone(),
        1 => known.prop_map(|object| json!(object.to_string())),
        1 => a_scalar(),
    ]
}

fn a_beacon() -> impl Strategy<Value = Map<String, Value>> {
    let fields = prop::sample::select(vec![
        "build", "level", "url", "title", "user_id", "seq", "time", "consent", "screen",
    ]);
    (
        prop::sample::select(vec!["a", "b", "x", "X", " a"]),
        prop::collection::btree_map(fields, a_scalar(), 0..4),
        prop::option::weighted(0.9, an_object(["p", "q", "r"])),
        prop::option::weighted(0.9, an_object(["t", "u", "p"])),
    )
        .prop_map(|(name, fields, props, metadata)| {
            let mut beacon = object(json!(fields));
            beacon.insert("name".to_owned(), json!(name));
            props.map(|props| beacon.insert("props".to_owned(), props));
            metadata.map(|metadata| beacon.insert("metadata".to_owned(), metadata));
            beacon
        })
}

fn runner() -> TestRunner {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|it| it.parse().ok()).unwrap_or(500);
    TestRunner::new(Runs { cases, failure_persistence: None, ..Runs::default() })
}

#[test]
fn a_beacon_that_was_cleaned_needs_no_repair() {
    let (several, fired, runs) = (Cell::new(0), Cell::new(0), Cell::new(0));
    let rules = prop::collection::vec(a_rule(), 0..16);
    let law = |(rules, beacons): (Vec<Value>, Vec<Map<String, Value>>)| {
        let (cleaning, count) = accepted(rules, "before");
        several.set(several.get() + usize::from(count > 1));
        for sent in beacons {
            let mut once = sent.clone();
            let repairs = before(&mut once, &cleaning, Some("ios"), &coerce);
            let ours = repairs.iter().filter(|it| it.rule.starts_with("clean[")).count();
            fired.set(fired.get() + usize::from(ours > 1));
            runs.set(runs.get() + 1);
            let mut twice = once.clone();
            let again = before(&mut twice, &cleaning, Some("ios"), &coerce);
            prop_assert!(again.is_empty(), "{sent:?}\n{repairs:?}\n{once:?}\n{again:?}");
            prop_assert_eq!(&once, &twice);
        }
        Ok(())
    };
    runner().run(&(rules, prop::collection::vec(a_beacon(), 8)), law).unwrap();
    // Rules and beacons that do not interact would prove nothing.
    assert!(
        several.get() * 16 > runs.get() && fired.get() * 20 > runs.get(),
        "{} {} {}",
        several.get(),
        fired.get(),
        runs.get()
    );
}

#[test]
fn an_event_that_was_cleaned_needs_no_repair() {
    let rules = prop::collection::vec(a_rule(), 0..16);
    let objects = an_object(["p", "q", "r"])
        .prop_map(|props| if props.is_object() { props } else { json!({}) });
    let law = |(rules, props): (Vec<Value>, Vec<_>)| {
        let (cleaning, _) = accepted(rules, "after");
        for props in props {
            let mut event = event(json!({"name": "a", "build": "1.4", "props": props}));
            after(&mut event, &cleaning, Some("ios"), &mut Repairs::default());
            let once = event.clone();
            let mut again = Repairs::default();
            after(&mut event, &cleaning, Some("ios"), &mut again);
            prop_assert!(again.is_empty(), "{once:?}\n{again:?}");
            prop_assert_eq!(&once, &event);
        }
        Ok(())
    };
    runner().run(&(rules, prop::collection::vec(objects, 8)), law).unwrap();
}

#[test]
fn letters_that_became_small_once_stay_so() {
    for letter in '\0'..=char::MAX {
        let lower = letter.to_lowercase().to_string();
        assert_eq!(lower.to_lowercase(), lower, "{letter:?}");
    }
}
