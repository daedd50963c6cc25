//! The compiled form of a JSON Schema: data that is made once, and walked at run time.
//!
//! A schema is a list of nodes, one for each subschema, and a node is the list of rules
//! that must all hold. Rules name other nodes by their index, so that a schema may refer
//! to itself. There is nothing here but data.

/// Index of a node among its schema's nodes; node 0 is the schema itself.
pub type NodeId = u16;

/// The rules of one subschema, all of which must hold.
pub type Node = &'static [Rule];

/// One keyword, or a group that only makes sense together, with its argument. A rule about
/// one JSON type holds for every value of another type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The schema `false`: nothing is valid.
    Never,
    /// `type`.
    Type(Types),
    /// `const`.
    Const(Json),
    /// `enum`.
    Enum(&'static [Json]),
    /// `minLength`, in characters.
    MinLength(u64),
    /// `maxLength`, in characters.
    MaxLength(u64),
    /// `pattern`.
    Pattern(&'static Pattern),
    /// `format`, asserted.
    Format(Format),
    /// `minimum`, as written.
    Minimum(&'static str),
    /// `maximum`, as written.
    Maximum(&'static str),
    /// `exclusiveMinimum`, as written.
    ExclusiveMinimum(&'static str),
    /// `exclusiveMaximum`, as written.
    ExclusiveMaximum(&'static str),
    /// `multipleOf`, as written; its digits fit 32 bits.
    MultipleOf(&'static str),
    /// `minItems`.
    MinItems(u64),
    /// `maxItems`.
    MaxItems(u64),
    /// `uniqueItems: true`.
    UniqueItems,
    /// `minProperties`.
    MinProperties(u64),
    /// `maxProperties`.
    MaxProperties(u64),
    /// `required`.
    Required(&'static [&'static str]),
    /// `dependentRequired`: a member, and those that it asks for.
    DependentRequired(&'static [(&'static str, &'static [&'static str])]),
    /// `properties`, `patternProperties` and `additionalProperties`.
    Members {
        /// By name, sorted.
        named: &'static [(&'static str, NodeId)],
        /// By the pattern of the name.
        patterns: &'static [(&'static Pattern, NodeId)],
        /// Those that neither names.
        others: Others,
    },
    /// `propertyNames`.
    PropertyNames(NodeId),
    /// `prefixItems` and `items`.
    Items {
        /// By position.
        prefix: &'static [NodeId],
        /// Those behind the prefix.
        others: Others,
    },
    /// `contains`, `minContains` and `maxContains`.
    Contains {
        /// What an item must be to count.
        node: NodeId,
        /// `minContains`.
        least: u64,
        /// `maxContains`.
        most: Option<u64>,
    },
    /// `$ref`.
    Ref(NodeId),
    /// `allOf`.
    AllOf(&'static [NodeId]),
    /// `anyOf`.
    AnyOf(&'static [NodeId]),
    /// `oneOf`.
    OneOf(&'static [NodeId]),
    /// `not`.
    Not(NodeId),
    /// `if`, `then` and `else`.
    If {
        /// `if`.
        condition: NodeId,
        /// `then`.
        met: Option<NodeId>,
        /// `else`.
        unmet: Option<NodeId>,
    },
    /// `dependentSchemas`.
    DependentSchemas(&'static [(&'static str, NodeId)]),
}

/// What members or items must be that no rule names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Others {
    /// Anything.
    Any,
    /// There must be none.
    None,
    /// What this node says.
    Each(NodeId),
}

/// A set of JSON types, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(pub u8);

impl Types {
    /// `null`.
    pub const NULL: Self = Self(1);
    /// `boolean`.
    pub const BOOLEAN: Self = Self(1 << 1);
    /// `integer`: a number without a fraction, `1.0` included.
    pub const INTEGER: Self = Self(1 << 2);
    /// `number`: an integer, or what has a fraction.
    pub const NUMBER: Self = Self(Self::INTEGER.0 | Self::FRACTION.0);
    /// A number that is no integer.
    pub const FRACTION: Self = Self(1 << 3);
    /// `string`.
    pub const STRING: Self = Self(1 << 4);
    /// `array`.
    pub const ARRAY: Self = Self(1 << 5);
    /// `object`.
    pub const OBJECT: Self = Self(1 << 6);
    /// All of them.
    pub const ALL: Self = Self((1 << 7) - 1);
    /// Each type's name in a schema.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("null", Self::NULL),
        ("boolean", Self::BOOLEAN),
        ("integer", Self::INTEGER),
        ("number", Self::NUMBER),
        ("string", Self::STRING),
        ("array", Self::ARRAY),
        ("object", Self::OBJECT),
    ];

    /// Whether it has one of the types of `other`.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Those that both have.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// A JSON value as a constant; a number is the text that the schema has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, as written.
    Number(&'static str),
    /// A string.
    String(&'static str),
    /// An array.
    Array(&'static [Json]),
    /// An object, sorted by name.
    Object(&'static [(&'static str, Json)]),
}

/// The `format`s that are known; each is asserted, not merely noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// RFC 3339 `full-date`.
    Date,
    /// RFC 3339 `full-time`.
    Time,
    /// RFC 3339 `date-time`.
    DateTime,
    /// RFC 9562, 36 characters.
    Uuid,
    /// RFC 3986, absolute.
    Uri,
    /// RFC 5321 `Mailbox`.
    Email,
    /// Four decimal numbers with dots.
    Ipv4,
    /// RFC 4291.
    Ipv6,
}

impl Format {
    /// Each format's name in a schema.
    pub const NAMES: [(&'static str, Self); 8] = [
        ("date", Self::Date),
        ("time", Self::Time),
        ("date-time", Self::DateTime),
        ("uuid", Self::Uuid),
        ("uri", Self::Uri),
        ("email", Self::Email),
        ("ipv4", Self::Ipv4),
        ("ipv6", Self::Ipv6),
    ];
}

/// A regular expression as the table of a deterministic automaton over bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pattern {
    /// As written in the schema, in ECMA-262's syntax.
    pub source: &'static str,
    /// The class of each byte.
    pub classes: &'static [u8; 256],
    /// How many classes there are.
    pub stride: usize,
    /// The state before the first byte.
    pub start: u16,
    /// The state after a byte of a class: the row is the state before, the column the class.
    pub next: &'static [u16],
    /// Whether a text that ends in a state matches.
    pub ends: &'static [bool],
}

impl Pattern {
    /// The state in which a text matches whatever follows.
    pub const ACCEPT: u16 = u16::MAX;
    /// The state in which no text can match any more.
    pub const REJECT: u16 = u16::MAX - 1;
}
