//! Reads well-formed JSON in one pass.
//!
//! It accepts a text only if [`JsonReader`](super::JsonReader) would read the same value without a
//! repair. It gives up at the first doubt, and the slow path then finds the error. serde_json
//! parses numbers and escaped texts.

use serde_json::map::Entry;
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
        let opening = self.at;
        self.step();
        let start = self.at;
        loop {
            self.at = self.at.saturating_add(unescaped_prefix_len(self.rest()));
            match self.rest().first()? {
                b'"' => break,
                b'\\' => self.at = self.at.saturating_add(2),
                _ => return None,
            }
        }
        let content = self.text.get(start..self.at)?;
        self.step();
        match content.contains('\\') {
            true => serde_json::from_str(self.text.get(opening..self.at)?).ok(),
            false => Some(content.to_owned()),
        }
    }

    fn number(&mut self) -> Option<Value> {
        let of_number =
            |byte: &&u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E');
        let length = self.rest().iter().take_while(of_number).count();
        let start = self.at;
        self.at = start.saturating_add(length);
        let number = serde_json::from_str(self.text.get(start..self.at)?).ok()?;
        super::is_finite(&number).then_some(Value::Number(number))
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
