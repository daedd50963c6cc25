use proptest::prelude::*;
use serde_json::json;

use super::level_by_level::LevelByLevel;
use super::*;

fn read(text: &str) -> Result<(Value, Vec<String>), (JsonErrorKind, String, String)> {
    let mut reader = JsonReader::new(4, 10_000, usize::MAX);
    match reader.beacon(text) {
        Ok(object) => Ok((Value::Object(object), reader.reader_repairs)),
        Err(error) => Err((error.kind, error.pointer, error.message)),
    }
}

#[test]
fn a_duplicate_key_is_refused_at_any_depth() {
    for (text, pointer, key) in [
        (r#"{"a":1,"a":1}"#, "/a", "a"),
        (r#"{"props":{"price":1,"x":[{"b/c":1,"b\u002fc":2}]}}"#, "/props/x/0/b~1c", "b/c"),
        (r#"{"metadata":{"":1,"":2}}"#, "/metadata/", ""),
    ] {
        let expected =
            (JsonErrorKind::DuplicateKey, pointer.to_owned(), format!("{key} comes twice"));
        assert_eq!(read(text).unwrap_err(), expected, "{text}");
    }
}

#[test]
fn private_keys_of_serde_json_are_ordinary_data() {
    for text in [
        r#"{"a":{"$serde_json::private::Number":"19.90"}}"#,
        r#"{"a":{"$serde_json::private::RawValue":"{\"x\":1}"}}"#,
    ] {
        let (value, _) = read(text).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), text);
    }
    let hidden = r#"{"\u0024serde_json::private::Number":"1"}"#;
    assert_eq!(read(hidden).unwrap().0.as_object().unwrap().len(), 1);
}

#[test]
fn half_a_surrogate_pair_becomes_a_named_repair() {
    for (text, title) in [
        (r#"{"title":"cut \ud83d"}"#, "cut \u{fffd}"),
        (r#"{"title":"\ude00 cut"}"#, "\u{fffd} cut"),
        (r#"{"title":"\ud83d\ud83d\ude00ä"}"#, "\u{fffd}\u{1f600}ä"),
        (r#"{"title":"\ud83d\\u0041"}"#, "\u{fffd}\\u0041"),
    ] {
        let (value, reader_repairs) = read(text).unwrap();
        assert_eq!((value, reader_repairs), (json!({"title": title}), vec!["/title".to_owned()]));
    }
    assert_eq!(read(r#"{"props":{"x":["\ud83d"]}}"#).unwrap().1, ["/props/x/0"]);
    assert_eq!(read(r#"{"title":"\ud83d\ude00"}"#).unwrap().1, Vec::<String>::new());
}

#[test]
fn half_a_surrogate_pair_in_a_key_is_repaired() {
    for (text, value, pointer) in [
        (r#"{"cut \ud83d":1}"#, json!({"cut \u{fffd}": 1}), "/cut \u{fffd}"),
        (
            r#"{"props":[{"\ude00/":{"a":2}}]}"#,
            json!({"props": [{"\u{fffd}/": {"a": 2}}]}),
            "/props/0/\u{fffd}~1",
        ),
        (
            r#"{"a":{"\ud83d":1,"\ud83d\ud83d":2,"\ud83d\ude00":3}}"#,
            json!({"a": {"\u{fffd}": 1, "\u{fffd}\u{fffd}": 2, "\u{1f600}": 3}}),
            "/a/\u{fffd}",
        ),
    ] {
        let (read, reader_repairs) = read(text).unwrap();
        assert_eq!((read, reader_repairs.first().map(String::as_str)), (value, Some(pointer)));
    }
    for text in [r#"{"p":{"a\ud83d":1,"a\ud83e":2}}"#, r#"{"p":{"a\ud83d":1,"a\ufffd":2}}"#] {
        let (code, pointer, message) = read(text).unwrap_err();
        assert_eq!((code, pointer.as_str()), (JsonErrorKind::DuplicateKey, "/p/a\u{fffd}"));
        assert_eq!(message, "a\u{fffd} comes twice");
    }
    for text in ["{\"a\nb\":1}", r#"{"\x":1}"#, r#"{1:2}"#, r#"{"\ud83":1}"#] {
        assert_eq!(read(text).unwrap_err().0, JsonErrorKind::Syntax, "{text}");
    }
}

#[test]
fn depth_counts_objects_and_arrays_and_not_brackets_in_texts() {
    for (text, fits) in [
        (r#"{"a":[{"b":["]]]{{{["]}]}"#, true),
        (r#"{"a":[[[]]],"b":{"c":{"d":{}}}}"#, true),
        (r#"{"a":[{"b":[[]]}]}"#, false),
        (r#"{"a":[[[{}]]]}"#, false),
    ] {
        let refused = read(text).is_err_and(|(code, ..)| code == JsonErrorKind::TooDeep);
        assert_eq!(!refused, fits, "{text}");
    }
}

#[test]
fn a_number_that_no_reader_holds_is_refused() {
    for text in [r#"{"a":[1,1e999]}"#, &format!(r#"{{"a":[1,-{}]}}"#, "9".repeat(400))] {
        let message = "a number is past the range of a double".to_owned();
        assert_eq!(read(text), Err((JsonErrorKind::NumberOutOfRange, "/a/1".to_owned(), message)));
    }
    assert!(read(&format!(r#"{{"a":[1e308,1e-999,{}]}}"#, "9".repeat(300))).is_ok());
}

#[test]
fn cut_characters_are_listed_only_so_far() {
    let text = format!(r#"{{"a":[{}]}}"#, vec![r#""\ud83d""#; 5_000].join(","));
    assert_eq!(read(&text).unwrap().1.len(), JsonReader::MAX_READER_REPAIRS);
}

#[test]
fn numbers_keep_every_digit() {
    let text = r#"{"a":[0.10,1e+3,123456789012345678901234567890,-0,true,null]}"#;
    assert_eq!(serde_json::to_string(&read(text).unwrap().0).unwrap(), text);
}

/// Reads `text` level by level.
fn level_by_level(text: &str) -> Result<(Value, Vec<String>), (JsonErrorKind, String, String)> {
    let mut reader = LevelByLevel { max_depth: 4, reader_repairs: Vec::new() };
    match reader.beacon(text) {
        Ok(object) => Ok((Value::Object(object), reader.reader_repairs)),
        Err(error) => Err((error.kind, error.pointer, error.message)),
    }
}

#[test]
fn well_formed_input_is_read() {
    for text in [
        "{}",
        " {\t\"a\" :\r\n[ ] , \"b\":{ }} ",
        r#"{"a":[true,false,null,-0.10,1e+3,12345678901234567890123],"b":"é😀\"\\\/\ud83d\ude00"}"#,
        r#"{"a\u002fb":"","":"x"}"#,
        r#"{"$serde_json::private::Number":"1","a":{"$serde_json::private::RawValue":"1"}}"#,
    ] {
        assert!(read(text).is_ok(), "{text}");
        assert_eq!(read(text), level_by_level(text), "{text}");
    }
}

#[test]
fn malformed_input_is_refused_in_the_same_words() {
    for text in [
        "",
        " ",
        "1",
        "[]",
        "{",
        "{}{}",
        "{} x",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,}"#,
        r#"{"a":1 "b":2}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1 2]}"#,
        r#"{"a":01}"#,
        r#"{"a":-}"#,
        r#"{"a":1e}"#,
        r#"{"a":.5}"#,
        r#"{"a":+1}"#,
        r#"{"a":tru}"#,
        r#"{"a":truex}"#,
        r#"{"a":"\x"}"#,
        "{\"a\":\"\n\"}",
        r#"{"a":"\ud83d"}"#,
        r#"{"a":"b}"#,
        r#"{"a":"b\"}"#,
        r#"{"a":"b\"#,
        r#"{a:1}"#,
        r#"{"a":{"b":{"c":{"d":{}}}}}"#,
        "{\"a\":\u{a0}1}",
        r#"{"a":NaN}"#,
    ] {
        assert_eq!(read(text), level_by_level(text), "{text}");
    }
}

#[test]
fn a_syntax_error_comes_before_any_other() {
    for text in [
        r#"{"a":1,"a":2,"#,
        r#"{"a":[1e999],"b":tru}"#,
        r#"{"a":[[[[[0]]]]],"b":"\x"}"#,
        r#"{"a":1,"a":2} {}"#,
    ] {
        assert_eq!(read(text).unwrap_err().0, JsonErrorKind::Syntax, "{text}");
        assert_eq!(read(text), level_by_level(text), "{text}");
    }
}

#[test]
fn values_are_counted_at_any_depth() {
    let read = |text: &str, max| {
        let mut reader = JsonReader::new(4, max, usize::MAX);
        reader.beacon(text).map(|_| reader.values).map_err(|error| (error.kind, error.message))
    };
    for (text, values, objects) in [
        ("{}", 0, 0),
        (r#"{"a":[]}"#, 1, 1),
        (r#"{"a":[1,"\ud83d",{"b":null},{}],"c":{"d":true}}"#, 8, 3),
    ] {
        let values = values + 4 * objects;
        assert_eq!(read(text, values), Ok(values), "{text}");
        if let Some(less) = values.checked_sub(1) {
            let message = format!("beacon has more than {less} values");
            assert_eq!(read(text, less), Err((JsonErrorKind::TooManyValues, message)));
        }
    }
}

#[test]
fn long_pointers_are_listed_only_so_far() {
    let keys: Vec<String> = (0..20).map(|key| format!("{key}{}", "k".repeat(300))).collect();
    let members: Vec<String> =
        keys.iter().map(|key| format!(r#""{key}":["\ud83d","\ud83d"]"#)).collect();
    let pointers = read(&format!("{{{}}}", members.join(","))).unwrap().1;
    let bytes = |pointers: &[String]| pointers.iter().map(String::len).sum::<usize>();
    let (_, before) = pointers.split_last().unwrap();
    assert!(bytes(before) <= MAX_POINTER_BYTES && bytes(&pointers) > MAX_POINTER_BYTES);
}

proptest! {
    #[test]
    fn both_ways_read_the_same(
        text in r#"\{("[ab]"|:|,|\{|\}|\[|\]|"(a|\\|"|\\u00e9|\\ud83d|é|\x01)*"|[-+]?[0-9]{1,3}|1\.5e-?3|true|null| |\n){0,14}\}"#,
    ) {
        prop_assert_eq!(read(&text), level_by_level(&text));
    }

    #[test]
    fn both_ways_read_the_same_of_pairs(
        pairs in proptest::collection::vec(
            r#"[ \n]?"[a-d\\"é]{0,2}"[ ]?:[ ]?("([ -~é]|\\[nu"/bx])*"|-?[0-9]{1,3}(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?|\[\]|\{\}|\[(1,)?"x"\]|\{"a":\[\{\}\]\}|true|false|null|nul)"#,
            0..5,
        ),
    ) {
        let text = format!("{{{}}}", pairs.join(","));
        prop_assert_eq!(read(&text), level_by_level(&text));
    }

    #[test]
    fn both_ways_read_the_same_of_escapes(
        texts in proptest::collection::vec(
            r#"(\\u(d83d|D83D|de00|DE00|dbff|0041|00e9|ffff|00|d83)|\\[bfnrtx/"\\]|a|é|\.){0,5}"#, 1..4,
        ),
        numbers in proptest::collection::vec(r"-?[0-9]{1,22}(\.[0-9]{0,2})?([eE][-+]?[0-9]{0,3})?", 1..4),
    ) {
        let text = format!("{{\"a\":[\"{}\"],\"b\":[{}]}}", texts.join("\",\""), numbers.join(","));
        prop_assert_eq!(read(&text), level_by_level(&text));
    }

    #[test]
    fn both_ways_read_the_same_of_nested_objects(text in nested()) {
        prop_assert_eq!(read(&text), level_by_level(&text));
    }
}

/// An object up to five levels deep whose keys come twice now and then, with numbers, cut
/// characters and errors.
fn nested() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        8 => r#"[0-9]{1,2}|-?[1-9]\.[0-9]{1,3}|true|null|"[a-z]{0,3}""#,
        2 => Just(r#""\ud83d""#.to_owned()),
        1 => Just("1e999".to_owned()),
        1 => Just("01".to_owned()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            Just("a"),
            Just("b"),
            Just("c~/d"),
            Just("\\ud83d"),
            Just("\\u0061"),
            Just("e"),
        ];
        let member = (key, inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            proptest::collection::vec(member, 0..4)
                .prop_map(|members| format!("{{{}}}", members.join(", "))),
        ]
    });
    proptest::collection::vec(value, 0..3).prop_map(|values| {
        let members = values.iter().enumerate().map(|(key, it)| format!("\"{key}\": {it}"));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    })
}
