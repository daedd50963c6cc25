//! A declared rule: one action on one field, under a condition.
//!
//! A rule only says what it would change; applying it to an unchanged result must come to
//! nothing, which the caller makes sure of. What an action can't do it leaves alone: no
//! value is ever lost to a rule but by `drop`, `set`, `map` and `scale`, which say so.

use crate::pipeline::clean::value::text_of;
use serde_json::{Map, Number, Value};

use super::condition::RuleCondition;
use super::path::FieldPath;
use crate::base::decimal::Decimal;

/// A repair that the configuration declares.
#[derive(Debug, Clone)]
pub struct CleanRule {
    /// Its name in the list of repairs.
    pub id: String,
    /// When it applies.
    pub condition: RuleCondition,
    /// What it reads, and mostly also what it writes.
    pub field: FieldPath,
    /// What it does.
    pub action: CleanAction,
}

/// What a rule does to its field.
#[derive(Debug, Clone, PartialEq)]
pub enum CleanAction {
    /// Puts this text, number or boolean there.
    Set(Value),
    /// Puts the second there where the first is found, compared by its text.
    Map(Vec<(String, Value)>),
    /// Turns it into another type, if its value has a form in that.
    Cast(Type),
    /// Makes its letters small.
    Lower,
    /// Makes its letters from a to z capital, as codes of countries and currencies want it; the
    /// table of all the others is dear in Wasm.
    Upper,
    /// Cuts these characters from its ends.
    Trim(String),
    /// Moves it to a place that is free.
    Rename(FieldPath),
    /// Takes it away.
    Drop,
    /// Puts it, times a number, to another place.
    Scale {
        /// The number.
        by: Decimal,
        /// The place.
        to: FieldPath,
    },
}

/// The types that a value can be cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text, from a number or boolean.
    String,
    /// A number without a fraction: from `"5"`, `5.0` or `5e0`.
    Integer,
    /// A number, from a text that is one.
    Number,
    /// From `"true"`, `"false"` in any case, and from 1 and 0.
    Boolean,
}

/// What a rule would change.
#[derive(Debug, PartialEq)]
pub struct Edit<'r> {
    /// Where, and what is there then.
    pub first: (&'r FieldPath, Option<Value>),
    /// The other place of a rule that moves.
    pub second: Option<(&'r FieldPath, Option<Value>)>,
}

impl CleanRule {
    /// What the rule would change in a beacon's `fields`; none when it does not apply.
    pub fn edit(&self, fields: &Map<String, Value>, platform: Option<&str>) -> Option<Edit<'_>> {
        if !self.condition.holds(fields, platform) {
            return None;
        }
        let found = self.field.get(fields);
        let (place, value) = match &self.action {
            CleanAction::Set(value) => {
                (&self.field, (found != Some(value)).then(|| value.clone())?)
            }
            CleanAction::Drop => {
                return found.map(|_| Edit { first: (&self.field, None), second: None });
            }
            CleanAction::Rename(to) => {
                let free = to.get(fields).is_none() && to.is_open(fields);
                let moved = free.then(|| found.cloned())??;
                return Some(Edit { first: (&self.field, None), second: Some((to, Some(moved))) });
            }
            CleanAction::Scale { by, to } => {
                let product = Decimal::parse(number_text(found?)?)?.times(*by)?.to_plain()?;
                let known = to.get(fields).and_then(Value::as_number);
                (to, (known.map(Number::as_str) != Some(&product)).then(|| number(&product))??)
            }
            in_place => (&self.field, in_place.changed(found?)?),
        };
        place.is_open(fields).then_some(Edit { first: (place, Some(value)), second: None })
    }

    /// Every place that the rule may write.
    pub fn writes(&self) -> impl Iterator<Item = &FieldPath> {
        let (field, to) = match &self.action {
            CleanAction::Rename(to) => (Some(&self.field), Some(to)),
            CleanAction::Scale { to, .. } => (None, Some(to)),
            _ => (Some(&self.field), None),
        };
        field.into_iter().chain(to)
    }

    /// Whether what was there may be kept beside the repair: not what was to go, and
    /// nothing was lost by a move.
    pub fn keeps_original(&self) -> bool {
        !matches!(self.action, CleanAction::Drop | CleanAction::Rename(_))
    }
}

impl Edit<'_> {
    /// Makes the change.
    pub fn apply(self, fields: &mut Map<String, Value>) {
        for (path, value) in [Some(self.first), self.second].into_iter().flatten() {
            path.put(fields, value);
        }
    }
}

impl CleanAction {
    /// Whether the value stays where it is, and stays a value.
    pub fn is_in_place(&self) -> bool {
        !matches!(self, Self::Set(_) | Self::Rename(_) | Self::Drop | Self::Scale { .. })
    }

    /// What an action in place makes of `value`, when that is something else; else nothing is
    /// allocated.
    fn changed(&self, value: &Value) -> Option<Value> {
        match self {
            Self::Map(pairs) => {
                let text = text_of(value)?;
                pairs.iter().find(|(from, _)| from == text).map(|(_, to)| to.clone())
            }
            Self::Cast(wanted) => wanted.cast(value),
            Self::Lower => {
                let text = value.as_str()?;
                let is_lower = text.chars().all(|it| it.to_lowercase().eq([it]));
                (!is_lower).then(|| Value::String(text.to_lowercase()))
            }
            Self::Upper => {
                let text = value.as_str()?;
                let is_upper = !text.bytes().any(|it| it.is_ascii_lowercase());
                (!is_upper).then(|| Value::String(text.to_ascii_uppercase()))
            }
            Self::Trim(characters) => {
                let text = value.as_str()?;
                let trimmed = text.trim_matches(|it| characters.contains(it));
                (trimmed.len() < text.len()).then(|| Value::String(trimmed.to_owned()))
            }
            Self::Set(_) | Self::Rename(_) | Self::Drop | Self::Scale { .. } => None,
        }
    }
}

impl Type {
    /// `value` as this type, when it is of another and has a form in this one.
    fn cast(self, value: &Value) -> Option<Value> {
        match (self, value) {
            (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_)) => None,
            (Self::String, _) => text_of(value).map(|text| Value::String(text.to_owned())),
            (Self::Number, _) => {
                let text = number_text(value)?;
                number(text).or_else(|| number(&Decimal::parse(text)?.to_plain()?))
            }
            (Self::Integer, _) => {
                let decimal = Decimal::parse(number_text(value)?)?;
                let integer = decimal.is_integer().then(|| number(&decimal.to_plain()?))??;
                (integer != *value).then_some(integer)
            }
            (Self::Boolean, _) => {
                let text = text_of(value)?;
                let is = |word: &str| text.eq_ignore_ascii_case(word);
                let (yes, no) = (is("true") || is("1"), is("false") || is("0"));
                (yes || no).then_some(Value::Bool(yes))
            }
        }
    }
}

fn number_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.as_str()),
        _ => None,
    }
}

/// The number that `text` is as JSON writes it, with all its digits.
pub fn number(text: &str) -> Option<Value> {
    text.parse().ok().map(Value::Number)
}
