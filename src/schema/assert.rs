//! The rules that look at one value alone: whether it keeps them, and the sentence when not.
//!
//! A sentence names the limit and never the value, which may be personal.

use super::number::Decimal;
use super::rule::{Json, Rule, Types};
use super::view::{View, all_differ};
use crate::failed::{Code, shown};

/// A rule that was broken: what to group it by, its keyword, and the sentence's end.
pub struct Fault {
    /// The kind.
    pub code: Code,
    /// The JSON Schema keyword.
    pub keyword: &'static str,
    /// What follows the pointer in the message.
    pub sentence: String,
}

impl Fault {
    /// A fault of `keyword`.
    pub fn new(code: Code, keyword: &'static str, sentence: impl Into<String>) -> Self {
        Self { code, keyword, sentence: sentence.into() }
    }
}

/// Whether `value` keeps `rule`; rules that look further than at one value count as kept.
pub fn keeps(rule: &Rule, value: View<'_>) -> bool {
    use View::{Array, Number, Object, String};
    match (rule, value) {
        (Rule::Never, _) => false,
        (Rule::Type(types), _) => types.meets(value.types()),
        (Rule::Const(wanted), _) => value.is(*wanted),
        (Rule::Enum(choices), _) => choices.iter().any(|choice| value.is(*choice)),
        (Rule::MinLength(least), String(text)) => characters(text) >= *least,
        (Rule::MaxLength(most), String(text)) => characters(text) <= *most,
        (Rule::Pattern(pattern), String(text)) => pattern.matches(text),
        (Rule::Format(format), String(text)) => format.fits(text),
        (Rule::Minimum(limit), Number(text)) => Decimal::read(text) >= Decimal::read(limit),
        (Rule::Maximum(limit), Number(text)) => Decimal::read(text) <= Decimal::read(limit),
        (Rule::ExclusiveMinimum(limit), Number(text)) => Decimal::read(text) > Decimal::read(limit),
        (Rule::ExclusiveMaximum(limit), Number(text)) => Decimal::read(text) < Decimal::read(limit),
        (Rule::MultipleOf(step), Number(text)) => {
            Decimal::read(text).is_multiple_of(Decimal::read(step))
        }
        (Rule::MinItems(least), Array(items)) => count(items.len()) >= *least,
        (Rule::MaxItems(most), Array(items)) => count(items.len()) <= *most,
        (Rule::UniqueItems, Array(items)) => all_differ(items),
        (Rule::MinProperties(least), Object(members)) => count(members.len()) >= *least,
        (Rule::MaxProperties(most), Object(members)) => count(members.len()) <= *most,
        _ => true,
    }
}

/// What to say of a `rule` that [`keeps`] found broken.
pub fn fault(rule: &Rule, value: View<'_>) -> Option<Fault> {
    let (code, keyword, sentence) = match rule {
        Rule::Never => (Code::NotAllowed, "falseSchema", "is not allowed here".to_owned()),
        Rule::Type(types) => {
            let wanted = alternatives(*types);
            (Code::WrongType, "type", format!("must be {wanted}, not {}", found(value, *types)))
        }
        Rule::Const(wanted) => {
            (Code::NotAllowed, "const", format!("must be {}", shown(&wanted.to_string())))
        }
        Rule::Enum(choices) => {
            (Code::NotAllowed, "enum", format!("must be one of {}", shown(&listed(choices))))
        }
        Rule::MinLength(least) => {
            (Code::TooShort, "minLength", format!("must have at least {least} characters"))
        }
        Rule::MaxLength(most) => {
            (Code::TooLong, "maxLength", format!("must have at most {most} characters"))
        }
        Rule::Pattern(pattern) => {
            (Code::BadFormat, "pattern", format!("must match {}", shown(pattern.source)))
        }
        Rule::Format(format) => {
            (Code::BadFormat, "format", format!("must be {}", format.description()))
        }
        Rule::Minimum(limit) => {
            (Code::OutOfRange, "minimum", format!("must be at least {limit}, not a smaller number"))
        }
        Rule::Maximum(limit) => {
            (Code::OutOfRange, "maximum", format!("must be at most {limit}, not a larger number"))
        }
        Rule::ExclusiveMinimum(limit) => {
            (Code::OutOfRange, "exclusiveMinimum", format!("must be more than {limit}"))
        }
        Rule::ExclusiveMaximum(limit) => {
            (Code::OutOfRange, "exclusiveMaximum", format!("must be less than {limit}"))
        }
        Rule::MultipleOf(step) => {
            (Code::OutOfRange, "multipleOf", format!("must be a multiple of {step}"))
        }
        Rule::MinItems(least) => {
            (Code::TooFew, "minItems", format!("must have at least {least} items"))
        }
        Rule::MaxItems(most) => {
            (Code::TooMany, "maxItems", format!("must have at most {most} items"))
        }
        Rule::UniqueItems => {
            (Code::NotUnique, "uniqueItems", "must not have the same item twice".to_owned())
        }
        Rule::MinProperties(least) => {
            (Code::TooFew, "minProperties", format!("must have at least {least} members"))
        }
        Rule::MaxProperties(most) => {
            (Code::TooMany, "maxProperties", format!("must have at most {most} members"))
        }
        _ => return None,
    };
    Some(Fault { code, keyword, sentence })
}

fn characters(text: &str) -> u64 {
    count(text.chars().count())
}

/// A length as the limits have it.
pub fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// The types' names with their articles, such as "a string or null".
fn alternatives(types: Types) -> String {
    let mut names: Vec<&str> = Types::NAMES
        .iter()
        .filter(|(_, one)| types.and(*one) == *one)
        .filter(|(_, one)| *one != Types::INTEGER || !types.meets(Types::FRACTION))
        .map(|(name, _)| with_article(name))
        .collect();
    // Null reads best behind what it stands in for.
    names.sort_by_key(|name| *name == "null");
    names.join(" or ")
}

/// The value's type; a number that is no integer is called so where that is what counts.
fn found(value: View<'_>, wanted: Types) -> &'static str {
    match value {
        View::Number(_) if wanted.meets(Types::INTEGER) => "a number with a fraction",
        _ => with_article(value.type_name()),
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
    let choices: Vec<String> = choices.iter().map(Json::to_string).collect();
    choices.join(", ")
}
