//! Writes the line of a record: one JSON object, column by column, without absent values.
//!
//! The bytes are those that serde_json would write. Texts and times, the most frequent values, take
//! a faster way.

use std::cell::RefCell;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::base::json::scan::is_unescaped;
use crate::base::timestamp::rfc3339;
use crate::model::consent::PrivacySignal;
use crate::model::repairs::{Repair, Repairs};
use crate::model::violation::{Violation, Violations};

/// Most lines are shorter, so that few are reallocated.
const USUAL_BYTES: usize = 2_048;

const END: &[u8] = b"}\n";

#[derive(Debug)]
pub struct JsonLineWriter {
    bytes: Vec<u8>,
    problem: Option<serde_json::Error>,
}

/// The bytes of columns that several lines have alike, with what decides them: for columns of a request,
/// the signal for which identifiers are left out of them.
#[derive(Debug)]
pub struct SharedColumns<K = Option<PrivacySignal>>(RefCell<(Option<K>, Vec<u8>)>);

impl<K> Default for SharedColumns<K> {
    fn default() -> Self {
        Self(RefCell::new((None, Vec::new())))
    }
}

impl<K: PartialEq> SharedColumns<K> {
    /// Adds the columns to `line`, which is not empty. Returns whether there are some for this key.
    pub fn add_to(&self, line: &mut JsonLineWriter, key: &K) -> bool {
        let (known, bytes) = &*self.0.borrow();
        let is_known = known.as_ref() == Some(key);
        if is_known {
            line.bytes.extend_from_slice(bytes);
        }
        is_known
    }

    /// Keeps the columns that were added to `line`, which was not empty, since it had `start` bytes, if
    /// none of them failed.
    pub fn keep(&self, line: &JsonLineWriter, start: usize, key: K) {
        let (known, bytes) = &mut *self.0.borrow_mut();
        *known = line.problem.is_none().then_some(key);
        line.bytes.get(start..).unwrap_or_default().clone_into(bytes);
    }
}

impl Default for JsonLineWriter {
    fn default() -> Self {
        let mut bytes = Vec::with_capacity(USUAL_BYTES);
        bytes.push(b'{');
        Self { bytes, problem: None }
    }
}

impl JsonLineWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the finished line `bytes` again, to add columns.
    pub fn reopened(mut bytes: Vec<u8>) -> Self {
        let end = if bytes.ends_with(END) { END.len() } else { 0 };
        bytes.truncate(bytes.len().saturating_sub(end));
        Self { bytes, problem: None }
    }

    /// Returns how many bytes are written.
    pub const fn written(&self) -> usize {
        self.bytes.len()
    }

    /// Ends the line, or returns why a column could not be written.
    pub fn end(mut self) -> Result<Vec<u8>, serde_json::Error> {
        self.bytes.extend_from_slice(END);
        match self.problem {
            None => Ok(self.bytes),
            Some(problem) => Err(problem),
        }
    }

    pub fn text(&mut self, column: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.open(column);
            self.string(text);
        }
    }

    /// Writes repairs, unless there are none.
    pub fn repairs(&mut self, column: &str, repairs: &Repairs) {
        if repairs.is_empty() {
            return;
        }
        self.open(column);
        let mut before = b'[';
        for repair in repairs.iter() {
            self.bytes.push(before);
            before = b',';
            match repair {
                Repair { rule, pointer, length: None, original: None } => {
                    self.append(b"{\"rule\":");
                    self.string(rule);
                    self.append(b",\"pointer\":");
                    self.string(pointer);
                    self.bytes.push(b'}');
                }
                other => self.value(other),
            }
        }
        self.bytes.push(b']');
    }

    /// Writes the violations of a failed event.
    pub fn violations(&mut self, column: &str, violations: &Violations) {
        self.open(column);
        let mut before = b'[';
        for Violation { code, pointer, message, rule, found } in violations.iter() {
            self.bytes.push(before);
            before = b',';
            self.append(b"{\"code\":");
            self.value(code);
            self.append(b",\"pointer\":");
            self.string(pointer);
            self.append(b",\"message\":");
            self.string(message);
            for (key, text) in [(b",\"rule\":".as_slice(), rule), (b",\"found\":", found)] {
                if let Some(text) = text {
                    self.append(key);
                    self.string(text);
                }
            }
            self.bytes.push(b'}');
        }
        self.bytes.push(b']');
    }

    /// Writes an object as it was read. The protocol limits its depth.
    pub fn object(&mut self, column: &str, object: Option<&Map<String, Value>>) {
        if let Some(object) = object {
            self.open(column);
            self.members(object);
        }
    }

    fn members(&mut self, members: &Map<String, Value>) {
        self.bytes.push(b'{');
        for (index, (name, member)) in members.iter().enumerate() {
            if index > 0 {
                self.bytes.push(b',');
            }
            self.string(name);
            self.bytes.push(b':');
            self.any(member);
        }
        self.bytes.push(b'}');
    }

    fn any(&mut self, value: &Value) {
        match value {
            Value::Null => self.append(b"null"),
            Value::Bool(true) => self.append(b"true"),
            Value::Bool(false) => self.append(b"false"),
            Value::Number(number) => self.append(number.as_str().as_bytes()),
            Value::String(text) => self.string(text),
            Value::Array(items) => {
                self.bytes.push(b'[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        self.bytes.push(b',');
                    }
                    self.any(item);
                }
                self.bytes.push(b']');
            }
            Value::Object(members) => self.members(members),
        }
    }

    fn string(&mut self, text: &str) {
        match is_unescaped(text.as_bytes()) {
            true => self.quoted(text.as_bytes()),
            false => self.escaped(text),
        }
    }

    /// Writes a text that may need escapes. An original has a quote every few bytes.
    fn escaped(&mut self, text: &str) {
        let start = self.bytes.len();
        self.bytes.reserve(text.len().saturating_add(2));
        self.bytes.push(b'"');
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => {
                    self.bytes.push(b'\\');
                    self.bytes.push(byte);
                }
                // Others are rare.
                ..b' ' => {
                    self.bytes.truncate(start);
                    return self.value(text);
                }
                _ => self.bytes.push(byte),
            }
        }
        self.bytes.push(b'"');
    }

    /// Writes a time in RFC 3339, in UTC with milliseconds.
    pub fn time(&mut self, column: &str, at: Option<DateTime<Utc>>) {
        if let Some(at) = at {
            self.open(column);
            match rfc3339(at) {
                Some(text) => self.quoted(&text),
                None => self.value(&at.to_rfc3339_opts(SecondsFormat::Millis, true)),
            }
        }
    }

    /// Writes the UTC day of a time.
    pub fn date(&mut self, column: &str, at: DateTime<Utc>) {
        self.open(column);
        match rfc3339(at).as_ref().and_then(|text| text.get(..10)) {
            Some(text) => self.quoted(text),
            None => self.value(&at.date_naive().to_string()),
        }
    }

    pub fn json(&mut self, column: &str, value: Option<impl Serialize>) {
        if let Some(value) = value {
            self.open(column);
            self.value(&value);
        }
    }

    /// Writes a column's name, which needs no escapes.
    fn open(&mut self, column: &str) {
        if self.bytes.len() > 1 {
            self.bytes.push(b',');
        }
        self.quoted(column.as_bytes());
        self.bytes.push(b':');
    }

    fn quoted(&mut self, text: &[u8]) {
        self.bytes.push(b'"');
        self.bytes.extend_from_slice(text);
        self.bytes.push(b'"');
    }

    /// Adds bytes as they are. A call that copies a few of them takes longer than to store them, most of all in
    /// Wasm.
    fn append(&mut self, bytes: &[u8]) {
        const FEW: usize = 16;
        if bytes.len() > FEW {
            return self.bytes.extend_from_slice(bytes);
        }
        let (eights, rest) = bytes.as_chunks::<8>();
        eights.iter().for_each(|eight| self.bytes.extend(*eight));
        let (fours, rest) = rest.as_chunks::<4>();
        fours.iter().for_each(|four| self.bytes.extend(*four));
        rest.iter().for_each(|byte| self.bytes.push(*byte));
    }

    fn value(&mut self, value: &(impl Serialize + ?Sized)) {
        if let Err(problem) = serde_json::to_writer(&mut self.bytes, value) {
            self.problem.get_or_insert(problem);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::model::repairs::Originals;
    use crate::model::violation::Code;

    fn written(write: impl FnOnce(&mut JsonLineWriter)) -> String {
        let mut line = JsonLineWriter::new();
        write(&mut line);
        String::from_utf8(line.end().unwrap()).unwrap()
    }

    #[test]
    fn absent_values_are_left_out() {
        let line = written(|line| {
            line.text("a", None);
            line.time("b", None);
            line.json("c", None::<bool>);
            line.json("d", Some(-7));
            line.json("e", None::<u64>);
            line.json("f", Some(json!({"x": [0.5]})));
            line.date("g", DateTime::UNIX_EPOCH);
        });
        assert_eq!(line, "{\"d\":-7,\"f\":{\"x\":[0.5]},\"g\":\"1970-01-01\"}\n");
        assert_eq!(written(|_| {}), "{}\n");
    }

    #[test]
    fn a_finished_line_accepts_more_columns() {
        for (before, after) in [("{}\n", "{\"b\":1}\n"), ("{\"a\":0}\n", "{\"a\":0,\"b\":1}\n")] {
            let mut line = JsonLineWriter::reopened(before.as_bytes().to_vec());
            line.json("b", Some(1));
            assert_eq!(String::from_utf8(line.end().unwrap()).unwrap(), after);
        }
    }

    #[test]
    fn a_value_that_json_cannot_hold_is_an_error() {
        let mut line = JsonLineWriter::new();
        line.json("a", Some(std::collections::HashMap::from([([1], 2)])));
        assert!(line.end().is_err());
    }

    #[test]
    fn repairs_are_written_as_serde_json_writes_them() {
        let mut repairs = Repairs::new(Originals::Keep);
        assert_eq!(written(|line| line.repairs("a", &repairs)), "{}\n");
        repairs.add("trim", || "/props/a".to_owned(), None);
        repairs.add("own \"rule\"", || "/props/\\\n\u{1}é".to_owned(), None);
        repairs.add("url", || "/url".to_owned(), Some(json!([" a"])));
        repairs.cut(|| "/title".to_owned(), 300, json!("a"));
        repairs.cut(|| "/title".to_owned(), 300, json!(null));
        let line = written(|line| line.repairs("a", &repairs));
        let expected = serde_json::to_string(&repairs).unwrap();
        assert_eq!(line, format!("{{\"a\":{expected}}}\n"));
    }

    #[test]
    fn violations_are_written_as_serde_json_writes_them() {
        let plain = Violation::of_field(Code::WrongType, "a\"/b", "a \"text\"\n");
        let of_schema = Violation {
            rule: Some("type"),
            found: Some("array"),
            ..Violation::whole(Code::NoMatch, "is none")
        };
        let without_value = Violation { found: None, ..of_schema.clone() };
        for rest in [vec![], vec![of_schema, without_value]] {
            let violations = Violations::new(plain.clone(), rest);
            let expected = serde_json::to_string(&violations).unwrap();
            let line = written(|line| line.violations("a", &violations));
            assert_eq!(line, format!("{{\"a\":{expected}}}\n"));
        }
    }

    /// Any value of a few levels.
    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            "-?[1-9][0-9]{0,20}(\\.[0-9]{1,3})?(e-?[0-9]{1,2})?"
                .prop_map(|digits| Value::Number(digits.parse().unwrap())),
            "[ -~é😀\"\\\\\x00\x1f\x7f]{0,20}".prop_map(Value::String),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
                proptest::collection::btree_map("[a-z\"é]{0,3}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_object_is_written_as_serde_json_writes_it(value in values()) {
            let object = Map::from_iter([("a".to_owned(), value.clone()), ("b".to_owned(), value)]);
            let line = written(|line| line.object("c", Some(&object)));
            let expected = serde_json::to_string(&object).unwrap();
            prop_assert_eq!(line, format!("{{\"c\":{expected}}}\n"));
        }

        #[test]
        fn a_text_is_written_as_serde_json_writes_it(text in "[ -~é😀\"\\\\\x00\x1f\x7f\u{2028}]{0,40}") {
            let line = written(|line| line.text("a", Some(&text)));
            prop_assert_eq!(line, json!({"a": text}).to_string() + "\n");
        }

        #[test]
        fn a_time_is_written_as_chrono_writes_it(
            ms in prop_oneof![-62_000_000_000_000..253_500_000_000_000_i64, -8_000_000_000_000_000..8_000_000_000_000_000_i64],
        ) {
            let at = DateTime::from_timestamp_millis(ms).unwrap();
            let line = written(|line| {
                line.time("a", Some(at));
                line.date("b", at);
            });
            let (time, date) = (at.to_rfc3339_opts(SecondsFormat::Millis, true), at.date_naive());
            prop_assert_eq!(line, format!("{{\"a\":\"{time}\",\"b\":\"{date}\"}}\n"));
        }
    }
}
