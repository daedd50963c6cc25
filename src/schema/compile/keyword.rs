//! One keyword after the other, each with the argument that it must have.

use serde_json::{Map, Value};

use super::super::number::Decimal;
use super::super::rule::{Format, Json, NodeId, Others, Pattern, Rule, Types};
use super::{Compiler, Error, below, list, pattern, reference, text};

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Every keyword that is taken; those of the last two lines assert nothing.
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

/// Whether `keyword` is supported.
pub fn is_known(keyword: &str) -> bool {
    KNOWN.contains(&keyword)
}

/// The keywords of one subschema.
pub struct Keywords<'k, 'c, 'a> {
    pub compiler: &'k mut Compiler<'c>,
    pub at: &'a str,
    pub keywords: &'a Map<String, Value>,
}

impl<'a> Keywords<'_, '_, 'a> {
    /// Their rules, the cheap and telling ones first.
    pub fn rules(mut self) -> Result<Vec<Rule>, Error> {
        self.annotations()?;
        self.definitions()?;
        let mut rules = Vec::new();
        rules.extend(self.types()?.map(Rule::Type));
        rules.extend(self.get("const").map(|value| Rule::Const(constant(value))));
        rules.extend(self.choices()?.map(Rule::Enum));
        rules.extend(self.limit("minLength")?.map(Rule::MinLength));
        rules.extend(self.limit("maxLength")?.map(Rule::MaxLength));
        rules.extend(self.pattern()?.map(Rule::Pattern));
        rules.extend(self.format()?.map(Rule::Format));
        rules.extend(self.number("minimum")?.map(Rule::Minimum));
        rules.extend(self.number("maximum")?.map(Rule::Maximum));
        rules.extend(self.number("exclusiveMinimum")?.map(Rule::ExclusiveMinimum));
        rules.extend(self.number("exclusiveMaximum")?.map(Rule::ExclusiveMaximum));
        rules.extend(self.step()?.map(Rule::MultipleOf));
        rules.extend(self.limit("minItems")?.map(Rule::MinItems));
        rules.extend(self.limit("maxItems")?.map(Rule::MaxItems));
        rules.extend(self.boolean("uniqueItems")?.filter(|on| *on).map(|_| Rule::UniqueItems));
        rules.extend(self.limit("minProperties")?.map(Rule::MinProperties));
        rules.extend(self.limit("maxProperties")?.map(Rule::MaxProperties));
        if let Some(value) = self.get("required") {
            rules.push(Rule::Required(self.names("required", value)?));
        }
        rules.extend(self.dependent_required()?);
        rules.extend(self.items()?);
        rules.extend(self.contains()?);
        rules.extend(self.child("propertyNames")?.map(Rule::PropertyNames));
        rules.extend(self.members()?);
        rules.extend(self.reference()?);
        rules.extend(self.children("allOf")?.map(Rule::AllOf));
        rules.extend(self.children("anyOf")?.map(Rule::AnyOf));
        rules.extend(self.children("oneOf")?.map(Rule::OneOf));
        rules.extend(self.child("not")?.map(Rule::Not));
        rules.extend(self.condition()?);
        let dependents = self.named_children("dependentSchemas")?;
        rules.extend(dependents.map(|named| Rule::DependentSchemas(list(named))));
        Ok(rules)
    }

    fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.keywords.get(keyword)
    }

    fn refuse(&self, keyword: &str, problem: impl Into<String>) -> Error {
        Error { pointer: self.at.to_owned(), keyword: keyword.to_owned(), problem: problem.into() }
    }

    fn annotations(&self) -> Result<(), Error> {
        for keyword in ["$comment", "title", "description"] {
            if self.get(keyword).is_some_and(|value| !value.is_string()) {
                return Err(self.refuse(keyword, "must be a string"));
            }
        }
        for keyword in ["deprecated", "readOnly", "writeOnly"] {
            self.boolean(keyword)?;
        }
        if self.get("examples").is_some_and(|value| !value.is_array()) {
            return Err(self.refuse("examples", "must be an array"));
        }
        if self.get("$schema").is_some_and(|value| value != DRAFT) {
            return Err(self.refuse("$schema", format!("must be {DRAFT:?}")));
        }
        match self.get("$id") {
            Some(Value::String(_)) if self.at.is_empty() => Ok(()),
            Some(_) if self.at.is_empty() => Err(self.refuse("$id", "must be a string")),
            Some(_) => Err(self.refuse("$id", "is supported at the root only")),
            None => Ok(()),
        }
    }

    fn definitions(&mut self) -> Result<(), Error> {
        self.named_children("$defs").map(drop)
    }

    fn types(&self) -> Result<Option<Types>, Error> {
        let Some(value) = self.get("type") else { return Ok(None) };
        let names = match value {
            Value::String(_) => std::slice::from_ref(value),
            Value::Array(names) if !names.is_empty() => names,
            _ => return Err(self.refuse("type", "must be a type or a list of types")),
        };
        let mut types = Types(0);
        for name in names {
            let (_, one) = Types::NAMES
                .iter()
                .find(|(known, _)| name == known)
                .ok_or_else(|| self.refuse("type", format!("can't be {name}")))?;
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
            Some(_) => Err(self.refuse("enum", "must be a list of at least one value")),
        }
    }

    fn limit(&self, keyword: &str) -> Result<Option<u64>, Error> {
        const MOST: u64 = 1 << 53;
        let Some(value) = self.get(keyword) else { return Ok(None) };
        let whole = |number: &f64| number.fract() == 0.0 && (0.0..=MOST as f64).contains(number);
        match value.as_u64().or_else(|| value.as_f64().filter(whole).map(|number| number as u64)) {
            Some(limit) if limit <= MOST => Ok(Some(limit)),
            _ => Err(self.refuse(keyword, "must be an integer from 0 to 2^53")),
        }
    }

    fn number(&self, keyword: &str) -> Result<Option<&'static str>, Error> {
        match self.get(keyword) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Some(text(number.as_str()))),
            Some(_) => Err(self.refuse(keyword, "must be a number")),
        }
    }

    fn step(&self) -> Result<Option<&'static str>, Error> {
        match self.number("multipleOf")? {
            Some(step) if !Decimal::read(step).is_positive() => {
                Err(self.refuse("multipleOf", "must be more than 0"))
            }
            Some(step) if !Decimal::read(step).is_short() => {
                Err(self.refuse("multipleOf", "must not have more digits than fit 32 bits"))
            }
            step => Ok(step),
        }
    }

    fn boolean(&self, keyword: &str) -> Result<Option<bool>, Error> {
        match self.get(keyword) {
            None => Ok(None),
            Some(Value::Bool(on)) => Ok(Some(*on)),
            Some(_) => Err(self.refuse(keyword, "must be true or false")),
        }
    }

    fn pattern(&mut self) -> Result<Option<&'static Pattern>, Error> {
        match self.get("pattern") {
            None => Ok(None),
            Some(Value::String(source)) => self.compiled("pattern", source).map(Some),
            Some(_) => Err(self.refuse("pattern", "must be a string")),
        }
    }

    fn compiled(&mut self, keyword: &str, source: &str) -> Result<&'static Pattern, Error> {
        if let Some(pattern) = self.compiler.patterns.get(source) {
            return Ok(pattern);
        }
        let pattern = pattern::compile(source)
            .map_err(|problem| self.refuse(keyword, format!("{source:?} {problem}")))?;
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
                Err(self.refuse("format", format!("must be one of {names}, not {value}")))
            }
        }
    }

    fn names(&self, keyword: &str, value: &Value) -> Result<&'static [&'static str], Error> {
        let names: Option<Vec<&str>> = value
            .as_array()
            .and_then(|names| names.iter().map(|name| name.as_str().map(text)).collect());
        let mut names = names.ok_or_else(|| self.refuse(keyword, "must be a list of names"))?;
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        if names.len() < count {
            return Err(self.refuse(keyword, "has a name twice"));
        }
        Ok(list(names.into_iter().map(text).collect()))
    }

    fn object(&self, keyword: &str) -> Result<Option<&'a Map<String, Value>>, Error> {
        match self.get(keyword) {
            None => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(self.refuse(keyword, "must be an object")),
        }
    }

    fn dependent_required(&self) -> Result<Option<Rule>, Error> {
        let Some(members) = self.object("dependentRequired")? else { return Ok(None) };
        let mut dependents = Vec::new();
        for (name, names) in members {
            dependents.push((text(name), self.names("dependentRequired", names)?));
        }
        Ok(Some(Rule::DependentRequired(list(dependents))))
    }

    fn child(&mut self, keyword: &str) -> Result<Option<NodeId>, Error> {
        let Some(schema) = self.get(keyword) else { return Ok(None) };
        self.compiler.subschema(&below(self.at, keyword), schema).map(Some)
    }

    fn children(&mut self, keyword: &str) -> Result<Option<&'static [NodeId]>, Error> {
        let schemas = match self.get(keyword) {
            None => return Ok(None),
            Some(Value::Array(schemas)) if !schemas.is_empty() => schemas,
            Some(_) => return Err(self.refuse(keyword, "must be a list of at least one schema")),
        };
        let at = below(self.at, keyword);
        let mut ids = Vec::new();
        for (index, schema) in schemas.iter().enumerate() {
            ids.push(self.compiler.subschema(&below(&at, &index.to_string()), schema)?);
        }
        Ok(Some(list(ids)))
    }

    /// Sorted by name, as serde_json's maps are.
    fn named_children(
        &mut self,
        keyword: &str,
    ) -> Result<Option<Vec<(&'static str, NodeId)>>, Error> {
        let Some(schemas) = self.object(keyword)? else { return Ok(None) };
        let at = below(self.at, keyword);
        let mut named = Vec::new();
        for (name, schema) in schemas {
            named.push((text(name), self.compiler.subschema(&below(&at, name), schema)?));
        }
        named.sort_unstable();
        Ok(Some(named))
    }

    fn others(&mut self, keyword: &str) -> Result<Option<Others>, Error> {
        let id = self.child(keyword)?;
        Ok(match (self.get(keyword), id) {
            (Some(Value::Bool(true)), _) => Some(Others::Any),
            (Some(Value::Bool(false)), _) => Some(Others::None),
            (_, id) => id.map(Others::Each),
        })
    }

    fn members(&mut self) -> Result<Option<Rule>, Error> {
        let named = self.named_children("properties")?;
        let patterns = self.named_children("patternProperties")?;
        let others = self.others("additionalProperties")?;
        if named.is_none() && patterns.is_none() && others.is_none() {
            return Ok(None);
        }
        let mut compiled = Vec::new();
        for (source, id) in patterns.unwrap_or_default() {
            compiled.push((self.compiled("patternProperties", source)?, id));
        }
        Ok(Some(Rule::Members {
            named: list(named.unwrap_or_default()),
            patterns: list(compiled),
            others: others.unwrap_or(Others::Any),
        }))
    }

    fn items(&mut self) -> Result<Option<Rule>, Error> {
        let prefix = self.children("prefixItems")?;
        let others = self.others("items")?;
        Ok((prefix.is_some() || others.is_some()).then(|| Rule::Items {
            prefix: prefix.unwrap_or_default(),
            others: others.unwrap_or(Others::Any),
        }))
    }

    fn contains(&mut self) -> Result<Option<Rule>, Error> {
        let least = self.limit("minContains")?.unwrap_or(1);
        let most = self.limit("maxContains")?;
        Ok(self.child("contains")?.map(|node| Rule::Contains { node, least, most }))
    }

    fn condition(&mut self) -> Result<Option<Rule>, Error> {
        let met = self.child("then")?;
        let unmet = self.child("else")?;
        Ok(self.child("if")?.map(|condition| Rule::If { condition, met, unmet }))
    }

    fn reference(&mut self) -> Result<Option<Rule>, Error> {
        let Some(value) = self.get("$ref") else { return Ok(None) };
        let target = value
            .as_str()
            .and_then(reference::pointer)
            .ok_or_else(|| self.refuse("$ref", "must be \"#\" or \"#/\" and a JSON Pointer"))?;
        let schema =
            self.compiler.root.pointer(&target).ok_or_else(|| {
                self.refuse("$ref", format!("refers to #{target}, where nothing is"))
            })?;
        self.compiler.references.push((self.at.to_owned(), target.clone()));
        self.compiler.node(&target, schema).map(|id| Some(Rule::Ref(id)))
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
