//! Repairs known-bad values and notes each repair; never rejects or drops a beacon.
//!
//! The repairs in [`builtin`] are always on. The rules that the configuration declares run once
//! each, in order, `before` or `after` validation. After a rule changes something, the built-in
//! repairs run again and, before validation, the schema's coercion. Cleaning is idempotent:
//! [`stability`] rejects a list of rules at startup if it could break that.

pub mod absent;
pub mod builtin;
pub mod condition;
pub mod cut;
pub mod instant;
pub mod path;
pub mod payload;
pub mod placeholder;
pub mod rule;
pub mod stability;
pub mod text;
pub mod url;
pub mod value;
use serde_json::{Map, Value};

use crate::model::beacon::Beacon;
use crate::model::event::Event;
use crate::model::repairs::{COERCE, Originals, Repairs};
use crate::schema::coerce::Coerced;
use rule::{CleanAction, CleanRule};

/// The rules that an operator declares; none by default.
#[derive(Debug, Clone, Default)]
pub struct CleanConfig {
    /// Run on beacons, before validation.
    pub before: Vec<CleanRule>,
    /// Run on the props and metadata of events.
    pub after: Vec<CleanRule>,
    /// Whether a repair keeps the original value.
    pub originals: Originals,
}

/// The schema's own repair of a beacon; reports the pointer and the original of each value that it
/// changes.
///
/// May depend on the beacon's name. Must be idempotent. Must only convert texts below `props` and
/// `metadata` to booleans or to numbers with the same digits, each independently.
pub type Coerce<'a> = dyn Fn(&mut Map<String, Value>, &mut Coerced<'_>) + 'a;

/// Repairs a beacon before validation. `platform` is in lower case.
pub fn beacon(
    beacon: Beacon,
    cleaning: &CleanConfig,
    platform: Option<&str>,
    coerce: &Coerce<'_>,
) -> (Map<String, Value>, Repairs) {
    let Beacon { mut fields, reader_repairs, left_out: _ } = beacon;
    let mut repairs = Repairs::new(cleaning.originals);
    for (rule, pointer) in reader_repairs {
        repairs.add(rule, || pointer, None);
    }
    repairs.append(before(&mut fields, cleaning, platform, coerce));
    (fields, repairs)
}

fn before(
    fields: &mut Map<String, Value>,
    cleaning: &CleanConfig,
    platform: Option<&str>,
    coerce: &Coerce<'_>,
) -> Repairs {
    let builtin = |fields: &mut Map<String, Value>, repairs: &mut Repairs| {
        builtin::beacon(fields, repairs);
        payload::beacon(fields, repairs);
        coerce(fields, &mut |pointer, original| repairs.add(COERCE, pointer, Some(original)));
    };
    let mut repairs = Repairs::new(cleaning.originals);
    builtin(fields, &mut repairs);
    for rule in &cleaning.before {
        run(rule, fields, platform, &builtin, &mut repairs);
    }
    repairs
}

/// Repairs the props and metadata of an event; adds to its `repairs`.
pub fn after(
    event: &mut Event,
    cleaning: &CleanConfig,
    platform: Option<&str>,
    repairs: &mut Repairs,
) {
    if cleaning.after.is_empty() {
        return;
    }
    // The fields of an event that rules can read.
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

/// Runs `rule` until it changes nothing, mostly once, with the built-in repairs after each run.
///
/// If the built-in repairs undo its change, nothing is noted. If it does not settle, it is not
/// applied.
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
