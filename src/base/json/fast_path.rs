//! Reads well-formed JSON in one pass.
//!
//! It accepts a text only if [`JsonReader`](super::JsonReader) would read the same value without a
//! repair. It gives up at the first doubt, and the slow path then finds the error. serde_json
//! parses numbers and escaped texts.

use serde_json::map::Entry;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::base::json::scan::unescaped_prefix_len;

/// Reads `text` if it is one object and nothing more, at most `max_depth` levels deep.
pub fn object(text: &str, max_depth: usize) -> Option<Map<String, Value>> {
    let mut cursor = Cursor { text, at: 0 };
    let object = match cursor.peek()? {
        b'{' => cursor.object(max_depth)?,
        _ => return None,
    };
    cursor.peek().is_none().then_some(object)
}

/// The shape of a request's body, with the texts of its parts.
#[derive(Debug, PartialEq, Eq)]
pub enum BodyShape<'a> {
    /// The body is one object that is no envelope.
    Beacon,
    /// An array, or an envelope with the fields that it may have.
    Batch { items: Vec<&'a str>, sent_at: Option<&'a str>, device_id: Option<&'a str> },
}

/// Finds the shape of `text` if it is one array or one object, and nothing more. Reads none of its
/// beacons, but checks that all are JSON. They may be at most `max_depth` levels deep.
pub fn body_shape(text: &str, max_depth: usize) -> Option<BodyShape<'_>> {
    let mut cursor = Cursor { text, at: 0 };
    let shape = match cursor.peek()? {
        b'{' => cursor.envelope(max_depth)?,
        b'[' => {
            BodyShape::Batch { items: cursor.items(max_depth)?, sent_at: None, device_id: None }
        }
        _ => return None,
    };
    cursor.peek().is_none().then_some(shape)
}

/// A string as written.
#[derive(Clone, Copy)]
enum Quoted<'a> {
    /// Its content, which has no escape.
    Plain(&'a str),
    /// With its quotes.
    Escaped(&'a str),
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    fn value(&mut self, depth: usize) -> Option<Value> {
        match self.peek()? {
            b'"' => self.string().map(Value::String),
            b'{' => self.object(depth).map(Value::Object),
            b'[' => self.array(depth).map(Value::Array),
            b't' => self.word("true", Value::Bool(true)),
            b'f' => self.word("false", Value::Bool(false)),
            b'n' => self.word("null", Value::Null),
            _ => self.number(),
        }
    }

    /// Reads an object without duplicate keys.
    fn object(&mut self, depth: usize) -> Option<Map<String, Value>> {
        let depth = depth.checked_sub(1)?;
        let mut object = Map::new();
        self.step();
        if self.takes(b'}') {
            return Some(object);
        }
        loop {
            let key = match self.peek()? {
                b'"' => self.string()?,
                _ => return None,
            };
            let Entry::Vacant(entry) = object.entry(key) else { return None };
            if !self.takes(b':') {
                return None;
            }
            entry.insert(self.value(depth)?);
            if !self.takes(b',') {
                return self.takes(b'}').then_some(object);
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Vec<Value>> {
        let depth = depth.checked_sub(1)?;
        let mut items = Vec::new();
        self.step();
        if self.takes(b']') {
            return Some(items);
        }
        loop {
            items.push(self.value(depth)?);
            if !self.takes(b',') {
                return self.takes(b']').then_some(items);
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        match self.quoted()? {
            Quoted::Plain(content) => Some(content.to_owned()),
            Quoted::Escaped(quoted) => serde_json::from_str(quoted).ok(),
        }
    }

    fn quoted(&mut self) -> Option<Quoted<'a>> {
        let opening = self.at;
        self.step();
        let start = self.at;
        let mut is_escaped = false;
        loop {
            self.at = self.at.saturating_add(unescaped_prefix_len(self.rest()));
            match self.rest().first()? {
                b'"' => break,
                b'\\' => {
                    is_escaped = true;
                    self.at = self.at.saturating_add(2);
                }
                _ => return None,
            }
        }
        let end = self.at;
        self.step();
        match is_escaped {
            false => self.text.get(start..end).map(Quoted::Plain),
            true => self.text.get(opening..self.at).map(Quoted::Escaped),
        }
    }

    fn number(&mut self) -> Option<Value> {
        let digits = self.digits()?;
        if is_plain(digits) {
            return digits.parse::<u64>().ok().map(Value::from);
        }
        let number = serde_json::from_str(digits).ok()?;
        super::is_finite(&number).then_some(Value::Number(number))
    }

    /// Returns the text of what may be a number.
    fn digits(&mut self) -> Option<&'a str> {
        let of_number =
            |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest().iter().take_while(of_number).count();
        let start = self.at;
        self.at = start.saturating_add(length);
        self.text.get(start..self.at)
    }

    /// Reads an envelope, or steps over any other object.
    fn envelope(&mut self, max_depth: usize) -> Option<BodyShape<'a>> {
        let depth = max_depth.checked_sub(1)?;
        let (mut items, mut sent_at, mut device_id) = (None, None, None);
        let mut has_others = false;
        self.members(|cursor, key| {
            let Quoted::Plain(key) = key else { return None };
            let place = match key {
                "events" => {
                    let found = (cursor.peek()? == b'[').then(|| cursor.items(max_depth))??;
                    return items.replace(found).is_none().then_some(());
                }
                "sent_at" => &mut sent_at,
                "device_id" => &mut device_id,
                _ => {
                    has_others = true;
                    return cursor.skip(depth).map(drop);
                }
            };
            place.replace(cursor.skip(depth)?).is_none().then_some(())
        })?;
        match items {
            None => Some(BodyShape::Beacon),
            Some(items) => (!has_others).then_some(BodyShape::Batch { items, sent_at, device_id }),
        }
    }

    /// Returns the texts of an array's items.
    fn items(&mut self, depth: usize) -> Option<Vec<&'a str>> {
        let mut items = Vec::new();
        self.step();
        if self.takes(b']') {
            return Some(items);
        }
        loop {
            items.push(self.skip(depth)?);
            if !self.takes(b',') {
                return self.takes(b']').then_some(items);
            }
        }
    }

    /// Steps over the keys of an object; `member` is called at each value, and steps over it.
    fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Quoted<'a>) -> Option<()>,
    ) -> Option<()> {
        self.step();
        if self.takes(b'}') {
            return Some(());
        }
        loop {
            let key = (self.peek()? == b'"').then(|| self.checked_string())??;
            self.takes(b':').then(|| member(self, key))??;
            if !self.takes(b',') {
                return self.takes(b'}').then_some(());
            }
        }
    }

    /// Steps over a value, and returns its text if it is JSON.
    fn skip(&mut self, depth: usize) -> Option<&'a str> {
        let first = self.peek()?;
        let start = self.at;
        match first {
            b'"' => drop(self.checked_string()?),
            b'{' => {
                let depth = depth.checked_sub(1)?;
                self.members(|cursor, _| cursor.skip(depth).map(drop))?;
            }
            b'[' => drop(self.items(depth.checked_sub(1)?)?),
            b't' => drop(self.word("true", Value::Null)?),
            b'f' => drop(self.word("false", Value::Null)?),
            b'n' => drop(self.word("null", Value::Null)?),
            _ => {
                let digits = self.digits()?;
                (is_plain(digits) || is_json(digits)).then_some(())?;
            }
        }
        self.text.get(start..self.at)
    }

    /// Steps over a string whose escapes are valid.
    fn checked_string(&mut self) -> Option<Quoted<'a>> {
        let string = self.quoted()?;
        match string {
            Quoted::Plain(_) => Some(string),
            Quoted::Escaped(quoted) => is_json(quoted).then_some(string),
        }
    }

    fn word(&mut self, word: &str, value: Value) -> Option<Value> {
        let found = self.rest().starts_with(word.as_bytes());
        self.at = self.at.saturating_add(word.len());
        found.then_some(value)
    }

    /// Skips white space and returns the next byte.
    fn peek(&mut self) -> Option<u8> {
        loop {
            match *self.rest().first()? {
                b' ' | b'\n' | b'\r' | b'\t' => self.step(),
                byte => return Some(byte),
            }
        }
    }

    /// Steps over `byte` if it is next.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.step();
        }
        is_next
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }
}

/// Whether `digits` are an integer below 10^19, without a sign.
fn is_plain(digits: &str) -> bool {
    matches!(digits.as_bytes(), [b'0'] | [b'1'..=b'9', ..])
        && digits.len() < 20
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::json::JsonReader;

    /// Reads `text` by the slow path; none if it has an error or needs a repair.
    fn long_way(text: &str, max_depth: usize) -> Option<Map<String, Value>> {
        let mut reader = JsonReader { max_depth, reader_repairs: Vec::new() };
        reader.by_parts(text).ok().filter(|_| reader.reader_repairs.is_empty())
    }

    #[test]
    fn well_formed_input_is_read() {
        for text in [
            "{}",
            " {\t\"a\" :\r\n[ ] , \"b\":{ }} ",
            r#"{"a":[true,false,null,-0.10,1e+3,12345678901234567890123],"b":"é😀\"\\\/\ud83d\ude00"}"#,
            r#"{"a\u002fb":"","":"x"}"#,
            r#"{"$serde_json::private::Number":"1","a":{"$serde_json::private::RawValue":"1"}}"#,
        ] {
            let read = object(text, 4);
            assert!(read.is_some(), "{text}");
            assert_eq!(read, long_way(text, 4), "{text}");
        }
    }

    #[test]
    fn doubtful_input_is_left_to_the_full_reader() {
        for text in [
            "",
            " ",
            "1",
            "[]",
            "{",
            "{}{}",
            "{} x",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{,}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a":1,"a":2}"#,
            r#"{"a":[1,]}"#,
            r#"{"a":[1 2]}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":1e}"#,
            r#"{"a":.5}"#,
            r#"{"a":+1}"#,
            r#"{"a":tru}"#,
            r#"{"a":truex}"#,
            r#"{"a":"\x"}"#,
            "{\"a\":\"\n\"}",
            r#"{"a":"\ud83d"}"#,
            r#"{"a":"b}"#,
            r#"{"a":"b\"}"#,
            r#"{"a":"b\"#,
            r#"{a:1}"#,
            r#"{"a":{"b":{"c":{"d":{}}}}}"#,
            "{\"a\":\u{a0}1}",
            r#"{"a":NaN}"#,
        ] {
            assert_eq!(object(text, 4), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn both_ways_read_the_same(
            text in r#"\{("[ab]"|:|,|\{|\}|\[|\]|"(a|\\|"|\\u00e9|\\ud83d|é|\x01)*"|[-+]?[0-9]{1,3}|1\.5e-?3|true|null| |\n){0,14}\}"#,
        ) {
            prop_assert_eq!(object(&text, 4), long_way(&text, 4));
        }

        #[test]
        fn both_ways_read_the_same_of_pairs(
            pairs in proptest::collection::vec(
                r#"[ \n]?"[a-d\\"é]{0,2}"[ ]?:[ ]?("([ -~é]|\\[nu"/bx])*"|-?[0-9]{1,3}(\.[0-9]+)?([eE][-+]?[0-9]{1,2})?|\[\]|\{\}|\[(1,)?"x"\]|\{"a":\[\{\}\]\}|true|false|null|nul)"#,
                0..5,
            ),
        ) {
            let text = format!("{{{}}}", pairs.join(","));
            prop_assert_eq!(object(&text, 4), long_way(&text, 4));
        }
    }
}
