//! Reads the fields of an object, and leaves their values as they are written.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::error::{JsonError, comes_twice};
use super::strings::unescaped;
use crate::base::text::escape_json_pointer;

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
        let content = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
        let name = unescaped(content).map(|(name, _)| Self(name));
        name.ok_or_else(|| D::Error::custom("a key is no text"))
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
