//! Encodes the catalogue as the bytes that [`catalogue`](crate::schema::catalogue) reads.

use std::collections::BTreeMap;

use super::event::CompiledEvent;
use crate::model::level::Level;
use crate::schema::catalogue::{MAGIC, digest, tag};
use crate::schema::rule::{Format, Json, NodeId, Others, Pattern, Rule};

/// Encodes the file for the worker.
pub fn catalogue(events: &[CompiledEvent]) -> Vec<u8> {
    let mut events: Vec<&CompiledEvent> = events.iter().collect();
    events.sort_by(|left, right| left.name.cmp(&right.name));
    let mut patterns = Patterns::default();
    let mut schemas = CatalogueWriter::default();
    schemas.list(&events, |writer, event| writer.event(event, &mut patterns));
    let mut body = CatalogueWriter::default();
    body.list(&patterns.found, |writer, pattern| writer.pattern(pattern));
    body.0.extend(schemas.0);
    let mut bytes = MAGIC.to_vec();
    bytes.extend(digest(&body.0).to_le_bytes());
    bytes.extend(body.0);
    bytes
}

/// The patterns of all schemas, each written once.
#[derive(Default)]
struct Patterns {
    indexes: BTreeMap<&'static str, usize>,
    found: Vec<&'static Pattern>,
}

impl Patterns {
    fn index(&mut self, pattern: &'static Pattern) -> usize {
        *self.indexes.entry(pattern.source).or_insert_with(|| {
            self.found.push(pattern);
            self.found.len() - 1
        })
    }
}

#[derive(Default)]
struct CatalogueWriter(Vec<u8>);

impl CatalogueWriter {
    fn event(&mut self, event: &CompiledEvent, patterns: &mut Patterns) {
        let CompiledEvent { name, id, version, level, opens_session, partition, nodes } = event;
        [name, id, version].into_iter().for_each(|text| self.text(text));
        self.0.push(match level {
            None => 0,
            Some(Level::Low) => 1,
            Some(Level::Mid) => 2,
            Some(Level::High) => 3,
        });
        self.0.push((*opens_session).into());
        self.list(partition, |writer, (name, values)| {
            writer.text(name);
            writer.list(values, |writer, value| writer.text(value));
        });
        self.list(nodes, |writer, node| {
            writer.list(node, |writer, rule| writer.rule(rule, patterns));
        });
    }

    fn rule(&mut self, rule: &Rule, patterns: &mut Patterns) {
        let tag = match rule {
            Rule::Never => tag::NEVER,
            Rule::Type(_) => tag::TYPE,
            Rule::Const(_) => tag::CONST,
            Rule::Enum(_) => tag::ENUM,
            Rule::MinLength(_) => tag::MIN_LENGTH,
            Rule::MaxLength(_) => tag::MAX_LENGTH,
            Rule::Pattern(_) => tag::PATTERN,
            Rule::Format(_) => tag::FORMAT,
            Rule::Minimum(_) => tag::MINIMUM,
            Rule::Maximum(_) => tag::MAXIMUM,
            Rule::ExclusiveMinimum(_) => tag::EXCLUSIVE_MINIMUM,
            Rule::ExclusiveMaximum(_) => tag::EXCLUSIVE_MAXIMUM,
            Rule::MultipleOf(_) => tag::MULTIPLE_OF,
            Rule::MinItems(_) => tag::MIN_ITEMS,
            Rule::MaxItems(_) => tag::MAX_ITEMS,
            Rule::UniqueItems => tag::UNIQUE_ITEMS,
            Rule::MinProperties(_) => tag::MIN_PROPERTIES,
            Rule::MaxProperties(_) => tag::MAX_PROPERTIES,
            Rule::Required(_) => tag::REQUIRED,
            Rule::DependentRequired(_) => tag::DEPENDENT_REQUIRED,
            Rule::Members { .. } => tag::MEMBERS,
            Rule::PropertyNames(_) => tag::PROPERTY_NAMES,
            Rule::Items { .. } => tag::ITEMS,
            Rule::Contains { .. } => tag::CONTAINS,
            Rule::Ref(_) => tag::REF,
            Rule::AllOf(_) => tag::ALL_OF,
            Rule::AnyOf(_) => tag::ANY_OF,
            Rule::OneOf(_) => tag::ONE_OF,
            Rule::Not(_) => tag::NOT,
            Rule::If { .. } => tag::IF,
            Rule::DependentSchemas(_) => tag::DEPENDENT_SCHEMAS,
        };
        self.0.push(tag);
        match rule {
            Rule::Never | Rule::UniqueItems => {}
            Rule::Type(types) => self.0.push(types.0),
            Rule::Const(value) => self.json(value),
            Rule::Enum(values) => self.list(values, Self::json),
            Rule::MinLength(limit)
            | Rule::MaxLength(limit)
            | Rule::MinItems(limit)
            | Rule::MaxItems(limit)
            | Rule::MinProperties(limit)
            | Rule::MaxProperties(limit) => self.number(*limit),
            Rule::Pattern(pattern) => self.size(patterns.index(pattern)),
            Rule::Format(format) => {
                let index = Format::NAMES.iter().position(|(_, known)| known == format);
                self.0.push(u8::try_from(index.expect("each has a name")).expect("there are few"));
            }
            Rule::Minimum(text)
            | Rule::Maximum(text)
            | Rule::ExclusiveMinimum(text)
            | Rule::ExclusiveMaximum(text)
            | Rule::MultipleOf(text) => self.text(text),
            Rule::Required(names) => self.list(names, |writer, name| writer.text(name)),
            Rule::DependentRequired(dependents) => self.list(dependents, |writer, it| {
                writer.text(it.0);
                writer.list(it.1, |writer, name| writer.text(name));
            }),
            Rule::DependentSchemas(named) => self.named(named),
            Rule::Members { named, patterns: by_pattern, others } => {
                self.named(named);
                self.list(by_pattern, |writer, (pattern, id)| {
                    writer.size(patterns.index(pattern));
                    writer.id(id);
                });
                self.others(*others);
            }
            Rule::Items { prefix, others } => {
                self.list(prefix, Self::id);
                self.others(*others);
            }
            Rule::Contains { node, least, max } => {
                self.id(node);
                self.number(*least);
                self.optional(max.as_ref(), |writer, max| writer.number(*max));
            }
            Rule::PropertyNames(id) | Rule::Ref(id) | Rule::Not(id) => self.id(id),
            Rule::AllOf(ids) | Rule::AnyOf(ids) | Rule::OneOf(ids) => self.list(ids, Self::id),
            Rule::If { condition, met, unmet } => {
                self.id(condition);
                self.optional(met.as_ref(), Self::id);
                self.optional(unmet.as_ref(), Self::id);
            }
        }
    }

    fn others(&mut self, others: Others) {
        match others {
            Others::Any => self.0.push(0),
            Others::None => self.0.push(1),
            Others::Each(id) => {
                self.0.push(2);
                self.id(&id);
            }
        }
    }

    fn json(&mut self, value: &Json) {
        match value {
            Json::Null => self.0.push(0),
            Json::Bool(false) => self.0.push(1),
            Json::Bool(true) => self.0.push(2),
            Json::Number(text) => {
                self.0.push(3);
                self.text(text);
            }
            Json::String(text) => {
                self.0.push(4);
                self.text(text);
            }
            Json::Array(items) => {
                self.0.push(5);
                self.list(items, Self::json);
            }
            Json::Object(members) => {
                self.0.push(6);
                self.list(members, |writer, (name, value)| {
                    writer.text(name);
                    writer.json(value);
                });
            }
        }
    }

    fn pattern(&mut self, pattern: &Pattern) {
        let Pattern { source, classes, stride, start, next, ends } = pattern;
        self.text(source);
        self.0.extend(*classes);
        self.size(*stride);
        self.id(start);
        self.size(ends.len());
        next.iter().for_each(|cell| self.0.extend(cell.to_le_bytes()));
        self.0.extend(ends.iter().map(|ends| u8::from(*ends)));
    }

    fn named(&mut self, named: &[(&'static str, NodeId)]) {
        self.list(named, |writer, (name, id)| {
            writer.text(name);
            writer.id(id);
        });
    }

    fn id(&mut self, id: &NodeId) {
        self.number((*id).into());
    }

    fn text(&mut self, text: &str) {
        self.size(text.len());
        self.0.extend(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.size(items.len());
        items.iter().for_each(|item| write(self, item));
    }

    fn optional<T>(&mut self, item: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.0.push(item.is_some().into());
        if let Some(item) = item {
            write(self, item);
        }
    }

    fn size(&mut self, size: usize) {
        self.number(u64::try_from(size).expect("a size fits 64 bits"));
    }

    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}
