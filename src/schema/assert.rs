//! Rules about a single value: whether the value meets them, and the message if it does not.
//!
//! A message names the limit and never the value, which may be personal.

use std::borrow::Cow;

use super::number::ExactNumber;
use super::rule::{Json, Rule, Types};
use super::view::{View, all_differ};
use crate::base::text::truncate_for_display;
use crate::model::violation::Code;

/// Whether `value` meets `rule`. A rule about more than a single value counts as met.
pub fn keeps(rule: &Rule, value: View<'_>) -> bool {
    use View::{Array, Number, Object, String};
    match (rule, value) {
        (Rule::Never, _) => false,
        (Rule::Type(types), _) => types.intersects(value.types()),
        (Rule::Const(wanted), _) => value.is(*wanted),
        (Rule::Enum(choices), _) => choices.iter().any(|choice| value.is(*choice)),
        (Rule::MinLength(least), String(text)) => characters(text) >= *least,
        (Rule::MaxLength(max), String(text)) => characters(text) <= *max,
        (Rule::Pattern(pattern), String(text)) => pattern.matches(text),
        (Rule::Format(format), String(text)) => format.fits(text),
        (Rule::Minimum(limit), Number(text)) => ExactNumber::read(text) >= ExactNumber::read(limit),
        (Rule::Maximum(limit), Number(text)) => ExactNumber::read(text) <= ExactNumber::read(limit),
        (Rule::ExclusiveMinimum(limit), Number(text)) => {
            ExactNumber::read(text) > ExactNumber::read(limit)
        }
        (Rule::ExclusiveMaximum(limit), Number(text)) => {
            ExactNumber::read(text) < ExactNumber::read(limit)
        }
        (Rule::MultipleOf(step), Number(text)) => {
            ExactNumber::read(text).is_multiple_of(ExactNumber::read(step))
        }
        (Rule::MinItems(least), Array(items)) => count(items.len()) >= *least,
        (Rule::MaxItems(max), Array(items)) => count(items.len()) <= *max,
        (Rule::UniqueItems, Array(items)) => all_differ(items),
        (Rule::MinProperties(least), Object(members)) => count(members.len()) >= *least,
        (Rule::MaxProperties(max), Object(members)) => count(members.len()) <= *max,
        _ => true,
    }
}

/// Returns the code, the keyword and the message of a `rule` that [`keeps`] found broken. The
/// message has three parts, with the limit in the middle.
#[cold]
pub fn fault(rule: &Rule, value: View<'_>) -> (Code, &'static str, [Cow<'static, str>; 3]) {
    let limit = |limit: u64| Cow::Owned(limit.to_string());
    let (code, keyword, before, limit, after) = match rule {
        Rule::Type(types) => {
            let wanted = Cow::Owned(alternatives(*types));
            (Code::WrongType, "type", "must be ", wanted, found(value, *types))
        }
        Rule::Const(wanted) => {
            let wanted = Cow::Owned(truncate_for_display(&wanted.to_string()));
            (Code::NotAllowed, "const", "must be ", wanted, "")
        }
        Rule::Enum(choices) => {
            let choices = Cow::Owned(truncate_for_display(&listed(choices)));
            (Code::NotAllowed, "enum", "must be one of ", choices, "")
        }
        Rule::MinLength(least) => {
            (Code::TooShort, "minLength", "must have at least ", limit(*least), " characters")
        }
        Rule::MaxLength(max) => {
            (Code::TooLong, "maxLength", "must have at most ", limit(*max), " characters")
        }
        Rule::Pattern(pattern) => {
            let source = Cow::Owned(truncate_for_display(pattern.source));
            (Code::BadFormat, "pattern", "must match ", source, "")
        }
        Rule::Format(format) => {
            (Code::BadFormat, "format", "must be ", Cow::Borrowed(format.description()), "")
        }
        Rule::Minimum(limit) => {
            let limit = Cow::Borrowed(*limit);
            (Code::OutOfRange, "minimum", "must be at least ", limit, ", not a smaller number")
        }
        Rule::Maximum(limit) => {
            let limit = Cow::Borrowed(*limit);
            (Code::OutOfRange, "maximum", "must be at most ", limit, ", not a larger number")
        }
        Rule::ExclusiveMinimum(limit) => {
            let limit = Cow::Borrowed(*limit);
            (Code::OutOfRange, "exclusiveMinimum", "must be more than ", limit, "")
        }
        Rule::ExclusiveMaximum(limit) => {
            let limit = Cow::Borrowed(*limit);
            (Code::OutOfRange, "exclusiveMaximum", "must be less than ", limit, "")
        }
        Rule::MultipleOf(step) => {
            let step = Cow::Borrowed(*step);
            (Code::OutOfRange, "multipleOf", "must be a multiple of ", step, "")
        }
        Rule::MinItems(least) => {
            (Code::TooFew, "minItems", "must have at least ", limit(*least), " items")
        }
        Rule::MaxItems(max) => {
            (Code::TooMany, "maxItems", "must have at most ", limit(*max), " items")
        }
        Rule::UniqueItems => {
            let nothing = Cow::Borrowed("");
            (Code::NotUnique, "uniqueItems", "must not have the same item twice", nothing, "")
        }
        Rule::MinProperties(least) => {
            (Code::TooFew, "minProperties", "must have at least ", limit(*least), " members")
        }
        Rule::MaxProperties(max) => {
            (Code::TooMany, "maxProperties", "must have at most ", limit(*max), " members")
        }
        _ => (Code::NotAllowed, "falseSchema", "is not allowed here", Cow::Borrowed(""), ""),
    };
    (code, keyword, [Cow::Borrowed(before), limit, Cow::Borrowed(after)])
}

fn characters(text: &str) -> u64 {
    count(text.chars().count())
}

/// Converts a length to the type of the limits.
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Returns the types' names with their articles, such as "a string or null".
fn alternatives(types: Types) -> String {
    let mut names = String::new();
    // Null reads best at the end.
    for (name, one) in Types::NAMES.iter().skip(1).chain(Types::NAMES.first()) {
        let is_part = *one == Types::INTEGER && types.intersects(Types::FRACTION);
        if types.and(*one) == *one && !is_part {
            names.push_str(if names.is_empty() { "" } else { " or " });
            names.push_str(with_article(name));
        }
    }
    names
}

/// Describes the value's type. If an integer is allowed, the fraction of a number is the fault.
fn found(value: View<'_>, wanted: Types) -> &'static str {
    match value {
        View::Null => ", not null",
        View::Bool(_) => ", not a boolean",
        View::Number(_) if wanted.intersects(Types::INTEGER) => ", not a number with a fraction",
        View::Number(_) => ", not a number",
        View::String(_) => ", not a string",
        View::Array(_) => ", not an array",
        View::Object(_) => ", not an object",
    }
}

fn with_article(name: &str) -> &'static str {
    match name {
        "boolean" => "a boolean",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "an array",
        "object" => "an object",
        _ => "null",
    }
}

fn listed(choices: &[Json]) -> String {
    let mut list = String::new();
    for choice in choices {
        let comma = if list.is_empty() { "" } else { ", " };
        list = format!("{list}{comma}{choice}");
    }
    list
}
