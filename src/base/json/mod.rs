//! Reads JSON without loss: it keeps every digit of a number and rejects duplicate keys. A text
//! that was cut inside a character is repaired.
//!
//! The first byte of each value decides its type. So no text can pass for one of serde_json's
//! private representations of numbers and raw values. Depth is checked before each descent.
//! Well-formed input takes the [`fast_path`], with the same result.

pub mod fast_path;
pub mod scan;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::base::text::{escape_json_pointer, truncate_for_display};

/// Why a text is rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    pub kind: JsonErrorKind,
    /// JSON Pointer (RFC 6901) to the place; empty for the whole text.
    pub pointer: String,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    Syntax,
    TooDeep,
    DuplicateKey,
    /// A number exceeds the range of a double.
    NumberOutOfRange,
}

pub struct JsonReader {
    /// Levels of objects and arrays, the beacon itself included.
    pub max_depth: usize,
    /// Pointers to the first [`Self::MAX_READER_REPAIRS`] texts and keys with a lone surrogate, which is
    /// now U+FFFD.
    pub reader_repairs: Vec<String>,
}

/// The place of a value; its pointer is built only if it is needed.
#[derive(Clone, Copy)]
struct JsonPlace<'a> {
    depth: usize,
    step: Option<(&'a JsonPlace<'a>, PointerStep<'a>)>,
}

#[derive(Clone, Copy)]
enum PointerStep<'a> {
    Key(&'a str),
    Index(usize),
}

impl JsonReader {
    /// One more than is ever listed, so that the list can show that there were more.
    const MAX_READER_REPAIRS: usize = 51;

    /// Reads the text of an object.
    pub fn beacon(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        match fast_path::object(text, self.max_depth) {
            Some(object) => Ok(object),
            None => self.by_parts(text),
        }
    }

    fn by_parts(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        self.object(text, JsonPlace { depth: 1, step: None })
    }

    fn object(
        &mut self,
        text: &str,
        place: JsonPlace<'_>,
    ) -> Result<Map<String, Value>, JsonError> {
        self.check(place)?;
        let JsonFields(fields) = serde_json::from_str(text).map_err(not_json)?;
        let mut object = Map::new();
        for (key, raw) in fields {
            let Key { name: key, is_repaired } = key;
            let inner = place.inner(PointerStep::Key(&key));
            if is_repaired {
                self.note(inner);
            }
            let value = self.value(raw, inner)?;
            if object.contains_key(&key) {
                return Err(comes_twice(&key, inner.pointer()));
            }
            object.insert(key, value);
        }
        Ok(object)
    }

    fn array(&mut self, text: &str, place: JsonPlace<'_>) -> Result<Value, JsonError> {
        self.check(place)?;
        let items: Vec<&RawValue> = serde_json::from_str(text).map_err(not_json)?;
        let values = items.into_iter().enumerate();
        let values =
            values.map(|(index, raw)| self.value(raw, place.inner(PointerStep::Index(index))));
        values.collect::<Result<_, _>>().map(Value::Array)
    }

    fn value(&mut self, raw: &RawValue, place: JsonPlace<'_>) -> Result<Value, JsonError> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'{') => self.object(text, place).map(Value::Object),
            Some(b'[') => self.array(text, place),
            Some(b'"') => self.text(text, place),
            Some(b't' | b'f') => serde_json::from_str(text).map(Value::Bool).map_err(not_json),
            Some(b'n') => Ok(Value::Null),
            _ => {
                let number = serde_json::from_str(text).map_err(not_json)?;
                match is_finite(&number) {
                    true => Ok(Value::Number(number)),
                    false => Err(too_large(place.pointer())),
                }
            }
        }
    }

    fn text(&mut self, text: &str, place: JsonPlace<'_>) -> Result<Value, JsonError> {
        if let Ok(whole) = serde_json::from_str(text) {
            return Ok(Value::String(whole));
        }
        let Wtf8(bytes) = serde_json::from_str(text).map_err(not_json)?;
        self.note(place);
        Ok(Value::String(without_lone_surrogates(bytes)))
    }

    /// Notes that the text or the key at `place` was repaired.
    fn note(&mut self, place: JsonPlace<'_>) {
        if self.reader_repairs.len() < Self::MAX_READER_REPAIRS {
            let pointer = place.pointer();
            // A key and its value share one pointer, which is listed once.
            if self.reader_repairs.last() != Some(&pointer) {
                self.reader_repairs.push(pointer);
            }
        }
    }

    fn check(&self, place: JsonPlace<'_>) -> Result<(), JsonError> {
        if place.depth <= self.max_depth {
            return Ok(());
        }
        let message = format!("beacon is nested deeper than {} levels", self.max_depth);
        Err(JsonError { kind: JsonErrorKind::TooDeep, pointer: String::new(), message })
    }
}

impl<'a> JsonPlace<'a> {
    fn inner(&'a self, step: PointerStep<'a>) -> JsonPlace<'a> {
        JsonPlace { depth: self.depth.saturating_add(1), step: Some((self, step)) }
    }

    fn pointer(self) -> String {
        let Some((outer, step)) = self.step else {
            return String::new();
        };
        let outer = outer.pointer();
        match step {
            PointerStep::Key(key) => outer + &escape_json_pointer(key),
            PointerStep::Index(index) => format!("{outer}/{index}"),
        }
    }
}

/// Whether `number` is within the range of a double, unlike 1e999.
pub fn is_finite(number: &Number) -> bool {
    // Only an exponent or hundreds of digits can exceed the range.
    let digits = number.as_str();
    let could_be_past = digits.len() > 300 || digits.contains(['e', 'E']);
    !could_be_past || number.as_f64().is_some_and(f64::is_finite)
}

fn too_large(pointer: String) -> JsonError {
    let message = "a number is past the range of a double".to_owned();
    JsonError { kind: JsonErrorKind::NumberOutOfRange, pointer, message }
}

fn comes_twice(key: &str, pointer: String) -> JsonError {
    let message = format!("{} comes twice", truncate_for_display(key));
    JsonError { kind: JsonErrorKind::DuplicateKey, pointer, message }
}

fn not_json(error: serde_json::Error) -> JsonError {
    JsonError {
        kind: JsonErrorKind::Syntax,
        pointer: String::new(),
        message: format!("beacon is not JSON: {error}"),
    }
}

/// Replaces each lone surrogate, three bytes in WTF-8, by U+FFFD. A script that cuts a text inside
/// a character leaves one.
fn without_lone_surrogates(bytes: Vec<u8>) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Only the first of the three bytes counts: each makes a chunk of its own.
        if chunk.invalid().first() == Some(&0xed) {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

/// Every field of an object in the order of its text, duplicates included.
#[derive(Default)]
pub struct JsonFields<'a>(Vec<(Key, &'a RawValue)>);

/// The key of a member, with U+FFFD for each lone surrogate.
#[derive(Debug)]
pub struct Key {
    name: String,
    is_repaired: bool,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text is valid JSON, so only a lone surrogate can still be wrong.
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if let Ok(name) = serde_json::from_str(text) {
            return Ok(Self { name, is_repaired: false });
        }
        let Wtf8(bytes) = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Self { name: without_lone_surrogates(bytes), is_repaired: true })
    }
}

impl<'a> JsonFields<'a> {
    /// Returns the first field named `name`.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(field, _)| field.name == name).map(|(_, raw)| *raw)
    }

    /// Returns the fields, or an error if a key is duplicate.
    pub fn reject_duplicates(self) -> Result<Vec<(String, &'a RawValue)>, JsonError> {
        let mut names: Vec<&str> = self.0.iter().map(|(key, _)| key.name.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
        {
            Some(Some(name)) => Err(comes_twice(name, escape_json_pointer(name))),
            _ => Ok(self.0.into_iter().map(|(key, raw)| (key.name, raw)).collect()),
        }
    }
}

impl<'de> Deserialize<'de> for JsonFields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = JsonFields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(JsonFields(fields))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// The bytes of a JSON text, in which escapes may be lone surrogates.
struct Wtf8(Vec<u8>);

impl<'de> Deserialize<'de> for Wtf8 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Wtf8;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
                Ok(Wtf8(bytes.to_vec()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Returns the JSON type of `value`, with its article.
pub fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The largest integer that JavaScript represents exactly, like all those below it.
pub const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<(Value, Vec<String>), (JsonErrorKind, String, String)> {
        let mut reader = JsonReader { max_depth: 4, reader_repairs: Vec::new() };
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
            assert_eq!(
                (value, reader_repairs),
                (json!({"title": title}), vec!["/title".to_owned()])
            );
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
            assert_eq!(
                read(text),
                Err((JsonErrorKind::NumberOutOfRange, "/a/1".to_owned(), message))
            );
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
}
