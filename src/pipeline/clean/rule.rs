//! A declared rule: one action on one field, under a condition.
//!
//! A rule only returns the change that it would make. The caller must make sure that a second run
//! changes nothing. A value that an action can't convert stays. Only `drop`, `set`, `map` and
//! `scale` can lose a value, as their names say.

use serde_json::{Map, Number, Value};

use super::condition::RuleCondition;
use super::path::FieldPath;
use crate::base::decimal::Decimal;
use crate::base::json::number_of;
use crate::pipeline::clean::value::text_of;

/// A repair that the configuration declares.
#[derive(Debug, Clone)]
pub struct CleanRule {
    /// The rule's name in the list of repairs.
    pub id: String,
    pub condition: RuleCondition,
    /// The field that it reads and, for most actions, writes.
    pub field: FieldPath,
    pub action: CleanAction,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CleanAction {
    /// Sets the field to this text, number or boolean.
    Set(Value),
    /// Replaces the first of a pair with the second, compared as text.
    Map(Vec<(String, Value)>),
    /// Converts the value to another type, if it has a form in that.
    Cast(Type),
    /// Converts letters to lower case.
    Lower,
    /// Converts a to z to upper case, as codes of countries and currencies need it. The table for
    /// all other letters is too large for the Wasm.
    Upper,
    /// Trims these characters from both ends.
    Trim(String),
    /// Moves the value to a path that is free.
    Rename(FieldPath),
    /// Removes the value.
    Drop,
    /// Multiplies the value, and writes the product to another path.
    Scale {
        /// The exact factor.
        by: Decimal,
        to: FieldPath,
    },
}

/// The types that a value can be cast to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A text, from a number or a boolean.
    String,
    /// A number without a fraction: from `"5"`, `5.0` or `5e0`.
    Integer,
    /// A number, from a numeric text.
    Number,
    /// From `"true"` and `"false"` in any case, and from 1 and 0.
    Boolean,
}

/// The change that a rule would make.
#[derive(Debug, PartialEq)]
pub struct Edit<'r> {
    /// A path and its new value; `None` removes it.
    pub first: (&'r FieldPath, Option<Value>),
    /// The second path of a rule that moves.
    pub second: Option<(&'r FieldPath, Option<Value>)>,
}

impl CleanRule {
    /// Returns the rule's change to a beacon's `fields`; none if it does not apply.
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

    /// Returns every path that the rule may write.
    pub fn writes(&self) -> impl Iterator<Item = &FieldPath> {
        let (field, to) = match &self.action {
            CleanAction::Rename(to) => (Some(&self.field), Some(to)),
            CleanAction::Scale { to, .. } => (None, Some(to)),
            _ => (Some(&self.field), None),
        };
        field.into_iter().chain(to)
    }

    /// Whether a repair may keep the original: not if the rule removes it, or only moves it.
    pub fn keeps_original(&self) -> bool {
        !matches!(self.action, CleanAction::Drop | CleanAction::Rename(_))
    }
}

impl Edit<'_> {
    pub fn apply(self, fields: &mut Map<String, Value>) {
        for (path, value) in [Some(self.first), self.second].into_iter().flatten() {
            path.put(fields, value);
        }
    }
}

impl CleanAction {
    /// Whether the value stays at its path, and stays a value.
    pub fn is_in_place(&self) -> bool {
        !matches!(self, Self::Set(_) | Self::Rename(_) | Self::Drop | Self::Scale { .. })
    }

    /// Returns the result of an action in place, if it differs from `value`; otherwise allocates
    /// nothing.
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
    /// Converts `value` to this type, if it is of another and has a form in this one.
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

/// Parses a JSON number within the range of a double, and keeps all its digits.
pub fn number(text: &str) -> Option<Value> {
    number_of(text).map(Value::Number)
}
