//! Repairs known-bad values, and notes each repair; never refuses a beacon and never drops one.
//!
//! What is built in is always on: see [`builtin`] for the list. The rules that the
//! configuration declares run once each, in their order, `before` or `after` validation; after
//! a rule that changed something the built-in repairs run again, and with them the schema's own
//! coercion. Cleaning is idempotent: what was cleaned needs no repair, whatever the rules
//! are, because [`stability`] refuses at start a list for which that could not hold.

pub mod absent;
pub mod builtin;
pub mod condition;
pub mod instant;
pub mod path;
pub mod payload;
pub mod rule;
pub mod stability;
pub mod text;
pub mod url;
pub mod value;
use crate::model::repairs::COERCE;
use crate::model::repairs::{Originals, Repairs};

use serde_json::{Map, Value};

use crate::model::beacon::Beacon;
use crate::model::event::Event;
use rule::{CleanAction, CleanRule};

/// The rules that an operator declares; the default has none.
#[derive(Debug, Clone, Default)]
pub struct CleanConfig {
    /// For beacons, before they are validated.
    pub before: Vec<CleanRule>,
    /// For the props and metadata of events.
    pub after: Vec<CleanRule>,
    /// Whether a repair tells what was there before.
    pub originals: Originals,
}

/// The schema's own repair of a beacon: tells the pointer and the original of each value
/// that it changes.
///
/// It may depend on the beacon's name. It must be idempotent, must only turn texts below
/// `props` and `metadata` into booleans or into numbers with the same digits, and must treat
/// each by itself.
pub type Coerce<'a> = dyn Fn(&mut Map<String, Value>, &mut dyn FnMut(String, Value)) + 'a;

/// Repairs a beacon before it is validated. `platform` is in lower case.
pub fn beacon(
    beacon: Beacon,
    cleaning: &CleanConfig,
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
    cleaning: &CleanConfig,
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
    cleaning: &CleanConfig,
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
    rule: &CleanRule,
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
    let mut noted = Repairs::new(repairs.originals());
    for _ in 0..MAX_ROUNDS {
        let mut found = Repairs::new(repairs.originals());
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
                if rule.action == CleanAction::Drop {
                    repairs.forget_at(&rule.field.pointer());
                }
                repairs.append(noted);
                return;
            }
        }
        last = Some(fields.clone());
    }
    *fields = untouched;
}

#[cfg(test)]
mod tests;
