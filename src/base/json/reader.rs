//! Reads the text of an object in one pass.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::cursor::{Cursor, Quoted};
use super::error::{
    JsonError, JsonErrorKind, comes_twice, not_json, too_large, too_many_for_bytes, too_many_values,
};
use super::place::{JsonPlace, PointerStep};
use super::strings::unescaped;

/// Reads one text.
pub struct JsonReader {
    /// Levels of objects and arrays, the beacon itself included.
    max_depth: usize,
    max_values: usize,
    /// The weight of the values that may still be read.
    pub weight_left: usize,
    /// The values that were read: the members of objects and the items of arrays, at any depth. An
    /// object with members counts as five.
    pub values: usize,
    /// Pointers to the first texts and keys with a lone surrogate, which is now U+FFFD. There are
    /// at most [`Self::MAX_READER_REPAIRS`], and those after [`MAX_POINTER_BYTES`] are left out.
    pub reader_repairs: Vec<String>,
    /// The bytes of these pointers.
    pointer_bytes: usize,
}

/// The most bytes of the pointers that are kept for one beacon; the next one shows that there were
/// more. A deep beacon has long pointers, and small values of which each could need one.
pub const MAX_POINTER_BYTES: usize = 4_096;

/// Why the reader stops.
enum Stop {
    /// The text is not JSON.
    Syntax,
    Error(Box<JsonError>),
}

impl JsonReader {
    /// An object with members counts as so many values more: the memory of even one member is that
    /// of a node with room for eleven.
    pub const VALUES_OF_OBJECT: usize = 4;

    /// What each of these takes to process besides, in numbers of an array. A late key is searched for
    /// among many others of its object.
    const WEIGHT_OF_TEXT: usize = 1;
    const WEIGHT_OF_ESCAPES: usize = 1;
    const WEIGHT_OF_SUSPECT: usize = 3;
    const WEIGHT_OF_KEY: usize = 1;
    const WEIGHT_OF_LATE_KEY: usize = 2;
    pub const WEIGHT_OF_OBJECT: usize = 2;
    const WEIGHT_OF_ARRAY: usize = 1;
    const MANY_KEYS: usize = 32;

    /// One more than is ever listed, so that the list can show that there were more.
    pub const MAX_READER_REPAIRS: usize = 51;

    pub const fn new(max_depth: usize, max_values: usize, max_weight: usize) -> Self {
        let reader_repairs = Vec::new();
        let weight_left = max_weight;
        Self { max_depth, max_values, weight_left, values: 0, reader_repairs, pointer_bytes: 0 }
    }

    /// Reads the text of an object.
    pub fn beacon(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        self.whole(text).map_err(|stop| {
            let found = match stop {
                // The rest of such a text is not read.
                Stop::Error(error) if error.is_of_cost() => return *error,
                Stop::Error(error) => *error,
                Stop::Syntax => JsonError {
                    kind: JsonErrorKind::Syntax,
                    pointer: String::new(),
                    message: "beacon is not JSON".to_owned(),
                },
            };
            // Anything else that is wrong counts only in a text that is JSON.
            check_object(text).map_or_else(not_json, |()| found)
        })
    }

    fn whole(&mut self, text: &str) -> Result<Map<String, Value>, Stop> {
        let cursor = &mut Cursor::new(text);
        let object = match cursor.peek() {
            Some(b'{') => self.object(cursor, JsonPlace { depth: 1, step: None })?,
            _ => return Err(Stop::Syntax),
        };
        match cursor.peek() {
            None => Ok(object),
            Some(_) => Err(Stop::Syntax),
        }
    }

    /// Reads the members of an object after its first `at` bytes, which a comma follows. None if anything is
    /// wrong in them; what is before them is not looked at.
    #[inline(never)]
    pub fn later_members(&mut self, text: &str, at: usize) -> Option<Map<String, Value>> {
        let cursor = &mut Cursor::after(text, at);
        let members = self.object(cursor, JsonPlace { depth: 1, step: None }).ok()?;
        cursor.peek().is_none().then_some(members)
    }

    fn object(
        &mut self,
        cursor: &mut Cursor<'_>,
        place: JsonPlace<'_>,
    ) -> Result<Map<String, Value>, Stop> {
        self.check_depth(place)?;
        let mut object = Map::new();
        cursor.step();
        if cursor.takes(b'}') {
            return Ok(object);
        }
        self.values = self.values.saturating_add(Self::VALUES_OF_OBJECT);
        self.weigh(Self::WEIGHT_OF_OBJECT)?;
        loop {
            let Some(b'"') = cursor.peek() else { return Err(Stop::Syntax) };
            self.weigh(match object.len() < Self::MANY_KEYS {
                true => Self::WEIGHT_OF_KEY,
                false => Self::WEIGHT_OF_LATE_KEY,
            })?;
            let (key, is_repaired) = self.string(cursor)?;
            if !cursor.takes(b':') {
                return Err(Stop::Syntax);
            }
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    let inner = place.inner(PointerStep::Key(entry.key()));
                    if is_repaired {
                        self.note(inner);
                    }
                    let value = self.value(cursor, inner)?;
                    entry.insert(value);
                }
                Entry::Occupied(entry) => {
                    let inner = place.inner(PointerStep::Key(entry.key()));
                    // What is wrong in the value comes first in the text.
                    self.value(cursor, inner)?;
                    return Err(Stop::Error(Box::new(comes_twice(entry.key(), inner.pointer()))));
                }
            }
            if !cursor.takes(b',') {
                return if cursor.takes(b'}') { Ok(object) } else { Err(Stop::Syntax) };
            }
        }
    }

    fn array(&mut self, cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Vec<Value>, Stop> {
        self.check_depth(place)?;
        let mut items = Vec::new();
        cursor.step();
        if cursor.takes(b']') {
            return Ok(items);
        }
        self.weigh(Self::WEIGHT_OF_ARRAY)?;
        loop {
            items.push(self.value(cursor, place.inner(PointerStep::Index(items.len())))?);
            if !cursor.takes(b',') {
                return if cursor.takes(b']') { Ok(items) } else { Err(Stop::Syntax) };
            }
        }
    }

    fn value(&mut self, cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Value, Stop> {
        let first = cursor.peek().ok_or(Stop::Syntax)?;
        if self.values >= self.max_values {
            return Err(Stop::Error(Box::new(too_many_values(self.max_values))));
        }
        self.values = self.values.saturating_add(1);
        self.weigh(1)?;
        let word = |word: Option<()>, value| word.map(|()| value).ok_or(Stop::Syntax);
        match first {
            b'"' => {
                let (text, is_repaired) = self.string(cursor)?;
                self.weigh(match is_suspect(&text) {
                    true => Self::WEIGHT_OF_TEXT.saturating_add(Self::WEIGHT_OF_SUSPECT),
                    false => Self::WEIGHT_OF_TEXT,
                })?;
                if is_repaired {
                    self.note(place);
                }
                Ok(Value::String(text))
            }
            b'{' => self.object(cursor, place).map(Value::Object),
            b'[' => self.array(cursor, place).map(Value::Array),
            b't' => word(cursor.word("true"), Value::Bool(true)),
            b'f' => word(cursor.word("false"), Value::Bool(false)),
            b'n' => word(cursor.word("null"), Value::Null),
            _ => number(cursor, place),
        }
    }

    /// Reads a string, with U+FFFD for each lone surrogate. Returns whether there was one.
    fn string(&mut self, cursor: &mut Cursor<'_>) -> Result<(String, bool), Stop> {
        match cursor.quoted().ok_or(Stop::Syntax)? {
            Quoted::Plain(content) => Ok((content.to_owned(), false)),
            Quoted::Escaped(content) => {
                self.weigh(Self::WEIGHT_OF_ESCAPES)?;
                unescaped(content).ok_or(Stop::Syntax)
            }
        }
    }

    #[inline]
    fn weigh(&mut self, weight: usize) -> Result<(), Stop> {
        let left = self.weight_left.checked_sub(weight);
        self.weight_left = left.ok_or_else(|| Stop::Error(Box::new(too_many_for_bytes())))?;
        Ok(())
    }

    /// Notes that the text or the key at `place` was repaired.
    fn note(&mut self, place: JsonPlace<'_>) {
        if self.reader_repairs.len() < Self::MAX_READER_REPAIRS
            && self.pointer_bytes <= MAX_POINTER_BYTES
        {
            let pointer = place.pointer();
            // A key and its value share one pointer, which is listed once.
            if self.reader_repairs.last() != Some(&pointer) {
                self.pointer_bytes = self.pointer_bytes.saturating_add(pointer.len());
                self.reader_repairs.push(pointer);
            }
        }
    }

    fn check_depth(&self, place: JsonPlace<'_>) -> Result<(), Stop> {
        if place.depth <= self.max_depth {
            return Ok(());
        }
        let message = format!("beacon is nested deeper than {} levels", self.max_depth);
        let (kind, pointer) = (JsonErrorKind::TooDeep, String::new());
        Err(Stop::Error(Box::new(JsonError { kind, pointer, message })))
    }
}

/// Whether a short text may need a repair, or be redacted: such a text takes several times what others
/// take, for few bytes.
fn is_suspect(text: &str) -> bool {
    const SHORT: usize = 32;
    let bytes = text.as_bytes();
    let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| *byte <= b' ');
    bytes.len() <= SHORT
        && (is_blank(bytes.first())
            || is_blank(bytes.last())
            || bytes.iter().any(|byte| matches!(byte, b'%' | b'/' | b':' | b'=' | b'@')))
}

fn number(cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Value, Stop> {
    let digits = cursor.number().ok_or(Stop::Syntax)?;
    if let Some(plain) = plain(digits) {
        return Ok(Value::from(plain));
    }
    if let Some(negative) = digits.strip_prefix('-').and_then(plain).and_then(negative) {
        return Ok(Value::from(negative));
    }
    let number = digits.parse().map_err(|_| Stop::Syntax)?;
    match is_finite(&number) {
        true => Ok(Value::Number(number)),
        false => Err(Stop::Error(Box::new(too_large(place.pointer())))),
    }
}

/// Returns a number that is an integer without a sign, of so few digits that none is lost.
fn plain(digits: &str) -> Option<u64> {
    const MAX_DIGITS: usize = 19;
    if digits.len() > MAX_DIGITS {
        return None;
    }
    digits.bytes().try_fold(0_u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        Some(value.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// Returns the negative of a number from 1 on; `-0` is not written as `0`.
fn negative(number: u64) -> Option<i64> {
    i64::try_from(number).ok()?.checked_neg().filter(|negative| *negative < 0)
}

/// As [`check_syntax`], but a text without an error costs less.
fn check_object(text: &str) -> Result<(), serde_json::Error> {
    /// The levels that serde_json reads.
    const MAX_DEPTH: usize = 127;
    let mut cursor = Cursor::new(text);
    let is_object =
        cursor.peek() == Some(b'{') && cursor.skip(MAX_DEPTH).is_some() && cursor.peek().is_none();
    if is_object { Ok(()) } else { check_syntax(text) }
}

/// Returns serde_json's error if `text` is not one object in JSON. Keeps nothing of it.
pub fn check_syntax(text: &str) -> Result<(), serde_json::Error> {
    struct SyntaxCheck;

    impl<'de> Deserialize<'de> for SyntaxCheck {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_map(Self)
        }
    }

    impl<'de> Visitor<'de> for SyntaxCheck {
        type Value = Self;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
            while map.next_entry::<&RawValue, &RawValue>()?.is_some() {}
            Ok(self)
        }
    }

    serde_json::from_str(text).map(|SyntaxCheck| ())
}

/// Parses a text that is exactly a JSON number within the range of a double. Keeps all its digits.
pub fn number_of(text: &str) -> Option<Number> {
    text.parse().ok().filter(is_finite)
}

/// Whether `number` is within the range of a double, unlike 1e999.
pub fn is_finite(number: &Number) -> bool {
    /// A number of so many characters, with an exponent of two digits, is below 10^300.
    const SHORT: usize = 200;
    let digits = number.as_str();
    let exponent =
        digits.rsplit(['e', 'E']).next().filter(|exponent| exponent.len() < digits.len());
    let is_small = |exponent: &str| exponent.trim_start_matches(['+', '-']).len() <= 2;
    digits.len() <= SHORT && exponent.is_none_or(is_small)
        || number.as_f64().is_some_and(f64::is_finite)
}
