//! The compiled form of a JSON Schema: only data, made once and walked at run time.
//!
//! A schema is a list of nodes, one for each subschema. A node is a list of rules, all of which
//! must hold. Rules refer to other nodes by index, so that a schema may refer to itself.

/// Index of a node among its schema's nodes; node 0 is the root.
pub type NodeId = u16;

/// The rules of one subschema, all of which must hold.
pub type Node = &'static [Rule];

/// One keyword, or a group of keywords that belong together, with its argument. A rule about one
/// JSON type holds for every value of another type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rule {
    /// The schema `false`: nothing is valid.
    Never,
    Type(Types),
    Const(Json),
    Enum(&'static [Json]),
    /// `minLength`, in characters.
    MinLength(u64),
    /// `maxLength`, in characters.
    MaxLength(u64),
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
    MinItems(u64),
    MaxItems(u64),
    /// `uniqueItems: true`.
    UniqueItems,
    MinProperties(u64),
    MaxProperties(u64),
    Required(&'static [&'static str]),
    /// `dependentRequired`: a member, and the members that it requires.
    DependentRequired(&'static [(&'static str, &'static [&'static str])]),
    /// `properties`, `patternProperties` and `additionalProperties`.
    Members {
        /// By name, sorted.
        named: &'static [(&'static str, NodeId)],
        /// By the pattern of the name.
        patterns: &'static [(&'static Pattern, NodeId)],
        /// The members that neither names.
        others: Others,
    },
    PropertyNames(NodeId),
    /// `prefixItems` and `items`.
    Items {
        /// By position.
        prefix: &'static [NodeId],
        /// The items after the prefix.
        others: Others,
    },
    /// `contains`, `minContains` and `maxContains`.
    Contains {
        /// The schema of an item that counts.
        node: NodeId,
        least: u64,
        max: Option<u64>,
    },
    Ref(NodeId),
    AllOf(&'static [NodeId]),
    AnyOf(&'static [NodeId]),
    OneOf(&'static [NodeId]),
    Not(NodeId),
    /// `if`, `then` and `else`.
    If {
        condition: NodeId,
        met: Option<NodeId>,
        unmet: Option<NodeId>,
    },
    DependentSchemas(&'static [(&'static str, NodeId)]),
}

/// The rule for members or items that no other rule names.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Others {
    Any,
    /// None are allowed.
    None,
    /// This node applies to each.
    Each(NodeId),
}

/// A set of JSON types, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Types(pub u8);

impl Types {
    pub const NULL: Self = Self(1);
    pub const BOOLEAN: Self = Self(1 << 1);
    /// `integer`: a number without a fraction, `1.0` included.
    pub const INTEGER: Self = Self(1 << 2);
    /// `number`: any number.
    pub const NUMBER: Self = Self(Self::INTEGER.0 | Self::FRACTION.0);
    /// A number that is not an integer.
    pub const FRACTION: Self = Self(1 << 3);
    pub const STRING: Self = Self(1 << 4);
    pub const ARRAY: Self = Self(1 << 5);
    pub const OBJECT: Self = Self(1 << 6);
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

    /// Whether the two sets have a type in common.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The types in both sets.
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

/// A constant JSON value; a number is the text from the schema.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Json {
    Null,
    Bool(bool),
    /// A number, as written.
    Number(&'static str),
    String(&'static str),
    Array(&'static [Json]),
    /// An object, sorted by name.
    Object(&'static [(&'static str, Json)]),
}

/// The supported `format`s; each is asserted.
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
    /// The number of classes.
    pub stride: usize,
    /// The state before the first byte.
    pub start: u16,
    /// The next state: the row is the current state, the column the class of the byte.
    pub next: &'static [u16],
    /// Whether a text that ends in the state matches.
    pub ends: &'static [bool],
}

impl Pattern {
    /// The state in which a text matches already.
    pub const ACCEPT: u16 = u16::MAX;
    /// The state in which a text can't match any more.
    pub const REJECT: u16 = u16::MAX - 1;
}
