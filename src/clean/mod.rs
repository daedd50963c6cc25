//! Repairs known-bad values, and notes each repair; never refuses a beacon and never drops one.
//!
//! What is built in is always on: see [`builtin`] for the list. The rules that the
//! configuration declares run once each, in their order, `before` or `after` validation; after
//! a rule that changed something the built-in repairs run again, and with them the schema's own
//! coercion. Cleaning is idempotent: what was cleaned needs no repair, whatever the rules
//! are, because [`order`] refuses at start a list for which that could not hold.

pub mod absent;
pub mod builtin;
pub mod condition;
pub mod decimal;
mod instant;
pub mod order;
pub mod path;
pub mod payload;
pub mod rule;
pub mod text;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use crate::event::Event;
use crate::protocol::Beacon;
use crate::scrub::{self, What};
use path::Path;
use rule::{Action, Rule};

/// The rules that an operator declares; the default has none.
#[derive(Debug, Clone, Default)]
pub struct Cleaning {
    /// For beacons, before they are validated.
    pub before: Vec<Rule>,
    /// For the props and metadata of events.
    pub after: Vec<Rule>,
    /// Whether a repair tells what was there before.
    pub originals: Originals,
}

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

    /// None yet.
    pub fn new(originals: Originals) -> Self {
        Self { list: Vec::new(), originals }
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
    fn cut(&mut self, pointer: impl FnOnce() -> String, length: usize, original: Value) {
        self.push(|| Repair {
            rule: TOO_LONG.into(),
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

    /// Takes out of the pointers what `what` wants out of texts: a key may be personal.
    pub fn scrub(&mut self, what: What) {
        if what == What::default() {
            return;
        }
        for repair in &mut self.list {
            if let Cow::Owned(rid) = scrub::text(&repair.pointer, what).text {
                repair.pointer = rid;
            }
        }
    }

    fn append(&mut self, others: Self) {
        others.list.into_iter().for_each(|repair| self.push(|| repair));
    }

    /// Forgets the originals of what is at `path`, of what it holds and of what holds it.
    fn forget(&mut self, path: &Path) {
        self.forget_at(&path.pointer());
    }

    fn forget_at(&mut self, dropped: &str) {
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

/// The schema's own repair of a beacon: tells the pointer and the original of each value
/// that it changes.
///
/// It may depend on the beacon's name. It must be idempotent, must only turn texts below
/// `props` and `metadata` into booleans or into numbers with the same digits, and must treat
/// each by itself.
pub type Coerce<'a> = dyn Fn(&mut Map<String, Value>, &mut dyn FnMut(String, Value)) + 'a;

/// A text was longer than its field takes, and was cut.
pub const TOO_LONG: &str = "too_long";

/// The name of the decoder's own repair: half of a surrogate pair became U+FFFD.
pub const SURROGATE: &str = "surrogate";

/// Repairs a beacon before it is validated. `platform` is in lower case.
pub fn beacon(
    beacon: Beacon,
    cleaning: &Cleaning,
    platform: Option<&str>,
    coerce: &Coerce<'_>,
) -> (Map<String, Value>, Repairs) {
    let Beacon { mut fields, mended, left_out: _ } = beacon;
    let mut repairs = Repairs::new(cleaning.originals);
    for (rule, pointer) in mended {
        repairs.add(rule, || pointer, None);
    }
    repairs.append(before(&mut fields, cleaning, platform, coerce));
    (fields, repairs)
}

/// Repairs the fields of a beacon.
fn before(
    fields: &mut Map<String, Value>,
    cleaning: &Cleaning,
    platform: Option<&str>,
    coerce: &Coerce<'_>,
) -> Repairs {
    let builtin = |fields: &mut Map<String, Value>, repairs: &mut Repairs| {
        builtin::beacon(fields, repairs);
        payload::beacon(fields, repairs);
        coerce(fields, &mut |pointer, original| repairs.add(COERCE, || pointer, Some(original)));
    };
    let mut repairs = Repairs::new(cleaning.originals);
    builtin(fields, &mut repairs);
    for rule in &cleaning.before {
        run(rule, fields, platform, &builtin, &mut repairs);
    }
    repairs
}

/// Repairs the props and metadata of an event, and adds to its `repairs`.
pub fn after(
    event: &mut Event,
    cleaning: &Cleaning,
    platform: Option<&str>,
    repairs: &mut Repairs,
) {
    if cleaning.after.is_empty() {
        return;
    }
    // What rules see of an event.
    let shown = [
        ("name", Some(Value::String(event.name.as_str().to_owned()))),
        ("build", event.build.clone().map(Value::String)),
        ("props", event.props.take().map(Value::Object)),
        ("metadata", event.metadata.take().map(Value::Object)),
    ];
    let mut fields = Map::new();
    for (key, value) in shown {
        if let Some(value) = value {
            fields.insert(key.to_owned(), value);
        }
    }
    builtin::beacon(&mut fields, repairs);
    for rule in &cleaning.after {
        run(rule, &mut fields, platform, &builtin::beacon, repairs);
    }
    let mut object = |key| match fields.remove(key) {
        Some(Value::Object(object)) => Some(object),
        _ => None,
    };
    (event.props, event.metadata) = (object("props"), object("metadata"));
}

/// Runs `rule` until it is at rest, mostly once, with the built-in repairs after each time.
///
/// A rule whose change the built-in repairs undo did nothing; one that does not come to rest
/// is not applied.
fn run(
    rule: &Rule,
    fields: &mut Map<String, Value>,
    platform: Option<&str>,
    builtin: &dyn Fn(&mut Map<String, Value>, &mut Repairs),
    repairs: &mut Repairs,
) {
    /// More than a rule and the repair of its result can need.
    const MAX_ROUNDS: usize = 8;
    let Some(mut edit) = rule.edit(fields, platform) else { return };
    let untouched = fields.clone();
    let mut last: Option<Map<String, Value>> = None;
    let mut noted = Repairs::new(repairs.originals);
    for _ in 0..MAX_ROUNDS {
        let mut found = Repairs::new(repairs.originals);
        let path = edit.first.0;
        let original = path.get(fields).filter(|_| rule.keeps_original()).cloned();
        found.add(rule.id.clone(), || path.pointer(), original);
        edit.apply(fields);
        builtin(fields, &mut found);
        let changed = fields != last.as_ref().unwrap_or(&untouched);
        if changed {
            noted.append(found);
        }
        match rule.edit(fields, platform).filter(|_| changed) {
            Some(next) => edit = next,
            None => {
                if rule.action == Action::Drop {
                    repairs.forget(&rule.field);
                }
                repairs.append(noted);
                return;
            }
        }
        last = Some(fields.clone());
    }
    *fields = untouched;
}
