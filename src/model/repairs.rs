//! Repairs: the changes to a beacon, and their places.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::base::json::MAX_POINTER_BYTES;

/// Returns the JSON Pointer (RFC 6901) of a repaired place. A beacon can need many thousand repairs,
/// of which few are listed, so a pointer is built only if it is.
pub type LazyPointer<'a> = &'a dyn Fn() -> String;

/// Whether repairs keep the original values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Originals {
    #[default]
    Forget,
    /// They do, except values that a rule dropped.
    Keep,
}

/// One change to a beacon or an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repair {
    /// A built-in repair's name, or a declared rule's id.
    pub rule: Cow<'static, str>,
    /// JSON Pointer (RFC 6901) into the beacon, to the repaired place.
    pub pointer: String,
    /// How many characters a text had before it was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// The original value, if originals are kept; written as its JSON text, so that the column has
    /// one type.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub original: Option<Value>,
}

fn as_text<S: Serializer>(original: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(original.as_ref().unwrap_or(&Value::Null))
}

/// The repairs of one event in their order, at most [`Repairs::MAX`] with pointers of at most
/// [`MAX_POINTER_BYTES`].
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Repairs {
    list: Vec<Repair>,
    /// The bytes of the pointers, that of the first repair that did not fit included.
    #[serde(skip)]
    pointer_bytes: usize,
    #[serde(skip)]
    originals: Originals,
}

impl Repairs {
    /// The most repairs that are listed for one event.
    pub const MAX: usize = 50;
    /// The name of the last repair in the list if there were more.
    pub const MORE: &str = "more";
    /// The name of the repair that cuts a text.
    pub const TOO_LONG: &str = "too_long";

    pub fn new(originals: Originals) -> Self {
        Self { originals, ..Self::default() }
    }

    pub fn originals(&self) -> Originals {
        self.originals
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Repair> {
        self.list.iter()
    }

    /// Removes the original values.
    #[must_use]
    pub fn without_originals(mut self) -> Self {
        self.list.iter_mut().for_each(|repair| repair.original = None);
        self
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Notes a privacy repair at `pointer`, and forgets the originals of that place in all repairs.
    pub fn note(&mut self, rule: &'static str, pointer: LazyPointer<'_>) {
        let keeps = self.originals == Originals::Keep;
        if keeps && self.list.iter().any(|repair| repair.original.is_some()) {
            self.forget_at(&pointer());
        }
        self.add(rule, pointer, None);
    }

    /// Notes a repair at `pointer`.
    pub fn add(
        &mut self,
        rule: impl Into<Cow<'static, str>>,
        pointer: impl FnOnce() -> String,
        original: Option<Value>,
    ) {
        let repair = || Repair { rule: rule.into(), pointer: pointer(), length: None, original };
        self.push(repair);
    }

    /// Notes that the text at `pointer`, which had `length` characters, was cut.
    pub fn cut(&mut self, pointer: impl FnOnce() -> String, length: usize, original: Value) {
        self.push(|| Repair {
            rule: Self::TOO_LONG.into(),
            pointer: pointer(),
            length: Some(length),
            original: Some(original),
        });
    }

    fn push(&mut self, repair: impl FnOnce() -> Repair) {
        if self.pointer_bytes > MAX_POINTER_BYTES {
            // The last repair says already that there were more.
            return;
        }
        let more = || Repair {
            rule: Self::MORE.into(),
            pointer: String::new(),
            length: None,
            original: None,
        };
        if self.list.len() < Self::MAX {
            let mut repair = repair();
            self.pointer_bytes = self.pointer_bytes.saturating_add(repair.pointer.len());
            repair.original = repair.original.filter(|_| self.originals == Originals::Keep);
            let fits = self.pointer_bytes <= MAX_POINTER_BYTES;
            self.list.push(if fits { repair } else { more() });
        } else if let Some(last) = self.list.last_mut() {
            *last = more();
        }
    }

    /// Forgets each original that `matches` matches, with all other originals of its place.
    pub fn forget_where(&mut self, matches: impl Fn(&Value) -> bool) {
        let to_go = |repair: &&Repair| repair.original.as_ref().is_some_and(&matches);
        let places: Vec<String> =
            self.list.iter().filter(to_go).map(|repair| repair.pointer.clone()).collect();
        places.iter().for_each(|place| self.forget_at(place));
    }

    /// Returns the pointers, so that personal data in keys can be removed.
    pub fn pointers_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.list.iter_mut().map(|repair| &mut repair.pointer)
    }

    /// Adds `others` after these.
    pub fn append(&mut self, others: Self) {
        let bytes = others.list.iter().map(|repair| repair.pointer.len());
        let bytes = bytes.fold(0, usize::saturating_add);
        let fits = bytes <= MAX_POINTER_BYTES && self.originals == others.originals;
        if self.list.is_empty() && fits {
            (self.list, self.pointer_bytes) = (others.list, bytes);
            return;
        }
        others.list.into_iter().for_each(|repair| self.push(|| repair));
    }

    /// Forgets the originals at this pointer, inside it and around it.
    pub fn forget_at(&mut self, dropped: &str) {
        let holds = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        for repair in &mut self.list {
            if holds(&repair.pointer, dropped) || holds(dropped, &repair.pointer) {
                repair.original = None;
            }
        }
    }
}

/// The name of the schema's own repair: a text became the number or boolean that the schema
/// requires.
pub const COERCE: &str = "coerce";

/// The name of the repair that reads an empty array as an empty object.
pub const EMPTY_ARRAY: &str = "empty_array";

/// The name of the repair that removes a parameter that is not a field.
pub const UNKNOWN_PARAMETER: &str = "unknown_parameter";

/// The name of the repair that reads `&amp;`, as HTML writes it, as `&`.
pub const AMPERSAND: &str = "ampersand";

/// The name of the decoder's own repair: a lone surrogate became U+FFFD.
pub const SURROGATE: &str = "surrogate";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_counts_as_if_it_was_added() {
        let pointers = |count: usize, bytes: usize| {
            let mut repairs = Repairs::new(Originals::Keep);
            for _ in 0..count {
                repairs.add("trim", || "a".repeat(bytes), Some(Value::Null));
            }
            repairs
        };
        for (count, bytes) in [(0, 0), (3, 5), (49, 1), (50, 1), (51, 1), (3, 2_000), (2, 2_048)] {
            for originals in [Originals::Keep, Originals::Forget] {
                let mut one_by_one = Repairs::new(originals);
                for repair in pointers(count, bytes).list {
                    one_by_one.push(|| repair);
                }
                let mut appended = Repairs::new(originals);
                appended.append(pointers(count, bytes));
                assert_eq!(appended, one_by_one, "{count} of {bytes}");
                appended.append(pointers(2, 10));
                for repair in pointers(2, 10).list {
                    one_by_one.push(|| repair);
                }
                assert_eq!(appended, one_by_one, "{count} of {bytes}, and more");
            }
        }
    }
}
