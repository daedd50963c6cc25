//! A value from the perspective of the rules, and the equality of values.
//!
//! JSON Schema compares values, not texts: `1`, `1.0` and `10e-1` are one number, and the order of
//! an object's members does not count.
//! Source: <https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.2>.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fmt;

use serde_json::{Map, Value};

use super::number::ExactNumber;
use super::rule::{Json, Types};

/// A borrowed JSON value. Making one of an object or a member's name costs nothing.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    Null,
    Bool(bool),
    /// A number, as sent.
    Number(&'a str),
    String(&'a str),
    Array(&'a [Value]),
    Object(&'a Map<String, Value>),
}

impl<'a> From<&'a Value> for View<'a> {
    fn from(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => Self::Number(number.as_str()),
            Value::String(text) => Self::String(text),
            Value::Array(items) => Self::Array(items),
            Value::Object(members) => Self::Object(members),
        }
    }
}

impl View<'_> {
    pub fn type_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Number(_) => "number",
            Self::String(_) => "string",
            Self::Array(_) => "array",
            Self::Object(_) => "object",
        }
    }

    /// Returns its type for the keyword `type`.
    pub fn types(self) -> Types {
        match self {
            Self::Null => Types::NULL,
            Self::Bool(_) => Types::BOOLEAN,
            // Most numbers have no point and no exponent.
            Self::Number(text)
                if text.bytes().all(|byte| !matches!(byte, b'.' | b'e' | b'E'))
                    || ExactNumber::read(text).is_integer() =>
            {
                Types::INTEGER
            }
            Self::Number(_) => Types::FRACTION,
            Self::String(_) => Types::STRING,
            Self::Array(_) => Types::ARRAY,
            Self::Object(_) => Types::OBJECT,
        }
    }

    /// Whether it equals the constant.
    pub fn is(self, constant: Json) -> bool {
        match (self, constant) {
            (Self::Null, Json::Null) => true,
            (Self::Bool(value), Json::Bool(wanted)) => value == wanted,
            (Self::Number(value), Json::Number(wanted)) => {
                ExactNumber::read(value) == ExactNumber::read(wanted)
            }
            (Self::String(value), Json::String(wanted)) => value == wanted,
            (Self::Array(items), Json::Array(wanted)) => {
                items.len() == wanted.len()
                    && items.iter().zip(wanted).all(|(item, wanted)| View::from(item).is(*wanted))
            }
            (Self::Object(members), Json::Object(wanted)) => {
                members.len() == wanted.len()
                    && wanted.iter().all(|(name, wanted)| {
                        members.get(*name).is_some_and(|value| View::from(value).is(*wanted))
                    })
            }
            _ => false,
        }
    }
}

/// Whether all `items` differ, in n log n steps, since the sender chooses their number. A heap,
/// because its code is a tenth of a sort's.
pub fn all_differ(items: &[Value]) -> bool {
    let mut heap: BinaryHeap<Ordered<'_>> = items.iter().map(Ordered).collect();
    let mut last = heap.pop();
    while let Some(next) = heap.pop() {
        if last.is_some_and(|last| last == next) {
            return false;
        }
        last = Some(next);
    }
    true
}

/// A value that compares by [`order`].
struct Ordered<'a>(&'a Value);

impl Ord for Ordered<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order(self.0, other.0)
    }
}

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ordered<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered<'_> {}

/// Compares by some total order in which only the same values are equal.
fn order(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => {
            ExactNumber::read(left.as_str()).cmp(&ExactNumber::read(right.as_str()))
        }
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => left.len().cmp(&right.len()).then_with(|| {
            first_difference(left.iter().zip(right).map(|(left, right)| order(left, right)))
        }),
        // A map of serde_json is sorted by name.
        (Value::Object(left), Value::Object(right)) => {
            left.len().cmp(&right.len()).then_with(|| {
                first_difference(
                    left.iter().zip(right).map(|(left, right)| {
                        left.0.cmp(right.0).then_with(|| order(left.1, right.1))
                    }),
                )
            })
        }
        _ => View::from(left).type_name().cmp(View::from(right).type_name()),
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Ordering {
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}

impl fmt::Display for Json {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(value) => write!(formatter, "{value}"),
            Self::Number(text) => formatter.write_str(text),
            Self::String(text) => write!(formatter, "{text:?}"),
            Self::Array(_) => formatter.write_str("[…]"),
            Self::Object(_) => formatter.write_str("{…}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_that_are_the_same_value_do_not_differ() {
        for (items, differ) in [
            ("[]", true),
            ("[1, 1.0]", false),
            ("[1, true, \"1\", [1], null]", true),
            ("[0, false, 3, -0.0]", false),
            ("[{\"a\": 1, \"b\": [2]}, {\"b\": [2.0], \"a\": 1}]", false),
            ("[{\"a\": 1}, {\"b\": 1}, {\"a\": 2}, [1, 2], [2, 1], [1]]", true),
            ("[9007199254740992, 9007199254740993]", true),
            ("[1e400, 10e399]", false),
        ] {
            let items: Vec<Value> = serde_json::from_str(items).unwrap();
            assert_eq!(all_differ(&items), differ, "{items:?}");
        }
    }

    #[test]
    fn a_hundred_thousand_items_are_compared_in_linear_time() {
        let items: Vec<Value> = (0..100_000).map(|n| json!(n)).collect();
        assert!(all_differ(&items));
    }
}
