//! Compiles each keyword, and checks its argument.

use serde_json::{Map, Value};

use super::{Compiler, Error, below, list, pattern, reference, text};
use crate::schema::number::ExactNumber;
use crate::schema::rule::{Format, Json, NodeId, Others, Pattern, Rule, Types};

pub const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Every supported keyword; those from `$defs` on assert nothing.
const KNOWN: &[&str] = &[
    "type",
    "const",
    "enum",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minItems",
    "maxItems",
    "uniqueItems",
    "prefixItems",
    "items",
    "contains",
    "minContains",
    "maxContains",
    "minProperties",
    "maxProperties",
    "required",
    "dependentRequired",
    "dependentSchemas",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "$ref",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "$defs",
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
];

pub fn is_known(keyword: &str) -> bool {
    KNOWN.contains(&keyword)
}

pub struct Keywords<'k, 'c, 'a> {
    pub compiler: &'k mut Compiler<'c>,
    pub at: &'a str,
    pub keywords: &'a Map<String, Value>,
}

impl<'a> Keywords<'_, '_, 'a> {
    /// Compiles the keywords, with the cheap rules first, and notes each mistake.
    pub fn rules(mut self) -> Vec<Rule> {
        self.annotations();
        self.named_children("$defs");
        let mut rules = Vec::new();
        let types = self.types();
        rules.extend(self.noted(types).map(Rule::Type));
        rules.extend(self.get("const").map(|value| Rule::Const(constant(value))));
        let choices = self.choices();
        rules.extend(self.noted(choices).map(Rule::Enum));
        rules.extend(self.limit("minLength").map(Rule::MinLength));
        rules.extend(self.limit("maxLength").map(Rule::MaxLength));
        let pattern = self.pattern();
        rules.extend(self.noted(pattern).map(Rule::Pattern));
        let format = self.format();
        rules.extend(self.noted(format).map(Rule::Format));
        rules.extend(self.number("minimum").map(Rule::Minimum));
        rules.extend(self.number("maximum").map(Rule::Maximum));
        rules.extend(self.number("exclusiveMinimum").map(Rule::ExclusiveMinimum));
        rules.extend(self.number("exclusiveMaximum").map(Rule::ExclusiveMaximum));
        rules.extend(self.step().map(Rule::MultipleOf));
        rules.extend(self.limit("minItems").map(Rule::MinItems));
        rules.extend(self.limit("maxItems").map(Rule::MaxItems));
        rules.extend(self.boolean("uniqueItems").filter(|on| *on).map(|_| Rule::UniqueItems));
        rules.extend(self.limit("minProperties").map(Rule::MinProperties));
        rules.extend(self.limit("maxProperties").map(Rule::MaxProperties));
        if let Some(value) = self.get("required") {
            rules.extend(self.names("required", value).map(Rule::Required));
        }
        rules.extend(self.dependent_required());
        rules.extend(self.items());
        rules.extend(self.contains());
        rules.extend(self.child("propertyNames").map(Rule::PropertyNames));
        rules.extend(self.members());
        let reference = self.reference();
        rules.extend(self.noted(reference));
        rules.extend(self.children("allOf").map(Rule::AllOf));
        rules.extend(self.children("anyOf").map(Rule::AnyOf));
        rules.extend(self.children("oneOf").map(Rule::OneOf));
        rules.extend(self.child("not").map(Rule::Not));
        rules.extend(self.condition());
        let dependents = self.named_children("dependentSchemas");
        rules.extend(dependents.map(|named| Rule::DependentSchemas(list(named))));
        rules
    }

    /// Returns the value, or notes the mistake in it.
    fn noted<T>(&mut self, read: Result<Option<T>, Error>) -> Option<T> {
        read.unwrap_or_else(|error| {
            self.compiler.errors.push(error);
            None
        })
    }

    fn note(&mut self, keyword: &str, problem: impl Into<String>) {
        let error = self.error(keyword, problem);
        self.compiler.errors.push(error);
    }

    fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword)
    }

    fn error(&self, keyword: &str, problem: impl Into<String>) -> Error {
        Error { pointer: self.at.to_owned(), keyword: keyword.to_owned(), problem: problem.into() }
    }

    fn annotations(&mut self) {
        for keyword in ["$comment", "title", "description"] {
            if self.get(keyword).is_some_and(|value| !value.is_string()) {
                self.note(keyword, "must be a string");
            }
        }
        for keyword in ["deprecated", "readOnly", "writeOnly"] {
            self.boolean(keyword);
        }
        if self.get("examples").is_some_and(|value| !value.is_array()) {
            self.note("examples", "must be an array");
        }
        if self.get("$schema").is_some_and(|value| value != DRAFT) {
            self.note("$schema", format!("must be {DRAFT:?}"));
        }
        match self.get("$id") {
            Some(Value::String(_)) if self.at.is_empty() => {}
            Some(_) if self.at.is_empty() => self.note("$id", "must be a string"),
            Some(_) => self.note("$id", "is supported at the root only"),
            None => {}
        }
    }

    fn types(&self) -> Result<Option<Types>, Error> {
        let Some(value) = self.get("type") else { return Ok(None) };
        let names = match value {
            Value::String(_) => std::slice::from_ref(value),
            Value::Array(names) if !names.is_empty() => names,
            _ => return Err(self.error("type", "must be a type or a list of types")),
        };
        let mut types = Types(0);
        for name in names {
            let (_, one) = Types::NAMES
                .iter()
                .find(|(known, _)| name == known)
                .ok_or_else(|| self.error("type", format!("can't be {name}")))?;
            types = Types(types.0 | one.0);
        }
        Ok(Some(types))
    }

    fn choices(&self) -> Result<Option<&'static [Json]>, Error> {
        match self.get("enum") {
            None => Ok(None),
            Some(Value::Array(values)) if !values.is_empty() => {
                Ok(Some(list(values.iter().map(constant).collect())))
            }
            Some(_) => Err(self.error("enum", "must be a list of at least one value")),
        }
    }

    fn limit(&mut self, keyword: &str) -> Option<u64> {
        const MAX: u64 = 1 << 53;
        let value = self.get(keyword)?;
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=MAX as f64).contains(number);
        match value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64)) {
            Some(limit) if limit <= MAX => Some(limit),
            _ => {
                self.note(keyword, "must be an integer from 0 to 2^53");
                None
            }
        }
    }

    fn number(&mut self, keyword: &str) -> Option<&'static str> {
        match self.get(keyword)? {
            Value::Number(number) => Some(text(number.as_str())),
            _ => {
                self.note(keyword, "must be a number");
                None
            }
        }
    }

    fn step(&mut self) -> Option<&'static str> {
        let step = self.number("multipleOf")?;
        let decimal = ExactNumber::read(step);
        if !decimal.is_positive() {
            self.note("multipleOf", "must be more than 0");
        } else if !decimal.is_short() {
            self.note("multipleOf", "must not have more digits than fit 32 bits");
        }
        Some(step)
    }

    fn boolean(&mut self, keyword: &str) -> Option<bool> {
        let value = self.get(keyword)?;
        if !value.is_boolean() {
            self.note(keyword, "must be true or false");
        }
        value.as_bool()
    }

    fn pattern(&mut self) -> Result<Option<&'static Pattern>, Error> {
        match self.get("pattern") {
            None => Ok(None),
            Some(Value::String(source)) => self.compiled("pattern", source).map(Some),
            Some(_) => Err(self.error("pattern", "must be a string")),
        }
    }

    fn compiled(&mut self, keyword: &str, source: &str) -> Result<&'static Pattern, Error> {
        if let Some(pattern) = self.compiler.patterns.get(source) {
            return Ok(pattern);
        }
        let pattern = pattern::compile(source)
            .map_err(|problem| self.error(keyword, format!("{source:?} {problem}")))?;
        self.compiler.patterns.insert(source.to_owned(), pattern);
        Ok(pattern)
    }

    fn format(&self) -> Result<Option<Format>, Error> {
        let Some(value) = self.get("format") else { return Ok(None) };
        match Format::NAMES.iter().find(|(name, _)| value == name) {
            Some((_, format)) => Ok(Some(*format)),
            None => {
                let names: Vec<&str> = Format::NAMES.iter().map(|(name, _)| *name).collect();
                let names = names.join(", ");
                Err(self.error("format", format!("must be one of {names}, not {value}")))
            }
        }
    }

    fn names(&mut self, keyword: &str, value: &Value) -> Option<&'static [&'static str]> {
        let names: Option<Vec<&str>> = value
            .as_array()
            .and_then(|names| names.iter().map(|name| name.as_str().map(text)).collect());
        let Some(mut names) = names else {
            self.note(keyword, "must be a list of names");
            return None;
        };
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() < count {
            self.note(keyword, "has a name twice");
        }
        Some(list(names.into_iter().map(text).collect()))
    }

    fn object(&mut self, keyword: &str) -> Option<&'a Map<String, Value>> {
        match self.get(keyword)? {
            Value::Object(members) => Some(members),
            _ => {
                self.note(keyword, "must be an object");
                None
            }
        }
    }

    fn dependent_required(&mut self) -> Option<Rule> {
        let mut dependents = Vec::new();
        for (name, names) in self.object("dependentRequired")? {
            dependents
                .extend(self.names("dependentRequired", names).map(|names| (text(name), names)));
        }
        Some(Rule::DependentRequired(list(dependents)))
    }

    fn child(&mut self, keyword: &str) -> Option<NodeId> {
        let schema = self.get(keyword)?;
        Some(self.compiler.subschema(&below(self.at, keyword), schema))
    }

    fn children(&mut self, keyword: &str) -> Option<&'static [NodeId]> {
        let schemas = match self.get(keyword)? {
            Value::Array(schemas) if !schemas.is_empty() => schemas,
            _ => {
                self.note(keyword, "must be a list of at least one schema");
                return None;
            }
        };
        let at = below(self.at, keyword);
        let mut ids = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            ids.push(self.compiler.subschema(&below(&at, &index.to_string()), schema));
        }
        Some(list(ids))
    }

    /// Compiles the schemas of an object of schemas, sorted by name.
    fn named_children(&mut self, keyword: &str) -> Option<Vec<(&'static str, NodeId)>> {
        let schemas = self.object(keyword)?;
        let at = below(self.at, keyword);
        let mut named = Vec::new();
        for (name, schema) in schemas {
            named.push((text(name), self.compiler.subschema(&below(&at, name), schema)));
        }
        named.sort_unstable();
        Some(named)
    }

    fn others(&mut self, keyword: &str) -> Option<Others> {
        let id = self.child(keyword);
        match (self.get(keyword), id) {
            (Some(Value::Bool(true)), _) => Some(Others::Any),
            (Some(Value::Bool(false)), _) => Some(Others::None),
            (_, id) => id.map(Others::Each),
        }
    }

    fn members(&mut self) -> Option<Rule> {
        let named = self.named_children("properties");
        let patterns = self.named_children("patternProperties");
        let others = self.others("additionalProperties");
        if named.is_none() && patterns.is_none() && others.is_none() {
            return None;
        }
        let mut compiled = Vec::new();
        for (source, id) in patterns.unwrap_or_default() {
            let pattern = self.compiled("patternProperties", source).map(Some);
            compiled.extend(self.noted(pattern).map(|pattern| (pattern, id)));
        }
        Some(Rule::Members {
            named: list(named.unwrap_or_default()),
            patterns: list(compiled),
            others: others.unwrap_or(Others::Any),
        })
    }

    fn items(&mut self) -> Option<Rule> {
        let prefix = self.children("prefixItems");
        let others = self.others("items");
        (prefix.is_some() || others.is_some()).then(|| Rule::Items {
            prefix: prefix.unwrap_or_default(),
            others: others.unwrap_or(Others::Any),
        })
    }

    fn contains(&mut self) -> Option<Rule> {
        let least = self.limit("minContains").unwrap_or(1);
        let max = self.limit("maxContains");
        self.child("contains").map(|node| Rule::Contains { node, least, max })
    }

    fn condition(&mut self) -> Option<Rule> {
        let met = self.child("then");
        let unmet = self.child("else");
        self.child("if").map(|condition| Rule::If { condition, met, unmet })
    }

    fn reference(&mut self) -> Result<Option<Rule>, Error> {
        let Some(value) = self.get("$ref") else { return Ok(None) };
        let target = value
            .as_str()
            .and_then(reference::pointer)
            .ok_or_else(|| self.error("$ref", "must be \"#\" or \"#/\" and a JSON Pointer"))?;
        let schema =
            self.compiler.root.pointer(&target).ok_or_else(|| {
                self.error("$ref", format!("refers to #{target}, where nothing is"))
            })?;
        self.compiler.references.push((self.at.to_owned(), target.clone()));
        Ok(Some(Rule::Ref(self.compiler.node(&target, schema))))
    }
}

fn constant(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Number(number) => Json::Number(text(number.as_str())),
        Value::String(value) => Json::String(text(value)),
        Value::Array(items) => Json::Array(list(items.iter().map(constant).collect())),
        Value::Object(members) => Json::Object(list(
            members.iter().map(|(name, value)| (text(name), constant(value))).collect(),
        )),
    }
}
