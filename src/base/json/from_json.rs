//! Reads structs from JSON that this crate has written. What serde derives is compiled for each struct,
//! at some 5 kB of Wasm, and is for what runs often.

use serde_json::value::RawValue;

use super::JsonFields;

/// What can be read from a JSON value; `None` if it can't.
pub trait FromJson: Sized {
    fn from_json(json: &RawValue) -> Option<Self>;

    /// Returns the value of a field that is absent.
    fn absent() -> Option<Self> {
        None
    }
}

/// Reads a JSON text.
pub fn read<T: FromJson>(text: &str) -> Option<T> {
    T::from_json(raw(text)?)
}

/// Reads the fields of an object.
pub fn fields(json: &RawValue) -> Option<JsonFields<'_>> {
    serde_json::from_str(json.get()).ok()
}

/// Reads the field `name`.
pub fn field<T: FromJson>(fields: &JsonFields<'_>, name: &str) -> Option<T> {
    match fields.get(name) {
        Some(json) => T::from_json(json),
        None => T::absent(),
    }
}

#[inline(never)]
fn raw(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}

/// Implements [`FromJson`]: for a struct by the names of its fields, those after `or_default` with their
/// default if they are absent, and those after `without` in any case; for other types as serde
/// does.
macro_rules! from_json {
    ($type:ident { $($field:ident),+ } $(or_default { $($or_default:ident),+ })? $(without { $($left_out:ident),+ })?) => {
        impl $crate::base::json::from_json::FromJson for $type {
            fn from_json(json: &serde_json::value::RawValue) -> Option<Self> {
                let fields = $crate::base::json::from_json::fields(json)?;
                Some(Self {
                    $($field: $crate::base::json::from_json::field(&fields, stringify!($field))?,)+
                    $($($or_default: $crate::base::json::from_json::field::<Option<_>>(
                        &fields,
                        stringify!($or_default),
                    )?
                    .unwrap_or_default(),)+)?
                    $($($left_out: Default::default(),)+)?
                })
            }
        }
    };
    ($($type:ty),+) => {
        $(impl $crate::base::json::from_json::FromJson for $type {
            fn from_json(json: &serde_json::value::RawValue) -> Option<Self> {
                serde_json::from_str(json.get()).ok()
            }
        })+
    };
}

pub(crate) use from_json;

from_json!(u8, u32, u64, usize, String, Box<RawValue>);

/// An absent one is false.
impl FromJson for bool {
    fn from_json(json: &RawValue) -> Option<Self> {
        json.get().parse().ok()
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

impl<T: FromJson> FromJson for Option<T> {
    fn from_json(json: &RawValue) -> Option<Self> {
        match json.get() {
            "null" => Some(None),
            _ => T::from_json(json).map(Some),
        }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(json: &RawValue) -> Option<Self> {
        let items: Vec<&RawValue> = serde_json::from_str(json.get()).ok()?;
        items.into_iter().map(T::from_json).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Page {
        number: u32,
        title: Option<String>,
        tags: Vec<String>,
        is_open: bool,
        seen: u64,
    }

    from_json!(Page { number, title, tags, is_open } without { seen });

    #[test]
    fn a_struct_has_its_fields_or_is_not_read() {
        let page = |title: Option<&str>, is_open| Page {
            number: 7,
            title: title.map(str::to_owned),
            tags: vec!["a".to_owned()],
            is_open,
            seen: 0,
        };
        for (text, expected) in [
            (r#"{"number": 7, "tags": ["a"]}"#, Some(page(None, false))),
            (r#"{"number": 7, "tags": ["a"], "title": null, "more": {}}"#, Some(page(None, false))),
            (
                r#" {"is_open": true, "title": "t", "tags": ["a"], "number": 7}"#,
                Some(page(Some("t"), true)),
            ),
            (r#"{"number": 7}"#, None),
            (r#"{"number": -7, "tags": ["a"]}"#, None),
            (r#"{"number": 7, "tags": ["a", 1]}"#, None),
            (r#"{"number": 7, "tags": ["a"], "is_open": 1}"#, None),
            ("[7, null, [\"a\"]]", None),
            ("{", None),
        ] {
            assert_eq!(read::<Page>(text), expected, "{text}");
        }
    }
}
