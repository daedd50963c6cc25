//! Reads the text of an object in one pass.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use super::cursor::{Cursor, Quoted, is_plain};
use super::error::{JsonError, JsonErrorKind, comes_twice, not_json, too_large, too_many_values};
use super::place::{JsonPlace, PointerStep};
use super::strings::unquoted;

/// Reads one text.
pub struct JsonReader {
    /// Levels of objects and arrays, the beacon itself included.
    max_depth: usize,
    max_values: usize,
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
    const VALUES_OF_OBJECT: usize = 4;

    /// One more than is ever listed, so that the list can show that there were more.
    pub const MAX_READER_REPAIRS: usize = 51;

    pub const fn new(max_depth: usize, max_values: usize) -> Self {
        let reader_repairs = Vec::new();
        Self { max_depth, max_values, values: 0, reader_repairs, pointer_bytes: 0 }
    }

    /// Reads the text of an object.
    pub fn beacon(&mut self, text: &str) -> Result<Map<String, Value>, JsonError> {
        self.whole(text).map_err(|stop| match (check_syntax(text), stop) {
            // Anything else that is wrong counts only in a text that is JSON.
            (Err(error), _) => not_json(error),
            (Ok(()), Stop::Error(error)) => *error,
            (Ok(()), Stop::Syntax) => JsonError {
                kind: JsonErrorKind::Syntax,
                pointer: String::new(),
                message: "beacon is not JSON".to_owned(),
            },
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
        loop {
            let Some(b'"') = cursor.peek() else { return Err(Stop::Syntax) };
            let (key, is_repaired) = string(cursor)?;
            if !cursor.takes(b':') {
                return Err(Stop::Syntax);
            }
            match object.entry(key) {
                Entry::Vacant(entry) => {
                    let inner = place.inner(PointerStep::Key(entry.key()));
                    self.note_if(is_repaired, inner);
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
        let word = |word: Option<()>, value| word.map(|()| value).ok_or(Stop::Syntax);
        match first {
            b'"' => {
                let (text, is_repaired) = string(cursor)?;
                self.note_if(is_repaired, place);
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

    /// Notes that the text or the key at `place` was repaired.
    fn note_if(&mut self, is_repaired: bool, place: JsonPlace<'_>) {
        if is_repaired
            && self.reader_repairs.len() < Self::MAX_READER_REPAIRS
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

/// Reads a string, with U+FFFD for each lone surrogate. Returns whether there was one.
fn string(cursor: &mut Cursor<'_>) -> Result<(String, bool), Stop> {
    match cursor.quoted().ok_or(Stop::Syntax)? {
        Quoted::Plain(content) => Ok((content.to_owned(), false)),
        Quoted::Escaped(quoted) => unquoted(quoted).map_err(|_| Stop::Syntax),
    }
}

fn number(cursor: &mut Cursor<'_>, place: JsonPlace<'_>) -> Result<Value, Stop> {
    let digits = cursor.digits().ok_or(Stop::Syntax)?;
    if is_plain(digits) {
        return digits.parse::<u64>().map(Value::from).map_err(|_| Stop::Syntax);
    }
    let number = serde_json::from_str(digits).map_err(|_| Stop::Syntax)?;
    match is_finite(&number) {
        true => Ok(Value::Number(number)),
        false => Err(Stop::Error(Box::new(too_large(place.pointer())))),
    }
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
    // Only an exponent or hundreds of digits can exceed the range.
    let digits = number.as_str();
    let could_be_past = digits.len() > 300 || digits.contains(['e', 'E']);
    !could_be_past || number.as_f64().is_some_and(f64::is_finite)
}
