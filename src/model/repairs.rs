//! Repairs: what was changed in a beacon, and where.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a repair tells of the value that was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Originals {
    /// Nothing.
    #[default]
    Forget,
    /// All of it, but for what a rule dropped.
    Keep,
}

/// One change that was made to a beacon or an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Repair {
    /// A built-in repair's name, or a declared rule's id.
    pub rule: Cow<'static, str>,
    /// JSON Pointer (RFC 6901) into the beacon to what was repaired.
    pub pointer: String,
    /// How many characters a text had that was cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<usize>,
    /// What was there, when that is to be kept; written as its JSON text, so that a column
    /// of them has one type.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "as_text")]
    pub original: Option<Value>,
}

fn as_text<S: Serializer>(original: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(original.as_ref().unwrap_or(&Value::Null))
}

/// The repairs of one event in their order, at most [`Repairs::MAX`].
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(transparent)]
pub struct Repairs {
    list: Vec<Repair>,
    #[serde(skip)]
    originals: Originals,
}

impl Repairs {
    /// The most that are listed for one event.
    pub const MAX: usize = 50;
    /// The name of the last one where there were more.
    pub const MORE: &str = "more";
    /// The name of the repair of a text that was cut.
    pub const TOO_LONG: &str = "too_long";

    /// None yet.
    pub fn new(originals: Originals) -> Self {
        Self { list: Vec::new(), originals }
    }

    /// Whether a repair keeps what was there before.
    pub fn originals(&self) -> Originals {
        self.originals
    }

    /// All that are listed.
    pub fn iter(&self) -> std::slice::Iter<'_, Repair> {
        self.list.iter()
    }

    /// The same, telling nothing of what was there before.
    #[must_use]
    pub fn without_originals(mut self) -> Self {
        self.list.iter_mut().for_each(|repair| repair.original = None);
        self
    }

    /// Whether nothing was repaired.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Notes that what is at `pointer` was changed for privacy's sake: nothing tells of what
    /// was there, now or in a repair that was noted before.
    pub fn note(&mut self, rule: &'static str, pointer: &str) {
        self.forget_at(pointer);
        self.add(rule, || pointer.to_owned(), None);
    }

    /// Notes a repair of what is at `pointer`.
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
        if self.list.len() < Self::MAX {
            let mut repair = repair();
            repair.original = repair.original.filter(|_| self.originals == Originals::Keep);
            self.list.push(repair);
        } else if let Some(last) = self.list.last_mut() {
            let (rule, pointer) = (Self::MORE.into(), String::new());
            *last = Repair { rule, pointer, length: None, original: None };
        }
    }

    /// Forgets every original in which there is something that `told` says must not be, and
    /// with it all that is known of its place.
    pub fn forget_where(&mut self, told: impl Fn(&Value) -> bool) {
        let to_go = |repair: &&Repair| repair.original.as_ref().is_some_and(&told);
        let places: Vec<String> =
            self.list.iter().filter(to_go).map(|repair| repair.pointer.clone()).collect();
        places.iter().for_each(|place| self.forget_at(place));
    }

    /// The pointers, so that what is personal in a key can be taken out.
    pub fn pointers_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.list.iter_mut().map(|repair| &mut repair.pointer)
    }

    /// Notes `others` after these.
    pub fn append(&mut self, others: Self) {
        others.list.into_iter().for_each(|repair| self.push(|| repair));
    }

    /// Forgets the originals of what is at this pointer, of what it holds and of what holds it.
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

/// The name of the schema's own repair: a text became the number or boolean that it wants.
pub const COERCE: &str = "coerce";

/// An empty array stands for an empty object.
pub const EMPTY_ARRAY: &str = "empty_array";

/// The name of the repair that left out a parameter that is no field.
pub const UNKNOWN_PARAMETER: &str = "unknown_parameter";

/// The name of the repair that read `&amp;`, as HTML writes it, for `&`.
pub const AMPERSAND: &str = "ampersand";

/// The name of the decoder's own repair: half of a surrogate pair became U+FFFD.
pub const SURROGATE: &str = "surrogate";
