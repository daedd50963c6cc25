//! Reads JSON level by level, each text anew, as serde_json does it: slow, but with no cursor of
//! our own. The properties compare [`JsonReader`](super::JsonReader) with it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::error::{JsonError, JsonErrorKind, comes_twice, not_json, too_large};
use super::place::{JsonPlace, PointerStep};
use super::reader::{JsonReader, is_finite};

/// What the text of an object reads as, and the pointers of its repairs.
pub struct LevelByLevel {
    pub max_depth: usize,
    pub reader_repairs: Vec<String>,
}

impl LevelByLevel {
    pub fn beacon(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        self.object(text, JsonPlace { depth: 1, step: None })
    }

    fn object(
        &mut self,
        text: &str,
        place: JsonPlace<'_>,
    ) -> Result<Map<String, Value>, JsonError> {
        self.check(place)?;
        let Fields(fields) = serde_json::from_str(text).map_err(not_json)?;
        let mut object = Map::new();
        for (key, raw) in fields {
            let (key, is_repaired) = match serde_json::from_str(key.get()) {
                Ok(key) => (key, false),
                Err(_) => {
                    let Wtf8(bytes) = serde_json::from_str(key.get()).map_err(not_json)?;
                    (without_lone_surrogates(bytes), true)
                }
            };
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

    fn note(&mut self, place: JsonPlace<'_>) {
        if self.reader_repairs.len() < JsonReader::MAX_READER_REPAIRS {
            let pointer = place.pointer();
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

/// The texts of the keys and values of an object.
struct Fields<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct LevelVisitor;
        impl<'de> Visitor<'de> for LevelVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(LevelVisitor)
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
