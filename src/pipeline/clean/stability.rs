//! Checks that a list of rules settles, which makes cleaning idempotent.
//!
//! After a rule has run it is at rest: another run would change nothing. A later rule that writes a
//! path which an earlier one reads could end that, so that a second cleaning changes more. Such a
//! list is rejected, unless the two exclude each other or the later rule's results provably leave
//! the earlier one at rest.

use serde_json::{Map, Value};

use super::condition::{Expectation, RuleCondition};
use super::path::FieldPath;
use super::rule::{CleanAction, CleanRule, Type};

/// Two rules that may not settle, by their positions in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The rule that may have to run again.
    pub earlier: usize,
    /// The rule that causes it.
    pub later: usize,
    /// The path that `later` writes.
    pub path: FieldPath,
}

/// Returns the first conflict among `rules`.
pub fn conflict(rules: &[CleanRule]) -> Option<Conflict> {
    rules.iter().enumerate().find_map(|(earlier, rule)| {
        let following = rules.get(earlier..).unwrap_or_default();
        following.iter().enumerate().skip(1).find_map(|(distance, later)| {
            let path = rule.woken_by(later, following)?.clone();
            Some(Conflict { earlier, later: earlier.saturating_add(distance), path })
        })
    })
}

/// The value that a write leaves at a path.
enum Result<'r> {
    /// Absent, or one of these values.
    OneOf(Vec<Option<&'r Value>>),
    /// The result of this action in place.
    Made(&'r CleanAction),
    Unknown,
}

impl CleanRule {
    /// Returns the path that `later` writes and that may change this rule's result. `following` are
    /// the rules from this one on.
    fn woken_by<'l>(&self, later: &'l CleanRule, following: &[CleanRule]) -> Option<&'l FieldPath> {
        let settled = |path: &FieldPath| {
            !following.iter().any(|rule| rule.writes().any(|written| written.overlaps(path)))
        };
        if self.condition.excludes(&later.condition, settled) {
            return None;
        }
        later.writes().find(|written| {
            // The name selects the schema that turns texts into numbers.
            let renames = written.is_field("name") && !self.knows_only_the_name();
            renames || (self.touches(written) && !self.is_stable_after(later, written))
        })
    }

    /// Whether the rule reads or writes anything at `place`.
    fn touches(&self, place: &FieldPath) -> bool {
        self.places().any(|own| own.overlaps(place))
            || (self.condition.name.is_some() && place.is_field("name"))
            || (self.condition.build.is_some() && place.is_field("build"))
    }

    fn places(&self) -> impl Iterator<Item = &FieldPath> {
        let tested = self.condition.tests.iter().map(|test| &test.field);
        [&self.field].into_iter().chain(self.target()).chain(tested)
    }

    fn target(&self) -> Option<&FieldPath> {
        match &self.action {
            CleanAction::Rename(to) | CleanAction::Scale { to, .. } => Some(to),
            _ => None,
        }
    }

    /// Whether it reads no value but the name's, though it may test whether others exist.
    fn knows_only_the_name(&self) -> bool {
        let tests = self.condition.tests.iter();
        self.writes().any(|written| written.is_field("name"))
            && tests.clone().all(|test| {
                test.field.is_field("name") || !matches!(test.expected, Expectation::OneOf(_))
            })
    }

    /// Whether this rule, at rest, stays so after `later` writes `place`.
    fn is_stable_after(&self, later: &CleanRule, place: &FieldPath) -> bool {
        let result = later.result(place);
        let stays_present = later.action.is_in_place();
        // A test for presence does not depend on the value.
        let by_value = self.values_read().any(|own| own.overlaps(place))
            || (self.condition.name.is_some() && place.is_field("name"))
            || (self.condition.build.is_some() && place.is_field("build"));
        if stays_present && !by_value {
            return true;
        }
        let only_its_field = *place == self.field
            && self.target().is_none_or(|target| !target.overlaps(place))
            && self
                .condition
                .tests
                .iter()
                .all(|test| test.field == self.field || !test.field.overlaps(place));
        only_its_field
            && match result {
                Result::OneOf(values) => values.into_iter().all(|value| self.rests_on(value)),
                Result::Made(action) => self.rests_on_what_makes(action),
                Result::Unknown => false,
            }
    }

    /// Returns the paths whose value counts, and not only its presence.
    fn values_read(&self) -> impl Iterator<Item = &FieldPath> {
        let field = match self.action {
            CleanAction::Rename(_) | CleanAction::Drop => None,
            _ => Some(&self.field),
        };
        let target = match &self.action {
            CleanAction::Scale { to, .. } => Some(to),
            _ => None,
        };
        let tests = self.condition.tests.iter();
        let tested = tests.filter(|test| matches!(test.expected, Expectation::OneOf(_)));
        field.into_iter().chain(target).chain(tested.map(|test| &test.field))
    }

    /// Returns the result of the rule at `place`, one of the paths that it writes.
    fn result(&self, place: &FieldPath) -> Result<'_> {
        match &self.action {
            CleanAction::Set(value) => Result::OneOf(vec![Some(value)]),
            // A value that is not in the map stays, and disturbed no rule before.
            CleanAction::Map(pairs) => {
                Result::OneOf(pairs.iter().map(|(_, to)| Some(to)).collect())
            }
            CleanAction::Drop => Result::OneOf(vec![None]),
            CleanAction::Rename(_) if *place == self.field => Result::OneOf(vec![None]),
            CleanAction::Rename(_) | CleanAction::Scale { .. } => Result::Unknown,
            action @ (CleanAction::Cast(_)
            | CleanAction::Lower
            | CleanAction::Upper
            | CleanAction::Trim(_)) => Result::Made(action),
        }
    }

    /// Whether some value meets the rule's own condition and is changed by it.
    pub fn can_apply(&self) -> bool {
        let mut own = self.condition.tests.iter().filter(|test| test.field == self.field);
        own.all(|test| match (&test.expected, &self.action) {
            (Expectation::Present, _) | (Expectation::Absent, CleanAction::Set(_)) => true,
            (Expectation::Absent, _) => false,
            // The text in the condition also stands for a number or a boolean.
            (Expectation::OneOf(_), CleanAction::Cast(_)) => true,
            (Expectation::OneOf(values), _) => values.iter().any(|it| !self.rests_on(Some(it))),
        })
    }

    /// Whether the rule does nothing if its field holds `value`, regardless of other fields.
    fn rests_on(&self, value: Option<&Value>) -> bool {
        let of_field = |name| self.field.is_field(name);
        let tests = self.condition.tests.iter().filter(|test| test.field == self.field);
        let condition = RuleCondition {
            name: self.condition.name.clone().filter(|_| of_field("name")),
            build: self.condition.build.clone().filter(|_| of_field("build")),
            platforms: None,
            tests: tests.cloned().collect(),
        };
        let rule = CleanRule { condition, ..self.clone() };
        let mut fields = Map::new();
        rule.field.put(&mut fields, value.cloned());
        rule.edit(&fields, None).is_none()
    }

    /// Whether the rule does nothing to the results of `action` on values that it did not change.
    fn rests_on_what_makes(&self, action: &CleanAction) -> bool {
        use CleanAction::{Cast, Lower, Trim, Upper};
        let on_field = self.condition.tests.iter().any(|test| test.field == self.field);
        // The repairs of top-level fields could interfere.
        self.field.is_inner()
            && !on_field
            && match (&self.action, action) {
                (Lower | Upper, Trim(_)) => true,
                (Lower | Upper | Trim(_), Cast(Type::Integer | Type::Number | Type::Boolean)) => {
                    true
                }
                (Cast(Type::String), Lower | Upper | Trim(_)) => true,
                (Lower | Upper | Trim(_) | Cast(_), same) => self.action == *same,
                _ => false,
            }
    }
}
