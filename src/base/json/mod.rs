//! Reads JSON without loss: it keeps every digit of a number and rejects duplicate keys. A text
//! that was cut inside a character is repaired.
//!
//! The first byte of each value decides its type. So no text can pass for one of serde_json's
//! private representations of numbers and raw values. Depth and the number of values are checked
//! before each descent.
//!
//! A text is read once, whatever is in it. Only a text with an error is read a second time, for
//! serde_json's message.

pub mod body_shape;
mod cursor;
pub mod scan;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::base::text::{escape_json_pointer, truncate_for_display};
use cursor::{Cursor, Quoted, is_plain};

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
    TooManyValues,
    DuplicateKey,
    /// A number exceeds the range of a double.
    NumberOutOfRange,
}

/// Reads one text.
pub struct JsonReader {
    /// Levels of objects and arrays, the beacon itself included.
    max_depth: usize,
    max_values: usize,
    /// The values that were read: the members of objects and the items of arrays, at any depth. An
    /// object with members counts as five.
    pub values: usize,
    /// Pointers to the first texts and keys with a lone surrogate, which is now U+FFFD. There are
    /// at most [`Self::MAX_READER_REPAIRS`], and those after [`MAX_POINTER_BYTES`] are left out.
    pub reader_repairs: Vec<String>,
    /// The bytes of these pointers.
    pointer_bytes: usize,
}

/// The most bytes of the pointers that are kept for one beacon; the next one shows that there were
/// more. A deep beacon has long pointers, and small values of which each could need one.
pub const MAX_POINTER_BYTES: usize = 4_096;

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

/// Why the reader stops.
enum Stop {
    /// The text is not JSON.
    Syntax,
    Error(Box<JsonError>),
}

impl JsonReader {
    /// An object with members counts as so many values more: the memory of even one member is that
    /// of a node with room for eleven.
    const VALUES_OF_OBJECT: usize = 4;

    /// One more than is ever listed, so that the list can show that there were more.
    const MAX_READER_REPAIRS: usize = 51;

    pub const fn new(max_depth: usize, max_values: usize) -> Self {
        let reader_repairs = Vec::new();
        Self { max_depth, max_values, values: 0, reader_repairs, pointer_bytes: 0 }
    }

    /// Reads the text of an object.
    pub fn beacon(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        self.whole(text).map_err(|stop| match (check_syntax(text), stop) {
            // Anything else that is wrong counts only in a text that is JSON.
            (Err(error), _) => not_json(error),
            (Ok(()), Stop::Error(error)) => *error,
            (Ok(()), Stop::Syntax) => JsonError {
                kind: JsonErrorKind::Syntax,
                pointer: String::new(),
                message: "beacon is not JSON".to_owned(),
            },
        })
    }

    fn whole(&mut self, text: &str) -> Result<Map<String, Value>, Stop> {
        let cursor = &mut Cursor::new(text);
        let object = match cursor.peek() {
            Some(b'{') => self.object(cursor, JsonPlace { depth: 1, step: None })?,
            _ => return Err(Stop::Syntax),
        };
        match cursor.peek() {
            None => Ok(object),
            Some(_) => Err(Stop::Syntax),
        }
    }

    fn object(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: JsonPlace<'_>,
    ) -> Result<Map<String, Value>, Stop> {
        self.check_depth(place)?;
        let mut object = Map::new();
        cursor.step();
        if cursor.takes(b'}') {
            return Ok(object);
        }
        self.values = self.values.saturating_add(Self::VALUES_OF_OBJECT);
        loop {
            let Some(b'"') = cursor.peek() else { return Err(Stop::Syntax) };
            let (key, is_repaired) = string(cursor)?;
            if !cursor.takes(b':') {
                return Err(Stop::Syntax);
            }
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    let inner = place.inner(PointerStep::Key(entry.key()));
                    self.note_if(is_repaired, inner);
                    let value = self.value(cursor, inner)?;
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let inner = place.inner(PointerStep::Key(entry.key()));
                    // What is wrong in the value comes first in the text.
                    self.value(cursor, inner)?;
                    return Err(Stop::Error(Box::new(comes_twice(entry.key(), inner.pointer()))));
                }
            }
            if !cursor.takes(b',') {
                return if cursor.takes(b'}') { Ok(object) } else { Err(Stop::Syntax) };
            }
        }
    }

    fn array(&mut self, cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Vec<Value>, Stop> {
        self.check_depth(place)?;
        let mut items = Vec::new();
        cursor.step();
        if cursor.takes(b']') {
            return Ok(items);
        }
        loop {
            items.push(self.value(cursor, place.inner(PointerStep::Index(items.len())))?);
            if !cursor.takes(b',') {
                return if cursor.takes(b']') { Ok(items) } else { Err(Stop::Syntax) };
            }
        }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Value, Stop> {
        let first = cursor.peek().ok_or(Stop::Syntax)?;
        if self.values >= self.max_values {
            return Err(Stop::Error(Box::new(too_many_values(self.max_values))));
        }
        self.values = self.values.saturating_add(1);
        let word = |word: Option<()>, value| word.map(|()| value).ok_or(Stop::Syntax);
        match first {
            b'"' => {
                let (text, is_repaired) = string(cursor)?;
                self.note_if(is_repaired, place);
                Ok(Value::String(text))
            }
            b'{' => self.object(cursor, place).map(Value::Object),
            b'[' => self.array(cursor, place).map(Value::Array),
            b't' => word(cursor.word("true"), Value::Bool(true)),
            b'f' => word(cursor.word("false"), Value::Bool(false)),
            b'n' => word(cursor.word("null"), Value::Null),
            _ => number(cursor, place),
        }
    }

    /// Notes that the text or the key at `place` was repaired.
    fn note_if(&mut self, is_repaired: bool, place: JsonPlace<'_>) {
        if is_repaired
            && self.reader_repairs.len() < Self::MAX_READER_REPAIRS
            && self.pointer_bytes <= MAX_POINTER_BYTES
        {
            let pointer = place.pointer();
            // A key and its value share one pointer, which is listed once.
            if self.reader_repairs.last() != Some(&pointer) {
                self.pointer_bytes = self.pointer_bytes.saturating_add(pointer.len());
                self.reader_repairs.push(pointer);
            }
        }
    }

    fn check_depth(&self, place: JsonPlace<'_>) -> Result<(), Stop> {
        if place.depth <= self.max_depth {
            return Ok(());
        }
        let message = format!("beacon is nested deeper than {} levels", self.max_depth);
        let (kind, pointer) = (JsonErrorKind::TooDeep, String::new());
        Err(Stop::Error(Box::new(JsonError { kind, pointer, message })))
    }
}

/// Reads a string, with U+FFFD for each lone surrogate. Returns whether there was one.
fn string(cursor: &mut Cursor<'_>) -> Result<(String, bool), Stop> {
    let quoted = match cursor.quoted().ok_or(Stop::Syntax)? {
        Quoted::Plain(content) => return Ok((content.to_owned(), false)),
        Quoted::Escaped(quoted) => quoted,
    };
    if let Ok(whole) = serde_json::from_str(quoted) {
        return Ok((whole, false));
    }
    let Wtf8(bytes) = serde_json::from_str(quoted).map_err(|_| Stop::Syntax)?;
    Ok((without_lone_surrogates(bytes), true))
}

fn number(cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Value, Stop> {
    let digits = cursor.digits().ok_or(Stop::Syntax)?;
    if is_plain(digits) {
        return digits.parse::<u64>().map(Value::from).map_err(|_| Stop::Syntax);
    }
    let number = serde_json::from_str(digits).map_err(|_| Stop::Syntax)?;
    match is_finite(&number) {
        true => Ok(Value::Number(number)),
        false => Err(Stop::Error(Box::new(too_large(place.pointer())))),
    }
}

/// Returns serde_json's error if `text` is not one object in JSON. Keeps nothing of it.
pub fn check_syntax(text: &str) -> Result<(), serde_json::Error> {
    struct SyntaxCheck;

    impl<'de> Deserialize<'de> for SyntaxCheck {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Self)
        }
    }

    impl<'de> Visitor<'de> for SyntaxCheck {
        type Value = Self;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            while map.next_entry::<&RawValue, &RawValue>()?.is_some() {}
            Ok(self)
        }
    }

    serde_json::from_str(text).map(|SyntaxCheck| ())
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

fn too_many_values(max: usize) -> JsonError {
    let message = format!("beacon has more than {max} values");
    JsonError { kind: JsonErrorKind::TooManyValues, pointer: String::new(), message }
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

/// Every field of an object in the order of its text, duplicates included. An object of more than
/// [`Self::MAX`] fields is an error, since each costs more memory than its text.
#[derive(Default)]
pub struct JsonFields<'a>(Vec<(Key, &'a RawValue)>);

/// The key of a member, with U+FFFD for each lone surrogate.
#[derive(Debug)]
struct Key(String);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The raw text is valid JSON, so only a lone surrogate can still be wrong.
        let text = <&RawValue>::deserialize(deserializer)?.get();
        if let Ok(name) = serde_json::from_str(text) {
            return Ok(Self(name));
        }
        let Wtf8(bytes) = serde_json::from_str(text).map_err(D::Error::custom)?;
        Ok(Self(without_lone_surrogates(bytes)))
    }
}

impl<'a> JsonFields<'a> {
    /// More than a record has columns.
    const MAX: usize = 1_000;

    /// Returns the first field named `name`.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(field, _)| field.0 == name).map(|(_, raw)| *raw)
    }

    /// Returns the fields, or an error if a key is duplicate.
    pub fn reject_duplicates(self) -> Result<Vec<(String, &'a RawValue)>, JsonError> {
        let mut names: Vec<&str> = self.0.iter().map(|(key, _)| key.0.as_str()).collect();
        names.sort_unstable();
        match names.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
        {
            Some(Some(name)) => Err(comes_twice(name, escape_json_pointer(name))),
            _ => Ok(self.0.into_iter().map(|(key, raw)| (key.0, raw)).collect()),
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
                    if fields.len() >= JsonFields::MAX {
                        let sentence = format_args!("more than {} fields", JsonFields::MAX);
                        return Err(A::Error::custom(sentence));
                    }
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
mod level_by_level;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<(Value, Vec<String>), (JsonErrorKind, String, String)> {
        let mut reader = JsonReader::new(4, 10_000);
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

    /// Reads `text` level by level.
    fn level_by_level(text: &str) -> Result<(Value, Vec<String>), (JsonErrorKind, String, String)> {
        let mut reader = level_by_level::LevelByLevel { max_depth: 4, reader_repairs: Vec::new() };
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
            let mut reader = JsonReader::new(4, max);
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
}
