//! The catalogue as bytes: one file that `compile` writes and the worker loads at its start.
//!
//! The file has the tables of the rules, in their order, so nothing is parsed. Numbers are LEB128;
//! texts and lists follow their length. Texts are borrowed from the bytes. Every read is bounded,
//! and the header has a checksum of the rest, so that a truncated or changed file is rejected.

use super::Schema;
use super::rule::{Format, Json, Node, NodeId, Others, Pattern, Rule, Types};
use crate::model::level::Level;
use crate::model::schema_info::{PartitionColumn, SchemaInfo};

/// The first bytes of a file; the last of them is the version of the format.
pub(super) const MAGIC: [u8; 4] = *b"HWC\x01";

/// The deepest nesting of a constant in a schema; serde_json reads no deeper one.
const MAX_DEPTH: u8 = 128;

/// Why a file is not a catalogue for this worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    /// Another file, or another version.
    #[error("is of another version than the worker; run scripts/build")]
    Foreign,
    /// Truncated or changed.
    #[error("is damaged; run scripts/build")]
    Damaged,
}

/// Decodes the schemas in `bytes`, sorted by name.
pub fn decode(bytes: &'static [u8]) -> Result<&'static [Schema], CatalogueError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(CatalogueError::Foreign)?;
    let (claimed, body) = rest.split_first_chunk().ok_or(CatalogueError::Damaged)?;
    if u64::from_le_bytes(*claimed) != digest(body) {
        return Err(CatalogueError::Damaged);
    }
    let mut reader = CatalogueReader { rest: body, patterns: &[] };
    let read = reader.catalogue().filter(|_| reader.rest.is_empty());
    let is_sorted =
        |schemas: &&[Schema]| schemas.is_sorted_by(|left, right| left.info.name < right.info.name);
    read.filter(is_sorted).ok_or(CatalogueError::Damaged)
}

/// Returns a checksum of `bytes`, which misses one accidental change in 2^64.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    // FNV's constants, but eight bytes a step.
    const FACTOR: u64 = 0x0000_0100_0000_01b3;
    let step = |digest: u64, word: [u8; 8]| {
        (digest ^ u64::from_le_bytes(word)).wrapping_mul(FACTOR).rotate_left(29)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    step(words.iter().fold(start, |digest, word| step(digest, *word)), last)
}

/// The byte before each rule, in the order of [`Rule`].
pub(super) mod tag {
    pub const NEVER: u8 = 0;
    pub const TYPE: u8 = 1;
    pub const CONST: u8 = 2;
    pub const ENUM: u8 = 3;
    pub const MIN_LENGTH: u8 = 4;
    pub const MAX_LENGTH: u8 = 5;
    pub const PATTERN: u8 = 6;
    pub const FORMAT: u8 = 7;
    pub const MINIMUM: u8 = 8;
    pub const MAXIMUM: u8 = 9;
    pub const EXCLUSIVE_MINIMUM: u8 = 10;
    pub const EXCLUSIVE_MAXIMUM: u8 = 11;
    pub const MULTIPLE_OF: u8 = 12;
    pub const MIN_ITEMS: u8 = 13;
    pub const MAX_ITEMS: u8 = 14;
    pub const UNIQUE_ITEMS: u8 = 15;
    pub const MIN_PROPERTIES: u8 = 16;
    pub const MAX_PROPERTIES: u8 = 17;
    pub const REQUIRED: u8 = 18;
    pub const DEPENDENT_REQUIRED: u8 = 19;
    pub const MEMBERS: u8 = 20;
    pub const PROPERTY_NAMES: u8 = 21;
    pub const ITEMS: u8 = 22;
    pub const CONTAINS: u8 = 23;
    pub const REF: u8 = 24;
    pub const ALL_OF: u8 = 25;
    pub const ANY_OF: u8 = 26;
    pub const ONE_OF: u8 = 27;
    pub const NOT: u8 = 28;
    pub const IF: u8 = 29;
    pub const DEPENDENT_SCHEMAS: u8 = 30;
}

/// The unread bytes. Each method reads its result from the front; none if it is not there.
struct CatalogueReader {
    rest: &'static [u8],
    patterns: &'static [Pattern],
}

impl CatalogueReader {
    fn catalogue(&mut self) -> Option<&'static [Schema]> {
        self.patterns = self.list(Self::pattern)?;
        self.list(Self::schema)
    }

    fn schema(&mut self) -> Option<Schema> {
        Some(Schema {
            info: SchemaInfo {
                name: self.text()?,
                id: self.text()?,
                version: self.text()?,
                level: match self.byte()? {
                    0 => None,
                    1 => Some(Level::Low),
                    2 => Some(Level::Mid),
                    3 => Some(Level::High),
                    _ => return None,
                },
                opens_session: self.boolean()?,
                partition: self.list(Self::partition)?,
            },
            nodes: self.list(Self::node)?,
        })
    }

    fn partition(&mut self) -> Option<PartitionColumn> {
        Some(PartitionColumn { name: self.text()?, values: self.texts()? })
    }

    fn node(&mut self) -> Option<Node> {
        self.list(Self::rule)
    }

    fn rule(&mut self) -> Option<Rule> {
        Some(match self.byte()? {
            tag::NEVER => Rule::Never,
            tag::TYPE => Rule::Type(Types(self.byte()?)),
            tag::CONST => Rule::Const(self.json(MAX_DEPTH)?),
            tag::ENUM => Rule::Enum(self.list(|reader| reader.json(MAX_DEPTH))?),
            tag::MIN_LENGTH => Rule::MinLength(self.number()?),
            tag::MAX_LENGTH => Rule::MaxLength(self.number()?),
            tag::PATTERN => Rule::Pattern(self.known_pattern()?),
            tag::FORMAT => {
                let (_, format) = Format::NAMES.get(usize::from(self.byte()?))?;
                Rule::Format(*format)
            }
            tag::MINIMUM => Rule::Minimum(self.text()?),
            tag::MAXIMUM => Rule::Maximum(self.text()?),
            tag::EXCLUSIVE_MINIMUM => Rule::ExclusiveMinimum(self.text()?),
            tag::EXCLUSIVE_MAXIMUM => Rule::ExclusiveMaximum(self.text()?),
            tag::MULTIPLE_OF => Rule::MultipleOf(self.text()?),
            tag::MIN_ITEMS => Rule::MinItems(self.number()?),
            tag::MAX_ITEMS => Rule::MaxItems(self.number()?),
            tag::UNIQUE_ITEMS => Rule::UniqueItems,
            tag::MIN_PROPERTIES => Rule::MinProperties(self.number()?),
            tag::MAX_PROPERTIES => Rule::MaxProperties(self.number()?),
            tag::REQUIRED => Rule::Required(self.texts()?),
            tag::DEPENDENT_REQUIRED => {
                Rule::DependentRequired(self.list(|it| Some((it.text()?, it.texts()?)))?)
            }
            tag::MEMBERS => Rule::Members {
                named: self.named()?,
                patterns: self.list(|it| Some((it.known_pattern()?, it.id()?)))?,
                others: self.others()?,
            },
            tag::PROPERTY_NAMES => Rule::PropertyNames(self.id()?),
            tag::ITEMS => Rule::Items { prefix: self.ids()?, others: self.others()? },
            tag::CONTAINS => Rule::Contains {
                node: self.id()?,
                least: self.number()?,
                max: self.optional(Self::number)?,
            },
            tag::REF => Rule::Ref(self.id()?),
            tag::ALL_OF => Rule::AllOf(self.ids()?),
            tag::ANY_OF => Rule::AnyOf(self.ids()?),
            tag::ONE_OF => Rule::OneOf(self.ids()?),
            tag::NOT => Rule::Not(self.id()?),
            tag::IF => Rule::If {
                condition: self.id()?,
                met: self.optional(Self::id)?,
                unmet: self.optional(Self::id)?,
            },
            tag::DEPENDENT_SCHEMAS => Rule::DependentSchemas(self.named()?),
            _ => return None,
        })
    }

    fn others(&mut self) -> Option<Others> {
        Some(match self.byte()? {
            0 => Others::Any,
            1 => Others::None,
            2 => Others::Each(self.id()?),
            _ => return None,
        })
    }

    /// Reads a constant of at most `depth` levels.
    fn json(&mut self, depth: u8) -> Option<Json> {
        let below = depth.checked_sub(1)?;
        Some(match self.byte()? {
            0 => Json::Null,
            1 => Json::Bool(false),
            2 => Json::Bool(true),
            3 => Json::Number(self.text()?),
            4 => Json::String(self.text()?),
            5 => Json::Array(self.list(|reader| reader.json(below))?),
            6 => Json::Object(self.list(|it| Some((it.text()?, it.json(below)?)))?),
            _ => return None,
        })
    }

    fn pattern(&mut self) -> Option<Pattern> {
        let source = self.text()?;
        let (classes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        let stride = self.size()?;
        let start = self.id()?;
        let states = self.size()?;
        let (cells, _) = self.take(states.checked_mul(stride)?.checked_mul(2)?)?.as_chunks();
        let next = cells.iter().map(|cell| u16::from_le_bytes(*cell)).collect();
        let ends = self.take(states)?.iter().map(|ends| *ends != 0).collect();
        Some(Pattern {
            source,
            classes,
            stride,
            start,
            next: Vec::leak(next),
            ends: Vec::leak(ends),
        })
    }

    fn known_pattern(&mut self) -> Option<&'static Pattern> {
        let index = self.size()?;
        self.patterns.get(index)
    }

    fn named(&mut self) -> Option<&'static [(&'static str, NodeId)]> {
        self.list(|reader| Some((reader.text()?, reader.id()?)))
    }

    fn ids(&mut self) -> Option<&'static [NodeId]> {
        self.list(Self::id)
    }

    fn id(&mut self) -> Option<NodeId> {
        NodeId::try_from(self.number()?).ok()
    }

    fn texts(&mut self) -> Option<&'static [&'static str]> {
        self.list(Self::text)
    }

    fn text(&mut self) -> Option<&'static str> {
        let length = self.size()?;
        std::str::from_utf8(self.take(length)?).ok()
    }

    /// Reads a number and that many items, each of at least one byte.
    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Option<T>) -> Option<&'static [T]> {
        let count = self.size().filter(|count| *count <= self.rest.len())?;
        if count == 0 {
            return Some(&[]);
        }
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(item(self)?);
        }
        Some(Vec::leak(items))
    }

    fn optional<T>(&mut self, item: impl FnOnce(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.boolean()? {
            true => item(self).map(Some),
            false => Some(None),
        }
    }

    fn boolean(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn size(&mut self) -> Option<usize> {
        usize::try_from(self.number()?).ok()
    }

    /// Reads an unsigned LEB128.
    fn number(&mut self) -> Option<u64> {
        let (mut number, mut shift) = (0_u64, 0_u32);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if byte < 0x80 {
                return Some(number);
            }
            shift = shift.checked_add(7)?;
        }
    }

    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    fn take(&mut self, length: usize) -> Option<&'static [u8]> {
        let (accepted, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(accepted)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::compile::{emit, folder};
    use super::*;

    fn shipped() -> Vec<u8> {
        emit::catalogue(&folder::shipped())
    }

    fn with_digest(body: &[u8]) -> &'static [u8] {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(digest(body).to_le_bytes());
        bytes.extend(body);
        bytes.leak()
    }

    #[test]
    fn a_truncated_or_changed_catalogue_is_refused() {
        let bytes: &'static [u8] = shipped().leak();
        assert!(decode(bytes).is_ok());
        for end in (0..bytes.len()).step_by(97).chain(0..20) {
            let wanted = match end {
                0..4 => CatalogueError::Foreign,
                _ => CatalogueError::Damaged,
            };
            assert_eq!(decode(&bytes[..end]).err(), Some(wanted), "{end}");
        }
        for at in (4..bytes.len()).step_by(997).chain(4..20) {
            let mut changed = bytes.to_vec();
            changed[at] ^= 1;
            assert_eq!(decode(changed.leak()).err(), Some(CatalogueError::Damaged), "{at}");
        }
        let longer = [bytes, &[0]].concat().leak();
        assert_eq!(decode(longer).err(), Some(CatalogueError::Damaged));
    }

    #[test]
    fn another_version_is_refused() {
        let mut bytes = shipped();
        bytes[3] = MAGIC[3] + 1;
        assert_eq!(decode(bytes.leak()).err(), Some(CatalogueError::Foreign));
        assert_eq!(decode(b"").err(), Some(CatalogueError::Foreign));
        assert_eq!(decode(b"{\"name\":1}").err(), Some(CatalogueError::Foreign));
    }

    #[test]
    fn names_out_of_order_are_refused() {
        let schema = |name: u8| [1, name, 0, 0, 0, 0, 0, 0];
        let body = |names: [u8; 2]| {
            let mut body = vec![0, 2];
            names.iter().for_each(|name| body.extend(schema(*name)));
            body
        };
        assert_eq!(decode(with_digest(&body(*b"ab"))).unwrap().len(), 2);
        for names in [*b"ba", *b"aa"] {
            assert_eq!(decode(with_digest(&body(names))).err(), Some(CatalogueError::Damaged));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_with_a_right_digest_make_it_panic(
            body in prop::collection::vec(any::<u8>(), 0..200),
            keep in 0_usize..4_000,
        ) {
            let _ = decode(with_digest(&body));
            let shipped = shipped_once();
            let kept = &shipped[12..shipped.len().min(12 + keep)];
            let _ = decode(with_digest(&[kept, &body].concat()));
        }
    }

    fn shipped_once() -> &'static [u8] {
        static SHIPPED: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        SHIPPED.get_or_init(shipped)
    }
}
