//! The fields of a JSON object as they stand in its text, repeats included.
//!
//! A map would keep one value of a field that comes twice, and lose the other.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use crate::failed::{Code, Violation, shown};

/// Every field of an object, in the order of its text.
pub struct Fields<T>(Vec<(String, T)>);

impl<T> Fields<T> {
    /// The fields by name, when none comes twice.
    pub fn each_once(self) -> Result<BTreeMap<String, T>, Violation> {
        let mut fields = BTreeMap::new();
        for (field, value) in self.0 {
            if fields.contains_key(&field) {
                let message = format!("{} comes twice", shown(&field));
                return Err(Violation::of_field(Code::DuplicateField, &field, message));
            }
            fields.insert(field, value);
        }
        Ok(fields)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Fields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Object(PhantomData))
    }
}

struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Fields<T>;

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
